"""The oracle against brute force, HiGHS and its own certificate."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from adaptive_reasoner.errors import InfeasibleBudgetError, OutcomesError
from adaptive_reasoner.kit.allocation.solver import frontier, solve, uniform_hull
from tests.unit_tests.kit.allocation.tables import Table, large_tables, tables


@st.composite
def problems(draw, **sizes):
    """A table and a budget from the cheapest possible to beyond the dearest, the corners included."""
    table = draw(tables(**sizes))
    cheapest, dearest = table.cost.min(axis=1).mean(), table.cost.max(axis=1).mean()
    part = draw(st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5]), st.floats(0, 1)))
    return table, float(cheapest + part * (dearest - cheapest))


def best_by_brute_force(table, budget):
    """The best mixture of two of all whole allocations: the value of the linear programme."""
    rows = np.arange(len(table))
    choices = itertools.product(range(table.accuracy.shape[1]), repeat=len(table))
    points = [(table.cost[rows, list(c)].mean(), table.accuracy[rows, list(c)].mean()) for c in choices]
    cost, accuracy = np.array(points).T
    fits = cost <= budget * (1 + 1e-12)
    share = (budget - cost[fits][:, None]) / (cost[~fits] - cost[fits][:, None])
    mixed = accuracy[fits][:, None] + share * (accuracy[~fits] - accuracy[fits][:, None])
    return max(accuracy[fits].max(), mixed.max(initial=0.0))


def best_by_highs(table, budget):
    """The value of the linear programme, in costs beyond the cheapest: a budget of just these is enough."""
    n, k = table.accuracy.shape
    cheapest = table.cost.min(axis=1, keepdims=True)
    found = linprog(
        -table.accuracy.ravel() / n,
        A_ub=(table.cost - cheapest).reshape(1, -1) / n,
        b_ub=[max(0.0, budget - cheapest.mean())],
        A_eq=np.kron(np.eye(n), np.ones(k)),
        b_eq=np.ones(n),
        bounds=(0, 1),
        # By default it takes an action that is worse by a millionth for the best.
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert found.status == 0
    return -found.fun


def check_against_highs(problem):
    table, budget = problem
    assert solve(table, budget).accuracy == pytest.approx(best_by_highs(table, budget), abs=1e-7)


@settings(max_examples=100, deadline=None)
@given(problems(most_questions=4, most_actions=3).filter(lambda problem: len(problem[0]) <= 5))
def test_no_mixture_of_whole_allocations_is_better(problem):
    table, budget = problem
    assert solve(table, budget).accuracy == pytest.approx(best_by_brute_force(table, budget), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(problems(most_questions=12, most_actions=6))
def test_highs_finds_nothing_better(problem):
    check_against_highs(problem)


def test_a_budget_of_just_the_cheapest_is_enough():
    cost = np.ones((6, 6))
    cost[3], cost[4], cost[5] = [1, 1, 1, 2, 1e-3, 1e-3], [2, *[1e-3] * 5], [*[384.0] * 5, 385.0]
    accuracy = np.zeros((6, 6))
    accuracy[3, 4:] = accuracy[5, 5] = 1.0
    check_against_highs((Table(accuracy, cost), 64.50033333333333))


def test_a_gain_of_a_millionth_is_taken():
    accuracy = np.array([[0.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0.99999]])
    cost = np.array([[1.0, 1, 1, 1], [1, 1, 0.5, 0.125], [1, 1, 1, 101]])
    check_against_highs((Table(accuracy, cost), 9.114583333333334))


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(problems(most_questions=12, most_actions=6))
def test_highs_finds_nothing_better_in_thousands_of_tables(problem):
    check_against_highs(problem)


@settings(max_examples=150, deadline=None)
@given(problems(most_questions=12, most_actions=6))
def test_the_allocation_is_what_it_says_and_certified(problem):
    table, budget = problem
    best, rows = solve(table, budget), np.arange(len(table))
    accuracy, cost = table.accuracy[rows, best.choice].mean(), table.cost[rows, best.choice].mean()
    assert cost <= budget * (1 + 1e-12)  # whoever tosses no coin stays within the budget
    if best.mixed is not None:
        at, to, chance = best.mixed.question, best.mixed.action, best.mixed.probability
        assert 0 < chance <= 1
        assert table.cost[at, to] > table.cost[at, best.choice[at]]
        gain = chance * (table.accuracy[at, to] - table.accuracy[at, best.choice[at]]) / len(table)
        assert gain <= np.ptp(table.accuracy, axis=1).max() / len(table)  # the integrality gap
        accuracy += gain
        cost += chance * (table.cost[at, to] - table.cost[at, best.choice[at]]) / len(table)
    assert best.accuracy == pytest.approx(accuracy, abs=1e-12)
    assert best.cost == pytest.approx(cost, abs=1e-12)
    assert best.cost == pytest.approx(budget, rel=1e-9) or not best.binds
    assert best.cost <= budget * (1 + 1e-9)
    assert best.accuracy <= best.bound + 1e-9
    assert best.gap <= 1e-9 * max(1.0, best.price * max(budget, table.cost.max()))
    assert sum(best.counts().values()) == pytest.approx(len(table))
    assert sum(best.shares().values()) == pytest.approx(1)


@settings(max_examples=100, deadline=None)
@given(tables(most_questions=8, most_actions=5), st.floats(0, 5))
def test_at_a_price_nobody_pays_more_for_the_same(table, price):
    """The cost falls as the price rises, and ties go to the cheaper action."""
    curve = frontier(table)
    assert (np.diff(curve.prices) <= 0).all()
    assert (np.diff(curve.costs) >= 0).all()
    assert (np.diff(curve.accuracies) >= 0).all()
    bought = curve.at(float(curve.costs[np.searchsorted(-curve.prices, -price)]))
    value = table.accuracy - price * table.cost
    for row, choice in enumerate(bought.choice):
        assert value[row, choice] == pytest.approx(value[row].max(), abs=1e-9)
        clearly_tied = value[row] == value[row].max()
        assert table.cost[row, choice] <= table.cost[row, clearly_tied].min() + 1e-9


@settings(max_examples=100, deadline=None)
@given(tables(most_questions=8, most_actions=5), st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_one_frontier_answers_every_budget(table, parts):
    curve = frontier(table)
    budgets = np.sort(curve.costs[0] + np.array(parts) * (table.cost.max() - curve.costs[0]))
    answers = [curve.at(budget) for budget in budgets]
    for budget, answer in zip(budgets, answers, strict=True):
        assert answer.accuracy == pytest.approx(solve(table, budget).accuracy, abs=1e-12)
    assert (np.diff([answer.accuracy for answer in answers]) >= -1e-12).all()
    assert (np.diff([answer.price for answer in answers]) <= 0).all()


def test_a_budget_where_plain_bisection_overshoots_is_met_exactly():
    """All questions flip at one price: only a coin can spend 3 of [1, 5]."""
    best = solve(Table([[0, 1]] * 7, [[1, 5]] * 7), budget=3)
    assert best.cost == pytest.approx(3, abs=1e-12)
    assert best.accuracy == pytest.approx(0.5)
    assert best.counts() == pytest.approx({"action_0": 3.5, "action_1": 3.5})
    assert best.mixed.probability == pytest.approx(0.5)
    assert best.price == pytest.approx(0.25)


def test_a_budget_beyond_the_dearest_useful_actions_is_slack():
    best = solve(Table([[0.5, 1.0, 1.0]], [[1, 2, 9]]), budget=5)
    assert (best.cost, best.price, best.binds, best.mixed) == (2, 0, False, None)
    assert best.accuracy == best.bound == 1
    assert solve(Table([[0.5, 1.0]], [[1, 2]]), math.inf).cost == 2


def test_the_cheapest_budget_buys_the_best_of_the_cheapest():
    best = solve(Table([[0.2, 0.6, 0.9]], [[1, 1, 2]]), budget=1)
    assert (best.choice.tolist(), best.accuracy, best.mixed) == ([1], 0.6, None)


def test_equal_rows_and_single_actions_have_their_answer():
    assert solve(Table([[0.5]], [[3]]), budget=3).accuracy == 0.5
    assert solve(Table([[0.5, 0.5]] * 3, [[1, 2]] * 3), budget=2).cost == 1
    assert solve(Table([[0, 1]], [[0, 0]]), budget=0).accuracy == 1
    curve = frontier(Table([[0.5]], [[3]]))
    assert (curve.costs.tolist(), curve.prices.tolist()) == ([3], [0])


def test_an_accuracy_that_costs_next_to_nothing_is_taken_first():
    best = solve(Table([[0, 1, 1], [0, 0.5, 1]], [[0, 5e-324, 3], [0, 1, 2]]), budget=0.5)
    assert best.choice.tolist() == [1, 1]
    assert best.accuracy == 0.75


def test_an_infeasible_budget_names_both_numbers():
    with pytest.raises(InfeasibleBudgetError, match=r"budget of 0\.9 tokens .* below 1\.5 tokens") as caught:
        solve(Table([[0, 1], [0, 1]], [[1, 2], [2, 3]]), budget=0.9)
    assert (caught.value.budget, caught.value.cheapest) == (0.9, 1.5)
    with pytest.raises(InfeasibleBudgetError):
        frontier(Table([[0.0]], [[1]])).at(0.5)


def test_what_is_no_table_or_no_budget_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        solve(Table([[0.0]], [[1]]), math.nan)
    with pytest.raises(OutcomesError, match=r"shape \(1, 2\), cost of \(1, 1\)"):
        solve(Table([[0, 1]], [[1]]), 1.0)


@pytest.mark.parametrize("table", [pytest.param(table, id=name) for name, table in large_tables()])
@pytest.mark.parametrize("part", [0.0, 1e-6, 0.1, 0.5, 0.999, 1.0, 1.1])
def test_bracketing_the_price_changes_nothing(table, part):
    curve = frontier(table)
    budget = curve.costs[0] + part * (curve.costs[-1] - curve.costs[0])
    fast, plain = solve(table, budget), curve.at(budget)
    assert fast.accuracy == pytest.approx(plain.accuracy, abs=1e-12)
    assert fast.cost == pytest.approx(plain.cost, rel=1e-11)
    assert fast.gap <= 1e-9


def test_the_uniform_hull_is_the_best_mixture_of_fixed_actions():
    table = Table([[0.2, 0.3, 0.9, 0.5], [0.4, 0.5, 0.9, 0.5]], [[1, 2, 4, 5], [1, 2, 4, 5]])
    hull = uniform_hull(table)
    assert hull.actions == ("action_0", "action_2")
    assert hull.accuracy_at([0.5, 1, 2.5, 9]).tolist() == pytest.approx([0.3, 0.3, 0.6, 0.9])
    assert hull.cost_at(0.6) == pytest.approx(2.5)
    assert hull.cost_at([0.1, 0.95]).tolist() == [1.0, math.inf]
    assert hull.mixture_at(2.5) == pytest.approx({"action_0": 0.5, "action_2": 0.5})
    assert hull.mixture_at(4) == hull.mixture_at(100) == {"action_2": 1.0}
    with pytest.raises(InfeasibleBudgetError, match=r"0\.5 tokens"):
        hull.mixture_at(0.5)


@settings(max_examples=100, deadline=None)
@given(problems(most_questions=6, most_actions=5))
def test_the_uniform_hull_lies_below_the_frontier_and_above_every_action(problem):
    table, budget = problem
    hull = uniform_hull(table)
    for accuracy, cost in zip(table.accuracy.mean(axis=0), table.cost.mean(axis=0), strict=True):
        assert hull.accuracy_at(cost) >= accuracy - 1e-12
        assert hull.cost_at(accuracy) <= cost + 1e-9
    if budget >= hull.costs[0]:
        assert hull.accuracy_at(budget) <= solve(table, budget).accuracy + 1e-9
        assert sum(hull.mixture_at(budget).values()) == pytest.approx(1)
    else:
        with pytest.raises(InfeasibleBudgetError):
            hull.mixture_at(budget)


@pytest.mark.slow
def test_a_million_questions_are_solved_exactly():
    rng = np.random.default_rng(0)
    best = solve(Table(rng.random((1_000_000, 8)), rng.random((1_000_000, 8))), budget=0.3)
    assert best.cost == pytest.approx(0.3)
    assert best.gap <= 1e-9
