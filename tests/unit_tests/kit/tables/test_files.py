"""Tables on disk: three formats, one content, never half a file."""

import csv
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.questions import read_questions
from adaptive_reasoner.kit.tables.files import read_rows, write_rows

FORMATS = ["jsonl", "csv", "parquet"]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(TEXT, st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_what_is_written_is_read_back(form, rows, tmp_path):
    path = tmp_path / f"table.{form}"
    write_rows(path, [{"text": text, "value": value} for text, value in rows])
    assert [(row["text"], float(row["value"])) for row in read_rows(path)] == rows


@pytest.mark.parametrize("form", FORMATS)
def test_rows_and_columns_make_the_same_file(form, tmp_path):
    write_rows(tmp_path / f"rows.{form}", iter([{"a": 1, "b": None}, {"a": 2, "b": "x"}]))
    write_rows(tmp_path / f"columns.{form}", {"a": [1, 2], "b": [None, "x"]})
    assert [*read_rows(tmp_path / f"rows.{form}")] == [*read_rows(tmp_path / f"columns.{form}")]


@pytest.mark.parametrize("form", FORMATS)
def test_an_optional_field_may_start_late(form, tmp_path):
    write_rows(tmp_path / f"table.{form}", [{"a": 1}, {"a": 2, "b": "x"}])
    assert [row["b"] for row in read_rows(tmp_path / f"table.{form}")] == [None, "x"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(form, tmp_path):
    path = tmp_path / f"table.{form}"
    write_rows(path, [{"a": 1}])
    before = path.read_bytes()
    with pytest.raises(OutcomesError, match="columns differ in length: a 1, b 2"):
        write_rows(path, {"a": [1], "b": [1, 2]})
    if form == "jsonl":
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_rows(path, [{"a": float("nan")}])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_half_a_character_is_kept_by_jsonl_and_refused_by_the_others(tmp_path):
    rows = [{"question": "what is 1 \ud83d"}]
    write_rows(tmp_path / "table.jsonl", rows)
    assert list(read_rows(tmp_path / "table.jsonl")) == rows
    for form in ("csv", "parquet"):
        with pytest.raises(OutcomesError, match=rf"table\.{form}: .* only \.jsonl can keep"):
            write_rows(tmp_path / f"table.{form}", rows)
    assert [path.name for path in tmp_path.iterdir()] == ["table.jsonl"]


def test_a_table_in_a_new_folder_makes_the_folder(tmp_path):
    write_rows(tmp_path / "new" / "table.jsonl", [{"a": 1}])
    assert [*read_rows(tmp_path / "new" / "table.jsonl")] == [{"a": 1}]


@pytest.mark.parametrize(
    ("line", "reason"), [('{"a": 1', "not a line of JSON"), ("[1]", "JSON object"), ("\xff", "not a line")]
)
def test_a_bad_line_is_named(line, reason, tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_bytes(b'{"a": 0}\n' + line.encode("latin-1") + b"\n" + b'{"a": 2}\n')
    with pytest.raises(OutcomesError, match=f"table.jsonl: row 2: .*{reason}") as caught:
        list(read_rows(path, drop_cut_line=True))
    assert (caught.value.file, caught.value.row) == (path, 2)


def test_a_line_cut_in_the_middle_is_dropped_with_a_warning_where_that_is_asked(tmp_path):
    path, whole = tmp_path / "table.jsonl", json.dumps({"a": "é"}, ensure_ascii=False).encode()
    for cut in range(1, len(whole)):
        path.write_bytes(whole + b"\n" + whole[:cut])
        with pytest.warns(UserWarning, match="row 2: cut in the middle"):
            assert [*read_rows(path, drop_cut_line=True)] == [{"a": "é"}]
        with pytest.raises(OutcomesError, match="row 2"):
            list(read_rows(path))
    path.write_bytes(whole + b"\n" + whole)  # only the end of the line is missing: nothing is lost
    assert len([*read_rows(path, drop_cut_line=True)]) == 2


def test_a_csv_row_of_another_length_is_named(tmp_path):
    path = tmp_path / "table.csv"
    for row in ("1", "1,2,3"):
        path.write_text(f"a,b\n1,2\n{row}\n")
        with pytest.raises(OutcomesError, match="row 2: more or fewer cells than the 2"):
            list(read_rows(path))


def test_a_csv_of_a_spreadsheet_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b'\xef\xbb\xbfa,b\r\n"x\r\ny",\r\n')
    assert [*read_rows(path)] == [{"a": "x\r\ny", "b": None}]


def test_files_that_are_no_tables_are_refused_by_name(tmp_path):
    with pytest.raises(OutcomesError, match=r"nowhere\.csv: no such file"):
        read_rows(tmp_path / "nowhere.csv")
    (tmp_path / "table.txt").write_text("x")
    with pytest.raises(OutcomesError, match=r"unknown table format '\.txt'; use \.jsonl, \.csv or \.parquet"):
        read_rows(tmp_path / "table.txt")
    with pytest.raises(OutcomesError, match=r"unknown table format"):
        write_rows(tmp_path / "table", [{"a": 1}])
    (tmp_path / "table.parquet").write_text("x")
    with pytest.raises(OutcomesError, match="not readable as Parquet"):
        list(read_rows(tmp_path / "table.parquet"))
    (tmp_path / "latin.csv").write_bytes(b"a\n\xff\n")
    with pytest.raises(OutcomesError, match="row 1: not readable as CSV"):
        list(read_rows(tmp_path / "latin.csv"))


FORMULAS = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "'=1", "''-x", "- a list"]


def test_no_text_in_csv_is_a_formula_and_all_are_read_back_as_they_were(tmp_path):
    path = tmp_path / "table.csv"
    texts = [*FORMULAS, "-5", "+5e-3", "'plain", "x=1"]
    write_rows(path, [{"text": text, "value": -0.5} for text in texts])
    with path.open(encoding="utf-8", newline="") as file:
        cells = [row["text"] for row in csv.DictReader(file)]
    assert all(cell.startswith("'") for cell in cells[: len(FORMULAS)])
    assert cells[len(FORMULAS) :] == ["-5", "+5e-3", "'plain", "x=1"]  # numbers stay numbers
    assert [(row["text"], row["value"]) for row in read_rows(path)] == [(text, "-0.5") for text in texts]


def test_questions_of_a_csv_keep_their_quotes(tmp_path):
    path = tmp_path / "questions.csv"
    path.write_text("question,gold\n'+' is which operator?,plus\n")
    assert [question.question for question in read_questions(path)] == ["'+' is which operator?"]


def damaged_text(path):
    offsets = pa.py_buffer(np.array([0, 1, 2], np.int32))
    texts = pa.Array.from_buffers(pa.utf8(), 2, [None, offsets, pa.py_buffer(b"a\xff")])
    parquet.write_table(pa.table({"number": [1, 2], "question": texts}), path)


def test_a_parquet_text_that_is_no_unicode_is_named_with_its_row(tmp_path):
    damaged_text(tmp_path / "table.parquet")
    with pytest.raises(OutcomesError, match=r"table\.parquet: row 2: question is not readable"):
        list(read_rows(tmp_path / "table.parquet"))


def test_a_parquet_file_with_damaged_pages_is_named(tmp_path):
    path = tmp_path / "table.parquet"
    write_rows(path, [{"text": f"text {number}"} for number in range(1000)])
    content = bytearray(path.read_bytes())
    content[10:400] = bytes(390)
    path.write_bytes(content)
    with pytest.raises(OutcomesError, match=r"table\.parquet"):
        list(read_rows(path))


def test_json_nested_beyond_reading_is_named_with_its_row(tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"a": 1}\n' + "[" * 200_000 + "\n")
    with pytest.raises(OutcomesError, match=r"table\.jsonl: row 2"):
        list(read_rows(path))


def test_narrow_floats_of_parquet_are_the_numbers_that_were_meant(tmp_path):
    path = tmp_path / "table.parquet"
    parquet.write_table(pa.table({"x": pa.array([0.1, None, 1e-7], pa.float32())}), path)
    assert [row["x"] for row in read_rows(path)] == [0.1, None, 1e-7]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_csv_is_also_read_with_the_delimiters_of_spreadsheets(tmp_path, delimiter):
    path = tmp_path / "table.txt"
    path.write_text(f'a{delimiter}b\n1,5{delimiter}"x, y"\n')
    assert list(read_rows(path, ending=".csv")) == [{"a": "1,5", "b": "x, y"}]
    path.write_text("a\n1;5\n")
    assert list(read_rows(path, ending=".csv")) == [{"a": "1;5"}]
    path.write_text(f'"a, b"{delimiter}c\n1,5{delimiter}2\n')
    assert list(read_rows(path, ending=".csv")) == [{"a, b": "1,5", "c": "2"}]
    path.write_text("a,b;c\n1,5\n")
    assert list(read_rows(path, ending=".csv")) == [{"a": "1", "b;c": "5"}]


def test_csv_is_read_as_spreadsheets_write_unicode_text_and_name_their_delimiter(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('question\tanswer\n"é,\n7?"\t7\n', encoding="utf-16")
    assert list(read_rows(path)) == [{"question": "é,\n7?", "answer": "7"}]
    path.write_text("sep=;\r\n question ;answer, in words\r\n7?;7\r\n", encoding="utf-8-sig")
    assert list(read_rows(path)) == [{"question": "7?", "answer, in words": "7"}]
    path.write_text("question\né\n", encoding="latin-1")
    with pytest.raises(OutcomesError, match=r"not readable as CSV .*; save it as UTF-8"):
        list(read_rows(path))
