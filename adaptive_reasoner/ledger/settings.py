"""What a ledger was opened with: target, cap, unit, and how amounts become exact integers."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from numbers import Real
from typing import Any, NamedTuple

from adaptive_reasoner.amounts import given, scale_of, units_of, written
from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.accuracy_floor import SENSITIVITY, AccuracyLaw, Quality, quality
from adaptive_reasoner.ledger.base import HasPrice, PricesAccuracy, Window
from adaptive_reasoner.ledger.price_controller import CREDIT, NANO, REACH, WORTH, PriceLaw, Totals
from adaptive_reasoner.policy.versions import VersionedPolicy

LARGEST = 2**62  # half of what a database's 64-bit integer holds
TTL = 3600.0
KEEP = 30 * 86_400.0


class Aims(NamedTuple):
    """What a ledger holds, which may change while it is open.

    Attributes:
        target: Mean cost, in small units.
        target_accuracy: Mean accuracy that is not to be fallen below.
        floor_price: Offline price at which it is expected, per cost unit.
    """

    target: int | None
    target_accuracy: float | None
    floor_price: float | None


@dataclass(frozen=True)
class Account:
    """The terms of a ledger, as `open_ledger` takes them.

    Attributes:
        target: In small units, which are 1e-9 of a dollar or 1e-6 of anything else.
        hard_cap: In small units.
        price: Offline price, per cost unit.
        slope: Fall of the mean cost as the log of the price rises by one, in cost units.
        target_accuracy: Mean accuracy that is not to be fallen below.
        floor_price: Offline price at which it is expected, per cost unit.
        floor_slope: Fall of the mean accuracy as the log of the price rises by one.
        floor_lowest: Price below which no more is expected of any question.
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
    target_accuracy: float | None = None
    floor_price: float | None = None
    floor_slope: float | None = None
    floor_lowest: float | None = None

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

    @cached_property
    def floor(self) -> AccuracyLaw | None:
        """The law of the accuracy floor, None where there is none to hold."""
        if self.target_accuracy is None:
            return None
        slope = SENSITIVITY if self.floor_slope is None else self.floor_slope
        return AccuracyLaw(self.target_accuracy, self.floor_price or 0.0, slope, self.floor_lowest or 0.0)

    @property
    def aims(self) -> Aims:
        """What is held."""
        return Aims(self.target, self.target_accuracy, self.floor_price)

    def for_target(self, target: float) -> Aims:
        """What is held with another target, in cost units.

        Raises:
            LedgerError: It is no finite number above 0.
        """
        if not (wanted := self.to_units(target, "target")):
            raise LedgerError(f"target must be a finite number above 0, got {written(target)}")
        return self.aims._replace(target=wanted)

    def for_accuracy(self, wanted: float, price: float) -> Aims:
        """What is held with another target accuracy.

        An accuracy that was held before tells, by its slope, at which price the other one is expected; the
        first one begins at the price in force.

        Args:
            wanted: The mean accuracy.
            price: The price in force, per cost unit.

        Raises:
            LedgerError: Nothing tells a price to begin at.
        """
        if self.floor is not None:
            lower = math.exp((self.floor.target - wanted) / self.floor.slope)
            price = max(
                self.floor.price * min(max(lower, math.exp(-REACH)), math.exp(REACH)), self.floor.lowest
            )
        if not price > 0.0:
            raise LedgerError(
                "a target accuracy needs a price to begin at, and this ledger has none: "
                "open it with a policy or set a target first"
            )
        return Aims(self.target, wanted, price)

    def takeover(self, before: "Account", totals: Totals) -> Totals:
        """What changes of the sums when this account takes the place of one with other aims."""
        same = self.target == before.target
        forgiven = 0 if same or self.law is None else self.law.takeover(before.law, totals)
        owed = 0 if self.target_accuracy == before.target_accuracy else totals.floor_debt
        return Totals(forgiven=forgiven, floor_debt=-owed)

    def price_at(self, totals: Totals) -> float:
        """The price of compute, per cost unit: of a budget and a floor, the higher one."""
        if self.floor is not None:
            return max(self.floor.price_at(totals), self.budget_price(totals))
        return self.budget_price(totals) if self.law else self.price or 0.0

    def budget_price(self, totals: Totals) -> float:
        """The price that the budget asks for, 0 without one."""
        return self.law.price_at(totals) * self.scale if self.law else 0.0

    def quality(self, totals: Totals) -> Quality | None:
        """What grades say of the answers."""
        return quality(totals, self.floor, self.budget_price(totals))

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

    def check_sum(self, total: int) -> None:
        """Refuse a sum that is too large to count."""
        if total > LARGEST:
            raise LedgerError(
                f"the ledger's sum would overflow {written(LARGEST / self.scale)} {self.cost_unit}"
            )

    def from_units(self, amount: int | None) -> float | None:
        """A small amount in cost units."""
        return None if amount is None else amount / self.scale


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """The arguments of `open_ledger`; None where one is left out."""

    target: float | None = None
    cost_unit: str | None = None
    policy: HasPrice | None = None
    hard_cap: float | None = None
    reservation_ttl: float | None = None
    credit: float | None = None
    window: Window | None = None
    keep: float | None = None
    target_accuracy: float | None = None

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
        wanted = None if self.target_accuracy is None else to_accuracy(self.target_accuracy)
        if stored is not None:
            check_same("target", stored.target, target, scale_of(unit))
            check_same("hard_cap", stored.hard_cap, hard_cap, scale_of(unit))
            check_same("reservation_ttl", stored.ttl, ttl)
            check_same("credit", stored.credit, credit)
            check_same("keep", stored.keep, kept)
            check_same("target_accuracy", stored.target_accuracy, wanted)
            if self.window not in (None, stored.window):
                raise LedgerError(f"this ledger was made with window {stored.window}, not {self.window}")
            if self.policy is None:
                return stored
            floor = self._floor_start(stored.target_accuracy, stored.target, unit)
            return replace(stored, price=price, slope=slope, **floor)
        if target is None and wanted is None and self.policy is not None:
            target = self._amount("the policy's budget", self.policy.budget, unit)
        if self.window not in (None, "day", "month"):
            raise LedgerError(f"window must be 'day' or 'month', got {self.window!r}")
        return Account(
            cost_unit=unit,
            target=target,
            hard_cap=hard_cap,
            ttl=ttl or TTL,
            credit=credit or CREDIT,
            window=self.window,
            price=price,
            slope=slope,
            keep=kept or KEEP,
            target_accuracy=wanted,
            **self._floor_start(wanted, target, unit),
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
            raise LedgerError(f"the policy's price must be finite and at least 0, got {given(price)}")
        return price, slope if slope is not None and math.isfinite(slope) and slope > 0.0 else None

    def _floor_start(self, wanted: float | None, target: int | None, unit: str) -> dict[str, Any]:
        """The price at which an accuracy is expected, and how the accuracy answers to the price.

        Raises:
            LedgerError: Nothing tells a price to begin at.
            InfeasibleAccuracyError: The policy never expects so much.
        """
        if wanted is None:
            return {}
        policy: object = self.policy.version if isinstance(self.policy, VersionedPolicy) else self.policy
        if isinstance(policy, PricesAccuracy):
            curve = policy.accuracy_curve
            return {
                "floor_price": max(curve.price_at(wanted), curve.lowest),
                "floor_slope": curve.slope_at(wanted),
                "floor_lowest": curve.lowest,
            }
        if self.policy is not None and self.policy.price > 0.0:
            return {"floor_price": self.policy.price}
        if target is not None:
            return {"floor_price": WORTH * scale_of(unit) / target}
        raise LedgerError(
            "a target accuracy needs a price to begin at: give a policy that was trained on outcomes, or a "
            "target, the mean cost that is never to be exceeded"
        )

    def _amount(self, name: str, amount: float | None, unit: str) -> int | None:
        amount = positive(name, amount)
        counted = None if amount is None else to_units(amount, unit, name)
        if amount is not None and counted == 0:
            raise LedgerError(
                f"{name} of {written(amount)} {unit} is less than the smallest amount that is counted"
            )
        return counted


def check_same(name: str, stored: float | None, wanted: float | None, scale: int = 1) -> None:
    """Refuse to reopen a ledger on another term than it was made with."""
    if wanted is not None and wanted != stored:
        made = "no" if stored is None else f"{written(stored / scale)} as"
        option = {"target": "--target", "target_accuracy": "--accuracy"}.get(name)
        another = (
            f"change it for all: adaptive-reasoner ledger set URL {option} {written(wanted / scale)}"
            if option
            else "open another ledger"
        )
        raise LedgerError(
            f"this ledger was made with {made} {name}, not {written(wanted / scale)}; "
            f"leave it out to keep it, or {another}"
        )


def to_accuracy(wanted: Any) -> float:
    """A target accuracy as a float in (0, 1).

    Raises:
        LedgerError: It is something else.
    """
    if not (isinstance(wanted, Real) and 0.0 < float(wanted) < 1.0):
        raise LedgerError(f"target_accuracy must lie between 0 and 1, got {wanted!r}")
    return float(wanted)


def to_score(score: Any) -> int:
    """A grade in 1e-9.

    Raises:
        LedgerError: It does not lie from 0 to 1.

    >>> to_score(True), to_score(0.25)
    (1000000000, 250000000)
    """
    if not (isinstance(score, Real) and 0.0 <= float(score) <= 1.0):
        raise LedgerError(f"a score lies from 0 (wrong) to 1 (right), got {score!r}")
    return round(float(score) * NANO)


def positive(name: str, value: Any) -> float | None:
    """A term as a float above 0, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not (isinstance(value, Real) and 0.0 < float(value) < math.inf):
        raise LedgerError(f"{name} must be a finite number above 0, got {given(value)}")
    return float(value)


def to_units(amount: float, cost_unit: str, what: str) -> int:
    """An amount in small units.

    Raises:
        LedgerError: It is negative, not finite, or too large to count.

    >>> to_units(0.5, "usd", "cost")
    500000000
    """
    if not math.isfinite(amount) or amount < 0.0:
        raise LedgerError(f"{what} must be a finite amount of at least 0 {cost_unit}, got {given(amount)}")
    if amount > LARGEST / scale_of(cost_unit):
        raise LedgerError(f"{what} of {written(amount)} {cost_unit} is too large to count exactly")
    return units_of(amount, cost_unit)
