"""Equal tasks, such as the splits of a backtest, in processes side by side, with progress in words."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from joblib import Parallel, delayed  # type: ignore[import-untyped]
from joblib.parallel import get_active_backend  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits

Result = TypeVar("Result")
Tell = Callable[[str], None]
"""Takes a line of progress."""


def side_by_side(
    task: Callable[[int], Result], count: int, *, n_jobs: int, name: str, tell: Tell | None = None
) -> list[Result]:
    """The results of `task(0)`, `task(1)`, ..., in this order.

    Every task has one thread, so that results do not depend on how many run at once.

    Args:
        task: What is done; sent to other processes where `n_jobs` is above 1.
        count: How many tasks there are.
        n_jobs: How many processes; 1 works in this one.
        name: What a task is called in a line of progress.
        tell: Gets a line after each task: which, how long it took, and how long the rest may take.

    Example:
        >>> side_by_side(lambda number: number**2, 3, n_jobs=1, name="square")
        [0, 1, 4]
    """
    start, results = time.monotonic(), dict[int, Result]()
    backend, _ = get_active_backend()
    at_once = not backend.supports_return_generator  # Ray's hands all over at the end
    return_as = "list" if at_once else "generator_unordered"
    parallel: Any = Parallel(n_jobs=min(n_jobs, count), return_as=return_as)
    for number, seconds, result in parallel(delayed(_timed)(task, number) for number in range(count)):
        results[number] = result
        if tell is not None:
            left = (time.monotonic() - start) / len(results) * (count - len(results))
            rest = (
                f"; about {left:.0f} s left for {count - len(results)} more" if left and not at_once else ""
            )
            tell(f"{name} {number + 1} of {count} took {seconds:.0f} s{rest}")
    return [results[number] for number in range(count)]


def _timed(task: Callable[[int], Result], number: int) -> tuple[int, float, Result]:
    start = time.monotonic()
    with threadpool_limits(1):
        result = task(number)
    return number, time.monotonic() - start, result
