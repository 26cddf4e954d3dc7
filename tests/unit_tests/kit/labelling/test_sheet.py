"""Tables of labels: how they go out, and how they come back."""

import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.labelling.selection import questions_to_label
from adaptive_reasoner.kit.labelling.sheet import read_label_sheet, write_label_sheet
from adaptive_reasoner.kit.regrading.graded_rows import Label
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.files import read_rows, write_rows
from tests.unit_tests.kit.labelling.unlabelled import rows


@pytest.fixture
def samples():
    return Samples.from_rows(rows())


@pytest.fixture(params=["csv", "jsonl", "parquet"])
def sheet(request, tmp_path):
    return tmp_path / f"label_me.{request.param}"


@pytest.fixture
def table(tmp_path):
    return tmp_path / "label_me.csv"


def fill(path, samples, golds, **cells):
    """Write the sheet, and fill in labels as a person would."""
    write_label_sheet(path, questions_to_label(samples))
    filled = [row | {"gold": golds.get(row["question_id"])} | cells for row in read_rows(path)]
    write_rows(path, filled)
    return path


def number_of(path, question_id, answer):
    (row,) = (row for row in read_rows(path) if row["question_id"] == question_id)
    return next(name.removeprefix("answer_") for name, cell in row.items() if cell == answer)


def test_a_row_has_the_question_its_distinct_answers_and_who_gave_them_how_often(samples, sheet):
    write_label_sheet(sheet, questions_to_label(samples))
    found = {row["question_id"]: row for row in read_rows(sheet)}
    assert set(found) == {"capital", "sum", "product", "river"}
    row = found["product"]
    given = {row[f"answer_{number}"]: row[f"given_{number}"] for number in (1, 2, 3)}
    assert given == {"391": "cot 2 of 2", "381": "direct 1 of 2", "371": "direct 1 of 2"}
    assert (row["question"], row["gold"], row["drawn"] in ("random", "chosen")) == (
        "What is 17 * 23?",
        None,
        True,
    )
    assert list(row)[:4] == ["question_id", "question", "gold", "drawn"]
    assert [found["sum"][name] for name in ("answer_1", "given_1", "answer_2")] == [
        "42",
        "direct 2 of 2, cot 2 of 2",
        None,
    ]


def test_labels_come_back_as_text_number_or_none_of_these(samples, sheet):
    write_label_sheet(sheet, questions_to_label(samples))
    golds = {
        "capital": number_of(sheet, "capital", "paris"),
        "product": f"# {number_of(sheet, 'product', '391')}",
        "sum": "42.0",
        "river": "None of these.",
    }
    drawn = {row["question_id"]: row["drawn"] for row in read_rows(sheet)}
    labels = read_label_sheet(fill(sheet, samples, golds), samples).labels
    golds = {"capital": "paris", "product": "391", "sum": "42", "river": None}
    assert labels == {name: Label(gold, drawn[name]) for name, gold in golds.items()}


def test_a_right_answer_that_no_reply_gave_is_taken_as_it_is(samples, table):
    found = read_label_sheet(
        fill(table, samples, {"river": " The Nile-Kagera ", "sum": "43", "capital": "paris"}), samples
    )
    golds = {name: label.gold for name, label in found.labels.items()}
    assert golds == {"river": "The Nile-Kagera", "sum": "43", "capital": "paris"}
    rows = [at for at, row in enumerate(read_rows(table), start=1) if row["question_id"] in ("river", "sum")]
    (note,) = found.notes
    assert note.startswith(f"no reply gave the right answer of rows {rows[0]}, {rows[1]};")


def test_a_bare_number_is_the_answer_itself_where_answers_are_numbers_and_that_is_said(samples, table):
    found = read_label_sheet(fill(table, samples, {"product": "2"}), samples)
    assert found.labels["product"].gold == "2"
    (note,) = found.notes
    assert "write #2 for answer number 2" in note


def test_where_no_answer_is_a_number_zero_is_none_of_these(samples, table):
    assert read_label_sheet(fill(table, samples, {"capital": "0"}), samples).labels["capital"].gold is None


def test_a_table_of_ones_own_needs_no_more_than_ids_and_answers(samples, table):
    table.write_text("question_id,gold\ncapital,Paris\nsum,\n,\nriver,none of these\n")
    assert read_label_sheet(table, samples).labels == {"capital": Label("paris"), "river": Label(None)}


@pytest.mark.parametrize(
    ("lines", "row", "reason"),
    [
        ("capitol,paris,", 1, "there is no question 'capitol'"),
        ("capital,paris,\nsum,#2,", 2, "there is no answer 2 of question 'sum'; it has 1"),
        ("capital,#0,", 1, "there is no answer 0 of question 'capital'; it has 2"),
        ("capital,7,", 1, "there is no answer 7 of question 'capital'; it has 2"),
        ("capital,paris,\nsum,42,\ncapital,lyon,", 3, "question 'capital' has another label in row 1"),
        (",paris,", 1, "question_id is missing"),
        ("capital,paris,by hand", 1, "drawn is 'by hand'"),
        ("capital,,", None, "no row has a label; fill in the column gold"),
    ],
)
def test_a_wrong_row_is_named_with_its_reason(samples, table, lines, row, reason):
    table.write_text(f"question_id,gold,drawn\n{lines}\n")
    with pytest.raises(OutcomesError, match=reason) as caught:
        read_label_sheet(table, samples)
    assert (caught.value.file, caught.value.row) == (table, row)


def test_a_table_of_other_samples_is_refused(samples, table):
    fill(table, samples, {"capital": "#1"}, question="Another text?")
    with pytest.raises(OutcomesError, match=r"row 1: .* has another text in the samples"):
        read_label_sheet(table, samples)
    fill(table.with_name("2.csv"), samples, {"capital": "#1"}, answer_1="rome")
    with pytest.raises(
        OutcomesError, match="answer 1 of question 'capital' is not among the samples: 'rome'"
    ):
        read_label_sheet(table.with_name("2.csv"), samples)


def test_the_same_label_twice_is_no_conflict(samples, table):
    table.write_text("question_id,gold\ncapital,paris\ncapital,Paris\n")
    assert read_label_sheet(table, samples).labels == {"capital": Label("paris")}


def test_a_table_with_labels_in_it_is_not_written_over(samples, table):
    write_label_sheet(table, questions_to_label(samples, 1))
    write_label_sheet(table, questions_to_label(samples, 2))
    fill(table, samples, {"capital": "paris"})
    before = table.read_bytes()
    with pytest.raises(OutcomesError, match="has 1 labels in it; take them back with --from first"):
        write_label_sheet(table, questions_to_label(samples, 1))
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    "answer", ["=1+1", "+5 apples", "-5", "#2", "two\nlines", 'a,"b"', "'quoted'", "none of these"]
)
def test_answers_of_any_form_come_back_by_their_number(table, answer):
    samples = Samples.from_rows(row | {"answer": answer} for row in rows() if row["question_id"] == "river")
    table_of_it = fill(table, samples, {"river": "#1"})
    assert read_label_sheet(table_of_it, samples).labels["river"].gold == answer
