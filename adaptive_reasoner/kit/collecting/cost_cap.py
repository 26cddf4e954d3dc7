"""The most that a collection may cost: a call's worst case is set aside before it is made."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from adaptive_reasoner.amounts import given, scale_of, units_of, written
from adaptive_reasoner.errors import BudgetExceededError, MenuError
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.models.source import Source

Limit = TypeVar("Limit", int, float)

_ENDLESS = 1e290  # stands for infinity, which no integer can


class Cap:
    """A hard cap on exact sums, in the small unit in which a ledger counts, for one event loop.

    Args:
        limit: The most, in the unit of the costs; None for no cap.
        cost_unit: What a cost counts.

    Attributes:
        breach: The error of a call that cost more than its worst case, so that the cap cannot be promised.

    Example:
        >>> cap = Cap(10.0, "tokens")
        >>> cap.reserve(8.0), cap.reserve(8.0)
        (True, False)
        >>> cap.settle(8.0, 2.0)
        >>> cap.reserve(8.0), cap.spent
        (True, 2.0)
    """

    def __init__(self, limit: float | None, cost_unit: str) -> None:
        self._unit = cost_unit
        self._limit = None if limit is None else self._units(limit)
        self._spent = self._held = 0
        self.breach: BudgetExceededError | None = None

    @property
    def spent(self) -> float:
        """The sum of settled costs."""
        return self._spent / scale_of(self._unit)

    def charge(self, cost: float) -> None:
        """Book earlier costs."""
        self._spent += self._units(cost)

    def reserve(self, worst: float) -> bool:
        """Set aside the worst case of a call; False if it does not fit."""
        if self._limit is None:
            return True
        amount = self._units(worst)
        if self.breach or self._spent + self._held + amount > self._limit:
            return False
        self._held += amount
        return True

    def hold(self, worst: float) -> None:
        """Set aside the worst case of calls already made, even beyond the limit."""
        if self._limit is not None:
            self._held += self._units(worst)

    def settle(self, worst: float, cost: float) -> None:
        """Book the cost of a call and free its `worst`; a higher cost is a `breach` of the cap."""
        self._spent += self._units(cost)
        if self._limit is None:
            return
        self._held -= self._units(worst)
        if cost > worst:
            self.breach = BudgetExceededError(
                cost,
                worst,
                self._unit,
                f"a call cost {written(cost)} {self._unit} where the hard cap held {written(worst)}, "
                "so the cap cannot be promised; declare a larger max_tokens",
            )

    def _units(self, amount: float) -> int:
        if not amount >= 0:
            raise MenuError(
                f"a cost of {given(amount)} cannot be counted; a meter returns numbers of at least 0"
            )
        return units_of(min(amount, _ENDLESS), self._unit)


def check_bounded(sources: Mapping[str, Source], meter_of: Callable[[str], Meter]) -> None:
    """Refuse a cap that could not be kept, before anything is paid for.

    Raises:
        MenuError: A source without `max_tokens` is billed by the length of its replies.
    """
    for name, source in sources.items():
        if goes_by_length(meter_of(name)) and source.declared_tokens is None:
            raise MenuError(
                f"source {name!r} declares no max_tokens, so a reply could cost anything and no max_cost "
                "can be promised; declare it"
            )


def smallest(*limits: Limit | None) -> Limit | None:
    """The smallest limit that is not None; None if all are.

    Example:
        >>> smallest(None, 5.0, 3.0), smallest(None, None)
        (3.0, None)
    """
    return min((limit for limit in limits if limit is not None), default=None)


def goes_by_length(meter: Meter) -> bool:
    """Whether a longer reply costs more."""
    return meter.worst_cost([], 2) > meter.worst_cost([], 1)
