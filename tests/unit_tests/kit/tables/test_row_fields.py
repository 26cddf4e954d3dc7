"""Cells are read the same way in every table: what is nothing is nothing, and a number is written in full."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from adaptive_reasoner.answers import exact, numeric
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.questions import checked_questions, read_questions
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.row_fields import cell_text, is_null, optional_number

NOTHING = [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT", "s"), Decimal("NaN")]
ASKED = {"question_id": "q", "question": "x", "cost": 1.0, "cost_unit": "tokens"}
SAMPLE = {**ASKED, "source": "s", "sample": 0, "answer": "1", "gold": "1", "correct": 1.0}
OUTCOME = {**ASKED, "action": "a", "accuracy": 1.0}


@pytest.mark.parametrize("nothing", NOTHING, ids=repr)
def test_what_pandas_puts_for_nothing_is_nothing_in_every_table(nothing):
    assert is_null(nothing)
    assert optional_number({"seconds": nothing}, "seconds") is None
    optional = dict.fromkeys(("group", "answer", "error", "prompt_sha", "seconds"), nothing)
    samples = Samples.from_rows([{**SAMPLE, **optional}])
    (reply,) = samples.votes("q", "s")
    assert (samples.groups, reply.answer, reply.error, reply.prompt_sha, reply.seconds) == (None,) * 5
    (unlabelled,) = Samples.from_rows([{**SAMPLE, "gold": nothing, "correct": nothing}]).of("q", "s")
    assert (unlabelled.gold, unlabelled.correct) == (None, pytest.approx(float("nan"), nan_ok=True))
    table = Outcomes.from_rows([{**OUTCOME, "group": nothing, "samples": nothing, "accuracy_unit": nothing}])
    assert (table.groups, table.samples.tolist(), table.accuracy_unit) == (None, [[1]], None)
    (question,) = checked_questions(
        [{"question": "x", "gold": 1, "group": nothing, "question_id": nothing}], file="x"
    )
    assert (question.group, len(question.question_id)) == (None, 12)
    for build, row in ((Samples.from_rows, SAMPLE), (Outcomes.from_rows, OUTCOME)):
        with pytest.raises(OutcomesError, match="row 1: question_id is missing"):
            build([{**row, "question_id": nothing}])


def test_a_data_frame_with_gaps_is_the_table_it_shows():
    rows = [SAMPLE, {**SAMPLE, "sample": 1, "answer": None, "correct": 0.0, "error": "TimeoutError: slow"}]
    samples = Samples.from_rows(pd.DataFrame(rows).to_dict("records"))
    assert len(samples.votes("q", "s")) == 1
    assert samples.bill() == [{"source": "s", "calls": 2, "failed": 1, "cost": 2.0}]
    assert samples.of("q", "s")[1].answer is None


def test_nan_in_jsonl_is_nothing(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_text(json.dumps({**SAMPLE, "error": float("nan"), "group": float("nan")}))
    samples = Samples.read(path)
    assert (len(samples.votes("q", "s")), samples.groups) == (1, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e16, "10000000000000000"),
        (1e-7, "0.0000001"),
        (2.5e-5, "0.000025"),
        (1e22, "1" + "0" * 22),
        (-3.0, "-3"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (np.float32(0.1), "0.1"),
        (np.float64(1e-7), "0.0000001"),
        (np.int64(7), "7"),
        (Decimal("2.00"), "2"),
        (Decimal("1E+3"), "1000"),
        (2**70, str(2**70)),
    ],
)
def test_a_number_is_written_in_full_and_graded_as_itself(value, text):
    (question,) = checked_questions([{"question": "x", "gold": value, "question_id": value}], file="x")
    assert (question.gold, question.question_id) == (text, text)
    assert exact(text, question.gold) == numeric(text, question.gold) == 1.0
    assert cell_text({"answer": value}, "answer") == text


def test_ids_of_a_column_with_a_gap_are_those_of_one_without(tmp_path):
    path = tmp_path / "questions.parquet"
    pd.DataFrame({"question_id": [1, None, 3], "question": list("abc"), "gold": [0, 1, 2]}).to_parquet(path)
    assert [question.question_id for question in read_questions(path)][::2] == ["1", "3"]
