"""How far a policy follows what it predicts of a question, at each mean cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.policy.mixture import CostCurve

_APART = 1024  # by which a draw is stretched for another one: its leading digits say nothing of the next


@dataclass(frozen=True, eq=False)
class Trust:
    """The trust in predictions, from 0 to 1, along the mean costs of a policy.

    At a trust of t, predictions keep the share t of their distance from the actions' means. There are a few
    levels of trust; where the trust lies between two of them, each question draws one. At level 0 nothing is
    left of the predictions, and the question gets the mixture of fixed actions. Whatever the level, the
    choices cost on average what the policy's own curve expects at the price: each level has a curve of its
    own, by which the price is converted.

    Attributes:
        cost: Rising mean costs, shape (m,). Between them trust is linear, beyond them constant.
        share: The trust at each, in [0, 1], shape (m,).
        levels: The levels between 0 and 1, rising.
        curves: Mean cost against price at each of them.

    Example:
        >>> trust = Trust([10.0, 20.0], [0.0, 1.0])
        >>> trust.at(5.0), trust.at(15.0), trust.weights(15.0).tolist()
        (0.0, 0.5, [0.5, 0.5])
    """

    cost: Floats
    share: Floats
    levels: tuple[float, ...] = ()
    curves: tuple[CostCurve, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "cost", np.asarray(self.cost, float))
        object.__setattr__(self, "share", np.asarray(self.share, float))
        steps = np.diff([0.0, *self.levels, 1.0])
        if self.cost.shape != self.share.shape or self.cost.ndim != 1 or not len(self.cost):
            raise ValueError("trust needs equally many costs and shares, at least one")
        if np.any(np.diff(self.cost) <= 0) or np.any(self.share < 0) or np.any(self.share > 1):
            raise ValueError("trust lies between 0 and 1, at mean costs that rise")
        if np.any(steps <= 0) or len(self.levels) != len(self.curves):
            raise ValueError("levels of trust rise between 0 and 1, and each has its curve of costs")

    @classmethod
    def full(cls) -> Self:
        """Predictions are followed as they are, at every cost."""
        return cls(np.zeros(1), np.ones(1))

    @classmethod
    def none(cls) -> Self:
        """The mixture of fixed actions decides, at every cost."""
        return cls(np.zeros(1), np.zeros(1))

    @classmethod
    def from_card(cls, card: Mapping[str, Any] | None) -> Self:
        """What `as_card` wrote; full where there is nothing, as in folders written before there was trust."""
        if card is None:
            return cls.full()
        curves = tuple(CostCurve.of(curve["price"], curve["cost"]) for curve in card["curves"])
        return cls(card["cost"], card["share"], tuple(card["levels"]), curves)

    def as_card(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        curves = [{"price": curve.price.tolist(), "cost": curve.cost.tolist()} for curve in self.curves]
        return {
            "cost": self.cost.tolist(),
            "share": self.share.tolist(),
            "levels": list(self.levels),
            "curves": curves,
        }

    @cached_property
    def steps(self) -> tuple[float, ...]:
        """All levels, from 0 to 1."""
        return (0.0, *self.levels, 1.0)

    def at(self, cost: float) -> float:
        """The trust at this mean cost of the policy."""
        return float(np.interp(cost, self.cost, self.share))

    def weights(self, cost: float) -> Floats:
        """Probability of each of the `steps` at a mean cost, shape (len(steps),)."""
        return weights_of(self.at(cost), self.steps)

    def draw(self, cost: float, draws: ArrayLike) -> Ints:
        """The position in `steps` of the level of each question, at a mean cost.

        Args:
            cost: Of the policy, on average.
            draws: Of the questions, in [0, 1); what else is drawn by them hardly depends on the levels.
        """
        ends = np.cumsum(self.weights(cost))[:-1]
        return np.searchsorted(ends, np.asarray(draws, float) * _APART % 1, side="right")

    def shrunk(self, step: int, predicted: Floats, mean: Floats) -> Floats:
        """Predictions as they are trusted at a level, given the actions' means."""
        if step == len(self.steps) - 1:
            return predicted
        return toward_mean(predicted, mean, self.steps[step])

    def price_at(self, step: int, price: float, curve: CostCurve) -> float:
        """The price at which shrunk predictions cost what `curve`, the policy's own, expects at `price`."""
        if step == len(self.steps) - 1:
            return price
        own, highest = self.curves[step - 1], float(curve.price[-1])
        if price > highest:  # the cheapest choices, however high the price
            return float(own.price[-1]) * (price / highest)
        return own.price_at(max(curve.cost_at(price), own.cheapest))


def toward_mean(predicted: Floats, mean: Floats, kept: float) -> Floats:
    """Predictions that keep a share of their distance from the mean."""
    moved: Floats = mean + kept * (predicted - mean)
    return moved


def weights_of(trust: float, steps: Sequence[float]) -> Floats:
    """Probability of each of rising levels, shape (len(steps),): the two beside `trust`, whose mean it is.

    Example:
        >>> weights_of(0.75, (0.0, 0.5, 1.0)).tolist()
        [0.0, 0.5, 0.5]
    """
    place = np.interp(trust, steps, np.arange(len(steps)))
    weights: Floats = np.maximum(0.0, 1 - np.abs(place - np.arange(len(steps))))
    return weights
