"""The imitator on groups of questions that were left out of its training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints, Matrix
from adaptive_reasoner.kit.allocation.mixtures import fixed_mixture
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from adaptive_reasoner.kit.learning.forecasts import PredictedOutcomes
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes

_FARTHEST = 3.0  # how far a ledger may lead prices, in logarithms
_HALVINGS = 30


@dataclass(frozen=True, eq=False)
class Part:
    """Questions of some groups, and what is played on them by an imitator that never saw these groups.

    Attributes:
        rows: Their positions in the whole table, shape (m,).
        predicted: What the imitator expects of them at each budget, or where the gate does not ship it, the
            shares of the mixture that goes out instead, shape (k,).
    """

    rows: Ints
    predicted: Mapping[float, PredictedOutcomes | Floats]


@dataclass(frozen=True, eq=False)
class UnseenGroups:
    """Questions in folds of whole groups, each fold played by an imitator that was trained without it.

    An imitator of a split, of half the questions at random, chooses learner and calibration and passes the
    gate by what it predicted for questions of other groups; the learners themselves are then fitted to all
    questions of other groups. So a fold takes one fit of each learner, and no cross-validation.

    Attributes:
        table: All questions.
        features: What an imitator sees of them, shape (n, width).
        fold: The fold of each question: groups of about equal size together; shape (n,).
    """

    table: Outcomes
    features: Matrix
    fold: Ints

    @classmethod
    def of(cls, table: Outcomes, features: Matrix, *, folds: int, seed: int) -> Self | None:
        """Put the groups into folds at random; None with fewer than two groups."""
        if table.groups is None or len(set(table.groups)) < 2:
            return None
        return cls(table, features, _folds_of(table.groups.tolist(), folds, seed))

    def folds(self, number: int, splits: int) -> range:
        """The folds that the imitator of this split of several is used for."""
        return range(number, int(self.fold.max()) + 1, splits)

    def play(self, number: int, imitator: Imitator, fit: Ints, budgets: Sequence[float]) -> Part | None:
        """Play a fold at every budget.

        Args:
            number: Of the fold.
            imitator: Of the questions at `fit`.
            fit: Positions, shape (m,).
            budgets: Mean costs allowed.

        Returns:
            None where no question is left to learn from, or to choose on.
        """
        held_out = np.flatnonzero(self.fold == number)
        seen = set(self.table.questions[held_out])  # a text may be in two groups
        others = self.fold != number
        others[others] = [text not in seen for text in self.table.questions[others]]
        if not others[fit].any():
            return None
        known = self.table.select(others)
        without = imitator.learnt_from(self.features[others], known, chosen_on=others[fit])
        mixture = fixed_mixture(known)
        predicted: dict[float, PredictedOutcomes | Floats] = {}
        for budget in budgets:
            moved = without.around(budget)
            ships = moved.cross_fit_.held_out_trust.over(budget).any()
            predicted[budget] = moved.foresee(self.features[held_out]) if ships else mixture.shares(budget)
        return Part(held_out, predicted)

    def joined(self, parts: Sequence[Part | None], budgets: Sequence[float]) -> SplitResult | None:
        """All parts as one trial of all questions; None where a part could not be played.

        On questions of a new kind a price that was fitted in training misses the budget; online a ledger
        observes their cost and moves the price. Here all prices are moved together until the questions cost
        the budget.
        """
        played = [part for part in parts if part is not None]
        if len(played) < len(parts):
            return None
        plays = {
            ("imitator_unseen_groups", budget): Performance.of(self.table, self._steered(played, budget))
            for budget in budgets
        }
        return SplitResult(np.arange(len(self.table)), plays)

    def _steered(self, parts: Sequence[Part], budget: float) -> Floats:
        """The choices of the parts, their prices moved together so that all costs `budget`."""
        shares = np.empty(self.table.accuracy.shape)

        def spent_at(factor: float) -> float:
            for part in parts:
                shares[part.rows] = _shares(part.predicted[budget], budget, factor)
            return float((shares * self.table.cost).sum(axis=1).mean())

        low, high = -_FARTHEST, _FARTHEST
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if spent_at(exp(middle)) <= budget else (middle, high)
        spent_at(exp(high))
        return shares


def _shares(predicted: PredictedOutcomes | Floats, budget: float, factor: float) -> Floats:
    """What is played at the price that the budget asks for, times a factor."""
    if not isinstance(predicted, PredictedOutcomes):
        return predicted
    curve = predicted.curve
    price = curve.price_at(max(budget, curve.cheapest)) or float(curve.price[0])
    return predicted.shares(price * factor)


def _folds_of(groups: Sequence[str], folds: int, seed: int) -> Ints:
    """The fold of each question: groups at random, each to the fold that is smallest so far."""
    names, index = np.unique(np.array(groups, dtype=str), return_inverse=True)
    sizes = np.bincount(index)
    filled = np.zeros(min(folds, len(names)))
    fold = np.empty(len(names), dtype=np.intp)
    for name in np.random.default_rng(seed).permutation(len(names)):
        fold[name] = filled.argmin()
        filled[fold[name]] += sizes[name]
    return fold[index]
