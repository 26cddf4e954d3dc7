"""The upper concave hull of every question's actions, many questions at a time.

The functions take and return plain arrays; `allocation.solver` gives them their meaning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from adaptive_reasoner.arrays import Floats, Ints

_BLOCK = 4096  # rows worked on at a time, so that a block of eight actions stays in the cache


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of the rows' hulls: what moving a row from one action to the next better one gains and costs.

    Attributes:
        row: Which row moves, shape (m,).
        action: Where to, shape (m,).
        gain: Accuracy gained, positive, shape (m,).
        cost: Cost added, positive, shape (m,).
        slope: Gain by cost, never rising along the edges of one row, shape (m,).
    """

    row: Ints
    action: Ints
    gain: Floats
    cost: Floats
    slope: Floats

    def steepest_first(self) -> Self:
        """The same, sorted by slope; edges of one row keep their order."""
        order = np.argsort(-self.slope, kind="stable")
        return type(self)(*(column[order] for column in vars(self).values()))


def best_at(accuracy: Floats, cost: Floats, price: float) -> Ints:
    """Each row's argmax of accuracy - price * cost, ties to the cheaper action; shape (n,).

    An infinite price asks for the cheapest action, and of several the most accurate.
    """
    choice = np.empty(len(accuracy), dtype=np.intp)
    for rows, a, c in _blocks(accuracy, cost):
        choice[rows] = _best_in_block(a, c, price)
    return choice


def mean_best_value(accuracy: Floats, cost: Floats, price: float) -> float:
    """Mean over the rows of max(accuracy - price * cost): the dual function, but for price * budget."""
    values = np.empty(len(accuracy))
    for rows, a, c in _blocks(accuracy, cost):
        np.max(a - price * c, axis=0, out=values[rows])
    return float(values.mean())


def edges_between(
    accuracy: Floats, cost: Floats, start: Ints, floor: float, rows: Ints | None = None
) -> Edges:
    """The hull edges that lead on from `start`, as long as they are steeper than `floor`.

    Gift wrapping: the next vertex is the more expensive action of the steepest rise. Of several in one line
    the nearest is next, so that no edge is longer than it must be.

    Args:
        accuracy: Shape (n, k).
        cost: Shape (n, k).
        start: A hull vertex of each row, shape (n,).
        floor: Slopes at or below it are left out.
        rows: The rows to look at; all of them by default.
    """
    parts: list[tuple[NDArray[np.generic], ...]] = []
    count = len(accuracy) if rows is None else len(rows)
    for first in range(0, count, _BLOCK):
        block = slice(first, first + _BLOCK)
        index = np.arange(first, min(first + _BLOCK, count)) if rows is None else rows[block]
        at = start[index]
        a, c = _columns(accuracy[index]), _columns(cost[index])
        slope = np.full(len(index), np.inf)
        while len(index):
            here = np.arange(len(index))
            gain, extra = a - a[at, here], c - c[at, here]
            to, steepest = _steepest(gain, extra)
            # Rounding can make the later of two edges in one line the steeper one: it must not overtake.
            slope = np.minimum(steepest, slope)
            on = slope > floor
            index, at, slope = index[on], to[on], slope[on]
            parts.append((index, at, gain[to, here][on], extra[to, here][on], slope))
            a, c = a[:, on], c[:, on]
    if not parts:
        none = np.empty(0, dtype=np.intp)
        return Edges(none, none, np.empty(0), np.empty(0), np.empty(0))
    return Edges(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _steepest(gain: Floats, extra: Floats) -> tuple[Ints, Floats]:
    """The action of the steepest rise, and its slope; 0 if none is both more expensive and better."""
    rises = (gain > 0) & (extra > 0)
    with np.errstate(over="ignore"):
        slopes = np.divide(gain, extra, out=np.zeros_like(gain), where=rises)
    np.minimum(slopes, _STEEPEST, out=slopes)
    to, steepest, distance = np.zeros(gain.shape[1], np.intp), slopes[0].copy(), extra[0].copy()
    for action in range(1, len(gain)):
        better = slopes[action] > steepest
        better |= (slopes[action] == steepest) & (extra[action] < distance) & rises[action]
        to[better] = action
        np.copyto(steepest, slopes[action], where=better)
        np.copyto(distance, extra[action], where=better)
    return to, steepest


_STEEPEST = 1e290  # a gain at hardly any cost: steep enough to come first, small enough to multiply


def _best_in_block(a: Floats, c: Floats, price: float) -> Ints:
    value = -c if np.isinf(price) else a - price * c
    best, lowest, highest = value[0].copy(), c[0].copy(), a[0].copy()
    choice = np.zeros(len(best), dtype=np.intp)
    for action in range(1, len(value)):
        better = value[action] > best
        tie = value[action] == best
        if tie.any():
            cheaper = c[action] < lowest
            cheaper |= (c[action] == lowest) & (a[action] > highest)
            better |= tie & cheaper
        choice[better] = action
        np.copyto(best, value[action], where=better)
        np.copyto(lowest, c[action], where=better)
        np.copyto(highest, a[action], where=better)
    return choice


def _blocks(accuracy: Floats, cost: Floats) -> Iterator[tuple[slice, Floats, Floats]]:
    """Slices of rows with their accuracies and costs, copied to shape (k, rows)."""
    for first in range(0, len(accuracy), _BLOCK):
        rows = slice(first, first + _BLOCK)
        yield rows, _columns(accuracy[rows]), _columns(cost[rows])


def _columns(table: Floats) -> Floats:
    return np.array(table.T, order="C")


def chosen_from(table: Floats, choice: Ints) -> Floats:
    """The entry of each row at its chosen column, shape (n,)."""
    chosen: Floats = np.take_along_axis(table, choice[:, None], axis=1)[:, 0]
    return chosen


def climb(first: Floats, steps: Floats) -> Floats:
    """Mean of `first`, then the mean after each further step."""
    climbed = np.append(0.0, np.cumsum(steps)) / len(first)
    climbed += first.mean()
    return climbed
