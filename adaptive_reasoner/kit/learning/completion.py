"""Accuracies to learn from where right answers are missing: estimates, and what labels add to them."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Floats, Matrix
from adaptive_reasoner.kit.estimating.correction import FEWEST_LABELS, residual_weights
from adaptive_reasoner.kit.outcomes import Outcomes

_PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0)
"""A residual of which the question explains 1 / (1 + penalty) is expected: no more than a tenth."""


@dataclass(frozen=True, eq=False)
class Completion:
    """Fills in accuracies of questions that have no right answer.

    The estimates come first. A ridge regression on the features of the question learns how far they are off
    from the questions that are labelled; the fewer these are, the less it changes. See `residual_weights`.

    Attributes:
        mean: Of the features, shape (width,).
        scale: Of the features, shape (width,).
        weights: From scaled features to what the estimates lack, shape (width, k); None with too few labels.
        share: Of the questions that are labelled.
    """

    mean: Floats
    scale: Floats
    weights: Floats | None
    share: float

    @classmethod
    def fit(cls, features: Matrix, outcomes: Outcomes) -> Self:
        """Learn from the labelled questions of a table how far its estimates are off."""
        table = features.astype(np.float64)
        mean = table.mean(axis=0)
        scale = np.maximum(table.std(axis=0), 1e-6) * np.sqrt(table.shape[1])
        labelled, weights = outcomes.labelled, None
        if outcomes.estimated is not None and labelled.sum() >= FEWEST_LABELS:
            missing = outcomes.accuracy[labelled] - outcomes.estimated.accuracy[labelled]
            weights = residual_weights((table[labelled] - mean) / scale, missing, _PENALTIES)
        return cls(mean, scale, weights, float(labelled.mean()))

    def of(self, features: Matrix, outcomes: Outcomes) -> Outcomes:
        """The table with every accuracy filled in, as if all questions were labelled.

        Where a question has a right answer, its accuracy is the mean of what that says and of what the
        others say, weighted by the share of labelled questions. A few answers, each of one question, among
        many smooth estimates would mislead a learner; where all questions have one, nothing else counts.
        """
        if outcomes.estimated is None:
            return outcomes
        accuracy = outcomes.estimated.accuracy
        if self.weights is not None:
            accuracy = accuracy + ((features - self.mean) / self.scale) @ self.weights
        if outcomes.accuracy_unit is None:
            accuracy = np.clip(accuracy, 0.0, 1.0)
        accuracy = accuracy + self.share * outcomes.labelled[:, None] * (outcomes.accuracy - accuracy)
        return replace(outcomes, accuracy=accuracy, estimated=None, halves=None)
