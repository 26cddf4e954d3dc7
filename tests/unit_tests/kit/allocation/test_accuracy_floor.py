"""The least cost at an accuracy, against exhaustive search, the frontier and its own certificate."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptive_reasoner.errors import AdaptiveReasonerError, InfeasibleAccuracyError, OutcomesError
from adaptive_reasoner.kit.allocation.solver import Predictions, frontier, solve
from tests.unit_tests.kit.allocation.tables import Table, large_tables, tables

CORNERS = [0.0, 0.25, 0.5, 0.75, 1.0]


@st.composite
def floors(draw, **sizes):
    """A table, in one of several units, and an accuracy up to the highest that it reaches."""
    table = draw(tables(**sizes))
    scale, shift = draw(st.sampled_from([(1.0, 0.0), (10.0, -3.0), (0.01, 0.0), (250.0, 1000.0)]))
    table.accuracy = table.accuracy * scale + shift
    lowest, highest = table.accuracy.min(axis=1).mean(), table.accuracy.max(axis=1).mean()
    part = draw(st.one_of(st.sampled_from(CORNERS), st.floats(0, 1)))
    return table, float(lowest + part * (highest - lowest)) if part < 1.0 else float(highest)


def least_by_brute_force(table, wanted):
    """The cheapest mixture of two of all whole allocations that is accurate enough."""
    rows = np.arange(len(table))
    choices = itertools.product(range(table.accuracy.shape[1]), repeat=len(table))
    points = [(table.cost[rows, list(c)].mean(), table.accuracy[rows, list(c)].mean()) for c in choices]
    cost, accuracy = np.array(points).T
    enough = accuracy >= wanted - 1e-12 * abs(wanted)
    least = cost[enough].min()
    for c, a in zip(cost[~enough], accuracy[~enough], strict=True):
        share = (wanted - a) / (accuracy[enough] - a)
        least = min(least, (c + share * (cost[enough] - c)).min())
    return least


@settings(max_examples=200, deadline=None)
@given(floors(most_questions=4, most_actions=3).filter(lambda problem: len(problem[0]) <= 5))
def test_no_mixture_of_whole_allocations_that_is_accurate_enough_is_cheaper(problem):
    table, wanted = problem
    best = solve(table, target_accuracy=wanted)
    assert best.cost == pytest.approx(least_by_brute_force(table, wanted), rel=1e-9, abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(floors(most_questions=12, most_actions=6))
def test_the_cheapest_allocation_is_what_it_says_and_certified(problem):
    table, wanted = problem
    best = solve(table, target_accuracy=wanted)
    played = best.probabilities()
    size = max(1.0, float(np.abs(table.accuracy).max()))
    assert (played >= 0).all()
    assert best.accuracy == pytest.approx((played * table.accuracy).sum(axis=1).mean(), abs=1e-12 * size)
    assert best.cost == pytest.approx((played * table.cost).sum(axis=1).mean(), abs=1e-9)
    assert best.accuracy >= wanted - 1e-9 * size
    assert best.target_accuracy == wanted
    assert best.budget == best.cost
    if math.isfinite(best.price):  # a higher accuracy than asked for is never paid for
        assert best.accuracy == pytest.approx(wanted, abs=1e-9 * size)
    per_accuracy = 1 / best.price if best.price else math.inf
    assert best.cost_gap <= 1e-9 * max(1.0, per_accuracy * size, float(table.cost.max()))
    assert best.gap <= 1e-9 * max(size, best.price * table.cost.max() if math.isfinite(best.price) else 0)
    if best.mixed is not None:
        at, to, chance = best.mixed.question, best.mixed.action, best.mixed.probability
        assert 0 < chance < 1
        assert table.cost[at, to] > table.cost[at, best.choice[at]]
        assert table.accuracy[at, to] > table.accuracy[at, best.choice[at]]


def test_a_floor_between_two_vertices_is_met_by_one_coin():
    best = solve(Table([[0, 1]] * 7, [[1, 5]] * 7), target_accuracy=0.5)
    assert best.accuracy == pytest.approx(0.5, abs=1e-12)
    assert best.cost == pytest.approx(3)
    assert best.price == pytest.approx(0.25)
    assert best.mixed.probability == pytest.approx(0.5)
    assert best.counts() == pytest.approx({"action_0": 3.5, "action_1": 3.5})


def test_a_floor_that_the_cheapest_actions_reach_costs_what_they_cost():
    table = Table([[0.2, 0.6, 0.9], [0.3, 0.3, 0.5]], [[1, 1, 2], [0, 0, 7]])
    for wanted in (-1.0, 0.0, 0.45):
        best = solve(table, target_accuracy=wanted)
        assert (best.cost, best.accuracy, best.mixed) == (0.5, pytest.approx(0.45), None)
        assert (best.price, best.cost_gap, best.gap) == (math.inf, 0, 0)


def test_the_highest_accuracy_is_reached_at_its_least_cost():
    table = Table([[0.5, 1.0, 1.0], [0.0, 0.2, 0.2]], [[1, 2, 9], [0, 0, 3]])
    best = solve(table, target_accuracy=0.6)
    assert (best.choice.tolist(), best.cost, best.accuracy) == ([1, 1], 1, pytest.approx(0.6))
    assert best.cost_gap < 1e-12


def test_free_actions_and_single_actions_have_their_answer():
    assert solve(Table([[0, 1]], [[0, 0]]), target_accuracy=1).cost == 0
    assert solve(Table([[0.5]], [[3]]), target_accuracy=0.5).cost == 3
    assert solve(Table([[0.5, 0.5]] * 3, [[1, 2]] * 3), target_accuracy=0.5).cost == 1


def test_an_accuracy_out_of_reach_names_the_highest_one():
    with pytest.raises(InfeasibleAccuracyError, match=r"0\.95 is above 0\.8, .* at most 0\.8") as caught:
        solve(Table([[0.1, 1.0], [0.6, 0.2]], [[1, 2], [2, 3]]), target_accuracy=0.95)
    assert (caught.value.target, caught.value.highest) == (0.95, 0.8)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, AdaptiveReasonerError)


def test_one_aim_is_given_and_it_is_a_number():
    table = Table([[0.0]], [[1]])
    with pytest.raises(ValueError, match="either a budget or a target accuracy"):
        solve(table)
    with pytest.raises(ValueError, match="either a budget or a target accuracy"):
        solve(table, 1.0, target_accuracy=0.5)
    with pytest.raises(ValueError, match="target accuracy is not a number"):
        solve(table, target_accuracy=math.nan)
    with pytest.raises(OutcomesError, match=r"shape \(1, 2\), cost of \(1, 1\)"):
        solve(Table([[0, 1]], [[1]]), target_accuracy=0.5)


@pytest.mark.parametrize("table", [pytest.param(table, id=name) for name, table in large_tables()])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.999, 1.0])
def test_bracketing_the_price_of_an_accuracy_changes_nothing(table, part):
    curve = frontier(table)
    wanted = float(curve.accuracies[0] + part * (curve.accuracies[-1] - curve.accuracies[0]))
    best = solve(table, target_accuracy=wanted)
    plain = frontier(Predictions(table.actions, -table.cost, -table.accuracy, "")).at(-wanted)
    assert best.cost == pytest.approx(-plain.accuracy, rel=1e-11)
    assert best.cost == pytest.approx(float(np.interp(wanted, curve.accuracies, curve.costs)), rel=1e-9)
    assert best.cost_gap <= 1e-9 * max(1.0, best.cost)
