"""What the documents say is run."""

import builtins
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from langchain_openai import ChatOpenAI

import adaptive_reasoner
from adaptive_reasoner import AdaptiveReasoner, kit
from tests.pages import Page, blocks_of
from tests.public_errors import every_error
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


LINKED = [PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
LINKED += [
    PROJECT / "ARCHITECTURE.md",
    PROJECT / "benchmarks" / "README.md",
    PROJECT / "cookbook" / "README.md",
]


def slug(heading):
    """The anchor of a heading, as GitHub and the site make it."""
    plain = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", [*LINKED, *PAGES], ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    broken = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text):
        path, _, anchor = "".join(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.M) if target.suffix == ".md" else []
        known = {slug(heading) for heading in headings} | {"only-light", "only-dark", ""}
        if not target.exists() or anchor not in known:
            broken.append(link)
    assert broken == []


def test_each_public_name_stands_on_one_page_of_the_reference():
    shown = [
        name
        for page in (PROJECT / "docs" / "reference").glob("*.md")
        for name in re.findall(r"^::: adaptive_reasoner\.(\w+)$", page.read_text(), re.M)
    ]
    assert sorted(shown) == sorted(adaptive_reasoner.__all__)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built once."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, check=False, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


SEARCHES = (
    *("quickstart", "latency", "streaming", "human in the loop", "fan-out", "retrieval", "changelog"),
    *("troubleshooting", "api reference", "coming from routellm", "coming from litellm", "free text"),
    *("coming from its-hub", "what counts as the same answer", "no labels", "adaptivechatmodel"),
)


@pytest.mark.slow
@pytest.mark.parametrize("words", SEARCHES)
def test_a_search_of_the_site_finds_a_heading(site, words):
    index = json.loads((site / "search" / "search_index.json").read_text())
    assert any(words in entry["title"].lower() for entry in index["docs"])


@pytest.mark.slow
def test_the_site_builds_strictly_and_has_every_public_name_and_command(site):
    html = "".join(page.read_text() for page in (site / "reference").rglob("*.html"))
    for module in (adaptive_reasoner, kit):
        assert [name for name in module.__all__ if f'id="{module.__name__}.{name}"' not in html] == []
    commands = (site / "reference" / "commands" / "index.html").read_text()
    assert all(f"adaptive-reasoner {name}" in commands for name in ("collect QUESTIONS", "ledger show URL"))


@pytest.mark.slow
def test_the_signature_of_the_chat_model_names_its_settings_and_their_types(site):
    page = (site / "reference" / "chat-model" / "index.html").read_text()
    signature = re.sub(r"<[^>]+>", "", page[page.index("doc-signature") :].partition("</pre>")[0])
    assert "**fields" not in signature
    assert all(f"{name}: " in signature for name in ("model", "policy", "budget", "ledger", "key", "timeout"))


HOOKS = PROJECT / "docs" / "hooks"
TROUBLES = PROJECT / "docs" / "troubleshooting.md"


@pytest.fixture(scope="module")
def raised():
    """What the code raises, by the hook that lists it on the site."""
    spec = spec_from_file_location("messages", HOOKS / "messages.py")
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_every_message_that_troubleshooting_explains_is_in_the_code(raised):
    listed = re.findall(r"^\| `([^`]+)`", TROUBLES.read_text(), re.M)
    assert len(listed) > 60
    code = "\n".join(raised.texts(PROJECT / "adaptive_reasoner"))
    # a name and its unit stand beside each other in the code, with one space or none
    plain = re.sub(r"(?:\.\.\. ?)+", "...", code)
    lost = [said for said in listed if re.sub(r"(?:\.\.\. ?)+", "...", said).strip(".") not in plain]
    assert lost == []


def test_every_message_about_money_is_explained(raised):
    page = re.sub(r"(?:\.\.\. ?)+", "...", TROUBLES.read_text())
    said = raised.messages(PROJECT / "adaptive_reasoner")
    heads = {
        re.sub(r"(?:\.\.\. ?)+", "...", text).strip(".").partition(";")[0].partition("; declare")[0]
        for name in ("BudgetExceededError", "UnpricedUsageError")
        for text in said[name]
    }
    assert len(heads) > 8
    assert [head for head in sorted(heads) if longest_part(head) not in page] == []


def longest_part(message):
    """The longest part of a message that is the same every time."""
    return max(message.split("..."), key=len).partition(":")[0].strip()


def test_every_public_error_is_named_by_troubleshooting():
    names = {name for name in adaptive_reasoner.__all__ if name.endswith("Error")}
    named = set(re.findall(r"`(\w+Error)`", TROUBLES.read_text())) | {"AdaptiveReasonerError"}
    assert names <= named
    unknown = {name for name in named if not hasattr(builtins, name)} - {
        each.__name__ for each in every_error()
    }
    assert unknown == set()


def test_the_readme_says_how_many_calls_a_question_takes(hosted):
    hosted.answer = lambda prompt, number: "Roses are red." if "poem" in prompt else "Answer: 391"
    reasoner = AdaptiveReasoner(ChatOpenAI(model="gpt-5-mini"), budget=300.0)
    poem = reasoner.answer("Write a poem.").record
    agreed = [reasoner.answer("What is 17 * 23?").record for _ in range(3)]
    assert (poem["samples"], poem["rounds"]) == (1, 1)
    assert {record["samples"] for record in agreed} <= {4, 5}
    assert {record["rounds"] for record in agreed} == {2}
    answers = iter(("391", "390", "401", "399", "17", "23", "40", "38", "39"))
    hosted.answer = lambda prompt, number: f"Answer: {next(answers)}"
    assert reasoner.answer("What is 17 * 23?").record["samples"] == 9
