"""Go on while the ledger's database is away: at the last price, with a journal that is settled later."""

import fcntl
import json
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from typing_extensions import override

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import Ledger, Reservation, Snapshot, UnreachableLedgerError
from adaptive_reasoner.ledger.account import small
from adaptive_reasoner.ledger.entries import check_action, check_name
from adaptive_reasoner.ledger.twins import Fronting

T = TypeVar("T")


class JournaledLedger(Fronting):
    """A ledger that keeps working when its database does not answer.

    What could not be charged is written to a file, and waited for until it is on the disk. The first verb
    after the database is back charges it, in order; as all verbs are idempotent by key, being cut in the
    middle of that, or having been unsure whether a charge had arrived, changes nothing. Meanwhile the price
    stays where it was, and the average is not held; so a ledger with a hard cap, which nobody could keep
    then, is refused.

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
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise LedgerError(f"{path} is the journal of another process; give each its own") from error
        self._path = Path(path)
        whole = self._path.read_bytes().rfind(b"\n") + 1
        os.ftruncate(self._file, whole)  # a cut last line is of a verb that never returned
        self._away = whole > 0
        self._next_try = 0.0

    @override
    def reserve(
        self,
        expected: float,
        key: str,
        *,
        worst: float | None = None,
        question: str | None = None,
        action: str | None = None,
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
        )
        line = {"verb": "reserve", "expected": planned, "key": key, "question": question, "action": action}
        line["worst"] = reservation.worst
        return self._do(
            lambda: self.own.reserve(expected, key, worst=worst, question=question, action=action),
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
        line = {"verb": "extend", "reservation": held.key, "worst": bound}
        extended = replace(held, worst=max(held.worst, bound))
        return self._do(lambda: self.own.extend(reservation, worst), line, extended)

    @override
    def expire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        held, unspent = self._held(reservation), self._amount(saved, "saved")
        line = {"verb": "expire", "reservation": held.key, "saved": unspent}
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
    def snapshot(self) -> Snapshot:
        self._catch_up()
        return self.own.snapshot()

    @override
    def history(self, limit: int = 100) -> list[Reservation]:
        self._catch_up()
        return self.own.history(limit)

    @override
    def reset(self) -> None:
        self._catch_up()
        self.own.reset()

    @override
    def close(self) -> None:
        """Close the ledger; what is in the journal stays there for the next process."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
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
            if self._file < 0:
                raise LedgerError("the ledger is closed; open it again to use it")
            try:
                self._replay()
                return verb()
            except UnreachableLedgerError:
                self._note(line)
                self._away = True
        return instead

    def _note(self, line: dict[str, Any]) -> None:
        """Write a line down, all of it or nothing."""
        text, size = (json.dumps(line) + "\n").encode(), os.fstat(self._file).st_size
        try:
            while text:
                text = text[os.write(self._file, text) :]
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, size)
            raise UnreachableLedgerError(
                f"the ledger's database is away, and its journal took no more: {error}"
            ) from error

    def _catch_up(self) -> None:
        self._refuse_after_a_fork()
        with self._lock:
            self._next_try = 0.0
            self._replay()

    def _refuse_after_a_fork(self) -> None:
        if self._pid != os.getpid():
            raise LedgerError(
                f"{self._path} is the journal of process {self._pid}; "
                "after a fork, open the ledger with another"
            )

    def _replay(self) -> None:
        """Charge what the journal holds; raises where the database is still away."""
        if not self._away:
            return
        if time.monotonic() < self._next_try:
            raise UnreachableLedgerError("the ledger's database was away a moment ago")
        self._next_try = time.monotonic() + self._retry_after
        for line in self._path.read_bytes().splitlines():
            self._repeat(json.loads(line))
        os.ftruncate(self._file, 0)
        os.fsync(self._file)
        self._away = False

    def _repeat(self, line: dict[str, Any]) -> None:
        verb = line.pop("verb")
        try:
            getattr(self.own, verb)(**line) if verb != "release" else self.own.release(line["key"])
        except UnreachableLedgerError:
            raise
        except LedgerError:
            if verb not in ("release", "extend", "expire"):  # of what never arrived, or is settled by now
                raise

    def _held(self, reservation: Reservation | str) -> Reservation:
        if isinstance(reservation, Reservation):
            return reservation
        return Reservation(check_name(reservation), reservation, 0.0, 0.0, "open")

    def _amount(self, amount: float, what: str) -> float:
        """The amount as it is, after the refusals of a ledger that could be asked."""
        small(amount, self.cost_unit, what)
        return float(amount)
