"""The rules of a ledger over any store: what reserve, settle and release do to the charges and their sums.

A store keeps entries and totals and gives transactions; `memory` and `sql` are the two. Everything a verb
changes is a difference of totals, so a store may keep the sums in one place or in many.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from typing_extensions import override

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.ledger.base import AsyncVerbs, Reservation, Snapshot
from adaptive_reasoner.ledger.changes import difference, steered
from adaptive_reasoner.ledger.entries import Entry, beyond_cap, check_action, check_name, report
from adaptive_reasoner.ledger.estimates import Estimates
from adaptive_reasoner.ledger.price_controller import Totals
from adaptive_reasoner.ledger.settings import LARGEST, Account
from adaptive_reasoner.ledger.store import Transaction, Wanted

T = TypeVar("T")

HISTORY = 10_000
AT_ONCE = 500  # expired reservations booked in one transaction: a database locks a question of each


class TransactionalLedger(AsyncVerbs):
    """A ledger on a store of entries and totals. Subclasses give the transactions."""

    _place = "in memory"  # where it is kept, for messages

    def __init__(self, account: Account, *, clock: Callable[[], float]) -> None:
        self._account = account
        self._law = account.law
        self._estimates = Estimates(account.target)
        self._clock = clock
        self._totals = Totals()
        self._closed = False
        self._next_sweep = clock() + account.ttl / 4.0

    @abstractmethod
    def _atomically(self, change: Callable[[Transaction], T], wanted: Wanted | None = None) -> T:
        """Run `change` in one transaction: all of it happens, or nothing. Then `_remember` what it saw.

        With `wanted`, it asks for that charge and no other, and writes no other.
        """

    # What it holds

    @property
    @override
    def cost_unit(self) -> str:
        return self._account.cost_unit

    @property
    @override
    def target(self) -> float | None:
        return self._account.from_units(self._account.target)

    @property
    @override
    def price(self) -> float:
        return self._account.price_at(self._estimates.correction.of(self._totals))

    @property
    @override
    def average(self) -> float:
        return self._account.mean(self._totals.spent, self._totals.questions)

    @property
    @override
    def spent(self) -> float:
        return self._totals.spent / self._account.scale

    @property
    @override
    def hard_cap(self) -> float | None:
        return self._account.from_units(self._account.hard_cap)

    # Verbs

    @override
    def reserve(
        self,
        expected: float,
        key: str,
        *,
        worst: float | None = None,
        question: str | None = None,
        action: str | None = None,
        budget: float | None = None,
    ) -> Reservation:
        planned = self._account.to_units(expected, "expected")
        bound = planned if worst is None else self._account.bound(worst)
        own = self._account.allowance(budget)
        now = self._clock()
        if now >= self._next_sweep:
            self._next_sweep = now + self._account.ttl / 4.0
            self._change(self._expire)
        entry = Entry(
            key=check_name(key),
            question=check_name(question or key),
            period=self._account.period(now),
            expected=planned if bound is None else min(planned, bound),
            worst=bound,
            status="open",
            cost=None,
            action=check_action(action),
            expires_at=now + self._account.ttl,
        )

        wanted, tried = Wanted(key, entry.question, entry.period), []

        def change(transaction: Transaction) -> tuple[Entry, bool]:
            known = transaction.entry(wanted)
            if known is not None and known.status != "released":
                return known, known not in tried  # it may be this very change, whose outcome got lost
            self._admit(transaction, entry)
            self._write(transaction, known, entry, own=own)
            tried.append(entry)
            return entry, False

        stands, repeated = self._change(change, wanted)
        return replace(self._reservation(stands), repeated=repeated, budget=budget)

    @override
    def extend(self, reservation: Reservation | str, worst: float) -> Reservation:
        bound, wanted = self._account.bound(worst), self._wanted(reservation)

        def change(transaction: Transaction) -> Entry:
            known = self._known(transaction, wanted)
            if known.status in ("settled", "released"):
                raise LedgerError(
                    f"{known.key!r} is {known.status} and cannot be extended; reserve under another key"
                )
            if known.worst is None or (bound is not None and bound <= known.worst):
                return known
            more = None if bound is None else bound - known.worst
            self._refuse_beyond_cap(transaction, known.period, bound, more)
            cost = known.cost if known.cost is None else known.cost + (more or 0)
            entry = replace(known, worst=bound, cost=cost)
            self._write(transaction, known, entry)
            return entry

        return self._reservation(self._change(change, wanted))

    @override
    def expire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        unspent, wanted = self._account.to_units(saved, "saved"), self._wanted(reservation)

        def change(transaction: Transaction) -> Entry:
            known = self._known(transaction, wanted)
            if known.status in ("settled", "released"):
                return known
            most = known.held if known.worst is None else max(0, known.held - unspent)
            entry = replace(
                known, status="expired", cost=most if known.cost is None else min(known.cost, most)
            )
            if entry != known:
                self._write(transaction, known, entry)
            return entry

        return self._reservation(self._change(change, wanted))

    @override
    def settle(self, reservation: Reservation | str, cost: float) -> Reservation:
        real, wanted = self._account.to_units(cost, "cost"), self._wanted(reservation)

        def change(transaction: Transaction) -> tuple[Entry, int | None]:
            known = self._known(transaction, wanted)
            if known.status == "released":
                raise LedgerError(f"{known.key!r} was released and cannot be settled; reserve it again first")
            return self._book(transaction, known, replace(known, status="settled", cost=real), known.held)

        return self._booked(*self._change(change, wanted))

    @override
    def release(self, reservation: Reservation | str) -> Reservation:
        wanted = self._wanted(reservation)

        def change(transaction: Transaction) -> Entry:
            known = self._known(transaction, wanted)
            if known.status in ("settled", "released"):
                return known
            entry = replace(known, status="released", cost=None)
            self._write(transaction, known, entry)
            return entry

        return self._reservation(self._change(change, wanted))

    @override
    def charge(
        self, cost: float, key: str, *, question: str | None = None, action: str | None = None
    ) -> Reservation:
        real, now = self._account.to_units(cost, "cost"), self._clock()
        entry = Entry(
            key=check_name(key),
            question=check_name(question or key),
            period=self._account.period(now),
            expected=real,
            worst=real,
            status="settled",
            cost=real,
            action=check_action(action),
            expires_at=now,
        )
        wanted = Wanted(key, entry.question, entry.period)

        def change(transaction: Transaction) -> tuple[Entry, int | None]:
            known = transaction.entry(wanted)
            if known is None or known.status == "released":
                return self._book(transaction, known, entry, self._room(transaction, entry.period))
            return self._book(transaction, known, replace(known, status="settled", cost=real), known.held)

        return self._booked(*self._change(change, wanted))

    @override
    def snapshot(self) -> Snapshot:
        def change(transaction: Transaction) -> Snapshot | None:
            if self._expire(transaction):
                return None  # until nothing is left to expire
            totals = transaction.totals(self._period)
            likely = self._estimates.learn(transaction, totals).of(totals)
            return report(self._account, totals, transaction.latest(HISTORY), likely)

        while (seen := self._change(change)) is None:
            pass
        return seen

    @override
    def history(self, limit: int = 100) -> list[Reservation]:
        if not 0 <= limit <= LARGEST:
            raise LedgerError(f"history takes a limit of at least 0, got {limit}")
        return [self._reservation(entry) for entry in self._change(lambda store: store.latest(limit))]

    @override
    def reset(self) -> None:
        def change(transaction: Transaction) -> None:
            transaction.clear()
            self._begin(transaction)

        self._change(change)

    @override
    def set_target(self, target: float) -> None:
        if not (wanted := self._account.to_units(target, "target")):
            raise LedgerError(f"target must be a finite number above 0, got {target:g}")

        def change(transaction: Transaction) -> None:
            transaction.lock()
            totals, before = transaction.totals(period := self._period), self._law
            self._hold(wanted)
            transaction.retarget(wanted)
            if self._law is not None:
                transaction.add(period, Totals(forgiven=self._law.takeover(before, totals)))

        self._change(change)

    @override
    def close(self) -> None:
        self._closed = True

    # Rules

    def _change(self, change: Callable[[Transaction], T], wanted: Wanted | None = None) -> T:
        """Run a change."""
        self._refuse_if_closed()
        return self._atomically(change, wanted)

    @property
    def _period(self) -> str:
        return self._account.period(self._clock())

    def _hold(self, target: int | None) -> None:
        """Go on with this target."""
        if target != self._account.target:
            self._account = replace(self._account, target=target)
            self._law, self._estimates = self._account.law, Estimates(target)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise LedgerError(f"the ledger {self._place} is closed; open it again to use it")

    def _begin(self, transaction: Transaction) -> None:
        """See the sums of this period, and what plans are worth."""
        self._estimates.learn(transaction, transaction.totals(self._period))

    def _remember(self, loaded: Mapping[str, Totals]) -> None:
        """Keep the sums that a change saw, for the price; stores call this in the order of their changes."""
        self._totals = loaded.get(self._period, self._totals)

    def _expire(self, transaction: Transaction) -> bool:
        """Book some of what nobody settled in time; whether there was any."""
        due = transaction.due(self._clock(), AT_ONCE)
        for known in due:  # whoever reserved it may have spent all of it
            self._write(transaction, known, replace(known, status="expired", cost=known.held))
        return bool(due)

    def _wanted(self, reservation: Reservation | str) -> Wanted:
        if isinstance(reservation, str):  # most questions have one charge, of the same name
            return Wanted(check_name(reservation), reservation, self._period)
        return Wanted(check_name(reservation.key), check_name(reservation.question), self._period)

    def _known(self, transaction: Transaction, wanted: Wanted) -> Entry:
        entry = transaction.entry(wanted)
        if entry is None:
            raise LedgerError(
                f"nothing was reserved under {wanted.key!r}; reserve before settling, or use charge"
            )
        return entry

    def _room(self, transaction: Transaction, period: str) -> int | None:
        """What the hard cap has left, None without a cap."""
        if self._account.hard_cap is None:
            return None
        totals = transaction.totals(period)
        return self._account.hard_cap - totals.spent - totals.held

    def _admit(self, transaction: Transaction, entry: Entry) -> None:
        """Refuse what the hard cap has no room for."""
        self._refuse_beyond_cap(transaction, entry.period, entry.worst, entry.worst)

    def _refuse_beyond_cap(
        self, transaction: Transaction, period: str, worst: int | None, more: int | None
    ) -> None:
        """Refuse a worst case where the hard cap has no room for what it adds to what is held."""
        room = self._room(transaction, period)
        if room is None:
            return
        closed = transaction.totals(period).breaches > 0
        if closed or worst is None or more is None or more > room:
            wanted = float("inf") if worst is None else worst / self._account.scale
            left = (room + (worst or 0) - (more or 0)) / self._account.scale
            reason = beyond_cap(wanted, left, self.hard_cap or 0.0, self.cost_unit)
            if closed:
                reason = "the hard cap is closed: a settlement went above its worst case"
            raise BudgetExceededError(wanted, left, self.cost_unit, reason)

    def _book(
        self, transaction: Transaction, before: Entry | None, after: Entry, bound: int | None
    ) -> tuple[Entry, int | None]:
        """Settle once; returns what stands, and the bound where it was broken under a hard cap."""
        if before is not None and before.status == "settled":
            return before, None
        broken = self._account.hard_cap is not None and bound is not None and (after.cost or 0) > bound
        self._write(transaction, before, after, breaches=int(broken))
        return after, bound if broken else None

    def _booked(self, entry: Entry, broken: int | None) -> Reservation:
        if broken is None:
            return self._reservation(entry)
        scale, unit = self._account.scale, self.cost_unit
        cost, left = (entry.cost or 0) / scale, broken / scale
        raise BudgetExceededError(
            cost,
            left,
            unit,
            f"{entry.key!r} cost {cost:g} {unit} where the hard cap held {left:g}; "
            "it is booked in full, and the cap is closed",
        )

    def _write(
        self,
        transaction: Transaction,
        before: Entry | None,
        after: Entry,
        *,
        breaches: int = 0,
        own: int = 0,
    ) -> None:
        """Put an entry and what it changes in the sums, and let the price law take its step."""
        others, earlier = transaction.others(after), transaction.totals(after.period)
        change = difference(before, after, others, breaches=breaches)
        if earlier.spent + earlier.held + change.spent + change.held > LARGEST:
            most = LARGEST / self._account.scale
            raise LedgerError(f"the ledger's sum would overflow {most:g} {self.cost_unit}")
        if self._law is not None:
            correction = self._estimates.follow(transaction, earlier)
            change, after = steered(self._law, correction, earlier, change, before, after, others, own)
        transaction.put(after, before=before)
        transaction.add(after.period, change)

    def _reservation(self, entry: Entry) -> Reservation:
        return entry.as_reservation(self._account)
