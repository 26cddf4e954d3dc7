"""Lifts over mixtures of fixed actions: vectorised hulls, shared draws, honest intervals."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptive_reasoner.kit.allocation.mixtures import mixture_accuracy, mixture_cost
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.backtesting.lift import measure
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from adaptive_reasoner.kit.backtesting.results import rows_of
from adaptive_reasoner.kit.tables.bootstrap import Interval
from tests.unit_tests.kit.backtesting.backtests import table_of


def two_actions(n=400, seed=0):
    """A cheap action that half the questions need more than, and a dear one that is always right."""
    easy = np.random.default_rng(seed).random(n) < 0.5
    return table_of(np.column_stack([easy, np.ones(n)]), np.tile([1.0, 9.0], (n, 1))), easy


ACTION = st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([0.0, 1.0, 2.0, 5.0]))


@settings(max_examples=200, deadline=None)
@given(st.lists(ACTION, min_size=1, max_size=5), st.floats(0, 6), st.floats(0, 1))
def test_many_hulls_at_once_are_the_hulls_one_by_one(actions, cost, accuracy):
    means = np.array(actions).T[:, None]
    hull = uniform_hull(table_of(*means))
    assert mixture_accuracy(*means, np.array([[cost]]))[0, 0] == pytest.approx(hull.accuracy_at(cost))
    wanted = min(accuracy, means[0].max())
    assert mixture_cost(*means, np.array([[accuracy]]))[0, 0] == pytest.approx(hull.cost_at(wanted))


def test_a_policy_that_knows_what_is_easy_is_measured_exactly():
    table, easy = two_actions()
    share = easy.mean()
    play = Performance.of(table, np.column_stack([easy, ~easy]).astype(float))
    gain = measure(table, [SplitResult(np.arange(len(table)), {("wise", 5.0): play})])["wise", 5.0]
    cost = share + 9 * (1 - share)
    assert (gain.accuracy, gain.realised_cost) == (1.0, pytest.approx(cost))
    uniform = share + (1 - share) * (cost - 1) / 8
    assert gain.uniform_at_cost == pytest.approx(uniform)
    assert gain.lift.mean == pytest.approx(1 - uniform)
    assert gain.lift_relative.mean == pytest.approx((1 - uniform) / uniform)
    assert gain.compute_saved.mean == pytest.approx(9 / cost)
    assert gain.lift.low < gain.lift.mean < gain.lift.high
    assert gain.lift_within_groups is None
    assert len(gain.lifts) == 2001


def test_no_share_is_taken_of_a_reward_that_is_not_positive():
    table, easy = two_actions()
    table = dataclasses.replace(table, accuracy=table.accuracy - 2, accuracy_unit="reward")
    play = Performance.of(table, np.column_stack([easy, ~easy]).astype(float))
    gain = measure(table, [SplitResult(np.arange(len(table)), {("wise", 5.0): play})])["wise", 5.0]
    assert gain.uniform_at_cost < 0 < gain.lift.low
    assert np.isnan(gain.lift_relative.mean)
    row = rows_of({("wise", 5.0): gain})[0]
    assert (row.lift_relative, row.lift_relative_low, row.lift_relative_high) == (None, None, None)


def test_a_mixture_of_fixed_actions_has_no_lift():
    table, _ = two_actions()
    held_out = np.arange(0, 400, 2)
    play = Performance.of(table.select(held_out), np.array([0.3, 0.7]))
    gains = measure(table, [SplitResult(held_out, {("mixture", 1.0): play})])
    assert gains["mixture", 1.0].lift.mean == pytest.approx(0, abs=1e-12)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """A coin between two actions is a mixture, of lift 0: an interval misses it in some 5 of 100 tables."""
    missed = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        table = table_of(rng.random((150, 2)) < [0.5, 0.7], np.tile([1.0, 2.0], (150, 1)))
        choice = rng.integers(0, 2, 150)
        played = Performance.of(table, np.eye(2)[choice])
        lift = measure(table, [SplitResult(np.arange(150), {("coin", 0.0): played})], draws=300)[
            "coin", 0.0
        ].lift
        missed += not lift.low <= 0 <= lift.high
    assert 1 <= missed <= 12


def test_a_question_that_is_held_out_twice_counts_once():
    """Two equal splits say no more than one: the interval does not shrink."""
    table, easy = two_actions()
    held_out = np.arange(200)
    noisy = Performance.of(
        table.select(held_out), np.eye(2)[(easy[:200] ^ (np.arange(200) % 3 == 0)).astype(int)]
    )
    trial = SplitResult(held_out, {("p", 1.0): noisy})
    once, twice = (measure(table, [trial] * count)["p", 1.0] for count in (1, 2))
    assert once.lift == twice.lift


def test_equal_texts_are_drawn_together():
    """Every question four times over is no more data than once."""
    table, easy = two_actions(100)
    plays = np.eye(2)[(easy ^ (np.arange(100) % 3 == 0)).astype(int)]
    single = measure(
        table, [SplitResult(np.arange(100), {("p", 1.0): Performance.of(table, plays)})], draws=4000
    )["p", 1.0].lift
    many = table_of(
        np.repeat(table.accuracy, 4, 0),
        np.repeat(table.cost, 4, 0),
        questions=[str(i // 4) for i in range(400)],
    )
    plays = Performance.of(many, np.repeat(plays, 4, axis=0))
    repeated = measure(many, [SplitResult(np.arange(400), {("p", 1.0): plays})], draws=4000)["p", 1.0].lift
    assert repeated.mean == pytest.approx(single.mean)
    assert repeated.high - repeated.low == pytest.approx(single.high - single.low, rel=0.1)


def test_what_only_knows_the_group_gains_nothing_within_groups():
    """Group g needs the dear action, group h does not: the lift is all topic."""
    n = 200
    hard = np.arange(n) % 2 == 0
    rng = np.random.default_rng(0)
    cheap = np.where(hard, rng.random(n) < 0.2, rng.random(n) < 0.9)
    table = table_of(
        np.column_stack([cheap, rng.random(n) < 0.9]),
        np.tile([1.0, 9.0], (n, 1)),
        groups=np.where(hard, "g", "h").tolist(),
    )
    plays = {("topic", 5.0): Performance.of(table, np.eye(2)[hard.astype(int)])}
    best = np.eye(2)[(~cheap & (table.accuracy[:, 1] > 0)).astype(int)]
    plays["difficulty", 5.0] = Performance.of(table, best)
    gains = measure(table, [SplitResult(np.arange(n), plays)])
    assert gains["topic", 5.0].lift.low > 0.1
    topic, difficulty = (gains[name, 5.0].lift_within_groups for name in ("topic", "difficulty"))
    assert topic.mean == pytest.approx(0, abs=0.01)
    assert topic.low <= 1e-9
    assert difficulty.mean > difficulty.low > 0.05
    assert difficulty.high > difficulty.mean


def test_small_groups_say_nothing():
    table, easy = two_actions(30)
    alone = table_of(table.accuracy, table.cost, groups=[f"g{i}" for i in range(30)])
    plays = {("p", 1.0): Performance.of(alone, np.eye(2)[easy.astype(int)])}
    assert measure(alone, [SplitResult(np.arange(30), plays)])["p", 1.0].lift_within_groups is None


def test_a_policy_is_averaged_over_the_trials_that_have_it():
    table, _ = two_actions(100)
    halves = np.arange(50), np.arange(50, 100)
    trials = [
        SplitResult(
            halves[0], {("both", 1.0): Performance.of(table.select(halves[0]), np.array([1.0, 0.0]))}
        ),
        SplitResult(
            halves[1],
            {
                ("both", 1.0): Performance.of(table.select(halves[1]), np.array([0.0, 1.0])),
                ("one", 1.0): Performance(np.ones(50), np.ones(50), tokens=np.full(50, 7.0)),
            },
        ),
    ]
    gains = measure(table, trials)
    assert gains["both", 1.0].realised_cost == pytest.approx(5)
    assert gains["one", 1.0].realised_tokens == 7
    assert gains["both", 1.0].realised_tokens is None


def test_an_accuracy_that_no_mixture_has_saves_at_least_what_the_best_costs():
    assert mixture_cost(np.array([[0.5, 0.8]]), np.array([[1.0, 4.0]]), np.array([[0.95]]))[0, 0] == 4


def test_an_interval_is_made_of_the_estimate_and_its_draws():
    interval = Interval.of(np.concatenate([[0.5], np.linspace(0, 1, 1001)]))
    assert (interval.mean, interval.low, interval.high) == (0.5, pytest.approx(0.025), pytest.approx(0.975))
