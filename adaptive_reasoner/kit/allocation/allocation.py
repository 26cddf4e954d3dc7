"""Which action each question gets, with the certificate that no better choice exists."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isinf
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from adaptive_reasoner.amounts import written
from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.pages.tables import html_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Mixed:
    """The one question whose action is drawn at random, so that the expected cost meets the budget exactly.

    Attributes:
        question: Its position in the table.
        action: The more expensive action, if the coin says so; `Allocation.choice` holds the cheaper one.
        probability: Of the more expensive action, in (0, 1).
    """

    question: int
    action: int
    probability: float


@dataclass(frozen=True, eq=False)
class Allocation:
    """The best action for each question within the budget, with a certificate of optimality.

    Attributes:
        actions: Names of the k actions.
        choice: Position of each question's action, shape (n,).
        mixed: The question whose action is drawn, or None.
        price: Accuracy that one more unit of cost would buy; 0 when the budget does not bind.
        budget: The mean cost allowed.
        accuracy: Expected mean accuracy.
        cost: Expected mean cost; equal to the budget while it binds.
        bound: Dual value at the price: no allocation within the budget, mixed or not, can be more accurate.
    """

    actions: tuple[str, ...]
    choice: Ints
    mixed: Mixed | None
    price: float
    budget: float
    accuracy: float
    cost: float
    bound: float

    @property
    def gap(self) -> float:
        """How far the accuracy may lie below the optimum: rounding, for an exact solution."""
        return max(0.0, self.bound - self.accuracy)

    @property
    def binds(self) -> bool:
        """Whether a larger budget would buy more."""
        return self.price > 0

    def probabilities(self) -> Floats:
        """The probability of each action for each question, shape (n, k)."""
        played = np.zeros((len(self.choice), len(self.actions)))
        played[np.arange(len(self.choice)), self.choice] = 1.0
        if self.mixed is not None:
            played[self.mixed.question, self.choice[self.mixed.question]] -= self.mixed.probability
            played[self.mixed.question, self.mixed.action] += self.mixed.probability
        return played

    def counts(self) -> dict[str, float]:
        """Expected number of questions an action."""
        counts = np.bincount(self.choice, minlength=len(self.actions)).astype(np.float64)
        if self.mixed is not None:
            counts[self.choice[self.mixed.question]] -= self.mixed.probability
            counts[self.mixed.action] += self.mixed.probability
        return dict(zip(self.actions, counts.tolist(), strict=True))

    def shares(self) -> dict[str, float]:
        """Expected share of the questions an action."""
        return {action: count / len(self.choice) for action, count in self.counts().items()}

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the share of each action, by matplotlib; on new axes by default."""
        from adaptive_reasoner.kit.plotting import plot_shares

        title = f"accuracy {self.accuracy:.3f} at a mean cost of {written(self.cost, 4)}"
        return plot_shares(self.shares(), ax, title=title)

    def __repr__(self) -> str:
        spent = f"cost {written(self.cost, 4)} of a budget of {written(self.budget, 4)}"
        scored = f"{len(self.choice)} questions, accuracy {written(self.accuracy, 4)}"
        return f"Allocation({scored}, {spent}, price {written(self.price, 3)})"

    def _repr_html_(self) -> str:
        rows = [{"action": name, "share": f"{share:.1%}"} for name, share in self.shares().items()]
        spent = f"a mean cost of {written(self.cost, 4)} of {written(self.budget, 4)}"
        caption = f"accuracy {written(self.accuracy, 4)} at {spent}, price {written(self.price, 3)}"
        return html_table(rows, caption)


class Exchanged(Protocol):
    """An optimum in which cost and accuracy are exchanged and their signs turned."""

    @property
    def choice(self) -> Ints:
        """Position of each question's action, shape (n,)."""

    @property
    def mixed(self) -> Mixed | None:
        """The question whose action is drawn, or None."""

    @property
    def price(self) -> float:
        """Of the exchanged "budget"."""

    @property
    def accuracy(self) -> float:
        """Mean cost, negative."""

    @property
    def cost(self) -> float:
        """Mean accuracy, negative."""


@dataclass(frozen=True, eq=False)
class FloorAllocation(Allocation):
    """The cheapest action for each question at a mean accuracy, with a certificate of optimality.

    What it has of an `Allocation` reads the same, with `cost` as the budget: the least one that reaches the
    accuracy. Its price is infinite where even the cheapest actions are accurate enough.

    Attributes:
        target_accuracy: The mean accuracy that is reached at least.
        cost_bound: Dual value: no allocation of this accuracy, mixed or not, can cost less.
    """

    target_accuracy: float
    cost_bound: float

    @classmethod
    def exchanged(
        cls,
        found: Exchanged,
        actions: tuple[str, ...],
        *,
        target_accuracy: float,
        cost_bound: float,
        mean_best_value: Callable[[float], float],
    ) -> Self:
        """The allocation behind the best "accuracy" -C within a "budget" -q of "cost" -A.

        Args:
            found: That optimum.
            actions: Names of the k actions.
            target_accuracy: q.
            cost_bound: What no allocation of this accuracy can cost less than.
            mean_best_value: The dual function of A and C at a price, but for price * budget.
        """
        choice, mixed = found.choice.copy(), found.mixed
        if mixed is not None:  # its choice is the more expensive one, and the draw turns to the cheaper
            expensive = int(choice[mixed.question])
            choice[mixed.question] = mixed.action
            again = Mixed(mixed.question, expensive, 1.0 - mixed.probability)
            mixed = again if mixed.probability < 1.0 else None
        reached, spent = 0.0 - found.cost, 0.0 - found.accuracy
        price = 1.0 / found.price if found.price > 0 else inf
        return cls(
            actions=actions,
            choice=choice,
            mixed=mixed,
            price=price,
            budget=spent,
            accuracy=reached,
            cost=spent,
            bound=reached if isinf(price) else mean_best_value(price) + price * spent,
            target_accuracy=target_accuracy,
            cost_bound=cost_bound,
        )

    @property
    def cost_gap(self) -> float:
        """How far the cost may lie above the optimum: rounding, for an exact solution."""
        return max(0.0, self.cost - self.cost_bound)

    def __repr__(self) -> str:
        least = f"cost {written(self.cost, 4)} at an accuracy of {written(self.accuracy, 4)}"
        aim = f"({written(self.target_accuracy, 4)} wanted)"
        price = written(self.price, 3)
        return f"FloorAllocation({len(self.choice)} questions, {least} {aim}, price {price})"
