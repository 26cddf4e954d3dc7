"""What a price of compute means: mean costs, mixtures of fixed actions, batches in a budget."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.errors import InfeasibleAccuracyError, InfeasibleBudgetError

_BEND = 1 + 1e-9  # a hull whose slope falls by less is straight there
_FAR = 20.0  # in log price; hulls that bend more sharply need no wider stretch to hand over, and no overflow
_ROUNDING = 1e-9  # relative error of a mean: a budget of just the cheapest cost is not below it
_NEAR = 0.25  # half-width, in log price, of the difference a slope is taken over


@dataclass(frozen=True, eq=False)
class CostCurve:
    """Mean cost per question as the price rises; between its points linear in the log of the price.

    Attributes:
        price: Positive and rising, in accuracy per unit of cost, shape (m,).
        cost: Mean cost at each price, never rising, shape (m,).
        low: Lower end of the 95% interval of each cost, shape (m,).
        high: Upper end, shape (m,).

    Example:
        >>> curve = CostCurve.of([0.001, 0.1], [90.0, 10.0])
        >>> round(curve.price_at(50.0), 6), curve.cost_at(0.0), curve.cost_at(1.0)
        (0.01, 90.0, 10.0)
    """

    price: Floats
    cost: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(
        cls,
        price: ArrayLike,
        cost: ArrayLike,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
    ) -> Self:
        """The curve through the points (price, cost), which come with rising prices.

        Raises:
            ValueError: Prices do not rise from above 0, costs rise, or the lengths differ.
        """
        columns = [
            np.asarray(column, float)
            for column in (price, cost, *(cost if x is None else x for x in (low, high)))
        ]
        prices, costs, *_ = columns
        if len({column.shape for column in columns}) > 1 or prices.ndim != 1 or not len(prices):
            raise ValueError("a cost curve needs equally many prices and costs, at least one")
        if prices[0] <= 0 or np.any(np.diff(prices) <= 0) or np.any(np.diff(costs) > 0):
            raise ValueError("along a cost curve prices rise from above 0 and costs never rise")
        return cls(*columns)

    @property
    def cheapest(self) -> float:
        """The mean cost at the highest price."""
        return float(self.cost[-1])

    def cost_at(self, price: float) -> float:
        """Expected mean cost at `price`."""
        return float(np.interp(_log(price), np.log(self.price), self.cost))

    def price_at(self, budget: float, *, unit: str = "") -> float:
        """The price at which the mean cost is expected to be `budget`; 0 when no more would be spent.

        Raises:
            InfeasibleBudgetError: The budget is below the mean cost at the highest price, or no number.
        """
        if not budget >= self.cheapest * (1 - _ROUNDING):
            raise InfeasibleBudgetError(budget, self.cheapest, unit)
        if budget >= self.cost[0]:
            return 0.0
        return float(np.exp(np.interp(-budget, -self.cost, np.log(self.price))))

    def slope_at(self, price: float) -> float | None:
        """`|d mean cost / d log price|` around `price`; None where the cost does not move."""
        if price <= 0:
            return None
        ends = [self.cost_at(price * math.exp(step)) for step in (-_NEAR, _NEAR)]
        return (ends[0] - ends[1]) / (2 * _NEAR) or None


@dataclass(frozen=True, eq=False)
class Mixture:
    """The best random mixtures of fixed actions, one for every price: the uniform hull as a policy.

    At a single price the best fixed action jumps from one vertex of the hull to the next, so that few
    budgets could be met. Here each vertex hands over to the next along a stretch of prices (to half-way, in
    log price, of the neighbouring slopes): the mean cost falls continuously as the price rises, and every
    budget has its price.

    Attributes:
        accuracy: Mean accuracy of each action, shape (k,).
        cost: Mean cost of each action, shape (k,).
        among: Positions of the actions that may be mixed; all where None.
        vertices: Positions of the actions on the upper concave hull, by rising cost, m of them.

    Example:
        >>> fixed = Mixture([0.5, 0.8], [10.0, 90.0])
        >>> price = fixed.curve.price_at(50.0)
        >>> fixed.choose(price, 0.49), fixed.choose(price, 0.51), fixed.shares(50.0).tolist()
        (1, 0, [0.5, 0.5])
    """

    accuracy: Floats
    cost: Floats
    among: Ints | None = None
    vertices: Ints = field(init=False)

    def __post_init__(self) -> None:
        settle = object.__setattr__
        settle(self, "accuracy", np.asarray(self.accuracy, float))
        settle(self, "cost", np.asarray(self.cost, float))
        among = np.arange(len(self.cost)) if self.among is None else np.asarray(self.among, dtype=np.intp)
        settle(self, "vertices", among[hull(self.accuracy[among], self.cost[among])])

    @cached_property
    def curve(self) -> CostCurve:
        """Mean cost against price."""
        costs = self.cost[self.vertices]
        slopes = np.log(np.diff(self.accuracy[self.vertices]) / np.diff(costs))
        half = np.minimum(-np.diff(slopes) / 2, _FAR)
        first, last = (half[0], half[-1]) if len(half) else (math.log(2.0), math.log(2.0))
        inner = slopes[:-1] - half
        knots = (
            np.concatenate([slopes[:1] + first, inner, slopes[-1:] - last]) if len(slopes) else np.zeros(1)
        )
        return CostCurve.of(np.exp(knots[::-1]), costs[::-1])

    def choose(self, price: float, at: float) -> int:
        """The action at `price` for a question whose draw is `at`, in [0, 1)."""
        return self.choose_for(self.curve.cost_at(price), at)

    def choose_for(self, budget: float, at: float) -> int:
        """The action of the mixture that costs `budget` on average, or as little as can be, for a draw."""
        vertex, share = self._position(budget)
        return int(self.vertices[vertex + (at < share)])

    def shares(self, budget: float) -> Floats:
        """Probability with which the mixture that costs `budget` on average draws each action, shape (k,).

        A budget below the cheapest action's mean cost gets that action.

        Example:
            >>> Mixture([0.5, 0.8], [10.0, 90.0]).shares(30.0).tolist()
            [0.75, 0.25]
        """
        vertex, share = self._position(budget)
        shares = np.zeros(len(self.cost))
        shares[self.vertices[vertex]] = 1 - share
        if share:
            shares[self.vertices[vertex + 1]] = share
        return shares

    def accuracy_for(self, budget: ArrayLike) -> Floats:
        """Mean accuracy of the mixtures of these mean costs; beyond the ends of the curve, that of its ends.

        Example:
            >>> Mixture([0.5, 0.75], [10.0, 90.0]).accuracy_for([0.0, 50.0, 100.0]).tolist()
            [0.5, 0.625, 0.75]
        """
        costs, accuracies = self.cost[self.vertices], self.accuracy[self.vertices]
        return np.asarray(np.interp(np.asarray(budget, float), costs, accuracies))

    def slope(self, budget: float) -> float:
        """Accuracy that one more unit of cost buys at a mean cost of `budget`; 0 beyond the ends."""
        costs = self.cost[self.vertices]
        right = int(np.searchsorted(costs, budget))
        if not 0 < right < len(costs):
            return 0.0
        gained = np.diff(self.accuracy[self.vertices[right - 1 : right + 1]])
        return float(gained[0] / (costs[right] - costs[right - 1]))

    def _position(self, budget: float) -> tuple[int, float]:
        """The vertex below a mean cost, and how far on towards the next one it lies, in [0, 1)."""
        at = float(np.interp(budget, self.cost[self.vertices], np.arange(len(self.vertices))))
        return int(at), at % 1


def hull(accuracy: Floats, cost: Floats) -> Ints:
    """Positions on the upper concave hull of the points (cost, accuracy), from the cheapest on."""
    vertices: list[int] = []
    for point in np.lexsort((-accuracy, cost)):
        if vertices and accuracy[point] <= accuracy[vertices[-1]]:
            continue
        while len(vertices) > 1:
            before, last = vertices[-2:]
            rise = (accuracy[last] - accuracy[before]) * (cost[point] - cost[last])
            if rise > _BEND * (accuracy[point] - accuracy[last]) * (cost[last] - cost[before]):
                break
            vertices.pop()
        vertices.append(int(point))
    return np.array(vertices, dtype=np.intp)


def spend(accuracy: Floats, cost: Floats, budget: float, *, unit: str = "") -> tuple[Ints, float]:
    """The best actions for a batch, one per question, whose mean cost is at most `budget`.

    Moves to more expensive actions are made in the order of accuracy gained per cost while they fit, so the
    result is within one question's move of the optimum (arXiv:2410.04707, section 3).

    Args:
        accuracy: Expected accuracy, shape (n, k).
        cost: Expected cost, shape (n, k).
        budget: Allowed mean cost per question.
        unit: Of the costs, for the error.

    Returns:
        Positions of the actions, shape (n,), and the accuracy the next unit of cost would have bought.

    Raises:
        InfeasibleBudgetError: Even the cheapest actions cost more, or the budget is no number.
    """
    choice, moves = _cheapest_and_moves(accuracy, cost)
    total, allowed = float(cost[np.arange(len(choice)), choice].sum()), budget * len(choice) * (1 + 1e-12)
    if not total <= allowed:
        raise InfeasibleBudgetError(budget, total / len(choice), unit)
    for slope, row, to in moves:
        total += cost[row, to] - cost[row, choice[row]]
        if total > allowed:
            return choice, slope
        choice[row] = to
    return choice, 0.0


def reach(accuracy: Floats, cost: Floats, target: float) -> tuple[Ints, float]:
    """The cheapest actions for a batch, one per question, whose mean accuracy is at least `target`.

    The moves of `spend`, until the accuracy is reached: within one question's move of the optimum.

    Args:
        accuracy: Expected accuracy, shape (n, k).
        cost: Expected cost, shape (n, k).
        target: Mean accuracy to reach.

    Returns:
        Positions of the actions, shape (n,), and the accuracy that the last unit of cost bought.

    Raises:
        InfeasibleAccuracyError: Even the most accurate actions do not reach it, or it is no number.

    Example:
        >>> accuracy, cost = np.array([[0.5, 0.9], [0.5, 0.6]]), np.array([[1.0, 5.0], [1.0, 5.0]])
        >>> choice, price = reach(accuracy, cost, 0.7)
        >>> choice.tolist(), round(price, 6)
        ([1, 0], 0.1)
    """
    choice, moves = _cheapest_and_moves(accuracy, cost)
    rows = np.arange(len(choice))
    total, wanted = float(accuracy[rows, choice].sum()), target * len(choice) - 1e-12 * len(choice)
    price = moves[0][0] if moves else 0.0
    for slope, row, to in moves:
        if total >= wanted:
            break
        total += accuracy[row, to] - accuracy[row, choice[row]]
        choice[row], price = to, slope
    if not total >= wanted:
        raise InfeasibleAccuracyError(target, total / len(choice))
    return choice, price


def _cheapest_and_moves(accuracy: Floats, cost: Floats) -> tuple[Ints, list[tuple[float, int, int]]]:
    """The cheapest action of each question, and the upgrades from there, most accuracy per cost first.

    Each upgrade is its accuracy per cost, its question and the action it leads to.
    """
    hulls = [hull(a, c) for a, c in zip(accuracy, cost, strict=True)]
    choice = np.array([vertices[0] for vertices in hulls], dtype=np.intp)
    moves = [
        (-(accuracy[row, to] - accuracy[row, at]) / (cost[row, to] - cost[row, at]), step, row, to)
        for row, vertices in enumerate(hulls)
        for step, (at, to) in enumerate(pairwise(vertices))
    ]
    return choice, [(-float(negative_slope), row, int(to)) for negative_slope, _, row, to in sorted(moves)]


def _log(price: float) -> float:
    return math.log(price) if price > 0 else -math.inf
