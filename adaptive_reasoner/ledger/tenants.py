"""One tenant of a common ledger: both ledgers are charged, and each holds its own budget."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from typing_extensions import Unpack, override

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.ledger.accuracy_floor import Quality
from adaptive_reasoner.ledger.async_verbs import AsyncVerbs
from adaptive_reasoner.ledger.base import (
    BookingTerms,
    ChargeTerms,
    Ledger,
    Reservation,
    Snapshot,
    UnreachableLedgerError,
)
from adaptive_reasoner.ledger.proxy import LedgerProxy

T = TypeVar("T")


class TenantLedger(LedgerProxy):
    """Charges a tenant's own ledger and the common one, and decides at the higher of their two prices.

    In terms of duality, the price of a question is the common price plus what the tenant's own budget adds to
    it: `surcharge`, which is 0 while the tenant spends less than it may. If the tenant's own ledger has no
    target, its costs are counted, its cap holds if it has one, and the common price alone decides.

    Each charge is made in both ledgers; its key in the common one starts with the tenant's name, so that
    tenants may use the same keys. If both are in one database, a verb is one transaction. If not, and the
    process dies between the two, the common reservation expires and counts as spent; repeating the verb
    completes it.
    `history`, `reset`, `set_target` and `close` concern the tenant's own ledger alone.

    Args:
        common: The ledger that all tenants share.
        own: The tenant's own ledger, in the same unit.
        tenant: Its name, without a slash.

    Raises:
        LedgerError: The units differ, or the name is empty or holds a slash.

    >>> from adaptive_reasoner import open_ledger
    >>> common = open_ledger("memory://", target=50.0)
    >>> acme = TenantLedger(common, open_ledger("memory://", target=20.0), tenant="acme")
    >>> acme.settle(acme.reserve(30.0, "question-1"), 30.0).cost
    30.0
    >>> (acme.average, common.average, acme.surcharge > 0.0)
    (30.0, 30.0, True)
    """

    def __init__(self, common: Ledger, own: Ledger, *, tenant: str) -> None:
        if common.cost_unit != own.cost_unit:
            raise LedgerError(
                f"cost units differ: {common.cost_unit} and {own.cost_unit}; a ledger counts in one"
            )
        check_tenant(tenant)
        self.common, self.own, self.tenant = common, own, tenant

    def __repr__(self) -> str:
        return f"TenantLedger({self.tenant!r}, {self.own!r})"

    @property
    @override
    def target(self) -> float | None:
        return self.own.target if self.own.target is not None else self.common.target

    @property
    @override
    def hard_cap(self) -> float | None:
        return self.own.hard_cap if self.own.hard_cap is not None else self.common.hard_cap

    @property
    @override
    def price(self) -> float:
        return self.common.price + self.surcharge

    @property
    def surcharge(self) -> float:
        """The amount that the tenant's own budget adds to the common price."""
        holds = self.own.target is not None or _has_floor(self.own)
        return max(0.0, self.own.price - self.common.price) if holds else 0.0

    @property
    @override
    def quality(self) -> Quality | None:
        return self.own.quality if _has_floor(self.own) else self.common.quality

    @override
    def reserve(self, expected: float, key: str, **terms: Unpack[ChargeTerms]) -> Reservation:
        shared: ChargeTerms = {**terms, "question": self._shared(terms.get("question") or key)}

        def both() -> Reservation:
            held = self.own.reserve(expected, key, **terms)
            try:
                self.common.reserve(expected, self._shared(key), **shared)
            except UnreachableLedgerError:
                raise  # the charge may have been made there: repeating the verb completes it
            except (BudgetExceededError, LedgerError):
                if held.status == "open":
                    self.own.release(held)
                raise
            return held

        return self._in_one_transaction(both)

    @override
    def settle(self, reservation: Reservation | str, cost: float) -> Reservation:
        def both() -> Reservation:
            try:
                settled = self.own.settle(reservation, cost)
            except BudgetExceededError:  # it is booked in full, so it is booked in the common ledger too
                with suppress(BudgetExceededError):
                    self.common.settle(self._in_common(reservation), cost)
                raise
            self.common.settle(self._in_common(settled), cost if settled.cost is None else settled.cost)
            return settled

        return self._in_one_transaction(both)

    @override
    def extend(self, reservation: Reservation | str, worst: float) -> Reservation:
        return self._in_both(lambda ledger, charge: ledger.extend(charge, worst), reservation)

    @override
    def expire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        return self._in_both(lambda ledger, charge: ledger.expire(charge, saved=saved), reservation)

    @override
    def release(self, reservation: Reservation | str) -> Reservation:
        return self._in_both(lambda ledger, charge: ledger.release(charge), reservation)

    @override
    def charge(self, cost: float, key: str, **terms: Unpack[BookingTerms]) -> Reservation:
        shared: BookingTerms = {**terms, "question": self._shared(terms.get("question") or key)}

        def both() -> Reservation:
            try:
                booked = self.own.charge(cost, key, **terms)
            except BudgetExceededError:
                with suppress(BudgetExceededError):
                    self.common.charge(cost, self._shared(key), **shared)
                raise
            self.common.charge(cost if booked.cost is None else booked.cost, self._shared(key), **shared)
            return booked

        return self._in_one_transaction(both)

    @override
    def feedback(self, question: str, score: float) -> None:
        def both() -> None:
            self.own.feedback(question, score)
            self.common.feedback(self._shared(question), score)

        self._in_one_transaction(both)

    @override
    def snapshot(self) -> Snapshot:
        shared, mine = self.common.snapshot(), self.own.snapshot()
        if self.own.target is None:  # the common budget is the one that binds
            mine = replace(mine, credit=shared.credit, slack=shared.slack)
        if mine.quality is None or mine.quality.target is None:
            mine = replace(mine, quality=shared.quality)
        return replace(mine, target=self.target, price=self.price)

    def _in_both(
        self, verb: Callable[[Ledger, Reservation | str], Reservation], reservation: Reservation | str
    ) -> Reservation:
        """Run a verb on the tenant's charge, and then on the same charge in the common ledger."""

        def both() -> Reservation:
            changed = verb(self.own, reservation)
            verb(self.common, self._in_common(changed))
            return changed

        return self._in_one_transaction(both)

    def _in_one_transaction(self, verbs: Callable[[], T]) -> T:
        own = self.own
        return own.in_one_transaction(self.common, verbs) if isinstance(own, AsyncVerbs) else verbs()

    def _in_common(self, reservation: Reservation | str) -> Reservation | str:
        """The tenant's reservation as the common ledger knows it."""
        if isinstance(reservation, str):
            return self._shared(reservation)
        key, question = self._shared(reservation.key), self._shared(reservation.question)
        return replace(reservation, key=key, question=question)

    def _shared(self, name: str) -> str:
        return f"{self.tenant}/{name}"


def check_tenant(name: str) -> None:
    """Refuse a name under which no tenant can be charged.

    Raises:
        LedgerError: It is empty or holds a slash.
    """
    if not name or "/" in name:
        raise LedgerError(f"a tenant's name must not be empty or hold a slash, got {name!r}")


def _has_floor(ledger: Ledger) -> bool:
    return ledger.quality is not None and ledger.quality.target is not None
