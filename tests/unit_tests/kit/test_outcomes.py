"""The table of outcomes: whole or refused, and the same after a round trip."""

from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.files import write_rows
from adaptive_reasoner.kit.tables.outcome_parts import HALVES, Halves


def rows(n=3, actions=("direct", "cot"), **more):
    return [
        {
            "question_id": f"q{i}",
            "question": f"What is {i} + 1?",
            "action": action,
            "accuracy": 0.25 * a + 0.1 * i,
            "cost": 10.0**a,
            "cost_unit": "tokens",
            "samples": 4,
            **more,
        }
        for i in range(n)
        for a, action in enumerate(actions)
    ]


def with_halves(table):
    halves = []
    for i, row in enumerate(table):
        known = i % 2 == 0
        halves.append(row | dict.fromkeys(HALVES, 0.5 if known else None))
    return halves


def assert_equal(left, right):
    for name in ("question_ids", "questions", "groups", "accuracy", "cost", "samples"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
    for name in ("actions", "cost_unit", "accuracy_unit"):
        assert getattr(left, name) == getattr(right, name)
    assert (left.halves is None) == (right.halves is None)
    for name in HALVES if left.halves else ():
        np.testing.assert_array_equal(getattr(left.halves, name), getattr(right.halves, name), err_msg=name)


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
@pytest.mark.parametrize(
    "table",
    [
        pytest.param(rows(), id="plain"),
        pytest.param(rows(group="sums"), id="groups"),
        pytest.param(with_halves(rows()), id="halves"),
        pytest.param(rows(accuracy_unit="reward"), id="rewards"),
    ],
)
def test_a_round_trip_changes_nothing(form, table, tmp_path):
    outcomes = Outcomes.from_rows(table)
    outcomes.write(tmp_path / f"outcomes.{form}")
    assert_equal(Outcomes.read(tmp_path / f"outcomes.{form}"), outcomes)
    assert_equal(Outcomes.from_rows(outcomes.rows()), outcomes)


def test_rows_may_come_in_any_order():
    table = rows(4)
    outcomes = Outcomes.from_rows([table[0], table[7], *table[1:7]])
    assert outcomes.question_ids.tolist() == ["q0", "q3", "q1", "q2"]
    assert outcomes.actions == ("direct", "cot")
    assert outcomes.accuracy[1].tolist() == [table[6]["accuracy"], table[7]["accuracy"]]
    assert (len(outcomes), outcomes.cost_unit, outcomes.groups, outcomes.halves) == (4, "tokens", None, None)


def test_one_question_with_one_action_is_a_table():
    assert Outcomes.from_rows(rows(1, ["direct"])).accuracy.tolist() == [[0.0]]


BAD = {
    "accuracy over 1": ({"accuracy": 1.01}, r"accuracy is 1\.01, outside \[0, 1\]; .*accuracy_unit"),
    "accuracy below 0": ({"accuracy": -0.1}, r"accuracy is -0\.1, outside"),
    "accuracy NaN": ({"accuracy": float("nan")}, "accuracy is nan; a finite number"),
    "accuracy missing": ({"accuracy": None}, "accuracy is missing"),
    "accuracy no number": ({"accuracy": "high"}, "accuracy is 'high'; a number is needed"),
    "cost negative": ({"cost": -1}, r"cost is -1\.0; a cost is never negative"),
    "cost infinite": ({"cost": float("inf")}, "cost is inf; a finite number"),
    "no samples": ({"samples": 0}, "samples is 0; at least 1"),
    "half a sample": ({"samples": 1.5}, r"samples is 1\.5; a whole number"),
    "other unit": ({"cost_unit": "usd"}, "cost_unit is 'usd', but 'tokens' in row 1: one table has one unit"),
    "no unit": ({"cost_unit": None}, "cost_unit is missing"),
    "other text": ({"question": "Who?"}, "question 'q1' has another text in row 3"),
    "other group": ({"group": "sums"}, "question 'q1' has another group in row 3"),
    "empty question": ({"question": " "}, "question is missing or empty"),
    "no action": ({"action": ""}, "action is missing or empty"),
    "duplicate": ({"action": "direct"}, "question 'q1', action 'direct' is already in row 3"),
    "half over 1": ({"accuracy_a": 2, "cost_a": 1}, r"half a: accuracy is 2\.0, outside"),
    "half without cost": ({"accuracy_a": 1}, "accuracy_a and cost_a must be known together"),
}


@pytest.mark.parametrize(("change", "reason"), BAD.values(), ids=BAD)
def test_a_bad_row_is_refused_with_file_row_and_reason(change, reason, tmp_path):
    table = rows()
    table[3] |= change
    with pytest.raises(OutcomesError, match=f"^row 4: {reason}"):
        Outcomes.from_rows(table)
    write_rows(
        tmp_path / "bad.parquet",
        [{k: str(v) if v is not None else v for k, v in row.items()} for row in table],
    )
    with pytest.raises(OutcomesError, match=r"bad\.parquet: row 4: ") as caught:
        Outcomes.read(tmp_path / "bad.parquet")
    assert caught.value.row == 4


def test_samples_are_told_from_outcomes():
    sample = {"question_id": "q1", "question": "6 * 7?", "source": "cot", "sample": 0, "cost": 2}
    with pytest.raises(OutcomesError, match="row 1: this is a sample; `adaptive-reasoner estimate` makes"):
        Outcomes.from_rows([sample])


def test_a_hole_is_refused_by_name():
    with pytest.raises(OutcomesError, match="question 'q1' has no row for action 'cot'"):
        Outcomes.from_rows([row for i, row in enumerate(rows()) if i != 3])


def test_groups_are_for_every_question_or_for_none():
    table = rows(2)
    for row in table[:2]:
        row["group"] = "sums"
    with pytest.raises(OutcomesError, match="row 3: question 'q1' has no group; name one for every question"):
        Outcomes.from_rows(table)


def test_an_empty_table_is_refused(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(OutcomesError, match=r"empty\.jsonl: the table is empty"):
        Outcomes.read(tmp_path / "empty.jsonl")


def columns(**change):
    fields = {
        "question_ids": ["a", "b"],
        "questions": ["A?", "B?"],
        "actions": ("x", "y"),
        "accuracy": [[0, 1], [1, 1]],
        "cost": [[1, 2], [1, 2]],
        "cost_unit": "tokens",
        "samples": [[1, 1], [1, 1]],
    }
    return Outcomes(**fields | change)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"accuracy": [[0, 1], [1, 3]]}, r"question 'b', action 'y': accuracy is 3\.0"),
        ({"accuracy": [[0, 1]]}, r"accuracy has shape \(1, 2\); \(2, 2\) \(questions, actions\) is needed"),
        ({"question_ids": ["a", "a"]}, "question 'a' appears twice"),
        ({"actions": ("x", "x")}, "action 'x' appears twice"),
        ({"questions": ["A?"]}, "1 questions for 2 question_ids"),
        ({"groups": ["g"]}, "1 groups for 2 question_ids"),
        ({"question_ids": [], "accuracy": np.empty((0, 2))}, "the table is empty"),
        ({"halves": Halves(*[np.ones((1, 1))] * 4)}, r"accuracy_a has shape \(1, 1\)"),
    ],
)
def test_columns_are_checked_as_rows_are(change, reason):
    with pytest.raises(OutcomesError, match=reason):
        columns(**change)


