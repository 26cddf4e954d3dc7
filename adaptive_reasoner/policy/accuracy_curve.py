"""Mean accuracy as the price of compute rises: what a target accuracy is read from."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.errors import InfeasibleAccuracyError

_ROUNDING = 1e-9  # relative error of a mean: a target of just the highest accuracy is not above it
_NEAR = 0.25  # half-width, in log price, of the difference a slope is taken over


@dataclass(frozen=True, eq=False)
class AccuracyCurve:
    """Mean accuracy per question as the price rises; between its points linear in the log of the price.

    Attributes:
        price: Positive and rising, in accuracy per unit of cost, shape (m,).
        accuracy: Mean accuracy at each price, never rising, shape (m,).

    Example:
        >>> curve = AccuracyCurve.of([0.001, 0.1], [0.9, 0.5])
        >>> round(curve.price_at(0.7), 6), curve.price_at(0.4), round(curve.accuracy_at(0.01), 6)
        (0.01, 0.1, 0.7)
    """

    price: Floats
    accuracy: Floats

    @classmethod
    def of(cls, price: ArrayLike, accuracy: ArrayLike) -> Self:
        """The curve through the points (price, accuracy), which come with rising prices.

        Raises:
            ValueError: Prices do not rise from above 0, accuracies rise, or the lengths differ.
        """
        prices, accuracies = np.asarray(price, float), np.asarray(accuracy, float)
        if prices.shape != accuracies.shape or prices.ndim != 1 or not len(prices):
            raise ValueError("an accuracy curve needs equally many prices and accuracies, at least one")
        if prices[0] <= 0 or np.any(np.diff(prices) <= 0) or np.any(np.diff(accuracies) > 0):
            raise ValueError("along an accuracy curve prices rise from above 0 and accuracies never rise")
        return cls(prices, accuracies)

    @property
    def lowest(self) -> float:
        """The price below which no more is expected."""
        return float(self.price[0])

    @property
    def highest(self) -> float:
        """The mean accuracy at the lowest price."""
        return float(self.accuracy[0])

    def accuracy_at(self, price: float) -> float:
        """Expected mean accuracy at `price`."""
        log_price = math.log(price) if price > 0 else -math.inf
        return float(np.interp(log_price, np.log(self.price), self.accuracy))

    def price_at(self, target: float) -> float:
        """The highest price at which the mean accuracy is expected to be at least `target`.

        Raises:
            InfeasibleAccuracyError: The target is above the mean accuracy at the lowest price, or no number.
        """
        if not target - _ROUNDING * abs(target) <= self.highest:
            raise InfeasibleAccuracyError(target, self.highest)
        enough = max(1, int(np.searchsorted(-self.accuracy, -target, side="right")))
        if enough == len(self.price):
            return float(self.price[-1])
        around = slice(enough - 1, enough + 1)
        (high, low), (left, right) = self.accuracy[around], self.price[around]
        share = min(1.0, max(0.0, float((high - target) / (high - low))))
        return float(math.exp((1.0 - share) * math.log(left) + share * math.log(right)))

    def slope_at(self, target: float) -> float | None:
        """`|d mean accuracy / d log price|` at a target accuracy; None where the accuracy does not move."""
        price = self.price_at(target)
        ends = [self.accuracy_at(price * math.exp(step)) for step in (-_NEAR, _NEAR)]
        return (ends[0] - ends[1]) / (2 * _NEAR) or None
