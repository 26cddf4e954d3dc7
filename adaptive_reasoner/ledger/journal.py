"""Go on while the ledger's database is away: at the last price, with a journal that is settled later."""

import json
import math
import os
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from typing_extensions import override

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.base import Ledger, Reservation, UnreachableLedgerError
from adaptive_reasoner.ledger.entries import check_action, check_name
from adaptive_reasoner.ledger.journal_file import JournalFile
from adaptive_reasoner.ledger.proxy import LedgerProxy
from adaptive_reasoner.ledger.settings import to_units

T = TypeVar("T")

PART = 32  # lines that are charged at a stretch; other verbs go in between
_AMOUNTS = {  # by verb, the first of which a line must have
    "reserve": ("expected", "worst", "budget"),
    "charge": ("cost",),
    "extend": ("worst",),
    "expire": ("saved",),
    "release": (),
}
_NAMES = ("key", "question", "action")


class JournaledLedger(LedgerProxy):
    """A ledger that keeps working when its database does not answer.

    What could not be charged is written to a file, and waited for until it is on the disk. The verbs that
    come after the database is back charge it, in order and a part at a time; as all verbs are idempotent by
    key, being cut in the middle of that, or having been unsure whether a charge had arrived, changes nothing.
    Until all of it is charged the price stays about where it was, and the average is not held; so a ledger
    with a hard cap, which nobody could keep then, is refused.

    A line that cannot be read, or that the ledger refuses, is moved to the file `path.rejected`, which a
    warning names once; the lines after it are charged.

    Args:
        inner: The ledger in the database.
        path: The journal, of this process alone; what an earlier process left in it is charged first.
        retry_after: Seconds between two attempts to reach the database.

    Raises:
        LedgerError: The inner ledger has a hard cap, or another process uses the journal. Every verb raises
            it in a fork of the process that opened it: a journal of two would be emptied by one.
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
        planned = self._amount(expected, "expected")
        if worst is not None:
            planned = min(planned, worst if worst == math.inf else self._amount(worst, "worst"))
        reservation = Reservation(
            key=check_name(key),
            question=check_name(question or key),
            expected=planned,
            worst=planned if worst is None else worst,
            status="open",
            action=check_action(action),
            budget=None if budget is None else self._amount(budget, "budget"),
        )
        line = {"verb": "reserve", "expected": planned, "key": key, "question": question, "action": action}
        line["worst"] = reservation.worst
        if budget is not None:
            line["budget"] = float(budget)
        return self._do(
            lambda: self.own.reserve(
                expected, key, worst=worst, question=question, action=action, budget=budget
            ),
            line,
            reservation,
        )

    @override
    def settle(self, reservation: Reservation | str, cost: float) -> Reservation:
        held, real = self._held(reservation), self._amount(cost, "cost")
        # In the journal as a charge: it settles what is reserved, and books also where that never arrived.
        line = {
            "verb": "charge",
            "cost": real,
            "key": held.key,
            "question": held.question,
            "action": held.action,
        }
        settled = replace(held, status="settled", cost=real)
        return self._do(lambda: self.own.settle(reservation, cost), line, settled)

    @override
    def extend(self, reservation: Reservation | str, worst: float) -> Reservation:
        held, bound = self._held(reservation), worst if worst == math.inf else self._amount(worst, "worst")
        line = {"verb": "extend", "key": held.key, "worst": bound}
        extended = replace(held, worst=max(held.worst, bound))
        return self._do(lambda: self.own.extend(reservation, worst), line, extended)

    @override
    def expire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        held, unspent = self._held(reservation), self._amount(saved, "saved")
        line = {"verb": "expire", "key": held.key, "saved": unspent}
        expired = replace(held, status="expired", cost=max(0.0, held.worst - unspent))
        return self._do(lambda: self.own.expire(reservation, saved=saved), line, expired)

    @override
    def release(self, reservation: Reservation | str) -> Reservation:
        held = self._held(reservation)
        line = {"verb": "release", "key": held.key}
        return self._do(lambda: self.own.release(reservation), line, replace(held, status="released"))

    @override
    def charge(
        self, cost: float, key: str, *, question: str | None = None, action: str | None = None
    ) -> Reservation:
        real, question = self._amount(cost, "cost"), check_name(question or key)
        line = {"verb": "charge", "cost": real, "key": key, "question": question, "action": action}
        charged = replace(
            self._held(key), question=question, action=check_action(action), status="settled", cost=real
        )
        return self._do(lambda: self.own.charge(cost, key, question=question, action=action), line, charged)

    @override
    def close(self) -> None:
        """Close the ledger; what is in the journal stays there for the next process."""
        with self._lock:
            self._journal.close()
        self.own.close()

    def _do(self, verb: Callable[[], T], line: dict[str, Any], instead: T) -> T:
        """Run a verb on the database, or else write it down and answer for it."""
        self._refuse_after_a_fork()
        if not self._away:
            try:
                return verb()
            except UnreachableLedgerError:
                pass
        with self._lock:
            done = self._do_in_order(verb, line, instead)
        self._name_the_rejected()
        return done

    def _do_in_order(self, verb: Callable[[], T], line: dict[str, Any], instead: T) -> T:
        if self._journal.closed:
            raise LedgerError("the ledger is closed; open it again to use it")
        try:
            self._replay()
            if not self._away:
                return verb()
        except UnreachableLedgerError:
            pass
        self._journal.add(json.dumps(line).encode())  # behind what still waits there
        self._away = True
        return instead

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
        """Charge the first lines of the journal; raises where the database is still away."""
        if not self._away:
            return
        if time.monotonic() < self._next_try:
            raise UnreachableLedgerError("the ledger's database was away a moment ago")
        self._next_try = time.monotonic() + self._retry_after
        self.own.history(0)  # a ledger that is closed says so here, and no line is to blame
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
        try:
            getattr(self.own, verb)(line.pop("key"), **line)
        except UnreachableLedgerError:
            raise
        except LedgerError:
            pass  # of what never arrived, or is settled by now

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

    def _amount(self, amount: float, what: str) -> float:
        """The amount as it is, after the refusals of a ledger that could be asked."""
        to_units(amount, self.cost_unit, what)
        return float(amount)


def _read(text: bytes) -> tuple[str, dict[str, Any]]:
    """The verb of a line of the journal, and what it is called with.

    Raises:
        LedgerError: The line cannot be read.
    """
    try:
        line = json.loads(text)
        verb = line.pop("verb")
        amounts = _AMOUNTS[verb]
        line |= {name: float(line[name]) for name in amounts if name in line or name == amounts[0]}
        readable = line.keys() <= {*_NAMES, *amounts} and isinstance(line["key"], str)
        readable = readable and all(isinstance(line.get(name), str | None) for name in _NAMES)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        readable = False
    if not readable:
        raise LedgerError(f"a line cannot be read: {text[:100]!r}")
    return verb, line
