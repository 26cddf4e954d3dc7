"""A ledger in a database, shared by processes: SQLite for one machine, PostgreSQL for many.

Every verb is one transaction: the entry and the sums change together or not at all, also when the process is
killed in the middle. As every verb is idempotent, one whose outcome got lost on the way is simply run again.
Verbs that wait at the same time in one process share a transaction, and so one wait for the disk.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.ledger import Ledger, UnreachableLedgerError, schema
from adaptive_reasoner.ledger.account import Account, Terms
from adaptive_reasoner.ledger.batches import Batches, Ticket
from adaptive_reasoner.ledger.book import BookLedger, Transaction, Wanted
from adaptive_reasoner.ledger.controller import Totals
from adaptive_reasoner.ledger.entries import check_name
from adaptive_reasoner.ledger.lines import Line, dial
from adaptive_reasoner.ledger.transaction import SqlTransaction

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 5
TIDYING = 1_000  # changes of a process after which it forgets old charges
RACES = ("40001", "40P01", "23505")  # what PostgreSQL calls a transaction that lost to another


class SqlLedger(BookLedger):
    """A ledger in a database, for any number of threads, tasks and processes."""

    def __init__(self, url: str, name: str, terms: Terms, *, clock: Callable[[], float]) -> None:
        self._name = check_name(name)
        self._engine = schema.open_engine(url)
        self._place = f"at {self._engine.url.render_as_string(hide_password=True)}"
        self._shared = self._engine.dialect.name == "postgresql"
        self._pid = os.getpid()
        self._line: Line | None = None
        self._alone = threading.Lock()  # on the line
        self._joint: tuple[int, Line] | None = None  # thread and line of a common transaction
        self._batches = Batches(self._run)
        self._changes = 0
        self._threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="ledger")
        try:
            account = self._opened(terms)
            super().__init__(account, clock=clock)
            self._change(self._begin)
        except BaseException:
            self._hang_up()
            self._engine.dispose()
            raise

    @override
    def close(self) -> None:
        super().close()
        self._threads.shutdown(wait=False)
        with self._alone:
            self._hang_up()
        self._engine.dispose()

    @override
    async def _awaited(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._refuse_if_closed()
        self._mind_forks()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(verb, *args, **kwargs))

    @override
    def jointly(self, other: Ledger, verbs: Callable[[], T]) -> T:
        """Run verbs of this ledger and another, in one transaction where both are in one database.

        Either all of it happens or nothing; only what a hard cap refuses or books in full is kept as it
        stands. The verbs may run again, and belong to this thread.
        """
        if not isinstance(other, SqlLedger) or other is self or other._engine.url != self._engine.url:
            return verbs()
        self._mind_forks()
        other._mind_forks()
        results: list[T] = []
        refused: list[BudgetExceededError] = []

        def work(line: Line) -> None:
            results.clear()
            refused.clear()
            self._joint = other._joint = threading.get_ident(), line
            try:
                results.append(verbs())
            except BudgetExceededError as error:
                refused.append(error)
            finally:
                self._joint = other._joint = None

        with self._alone, other._alone:
            self._within(work)
        if refused:
            raise refused[0]
        return results[0]

    @override
    def _atomically(self, change: Callable[[Transaction], T], wanted: Wanted | None = None) -> T:
        self._mind_forks()
        if self._joint is not None and self._joint[0] == threading.get_ident():
            transaction = self._transaction(self._joint[1])
            done = change(transaction)
            transaction.flush()
            self._remember(transaction.loaded)
            return done
        ticket = Ticket(change, wanted)
        self._batches.pass_through(ticket)
        return ticket.outcome()

    def _mind_forks(self) -> None:
        """After a fork, connections and waiting threads are the parent's."""
        if self._pid != os.getpid():
            self._engine.dispose(close=False)
            self._line, self._alone, self._batches = None, threading.Lock(), Batches(self._run)
            self._threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="ledger")
            self._pid = os.getpid()

    def _run(self, tickets: Sequence[Ticket[Any]]) -> None:
        """Run what waits in one transaction; what fails by the ledger's rules fails alone."""

        def work(line: Line) -> None:
            transaction = self._transaction(line)
            transaction.look_up([ticket.wanted for ticket in tickets if ticket.wanted is not None])
            for ticket in tickets:
                ticket.run(transaction)
            transaction.flush()
            seen.append(transaction.loaded)

        seen: list[Mapping[str, Totals]] = []
        with self._alone:
            try:
                self._within(work)
                self._remember(seen[-1])
            except LedgerError as error:
                for ticket in tickets:
                    ticket.error = error
            with suppress(LedgerError):  # these changes are made; the next one will say it
                self._forget_now_and_then(len(tickets))

    def _forget_now_and_then(self, changes: int) -> None:
        """Keep the table from growing for ever: after so many changes, up to twice as many rows may go."""
        self._changes += changes
        if self._changes >= TIDYING:
            self._changes = 0
            before = self._clock() - self._account.keep
            self._within(lambda line: self._transaction(line).forget(before, 2 * TIDYING))

    def _transaction(self, line: Line) -> SqlTransaction:
        capped = self._account.hard_cap is not None
        return SqlTransaction(line, self._name, shared=self._shared, capped=capped)

    def _within(self, work: Callable[[Line], None]) -> None:
        """Run in one transaction, again where another got in between or the connection was lost."""
        driver_errors = self._engine.dialect.loaded_dbapi
        attempt = 1
        while True:
            try:
                self._attempt(work)
            except driver_errors.Error as error:
                if getattr(error, "sqlstate", None) in RACES:
                    if attempt == ATTEMPTS:
                        reason = f"other processes came in between {ATTEMPTS} times; repeat the call"
                        raise LedgerError(f"{reason} ({error})") from error
                elif attempt == ATTEMPTS or self._line is not None:  # the server answered: it is no use
                    raise UnreachableLedgerError(f"the ledger's database failed: {error}") from error
            except SQLAlchemyError as error:
                raise UnreachableLedgerError(f"the ledger's database failed: {error}") from error
            else:
                return
            attempt += 1

    def _attempt(self, work: Callable[[Line], None]) -> None:
        """Run in one transaction on this process's line: one is enough, as changes that wait share it."""
        line = self._line = self._line or dial(self._engine)
        try:
            line.begin()
            work(line)
            line.commit()
        except Exception:
            try:
                line.rollback()
            except self._engine.dialect.loaded_dbapi.Error:
                self._hang_up()
            raise
        except BaseException:  # whatever the server is still at, nobody waits for it
            self._hang_up()
            raise

    def _hang_up(self) -> None:
        """Let go of the connection, whatever state it is in."""
        line, self._line = self._line, None
        if line is not None:
            with suppress(self._engine.dialect.loaded_dbapi.Error):
                line.close()

    def _opened(self, terms: Terms) -> Account:
        """The ledger of this name as it is stored, or made now."""
        try:
            with self._engine.begin() as connection:
                return self._open(connection, terms)
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise UnreachableLedgerError(f"the ledger's database failed: {cause}") from error

    def _open(self, connection: sa.Connection, terms: Terms) -> Account:
        schema.make_tables(connection)
        mine = schema.accounts.c.ledger == self._name
        row = connection.execute(sa.select(*schema.ACCOUNT).where(mine)).first()
        stored = None if row is None else Account(*row)
        account = terms.account(stored)
        if stored is None:
            connection.execute(sa.insert(schema.accounts), {"ledger": self._name, **asdict(account)})
        elif stored != account:
            # A new policy brings its own price: what was learned around the old one goes.
            connection.execute(sa.update(schema.accounts).where(mine).values(asdict(account)))
            sums = sa.update(schema.totals).where(schema.totals.c.ledger == self._name)
            connection.execute(sums.values(drift=0))
        return account
