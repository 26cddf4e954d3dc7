"""The ledger of one run: what is charged through it also counts against the run's own budget."""

import threading
from dataclasses import dataclass
from math import inf, isfinite

from typing_extensions import Unpack, override

from adaptive_reasoner.amounts import written
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger.base import BookingTerms, ChargeTerms, Ledger, Reservation
from adaptive_reasoner.ledger.proxy import LedgerProxy
from adaptive_reasoner.ledger.rules import TransactionalLedger
from adaptive_reasoner.ledger.tenants import TenantLedger

_ROUNDING = 1e-9  # sums of floats may differ from the same sum in another order


class RunLedger(LedgerProxy):
    """Charges a ledger for one run, and refuses what the run's own budget has no room for.

    A run inside another run, as a subagent's, has a `RunLedger` in front of the outer one: a charge is made
    once, and counts against both budgets. It is safe from threads and tasks. What it knows lives as long as
    the process; the ledger behind it keeps the charges, and `spent_on` reads them in another process.

    Args:
        own: The ledger that is charged, or the `RunLedger` of the run around this one.
        question: The run's question in the ledger.
        budget: The most that the run may cost; infinite for a run that is only counted.
        cost: What the run has cost before, as in another process.

    Example:
        >>> from adaptive_reasoner import open_ledger
        >>> ledger = open_ledger("memory://", target=50.0)
        >>> run = RunLedger(ledger, "run-1", budget=100.0)
        >>> run.settle(run.admit("run-1:search", 80.0), 30.0).cost
        30.0
        >>> run.cost, run.left, ledger.spent
        (30.0, 70.0, 30.0)
        >>> run.admit("run-1:subagent", 71.0)
        Traceback (most recent call last):
        adaptive_reasoner.errors.BudgetExceededError: this can cost 71 tokens, and the run has 70 of 100 left
    """

    def __init__(self, own: Ledger, question: str, *, budget: float = inf, cost: float = 0.0) -> None:
        self.own, self.question, self.budget = own, question, budget
        self._cost = cost
        self._held: dict[str, float] = {}
        self._booked: dict[str, float] = {}
        self._counting = threading.Lock()

    @property
    def cost(self) -> float:
        """What the run has cost so far."""
        return self._cost

    @property
    def left(self) -> float:
        """What the run may still cost, apart from what is held for calls under way; see the run around it."""
        own = self._own_left
        return min(own, self.own.left) if isinstance(self.own, RunLedger) else own

    @property
    def non_blocking(self) -> bool:
        """Whether the ledger behind it answers without waiting."""
        return bool(getattr(self.own, "non_blocking", False))

    @property
    def charged(self) -> Ledger:
        """The ledger behind this run and the runs around it."""
        return self.own.charged if isinstance(self.own, RunLedger) else self.own

    def includes(self, other: "RunLedger") -> bool:
        """Whether what is charged here counts on the budget of a run: this one, or one around it."""
        return self is other or counts_on(self.own, other)

    def admit(self, key: str, worst: float, *, expected: float | None = None) -> Reservation:
        """Reserve a charge whose worst case fits, whatever else is under way.

        Raises:
            BudgetExceededError: The run's budget, or the hard cap of the ledger, has no room for it.
        """
        planned = worst if expected is None else expected
        self.hold(key, worst)
        try:
            return self.reserve(planned, key, worst=worst, question=self.question)
        except BaseException:
            self.drop(key)
            raise

    def hold(self, key: str, worst: float) -> None:
        """Hold a worst case on the budgets of this run and those around it, and not in the ledger.

        Raises:
            BudgetExceededError: There is no room for it.
        """
        with self._counting:
            if key in self._held:
                return
            if worst > self._own_left * (1.0 + _ROUNDING):
                raise self._refusal(worst)
            self._held[key] = worst if isfinite(worst) else 0.0
        if isinstance(self.own, RunLedger):
            try:
                self.own.hold(key, worst)
            except BaseException:
                self._held.pop(key, None)
                raise

    def drop(self, key: str) -> None:
        """Hold nothing more under a key."""
        self._held.pop(key, None)
        if isinstance(self.own, RunLedger):
            self.own.drop(key)

    def book(self, key: str, cost: float) -> None:
        """Count a cost, which the ledger knows already, on the budgets of this run and those around it."""
        self._held.setdefault(key, 0.0)
        self._count(key, cost)
        if isinstance(self.own, RunLedger):
            self.own.book(key, cost)

    @override
    def reserve(self, expected: float, key: str, **terms: Unpack[ChargeTerms]) -> Reservation:
        # Whoever reserves an action has chosen it by what was left. What else is under way must leave room.
        worst = terms.get("worst")
        taken = self._take(key, expected if worst is None else worst)
        try:
            found = self.own.reserve(expected, key, **terms)
        except BaseException:
            if taken:
                self._held.pop(key, None)
            raise
        if found.repeated and taken:
            self._held.pop(key, None)
        return found

    @override
    def settle(self, reservation: Reservation | str, cost: float) -> Reservation:
        try:
            settled = self.own.settle(reservation, cost)
        except BudgetExceededError:  # above its worst case: it is booked in full
            self._count(_key(reservation), cost)
            raise
        self._count(settled.key, cost if settled.cost is None else settled.cost)
        return settled

    @override
    def extend(self, reservation: Reservation | str, worst: float) -> Reservation:
        key = _key(reservation)
        with self._counting:
            before = self._held.get(key, 0.0)
            most = self._bounded(worst)
            if most - before > self._own_left * (1.0 + _ROUNDING):
                raise self._refusal(worst)
            self._held[key] = max(before, most)
        try:
            return self.own.extend(reservation, worst)
        except BaseException:
            self._held[key] = before
            raise

    @override
    def expire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        expired = self.own.expire(reservation, saved=saved)
        if expired.status == "expired" and expired.cost is not None:
            if expired.key not in self._held and expired.key not in self._booked:
                self._booked[expired.key] = (
                    expired.expected
                )  # the plan of another attempt, which is in `cost`
            self._count(expired.key, expired.cost)
        return expired

    @override
    def release(self, reservation: Reservation | str) -> Reservation:
        released = self.own.release(reservation)
        self._held.pop(released.key, None)
        return released

    @override
    def charge(self, cost: float, key: str, **terms: Unpack[BookingTerms]) -> Reservation:
        self._held.setdefault(key, 0.0)
        try:
            charged = self.own.charge(cost, key, **terms)
        except BudgetExceededError:
            self._count(key, cost)
            raise
        self._count(key, cost if charged.cost is None else charged.cost)
        return charged

    @property
    def _own_left(self) -> float:
        return max(0.0, self.budget - self._cost - sum(self._held.values()))

    def _take(self, key: str, worst: float) -> bool:
        with self._counting:
            if key in self._held:
                return False
            amount = self._bounded(worst)
            if amount > self._own_left * (1.0 + _ROUNDING):
                raise self._refusal(worst)
            self._held[key] = amount
            return True

    def _bounded(self, worst: float) -> float:
        """A worst case, as far as the run could pay for it if nothing else were under way."""
        amount = min(worst, max(0.0, self.budget - self._cost))
        return amount if isfinite(amount) else 0.0

    def _count(self, key: str, cost: float) -> None:
        """Count what is booked under a key; of a key that was never held here, the ledger tells."""
        with self._counting:
            if key in self._booked:
                self._cost += cost - self._booked[key]
            elif self._held.pop(key, None) is not None:
                self._cost += cost
            else:
                return
            self._booked[key] = cost

    def _refusal(self, worst: float) -> BudgetExceededError:
        left, unit = self._own_left, self.cost_unit
        room = f"{written(left)} of {written(self.budget)} left"
        reason = f"this can cost {written(worst)} {unit}, and the run has {room}"
        if not isfinite(worst):
            room = f"{written(left)} {unit} left"
            reason = f"this can be of any length, and the run has {room}: declare max_tokens"
        return BudgetExceededError(worst, left, unit, reason)


