"""How many model calls the runs of an agent have, learned from those that have ended."""

import threading
from math import inf

LONG = 30.0
"""The model calls that a run is taken to have before any has ended."""

WEIGHT = 0.25
"""How many runs that assumption counts as, once some have ended."""


class RunLengths:
    """The mean number of model calls per run, which decides on what one of them may cost.

    A ledger's price belongs to a whole run: it is the accuracy that a unit of cost must bring where a
    question may cost the target. A call of a run with n calls may cost the n-th part of it, so its price is n
    times that. A run whose length is not known is taken for a long one, at a price where a call is hardly
    repeated: what is saved by mistake can be spent later, and what is spent cannot be saved.

    Example:
        >>> lengths = RunLengths()
        >>> lengths.expected(0)
        30.0
        >>> for calls in (2, 4, 6): lengths.learn(calls)
        >>> lengths.expected(0), lengths.expected(19)
        (6.0, 20)
    """

    def __init__(self) -> None:
        self._calls = self._runs = 0
        self._learning = threading.Lock()

    def expected(self, made: int) -> float:
        """The calls that a run is expected to have, once it has made some."""
        mean = (WEIGHT * LONG + self._calls) / (WEIGHT + self._runs)
        return max(mean, made + 1)

    @property
    def mean(self) -> float:
        """The mean of the runs that have ended; infinite before any has."""
        return self._calls / self._runs if self._runs else inf

    def learn(self, calls: int) -> None:
        """Take a run into account that has ended."""
        with self._learning:
            self._calls, self._runs = self._calls + calls, self._runs + 1
