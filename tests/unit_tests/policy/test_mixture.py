from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adaptive_reasoner.errors import InfeasibleBudgetError
from adaptive_reasoner.policy.draws import uniform_from_key
from adaptive_reasoner.policy.mixture import CostCurve, Mixture, hull, spend

costs = st.floats(0.0, 100.0, allow_subnormal=False)
accuracies = st.floats(0.0, 1.0, allow_subnormal=False)
tables = st.integers(1, 5).flatmap(
    lambda k: st.tuples(arrays(float, k, elements=accuracies), arrays(float, k, elements=costs))
)
LADDER = Mixture(np.array([0.3, 0.55, 0.5, 0.7]), np.array([1.0, 4.0, 6.0, 20.0]))


def test_draws_are_repeatable_and_uniform():
    draws = np.array([uniform_from_key(f"question {number}") for number in range(4000)])
    assert uniform_from_key("question 7") == draws[7]
    assert abs(np.histogram(draws, bins=10, range=(0, 1))[0] - 400).max() < 100


@given(tables)
def test_no_mixture_of_actions_beats_the_hull(table):
    accuracy, cost = table
    vertices = hull(accuracy, cost)
    assert (np.diff(cost[vertices]) > 0).all()
    assert (np.diff(accuracy[vertices]) > 0).all()
    best = np.interp(cost, cost[vertices], accuracy[vertices])
    assert (accuracy <= best + 1e-6).all()


@given(tables, st.floats(0, 1))
def test_every_budget_has_its_price(table, share):
    mixture = Mixture(*table)
    low, high = mixture.cost[mixture.vertices[[0, -1]]]
    budget = low + share * (high - low)
    assert mixture.curve.cost_at(mixture.curve.price_at(budget)) == pytest.approx(
        budget, abs=1e-6 * (1 + high)
    )


def test_what_a_mixture_draws_costs_what_the_curve_says():
    for budget in (1.0, 2.5, 4.0, 11.0, 19.0, 25.0):
        price = LADDER.curve.price_at(budget)
        chosen = [LADDER.choose(price, at) for at in (np.arange(1000) + 0.5) / 1000]
        assert LADDER.cost[chosen].mean() == pytest.approx(min(budget, 20.0), abs=0.02)
        assert LADDER.accuracy[chosen].mean() == pytest.approx(
            LADDER.shares(budget) @ LADDER.accuracy, abs=1e-3
        )


def test_an_action_that_may_not_be_mixed_is_never_drawn():
    mixture = Mixture(LADDER.accuracy, LADDER.cost, among=np.array([0, 3]))
    chosen = {mixture.choose(price, at) for price in np.geomspace(1e-4, 1, 50) for at in (0.1, 0.5, 0.9)}
    assert chosen == {0, 3}
    assert mixture.shares(10.5).tolist() == pytest.approx([0.5, 0, 0, 0.5])


def test_the_shares_of_a_mixture_cost_the_budget_and_its_slope_is_what_one_more_unit_buys():
    for budget in (0.5, 1.0, 2.5, 4.0, 11.0, 25.0):
        shares = LADDER.shares(budget)
        assert shares.sum() == pytest.approx(1)
        assert shares @ LADDER.cost == pytest.approx(np.clip(budget, 1.0, 20.0))
        more = LADDER.shares(budget - 1e-6) @ LADDER.accuracy
        assert LADDER.slope(budget) == pytest.approx((shares @ LADDER.accuracy - more) / 1e-6, abs=1e-6)


def test_a_mixture_is_found_by_its_cost_as_by_its_price():
    draws = (np.arange(1000) + 0.5) / 1000
    for budget in (0.5, 1.0, 2.5, 11.0, 25.0):
        spent = np.mean([LADDER.cost[LADDER.choose_for(budget, at)] for at in draws])
        assert spent == pytest.approx(np.clip(budget, 1.0, 20.0), abs=0.02)
    assert [LADDER.choose_for(11.0, at) for at in draws] == [
        LADDER.choose(LADDER.curve.price_at(11.0), at) for at in draws
    ]


def test_a_rising_price_only_ever_makes_a_question_cheaper():
    prices = np.geomspace(1e-4, 10, 200)
    for at in (0.0, 0.3, 0.99):
        spent = [LADDER.cost[LADDER.choose(price, at)] for price in prices]
        assert (np.diff(spent) <= 0).all()
    assert LADDER.choose(0.0, 0.99) == 3


def test_a_mixture_refuses_budgets_below_its_cheapest_action():
    with pytest.raises(InfeasibleBudgetError, match=r"0\.5"):
        LADDER.curve.price_at(0.5)


def test_a_budget_of_just_the_cheapest_cost_is_met_whatever_way_its_mean_was_rounded():
    cost = [[1.1e-5, 3e-4]] * 97
    fixed = Mixture([0.3, 0.8], np.mean(cost, axis=0))
    assert fixed.curve.cheapest > 1.1e-5  # by rounding
    assert fixed.choose(fixed.curve.price_at(1.1e-5), 0.0) == 0
    assert fixed.shares(1.1e-5).tolist() == [1, 0]


def test_a_budget_that_is_no_number_is_refused():
    with pytest.raises(InfeasibleBudgetError, match="budget of nan"):
        LADDER.curve.price_at(np.nan)
    with pytest.raises(InfeasibleBudgetError, match="budget of nan"):
        spend(np.array([[0.5]]), np.array([[3.0]]), np.nan)


def test_the_slope_is_the_derivative_of_the_curve():
    curve = CostCurve.of([0.01, 1.0], [50.0, 10.0])
    assert curve.slope_at(0.1) == pytest.approx(40 / np.log(100))
    assert curve.slope_at(0.0) is None
    assert CostCurve.of([1.0], [5.0]).slope_at(1.0) is None


@pytest.mark.parametrize(
    ("price", "cost"),
    [([1.0, 1.0], [2.0, 1.0]), ([0.0, 1.0], [2.0, 1.0]), ([1.0, 2.0], [1.0, 2.0]), ([], [])],
)
def test_a_curve_that_is_none_is_refused(price, cost):
    with pytest.raises(ValueError, match="cost curve"):
        CostCurve.of(price, cost)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 3))
def test_a_batch_is_spent_within_one_move_of_the_best(seed, questions, actions):
    rng = np.random.default_rng(seed)
    accuracy, cost = rng.random((questions, actions)), rng.integers(1, 20, (questions, actions)).astype(float)
    budget = rng.uniform(cost.min(1).mean(), cost.max(1).mean() + 1)
    rows = np.arange(questions)
    choice, price = spend(accuracy, cost, budget)
    assert cost[rows, choice].mean() <= budget + 1e-9
    assert price >= 0
    best = max(
        accuracy[rows, list(picked)].mean()
        for picked in product(range(actions), repeat=questions)
        if cost[rows, list(picked)].mean() <= budget + 1e-12
    )
    assert accuracy[rows, choice].mean() >= best - (accuracy.max() - accuracy.min()) / questions - 1e-9


def test_a_batch_refuses_a_budget_below_its_cheapest_actions():
    with pytest.raises(InfeasibleBudgetError, match="3"):
        spend(np.array([[0.5]]), np.array([[3.0]]), 2.0)
