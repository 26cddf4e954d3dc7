"""A ledger that works while its database is away: at the last price, with a journal that is charged later."""

import json
import math
import os
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from typing_extensions import Unpack, override

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.base import (
    BookingTerms,
    ChargeTerms,
    Ledger,
    Reservation,
    UnreachableLedgerError,
)
from adaptive_reasoner.ledger.entries import check_action, check_name
from adaptive_reasoner.ledger.journal_file import JournalFile
from adaptive_reasoner.ledger.price_controller import NANO
from adaptive_reasoner.ledger.proxy import LedgerProxy
from adaptive_reasoner.ledger.settings import to_score, to_units

T = TypeVar("T")

PART = 32  # lines charged under one hold of the lock; other verbs run in between
_AMOUNTS = {  # by verb, the first of which a line must have
    "reserve": ("expected", "worst", "budget"),
    "charge": ("cost",),
    "extend": ("worst",),
    "expire": ("saved",),
    "release": (),
    "feedback": ("score",),
}
_NAMES = ("key", "question", "action")
_EXPLORED = {"explored": True}  # in a line only where it is so


class JournaledLedger(LedgerProxy):
    """A ledger that keeps working when its database does not answer.

    A verb that the database does not answer is written to a file, and returns once that is on the disk. When
    the database is back, later verbs repeat what the file holds, in order and a part at a time. Verbs are
    idempotent by key: a replay that is cut, or that repeats a charge which had arrived, counts nothing twice.
    Until the journal is empty the price stays about where it was and the average is not held. A hard cap
    cannot be kept meanwhile, so a ledger with one is refused.

    A line that cannot be read, or that the ledger refuses, is moved to the file `path.rejected`, which a
    warning names once; the lines after it are charged.

    Args:
        inner: The ledger in the database.
        path: The journal, used by this process alone; lines of an earlier process are charged first.
        retry_after: Seconds between two attempts to reach the database.

    Raises:
        LedgerError: The inner ledger has a hard cap, or another process uses the journal. Every verb raises
            it in a fork of the process that opened it, because two processes cannot share a journal.
    """

    def __init__(self, inner: Ledger, path: str | os.PathLike[str], *, retry_after: float = 1.0) -> None:
        if inner.snapshot().hard_cap is not None:
            raise LedgerError(
                "a hard cap cannot be held without its database: open the ledger without a journal"
            )
        self.own = inner
        self._retry_after = retry_after
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._journal = JournalFile(path)
        self._away = not self._journal.empty
        self._next_try = 0.0
        self._rejection: str | None = None  # the first, until a warning names it
        self._warned = False

    @override
    def reserve(self, expected: float, key: str, **terms: Unpack[ChargeTerms]) -> Reservation:
        worst, budget = terms.get("worst"), terms.get("budget")
        question, action = terms.get("question"), terms.get("action")
        explored = terms.get("explored", False)
        planned = self._amount(expected, "expected")
        if worst is not None:
            planned = min(planned, self._bound(worst))
        reservation = Reservation(
            key=check_name(key),
            question=check_name(question or key),
            expected=planned,
            worst=planned if worst is None else worst,
            status="open",
            action=check_action(action),
            budget=None if budget is None else self._amount(budget, "budget"),
            explored=explored,
        )
        line = {"expected": planned, "key": key, "question": question, "action": action}
        line |= {"worst": reservation.worst} | ({} if budget is None else {"budget": float(budget)})
        line |= _explored(explored)
        return self._do(partial(self.own.reserve, expected, key, **terms), reservation, "reserve", **line)

    @override
    def settle(self, reservation: Reservation | str, cost: float) -> Reservation:
        held, real = self._held(reservation), self._amount(cost, "cost")
        # In the journal as a charge: it settles what is reserved, and books also where that never arrived.
        line = {"cost": real, "key": held.key, "question": held.question, "action": held.action}
        line |= _explored(held.explored)
        settled = replace(held, status="settled", cost=real)
        return self._do(partial(self.own.settle, reservation, cost), settled, "charge", **line)

    @override
    def extend(self, reservation: Reservation | str, worst: float) -> Reservation:
        held, bound = self._held(reservation), self._bound(worst)
        extended = replace(held, worst=max(held.worst, bound))
        extend = partial(self.own.extend, reservation, worst)
        return self._do(extend, extended, "extend", key=held.key, worst=bound)

    @override
    def expire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        held, unspent = self._held(reservation), self._amount(saved, "saved")
        expired = replace(held, status="expired", cost=max(0.0, held.worst - unspent))
        expire = partial(self.own.expire, reservation, saved=saved)
        return self._do(expire, expired, "expire", key=held.key, saved=unspent)

    @override
    def release(self, reservation: Reservation | str) -> Reservation:
        held = self._held(reservation)
        released = replace(held, status="released")
        return self._do(partial(self.own.release, reservation), released, "release", key=held.key)

    @override
    def charge(self, cost: float, key: str, **terms: Unpack[BookingTerms]) -> Reservation:
        real, question = self._amount(cost, "cost"), check_name(terms.get("question") or key)
        action, explored = terms.get("action"), terms.get("explored", False)
        charged = replace(
            self._held(key), question=question, action=check_action(action), status="settled", cost=real
        )
        charge = partial(self.own.charge, cost, key, **terms)
        line = {"cost": real, "key": key, "question": question, "action": action, **_explored(explored)}
        return self._do(charge, charged, "charge", **line)

    @override
    def feedback(self, question: str, score: float) -> None:
        graded = to_score(score) / NANO
        line = {"key": check_name(question), "score": graded}
        self._do(partial(self.own.feedback, question, graded), None, "feedback", **line)

    @override
    def close(self) -> None:
        """Close the ledger; what is in the journal stays there for the next process."""
        with self._lock:
            self._journal.close()
        self.own.close()

    def _do(self, change: Callable[[], T], instead: T, verb: str, **line: Any) -> T:
        """Make a change in the database; while it is away, write the verb down and answer `instead`."""
        self._refuse_after_a_fork()
        if not self._away:
            with suppress(UnreachableLedgerError):
                return change()
        with self._lock:
            done = self._do_in_order(change)
            if not done:
                self._journal.add(json.dumps({"verb": verb, **line}).encode())
                self._away = True
        self._name_the_rejected()
        return done[0] if done else instead

    def _do_in_order(self, change: Callable[[], T]) -> list[T]:
        """Make a change after those in the journal; empty while the database is away or some still wait."""
        if self._journal.closed:
            raise LedgerError("the ledger is closed; open it again to use it")
        with suppress(UnreachableLedgerError):
            self._replay()
            return [] if self._away else [change()]
        return []

    @override
    def _current(self) -> Ledger:
        """The ledger in the database, once it was charged all that the journal holds, a part at a time."""
        self._refuse_after_a_fork()
        while True:
            with self._lock:
                if self._journal.closed:
                    break
                self._next_try = 0.0
                self._replay()
                if not self._away:
                    break
            time.sleep(0.001)  # for a verb that waits for the lock
        self._name_the_rejected()
        return self.own

    def _refuse_after_a_fork(self) -> None:
        if self._pid != os.getpid():
            raise LedgerError(
                f"{self._journal.path} is the journal of process {self._pid}; "
                "after a fork, open the ledger with another"
            )

    def _replay(self) -> None:
        """Charge the first lines of the journal.

        Raises:
            UnreachableLedgerError: The database is still away.
        """
        if not self._away:
            return
        if time.monotonic() < self._next_try:
            raise UnreachableLedgerError("the ledger's database was away a moment ago")
        self._next_try = time.monotonic() + self._retry_after
        self.own.history(0)  # raises if the ledger is closed, before a line is rejected for that
        taken: list[bytes] = []
        try:
            for line in self._journal.first(PART):
                try:
                    self._repeat(line)
                except UnreachableLedgerError:
                    raise
                except LedgerError as error:
                    self._journal.set_aside(line)
                    self._rejection = self._rejection or str(error)
                taken.append(line)
        finally:
            self._journal.take(taken)
        self._next_try = 0.0
        self._away = not self._journal.empty

    def _repeat(self, text: bytes) -> None:
        verb, line = _read(text)
        if verb in ("reserve", "charge"):
            getattr(self.own, verb)(**line)
            return
        if verb == "feedback":
            self.own.feedback(line["key"], line["score"])
            return
        try:
            getattr(self.own, verb)(line.pop("key"), **line)
        except UnreachableLedgerError:
            raise
        except LedgerError:
            pass  # the charge never arrived, or is settled by now

    def _name_the_rejected(self) -> None:
        if self._rejection is not None and not self._warned:
            self._warned = True
            warnings.warn(
                f"lines of the journal {self._journal.path} could not be charged and were moved to "
                f"{self._journal.rejected}; the first: {self._rejection}",
                stacklevel=4,
            )

    def _held(self, reservation: Reservation | str) -> Reservation:
        if isinstance(reservation, Reservation):
            return reservation
        return Reservation(check_name(reservation), reservation, 0.0, 0.0, "open")

    def _bound(self, worst: float) -> float:
        return worst if worst == math.inf else self._amount(worst, "worst")

    def _amount(self, amount: float, what: str) -> float:
        """The amount, checked as the ledger in the database would check it."""
        to_units(amount, self.cost_unit, what)
        return float(amount)


def _explored(explored: bool) -> dict[str, bool]:
    return _EXPLORED if explored else {}


def _read(text: bytes) -> tuple[str, dict[str, Any]]:
    """The verb of a line of the journal, and its arguments.

    Raises:
        LedgerError: The line cannot be read.
    """
    try:
        line = json.loads(text)
        verb = line.pop("verb")
        amounts = _AMOUNTS[verb]
        line |= {name: float(line[name]) for name in amounts if name in line or name == amounts[0]}
        readable = line.keys() <= {*_NAMES, *amounts, *_EXPLORED} and isinstance(line["key"], str)
        readable = readable and all(isinstance(line.get(name), str | None) for name in _NAMES)
        readable = readable and line.get("explored", True) is True
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        readable = False
    if not readable:
        raise LedgerError(f"a line cannot be read: {text[:100]!r}")
    return verb, line
