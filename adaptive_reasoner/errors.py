"""What can go wrong, as one tree. Each error keeps its numbers as attributes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from adaptive_reasoner.amounts import enough, written


@contextmanager
def needs(what: str, extra: str) -> Iterator[None]:
    """Name the extra to install if an import within the block fails.

    An error that a block inside has already named stays as it is.

    Example:
        >>> with needs("pictures need", "kit"):
        ...     import nowhere_to_be_found
        Traceback (most recent call last):
        ImportError: pictures need: pip install 'adaptive-reasoner[kit]'
    """
    try:
        yield
    except ImportError as error:
        if isinstance(error.__cause__, ImportError):
            raise
        raise ImportError(f"{what}: pip install 'adaptive-reasoner[{extra}]'") from error


class AdaptiveReasonerError(Exception):
    """The base of all errors that this library raises. It can be copied and pickled.

    Example:
        >>> import pickle
        >>> pickle.loads(pickle.dumps(BudgetExceededError(3.0, 2.0, "tokens"))).left
        2.0
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is made anew from its `args`, the message, which is not what `__init__` takes.
        return self._of_args, self.args, vars(self)

    @classmethod
    def _of_args(cls, *args: Any) -> Self:
        error = cls.__new__(cls, *args)
        error.args = args
        return error


class OutcomesError(AdaptiveReasonerError, ValueError):
    """A table of questions, samples or outcomes cannot be used as it is.

    Args:
        reason: What is wrong.
        file: The file it was read from, where there is one.
        row: The row, counted from 1 without a header, where one row is to blame.
    """

    def __init__(self, reason: str, *, file: object = None, row: int | None = None) -> None:
        self.reason, self.file, self.row = reason, file, row
        where = "".join([f"{file}: " if file is not None else "", f"row {row}: " if row is not None else ""])
        super().__init__(where + reason)


class MenuError(AdaptiveReasonerError, ValueError):
    """A menu of sources and actions cannot be used as it is."""


class InfeasibleBudgetError(AdaptiveReasonerError, ValueError):
    """The budget is below the mean cost of the cheapest actions."""

    def __init__(self, budget: float, cheapest: float, unit: str = "") -> None:
        self.budget, self.cheapest, self.unit = budget, cheapest, unit
        of_unit = f" {unit}" if unit else ""
        super().__init__(
            f"a budget of {written(budget)}{of_unit} per question is below {written(cheapest)}{of_unit}, "
            f"the mean cost of the cheapest action; allow at least {enough(cheapest)}"
        )


class InfeasibleAccuracyError(AdaptiveReasonerError, ValueError):
    """Even the most accurate action for every question does not reach the target accuracy.

    Example:
        >>> print(InfeasibleAccuracyError(0.95, 0.9))
        a target accuracy of 0.95 is above 0.9, the highest mean accuracy in reach; ask for at most 0.9
    """

    def __init__(self, target: float, highest: float) -> None:
        self.target, self.highest = target, highest
        super().__init__(
            f"a target accuracy of {written(target)} is above {written(highest)}, the highest mean accuracy "
            f"in reach; ask for at most {written(highest)}"
        )


class UnknownActionError(AdaptiveReasonerError, LookupError):
    """An action is not among the known ones.

    Args:
        action: Its name.
        known: The names that there are.
        way_out: What to do, where that is known.
    """

    def __init__(self, action: str, known: Iterable[str], way_out: str = "") -> None:
        self.action, self.known = action, tuple(known)
        message = f"unknown action {action!r}; known are {', '.join(self.known) or 'none'}"
        super().__init__(f"{message}: {way_out}" if way_out else message)


class BudgetExceededError(AdaptiveReasonerError):
    """A cost does not fit under a hard cap, a run's budget or `max_cost`."""

    def __init__(self, wanted: float, left: float, unit: str = "", reason: str = "") -> None:
        self.wanted, self.left, self.unit = wanted, left, unit
        super().__init__(
            reason
            or f"{written(wanted)} {unit} wanted, {written(left)} left under the hard cap".replace("  ", " ")
        )


class UnpricedUsageError(AdaptiveReasonerError):
    """The cost of a reply is unknown: it has no usage, or its model has no price. It never counts as 0."""


class ImpossibleUsageError(UnpricedUsageError):
    """A reply came with usage that cannot be, such as a negative count: it is billed at its worst case."""


class PolicyFormatError(AdaptiveReasonerError, ValueError):
    """A policy folder is incomplete, changed, or of a newer format."""


class LedgerError(AdaptiveReasonerError):
    """A ledger was used against its rules; the ledger is unchanged."""
