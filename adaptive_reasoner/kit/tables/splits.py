"""Halves of a table for fitting and testing, with equal texts on one side."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adaptive_reasoner.arrays import Ints
from adaptive_reasoner.errors import OutcomesError

Texts = Sequence[str] | NDArray[np.object_]


def split_by_text(questions: Texts, *, test_size: float = 0.5, seed: int = 0) -> tuple[Ints, Ints]:
    """Positions to fit on and to test on, at random; questions of equal text stay on one side.

    Texts that differ only in white space count as equal: what is embedded would be the same.

    Args:
        questions: Texts, shape (n,).
        test_size: Share of the questions to test on, in (0, 1); met as closely as equal texts allow.
        seed: Of the shuffle.

    Returns:
        Two sorted index arrays that together hold every position once, neither empty.

    Raises:
        ValueError: `test_size` is not in (0, 1).
        OutcomesError: There are fewer than two different texts.
    """
    if not 0 < test_size < 1:
        raise ValueError(f"test_size must lie between 0 and 1, not {test_size}")
    text = text_index(questions)
    count = np.bincount(text)
    if len(count) < 2:
        raise OutcomesError("a split needs at least two questions of different text")
    order = np.random.default_rng(seed).permutation(len(count))
    reach = np.cumsum(count[order])[:-1]  # test sizes on offer, the last text always left to fit on
    in_test = np.zeros(len(count), dtype=bool)
    in_test[order[: 1 + np.abs(reach - test_size * len(text)).argmin()]] = True
    return np.flatnonzero(~in_test[text]), np.flatnonzero(in_test[text])


def text_index(questions: Texts) -> Ints:
    """For each question the number of its text, equal texts (up to white space) having one number."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(" ".join(text.split()), len(seen)) for text in questions], dtype=np.intp)
