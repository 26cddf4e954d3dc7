"""Backtests where some or all right answers are missing."""

import pytest

from adaptive_reasoner.kit.backtesting.evaluation import backtest
from tests.unit_tests.kit.unlabelled import generated
from tests.unit_tests.toys import toy_encoder

pytestmark = pytest.mark.usefixtures("own_cache")


def run(labelled):
    samples = generated(240, samples=1, labelled=labelled)
    return backtest(samples, budgets=[8.0], splits=1, draws=300, encoder=toy_encoder())


def row_of(tested, policy):
    return next(row for row in tested.rows if row.policy == policy)


def test_without_right_answers_a_gain_is_unverified_and_there_is_no_oracle():
    tested = run(())
    assert (tested.verdict, tested.n_questions, tested.n_labelled) == ("unverified", 240, 0)
    assert not [row for row in tested.rows if row.policy.startswith("oracle")]
    assert row_of(tested, "imitator").gap_closed is None


def test_some_right_answers_verify_a_gain_and_give_it_a_wider_interval():
    some, every = run([number for number in range(240) if number % 4 < 2]), run(None)
    assert every.verdict == "ship"
    widths = [each.lift.high - each.lift.low for each in (every, some)]
    assert widths[0] < widths[1]
    assert abs(some.lift.mean - every.lift.mean) < widths[1]


def test_lift_is_over_the_mixture_of_training_and_hindsight_is_beside_it():
    row = row_of(run(None), "uniform")
    assert row.lift_hindsight <= row.lift + 1e-9
    assert row.lift_hindsight_low <= row.lift_hindsight <= row.lift_hindsight_high
