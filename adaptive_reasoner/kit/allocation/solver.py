"""The oracle: which action each question should get, for the best accuracy in a budget or the least cost.

A multiple-choice knapsack, maximise mean A[i, a_i] subject to mean C[i, a_i] <= B, solved by its dual: at a
price of compute each question takes argmax A - price * C, and the price is where the budget binds
(arXiv:2604.14853, section 3; arXiv:2410.04707, section 4). Every question's actions form an upper concave
hull; its edges, sorted by slope over all questions, are the order in which money is best spent. At most one
edge is split, by a coin, so the budget is met exactly and the value is that of the linear programme.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from adaptive_reasoner.amounts import written
from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.errors import InfeasibleAccuracyError, InfeasibleBudgetError, OutcomesError
from adaptive_reasoner.kit.allocation.allocation import Allocation, FloorAllocation, Mixed
from adaptive_reasoner.kit.allocation.concave_hull import (
    Edges,
    best_at,
    chosen_from,
    climb,
    edges_between,
    mean_best_value,
)
from adaptive_reasoner.kit.allocation.solver_of_files import cheapest_of_file, solve_file
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.outcomes_file import OutcomesFile
from adaptive_reasoner.pages.tables import html_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SAMPLE = 20_000  # rows a price is first guessed from, in tables larger than twice that
_MARGIN = 6.0  # standard errors left around that guess
_ROUNDING = 1e-12  # relative error of a long sum


@dataclass(frozen=True, eq=False)
class Predictions:
    """Expected accuracy and cost of every action, for m questions.

    Attributes:
        actions: Names of the k actions.
        accuracy: Shape (m, k).
        cost: Shape (m, k), in `cost_unit`.
        cost_unit: What a cost counts.
    """

    actions: tuple[str, ...]
    accuracy: Floats
    cost: Floats
    cost_unit: str

    def only(self, columns: Ints) -> "Predictions":
        """Those of the actions at some positions."""
        names = tuple(self.actions[column] for column in columns)
        return Predictions(names, self.accuracy[:, columns], self.cost[:, columns], self.cost_unit)


Priced = Outcomes | Predictions
"""What an allocation is made from; anything with these four fields works."""


@overload
def solve(outcomes: Priced | OutcomesFile, budget: float) -> Allocation: ...


@overload
def solve(outcomes: Priced | OutcomesFile, *, target_accuracy: float) -> FloorAllocation: ...


def solve(
    outcomes: Priced | OutcomesFile, budget: float | None = None, *, target_accuracy: float | None = None
) -> Allocation:
    """The exact optimum within `budget` or at `target_accuracy`, in expectation over at most one random draw.

    Either maximise mean A[i, a_i] subject to mean C[i, a_i] <= B, or minimise mean C[i, a_i] subject to
    mean A[i, a_i] >= q. The second is the first with cost and accuracy exchanged and their signs turned.

    The price is bracketed on a sample first and only questions whose choice differs across the bracket are
    looked at closely. Both ends of the bracket are verified on the whole table, so the answer stays exact.

    Args:
        outcomes: Accuracy and cost, each of shape (n, k). Ties go to the cheaper action. An `OutcomesFile`
            is read a few times and never held in memory.
        budget: Allowed mean cost per question, in the unit of the costs; infinity is allowed.
        target_accuracy: Mean accuracy to reach at the least cost, in the unit of the accuracies; instead of
            a budget.

    Raises:
        InfeasibleBudgetError: Even the cheapest actions cost more than the budget.
        InfeasibleAccuracyError: Even the most accurate actions do not reach the target accuracy.

    Example:
        >>> from types import SimpleNamespace
        >>> table = SimpleNamespace(
        ...     actions=("direct", "cot"), cost_unit="tokens",
        ...     accuracy=np.array([[0.9, 1.0], [0.1, 0.9]]), cost=np.array([[1.0, 10.0], [1.0, 10.0]]),
        ... )
        >>> best = solve(table, budget=5.5)
        >>> [table.actions[a] for a in best.choice], best.accuracy, best.cost, best.gap < 1e-12
        (['direct', 'cot'], 0.9, 5.5, True)
        >>> least = solve(table, target_accuracy=0.7)
        >>> round(least.accuracy, 12), round(least.cost, 12), least.cost_gap < 1e-12
        (0.7, 3.25, True)
    """
    if (budget is None) == (target_accuracy is None):
        raise ValueError("give either a budget or a target accuracy")
    if isinstance(outcomes, OutcomesFile):
        if target_accuracy is not None:
            return cheapest_of_file(outcomes, _checked("target accuracy", target_accuracy))
        return solve_file(outcomes, _checked("budget", budget))
    accuracy, cost = _matrices(outcomes, "solve")
    if target_accuracy is not None:
        return _cheapest_at(outcomes, accuracy, cost, target_accuracy)
    budget = _checked("budget", budget)
    steep, flat = _bracket(accuracy, cost, budget)
    part = Frontier._between(outcomes, steep, flat)
    reached = part.costs[0] <= budget and (part.prices[-1] == 0 or budget < part.costs[-1])
    return (part if reached else frontier(outcomes)).at(budget)


def _cheapest_at(outcomes: Priced, accuracy: Floats, cost: Floats, wanted: float) -> FloorAllocation:
    """The least mean cost at a mean accuracy: the best "accuracy" -C within a "budget" -q of "cost" -A."""
    wanted = _checked("target accuracy", wanted)
    exchanged = Predictions(tuple(outcomes.actions), accuracy=-cost, cost=-accuracy, cost_unit="")
    try:
        found = solve(exchanged, -wanted)
    except InfeasibleBudgetError as error:
        raise InfeasibleAccuracyError(wanted, -error.cheapest) from None
    return FloorAllocation.exchanged(
        found,
        tuple(outcomes.actions),
        target_accuracy=wanted,
        cost_bound=0.0 - found.bound,
        mean_best_value=partial(mean_best_value, accuracy, cost),
    )


def frontier(outcomes: Priced) -> "Frontier":
    """The exact optimum for every budget, from one sort.

    Example:
        >>> from types import SimpleNamespace
        >>> table = SimpleNamespace(
        ...     actions=("direct", "cot"), cost_unit="tokens",
        ...     accuracy=np.array([[0.9, 1.0], [0.1, 0.9]]), cost=np.array([[1.0, 10.0], [1.0, 10.0]]),
        ... )
        >>> curve = frontier(table)
        >>> curve.costs.tolist(), curve.at(5.5).accuracy
        ([1.0, 5.5, 10.0], 0.9)
    """
    return Frontier._between(outcomes, np.inf, 0.0)


@dataclass(frozen=True, eq=False)
class Frontier:
    """The best mean accuracy for each mean cost: a concave curve.

    Attributes:
        table: What it was made from.
        start: Position of each question's action at the first vertex, shape (n,).
        edges: Moves in the order in which money is best spent, m of them.
        costs: Mean cost at each vertex, rising, shape (m + 1,).
        accuracies: Mean accuracy at each vertex, rising, shape (m + 1,).
        prices: Accuracy that one more unit of cost buys at each vertex, falling to 0, shape (m + 1,).
    """

    table: Priced
    start: Ints
    edges: Edges
    costs: Floats
    accuracies: Floats
    prices: Floats

    @classmethod
    def _between(cls, table: Priced, steep: float, flat: float) -> "Frontier":
        """The part of the frontier whose prices lie below `steep` and above `flat`."""
        accuracy, cost = _matrices(table)
        start = best_at(accuracy, cost, steep)
        whole = np.isinf(steep) and flat == 0
        moving = None if whole else np.flatnonzero(start != best_at(accuracy, cost, flat))
        edges = edges_between(accuracy, cost, start, flat, rows=moving).steepest_first()
        return cls(
            table=table,
            start=start,
            edges=edges,
            costs=climb(chosen_from(cost, start), edges.cost),
            accuracies=climb(chosen_from(accuracy, start), edges.gain),
            prices=np.append(edges.slope, flat),
        )

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw it over fixed actions and their mixture, by matplotlib; on new axes by default."""
        from adaptive_reasoner.kit.plotting import plot_frontier

        accuracy, cost = _matrices(self.table)
        means = zip(cost.mean(axis=0).tolist(), accuracy.mean(axis=0).tolist(), strict=True)
        hull = uniform_hull(self.table)
        return plot_frontier(
            self.costs,
            self.accuracies,
            ax,
            fixed=dict(zip(self.table.actions, means, strict=True)),
            hull=hull.actions,
            mixture=hull.accuracy_at,
            unit=self.table.cost_unit,
        )

    def __repr__(self) -> str:
        costs = f"cost {written(self.costs[0], 4)} to {written(self.costs[-1], 4)}"
        accuracies = f"accuracy {written(self.accuracies[0], 4)} to {written(self.accuracies[-1], 4)}"
        return f"Frontier({len(self.start)} questions, {costs}, {accuracies})"

    def _repr_html_(self) -> str:
        budgets = np.linspace(self.costs[0], self.costs[-1], 9).tolist()
        rows = [{"budget": b, "accuracy": self.at(b).accuracy, "price": self.price_at(b)} for b in budgets]
        return html_table(rows, f"frontier of {len(self.start):,} questions, cost in {self.table.cost_unit}")

    def price_at(self, budget: float) -> float:
        """Accuracy that one more unit of cost buys at `budget`; infinite below the cheapest actions' cost."""
        if budget < self.costs[0]:
            return np.inf
        return float(self.prices[np.searchsorted(self.costs[1:], budget, side="right")])

    def at(self, budget: float) -> Allocation:
        """The best allocation within `budget`.

        Raises:
            InfeasibleBudgetError: Even the cheapest actions cost more than the budget.
        """
        budget = _checked("budget", budget)
        within = budget + _ROUNDING * abs(budget)
        if within < self.costs[0]:
            raise InfeasibleBudgetError(budget, float(self.costs[0]), self.table.cost_unit)
        taken = int(np.searchsorted(self.costs[1:], within, side="right"))
        choice = self.start.copy()
        choice[self.edges.row[:taken]] = self.edges.action[:taken]  # of a row's edges the last one stays
        accuracy, cost = (float(chosen_from(cells, choice).mean()) for cells in _matrices(self.table))
        price, mixed = float(self.prices[taken]), None
        if taken < len(self.edges.row) and cost < budget - _ROUNDING * abs(budget):
            edge = self.edges
            probability = min(1.0, (budget - cost) * len(choice) / float(edge.cost[taken]))
            mixed = Mixed(int(edge.row[taken]), int(edge.action[taken]), probability)
            accuracy += probability * float(edge.gain[taken]) / len(choice)
            cost += probability * float(edge.cost[taken]) / len(choice)
        return Allocation(
            actions=tuple(self.table.actions),
            choice=choice,
            mixed=mixed,
            price=price,
            budget=budget,
            accuracy=accuracy,
            cost=cost,
            bound=mean_best_value(self.table.accuracy, self.table.cost, price) + (price and price * budget),
        )