def test_rewards_on_another_scale_are_declared():
    assert columns(accuracy=[[-3, 5], [0, 0]], accuracy_unit="reward").accuracy.max() == 5


def test_the_table_cannot_be_changed_and_leaves_the_callers_arrays_alone():
    mine = np.array([[0.0, 1.0], [1.0, 1.0]])
    outcomes = columns(accuracy=mine)
    with pytest.raises(ValueError, match="read-only"):
        outcomes.accuracy[0, 0] = 1
    mine[0, 0] = 0.5  # still writable


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_what_is_known_of_a_judge_stands_in_the_file(suffix, tmp_path):
    quality = {"judges": ["jury ä"], "accuracy": 0.8, "by_source": {"cot": -0.1}, "by_length": None}
    table = replace(Outcomes.from_rows(rows()), judge_quality=quality)
    table.write(tmp_path / f"outcomes.{suffix}")
    again = Outcomes.read(tmp_path / f"outcomes.{suffix}")
    assert again.judge_quality == quality == again.select([0]).judge_quality
    assert_equal(again, table)


def test_a_table_without_a_judge_says_nothing_of_one():
    assert Outcomes.from_rows(rows()).judge_quality is None
    assert "judge_quality" not in next(Outcomes.from_rows(rows()).rows())
    with pytest.raises(OutcomesError, match="judge_quality is 'good'; `estimate` writes a JSON object"):
        Outcomes.from_rows(rows(judge_quality="good"))


def test_selects_by_position_and_by_mask():
    outcomes = Outcomes.from_rows(with_halves(rows(4, group="sums")))
    assert_equal(outcomes.select([1, 3]), outcomes.select(np.array([False, True, False, True])))
    assert outcomes.select([3, 0]).question_ids.tolist() == ["q3", "q0"]


def test_a_split_holds_every_question_once():
    outcomes = Outcomes.from_rows(rows(7))
    fit, test = outcomes.split(test_size=0.3, seed=5)
    assert sorted([*fit.question_ids, *test.question_ids]) == sorted(outcomes.question_ids)
    assert len(test) == 2


@pytest.mark.parametrize("name", ["bbh_direct_cot", "two_models_mmlu_gsm8k", "math500_ladder"])
def test_real_tables_are_read(name, shared_data):
    outcomes = Outcomes.read(shared_data / f"{name}.outcomes.parquet")
    fit, test = outcomes.split()
    assert len(fit) + len(test) == len(outcomes) >= 500
    assert not {*fit.questions} & {*test.questions}
