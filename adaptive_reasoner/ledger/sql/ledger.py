"""A ledger in a database, shared by processes: SQLite for one machine, PostgreSQL for many.

Every verb is one transaction: the entry and the sums change together or not at all, also when the process is
killed in the middle. As every verb is idempotent, one whose outcome got lost on the way is simply run again.
Verbs that wait at the same time in one process share a transaction, and so one wait for the disk.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from typing_extensions import override

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.entries import check_name
from adaptive_reasoner.ledger.price_controller import Totals
from adaptive_reasoner.ledger.rules import TransactionalLedger
from adaptive_reasoner.ledger.settings import Account, LedgerOptions
from adaptive_reasoner.ledger.sql import schema
from adaptive_reasoner.ledger.sql.connection import Connection
from adaptive_reasoner.ledger.sql.database import join
from adaptive_reasoner.ledger.sql.group_commit import GroupCommit, PendingChange
from adaptive_reasoner.ledger.sql.transaction import SqlTransaction
from adaptive_reasoner.ledger.store import Transaction, Wanted

P = ParamSpec("P")
T = TypeVar("T")

TIDYING = 1_000  # changes of a process after which it forgets old charges


class SqlLedger(TransactionalLedger):
    """A ledger in a database, for any number of threads, tasks and processes."""

    def __init__(self, url: str, name: str, terms: LedgerOptions, *, clock: Callable[[], float]) -> None:
        self._name = check_name(name)
        self._database = join(url)
        self._place = f"at {self._database.shown}"
        self._pid = os.getpid()
        self._alone = threading.Lock()  # while it has a transaction
        self._joint: tuple[int, Connection] | None = None  # thread and line of a common transaction
        self._batches = GroupCommit(self._run)
        self._changes = 0
        try:
            account = self._database.prepare(partial(self._open, terms=terms))
            super().__init__(account, clock=clock)
            self._change(self._begin)
        except BaseException:
            self._database.leave()
            raise

    @override
    def close(self) -> None:
        with self._alone:
            if self._closed:
                return
            super().close()
        self._database.leave()

    @override
    async def _awaited(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._refuse_if_closed()
        self._mind_forks()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._database.threads, partial(verb, *args, **kwargs))

    @override
    def in_one_transaction(self, other: Ledger, verbs: Callable[[], T]) -> T:
        """Run verbs of this ledger and another, in one transaction where both are in one database.

        Either all of it happens or nothing; only what a hard cap refuses or books in full is kept as it
        stands. The verbs may run again, and belong to this thread.
        """
        if not isinstance(other, SqlLedger) or other is self or other._database is not self._database:
            return verbs()
        self._mind_forks()
        other._mind_forks()
        results: list[T] = []
        refused: list[BudgetExceededError] = []

        def work(line: Connection) -> None:
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
            self._database.transact(work)
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
        ticket = PendingChange(change, wanted)
        self._batches.pass_through(ticket)
        return ticket.outcome()

    def _mind_forks(self) -> None:
        """After a fork, connections and waiting threads are the parent's."""
        if self._pid != os.getpid():
            self._alone, self._batches = threading.Lock(), GroupCommit(self._run)
            self._pid = os.getpid()

    def _run(self, tickets: Sequence[PendingChange[Any]]) -> None:
        """Run what waits in one transaction; what fails by the ledger's rules fails alone."""

        def work(line: Connection) -> None:
            transaction = self._transaction(line)
            transaction.look_up([ticket.wanted for ticket in tickets if ticket.wanted is not None])
            for ticket in tickets:
                ticket.run(transaction)
            transaction.flush()
            seen.append(transaction.loaded)

        seen: list[Mapping[str, Totals]] = []
        with self._alone:
            try:
                self._database.transact(work)
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
            self._database.transact(lambda line: self._transaction(line).forget(before, 2 * TIDYING))

    def _transaction(self, line: Connection) -> SqlTransaction:
        capped = self._account.hard_cap is not None
        return SqlTransaction(line, self._name, shared=self._database.shared, capped=capped, hold=self._hold)

    def _open(self, connection: sa.Connection, terms: LedgerOptions) -> Account:
        """The ledger of this name as it is stored, or made now."""
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
