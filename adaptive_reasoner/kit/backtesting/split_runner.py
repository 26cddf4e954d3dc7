"""One split of a backtest: all policies are trained on one part of the questions and play the other."""

from collections.abc import Mapping, Sequence

import numpy as np

from adaptive_reasoner.arrays import Matrix
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.backtesting.baselines import play_baselines
from adaptive_reasoner.kit.backtesting.imitators import Mistakes, Split, look_plays, play_imitators
from adaptive_reasoner.kit.backtesting.performance import Key, Performance, SplitResult
from adaptive_reasoner.kit.backtesting.rules import Rule
from adaptive_reasoner.kit.learning.first_sample import FirstLook
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import split_by_text


def play_split(
    table: Outcomes,
    judged: Outcomes,
    features: Matrix,
    budgets: Sequence[float],
    rules: Mapping[str, Rule],
    look: FirstLook | None,
    *,
    test_size: float,
    seed: int,
) -> tuple[SplitResult, dict[Key, Mistakes]]:
    """Hold out questions at random, train on the rest and play; and compare imitators with the oracle.

    Args:
        table: All questions.
        judged: The same, as policies are judged: see `rectified`.
        features: What an imitator sees of them, shape (n, width).
        budgets: Mean costs allowed.
        rules: Stop rules on the same questions, by name.
        look: The same questions with the first answer of the cheapest action; None without samples of it.
        test_size: Share of the questions held out.
        seed: Of the split and of the imitators.
    """
    fit, held_out = split_by_text(table.questions, test_size=test_size, seed=seed)
    split = Split.of(table, features, fit, held_out)
    judged = judged.select(held_out)
    chosen = dict(play_imitators(split, budgets, seed=seed))
    plays = {key: Performance.of(judged, shares) for key, shares in chosen.items()}
    plays |= play_baselines(split.fit, judged, budgets)
    for name, rule in rules.items():
        fitted = rule.fit(fit, held_out)
        plays |= {(name, budget): fitted.at(budget) for budget in budgets}
    if look is not None:
        looked = look_plays(look, split, fit, held_out, budgets, seed=seed)
        for budget, (shipped, ungated) in zip(budgets, looked, strict=True):
            plays["imitator_first_sample", budget] = shipped
            plays["first_sample_ungated", budget] = ungated
    mistakes = {key: Mistakes.of(split.held_out, shares, key[1]) for key, shares in chosen.items()}
    hull = uniform_hull(split.fit)
    path = np.array([table.actions.index(action) for action in hull.actions])
    return SplitResult(held_out, plays, path), mistakes
