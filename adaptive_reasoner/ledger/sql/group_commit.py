"""Changes that wait at the same time run together: one of those who wait runs them for all."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from adaptive_reasoner.errors import AdaptiveReasonerError
from adaptive_reasoner.ledger.base import UnreachableLedgerError
from adaptive_reasoner.ledger.store import Transaction, Wanted

T = TypeVar("T")

TOGETHER = 64  # changes in one transaction at most
PATIENCE = 0.0002  # seconds a leader waits for those who were served just now and may come again


class PendingChange(Generic[T]):
    """A change that waits for a transaction, and then its outcome.

    Attributes:
        wanted: The only charge it touches, None where it may touch any.
        error: Why the change was refused, or could not be made.
    """

    def __init__(self, change: Callable[[Transaction], T], wanted: Wanted | None) -> None:
        self.wanted = wanted
        self.error: AdaptiveReasonerError | None = None
        self._change = change
        self._results: list[T] = []
        self._done = False
        self._called = threading.Lock()
        self._called.acquire()

    def run(self, transaction: Transaction) -> None:
        """Make the change, or note why it may not be; the rules refuse before they write."""
        self._results, self.error = [], None
        try:
            self._results.append(self._change(transaction))
        except AdaptiveReasonerError as error:
            self.error = error

    def finish(self) -> None:
        """Say that the change is made, or will not be."""
        self._done = True
        self._called.release()

    def call(self) -> None:
        """Say that it is its turn to lead."""
        self._called.release()

    def wait(self) -> bool:
        """Wait until called or finished; whether it is finished."""
        self._called.acquire()
        return self._done

    def outcome(self) -> T:
        """What the change returned or raised."""
        if self.error is not None:
            raise self.error
        if not self._results:
            raise UnreachableLedgerError("the transaction was interrupted; repeat the call")
        return self._results[0]


class GroupCommit:
    """Tickets in the order they came, and who runs the first of them.

    Whoever comes while nobody leads, leads. A leader runs its own change with those that may share its
    transaction, and then calls the next that waits. So a change never waits for one that came after it. Where
    several ran together, a leader is patient for a moment: else every other transaction is of one change.

    Args:
        run: Runs the changes of some tickets in one transaction.

    Attributes:
        waiting: Who is not running yet.
    """

    def __init__(self, run: Callable[[Sequence[PendingChange[Any]]], None]) -> None:
        self._run = run
        self._lock = threading.Lock()
        self.waiting: deque[PendingChange[Any]] = deque()
        self._leader: PendingChange[Any] | None = None
        self._lately = 1  # how many ran together last

    def pass_through(self, ticket: PendingChange[Any]) -> None:
        """Return when the ticket's change is made, or has failed."""
        with self._lock:
            self.waiting.append(ticket)
            leads = self._leader is None
            if leads:
                self._leader = ticket
        try:
            if leads or not ticket.wait():
                self._lead()
        except BaseException:
            self._leave(ticket)
            raise

    def _lead(self) -> None:
        if len(self.waiting) < self._lately:
            time.sleep(PATIENCE)
        tickets = self._together()
        self._lately = len(tickets)
        try:
            self._run(tickets)
        finally:
            with self._lock:
                self._call_next()
            for ticket in tickets:
                ticket.finish()

    def _together(self) -> Sequence[PendingChange[Any]]:
        """What runs together: changes of one charge each, none of which can touch what another does."""
        with self._lock:
            tickets = [self.waiting.popleft()]
            taken = tickets[0].wanted and set(tickets[0].wanted.names)
            while taken and self.waiting and len(tickets) < TOGETHER:
                wanted = self.waiting[0].wanted
                if wanted is None or not taken.isdisjoint(wanted.names):
                    break
                taken.update(wanted.names)
                tickets.append(self.waiting.popleft())
            return tickets

    def _leave(self, ticket: PendingChange[Any]) -> None:
        """Wait no longer, after an interruption."""
        with self._lock:
            if ticket in self.waiting:
                self.waiting.remove(ticket)
                if self._leader is ticket:
                    self._call_next()

    def _call_next(self) -> None:
        self._leader = self.waiting[0] if self.waiting else None
        if self._leader is not None:
            self._leader.call()
