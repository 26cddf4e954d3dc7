"""The first cell of a table of outcomes that is out of its range, with the reason."""

from collections.abc import Callable

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints

Fault = tuple[int, int, str]
"""Question, action and reason."""

_DECLARE = "a reward on another scale needs an accuracy_unit"


def first_fault(accuracy: Floats, cost: Floats, samples: Ints, *, bounded: bool) -> Fault | None:
    """The first cell that is out of range, with the reason.

    Args:
        accuracy: Shape (n, k).
        cost: Shape (n, k).
        samples: Shape (n, k).
        bounded: Whether accuracies lie in [0, 1].

    Example:
        >>> import numpy as np
        >>> first_fault(np.array([[0.5, 1.5]]), np.ones((1, 2)), np.ones((1, 2), int), bounded=True)
        (0, 1, 'accuracy is 1.5, outside [0, 1]; a reward on another scale needs an accuracy_unit')
    """
    faults: list[tuple[Bools, Callable[[int, int], str]]] = [
        (~np.isfinite(accuracy), lambda i, j: f"accuracy is {accuracy[i, j]}; a finite number is needed"),
        (~np.isfinite(cost), lambda i, j: f"cost is {cost[i, j]}; a finite number is needed"),
        (cost < 0, lambda i, j: f"cost is {cost[i, j]}; a cost is never negative"),
        (samples < 1, lambda i, j: f"samples is {samples[i, j]}; at least 1 is needed"),
    ]
    if bounded:
        outside = (accuracy < 0) | (accuracy > 1)
        faults.append((outside, lambda i, j: f"accuracy is {accuracy[i, j]}, outside [0, 1]; {_DECLARE}"))
    for wrong, reason in faults:
        if wrong.any():
            i, j = _first(wrong)
            return i, j, reason(i, j)
    return None


def half_fault(name: str, accuracy: Floats, cost: Floats, *, bounded: bool) -> Fault | None:
    """The same for what a half of the samples shows; a cell that is NaN in both columns is unknown.

    Args:
        name: Of the half, `a` or `b`.
        accuracy: Shape (n, k).
        cost: Shape (n, k).
        bounded: Whether accuracies lie in [0, 1].
    """
    alone = np.isnan(accuracy) != np.isnan(cost)
    if alone.any():
        return *_first(alone), f"accuracy_{name} and cost_{name} must be known together"
    known = ~np.isnan(accuracy)
    once = np.ones(known.shape, np.intp)
    fault = first_fault(np.where(known, accuracy, 0), np.where(known, cost, 0), once, bounded=bounded)
    return None if fault is None else (fault[0], fault[1], f"half {name}: {fault[2]}")


def _first(wrong: Bools) -> tuple[int, int]:
    i, j = np.argwhere(wrong)[0].tolist()
    return i, j
