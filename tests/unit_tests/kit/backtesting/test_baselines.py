"""The baselines learn on one part and play the other; oracles look, and say how much."""

import numpy as np
import pytest

from adaptive_reasoner.kit.allocation.mixtures import fixed_mixture
from adaptive_reasoner.kit.allocation.solver import solve, uniform_hull
from adaptive_reasoner.kit.backtesting import baselines
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.outcome_parts import Halves
from adaptive_reasoner.policy.mixture import Mixture
from tests.unit_tests.kit.backtesting.backtests import table_of


def by_group(n=300, seed=0, names=("easy", "hard")):
    """Easy questions are solved by the cheap action, hard ones by the dear one alone."""
    hard = np.arange(n) % 2 == 1
    rng = np.random.default_rng(seed)
    accuracy = np.column_stack([rng.random(n) < np.where(hard, 0.1, 0.9), rng.random(n) < 0.9])
    groups = np.array(names, dtype=object)[hard.astype(int)].tolist()
    texts = [f"{i} {'long ' * (40 if h else 1)}" for i, h in enumerate(hard)]
    return table_of(accuracy, np.tile([1.0, 9.0], (n, 1)), groups=groups, questions=texts)


def test_a_fixed_action_plays_itself():
    table = by_group()
    play = baselines.fixed(table, "b")
    np.testing.assert_array_equal(play.accuracy, table.accuracy[:, 1])
    assert (play.cost == 9).all()


@pytest.mark.parametrize("budget", [2.0, 5.0, 9.0, 100.0])
def test_the_uniform_mixture_spends_the_budget_it_was_fitted_to(budget):
    fit = by_group()
    play = baselines.uniform(fit, fit, budget)
    assert play.cost.mean() == pytest.approx(min(budget, 9))
    assert play.accuracy.mean() == pytest.approx(uniform_hull(fit).accuracy_at(budget))


def test_a_lookup_by_group_finds_what_is_hard():
    fit, held_out = by_group(), by_group(seed=1)
    play = baselines.group_lookup(fit, held_out, 5.0)
    assert play.cost.mean() == pytest.approx(5, abs=0.1)
    assert play.accuracy.mean() > baselines.uniform(fit, held_out, 5.0).accuracy.mean() + 0.15


def test_a_lookup_meets_its_budget_on_the_fit_by_mixing_one_key():
    fit = by_group()
    for budget in (1.0, 2.0, 4.0, 6.5, 9.0):
        play = baselines.group_lookup(fit, fit, budget)
        assert play.cost.mean() == pytest.approx(budget)


def test_a_group_that_was_never_seen_gets_the_mixture():
    fit, held_out = by_group(), by_group(seed=1, names=("new", "newer"))
    looked_up, mixed = (play(fit, held_out, 5.0) for play in (baselines.group_lookup, baselines.uniform))
    np.testing.assert_allclose(looked_up.cost, mixed.cost)
    bare = table_of(fit.accuracy, fit.cost)
    with pytest.raises(ValueError, match="needs groups"):
        baselines.group_lookup(bare, bare, 5.0)


def test_the_length_rule_sees_the_length_and_nothing_else():
    fit, held_out = by_group(), by_group(seed=1)
    gained = baselines.length_rule(fit, held_out, 5.0).accuracy.mean()
    assert gained > baselines.uniform(fit, held_out, 5.0).accuracy.mean() + 0.15
    same = table_of(fit.accuracy, fit.cost, questions=[f"{i:04}" for i in range(len(fit))])
    blind = baselines.length_rule(same, same, 5.0)
    assert blind.accuracy.mean() == pytest.approx(uniform_hull(same).accuracy_at(5.0))


def test_the_in_sample_oracle_is_the_exact_optimum():
    table = by_group()
    assert baselines.oracle_in_sample(table, 4.0).accuracy.mean() == pytest.approx(solve(table, 4.0).accuracy)
    cheapest = table.cost.min(axis=1).mean()
    assert baselines.oracle_in_sample(table, cheapest / 2).cost.mean() == pytest.approx(cheapest)


def drawn_samples(n=150, seed=0):
    """Eight noisy replies from two sources whose true accuracies differ by question."""
    rng = np.random.default_rng(seed)
    rows = []
    for q in range(n):
        for source, cost in (("direct", 1.0), ("cot", 5.0)):
            right = rng.random(8) < rng.random()
            rows += [
                {
                    "question_id": f"q{q}",
                    "question": f"question {q}",
                    "source": source,
                    "sample": i,
                    "answer": str(int(correct)),
                    "correct": float(correct),
                    "cost": cost,
                    "cost_unit": "tokens",
                }
                for i, correct in enumerate(right)
            ]
    return Samples.from_rows(rows)


def test_the_cross_fitted_oracle_claims_less_than_the_one_that_scores_its_own_luck():
    table = estimate(drawn_samples(), votes=(1,))
    honest, lucky = (play(table, 2.0) for play in (baselines.oracle_crossfit, baselines.oracle_in_sample))
    assert honest.accuracy.mean() < lucky.accuracy.mean() - 0.01
    assert honest.accuracy.mean() > uniform_hull(table).accuracy_at(2.0) + 0.05
    assert honest.cost.mean() == pytest.approx(2.0)


def test_on_noise_the_cross_fitted_oracle_gains_nothing():
    """Every question is a fair coin for every action: a gain would be selection."""
    rng = np.random.default_rng(0)
    a, b = (rng.random((4000, 3)).round() for _ in range(2))
    cost = np.ones((4000, 3)) * [1, 2, 3]
    table = table_of((a + b) / 2, cost, halves=Halves(a, b, cost, cost))
    assert baselines.oracle_crossfit(table, 2.0).accuracy.mean() == pytest.approx(0.5, abs=0.03)
    assert baselines.oracle_in_sample(table, 2.0).accuracy.mean() > 0.75


def test_actions_that_a_half_does_not_know_are_left_out_of_the_cross_fit():
    table = by_group(4)
    known = np.array([[1.0, np.nan]] * 4)
    cost = np.array([[1.0, np.nan]] * 4)
    half = table_of(table.accuracy, table.cost, halves=Halves(known, known, cost, cost))
    assert baselines.oracle_crossfit(half, 5.0).cost.mean() == 1
    unknown = np.full((4, 2), np.nan)
    with_one_known = Halves(known, unknown, cost, unknown)
    assert baselines.oracle_crossfit(table_of(table.accuracy, table.cost, halves=with_one_known), 5.0) is None
    assert baselines.oracle_crossfit(table, 5.0) is None


def test_the_mixture_chosen_in_training_is_the_hull_of_the_training_questions():
    """Also where an action stands on the hull by little: to leave it out costs more than its luck."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        table = table_of(rng.random((60, 3)), np.tile([1.0, 2.0, 3.0], (60, 1)) + rng.random((60, 3)))
        mixture, hull = fixed_mixture(table), uniform_hull(table)
        assert [table.actions[vertex] for vertex in mixture.vertices] == list(hull.actions)
        budget = float(rng.uniform(hull.costs[0], hull.costs[-1]))
        played = mixture.shares(budget) @ table.accuracy.mean(axis=0)
        assert played == pytest.approx(float(hull.accuracy_at(budget)))


def test_shares_sum_to_one_and_cost_the_budget_or_as_little_as_can_be():
    mixture = Mixture(*(cells.mean(axis=0) for cells in (by_group().accuracy, by_group().cost)))
    assert mixture.shares(5.0).tolist() == pytest.approx([0.5, 0.5])
    assert mixture.shares(0.1).tolist() == [1, 0]
    assert mixture.shares(50).tolist() == [0, 1]
