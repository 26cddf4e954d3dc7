"""How similar a question is to the training questions, and when its predictions are not relied on."""

from dataclasses import dataclass

import numpy as np

from adaptive_reasoner.arrays import Floats, Matrix, Texts
from adaptive_reasoner.kit.learning.learners import blocks
from adaptive_reasoner.kit.onnx_graph import INPUT, Graph

_APART = 1e-3  # at least between what is rare and what is known, also where all questions are alike
_KEPT = 2048  # training questions kept for comparison
_NEAR = 3  # of them a question is compared with its nearest
_RARE = 0.001  # share of the training questions that are less familiar to the others than the starting point
_MARGIN = 0.75  # of that familiarity: questions a little rarer than all seen ones still count as familiar
_KNOWN = 0.05  # share of the training questions that are not wholly familiar to the others
_NEW_TOPIC = 0.05  # share of the questions of a new topic that may count as unfamiliar


@dataclass(frozen=True, eq=False)
class Familiarity:
    """Mean cosine similarity of a question to the nearest training questions.

    Attributes:
        vectors: Unit vectors of training questions, shape (kept, d).
        near: How many of them count.
        at_least: Less than this is unlike all training questions.
        rare: Hardly any training question is less familiar than this to the others.
        known: Most of them are more familiar.
    """

    vectors: Matrix
    near: int
    at_least: float
    rare: float
    known: float

    @classmethod
    def fit(cls, vectors: Matrix, groups: Texts | None = None, *, seed: int = 0) -> "Familiarity":
        """Keep a sample of the training questions, and see how familiar each is to the others.

        With groups, questions as far away as another group also count as familiar: on a new topic of the same
        kind a policy keeps some of its lift.

        Args:
            vectors: Unit vectors, shape (n, d).
            groups: Topic of each question, shape (n,).
            seed: Of the sample.
        """
        kept = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:_KEPT])
        remembered = np.ascontiguousarray(vectors[kept])
        near = max(min(_NEAR, len(kept) - 1), 1)
        if len(kept) < 2 or not remembered.shape[1]:
            return cls(remembered, near, -2.0, -3.0, -2.0)  # every question counts as familiar
        similar = remembered @ remembered.T
        np.fill_diagonal(similar, -np.inf)
        rare, known = (float(level) for level in np.quantile(_nearest_mean(similar, near), [_RARE, _KNOWN]))
        at_least = _MARGIN * rare
        if groups is not None and len(set(groups)) > 2:
            _, own = np.unique(groups[kept], return_inverse=True)
            own_mean = _nearest_mean(np.where(own[:, None] == own, -1.0, similar), near)
            at_least = min(at_least, float(np.quantile(own_mean, _NEW_TOPIC)))
        return cls(remembered, near, at_least, rare, max(known, rare + _APART))

    def scores(self, vectors: Matrix) -> Floats:
        """Familiarity of questions, shape (m,)."""
        parts = [_nearest_mean(vectors[rows] @ self.vectors.T, self.near) for rows in blocks(len(vectors))]
        return np.concatenate(parts) if parts else np.empty(0)

    def trust(self, vectors: Matrix) -> Floats:
        """Trust in predictions, from 0 for unfamiliar questions to 1 for familiar ones, shape (m,)."""
        return self.trust_at(self.scores(vectors))

    def trust_at(self, scores: Floats) -> Floats:
        """Trust at these familiarities, shape (m,)."""
        return np.asarray(np.clip((scores - self.rare) / (self.known - self.rare), 0.0, 1.0))

    def draw_into(self, graph: Graph) -> str:
        """Add the familiarity, shape (m, 1), to a graph; returns its name."""
        query = graph.columns(INPUT, 0, self.vectors.shape[1])
        similar = graph.node("MatMul", query, graph.constant(self.vectors.T))
        top = graph.node("TopK", similar, graph.constant([self.near]), outputs=2)
        return graph.node("ReduceMean", top, axes=[1], keepdims=1)

    def draw_trust(self, graph: Graph, familiarity: str) -> str:
        """Add the trust, shape (m, 1), that follows from the familiarity; returns its name."""
        scale = 1 / (self.known - self.rare)
        share = graph.affine(familiarity, [[scale]], [-self.rare * scale])
        return graph.node("Clip", share, graph.constant(0.0), graph.constant(1.0))


def _nearest_mean(similar: Matrix, near: int) -> Floats:
    """Mean of the `near` largest entries of each row, found one by one: for few that beats a partition."""
    left, rows = similar.copy(), np.arange(len(similar))
    largest = np.empty((len(similar), near))
    for number in range(near):
        column = left.argmax(axis=1)
        largest[:, number] = left[rows, column]
        left[rows, column] = -np.inf
    return np.asarray(largest.mean(axis=1))
