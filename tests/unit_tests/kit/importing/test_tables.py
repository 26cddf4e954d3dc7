"""Tables of replies with named columns."""

import re

import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.files import write_rows
from tests.unit_tests.kit.importing.logs import imported, of

ROWS = [
    {"prompt": "6 * 7?", "reply": "It is 42.", "right": 42, "model": "small"},
    {"prompt": " 6 * 7? ", "reply": "43", "right": 42, "model": "small"},
    {"prompt": "6 * 7?", "reply": "Answer: 42", "right": 42, "model": "large"},
    {"prompt": "6 * 8?", "reply": "48", "right": None, "model": "large"},
]
COLUMNS = {"question": "prompt", "answer": "reply", "gold": "right"}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_table_becomes_samples_of_its_models(tmp_path, form):
    write_rows(tmp_path / f"log.{form}", ROWS)
    _, rows = imported(tmp_path / f"log.{form}", form, tmp_path, columns=COLUMNS)
    assert of(rows, "question", "source", "sample", "answer", "gold", "correct", "cost") == [
        ("6 * 7?", "small", 0, "42", "42", 1.0, 1.0),
        ("6 * 7?", "small", 1, "43", "42", 0.0, 1.0),
        ("6 * 7?", "large", 0, "42", "42", 1.0, 1.0),
        ("6 * 8?", "large", 0, "48", None, None, 1.0),
    ]
    table = Samples.read(tmp_path / "samples.jsonl")
    assert (len(table), table.sources, table.cost_unit) == (2, ("small", "large"), "samples")


def test_columns_may_be_paths_into_nested_fields(tmp_path):
    row = {"in": {"messages": [{"text": "6 * 7?"}]}, "out": '{"answer": "42"}', "who.is": "small"}
    columns = {"question": "in.messages.0.text", "answer": "out.answer", "source": "who.is"}
    _, rows = imported([row], "jsonl", tmp_path, columns=columns)
    assert of(rows, "question", "answer", "source") == [("6 * 7?", "42", "small")]


def test_every_column_that_is_named_is_kept(tmp_path):
    row = {
        "question": "6 * 7?",
        "answer": "42",
        "m": "small",
        "usd": "0.25",
        "s": 1.5,
        "ok": True,
        "stars": 4,
    }
    row |= {"p": "0.02", "v": "p7", "task": "product", "prompt_tokens": 9, "completion_tokens": 2}
    columns = {"source": "m", "cost": "usd", "seconds": "s", "correct": "ok", "score": "stars"}
    columns |= {"propensity": "p", "policy_id": "v", "group": "task"}
    done, rows = imported([row], "jsonl", tmp_path, columns=columns)
    expected = {
        "source": "small",
        "cost": 0.25,
        "cost_unit": "usd",
        "seconds": 1.5,
        "correct": 1.0,
        "score": 4.0,
    }
    expected |= {
        "action": "small",
        "propensity": 0.02,
        "policy_id": "p7",
        "group": "product",
        "completion_tokens": 2,
    }
    assert {name: rows[0][name] for name in expected} == expected
    assert "graded_by" not in rows[0]
    assert done.coverage.with_propensity == 1


def test_a_source_that_is_named_takes_the_place_of_the_model(tmp_path):
    rows = [
        {"question": "6 * 7?", "answer": "42", "model": "small", "prompt": name} for name in ("cot", None)
    ]
    assert of(imported(rows, "jsonl", tmp_path, source="all")[1], "source") == [("all",), ("all",)]
    (tmp_path / "x").mkdir()
    named = imported(rows, "jsonl", tmp_path / "x", source="all", columns={"source": "prompt"})
    assert of(named[1], "source") == [("cot",), ("all",)]


def test_a_table_of_samples_is_read_by_its_own_names(tmp_path):
    row = {
        "question": "6 * 7?",
        "answer": "42",
        "gold": "42",
        "source": "cot",
        "cost": 9,
        "cost_unit": "credits",
    }
    _, rows = imported([row], "jsonl", tmp_path)
    assert of(rows, "source", "cost", "cost_unit") == [("cot", 9.0, "credits")]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_cells_may_be_separated_as_spreadsheets_write_them(tmp_path, delimiter):
    (tmp_path / "log.txt").write_text(f"question{delimiter}answer\n6 * 7?, please{delimiter}42\n")
    _, rows = imported(tmp_path / "log.txt", "csv", tmp_path)
    assert of(rows, "question", "answer") == [("6 * 7?, please", "42")]


def test_a_blank_answer_is_a_reply_without_one_and_a_failed_call_is_a_row(tmp_path):
    rows = [
        {"question": "6 * 7?", "answer": ""},
        {"question": "6 * 7?", "answer": None, "error": "Timeout: 60 s"},
    ]
    done, rows = imported(rows, "jsonl", tmp_path)
    assert of(rows, "answer", "error", "cost") == [(None, None, 1.0), (None, "Timeout: 60 s", 0.0)]
    assert (done.failed, rows[0]["source"]) == (1, "imported")


