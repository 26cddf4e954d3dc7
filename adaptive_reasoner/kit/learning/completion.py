"""Accuracies to learn from where right answers are missing: estimates, and what labels add to them."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Floats, Matrix
from adaptive_reasoner.kit.estimating.correction import FEWEST_LABELS
from adaptive_reasoner.kit.outcomes import Outcomes

_PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0)  # such that a residual of 1 / (1 + penalty) is expected
_NOTHING = 0.5  # the chance, before any label is seen, that questions do not tell how far estimates are off


def residual_weights(features: Floats, residual: Floats) -> Floats:
    """Weights of a ridge regression, averaged over its penalties by their marginal likelihood.

    Fifty labels cannot tell one penalty from another, and the one that looks best would mostly be too small:
    what is learnt then spoils good estimates. Among the penalties is the infinite one. The level of a
    question (its mean over the actions) and the contrasts between actions are weighed apart, since only the
    contrasts matter for choosing.

    Args:
        features: Rows of about length 1, shape (m, d).
        residual: What the estimates lack, shape (m, k).

    Returns:
        Shape (d, k).

    Source:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), sections 2.7 and 5.2.
    """
    m, k = residual.shape
    left, values, right = np.linalg.svd(features, full_matrices=False)
    axes = np.linalg.qr(np.hstack([np.ones((k, 1)), np.eye(k)[:, : k - 1]]))[0]
    weights = np.zeros((features.shape[1], k))
    for part in (axes[:, :1], axes[:, 1:]):
        missing = residual @ part
        total = float((missing**2).sum())
        if total == 0:
            continue
        seen = left.T @ missing
        outputs = part.shape[1]
        chances = [np.log(_NOTHING) - m * outputs / 2 * np.log(total)]
        found = [np.zeros_like(seen)]
        for penalty in _PENALTIES:
            spread = 1 + values**2 / penalty
            unexplained = total - float((seen**2).sum()) + float((seen**2 / spread[:, None]).sum())
            likelihood = outputs * np.log(spread).sum() + m * outputs * np.log(unexplained)
            chances.append(np.log((1 - _NOTHING) / len(_PENALTIES)) - likelihood / 2)
            found.append(seen * (values / (values**2 + penalty))[:, None])
        shares = np.exp(np.array(chances) - max(chances))
        mean = np.tensordot(shares / shares.sum(), np.array(found), 1)
        weights += right.T @ mean @ part.T
    return weights


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
            weights = residual_weights((table[labelled] - mean) / scale, missing)
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
