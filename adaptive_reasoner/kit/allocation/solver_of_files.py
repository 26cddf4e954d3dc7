"""The oracle of a table that does not fit in memory: a few readings of its file, and the same certificate.

The price at which the budget binds is a weighted quantile of the slopes of all hull edges. It is found as in
a radix sort: a first reading adds up the edges' costs by the leading bits of their slopes, and each further
one looks at the slopes with the bits where the budget binds, until those edges fit in memory and are sorted.
A last reading adds up what was chosen, and the dual value at the price, as `solver.solve` does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import fsum, inf
from typing import NamedTuple

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.errors import InfeasibleAccuracyError, InfeasibleBudgetError
from adaptive_reasoner.kit.allocation.allocation import Allocation, FloorAllocation, Mixed
from adaptive_reasoner.kit.allocation.concave_hull import (
    Edges,
    best_at,
    chosen_from,
    edges_between,
    mean_best_value,
)
from adaptive_reasoner.kit.tables.outcomes_file import OutcomesFile

_IN_MEMORY = 8_000_000  # edges that are held and sorted: 40 bytes each, twice
_BITS = 16  # of the slopes told apart in a reading
_TRIES = 4  # at a bracket, which rounding may put beside the right one
_ROUNDING = 1e-12  # relative error of a long sum


def solve_file(table: OutcomesFile, budget: float) -> Allocation:
    """The exact optimum within `budget`, as `solver.solve` finds it.

    Returns:
        The allocation. Its `choice` holds small unsigned numbers, in the order of the file.

    Raises:
        InfeasibleBudgetError: Even the cheapest actions cost more than the budget.
    """
    found = _Search(_Table(table, exchanged=False), budget).run()
    return Allocation(
        actions=table.actions,
        choice=found.choice,
        mixed=found.mixed,
        price=found.price,
        budget=budget,
        accuracy=found.accuracy,
        cost=found.cost,
        bound=found.bound + (found.price and found.price * budget),
    )


def cheapest_of_file(table: OutcomesFile, target_accuracy: float) -> FloorAllocation:
    """The least mean cost at `target_accuracy`: as `solver.solve`, with cost and accuracy exchanged.

    Raises:
        InfeasibleAccuracyError: Even the most accurate actions do not reach the target accuracy.
    """
    try:
        found = _Search(_Table(table, exchanged=True), -target_accuracy).run()
    except InfeasibleBudgetError as error:
        raise InfeasibleAccuracyError(target_accuracy, -error.cheapest) from None
    return FloorAllocation.exchanged(
        found,
        table.actions,
        target_accuracy=target_accuracy,
        cost_bound=0.0 - (found.bound + (found.price and found.price * -target_accuracy)),
        mean_best_value=partial(_mean, _Table(table, exchanged=False)),
    )


class _Table:
    """Accuracies and costs, block by block; or, for a floor of accuracy, the two exchanged and negative."""

    def __init__(self, blocks: OutcomesFile, *, exchanged: bool) -> None:
        self._blocks, self._exchanged = blocks, exchanged
        self.cost_unit = "" if exchanged else blocks.cost_unit

    def __len__(self) -> int:
        return len(self._blocks)

    def __iter__(self) -> Iterator[tuple[slice, Floats, Floats]]:
        first = 0
        for accuracy, cost in self._blocks:
            rows = slice(first, first + len(cost))
            yield (rows, -cost, -accuracy) if self._exchanged else (rows, accuracy, cost)
            first = rows.stop

    def no_choice(self) -> Ints:
        """Room for a choice of each question, in the smallest numbers that name an action."""
        small = np.uint8 if len(self._blocks.actions) <= 256 else np.uint32
        return np.empty(len(self), dtype=small)


class _Found(NamedTuple):
    choice: Ints
    mixed: Mixed | None
    price: float
    accuracy: float
    cost: float
    bound: float  # without price * limit


class _Bracket(NamedTuple):
    steep: float
    flat: float
    spent: float  # by all edges that are at least as steep as `steep`, about
    spent_beyond: float  # by all that are steeper than `flat`, about
    single: bool = False  # whether all edges between are equally steep


class _Search:
    """Finds the price at which a mean cost is reached, and who pays it."""

    def __init__(self, table: _Table, limit: float) -> None:
        self._table, self._limit = table, limit
        self._within = (limit + _ROUNDING * abs(limit)) * len(table)  # of the sum over the questions

    def run(self) -> _Found:
        """The choice of every question, and the certificate."""
        choice = self._table.no_choice()
        few = _IN_MEMORY
        drift = 0.0  # what the sums by slope lack of the sums over questions, by rounding
        for _ in range(_TRIES):
            bracket = self._bracket(drift, few)
            spent, held = self._start(choice, bracket)
            if held is None and not bracket.single:
                few = 0  # many edges as steep as the next ones
                continue
            left = self._within - spent
            if left < 0:
                drift += spent - bracket.spent
                continue
            parts = [held] if held is not None else self._edges(bracket)
            price, mixed, left = self._take(choice, bracket.flat, left, parts)
            if price > bracket.flat or bracket.flat == 0.0:
                break
            drift += self._within - left - bracket.spent_beyond
        accuracy, cost, values = [], [], []
        for rows, gains, costs in self._table:
            chosen = choice[rows].astype(np.intp)
            accuracy.append(chosen_from(gains, chosen).sum())
            cost.append(chosen_from(costs, chosen).sum())
            values.append(mean_best_value(gains, costs, price) * len(gains))
            if mixed is not None and rows.start <= mixed.question < rows.stop:
                at = mixed.question - rows.start
                moved = (mixed.action, chosen[at])
                accuracy.append(mixed.probability * (gains[at, moved[0]] - gains[at, moved[1]]))
                cost.append(mixed.probability * (costs[at, moved[0]] - costs[at, moved[1]]))
        means = (fsum(parts) / len(self._table) for parts in (accuracy, cost, values))
        return _Found(choice, mixed, price, *means)

    def _bracket(self, drift: float, few: int) -> _Bracket:
        """Prices between which the budget binds, with few edges between them, or a single slope."""
        low, shift, spent = 0, 64, drift
        while True:
            shift -= _BITS
            start, counts, costs = self._histogram(low, shift)
            if shift + _BITS == 64:
                spent += start
                if self._within < start:
                    least = start / len(self._table)
                    raise InfeasibleBudgetError(self._limit, least, self._table.cost_unit)
            above = spent + np.append(np.cumsum(costs[::-1])[::-1], 0.0)  # from each bin on
            beyond = np.flatnonzero(above[:-1] > self._within)
            if not len(beyond):
                return _Bracket(0.0, 0.0, spent, spent)  # the most accurate choices are within the budget
            at = int(beyond[-1])
            spent, low = float(above[at + 1]), low + (at << shift)
            if shift == 0:  # a single slope, but for rounding
                steep, flat = _slope(low) * (1 + _ROUNDING), _slope(low) * (1 - _ROUNDING)
                return _Bracket(steep, flat, spent, float(above[at]), single=True)
            if counts[at] <= few:
                steep, flat = _slope(low + (1 << shift) - 1), _slope(low) * (1 - _ROUNDING)
                return _Bracket(steep, flat, spent, float(above[at]))

    def _histogram(self, low: int, shift: int) -> tuple[float, Ints, Floats]:
        """What is spent above some slopes, and how many edges they have at which cost, by their next bits."""
        counts, costs = np.zeros(1 << _BITS, dtype=np.intp), np.zeros(1 << _BITS)
        whole = shift + _BITS == 64
        steep = inf if whole else _slope(low + (1 << (shift + _BITS)))
        flat = 0.0 if whole else _slope(low) * (1 - _ROUNDING)
        spent = []
        for _, a, c in self._table:
            start = best_at(a, c, steep)
            spent.append(float(chosen_from(c, start).sum()))
            edges = edges_between(a, c, start, flat)
            bins = (edges.slope.view(np.int64) - low) >> shift
            inside = (bins >= 0) & (bins < len(counts))
            counts += np.bincount(bins[inside], minlength=len(counts))
            costs += np.bincount(bins[inside], edges.cost[inside], minlength=len(costs))
        return fsum(spent), counts, costs

    def _start(self, choice: Ints, bracket: _Bracket) -> tuple[float, Edges | None]:
        """Choose for every question at a price: what that costs, and the edges that lead on, if few."""
        costs: list[float] = []
        parts: list[Edges] | None = None if bracket.single else []
        count = 0
        for rows, a, c in self._table:
            start = best_at(a, c, bracket.steep)
            choice[rows] = start
            costs.append(float(chosen_from(c, start).sum()))
            if parts is not None:
                parts.append(_moved(edges_between(a, c, start, bracket.flat), rows.start))
                count += len(parts[-1].row)
                parts = parts if count <= 2 * _IN_MEMORY else None
        return fsum(costs), None if parts is None else _joined(parts).steepest_first()

    def _edges(self, bracket: _Bracket) -> Iterator[Edges]:
        """The edges between two prices that are one but for rounding, in the order of the file."""
        for rows, a, c in self._table:
            start = best_at(a, c, bracket.steep)
            yield _moved(edges_between(a, c, start, bracket.flat), rows.start)

    def _take(
        self, choice: Ints, flat: float, left: float, parts: Iterable[Edges]
    ) -> tuple[float, Mixed | None, float]:
        """Move along edges as long as the sum that is left pays for them.

        Returns:
            The price, the question whose action is drawn, and what is left; the price is `flat` where all
            edges are paid for.
        """
        for edges in parts:
            paid = np.cumsum(edges.cost)
            taken = int(np.searchsorted(paid, left, side="right"))
            choice[edges.row[:taken]] = edges.action[:taken]  # of a question's edges the last one stays
            left -= float(paid[taken - 1]) if taken else 0.0
            if taken < len(paid):
                rounding = 2 * _ROUNDING * abs(self._limit) * len(choice)
                probability = min(1.0, (left - rounding / 2) / float(edges.cost[taken]))
                drawn = Mixed(int(edges.row[taken]), int(edges.action[taken]), probability)
                return float(edges.slope[taken]), drawn if left > rounding else None, left
        return flat, None, left


def _moved(edges: Edges, first: int) -> Edges:
    """Edges of a block whose first question has the number `first`."""
    return replace(edges, row=edges.row + first)


def _joined(parts: Sequence[Edges]) -> Edges:
    return Edges(*(np.concatenate(column) for column in zip(*(vars(e).values() for e in parts), strict=True)))


def _slope(bits: int) -> float:
    """The number with these bits; larger bits are larger numbers."""
    return float(np.int64(bits).view(np.float64))


def _mean(table: _Table, price: float) -> float:
    """The dual function, but for price * budget."""
    return fsum(mean_best_value(a, c, price) * len(a) for _, a, c in table) / len(table)
