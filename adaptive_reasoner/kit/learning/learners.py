"""Learners that predict accuracy and cost of all actions at once, each with its ONNX graph.

All of them take features whose first `vector` columns are a unit vector, the rest surface features, and
targets that were scaled to mean 0 and deviation 1. They are scikit-learn estimators, and each can also write
what it has learnt into a `Graph`.
"""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import ExtraTreeRegressor

from adaptive_reasoner.arrays import Floats, Ints, Matrix
from adaptive_reasoner.kit.allocation.solver import solve
from adaptive_reasoner.kit.onnx_graph import INPUT, Graph
from adaptive_reasoner.kit.outcomes import Outcomes

PENALTIES = np.geomspace(30.0, 1e6, 14)
"""Those of a ridge, from which it chooses."""

_NEIGHBOURS = (5, 10, 20, 30, 50, 80)
_DIRECTIONS = 64  # of the features, by which labels are told apart
_BLOCK = 1024  # rows worked on at a time
_PARTS = 8  # of the columns, whose highest entries bound from below what is among the highest of a row
_SEEDS = np.iinfo(np.int32).max


class Constant(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts the mean for every question."""

    def fit(self, X: Matrix, Y: Floats) -> Self:
        """Learn the mean."""
        self.width_ = X.shape[1]
        self.mean_ = Y.mean(axis=0)
        return self

    def predict(self, X: Matrix) -> Floats:
        """The mean, once a row."""
        return np.tile(self.mean_, (len(X), 1))

    def draw_into(self, graph: Graph) -> str:
        """Add the fitted prediction to `graph`; returns the name of its result."""
        return graph.affine(INPUT, np.zeros((self.width_, len(self.mean_))), self.mean_)


class Ridge(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Linear regression, each target with the penalty that generalised cross-validation prefers.

    All penalties are tried in the coordinates in which the features are uncorrelated: there each costs one
    division a coordinate, and the errors of leaving one question out follow from those of the whole fit
    (Rifkin and Lippert, "Notes on Regularized Least Squares", section 4).
    """

    def __init__(self, vector: int) -> None:
        self.vector = vector

    def fit(self, X: Matrix, Y: Floats) -> Self:
        """Learn the weights."""
        self.mean_ = X.mean(axis=0, dtype=np.float64)
        deviation = np.full(X.shape[1], 1 / np.sqrt(max(self.vector, 1)))  # of a unit vector all count alike
        deviation[self.vector :] = X[:, self.vector :].std(axis=0, dtype=np.float64)
        self.scale_ = np.where(deviation > 0, deviation, 1.0)
        level, targets = Y.mean(axis=0), Y.shape[1]
        centred = Y - level
        axes, sizes, onto = self._principal_axes(X, centred)
        damping = 1 / (sizes[:, None] + PENALTIES)
        weights = damping[:, :, None] * onto[:, None]  # along the axes, by penalty and target
        errors = np.zeros((len(PENALTIES), targets))
        for rows in blocks(len(X)):
            along = self._scaled(X[rows]) @ axes
            missed = centred[rows, None] - (along @ weights.reshape(len(sizes), -1)).reshape(
                -1, *errors.shape
            )
            own = along**2 @ damping + 1 / len(X)  # what a question contributes to its own prediction
            errors += ((missed / (1 - own[:, :, None])) ** 2).sum(axis=0)
        best = weights[:, errors.argmin(axis=0), np.arange(targets)]
        self.weights_ = axes @ best / self.scale_[:, None]
        self.offset_ = level - self.mean_ @ self.weights_
        return self

    def _scaled(self, X: Matrix) -> Floats:
        scaled: Floats = (X - self.mean_) / self.scale_
        return scaled

    def _principal_axes(self, X: Matrix, centred: Floats) -> tuple[Floats, Floats, Floats]:
        """Orthogonal directions in which the scaled features are uncorrelated.

        Returns:
            The directions, their sums of squares, and the sums of products with the centred targets.
        """
        if len(X) <= X.shape[1]:
            scaled = self._scaled(X)
            _, size, axes = np.linalg.svd(scaled, full_matrices=False)
            return axes.T, size**2, axes @ (scaled.T @ centred)
        squares, products = np.zeros((X.shape[1], X.shape[1])), np.zeros((X.shape[1], centred.shape[1]))
        for rows in blocks(len(X)):
            scaled = self._scaled(X[rows])
            squares += scaled.T @ scaled
            products += scaled.T @ centred[rows]
        sizes, axes = np.linalg.eigh(squares)
        return axes, np.maximum(sizes, 0.0), axes.T @ products

    def predict(self, X: Matrix) -> Floats:
        """Linear in the features."""
        predicted: Floats = X @ self.weights_ + self.offset_
        return predicted

    def draw_into(self, graph: Graph) -> str:
        """Add the fitted prediction to `graph`; returns the name of its result."""
        return graph.affine(INPUT, self.weights_, self.offset_)


class Neighbours(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """The mean over the questions nearest by cosine; how many is chosen by leaving one out."""

    def __init__(self, vector: int, *, most: int = 20_000, seed: int = 0) -> None:
        self.vector, self.most, self.seed = vector, most, seed

    def fit(self, X: Matrix, Y: Floats) -> Self:
        """Remember the questions, or `most` of them: a decision looks at each."""
        if len(X) > self.most:
            kept = np.sort(np.random.default_rng(self.seed).permutation(len(X))[: self.most])
            X, Y = X[kept], Y[kept]
        self.vectors_, self.targets_ = np.ascontiguousarray(X[:, : self.vector]), Y
        most = min(_NEIGHBOURS[-1], len(X) - 1)
        if most < 1:
            self.count_ = 1
            return self
        near = nearest(self.vectors_, self.vectors_, most, skip_self=True)
        counts = np.unique(np.minimum(_NEIGHBOURS, most))
        errors = np.zeros(len(counts))
        for rows in blocks(len(X)):
            sums = np.cumsum(Y[near[rows]], axis=1)[:, counts - 1]
            errors += ((sums / counts[:, None] - Y[rows, None]) ** 2).sum(axis=(0, 2))
        self.count_ = int(counts[errors.argmin()])
        return self

    def predict(self, X: Matrix) -> Floats:
        """Mean targets of the nearest questions."""
        near = nearest(X[:, : self.vector], self.vectors_, self.count_)
        predicted: Floats = self.targets_[near].mean(axis=1)
        return predicted

    def draw_into(self, graph: Graph) -> str:
        """Add the fitted prediction to `graph`; returns the name of its result."""
        similar = graph.node("MatMul", graph.columns(INPUT, 0, self.vector), graph.constant(self.vectors_.T))
        top = graph.node("TopK", similar, graph.constant([self.count_]), outputs=2, sorted=0)
        found = graph.node("Gather", graph.constant(self.targets_), f"{top}_1")
        return graph.node("ReduceMean", found, axes=[1], keepdims=0)


class Trees(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Extremely randomised trees on the surface features and the leading directions of the vectors.

    A few directions separate the topics; without the hundreds of others the trees find what the surface
    features tell about difficulty, and are several times faster.
    """

    def __init__(self, vector: int, *, directions: int = 32, trees: int = 100, seed: int = 0) -> None:
        self.vector, self.directions, self.trees, self.seed = vector, directions, trees, seed

    def fit(self, X: Matrix, Y: Floats) -> Self:
        """Grow the trees."""
        directions = min(self.directions, self.vector, len(X) - 1)
        self.axes_ = np.zeros((self.vector, 0), dtype=np.float32)
        if directions:
            fitted = PCA(directions, random_state=self.seed).fit(X[:, : self.vector])
            self.axes_ = fitted.components_.T.astype(np.float32)
        self.targets_ = Y.shape[1]
        leaf = max(min(6, len(Y) // 20), len(Y) // 1000, 1)
        seen, targets = self._seen(X), np.ascontiguousarray(Y, dtype=np.float64)
        rng, of_tree = np.random.RandomState(self.seed), np.random.RandomState(self.seed)
        grower = ExtraTreeRegressor(min_samples_leaf=leaf, max_features=0.5, random_state=of_tree)
        self.trees_ = []
        with config_context(assume_finite=True, skip_parameter_validation=True):  # for each tree anew
            for _ in range(self.trees):
                of_tree.seed(rng.randint(_SEEDS))
                self.trees_.append(grower.fit(seen, targets, check_input=False).tree_)
        return self

    def predict(self, X: Matrix) -> Floats:
        """Mean over the trees."""
        seen = self._seen(X)
        total = sum(tree.predict(seen) for tree in self.trees_)
        return np.asarray(total / len(self.trees_)).reshape(len(X), self.targets_)

    def draw_into(self, graph: Graph) -> str:
        """Add the fitted prediction to `graph`; returns the name of its result."""
        seen = graph.columns(INPUT, self.vector, graph.width)
        if self.axes_.shape[1]:
            vectors = graph.columns(INPUT, 0, self.vector)
            topic = graph.node("MatMul", vectors, graph.constant(self.axes_))
            seen = graph.node("Concat", topic, seen, axis=1)
        return graph.forest(seen, self.trees_, targets=self.targets_)

    def _seen(self, X: Matrix) -> Matrix:
        seen = np.hstack([X[:, : self.vector] @ self.axes_, X[:, self.vector :]])
        return np.ascontiguousarray(seen, dtype=np.float32)


Learner = Constant | Ridge | Neighbours | Trees
"""A learner: `fit` takes features (n, width) and targets (n, p), `predict` returns targets (m, p)."""


def label_classifier(X: Matrix, outcomes: Outcomes, budget: float, *, seed: int = 0) -> Any:
    """A fitted classifier of the oracle's choices at one budget, whose `predict` gives positions of actions.

    Questions count alike (arXiv:2604.14853, section 4).

    Raises:
        InfeasibleBudgetError: Even the cheapest actions cost more than the budget.
    """
    labels = solve(outcomes, budget).choice
    if len(np.unique(labels)) == 1:
        return DummyClassifier(strategy="most_frequent").fit(X, labels)
    directions = min(_DIRECTIONS, *X.shape, len(X) - 1)
    return make_pipeline(
        StandardScaler(),
        PCA(directions, whiten=True, random_state=seed),
        LogisticRegression(C=0.3, max_iter=500),
    ).fit(X, labels)


def nearest(queries: Matrix, vectors: Matrix, count: int, *, skip_self: bool = False) -> Ints:
    """Rows of `vectors` most similar to each query by inner product, the most similar first.

    Args:
        queries: Shape (m, d).
        vectors: Shape (n, d).
        count: How many, at most n (n - 1 with `skip_self`).
        skip_self: The queries are the vectors, and none is its own neighbour.

    Returns:
        Shape (m, count).
    """
    found = np.empty((len(queries), count), dtype=np.intp)
    for block in blocks(len(queries)):
        similar = queries[block] @ vectors.T
        if skip_self:
            rows = np.arange(len(similar))
            similar[rows, block.start + rows] = -np.inf
        found[block] = _highest(similar, count)
    return found


def _highest(similar: Matrix, count: int) -> Ints:
    """Columns of the `count` highest entries of each row, the highest first, of equal ones the first.

    Looking at the highest entry of some columns each leaves few entries of a row that can be among them. That
    is several times faster than a partition of the whole row.
    """
    n, width = len(similar), similar.shape[1] // _PARTS
    bounds = similar[:, : _PARTS * width].reshape(n, _PARTS, width).max(axis=1) if width > count else similar
    least = np.partition(bounds, -count, axis=1)[:, -count]
    row, column = np.nonzero(similar >= least[:, None])
    sizes = np.bincount(row, minlength=n)
    place = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    values = np.full((n, sizes.max()), -np.inf, dtype=similar.dtype)
    columns = np.zeros(values.shape, dtype=np.intp)
    values[row, place], columns[row, place] = similar[row, column], column
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(columns, order, axis=1)


def blocks(n: int) -> Iterator[slice]:
    """Parts of n rows that are worked on one after the other, so that memory does not grow with n."""
    return (slice(first, min(first + _BLOCK, n)) for first in range(0, n, _BLOCK))