def spent_on(ledger: Ledger, question: str) -> float:
    """What a ledger has booked for a question, and planned for its open charges; 0 where it does not tell.

    Example:
        >>> from adaptive_reasoner import open_ledger
        >>> ledger = open_ledger("memory://", target=50.0)
        >>> _ = ledger.charge(3.0, "a", question="run-1"), ledger.reserve(4.0, "b", question="run-1")
        >>> spent_on(ledger, "run-1")
        7.0
    """
    while isinstance(ledger, LedgerProxy):
        ledger = ledger.own
    return ledger.spent_on(question) if isinstance(ledger, TransactionalLedger) else 0.0


@dataclass(frozen=True)
class ChargedLater:
    """Stands for the ledger of calls that are charged to a question afterwards, as by its decision."""

    question: str


def counts_on(ledger: Ledger | ChargedLater, run: RunLedger) -> bool:
    """Whether what a ledger is charged counts on the budget of a run."""
    if isinstance(ledger, ChargedLater):
        return ledger.question == run.question
    if isinstance(ledger, TenantLedger):
        return counts_on(ledger.common, run)
    return isinstance(ledger, RunLedger) and ledger.includes(run)


def charges(ledger: Ledger | ChargedLater, other: Ledger) -> bool:
    """Whether a charge to a ledger is one to the other as well: of a tenant's, to the common one."""
    if isinstance(ledger, ChargedLater):
        return False
    if isinstance(ledger, TenantLedger):
        return ledger is other or charges(ledger.common, other)
    return charges(ledger.own, other) if isinstance(ledger, RunLedger) else ledger is other


def charged_ledger(ledger: Ledger) -> Ledger:
    """The ledger that charges end in; the ledger itself where it belongs to no run."""
    return ledger.charged if isinstance(ledger, RunLedger) else ledger


def _key(reservation: Reservation | str) -> str:
    return reservation if isinstance(reservation, str) else reservation.key
