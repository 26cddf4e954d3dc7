"""Means over questions drawn with replacement, and the intervals they give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Floats, Texts
from adaptive_reasoner.kit.tables.splits import text_index

_BLOCK = 100  # bootstrap draws worked on at a time


def bootstrap_means(columns: Floats, texts: Sequence[str] | Texts, draws: int, seed: int) -> Floats:
    """Means of `columns`, shape (n, p), over `draws` bootstrap samples of the questions, shape (draws, p).

    Questions of equal text are drawn together: they are one observation of the same thing.
    """
    rng = np.random.default_rng(seed)
    text = text_index(texts)
    size = np.bincount(text)
    totals = np.stack([np.bincount(text, weights=column) for column in columns.T], axis=1)
    means = np.empty((draws, columns.shape[1]))
    for first in range(0, draws, _BLOCK):
        block = slice(first, min(first + _BLOCK, draws))
        rows = np.arange(block.stop - first)[:, None]
        drawn = rng.integers(len(size), size=(len(rows), len(size))) + len(size) * rows
        counts = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(float)
        means[block] = (counts @ totals) / (counts @ size)[:, None]
    return means


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Floats) -> Self:
        """From the estimate and its bootstrap draws, in this order."""
        low, high = np.quantile(values[1:], [0.025, 0.975])
        return cls(float(values[0]), float(low), float(high))