@dataclass(frozen=True, eq=False)
class Hull:
    """The best random mixtures of fixed actions, which ignore the question: the line to beat.

    Attributes:
        actions: Names of the actions at the vertices, cheapest first, h of them.
        costs: Mean cost at each vertex, rising, shape (h,).
        accuracies: Mean accuracy at each vertex, rising, shape (h,).
        cost_unit: What a cost counts.
    """

    actions: tuple[str, ...]
    costs: Floats
    accuracies: Floats
    cost_unit: str

    def accuracy_at(self, cost: ArrayLike) -> Any:
        """Best accuracy at a mean cost; that of the cheapest action below its cost, flat beyond the best."""
        return _scalar(np.interp(np.asarray(cost, dtype=np.float64), self.costs, self.accuracies))

    def cost_at(self, accuracy: ArrayLike) -> Any:
        """Least mean cost of an accuracy; infinite above the best action's."""
        accuracy = np.asarray(accuracy, dtype=np.float64)
        needed = np.interp(accuracy, self.accuracies, self.costs)
        return _scalar(np.where(accuracy > self.accuracies[-1], np.inf, needed))

    def mixture_at(self, cost: float) -> dict[str, float]:
        """Which action to take with what probability, to be most accurate at a mean cost.

        Raises:
            InfeasibleBudgetError: The cheapest action costs more.
        """
        within = cost + _ROUNDING * abs(cost)
        if within < self.costs[0]:
            raise InfeasibleBudgetError(cost, float(self.costs[0]), self.cost_unit)
        left = int(np.searchsorted(self.costs, within, side="right")) - 1
        if left == len(self.costs) - 1 or cost <= self.costs[left]:
            return {self.actions[left]: 1.0}
        share = float((cost - self.costs[left]) / (self.costs[left + 1] - self.costs[left]))
        return {self.actions[left]: 1 - share, self.actions[left + 1]: share}


