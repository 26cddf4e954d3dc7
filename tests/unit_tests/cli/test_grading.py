"""The command that grades samples again, as the shell sees it."""

import json
from pathlib import Path

import pytest

from adaptive_reasoner.kit.tables.files import write_rows
from tests.stub_server import StubServer

QUESTIONS = [{"question_id": f"q{i}", "question": f"What is {i} + 1?", "gold": str(i + 1)} for i in range(6)]
MENU = """
[sources.cot]
base_url = "{base_url}"
model = "m"
max_tokens = 8

[sources.judge]
base_url = "{base_url}"
model = "m"
max_tokens = 8
samples = 0

[grader]
kind = "judge"
source = "judge"
"""


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    """`command`, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return command


SAMPLES = [
    {
        **row,
        "source": "cot",
        "sample": 0,
        "answer": row["gold"],
        "correct": 1.0,
        "cost": 2,
        "cost_unit": "tokens",
    }
    for row in QUESTIONS
]


def test_regrade_says_what_changed_and_writes_in_place_or_elsewhere(command):
    write_rows("samples.jsonl", SAMPLES)
    write_rows("fixed.csv", [{**QUESTIONS[0], "gold": "one"}, *QUESTIONS[1:]])
    before = Path("samples.jsonl").read_bytes()
    fixed = ("regrade", "samples.jsonl", "--questions", "fixed.csv")
    code, printed, said = command(*fixed, "--out", "other.jsonl", "--json")
    assert (code, said, Path("samples.jsonl").read_bytes()) == (0, "", before)
    done = json.loads(printed)
    assert (done["file"], done["rows"], done["changes"]) == ("other.jsonl", 6, {"right -> wrong": 1})
    code, printed, _ = command(*fixed)
    assert (code, "right -> wrong 1" in printed) == (0, True)
    assert Path("samples.jsonl").read_bytes() == Path("other.jsonl").read_bytes()


def test_regrade_by_a_judge_ends_at_its_cap_like_collect(command):
    write_rows("samples.jsonl", SAMPLES)
    with StubServer(answer=lambda prompt, number: "no") as server:
        Path("menu.toml").write_text(MENU.format(base_url=server.base_url))
        regrade = ("regrade", "samples.jsonl", "--config", "menu.toml", "--json")
        code, printed, said = command(*regrade, "--max-cost", 22)
        assert (code, json.loads(printed)["stopped"]) == (3, "max_cost")
        assert "run the same command again with a higher cap" in said
        code, printed, said = command(*regrade)
    assert (code, said, json.loads(printed)["graders"].keys()) == (
        0,
        "",
        json.loads(printed)["graders"].keys(),
    )
    assert {json.loads(line)["correct"] for line in Path("samples.jsonl").read_text().splitlines()} == {0.0}


def test_regrade_says_what_a_judge_would_cost_and_calls_none(command):
    write_rows("samples.jsonl", SAMPLES)
    before = Path("samples.jsonl").read_bytes()
    with StubServer(answer=lambda prompt, number: "no") as server:
        Path("menu.toml").write_text(MENU.format(base_url=server.base_url))
        regrade = ("regrade", "samples.jsonl", "--config", "menu.toml")
        code, printed, _ = command(*regrade, "--dry-run", "--max-cost", 50, "--json")
        job = json.loads(printed)
        assert (code, job["calls"], job["bound"], job["expected"], job["spent"]) == (0, 6, 48.0, 24.0, 12.0)
        assert (job["max_cost"], job["sources"][0]["source"]) == (50.0, "judge")
        assert "to ask of the judge, cost in tokens" in command(*regrade, "--dry-run")[1]
        assert (Path("samples.jsonl").read_bytes(), server.bodies) == (before, [])
        command(*regrade, "--max-cost", 30)
        code, printed, _ = command(*regrade, "--dry-run", "--json")
        assert json.loads(printed)["calls"] < 6  # what the judge has graded is not asked again
    code, _, said = command("regrade", "samples.jsonl", "--dry-run")
    assert (code, "give --config" in said) == (2, True)
    Path("exact.toml").write_text(MENU.split("[sources.judge]")[0].format(base_url="http://localhost:1"))
    code, _, said = command("regrade", "samples.jsonl", "--config", "exact.toml", "--dry-run")
    assert (code, "calls no model" in said) == (2, True)