@pytest.mark.parametrize("columns", [{}, {"cost": "price"}])
def test_a_failed_call_without_a_cost_cost_nothing(tmp_path, columns):
    cost = columns.get("cost", "cost")
    rows = [
        {"question": "6 * 7?", "answer": "42", "error": None, cost: 0.25},
        {"question": "6 * 8?", "answer": None, "error": "Timeout: 60 s", cost: None},
    ]
    done, rows = imported(rows, "jsonl", tmp_path, columns=columns)
    assert of(rows, "error", "cost") == [(None, 0.25), ("Timeout: 60 s", 0.0)]
    assert done.failed == 1


@pytest.mark.parametrize(
    ("row", "columns", "reason"),
    [
        (
            {"prompt": "x", "answer": "y"},
            {},
            "row 2: there is no column 'question'; there are prompt, answer; name it with --question-column",
        ),
        ({"question": "x"}, {}, "row 2: there is no column 'answer'"),
        ({"question": " ", "answer": "y"}, {}, "row 2: question is empty"),
        ({"question": "x", "answer": "y", "cost": "cheap"}, {}, "row 2: cost is 'cheap'; a number is needed"),
        (
            {"question": "x", "answer": "y", "cost": "0,0012"},
            {},
            "row 2: cost is '0,0012'; a number is needed, with a point before its decimals",
        ),
        ({"question": "x", "answer": "y", "cost": -1}, {}, "row 2: cost is -1; a number of at least 0"),
        ({"question": "x", "answer": "y", "cost": ""}, {}, "row 2: cost is empty"),
        (
            {"question": "x", "answer": "y", "ok": 7},
            {"correct": "ok"},
            r"row 2: ok is 7; a number in \[0, 1\]",
        ),
        (
            {"question": "x", "answer": "y", "p": "nan"},
            {"propensity": "p"},
            "row 2: p is nan; a finite number",
        ),
        ({"question": "x", "answer": "y", "p": 0}, {"propensity": "p"}, "row 2: the propensity is 0"),
        ([1], {}, "row 2: a JSON object is needed"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_with_its_column(tmp_path, row, columns, reason):
    first = {"question": "a", "answer": "b", "cost": 1, "ok": 1, "p": 1}
    with pytest.raises(OutcomesError, match=reason):
        imported([first, row], "jsonl", tmp_path, columns=columns)
    assert not (tmp_path / "samples.jsonl").exists()


def test_a_column_that_no_row_has_is_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(
        OutcomesError, match=r"there is no column 'golden'; there are prompt, reply, right, model$"
    ):
        imported(ROWS, "jsonl", tmp_path, columns={**COLUMNS, "gold": "golden"})
    imported([*ROWS, {**ROWS[0], "golden": 42}], "jsonl", tmp_path, columns={**COLUMNS, "gold": "golden"})


def test_an_empty_table_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text("question,answer\n")
    with pytest.raises(OutcomesError, match=r"log.csv: there is no reply in it .it is empty"):
        imported(tmp_path / "log.csv", "csv", tmp_path)


@pytest.mark.parametrize(
    ("held", "read_as", "said"),
    [
        ("jsonl", "csv", "this is JSON, not CSV: give --from jsonl for rows, or for exports langsmith, otel"),
        ("jsonl", "parquet", "not a Parquet file: --from jsonl may fit"),
        ("csv", "jsonl", "this is a table of cells, not JSON: give --from csv"),
        ("csv", "parquet", "not a Parquet file: --from csv may fit"),
        ("csv", "otel", "this is a table of cells, not JSON: give --from csv"),
        ("parquet", "csv", "a Parquet file is not read as csv: give --from parquet"),
        ("parquet", "openai", "a Parquet file is not read as openai: give --from parquet"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_the_format_that_fits(tmp_path, held, read_as, said):
    write_rows(tmp_path / f"log.{held}", ROWS)
    log = (tmp_path / f"log.{held}").rename(tmp_path / "log.txt")
    with pytest.raises(OutcomesError, match=re.escape(said)):
        imported(log, read_as, tmp_path, columns=COLUMNS)


def test_samples_that_are_written_again_keep_the_name_of_each_call(tmp_path):
    """So that what was read is not added again, also after the file went through other commands."""
    write_rows(tmp_path / "log.jsonl", ROWS)
    _, rows = imported(tmp_path / "log.jsonl", "jsonl", tmp_path, columns=COLUMNS)
    Samples.read(tmp_path / "samples.jsonl").write(tmp_path / "samples.jsonl")
    done, again = imported(tmp_path / "log.jsonl", "jsonl", tmp_path, columns=COLUMNS)
    assert (done.added, done.already) == (0, 4)
    assert {row["call_id"] for row in again} == {row["call_id"] for row in rows} != {None}
