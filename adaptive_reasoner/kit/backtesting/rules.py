"""Rules with a parameter: learned and priced on one part of the questions, played on the rest.

A rule is a family of policies that differ in one parameter, such as a price, a threshold or a number of
samples. At a budget it plays the best random mixture of its parameters, chosen by what each of them did on
the questions to fit on, where it was not fitted on the same questions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.kit.backtesting.latency import Waits
from adaptive_reasoner.kit.backtesting.performance import Performance
from adaptive_reasoner.policy.mixture import Mixture

PRICES = 40
"""How many prices a fitted family is tried at."""

_FOLDS = 5


class Played(NamedTuple):
    """What a rule does on m questions at each of its p parameters.

    Attributes:
        values: Accuracy, cost and tokens (NaN where unknown), shape (3, m, p).
        waits: How long the questions take at a mixture of the parameters, shape (p,), where that is known.
    """

    values: Floats
    waits: Callable[[Floats], Waits] | None = None


@dataclass(frozen=True, eq=False)
class FittedRule:
    """A rule on one split of the questions.

    Attributes:
        known: Accuracy and cost of each parameter on the questions to fit on, out of fold, shape (2, n, p).
        held_out: What it does on the questions held out.
    """

    known: Floats
    held_out: Played

    def at(self, budget: float) -> Performance:
        """The mixture of parameters that is best at `budget` where the rule was fitted, on those held out."""
        shares = Mixture(*self.known.mean(axis=1)).shares(budget)
        accuracy, cost, tokens = self.held_out.values @ shares
        waited = (None, None) if self.held_out.waits is None else self.held_out.waits(shares)
        return Performance(accuracy, cost, None if np.isnan(tokens).any() else tokens, *waited)


@dataclass(frozen=True, eq=False)
class Rule:
    """A family of policies on the questions of one table.

    Attributes:
        fit: Learns from the questions at the first positions, and plays those at the second.
        values: Accuracy, cost and tokens of each question at each parameter, shape (3, n, p), of a rule that
            learns nothing; else None.
    """

    fit: Callable[[Ints, Ints], FittedRule]
    values: Any = None


Family = Callable[[Ints], Callable[[Ints], Played]]
"""Learns from the questions at some positions; returns a function that plays others, at `PRICES` prices."""


def cross_fitted(family: Family, seed: int, fit: Ints, held_out: Ints) -> FittedRule:
    """A family as a rule: each price is known on the questions to fit on by cross-fitting."""
    fold = np.random.default_rng(seed).permutation(len(fit)) % min(_FOLDS, len(fit))
    known = np.empty((2, len(fit), PRICES))
    for number in range(int(fold.max()) + 1):
        rest = fit[fold != number] if fold.max() else fit
        known[:, fold == number] = family(rest)(fit[fold == number]).values[:2]
    return FittedRule(known, family(fit)(held_out))
