"""The command that imports logs, as the shell sees it."""

import json
import os
import signal

import pytest

from adaptive_reasoner.kit.tables.files import read_rows
from tests.stub_server import StubServer

LOG = """prompt,reply,right,model,tokens
6 * 7?,It is 42.,42,small,3
6 * 8?,It is 46.,48,large,30
6 * 7?,43,42,small,3
"Write a poem about the sea","Roses are red.
Violets are blue, and so on and on, for many lines that state nothing at all.",,large,30
"""
COLUMNS = (
    "--question-column",
    "prompt",
    "--answer-column",
    "reply",
    "--gold-column",
    "right",
    "--cost-column",
    "tokens",
)
UNIT = ("--cost-unit", "tokens")
MENU = """
[sources.small]
base_url = "{url}"
model = "m"
max_tokens = 8
samples = 1
[sources.large]
base_url = "{url}"
model = "m"
max_tokens = 64
samples = 1
[grader]
kind = "auto"
"""


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    """`command`, in a folder with a log."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text(LOG)
    return command


def test_a_log_becomes_samples_and_the_summary_says_what_can_be_learned(command):
    given = ("import", "log.csv", "--from", "csv", *COLUMNS, "--out", "samples.jsonl")
    code, printed, said = command(*given, *UNIT, "--json")
    told = json.loads(printed)
    assert (code, said) == (0, "")
    assert {
        name: told[name] for name in ("file", "replies", "added", "already", "failed", "cost", "cost_unit")
    } == {
        "file": "samples.jsonl",
        "replies": 4,
        "added": 4,
        "already": 0,
        "failed": 0,
        "cost": 66.0,
        "cost_unit": "tokens",
    }
    coverage = told["coverage"]
    assert [(each["source"], each["questions"], each["graded"]) for each in coverage["sources"]] == [
        ("small", 1, 2),
        ("large", 2, 1),
    ]
    assert (coverage["questions"], coverage["complete"], coverage["free_text"]) == (3, 0, 1)
    assert "counts" not in coverage
    assert len(list(read_rows("samples.jsonl"))) == 4
    code, printed, said = command(*given)
    assert (code, "added: 0" in printed, "already: 4" in printed) == (0, True, True)
    assert "cannot be learned: which source to ask: 0 of 3 questions have replies of all 2 sources" in printed
    assert "--plan prices" in said


def test_dollars_of_a_reply_are_shown_in_full_however_small(command, tmp_path):
    (tmp_path / "log.csv").write_text("question,answer,model,cost\n1+1?,2,a,0.001465\n1+2?,3,b,0.0123456\n")
    code, printed, _ = command("import", "log.csv", "--from", "csv", "--plan", "--questions", 2)
    assert (code, "0.001465" in printed, "0.01235" in printed) == (0, True, True)


def test_costs_of_another_unit_than_those_of_the_file_are_refused(command, tmp_path):
    given = ("import", "log.csv", "--from", "csv", *COLUMNS, "--out", "samples.jsonl")
    command(*given, *UNIT)
    (tmp_path / "log.csv").write_text(LOG.replace("6 * 8", "6 * 9"))
    code, _, said = command(*given)
    assert (code, "the column of costs is read as usd, unless a unit is given" in said) == (2, True)


def test_a_plan_alone_writes_nothing(command, tmp_path):
    code, printed, _ = command(
        "import", "log.csv", "--from", "csv", *COLUMNS, *UNIT, "--plan", "--questions", 2, "--json"
    )
    plan = json.loads(printed)["plan"]
    assert (code, plan["questions"], plan["calls"]) == (0, 2, 2)
    assert plan["cost"] == sum(each["cost"] for each in plan["sources"])
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]
    _, printed, said = command("import", "log.csv", "--from", "csv", *COLUMNS, *UNIT, "--plan")
    assert "least collection costs: 36 tokens, 3 samples" in printed
    assert "name these sources in a menu (small, large)" in said


def test_what_a_plan_says_is_what_collect_draws(command, tmp_path):
    log = ("import", "log.csv", "--from", "csv", *COLUMNS, *UNIT, "--out", "samples.jsonl")
    code, printed, _ = command(*log, "--plan", "--plan-out", "todo.csv", "--json")
    assert (code, json.loads(printed)["plan"]["calls"]) == (0, 3)
    with StubServer() as server:
        (tmp_path / "menu.toml").write_text(MENU.format(url=server.base_url))
        asked = ("collect", "todo.csv", "--config", "menu.toml", "--out", "samples.jsonl")
        assert command(*asked)[0] == 0
        assert len(server.bodies) == 3
    again = json.loads(command(*log, "--plan", "--json")[1])
    assert (again["coverage"]["complete"], again["plan"]["calls"]) == (3, 0)
    code, printed, _ = command(*log, "--plan")
    assert (code, "least collection costs: 0 tokens, 0 samples" in printed) == (0, True)
    assert "which source to ask" not in " ".join(again["coverage"]["can"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ("--from", "csv", "--question-column", "ask", "--out", "s.jsonl"),
            "log.csv: row 1: there is no column 'ask'; there are prompt, reply, right, model, tokens",
        ),
        (
            ("--from", "csv", *COLUMNS[:4], "--gold-column", "golden", "--out", "s.jsonl"),
            "log.csv: there is no column 'golden'; there are prompt, ",
        ),
        (("--from", "otel", "--out", "s.jsonl"), "log.csv: row 1: there is no resourceSpans"),
        (("--from", "openai", "--out", "s.jsonl"), "log.csv: row 1: there is no response"),
        (("--from", "langsmith", "--out", "s.jsonl"), "log.csv: row 1: there is no inputs and id"),
        (("--from", "jsonl", "--out", "s.jsonl"), "a table of cells, not JSON: give --from csv"),
        (("--from", "csv", *COLUMNS), "give the samples file to write, or --plan alone"),
        (("--from", "csv", *COLUMNS, "--plan-out", "x.csv"), "it goes with --plan and --out"),
        (
            ("--from", "csv", *COLUMNS, "--plan", "--no-texts", "--out", "s.jsonl", "--plan-out", "x.csv"),
            "without their texts",
        ),
        (
            ("--from", "csv", *COLUMNS, "--out", "s.jsonl", "--price", "small=1"),
            "'small=1' is not MODEL=PROMPT,COMPLETION",
        ),
        (("--from", "csv", *COLUMNS, "--out", "s.csv"), "samples are collected into a .jsonl file"),
    ],
)
def test_what_cannot_be_imported_is_one_line_and_exit_code_2(command, tmp_path, arguments, reason):
    code, printed, said = command("import", "log.csv", *arguments)
    assert (code, printed) == (2, "")
    assert said.count("\n") == 1
    assert reason in said
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_prices_sources_and_limits_are_given_on_the_command_line(command, tmp_path):
    rows = [
        {"question": f"{n} + 1?", "answer": str(n + 1), "prompt_tokens": 10, "completion_tokens": 4}
        for n in range(5)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ("--source", "own", "--price", "own=1,10", "--limit", 3, "--key", "numeric", "--no-texts")
    code, printed, _ = command("import", "log.jsonl", "--from", "jsonl", "--out", "s.jsonl", *given, "--json")
    assert (code, json.loads(printed)["replies"]) == (0, 3)
    found = list(read_rows("s.jsonl"))
    assert [(row["source"], row["cost"]) for row in found] == [("own", pytest.approx(5e-5))] * 3
    assert all(row["question"].startswith("sha256:") for row in found)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_an_import_that_is_interrupted_says_how_to_go_on(command, tmp_path, monkeypatch):
    def interrupt(*_):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("adaptive_reasoner.kit.importing.tables.usage_in", interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code, printed, said = command(
            "import", "log.csv", "--from", "csv", *COLUMNS, "--out", "samples.jsonl"
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert (code, printed) == (130, "")
    assert said == "adaptive-reasoner: stopped: run the same command again to import the rest\n"
    assert not (tmp_path / "samples.jsonl").exists()
