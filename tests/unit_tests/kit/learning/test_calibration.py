import numpy as np
import pytest

from adaptive_reasoner.kit.learning.calibration import Calibration, calibration_error, cost_spread
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.outcome_parts import Halves


def table(n=2000, seed=0, noise=1.0, trust=1.0):
    """Truth of two actions, and predictions that lie `1 / trust` times too far from the mean."""
    rng = np.random.default_rng(seed)
    signal = 0.1 * rng.normal(size=(n, 4))
    truth = 0.5 + signal + 0.1 * noise * rng.normal(size=(n, 4))
    return 0.5 + signal / trust, truth


def test_predictions_that_can_be_trusted_are_left_as_they_are():
    raw, truth = table()
    assert Calibration.fit(raw, truth).slopes == pytest.approx([1, 1, 1, 1], abs=0.1)


def test_overconfident_predictions_are_shrunk():
    raw, truth = table(trust=0.5)
    assert Calibration.fit(raw, truth).slopes == pytest.approx([0.5] * 4, abs=0.05)


def test_predictions_that_know_nothing_become_the_mean():
    raw, truth = table()
    shuffled = raw[np.random.default_rng(1).permutation(len(raw))]
    calibrated = Calibration.fit(shuffled, truth).apply(shuffled)
    assert calibrated.std(axis=0).max() < 0.02
    assert calibrated.mean(axis=0) == pytest.approx(truth.mean(axis=0), abs=0.01)


def test_nothing_is_predicted_outside_what_was_observed():
    raw, truth = table()
    calibrated = Calibration.fit(raw, truth).apply(raw * 100)
    assert (calibrated >= truth.min(axis=0)).all()
    assert (calibrated <= truth.max(axis=0)).all()


def test_a_cost_that_does_not_vary_stays_exactly_as_it_is():
    raw, truth = table()
    truth[:, 3], raw[:, 3] = 20.0, 20.0 + 1e-9
    assert (Calibration.fit(raw, truth).apply(raw)[:, 3] == 20.0).all()


def test_slopes_come_from_some_rows_and_the_mean_from_all():
    raw, truth = table(200)
    rows = np.arange(200) < 100
    part = Calibration.fit(raw, truth, rows)
    assert part.slopes != pytest.approx(Calibration.fit(raw, truth).slopes, abs=1e-6)
    assert part.apply(raw.mean(axis=0)[None])[0] == pytest.approx(truth.mean(axis=0))


def test_the_error_is_the_distance_of_bins_from_what_happened():
    rng = np.random.default_rng(0)
    predicted = rng.random(50_000)
    happened = rng.random(50_000) < predicted
    assert calibration_error(predicted, happened) < 0.01
    assert calibration_error(np.full(10, 0.8), np.full(10, 0.5)) == pytest.approx(0.3)


def test_the_spread_of_costs_counts_what_replies_to_one_question_differ_by():
    rng, n, replies = np.random.default_rng(0), 4_000, 6
    predicted = rng.uniform(5, 15, (n, 1))
    missed = rng.normal(0, 1.0, (n, 1))
    costs = predicted + missed + rng.normal(0, 2.0, (n, replies))
    halves = [costs[:, at::2].mean(axis=1, keepdims=True) for at in (0, 1)]
    table = Outcomes(
        np.array([f"q{at}" for at in range(n)], dtype=object),
        np.array([f"{at}?" for at in range(n)], dtype=object),
        ("a",),
        np.zeros((n, 1)),
        costs.mean(axis=1, keepdims=True),
        "usd",
        np.full((n, 1), replies),
        halves=Halves(np.zeros((n, 1)), np.zeros((n, 1)), *halves),
    )
    assert cost_spread(predicted, table)[0] == pytest.approx(5.0 / (predicted**2).mean(), rel=0.05)
