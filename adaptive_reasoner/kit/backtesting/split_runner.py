"""One split of a backtest: all policies are trained on one part of the questions and play the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adaptive_reasoner.arrays import Matrix
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.backtesting.baselines import play_baselines
from adaptive_reasoner.kit.backtesting.imitators import (
    Mistakes,
    Split,
    fitted_imitator,
    look_plays,
    play_imitators,
)
from adaptive_reasoner.kit.backtesting.look_replay import LookReplay
from adaptive_reasoner.kit.backtesting.performance import Key, Performance, SplitResult
from adaptive_reasoner.kit.backtesting.rules import Rule
from adaptive_reasoner.kit.backtesting.unseen_groups import Part, UnseenGroups
from adaptive_reasoner.kit.learning.first_sample import FirstLook
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import split_by_text


@dataclass(frozen=True, eq=False)
class PlayedSplit:
    """What came of one split.

    Attributes:
        result: All policies on the questions held out.
        mistakes: How the imitators' choices differ from the oracle's there, by imitator and budget.
        unseen: The folds of unseen groups that the imitator of this split was used for.
        dropped: The actions that its policy does without.
    """

    result: SplitResult
    mistakes: Mapping[Key, Mistakes]
    unseen: Sequence[Part | None]
    dropped: Sequence[str]


@dataclass(frozen=True, eq=False)
class SplitRunner:
    """What all splits of a backtest share.

    Attributes:
        table: All questions.
        judged: The same, as policies are judged: see `rectified`.
        features: What an imitator sees of them, shape (n, width).
        budgets: Mean costs allowed.
        rules: Stop rules on the same questions, by name.
        look: The same questions with the first answer of the cheapest action; None without samples of it.
        replay: The samples behind the questions, for the policy that may look.
        groups: The same questions in folds of whole groups; None without groups.
        splits: How many splits there are.
        test_size: Share of the questions held out.
        seed: Of the splits and of the imitators.
    """

    table: Outcomes
    judged: Outcomes
    features: Matrix
    budgets: Sequence[float]
    rules: Mapping[str, Rule]
    look: FirstLook | None
    replay: LookReplay | None
    groups: UnseenGroups | None
    splits: int
    test_size: float
    seed: int

    def play(self, number: int) -> PlayedSplit:
        """Hold out questions at random, train on the rest and play; and compare imitators with the oracle."""
        seed, budgets = self.seed + number, self.budgets
        fit, held_out = split_by_text(self.table.questions, test_size=self.test_size, seed=seed)
        split = Split.of(self.table, self.features, fit, held_out)
        judged = self.judged.select(held_out)
        imitator = fitted_imitator(split, budgets, seed=seed)
        chosen, trust = play_imitators(imitator, split, budgets, seed=seed)
        plays = {key: Performance.of(judged, shares) for key, shares in chosen.items()}
        plays |= play_baselines(split.fit, judged, budgets)
        for name, rule in self.rules.items():
            fitted = rule.fit(fit, held_out)
            plays |= {(name, budget): fitted.at(budget) for budget in budgets}
        if self.replay is not None:
            sequential = self.replay.plays(imitator, split, fit, held_out, budgets)
            plays |= {("one_price", budget): play for budget, play in zip(budgets, sequential, strict=True)}
        if self.look is not None:
            looked = look_plays(self.look, split, fit, held_out, budgets, seed=seed)
            for budget, (shipped, ungated) in zip(budgets, looked, strict=True):
                plays["imitator_first_sample", budget] = shipped
                plays["first_sample_ungated", budget] = ungated
        mistakes = {key: Mistakes.of(split.held_out, shares, key[1]) for key, shares in chosen.items()}
        hull = uniform_hull(split.fit)
        path = np.array([self.table.actions.index(action) for action in hull.actions])
        unseen: list[Part | None] = []
        if self.groups is not None:
            folds = self.groups.folds(number, self.splits)
            unseen = [self.groups.play(fold, imitator, fit, budgets) for fold in folds]
        return PlayedSplit(SplitResult(held_out, plays, path, trust), mistakes, unseen, imitator.dropped_)
