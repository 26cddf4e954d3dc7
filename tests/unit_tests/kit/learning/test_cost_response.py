from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.kit.allocation.solver import Predictions, uniform_hull
from adaptive_reasoner.kit.learning.cost_response import (
    BAND,
    SPREAD,
    Moves,
    Response,
    fit_cost_curve,
    lift_by_question,
)
from tests.unit_tests.toys import toy_outcomes


def predictions(n, k, seed):
    rng = np.random.default_rng(seed)
    return Predictions(
        tuple(f"a{i}" for i in range(k)), rng.random((n, k)), rng.random((n, k)) * 10, "tokens"
    )


def simulated(predicted, table, price, draws=4001):
    """Mean entry of `table` over the jitter of the price, by trying it out."""
    rows = np.arange(len(table))
    jitter = np.exp(SPREAD * np.linspace(-1, 1, draws))
    chosen = [table[rows, (predicted.accuracy - price * j * predicted.cost).argmax(1)] for j in jitter]
    return np.mean(chosen, axis=0)


@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(0.001, 1.0))
def test_realised_outcomes_are_those_of_choosing_at_the_jittered_price(seed, k, price):
    predicted = predictions(6, k, seed)
    truth = np.random.default_rng(seed + 1).random((6, k))
    expected = simulated(predicted, truth, price, draws=801)
    assert np.allclose(Moves.of(predicted).chosen(truth, price), expected, atol=0.01)


def test_means_are_those_of_every_question():
    table = toy_outcomes(40, seed=3)
    moves = Moves.of(Predictions(table.actions, table.accuracy, table.cost, table.cost_unit))
    prices = moves.prices()
    assert moves.means(table.cost, prices) == pytest.approx(moves.along(table.cost, prices).mean(axis=0))


def test_at_no_price_the_most_accurate_action_is_chosen():
    predicted = predictions(20, 3, 0)
    best = predicted.accuracy.argmax(1)
    assert (Moves.of(predicted).chosen(predicted.cost, 0.0) == predicted.cost[np.arange(20), best]).all()


def test_the_curve_falls_and_covers_the_truth():
    predicted = predictions(500, 3, 0)
    truth = np.random.default_rng(1).permuted(predicted.cost, axis=1)  # has little to do with the predictions
    curve = fit_cost_curve(Moves.of(predicted), truth)
    assert (np.diff(curve.cost) <= 0).all()
    assert (curve.low <= curve.cost).all()
    assert (curve.cost <= curve.high).all()


def test_a_budget_is_met_where_all_questions_are_predicted_alike():
    rows = np.ones((100, 1))
    predicted = Predictions(("cheap", "dear"), rows * [0.4, 0.6], rows * [2.0, 9.0], "tokens")
    budget = 0.7 * 2.0 + 0.3 * 9.0
    price = fit_cost_curve(Moves.of(predicted), predicted.cost).price_at(budget)
    assert simulated(predicted, predicted.cost, price).mean() == pytest.approx(budget, rel=0.02)


@pytest.mark.parametrize("budget", [None, 2.0, 4.0, 100.0])
def test_a_band_of_prices_spends_around_its_budget(budget):
    predicted = predictions(2000, 3, 0)
    table = SimpleNamespace(accuracy=predicted.accuracy, cost=predicted.cost)
    _, cost = Response.of(predicted, table).around(budget)
    curve = fit_cost_curve(Moves.of(predicted), predicted.cost)
    ends = (curve.cost[0], curve.cheapest) if budget is None else (budget * BAND, budget / BAND)
    assert cost.mean(axis=0).max() <= min(ends[0], curve.cost[0]) * 1.01
    assert cost.mean(axis=0).min() >= min(ends[1], curve.cost[0]) * 0.99


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_mixture_of_fixed_actions_has_no_lift(share):
    table = toy_outcomes(300)
    mixed = [cells @ np.array([[1 - share], [share]]) for cells in (table.accuracy, table.cost)]
    assert lift_by_question(*mixed, table).mean() == pytest.approx(0.0, abs=1e-12)


def test_lifts_of_the_questions_add_up_to_the_lift():
    table = toy_outcomes(300)
    chosen = (table.groups == "story").astype(int)[:, None]
    accuracy, cost = (np.take_along_axis(cells, chosen, axis=1) for cells in (table.accuracy, table.cost))
    expected = accuracy.mean() - uniform_hull(table).accuracy_at(cost.mean())
    assert expected > 0.1
    assert lift_by_question(accuracy, cost, table).mean() == pytest.approx(expected)


def test_a_single_action_costs_what_it_costs():
    predicted = predictions(5, 1, 0)
    curve = fit_cost_curve(Moves.of(predicted), predicted.cost)
    assert curve.cost == pytest.approx([predicted.cost.mean()])
