"""The command that takes labels, as the shell sees it."""

import json
from pathlib import Path

import pytest

from adaptive_reasoner.kit.tables.files import read_rows, write_rows
from tests.stub_server import StubServer
from tests.unit_tests.kit.labelling.unlabelled import labels_of, rows, write

MENU = """
[sources.judge]
base_url = "{base_url}"
model = "m"
max_tokens = 8
samples = 0
[sources.cot]
base_url = "{base_url}"
model = "m"
max_tokens = 8
[grader]
kind = "judge"
source = "judge"
"""
GOLDS = {"capital": "paris", "product": "391", "sum": "42", "river": "none of these"}


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    """`command`, in a folder with samples."""
    monkeypatch.chdir(tmp_path)
    write(Path("samples.jsonl"))
    return command


def fill(golds, file="label_me.csv", **cells):
    write_rows(file, [row | {"gold": golds.get(row["question_id"])} | cells for row in read_rows(file)])


OUT = ("label", "samples.jsonl", "--next", 3, "--out", "label_me.csv")
BACK = ("label", "samples.jsonl", "--from", "label_me.csv")


def test_questions_go_out_and_their_labels_come_back(command):
    code, printed, said = command(*OUT, "--json")
    sizes = {"questions": 3, "chosen": 2, "random": 1, "unlabelled": 4}
    assert (code, json.loads(printed)) == (0, {"file": "label_me.csv", **sizes})
    assert "adaptive-reasoner label samples.jsonl --from label_me.csv" in said
    fill(GOLDS)
    drawn = {row["question_id"]: row["drawn"] for row in read_rows("label_me.csv")}
    code, printed, said = command(*BACK, "--json")
    assert (code, said, json.loads(printed)["labels"]) == (0, "", 3)
    for name, (gold, grades, how) in labels_of(Path("samples.jsonl")).items():
        if name in drawn:
            assert (gold or "none of these", how) == (GOLDS[name], drawn[name])
            assert None not in grades
        else:
            assert (gold, grades, how) == (None, [None] * 4, None)
    command("label", "samples.jsonl", "--out", "more.csv")
    assert [row["question_id"] in drawn for row in read_rows("more.csv")] == [False]


def test_outcomes_say_what_was_checked_and_what_to_label(command):
    code, printed, said = command("estimate", "samples.jsonl", "--votes", "1", "--out", "o.jsonl")
    assert code == 0
    assert "note: no answer was checked; the questions to label first: `adaptive-reasoner label sam" in said
    code, printed, _ = command("solve", "o.jsonl", "--budget", 100)
    assert "right answers known: 0" in printed
    _, printed, _ = command("solve", "o.jsonl", "--budget", 100, "--json")
    assert json.loads(printed)["n_labelled"] == 0
    command(*OUT)
    fill(GOLDS | {"city": "rome"})
    command(*BACK)
    _, _, said = command("estimate", "samples.jsonl", "--votes", "1", "--out", "o.jsonl")
    assert "note: the answers of 3 were checked; the questions to label first" in said


def test_when_all_is_labelled_nothing_is_written(command):
    command("label", "samples.jsonl", "--out", "label_me.csv")
    fill(GOLDS)
    command(*BACK)
    code, printed, said = command("label", "samples.jsonl", "--out", "more.csv", "--json")
    assert (code, json.loads(printed)["file"], Path("more.csv").exists()) == (0, None, False)
    assert "all 4 questions of samples.jsonl have their labels" in said


def test_bad_labels_are_one_line_with_file_and_row_and_change_nothing(command):
    before = Path("samples.jsonl").read_bytes()
    command(*OUT)
    fill(dict.fromkeys(GOLDS, "#9"))
    code, printed, said = command(*BACK)
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert said.startswith("adaptive-reasoner: label_me.csv: row 1: there is no answer 9")
    fill(GOLDS, question_id="elsewhere")
    code, _, said = command(*BACK)
    assert (code, "row 1: there is no question 'elsewhere'" in said) == (2, True)
    assert Path("samples.jsonl").read_bytes() == before


def test_a_table_with_labels_is_not_written_over(command):
    command(*OUT)
    fill(GOLDS)
    code, _, said = command(*OUT)
    assert (code, "take them back with --from first" in said) == (2, True)


def test_a_judge_of_the_menu_compares_replies_with_the_label(command):
    command("label", "samples.jsonl", "--out", "label_me.csv")
    fill({"product": "391"})
    with StubServer(answer=lambda prompt, number: "yes" if "graded:\n391" in prompt else "no") as server:
        Path("menu.toml").write_text(MENU.format(base_url=server.base_url))
        code, printed, _ = command(*BACK, "--config", "menu.toml", "--json")
    done = json.loads(printed)
    assert (code, done["graded"], done["grading_cost"] > 0) == (0, 4, True)
    assert labels_of(Path("samples.jsonl"))["product"][1] == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "in a terminal"),
        (("--out", "a.csv", "--from", "b.csv"), "--out and --from do not go together"),
        (("--out", "a.csv", "--page"), "--out and --page do not go together"),
        (("--from", "b.csv", "--next", 3), "--from takes back all labels"),
        (("--random", "1.5", "--out", "a.csv"), "--random"),
        (("--from", "missing.csv"), "no such file"),
        (("--out", "a.txt"), "unknown table format"),
    ],
)
def test_what_does_not_go_together_is_one_line(command, options, reason):
    before = Path("samples.jsonl").read_bytes()
    code, printed, said = command("label", "samples.jsonl", *options)
    assert (code, printed, said.count("\n"), reason in said) == (2, "", 1, True)
    assert Path("samples.jsonl").read_bytes() == before


def test_parquet_is_labelled_too(command):
    pytest.importorskip("pyarrow")
    write_rows("samples.parquet", list(rows()))
    command("label", "samples.parquet", "--out", "label_me.csv")
    fill(GOLDS)
    code, _, _ = command("label", "samples.parquet", "--from", "label_me.csv")
    assert code == 0
    assert {row["gold"] for row in read_rows("samples.parquet")} == {"paris", "391", "42", None}
