"""Performance of policies on held-out questions: the values that the modules of a backtest share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.kit.outcomes import Outcomes

Key = tuple[str, float]
"""A policy's name and its budget."""


@dataclass(frozen=True, eq=False)
class Performance:
    """Expected accuracy and cost of a policy on each of m held-out questions.

    Attributes:
        accuracy: Shape (m,).
        cost: Shape (m,).
        tokens: Tokens generated, shape (m,), where known.
        rounds: Waves of calls that were waited for, shape (m,), where known.
        p95_seconds: Within which 95% of them are answered, where known.
    """

    accuracy: Floats
    cost: Floats
    tokens: Floats | None = None
    rounds: Floats | None = None
    p95_seconds: float | None = None

    @classmethod
    def of(cls, table: Outcomes, shares: Floats) -> Self:
        """Play actions with probabilities `shares`, shape (m, k) or (k,)."""
        return cls((table.accuracy * shares).sum(axis=1), (table.cost * shares).sum(axis=1))


@dataclass(frozen=True, eq=False)
class SplitResult:
    """One split: which questions were held out, and what each policy did on them.

    Attributes:
        held_out: Positions in the whole table, shape (m,).
        plays: What was played, by policy and budget.
        path: The actions whose mixtures were chosen in training, cheapest first. None compares with the best
            mixtures of the held-out questions.
        trust: How far the imitator's predictions are trusted, by budget.
    """

    held_out: Ints
    plays: Mapping[Key, Performance]
    path: Ints | None = None
    trust: Mapping[float, float] = field(default_factory=dict)


def affordable(table: Outcomes, budget: float) -> float:
    """The budget, or what the cheapest actions cost in this part of the questions if that is more."""
    return max(budget, float(table.cost.min(axis=1).mean()))