def uniform_hull(outcomes: Priced) -> Hull:
    """The best random mixture of fixed actions at each mean cost: the hull of the mean row.

    Example:
        >>> from types import SimpleNamespace
        >>> table = SimpleNamespace(
        ...     actions=("direct", "cot"), cost_unit="tokens",
        ...     accuracy=np.array([[0.9, 1.0], [0.1, 0.9]]), cost=np.array([[1.0, 10.0], [1.0, 10.0]]),
        ... )
        >>> hull = uniform_hull(table)
        >>> hull.accuracy_at(5.5), hull.cost_at(0.95), hull.mixture_at(5.5)
        (0.725, 10.0, {'direct': 0.5, 'cot': 0.5})
    """
    accuracy, cost = _matrices(outcomes, "uniform_hull")
    accuracy, cost = accuracy.mean(axis=0, keepdims=True), cost.mean(axis=0, keepdims=True)
    start = best_at(accuracy, cost, np.inf)
    vertices = np.append(start, edges_between(accuracy, cost, start, 0.0).action)
    return Hull(
        actions=tuple(outcomes.actions[int(vertex)] for vertex in vertices),
        costs=cost[0, vertices],
        accuracies=accuracy[0, vertices],
        cost_unit=outcomes.cost_unit,
    )


def _bracket(accuracy: Floats, cost: Floats, budget: float) -> tuple[float, float]:
    """Two prices between which the budget very probably binds, from a sample of the rows.

    Whether it does is for the caller to check. Small tables are not worth the guess: (inf, 0).
    """
    if len(accuracy) <= 2 * _SAMPLE:
        return np.inf, 0.0
    rows = np.random.default_rng(0).integers(len(accuracy), size=_SAMPLE)
    sample = Predictions(("",) * cost.shape[1], accuracy[rows], cost[rows], "")
    curve = frontier(sample)
    spread = chosen_from(sample.cost, best_at(sample.accuracy, sample.cost, curve.price_at(budget))).std()
    margin = _MARGIN * float(spread) / np.sqrt(_SAMPLE)
    steep = curve.price_at(budget - margin) * (1 + _ROUNDING)
    flat = curve.price_at(budget + margin) * (1 - _ROUNDING)  # past all rows that are tied at this price
    return steep, flat


def _matrices(table: Priced, call: str = "frontier") -> tuple[Floats, Floats]:
    check_argument(table, "Outcomes", call)
    accuracy, cost = (np.asarray(cells, dtype=np.float64) for cells in (table.accuracy, table.cost))
    if accuracy.shape != cost.shape or accuracy.ndim != 2 or not accuracy.size:
        raise OutcomesError(
            f"accuracy is of shape {accuracy.shape}, cost of {cost.shape}: not (questions, actions) both"
        )
    return accuracy, cost


def _checked(name: str, wanted: float | None) -> float:
    if wanted is None or np.isnan(wanted):
        raise ValueError(f"the {name} is not a number")
    return float(wanted)


def _scalar(values: Floats) -> Any:
    return values if np.ndim(values) else float(values)
