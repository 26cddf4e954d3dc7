"""Group commit: changes that wait at the same time run in one transaction, on the thread of one of them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from adaptive_reasoner.errors import AdaptiveReasonerError
from adaptive_reasoner.ledger.base import UnreachableLedgerError
from adaptive_reasoner.ledger.sql.connection import StartOverError
from adaptive_reasoner.ledger.store import Transaction, Wanted

T = TypeVar("T")

TOGETHER = 64  # changes in one transaction at most
PATIENCE = 0.0002  # seconds a leader waits for threads whose change was made just now to bring the next


class PendingChange(Generic[T]):
    """A change that waits for a transaction, and then its outcome.

    Attributes:
        wanted: The only charge it touches, None where it may touch any.
        error: Why the change was refused, or could not be made.
        done: It was made, or has failed.
        asleep: Held while its thread waits; released when the change is done, or is to lead.
    """

    def __init__(self, change: Callable[[Transaction], T], wanted: Wanted | None) -> None:
        self.wanted = wanted
        self.error: AdaptiveReasonerError | None = None
        self._change = change
        self._results: list[T] = []
        self.done = False
        self.asleep = threading.Lock()
        self.asleep.acquire()

    def run(self, transaction: Transaction) -> None:
        """Make the change, or keep the error; the rules refuse before they write."""
        self._results, self.error = [], None
        try:
            self._results.append(self._change(transaction))
        except StartOverError:
            raise
        except AdaptiveReasonerError as error:
            self.error = error

    def outcome(self) -> T:
        """What the change returned or raised."""
        if self.error is not None:
            raise self.error
        if not self._results:
            raise UnreachableLedgerError("the transaction was interrupted; repeat the call")
        return self._results[0]


class GroupCommit:
    """A queue of changes, each with its thread; the thread of the first one leads.

    The leader runs its own change together with the next ones that may share its transaction, and then makes
    the thread of the next waiting change the leader. So a change never waits for one that came after it. If
    the last transaction held several changes, a leader waits `PATIENCE` for as many; without that, every
    other transaction would hold one change.

    Args:
        run: Runs some changes in one transaction.

    Attributes:
        waiting: The changes that do not run yet.
    """

    def __init__(self, run: Callable[[Sequence[PendingChange[Any]]], None]) -> None:
        self._run = run
        self._lock = threading.Lock()
        self.waiting: deque[PendingChange[Any]] = deque()
        self._leader: PendingChange[Any] | None = None
        self._last_size = 1  # how many changes the last transaction held

    def pass_through(self, change: PendingChange[Any]) -> None:
        """Return when the change is made, or has failed."""
        with self._lock:
            self.waiting.append(change)
            leads = self._leader is None
            if leads:
                self._leader = change
        try:
            if not leads:
                change.asleep.acquire()
            if not change.done:
                self._lead()
        except BaseException:
            self._withdraw(change)
            raise

    def _lead(self) -> None:
        if len(self.waiting) < self._last_size:
            time.sleep(PATIENCE)
        changes = self._take_next()
        self._last_size = len(changes)
        try:
            self._run(changes)
        finally:
            with self._lock:
                self._call_next()
            for change in changes:
                change.done = True
                change.asleep.release()

    def _take_next(self) -> Sequence[PendingChange[Any]]:
        """The changes of the next transaction, of one charge each; no two of one charge or question."""
        with self._lock:
            changes = [self.waiting.popleft()]
            taken = changes[0].wanted and set(changes[0].wanted.names)
            while taken and self.waiting and len(changes) < TOGETHER:
                wanted = self.waiting[0].wanted
                if wanted is None or not taken.isdisjoint(wanted.names):
                    break
                taken.update(wanted.names)
                changes.append(self.waiting.popleft())
            return changes

    def _withdraw(self, change: PendingChange[Any]) -> None:
        """Stop waiting, after an interruption."""
        with self._lock:
            if change in self.waiting:
                self.waiting.remove(change)
                if self._leader is change:
                    self._call_next()

    def _call_next(self) -> None:
        self._leader = self.waiting[0] if self.waiting else None
        if self._leader is not None:
            self._leader.asleep.release()
