"""A ledger in the memory of one process, for one process."""

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, takewhile
from typing import ParamSpec, TypeVar

from typing_extensions import override

from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.changes import Share
from adaptive_reasoner.ledger.comparisons import ComparedAnswer
from adaptive_reasoner.ledger.entries import Entry
from adaptive_reasoner.ledger.estimates import Closed
from adaptive_reasoner.ledger.price_controller import NANO, Totals
from adaptive_reasoner.ledger.rules import TransactionalLedger
from adaptive_reasoner.ledger.settings import Account, Aims, LedgerOptions
from adaptive_reasoner.ledger.store import Transaction, Wanted
from adaptive_reasoner.policy.alarm import Alarm

P = ParamSpec("P")
T = TypeVar("T")


REMEMBERED = 100_000


class MemoryLedger(TransactionalLedger):
    """Safe from threads and tasks; gone with the process. It knows the latest 100,000 charges by key."""

    non_blocking = True  # its verbs never wait, so they block no loop
    _reread = 0.0

    def __init__(self, account: Account, *, clock: Callable[[], float]) -> None:
        super().__init__(account, clock=clock)
        self._lock = threading.Lock()
        self._store = _Store()
        self._payer: MemoryLedger | None = None

    @override
    def payer(self, max_cost: float) -> Ledger:
        terms = LedgerOptions(
            cost_unit=self.cost_unit, hard_cap=max_cost, reservation_ttl=self._account.ttl
        ).account()
        with self._lock:
            if self._payer is None:
                self._payer = MemoryLedger(terms, clock=self._clock)
            self._payer._account = terms
            return self._payer

    @override
    def _paying(self) -> Ledger | None:
        return self._payer

    @override
    def _atomically(self, change: Callable[[Transaction], T], wanted: Wanted | None = None) -> T:
        with self._lock:
            try:
                return change(self._store)
            finally:
                self._remember(self._store.loaded)

    @override
    async def _awaited(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return verb(*args, **kwargs)  # a few microseconds under a lock that is never held across an await


class _Store:
    """Entries by key, in order of arrival. The rules check before they write: nothing needs rolling back."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.loaded: dict[str, Totals] = {}
        self._entries: dict[str, Entry] = {}
        self._open: dict[str, Entry] = {}
        self._questions: dict[tuple[str, str], Share] = {}  # by question and period
        self._scores: dict[str, tuple[int, float]] = {}  # and when they were given
        self._comparisons: dict[str, ComparedAnswer] = {}
        self._alarms: list[Alarm] = []

    def lock(self) -> None:
        """The ledger's own lock is held already."""

    def retarget(self, aims: Aims) -> None:
        """The ledger itself remembers it."""

    def totals(self, period: str) -> Totals:
        if period not in self.loaded:
            self.loaded[period] = self.loaded[max(self.loaded)].carried if self.loaded else Totals()
        return self.loaded[period]

    def entry(self, wanted: Wanted) -> Entry | None:
        return self._entries.get(wanted.key)

    def others(self, entry: Entry) -> Share:
        found = self._questions.get((entry.question, entry.period), Share())
        known = self._entries.get(entry.key)
        mine = known is not None and (known.question, known.period) == (entry.question, entry.period)
        return found.plus(Share.of(known), -1) if known is not None and mine else found

    def put(self, entry: Entry, *, before: Entry | None) -> None:
        if before is not None:
            self._count(before, -1)
            if before.status == "released":
                del self._entries[entry.key]  # it comes again, as the latest
        self._entries[entry.key] = entry
        self._count(entry, 1)
        if before is None and len(self._entries) > REMEMBERED:
            self._forget(next(iter(self._entries.values())))

    def add(self, period: str, change: Totals) -> None:
        self.loaded[period] = self.totals(period) + change

    def score(self, question: str) -> int | None:
        return self._scores.get(question, (None, 0.0))[0]

    def put_score(self, question: str, score: int, now: float) -> None:
        self._scores.pop(question, None)  # it comes again, as the latest
        self._scores[question] = score, now
        if len(self._scores) > REMEMBERED:
            del self._scores[next(iter(self._scores))]

    def scores_since(self, moment: float) -> Mapping[str, float]:
        latest = takewhile(lambda graded: graded[1][1] >= moment, reversed(self._scores.items()))
        return {question: score / NANO for question, (score, _) in list(latest)[::-1]}

    def put_alarm(self, alarm: Alarm) -> None:
        if alarm not in self._alarms:
            self._alarms.append(alarm)

    def alarms(self) -> Sequence[Alarm]:
        return list(self._alarms)

    def drop_alarms(self, policy_id: str) -> None:
        self._alarms = [alarm for alarm in self._alarms if alarm.policy_id != policy_id]

    def put_comparison(self, comparison: ComparedAnswer) -> None:
        self._comparisons[comparison.key] = comparison
        if len(self._comparisons) > REMEMBERED:
            del self._comparisons[next(iter(self._comparisons))]

    def comparisons(self) -> Sequence[ComparedAnswer]:
        return list(self._comparisons.values())

    def due(self, now: float, most: int) -> Sequence[Entry]:
        return list(islice((entry for entry in self._open.values() if entry.expires_at <= now), most))

    def latest(self, limit: int) -> Sequence[Entry]:
        return list(islice(reversed(self._entries.values()), limit))[::-1]

    def closed(self, most: int) -> Sequence[Closed]:
        closed = (entry for entry in reversed(self._entries.values()) if entry.status != "open")
        return [Closed(e.status, e.action, e.expected, e.cost) for e in islice(closed, most)]

    def planned(self) -> Mapping[str | None, tuple[int, int]]:
        found: dict[str | None, tuple[int, int]] = {}
        for entry in self._open.values():
            charges, amount = found.get(entry.action, (0, 0))
            found[entry.action] = charges + 1, amount + entry.expected
        return found

    def _forget(self, entry: Entry) -> None:
        if entry.status != "open":
            del self._entries[entry.key]
            self._count(entry, -1)

    def _count(self, entry: Entry, step: int) -> None:
        if entry.status == "open":
            if step > 0:
                self._open[entry.key] = entry
            else:
                del self._open[entry.key]
        named = entry.question, entry.period
        found = self._questions.get(named, Share()).plus(Share.of(entry), step)
        if found == Share():
            self._questions.pop(named, None)
        else:
            self._questions[named] = found
