"""What the documents say is run."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import adaptive_reasoner
from adaptive_reasoner import kit
from tests.pages import Page, blocks_of
from tests.stub_server import StubServer

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def in_project(monkeypatch, tmp_path):
    """A folder that looks like the project's, to write into."""
    (tmp_path / "cookbook").symlink_to(PROJECT / "cookbook")
    monkeypatch.chdir(tmp_path)


HOSTED = [block for block in BLOCKS if "ChatOpenAI" in block]


def test_the_readme_has_code():
    assert len(HOSTED) >= 3
    assert len(BLOCKS) > len(HOSTED)


@pytest.mark.parametrize("block", HOSTED, ids=lambda block: block.split("\n\n")[0].split()[-1])
def test_what_the_readme_shows_of_a_hosted_model_runs(block, capsys, hosted, in_project):
    exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("Answer: 391")


@pytest.mark.slow
def test_the_offline_half_of_the_readme_runs(capsys, in_project):
    (block,) = [block for block in BLOCKS if "adaptive_reasoner.kit" in block]
    exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out


def test_every_file_the_readme_names_is_there():
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert linked
    assert [link for link in linked if not (PROJECT / link).exists()] == []


PAGES = sorted((PROJECT / "docs").rglob("*.md"))
RUNNING = [page for page in PAGES if {block.language for block in blocks_of(page)} & {"python", "console"}]


def arithmetic(prompt, number):
    """Solves the last sum or product of a prompt."""
    first, operator, second = re.findall(r"(\d+) ([+*]) (\d+)", prompt)[-1]
    solved = int(first) + int(second) if operator == "+" else int(first) * int(second)
    return f"Answer: {solved}"


@pytest.fixture
def hosted(monkeypatch):
    """A hosted model, as far as a page can tell."""
    with StubServer(answer=arithmetic) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "DEEPSEEK", "XAI", "GROQ"):
            monkeypatch.setenv(f"{name}_API_KEY", "no-key")
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page, hosted, in_project):
    Page(page).run()


EXTRAS = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


UNRUN = [
    pytest.param(block, id=f"{page.stem} {number} {block.language}")
    for page in PAGES
    for number, block in enumerate(blocks_of(page))
    if block.language not in ("python", "console", "text")
]


@pytest.mark.parametrize("block", UNRUN)
def test_what_a_page_does_not_run_is_installing_or_settings(block):
    assert block.language in ("sh", "toml", "json")
    if block.language == "sh":
        lines = block.text.splitlines()
        assert lines
        assert [line for line in lines if not line.startswith(("pip install ", "make "))] == []
        extras = ",".join(re.findall(r"\[([\w,]+)\]", block.text)).split(",")
        assert set(extras) - {""} <= set(EXTRAS)
    elif block.language == "toml":
        assert tomllib.loads(block.text)
    else:
        rows = block.text.strip().replace("}\n{", "},\n{")
        assert json.loads(f"[{rows}]")


@pytest.mark.slow
def test_the_site_builds_strictly_and_has_every_public_name(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, check=False, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    for page, module in (("online", adaptive_reasoner), ("kit", kit)):
        html = (tmp_path / "site" / "reference" / page / "index.html").read_text()
        assert [name for name in module.__all__ if f'id="{module.__name__}.{name}"' not in html] == []
    commands = (tmp_path / "site" / "reference" / "commands" / "index.html").read_text()
    assert all(f"adaptive-reasoner {name}" in commands for name in ("collect QUESTIONS", "ledger show URL"))
