import numpy as np
import pytest

from adaptive_reasoner.kit.off_policy.log_predictions import recalibrated


def logged(rng, n, chance):
    """Predictions of two actions, of which the second is taken with a chance that grows with its cost."""
    predicted = np.column_stack([np.full(n, 2.0), rng.uniform(10, 40, n)])
    often = np.where(predicted[:, 1] > 25, 1 - chance, chance)
    taken = (rng.random(n) < often).astype(int)
    return predicted, taken, np.where(taken == 1, often, 1 - often)


def test_an_action_whose_cost_doubled_is_expected_to_cost_twice_as_much_everywhere():
    predicted, taken, chance = logged(np.random.default_rng(0), 4_000, 0.1)
    values = predicted[np.arange(4_000), taken] * np.where(taken == 1, 2.0, 1.0)
    moved = recalibrated(predicted, values, taken, chance)
    assert moved[:, 0] == pytest.approx(predicted[:, 0])
    low, high = moved[predicted[:, 1] < 15, 1], predicted[predicted[:, 1] < 15, 1]
    assert low == pytest.approx(2 * high, rel=0.05)


def test_a_question_does_not_set_right_its_own_prediction():
    values = np.array([0.0] * 50 + [1000.0])
    fold = np.arange(51) % 5
    moved = recalibrated(np.zeros((51, 1)), values, np.zeros(51, int), np.ones(51), fold=fold)
    assert moved[fold == fold[-1], 0] == pytest.approx(0)
    assert moved[fold != fold[-1], 0].min() > 10


def test_few_decisions_move_predictions_little():
    moved = recalibrated(np.full((5, 1), 0.9), np.zeros(5), np.zeros(5, int), np.ones(5))
    assert 0.0 <= moved[0, 0] <= 0.9
    few = recalibrated(np.full((9, 2), 0.9), np.linspace(0, 1, 9), np.zeros(9, int), np.ones(9))
    assert few[:, 1] == pytest.approx(0.9)


def test_values_that_are_not_known_set_nothing_right():
    predicted = np.full((4, 2), 0.7)
    assert recalibrated(predicted, np.full(4, np.nan), np.zeros(4, int), np.ones(4)) is predicted
