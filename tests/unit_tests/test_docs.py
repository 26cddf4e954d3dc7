"""What the documents say is run: README blocks, and its figures are those of the committed runs."""

import json
import re
from pathlib import Path

import pytest

from tests.stub_server import StubServer

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def in_project(monkeypatch, tmp_path):
    """A folder that looks like the project's, to write into."""
    (tmp_path / "cookbook").symlink_to(PROJECT / "cookbook")
    monkeypatch.chdir(tmp_path)


def test_the_readme_has_code():
    assert len(BLOCKS) >= 2


def test_the_graph_of_the_readme_runs(monkeypatch, capsys, in_project):
    (block,) = [block for block in BLOCKS if "ChatOpenAI" in block]
    with StubServer(answer=lambda prompt, number: "Answer: 391") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "no-key")
        exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out == "Answer: 391 9.0\n"


@pytest.mark.slow
def test_the_offline_half_of_the_readme_runs(capsys, in_project):
    (block,) = [block for block in BLOCKS if "adaptive_reasoner.kit" in block]
    exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out


def test_the_figures_of_the_readme_are_those_of_the_committed_run():
    demo = json.loads((PROJECT / "benchmarks" / "results" / "demo.json").read_text())
    for row in demo["rows"]:
        assert f"| {row['policy']} | {row['accuracy']:.3f} | {row['mean_cost']:.1f} |" in README
    replay, gate = demo["replay"], demo["gate"]
    said = " ".join(README.split())
    assert f"recorded samples {replay['questions']} times" in said
    assert f"spends {replay['mean_cost']:.2f} of {demo['target']:g} tokens" in said
    assert (
        f"answers {replay['accuracy']:.3f} rightly where the mixture answers {replay['uniform_at_cost']:.3f}"
        in said
    )
    assert f"a lift of {gate['lift']:.3f} ({gate['low']:.3f} to {gate['high']:.3f})" in said
    assert f"within families the lift is {replay['lift_within_families']:.3f}" in said


def test_every_file_the_readme_names_is_there():
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert linked
    assert [link for link in linked if not (PROJECT / link).exists()] == []
