"""Rules that are fitted on one part of the questions, priced there out of fold, and played on the rest."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adaptive_reasoner.kit.allocation import uniform_hull
from adaptive_reasoner.kit.backtesting.lift import Play
from adaptive_reasoner.kit.mixing import shares_at
from adaptive_reasoner.kit.outcomes import Outcomes

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

PRICES = 40
"""How many prices a family is tried at."""

_FOLDS = 5


class Family(Protocol):
    """Policies that differ by their price."""

    def fit(self, rows: Ints) -> Callable[[Ints], Floats]:
        """Fit on some questions; what comes back plays others.

        That is accuracy, cost and tokens (NaN where unknown), shape (3, m, PRICES).
        """


class FittedRule:
    """A family as a rule: its prices are mixed for the budget by what they do out of fold on `fit`.

    Args:
        name: Of the rule.
        table: The questions.
        family: What is fitted.
        seed: Of the folds.
    """

    def __init__(self, name: str, table: Outcomes, family: Family, seed: int) -> None:
        self._name, self._table, self._family, self._seed = name, table, family, seed
        self._played = cache(self._on)

    def play(self, fit: Ints, held_out: Ints, budget: float) -> Play:
        """The mixture of prices that is best at `budget` out of fold on `fit`, on the questions held out."""
        known, (accuracy, cost, tokens) = self._played(tuple(fit.tolist()), tuple(held_out.tolist()))
        offered = as_table(self._name, self._table.select(fit), *known[:2])
        shares = shares_at(uniform_hull(offered), budget, offered.actions)
        return Play(accuracy @ shares, cost @ shares, None if np.isnan(tokens).any() else tokens @ shares)

    def _on(self, fit: Sequence[int], held_out: Sequence[int]) -> tuple[Floats, Floats]:
        rows = np.array(fit)
        fold = np.random.default_rng(self._seed).permutation(len(rows)) % min(_FOLDS, len(rows))
        known = np.empty((3, len(rows), PRICES))
        for number in range(int(fold.max()) + 1):
            rest = rows[fold != number] if fold.max() else rows
            known[:, fold == number] = self._family.fit(rest)(rows[fold == number])
        return known, self._family.fit(rows)(np.array(held_out))


def as_table(name: str, questions: Outcomes, accuracy: Floats, cost: Floats) -> Outcomes:
    """A rule's parameters as the actions of an outcomes table."""
    return replace(
        questions,
        actions=tuple(f"{name}_{parameter}" for parameter in range(accuracy.shape[1])),
        accuracy=np.clip(accuracy, 0.0, 1.0),
        cost=cost,
        samples=np.ones(accuracy.shape, dtype=np.intp),
        halves=None,
        accuracy_unit=None,
    )
