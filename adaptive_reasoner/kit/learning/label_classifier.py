"""Imitation by classification: the oracle's action as a label, plain or weighted by regret."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from adaptive_reasoner.arrays import Floats, Ints, Matrix
from adaptive_reasoner.kit.allocation.concave_hull import best_at
from adaptive_reasoner.kit.allocation.solver import solve
from adaptive_reasoner.kit.learning.crossfit import folds_of
from adaptive_reasoner.kit.outcomes import Outcomes

_DIRECTIONS = 64
_PRICES = 7  # prices tried to the left and right of the oracle's, a factor of two apart


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Chooses the action that was best for questions of this kind, for one budget.

    Args:
        weighted: Weight each question by its regret, what the other actions would have lost on average, and
            find the price by held-out realised cost. Otherwise every question counts the same and the labels
            are the oracle's choices at the budget: the recipe of arXiv:2604.14853, section 4.
        seed: Of folds and projections.
    """

    def __init__(self, *, weighted: bool = False, seed: int = 0) -> None:
        self.weighted, self.seed = weighted, seed

    def fit(self, X: Matrix, outcomes: Outcomes, budget: float) -> Self:
        """Learn the choices for `budget`.

        Raises:
            InfeasibleBudgetError: Even the cheapest actions cost more.
        """
        oracle = solve(outcomes, budget)
        self.price_ = oracle.price
        if self.weighted and oracle.price > 0:
            prices = oracle.price * np.exp2(np.arange(-_PRICES, _PRICES + 1, dtype=np.float64))
            self.price_ = self._price(X, outcomes, budget, prices)
        labels = self._labels(outcomes, self.price_) if self.weighted else oracle.choice
        self._learn(X, labels, self._weights(outcomes, self.price_))
        return self

    def choose(self, X: Matrix) -> Ints:
        """Positions of the chosen actions, shape (m,)."""
        if self.model_ is None:
            return np.full(len(X), self.only_, dtype=np.intp)
        return np.asarray(self.model_.predict(X), dtype=np.intp)

    def _learn(self, X: Matrix, labels: Ints, weights: Floats) -> None:
        self.only_ = int(np.bincount(labels, weights=weights).argmax())
        self.model_: Pipeline | None = None
        if len(np.unique(labels[weights > 0])) > 1:
            directions = min(_DIRECTIONS, *X.shape, len(X) - 1)
            self.model_ = make_pipeline(
                StandardScaler(),
                PCA(directions, whiten=True, random_state=self.seed),
                LogisticRegression(C=0.3, max_iter=500),
            ).fit(X, labels, logisticregression__sample_weight=weights)

    def _labels(self, outcomes: Outcomes, price: float) -> Ints:
        return best_at(outcomes.accuracy, outcomes.cost, price)

    def _weights(self, outcomes: Outcomes, price: float) -> Floats:
        if not self.weighted:
            return np.ones(len(outcomes))
        value = outcomes.accuracy - price * outcomes.cost
        regret: Floats = value.max(axis=1) - value.mean(axis=1)
        return regret / regret.mean() if regret.any() else np.ones(len(outcomes))

    def _price(self, X: Matrix, outcomes: Outcomes, budget: float, prices: Floats) -> float:
        """The price whose held-out choices cost closest to the budget."""
        fold = folds_of(outcomes.questions, self.seed) % 3
        spent = []
        for price in prices:
            labels, weights = self._labels(outcomes, price), self._weights(outcomes, price)
            choice = np.empty(len(X), dtype=np.intp)
            for number in np.unique(fold):
                held = fold == number
                self._learn(X[~held], labels[~held], weights[~held])
                choice[held] = self.choose(X[held])
            spent.append(outcomes.cost[np.arange(len(X)), choice].mean())
        return float(prices[np.abs(np.array(spent) - budget).argmin()])
