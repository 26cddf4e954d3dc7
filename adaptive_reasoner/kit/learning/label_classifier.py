"""Imitation by classification: a question's label is the action that the oracle chooses for it."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from adaptive_reasoner.arrays import Ints, Matrix
from adaptive_reasoner.kit.allocation.solver import solve
from adaptive_reasoner.kit.outcomes import Outcomes

_DIRECTIONS = 64


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts the oracle's choice at one budget; questions count alike (arXiv:2604.14853, section 4).

    Args:
        seed: Of the projection.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, X: Matrix, outcomes: Outcomes, budget: float) -> Self:
        """Learn the oracle's choices for `budget`.

        Raises:
            InfeasibleBudgetError: Even the cheapest actions cost more.
        """
        labels = solve(outcomes, budget).choice
        self.only_ = int(np.bincount(labels).argmax())
        self.model_: Pipeline | None = None
        if len(np.unique(labels)) > 1:
            directions = min(_DIRECTIONS, *X.shape, len(X) - 1)
            self.model_ = make_pipeline(
                StandardScaler(),
                PCA(directions, whiten=True, random_state=self.seed),
                LogisticRegression(C=0.3, max_iter=500),
            ).fit(X, labels)
        return self

    def choose(self, X: Matrix) -> Ints:
        """Positions of the chosen actions, shape (m,)."""
        if self.model_ is None:
            return np.full(len(X), self.only_, dtype=np.intp)
        return np.asarray(self.model_.predict(X), dtype=np.intp)
