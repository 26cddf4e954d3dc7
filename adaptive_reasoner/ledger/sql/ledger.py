"""A ledger in a database, shared by processes: SQLite for one machine, PostgreSQL for many.

Every verb is one transaction: the entry and the sums change together or not at all, also when the process is
killed in the middle. Every verb is idempotent, so one whose outcome was lost is run again. Verbs that wait at
the same time in one process share a transaction, and thereby one wait for the disk.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from itertools import chain, repeat
from typing import Any, NamedTuple, ParamSpec, TypeVar

import sqlalchemy as sa
from typing_extensions import override

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.comparison_keeping import BESIDE
from adaptive_reasoner.ledger.comparisons import Savings
from adaptive_reasoner.ledger.entries import check_name
from adaptive_reasoner.ledger.price_controller import Totals
from adaptive_reasoner.ledger.rules import TransactionalLedger
from adaptive_reasoner.ledger.settings import Account, LedgerOptions
from adaptive_reasoner.ledger.sql import schema
from adaptive_reasoner.ledger.sql.connection import Connection
from adaptive_reasoner.ledger.sql.database import join
from adaptive_reasoner.ledger.sql.group_commit import GroupCommit, PendingChange
from adaptive_reasoner.ledger.sql.transaction import SqlTransaction, fits_one_row
from adaptive_reasoner.ledger.store import Transaction, Wanted

P = ParamSpec("P")
T = TypeVar("T")

TIDYING = 1_000  # changes of a process after which it deletes old charges


class _Joint(NamedTuple):
    """A transaction that verbs of two ledgers share, in one thread.

    It is tried beside others first, and then alone.
    """

    thread: int
    connection: Connection
    alone: bool


class SqlLedger(TransactionalLedger):
    """A ledger in a database, for any number of threads, tasks and processes."""

    def __init__(self, url: str, name: str, terms: LedgerOptions, *, clock: Callable[[], float]) -> None:
        self._url: Callable[[], str] = lambda: url  # it may hold a password, which is shown nowhere
        self._name = check_name(name)
        self._database = join(url)
        self._place = f"at {self._database.shown}"
        self._pid = os.getpid()
        self._turn = threading.Lock()  # held during a transaction
        self._joint: _Joint | None = None
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
        with self._turn:
            if self._closed:
                return
            super().close()
        self._database.leave()

    @override
    def payer(self, max_cost: float) -> Ledger:
        name, unit = f"{self._name}:{BESIDE}", self.cost_unit
        terms = LedgerOptions(cost_unit=unit, hard_cap=max_cost, reservation_ttl=self._account.ttl)
        cap = {"of": name, "cap": self._account.to_units(max_cost, "max_cost")}

        def recap(connection: Connection) -> None:
            connection.run("recap", cap)
            connection.run("take_back", {"of": name})  # the next charge shares the new cap out

        self._database.transact(recap)
        return SqlLedger(self._url(), name, terms, clock=self._clock)

    @override
    def savings(self) -> Savings:
        from adaptive_reasoner.ledger.sql.reader import LedgerReader

        self._refuse_if_closed()
        with LedgerReader(self._url(), name=self._name, clock=self._clock) as reader:
            return reader.savings()

    @override
    async def _awaited(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._refuse_if_closed()
        self._mind_forks()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._database.threads, partial(verb, *args, **kwargs))

    @override
    def in_one_transaction(self, other: Ledger, verbs: Callable[[], T]) -> T:
        """Run verbs of this ledger and another, in one transaction if both are in one database.

        Either everything is written or nothing, except that `BudgetExceededError` does not undo what was
        written before it. The verbs may run several times, and only in this thread.
        """
        if not isinstance(other, SqlLedger) or other is self or other._database is not self._database:
            return verbs()
        self._mind_forks()
        other._mind_forks()

        modes = chain([False], repeat(True))

        def work(connection: Connection) -> T | BudgetExceededError:
            self._joint = other._joint = _Joint(threading.get_ident(), connection, next(modes))
            try:
                return verbs()
            except BudgetExceededError as error:
                return error  # to raise it after the commit
            finally:
                self._joint = other._joint = None

        with self._turn, other._turn:
            outcome = self._database.transact(work)
        if isinstance(outcome, BudgetExceededError):
            raise outcome
        return outcome

    @override
    def _atomically(self, change: Callable[[Transaction], T], wanted: Wanted | None = None) -> T:
        self._mind_forks()
        if self._joint is not None and self._joint.thread == threading.get_ident():
            alone = self._joint.alone or (wanted is not None and self._near_cap(wanted.needs))
            transaction = self._transaction(self._joint.connection, alone=alone)
            done = change(transaction)
            transaction.flush()
            self._remember(transaction.loaded)
            return done
        pending = PendingChange(change, wanted)
        self._batches.pass_through(pending)
        return pending.outcome()

    def _mind_forks(self) -> None:
        """Replace the locks after a fork: threads of the parent may hold them."""
        if self._pid != os.getpid():
            self._turn, self._batches = threading.Lock(), GroupCommit(self._run)
            self._pid = os.getpid()

    def _run(self, changes: Sequence[PendingChange[Any]]) -> None:
        """Run the changes in one transaction; a change that the rules refuse fails alone."""
        needs = sum(change.wanted.needs for change in changes if change.wanted is not None)
        modes = chain([self._near_cap(needs)], repeat(True))
        with self._turn:
            try:
                self._remember(self._database.transact(lambda on: self._run_on(changes, on, next(modes))))
            except LedgerError as error:
                for change in changes:
                    change.error = error
            with suppress(LedgerError):  # these changes are made; the next change raises it
                self._forget_now_and_then(len(changes))

    def _run_on(
        self, changes: Sequence[PendingChange[Any]], connection: Connection, alone: bool
    ) -> Mapping[str, Totals]:
        """Run the changes on a connection; the sums they saw."""
        transaction = self._transaction(connection, alone=alone)
        transaction.look_up([change.wanted for change in changes if change.wanted is not None])
        for change in changes:
            change.run(transaction)
        transaction.flush()
        return transaction.loaded

    def _forget_now_and_then(self, changes: int) -> None:
        """After every `TIDYING` changes, delete up to twice as many old charges: the table stays small."""
        self._changes += changes
        if self._changes >= TIDYING:
            self._changes = 0
            before = self._clock() - self._account.keep
            self._database.transact(
                lambda connection: self._transaction(connection).forget(before, 2 * TIDYING)
            )

    def _near_cap(self, needs: int) -> bool:
        """Whether so much is likely too much for one row of sums, going by the sums that were seen last."""
        cap = self._account.hard_cap
        return cap is not None and not fits_one_row(cap, self._totals, needs)

    def _transaction(self, connection: Connection, *, alone: bool = False) -> SqlTransaction:
        shared, cap = self._database.shared, self._account.hard_cap
        alone = alone and cap is not None
        return SqlTransaction(
            connection.run, self._name, shared=shared, cap=cap, alone=alone, hold=self._hold
        )

    def _open(self, connection: sa.Connection, terms: LedgerOptions) -> Account:
        """The stored terms of the ledger of this name; they are made or brought up to date first."""
        schema.make_tables(connection)
        mine = schema.accounts.c.ledger == self._name
        stored = schema.stored_account(connection, self._name)
        account = terms.account(stored)
        if stored is None:
            connection.execute(sa.insert(schema.accounts), {"ledger": self._name, **asdict(account)})
        elif stored != account:
            # A new policy has its own prices: the drifts learned around the old ones are dropped.
            connection.execute(sa.update(schema.accounts).where(mine).values(asdict(account)))
            sums = sa.update(schema.totals).where(schema.totals.c.ledger == self._name)
            connection.execute(sums.values(drift=0, floor_drift=0, floor_debt=0, floor_steps=0))
        return account
