import json

import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.questions import Question, read_questions, text_id
from adaptive_reasoner.kit.tables.files import write_rows


def written(folder, *rows, name="questions.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_reads_every_table_format(tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"questions.{ending}"
    rows = [
        {"question_id": "a", "question": "6 * 7", "gold": "42", "group": "products"},
        {"question_id": "b", "question": "5 + 9", "gold": "14", "group": "sums"},
    ]
    write_rows(path, rows)
    assert read_questions(path) == (
        Question("a", "6 * 7", "42", "products"),
        Question("b", "5 + 9", "14", "sums"),
    )


def test_answer_is_read_as_gold_where_there_is_none(tmp_path):
    path = written(
        tmp_path, {"question": "6 * 7", "answer": 42}, {"question": "5 + 9", "gold": "14", "answer": "x"}
    )
    assert [question.gold for question in read_questions(path)] == ["42", "14"]


def test_a_question_without_an_id_is_named_by_its_text_in_any_file(tmp_path):
    first = read_questions(written(tmp_path, {"question": "6 * 7", "gold": "42"}))
    second = read_questions(
        written(tmp_path, {"question": "5 + 9", "gold": "14"}, {"question": "6 * 7", "gold": "42"})
    )
    assert first[0].question_id == second[1].question_id == text_id("6 * 7")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"gold": "42"}, "no field question; the row has gold"),
        ({}, "the row has none"),
        ({"question": "  ", "gold": "42"}, "the question is empty"),
        ({"question": ["6 * 7"], "gold": "42"}, "text or a number is needed"),
        ({"question_id": "a", "question": "6 * 7", "gold": "42"}, "question_id 'a' is already in row 1"),
        ({"question": "5 + 9", "gold": "14", "group": "sums"}, "some rows have a group"),
    ],
)
def test_a_bad_row_is_named_with_its_reason(tmp_path, row, reason):
    path = written(tmp_path, {"question_id": "a", "question": "1 + 1", "gold": "2"}, row)
    with pytest.raises(OutcomesError, match=reason) as caught:
        read_questions(path)
    assert (caught.value.file, caught.value.row) == (path, 2)


def test_a_text_asked_twice_needs_ids(tmp_path):
    row = {"question": "6 * 7", "gold": "42"}
    with pytest.raises(OutcomesError, match="the same question as in row 1"):
        read_questions(written(tmp_path, row, row))
    asked = read_questions(written(tmp_path, {**row, "question_id": "a"}, {**row, "question_id": "b"}))
    assert len(asked) == 2


def test_a_file_without_questions_is_refused(tmp_path):
    with pytest.raises(OutcomesError, match="there are no questions"):
        read_questions(written(tmp_path))


def test_reads_the_real_question_files(shared_data):
    for name in ("gsm8k_test", "math500"):
        asked = read_questions(shared_data / f"{name}.questions.jsonl")
        assert len({question.question_id for question in asked}) == len(asked) > 400


@pytest.mark.parametrize("gold", [None, "", " ", float("nan")])
def test_a_right_answer_that_is_none_is_not_known(tmp_path, gold):
    asked = read_questions(written(tmp_path, {"question": "6 * 7", "gold": gold}, {"question": "5 + 9"}))
    assert [question.gold for question in asked] == [None, None]


def test_right_answers_may_be_known_of_some_questions(tmp_path):
    path = tmp_path / "questions.csv"
    path.write_text("question,gold\n6 * 7,42\n5 + 9,\n")
    assert [question.gold for question in read_questions(path)] == ["42", None]
