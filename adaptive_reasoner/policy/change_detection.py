"""Whether a stream of scores has changed, tested after each score, at a chosen rate of false alarms.

A score is ranked among those before it. While the stream is exchangeable, these ranks are independent and
uniform, whatever the scores' distribution; after a change they are not, and bets against them gain.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adaptive_reasoner.arrays import Floats

LARGEST = 512
"""Scores are whole numbers from `-LARGEST` to `LARGEST`; those beyond count as these."""

_CUTS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7)  # ranks below which a bet gains
_ODDS = (1.5, 2.5, 5.0)  # how many times as likely as before it takes them to be, in odds
_CUT, _TIMES = (grid.ravel() for grid in np.meshgrid(_CUTS, _ODDS, indexing="ij"))
_SHARE = _TIMES * _CUT / (1 - _CUT + _TIMES * _CUT)
_WON, _LOST = _SHARE / _CUT, (1 - _SHARE) / (1 - _CUT)


class Ranks:
    """The rank of each score among those before it, as a p-value: small where the score is high.

    Ties are broken by a draw, so that a stream of few different values has uniform ranks too
    (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, chapter 8).

    Example:
        >>> ranks = Ranks()
        >>> [ranks.add(score, draw=0.5) for score in (3, 3, 7)]
        [0.5, 0.5, 0.16666666666666666]
    """

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(2 * LARGEST + 1, dtype=np.int64)

    def add(self, score: int, *, draw: float) -> float:
        """The p-value of a score, which counts for the later ones.

        Args:
            score: A whole number; high is what is looked for.
            draw: Uniform on [0, 1).
        """
        place = min(max(score, -LARGEST), LARGEST) + LARGEST
        higher = int(self._counts[place + 1 :].sum())
        self._counts[place] += 1
        return (higher + draw * int(self._counts[place])) / int(self._counts.sum())


class ChangeDetector:
    """Bets that p-values have become small, begun anew at each of them (a Shiryaev-Roberts e-detector).

    Each bet multiplies its stake by what it expects of a p-value over what a uniform one would have, so that
    no uniform stream makes it gain on average. The statistic is the sum over all starts so far, averaged
    over several bets. Under uniform p-values its mean after t of them is t, and therefore the mean
    number of p-values until it first reaches `run_length` is at least `run_length` (Shin, Ramdas and
    Rinaldo, arXiv:2203.03532).

    Args:
        run_length: Mean number of p-values to a false alarm, at least.
        streams: How many streams are watched side by side; for simulations.

    Attributes:
        statistic: Of each stream, shape (streams,).

    Example:
        >>> detector = ChangeDetector(run_length=1_000)
        >>> [bool(detector.add(p)[0]) for p in (0.9, 0.4, 0.7)]
        [False, False, False]
        >>> sum(bool(detector.add(0.01)[0]) for _ in range(10))
        1
    """

    def __init__(self, run_length: float, *, streams: int = 1) -> None:
        if not run_length >= 1:
            raise ValueError(f"run_length is a number of questions, at least 1, not {run_length!r}")
        self.run_length = run_length
        self._stakes: NDArray[np.float64] = np.zeros((streams, len(_CUT)))

    @property
    def statistic(self) -> Floats:
        """How much has been gained by all bets so far."""
        mean: Floats = self._stakes.mean(axis=1)
        return mean

    def add(self, p: ArrayLike) -> NDArray[np.bool_]:
        """Whether a p-value of each stream raises an alarm; a stream begins anew after one."""
        below: Any = np.asarray(p, float).reshape(-1, 1) < _CUT
        self._stakes = (self._stakes + 1.0) * np.where(below, _WON, _LOST)
        raised: NDArray[np.bool_] = self.statistic >= self.run_length
        self._stakes[raised] = 0.0
        return raised
