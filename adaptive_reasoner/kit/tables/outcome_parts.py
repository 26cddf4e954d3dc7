"""Parts of outcomes beside the means: halves of samples, and estimates where right answers are missing."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats
from adaptive_reasoner.kit.tables.cell_ranges import Fault, half_fault

HALVES = ("accuracy_a", "accuracy_b", "cost_a", "cost_b")
ESTIMATED = ("labels", "labels_at_random", "accuracy_estimate", "accuracy_se")
"""Names of the columns, in the order of the fields below."""


@dataclass(frozen=True, eq=False)
class Halves:
    """Accuracy and cost as each of two disjoint halves of the samples shows them; NaN where unknown.

    An oracle that chooses on one half and is scored on the other does not profit from its own luck.

    Attributes:
        accuracy_a, accuracy_b: Mean accuracy by half, shape (n, k).
        cost_a, cost_b: Mean cost by half, shape (n, k).
    """

    accuracy_a: Floats
    accuracy_b: Floats
    cost_a: Floats
    cost_b: Floats

    def select(self, index: Any) -> Self:
        """The same at an index of the tables: some questions, or some questions and actions."""
        return type(self)(*(getattr(self, name)[index] for name in HALVES))

    def fault(self, *, bounded: bool) -> Fault | None:
        """The first cell that is out of range, if any."""
        first = half_fault("a", self.accuracy_a, self.cost_a, bounded=bounded)
        return first or half_fault("b", self.accuracy_b, self.cost_b, bounded=bounded)


@dataclass(frozen=True, eq=False)
class Estimated:
    """What is known of accuracy where right answers are missing.

    Attributes:
        labels: Share of each question's replies that were graded by a right answer, shape (n,). A question
            is labelled where it is above 0.
        at_random: Which were drawn at random and have grades of every source, shape (n,). Only these tell how
            far estimates are off: questions chosen because their replies differ are harder than others.
        accuracy: What was estimated without the question's own right answer, also of labelled questions,
            shape (n, k).
        error: Standard error of `Outcomes.accuracy`, shape (n, k).
    """

    labels: Floats
    at_random: Bools
    accuracy: Floats
    error: Floats

    @property
    def labelled(self) -> Bools:
        """Which questions have a right answer, shape (n,)."""
        return np.asarray(self.labels > 0)

    def select(self, rows: Any, columns: Any = slice(None)) -> Self:
        """The same of some questions and actions."""
        accuracy, error = self.accuracy[rows][:, columns], self.error[rows][:, columns]
        return type(self)(self.labels[rows], self.at_random[rows], accuracy, error)
