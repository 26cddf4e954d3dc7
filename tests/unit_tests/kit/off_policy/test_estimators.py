import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.kit.off_policy.estimators import Added, Weighted, interval_of_mean
from adaptive_reasoner.kit.tables.bootstrap import Interval


def decisions(rng, n, k=3):
    """Random propensities, choices by them, and what every action would have come to."""
    chance = rng.dirichlet(np.ones(k), n) * 0.9 + 0.1 / k
    taken = np.array([rng.choice(k, p=row) for row in chance])
    truth = rng.random((n, k)) * [1.0, 2.0, 3.0]
    shares = rng.dirichlet(np.ones(k), n)
    return truth, shares, taken, chance[np.arange(n), taken]


@given(st.integers(0, 2**16))
def test_perfect_predictions_leave_nothing_to_the_weights(seed):
    truth, shares, taken, chance = decisions(np.random.default_rng(seed), 40)
    values = truth[np.arange(40), taken]
    estimate = Weighted(shares, taken, chance).doubly_robust(values, truth).mean()
    assert estimate == pytest.approx((shares * truth).sum(axis=1).mean())


@given(st.integers(0, 2**16))
def test_the_policy_that_took_the_actions_is_valued_by_what_was_realised(seed):
    truth, _, taken, _ = decisions(np.random.default_rng(seed), 40)
    values = truth[np.arange(40), taken]
    own = Weighted(np.eye(3)[taken], taken, np.ones(40))
    for each in (own.inverse_propensity(values), own.self_normalised(values)):
        assert each.mean() == pytest.approx(values.mean())
    assert own.effective_size == pytest.approx(40)


def test_all_three_estimates_are_near_the_truth_however_wrong_the_predictions():
    truth, shares, taken, chance = decisions(np.random.default_rng(0), 20_000)
    values, weighted = truth[np.arange(len(taken)), taken], Weighted(shares, taken, chance)
    for added in (
        weighted.inverse_propensity(values),
        weighted.self_normalised(values),
        weighted.doubly_robust(values, np.full(truth.shape, 5.0)),
    ):
        interval = interval_of_mean(added)
        assert interval.low < (shares * truth).sum(axis=1).mean() < interval.high


def test_predictions_narrow_the_interval():
    truth, shares, taken, chance = decisions(np.random.default_rng(1), 4_000)
    values, weighted = truth[np.arange(len(taken)), taken], Weighted(shares, taken, chance)
    near = truth + np.random.default_rng(2).normal(0, 0.1, truth.shape)
    narrow = interval_of_mean(weighted.doubly_robust(values, near))
    wide = interval_of_mean(weighted.inverse_propensity(values))
    assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)


def test_the_interval_covers_where_a_few_heavy_decisions_weigh_most():
    rng = np.random.default_rng(3)
    covered = {"t": 0, "normal": 0}
    for _ in range(1_000):
        heavy = np.where(rng.random(2_000) < 0.01, 100.0, 0.0)
        values = 0.5 + heavy * ((rng.random(2_000) < 0.2) - 0.2) + rng.normal(0, 0.1, 2_000)
        interval = interval_of_mean(values)
        covered["t"] += interval.low < 0.5 < interval.high
        covered["normal"] += abs(values.mean() - 0.5) < 1.96 * values.std() / len(values) ** 0.5
    assert covered["normal"] < 925
    assert covered["t"] >= 930


def test_values_that_are_all_equal_are_known():
    assert interval_of_mean(np.full(20, 0.5)) == interval_of_mean(np.array([0.5]))


def test_what_is_expected_of_the_variance_helps_where_the_decisions_rarely_show_a_tail():
    """One of 20 outcomes makes up most of the cost; 30 decisions of 3,000 tell of it."""
    rng, covered = np.random.default_rng(4), {"alone": 0, "expected": 0}
    for _ in range(1_000):
        values = np.where(rng.random(3_000) < 0.01, 100.0 * 10.0 * (rng.random(3_000) < 0.05), 0.0)
        for name, known in (("alone", None), ("expected", 500.0)):
            interval = interval_of_mean(values, expected=known)
            covered[name] += interval.low <= 0.5 <= interval.high
    assert covered["alone"] < 850
    assert covered["expected"] > 950


def test_the_difference_of_two_policies_expects_no_noise_where_they_do_the_same():
    n, rng = 400, np.random.default_rng(5)
    truth, noise = rng.random(n), rng.normal(0, 0.1, n)
    same = np.arange(n) < 300
    one = Added(truth + noise, truth, np.ones(n), np.full(n, 0.01))
    other = Added(np.where(same, truth + noise, truth), truth, same.astype(float), np.full(n, 0.01))
    gap = (one - other).interval()
    assert gap.high - gap.low == pytest.approx(2 * 1.97 * 0.1 * 0.25**0.5 / n**0.5, rel=0.15)
    assert (one - one).interval() == Interval(0.0, 0.0, 0.0)


def test_an_unknown_spread_counts_only_where_its_decisions_do():
    values, nothing = np.array([0.0, 1.0, 0.0, 1.0]), np.zeros(4)
    spread = np.array([0.25, 0.25, 0.25, np.nan])
    known = Added(values, nothing, np.array([1.0, 1.0, 1.0, 0.0]), spread)
    unknown = Added(values, nothing, np.ones(4), spread)
    assert unknown.interval() == interval_of_mean(values)
    assert known.interval() != interval_of_mean(values)
