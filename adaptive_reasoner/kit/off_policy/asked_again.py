"""What is expected of questions that a log has more than once, by their own earlier decisions."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.off_policy.estimators import error_of_ratio

_FEWEST = 20  # decisions beyond the first on their text, from which their noise can be estimated
_ROUNDS = 3  # between the level of all texts and how far they lie off it
_NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Earlier:
    """What is expected of decisions of one action, once the earlier ones on the same texts are known.

    A policy that has learnt from a question takes the action where it did well. So the action does better
    than was expected there, and a fall of its accuracy does not show. How far a text lies off the level of
    all texts in its earlier decisions is therefore expected to stay: the mean of its errors, shrunk as a
    random effect of the text (Laird and Ware, "Random-Effects Models for Longitudinal Data", 1982). As the
    choice went by what the log has, the likelihood of all of the log is not biased by it.

    Attributes:
        expected: Of each decision, shape (n,).
        by_level: The part of it that the level of all texts tells, and not the decisions on its own.
        level: What came of the earlier decisions, relative to what was expected without the log.
        error: The standard error of the level, relative to it.
    """

    expected: Floats
    by_level: Floats
    level: float = 1.0
    error: float = 0.0

    @classmethod
    def none(cls, expected: Floats) -> Self:
        """Nothing is known but what was expected."""
        return cls(expected, expected)

    @classmethod
    def of(
        cls, expected: Floats, values: Floats, texts: Ints, earlier: Bools, spread: Floats | None = None
    ) -> Self:
        """What the earlier decisions tell of all, which is nothing without enough texts that come again.

        Args:
            expected: Without the log, shape (n,).
            values: What came of the decisions, shape (n,).
            texts: The question of each, equal numbers for equal texts, shape (n,).
            earlier: Which decisions are the earlier ones, shape (n,).
            spread: Expected squares of what values miss expectations by, 0 where not known, shape (n,).

        Example:
            >>> texts, values = np.tile([0, 1], 30), np.tile([1.0, 0.0], 30)
            >>> earlier = Earlier.of(np.full(60, 0.5), values, texts, np.arange(60) < 50)
            >>> earlier.expected[-2:].round(2).tolist()
            [1.0, 0.0]
        """
        asked, text = np.unique(texts[earlier], return_inverse=True)
        if len(text) - len(asked) < _FEWEST:
            return cls.none(expected)
        count = np.bincount(text)
        seen, known = (np.bincount(text, weights=each[earlier]) / count for each in (values, expected))
        within = values[earlier] - expected[earlier] - (seen - known)[text]
        noise = float((within**2).sum()) / (len(text) - len(asked))
        precision = count.astype(np.float64)
        for _ in range(_ROUNDS):
            level = float(precision @ seen) / max(float(precision @ known), _NOTHING)
            between = (float(count @ (seen - level * known) ** 2) - noise * len(asked)) / len(text)
            if between <= _NOTHING or level <= _NOTHING:
                return cls.none(expected)
            precision = 1 / (between + noise / count)
        own, share = np.zeros((2, int(texts.max()) + 1))
        share[asked] = between * precision
        own[asked] = (seen - level * known) * share[asked]
        apart = np.zeros(len(count)) if spread is None else np.bincount(text, weights=spread[earlier]) / count
        error = error_of_ratio(precision * known, precision * (seen - level * known), precision**2 * apart)
        now, by_level = level * expected + own[texts], level * expected * (1 - share[texts])
        return cls(np.maximum(now, 0.0), by_level, level, error / level)
