"""The rules of a ledger on any store: what reserve, settle and release do to the charges and their sums.

A store keeps entries and totals and runs transactions; `memory` and `sql` are the two. A verb changes the
totals only by differences, so a store may keep the sums in one row or in several.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from typing_extensions import override

from adaptive_reasoner.amounts import written
from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.ledger.accuracy_floor import Quality, grading
from adaptive_reasoner.ledger.alarm_keeping import AlarmKeeping
from adaptive_reasoner.ledger.base import Reservation, Snapshot
from adaptive_reasoner.ledger.changes import difference, steered
from adaptive_reasoner.ledger.comparison_keeping import ComparisonKeeping
from adaptive_reasoner.ledger.entries import Entry, check_action, check_name, report
from adaptive_reasoner.ledger.estimates import Estimates
from adaptive_reasoner.ledger.price_controller import Totals
from adaptive_reasoner.ledger.refusals import beyond_cap
from adaptive_reasoner.ledger.settings import LARGEST, Account, Aims, to_accuracy, to_score
from adaptive_reasoner.ledger.store import Transaction, Wanted

T = TypeVar("T")

HISTORY = 10_000
AT_ONCE = 500  # expired reservations booked in one transaction, which locks the question of each


class TransactionalLedger(ComparisonKeeping, AlarmKeeping):
    """A ledger on a store of entries and totals; subclasses run the transactions."""

    _place = "in memory"  # for messages

    def __init__(self, account: Account, *, clock: Callable[[], float]) -> None:
        self._account = account
        self._estimates = Estimates(account.target)
        self._clock = clock
        self._totals = Totals()
        self._closed = False
        self._next_sweep = clock() + account.ttl / 4.0

    def __repr__(self) -> str:
        target = "no target" if self.target is None else f"target {written(self.target)} {self.cost_unit}"
        return f"{type(self).__name__}({self._place}, {target})"

    @abstractmethod
    def _atomically(self, change: Callable[[Transaction], T], wanted: Wanted | None = None) -> T:
        """Run `change` in one transaction, all of it or nothing; then `_remember` the sums it read.

        With `wanted`, the change reads and writes that charge and no other.
        """

    # Properties

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

    @property
    @override
    def quality(self) -> Quality | None:
        return self._account.quality(self._estimates.correction.of(self._totals))

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
        explored: bool = False,
    ) -> Reservation:
        planned = self._account.to_units(expected, "expected")
        bound = planned if worst is None else self._account.bound(worst)
        allowance = self._account.allowance(budget)
        now = self._clock()
        if now >= self._next_sweep:
            self._next_sweep = now + self._account.ttl / 4.0
            self._change(self._expire)
        plan = planned if bound is None else min(planned, bound)
        entry = replace(self._new_entry(key, question, action, now, plan, bound), explored=int(explored))
        wanted, tried = Wanted(key, entry.question, entry.period, entry.held), []

        def change(transaction: Transaction) -> tuple[Entry, bool]:
            known = transaction.entry(wanted)
            if known is not None and known.status != "released":
                return known, known not in tried  # this change may have run before, and its outcome was lost
            self._refuse_beyond_cap(transaction, None, entry)
            self._write(transaction, known, entry, allowance=allowance)
            tried.append(entry)
            return entry, False

        stands, repeated = self._change(change, wanted)
        return replace(self._reservation(stands), repeated=repeated, budget=budget)

    @override
    def extend(self, reservation: Reservation | str, worst: float) -> Reservation:
        bound = self._account.bound(worst)
        return self._revise(reservation, lambda known: known.extended(bound), needs=bound or 0)

    @override
    def expire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        unspent = self._account.to_units(saved, "saved")
        return self._revise(reservation, lambda known: known.expired(unspent))

    @override
    def settle(self, reservation: Reservation | str, cost: float) -> Reservation:
        real = self._account.to_units(cost, "cost")
        return self._revise(reservation, lambda known: known.settled(real))

    @override
    def release(self, reservation: Reservation | str) -> Reservation:
        return self._revise(reservation, Entry.released)

    @override
    def charge(
        self,
        cost: float,
        key: str,
        *,
        question: str | None = None,
        action: str | None = None,
        explored: bool = False,
    ) -> Reservation:
        real, now = self._account.to_units(cost, "cost"), self._clock()
        entry = self._new_entry(key, question, action, now, real, real)
        entry = replace(entry.settled(real), expires_at=now, explored=int(explored))
        wanted = Wanted(key, entry.question, entry.period, real)

        def change(transaction: Transaction) -> tuple[Entry, int | None]:
            known = transaction.entry(wanted)
            if known is None or known.status == "released":
                return self._book(transaction, known, entry, self._room(transaction, entry.period))
            return self._become(transaction, known, known.settled(real))

        return self._booked(*self._change(change, wanted))

    @override
    def feedback(self, question: str, score: float) -> None:
        graded = to_score(score)
        wanted = Wanted(check_name(question), question, self._period)

        def change(transaction: Transaction) -> None:
            totals, before = transaction.totals(wanted.period), transaction.score(question)
            if graded != before:
                least = self._account.budget_price(self._estimates.correction.of(totals))
                transaction.put_score(question, graded, self._clock())
                transaction.add(wanted.period, grading(totals, self._account.floor, graded, before, least))

        self._change(change, wanted)

    @override
    def snapshot(self) -> Snapshot:
        while (seen := self._change(self._report)) is None:
            pass
        return seen

    @override
    def history(self, limit: int = 100) -> list[Reservation]:
        if not 0 <= limit <= LARGEST:
            raise LedgerError(f"history takes a limit of at least 0, got {limit}")
        return [self._reservation(entry) for entry in self._change(lambda store: store.latest(limit))]

    @override
    def spent_on(self, question: str) -> float:
        probe = self._new_entry(f"{question}:spent", question, None, self._clock(), 0, 0)
        wanted = Wanted(probe.key, probe.question, probe.period)

        def change(transaction: Transaction) -> int:
            transaction.entry(wanted)
            share = transaction.others(probe)
            return share.spent + share.reserved

        return self._change(change, wanted) / self._account.scale

    @override
    def reset(self) -> None:
        self._change(self._restart)

    @override
    def set_target(self, target: float) -> None:
        self._aim(lambda: self._account.for_target(target))

    @override
    def set_target_accuracy(self, target: float) -> None:
        self._aim(lambda: self._account.for_accuracy(to_accuracy(target), self.price))

    @override
    def close(self) -> None:
        self._closed = True

    # Rules

    @override
    def _change(self, change: Callable[[Transaction], T], wanted: Wanted | None = None) -> T:
        self._refuse_if_closed()
        return self._atomically(change, wanted)

    def _revise(self, name: Reservation | str, step: Callable[[Entry], Entry], needs: int = 0) -> Reservation:
        """Replace a charge by what `step` returns for it."""
        wanted = self._wanted(name)._replace(needs=needs)

        def change(transaction: Transaction) -> tuple[Entry, int | None]:
            known = self._known(transaction, wanted)
            return self._become(transaction, known, step(known))

        return self._booked(*self._change(change, wanted))

    def _become(self, transaction: Transaction, before: Entry, after: Entry) -> tuple[Entry, int | None]:
        """Write a charge if it changed and the hard cap has room; returns as `_book`."""
        if after == before:
            return before, None
        if after.worst != before.worst:
            self._refuse_beyond_cap(transaction, before, after)
        return self._book(transaction, before, after, before.held)

    @property
    def _period(self) -> str:
        return self._account.period(self._clock())

    def _aim(self, aims: Callable[[], Aims]) -> None:
        """Hold others from now on, in all processes."""

        def change(transaction: Transaction) -> None:
            transaction.lock()
            totals, before = transaction.totals(self._period), self._account
            self._hold(aims())
            transaction.retarget(self._account.aims)
            transaction.add(self._period, self._account.takeover(before, totals))

        self._change(change)

    def _hold(self, aims: Aims) -> None:
        if aims != self._account.aims:
            self._account = replace(self._account, **aims._asdict())
            self._estimates = Estimates(aims.target)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise LedgerError(f"the ledger {self._place} is closed; open it again to use it")

    def _begin(self, transaction: Transaction) -> None:
        """Read the sums of this period, and learn how costs compare with plans."""
        self._estimates.learn(transaction, transaction.totals(self._period))

    def _restart(self, transaction: Transaction) -> None:
        transaction.clear()
        self._begin(transaction)

    def _report(self, transaction: Transaction) -> Snapshot | None:
        """The snapshot; None while reservations are left to expire."""
        if self._expire(transaction):
            return None
        totals = transaction.totals(self._period)
        likely = self._estimates.learn(transaction, totals).of(totals)
        return report(self._account, totals, transaction.latest(HISTORY), likely)

    def _remember(self, loaded: Mapping[str, Totals]) -> None:
        """Keep the sums that a change read, for the price; stores call this in the order of their changes."""
        self._totals = loaded.get(self._period, self._totals)

    def _expire(self, transaction: Transaction) -> bool:
        """Book expired reservations at their worst case, `AT_ONCE` at most; whether there were any."""
        due = transaction.due(self._clock(), AT_ONCE)
        for known in due:
            self._write(transaction, known, known.expired())
        return bool(due)

    def _wanted(self, reservation: Reservation | str) -> Wanted:
        if isinstance(reservation, str):  # most questions have one charge, whose key is the question
            return Wanted(check_name(reservation), reservation, self._period)
        return Wanted(check_name(reservation.key), check_name(reservation.question), self._period)

    def _new_entry(
        self, key: str, question: str | None, action: str | None, now: float, expected: int, worst: int | None
    ) -> Entry:
        return Entry(
            key=check_name(key),
            question=check_name(question or key),
            period=self._account.period(now),
            expected=expected,
            worst=worst,
            status="open",
            cost=None,
            action=check_action(action),
            expires_at=now + self._account.ttl,
            reserved_at=now,
        )

    def _known(self, transaction: Transaction, wanted: Wanted) -> Entry:
        entry = transaction.entry(wanted)
        if entry is None:
            raise LedgerError(
                f"nothing was reserved under {wanted.key!r}; reserve before settling, or use charge"
            )
        return entry

    def _room(self, transaction: Transaction, period: str) -> int | None:
        """The room left under the hard cap, None without a cap."""
        if self._account.hard_cap is None:
            return None
        totals = transaction.totals(period)
        return self._account.hard_cap - totals.spent - totals.held

    def _refuse_beyond_cap(self, transaction: Transaction, before: Entry | None, after: Entry) -> None:
        """Refuse a worst case if the hard cap has no room for what it adds to what is held."""
        room = self._room(transaction, after.period)
        if room is None:
            return
        worst, held = after.worst, before.held if before is not None else 0
        closed = transaction.totals(after.period).breaches > 0
        if closed or worst is None or worst - held > room:
            transaction.lock()  # what it is refused for must be so when nobody else makes a change
            wanted = float("inf") if worst is None else worst / self._account.scale
            left = (room if worst is None else room + held) / self._account.scale
            reason = beyond_cap(wanted, left, self.hard_cap or 0.0, self.cost_unit)
            if closed:
                reason = "the hard cap is closed: a settlement went above its worst case"
            raise BudgetExceededError(wanted, left, self.cost_unit, reason)

    def _book(
        self, transaction: Transaction, before: Entry | None, after: Entry, bound: int | None
    ) -> tuple[Entry, int | None]:
        """Write a charge; returns it, and the bound under a hard cap if a settlement broke it."""
        settles = self._account.hard_cap is not None and after.status == "settled"
        broken = settles and bound is not None and (after.cost or 0) > bound
        if broken:
            transaction.lock()
        self._write(transaction, before, after, breaches=int(broken))
        return after, bound if broken else None

    def _booked(self, entry: Entry, broken: int | None) -> Reservation:
        if broken is None:
            return self._reservation(entry)
        scale, unit = self._account.scale, self.cost_unit
        cost, left = (entry.cost or 0) / scale, broken / scale
        beyond = f"{entry.key!r} cost {written(cost)} {unit}"
        held = f"where the hard cap held {written(left)}; it is booked in full, and the cap is closed"
        raise BudgetExceededError(cost, left, unit, f"{beyond} {held}")

    def _write(
        self,
        transaction: Transaction,
        before: Entry | None,
        after: Entry,
        *,
        breaches: int = 0,
        allowance: int = 0,
    ) -> None:
        """Write an entry and the change of the sums, with the step of the price law."""
        others, earlier = transaction.others(after), transaction.totals(after.period)
        change = difference(before, after, others, breaches=breaches)
        change = replace(change, unheard=change.admitted)
        self._account.check_sum(earlier.spent + earlier.held + change.spent + change.held)
        if (law := self._account.law) is not None:
            correction = self._estimates.follow(transaction, earlier)
            change, after = steered(law, correction, earlier, change, before, after, others, allowance)
        transaction.put(after, before=before)
        transaction.add(after.period, change)

    def _reservation(self, entry: Entry) -> Reservation:
        return entry.as_reservation(self._account)
