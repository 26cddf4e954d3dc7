"""Rules that are fitted on one part of the questions, priced there out of fold, and played on the rest."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.kit.allocation.mixtures import shares_at
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.backtesting.latency import Waits
from adaptive_reasoner.kit.backtesting.lift import Performance
from adaptive_reasoner.kit.outcomes import Outcomes

PRICES = 40
"""How many prices a family is tried at."""

_FOLDS = 5


class Fitted(NamedTuple):
    """A family fitted on some questions.

    Attributes:
        play: Plays others: accuracy, cost and tokens (NaN where unknown), shape (3, m, PRICES).
        waits: How long others take at a mixture of the prices, shape (PRICES,), where that is known.
    """

    play: Callable[[Ints], Floats]
    waits: Callable[[Ints, Floats], Waits] | None = None


class Family(Protocol):
    """Policies that differ by their price."""

    def fit(self, rows: Ints) -> Fitted:
        """Fit on some questions."""


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

    def play(self, fit: Ints, held_out: Ints, budget: float) -> Performance:
        """The mixture of prices that is best at `budget` out of fold on `fit`, on the questions held out."""
        fitted, known, (accuracy, cost, tokens) = self._played(tuple(fit.tolist()), tuple(held_out.tolist()))
        offered = as_table(self._name, self._table.select(fit), *known[:2])
        shares = shares_at(uniform_hull(offered), budget, offered.actions)
        waited = (None, None) if fitted.waits is None else fitted.waits(held_out, shares)
        known_tokens = None if np.isnan(tokens).any() else tokens @ shares
        return Performance(accuracy @ shares, cost @ shares, known_tokens, *waited)

    def _on(self, fit: Sequence[int], held_out: Sequence[int]) -> tuple[Fitted, Floats, Floats]:
        rows = np.array(fit)
        fold = np.random.default_rng(self._seed).permutation(len(rows)) % min(_FOLDS, len(rows))
        known = np.empty((3, len(rows), PRICES))
        for number in range(int(fold.max()) + 1):
            rest = rows[fold != number] if fold.max() else rows
            known[:, fold == number] = self._family.fit(rest).play(rows[fold == number])
        fitted = self._family.fit(rows)
        return fitted, known, fitted.play(np.array(held_out))


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
