"""Ranks are uniform while nothing changes, and bets against them alarm as rarely as was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.policy.change_detection import _CUT, _LOST, _WON, LARGEST, ChangeDetector, Ranks


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.integers(2, size=4000),
        lambda rng: np.round(8 * rng.standard_cauchy(4000)).astype(int),
        lambda rng: np.zeros(4000, dtype=int),
    ],
    ids=["two values", "heavy tails", "one value"],
)
def test_p_values_are_uniform_whatever_the_scores(draw):
    rng = np.random.default_rng(0)
    ranks = Ranks()
    found = np.array([ranks.add(int(score), draw=rng.random()) for score in draw(rng)])
    shares = np.histogram(found, bins=10, range=(0, 1))[0] / len(found)
    assert np.abs(shares - 0.1).max() < 0.02
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 0.05


@given(st.lists(st.integers(-2 * LARGEST, 2 * LARGEST), min_size=1, max_size=30), st.floats(0, 1))
def test_a_p_value_is_the_share_of_scores_as_high(scores, draw):
    ranks = Ranks()
    found = [ranks.add(score, draw=draw) for score in scores][-1]
    cut = np.clip(scores, -LARGEST, LARGEST)
    expected = ((cut > cut[-1]).sum() + draw * (cut == cut[-1]).sum()) / len(cut)
    assert found == pytest.approx(expected)


def test_no_bet_gains_on_average_where_p_values_are_uniform():
    assert (_CUT * _WON + (1 - _CUT) * _LOST).tolist() == pytest.approx([1.0] * len(_CUT))


@pytest.mark.parametrize("run_length", [200, 2_000])
def test_false_alarms_are_as_rare_as_was_asked_for(run_length):
    streams, length = 300, 2_000
    rng, detector = np.random.default_rng(1), ChangeDetector(run_length, streams=streams)
    alarms = sum(int(detector.add(rng.random(streams)).sum()) for _ in range(length))
    assert 0.2 * streams * length / run_length < alarms <= streams * length / run_length


def test_the_statistic_is_the_sum_over_all_beginnings():
    rng, detector = np.random.default_rng(2), ChangeDetector(1e9)
    seen = rng.random(12)
    for p in seen:
        detector.add(p)
    gains = np.where(seen[:, None] < _CUT, _WON, _LOST)
    expected = sum(gains[begin:].prod(axis=0) for begin in range(len(seen))).mean()
    assert detector.statistic[0] == pytest.approx(expected)


def test_a_detector_begins_anew_after_an_alarm():
    detector = ChangeDetector(100, streams=2)
    raised = [detector.add([0.001, 0.9]).tolist() for _ in range(20)]
    assert [False, False] in raised
    assert raised.count([True, False]) >= 2
    assert detector.statistic[1] < 100


def test_a_run_length_is_at_least_one():
    with pytest.raises(ValueError, match="run_length is a number of questions"):
        ChangeDetector(0)
