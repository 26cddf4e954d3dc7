"""What a ledger was opened with: target, cap, unit, and how amounts become exact integers."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from numbers import Real
from typing import Any

from adaptive_reasoner.amounts import scale_of, units_of
from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.base import Priced, Window
from adaptive_reasoner.ledger.price_controller import CREDIT, PriceLaw, Totals

LARGEST = 2**62  # half of what a database's 64-bit integer holds
TTL = 3600.0
KEEP = 30 * 86_400.0


@dataclass(frozen=True)
class Account:
    """The terms of a ledger, as `open_ledger` takes them.

    Attributes:
        target: In small units, which are 1e-9 of a dollar or 1e-6 of anything else.
        hard_cap: In small units.
        price: Offline price, per cost unit.
        slope: Fall of the mean cost as the log of the price rises by one, in cost units.
    """

    cost_unit: str
    target: int | None
    hard_cap: int | None
    ttl: float
    credit: float
    window: Window | None = None
    price: float | None = None
    slope: float | None = None
    keep: float = KEEP

    @cached_property
    def scale(self) -> int:
        """Small units in one cost unit."""
        return scale_of(self.cost_unit)

    @cached_property
    def law(self) -> PriceLaw | None:
        """The price law, None where there is no target to hold."""
        if self.target is None:
            return None
        elasticity = self.slope * self.scale / self.target if self.slope else 0.5
        return PriceLaw(
            target=float(self.target),
            price=(self.price or 0.0) / self.scale,
            elasticity=min(max(elasticity, 0.1), 2.0),
            credit=self.credit,
        )

    def price_at(self, totals: Totals) -> float:
        """The price of compute, per cost unit."""
        law = self.law
        return law.price_at(totals) * self.scale if law else self.price or 0.0

    def period(self, now: float) -> str:
        """The day or month of a moment, empty where there is no window.

        >>> Account("usd", None, None, 60.0, 300.0, window="month").period(0.0)
        '1970-01'
        """
        if self.window is None:
            return ""
        return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d" if self.window == "day" else "%Y-%m")

    def mean(self, total: int, count: int) -> float:
        """The mean of so many small amounts, in cost units; 0 of none."""
        return total / self.scale / count if count else 0.0

    def to_units(self, amount: float, what: str) -> int:
        """An amount in small units; refuses what is no amount."""
        return to_units(amount, self.cost_unit, what)

    def bound(self, worst: float) -> int | None:
        """A worst case in small units, None where there is no bound."""
        return None if worst == math.inf else self.to_units(worst, "worst")

    def allowance(self, budget: float | None) -> int:
        """Target less the budget of a question: what the price law does not count of it, in small units."""
        own = self.target if budget is None else self.to_units(budget, "budget")
        return 0 if self.target is None or own is None else self.target - own

    def from_units(self, amount: int | None) -> float | None:
        """A small amount in cost units."""
        return None if amount is None else amount / self.scale


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """The arguments of `open_ledger`; None where one is left out."""

    target: float | None = None
    cost_unit: str | None = None
    policy: Priced | None = None
    hard_cap: float | None = None
    reservation_ttl: float | None = None
    credit: float | None = None
    window: Window | None = None
    keep: float | None = None

    def account(self, stored: Account | None = None) -> Account:
        """The account these terms make, or the stored one where they agree with it.

        Raises:
            LedgerError: An argument is out of range, or differs from what is stored.
        """
        unit = self._unit(stored)
        target = self._amount("target", self.target, unit)
        hard_cap = self._amount("hard_cap", self.hard_cap, unit)
        ttl, credit = positive("reservation_ttl", self.reservation_ttl), positive("credit", self.credit)
        kept = positive("keep", self.keep)
        price, slope = self._start()
        if stored is not None:
            keep("target", stored.target, target, scale_of(unit))
            keep("hard_cap", stored.hard_cap, hard_cap, scale_of(unit))
            keep("reservation_ttl", stored.ttl, ttl)
            keep("credit", stored.credit, credit)
            keep("keep", stored.keep, kept)
            if self.window not in (None, stored.window):
                raise LedgerError(f"this ledger was made with window {stored.window}, not {self.window}")
            return stored if self.policy is None else replace(stored, price=price, slope=slope)
        if target is None and self.policy is not None:
            target = self._amount("the policy's budget", self.policy.budget, unit)
        if self.window not in (None, "day", "month"):
            raise LedgerError(f"window must be 'day' or 'month', got {self.window!r}")
        return Account(
            unit, target, hard_cap, ttl or TTL, credit or CREDIT, self.window, price, slope, kept or KEEP
        )

    def _unit(self, stored: Account | None) -> str:
        units = [stored and stored.cost_unit, self.cost_unit, self.policy and self.policy.cost_unit]
        known = [unit for unit in units if unit]
        if len(set(known)) > 1:
            raise LedgerError(
                f"cost units differ: {' and '.join(dict.fromkeys(known))}; a ledger counts in one"
            )
        return known[0] if known else "tokens"

    def _start(self) -> tuple[float | None, float | None]:
        """The policy's price and slope."""
        if self.policy is None:
            return None, None
        price, slope = self.policy.price, self.policy.slope
        if not math.isfinite(price) or price < 0.0:
            raise LedgerError(f"the policy's price must be finite and at least 0, got {price}")
        return price, slope if slope is not None and math.isfinite(slope) and slope > 0.0 else None

    def _amount(self, name: str, amount: float | None, unit: str) -> int | None:
        amount = positive(name, amount)
        counted = None if amount is None else to_units(amount, unit, name)
        if counted == 0:
            raise LedgerError(f"{name} of {amount:g} {unit} is less than the smallest amount that is counted")
        return counted


def keep(name: str, stored: float | None, said: float | None, scale: int = 1) -> None:
    """Refuse to reopen a ledger on another term than it was made with."""
    if said is not None and said != stored:
        made = "no" if stored is None else f"{stored / scale:g} as"
        another = (
            f"change it for all: adaptive-reasoner ledger set URL --target {said / scale:g}"
            if name == "target"
            else "open another ledger"
        )
        raise LedgerError(
            f"this ledger was made with {made} {name}, not {said / scale:g}; "
            f"leave it out to keep it, or {another}"
        )


def positive(name: str, value: Any) -> float | None:
    """A term as a float above 0, or None."""
    if value is None:
        return None
    if not (isinstance(value, Real) and 0.0 < float(value) < math.inf):
        raise LedgerError(f"{name} must be a finite number above 0, got {value!r}")
    return float(value)


def to_units(amount: float, cost_unit: str, what: str) -> int:
    """An amount in small units.

    Raises:
        LedgerError: It is negative, not finite, or too large to count.

    >>> to_units(0.5, "usd", "cost")
    500000000
    """
    if not math.isfinite(amount) or amount < 0.0:
        raise LedgerError(f"{what} must be a finite amount of at least 0 {cost_unit}, got {amount}")
    if amount > LARGEST / scale_of(cost_unit):
        raise LedgerError(f"{what} of {amount:g} {cost_unit} is too large to count exactly")
    return units_of(amount, cost_unit)
