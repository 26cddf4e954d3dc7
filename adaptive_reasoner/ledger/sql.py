"""A ledger in a database, shared by processes: SQLite for one machine, PostgreSQL for many.

Every verb is one transaction: the entry and the sums change together or not at all, also when the process is
killed in the middle. As every verb is idempotent, one whose outcome got lost on the way is simply run again.
Verbs that wait at the same time in one process share a transaction, and so one wait for the disk.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Any, Generic, ParamSpec, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from typing_extensions import override

from adaptive_reasoner.errors import AdaptiveReasonerError, LedgerError
from adaptive_reasoner.ledger import UnreachableLedgerError, schema
from adaptive_reasoner.ledger.account import Account, Terms
from adaptive_reasoner.ledger.book import BookLedger, Transaction
from adaptive_reasoner.ledger.controller import Totals
from adaptive_reasoner.ledger.entries import Entry

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 5
TOGETHER = 64  # verbs in one transaction at most
PARTS = 16  # rows that share a period's sums on PostgreSQL, so that as many processes commit at once
RACES = ("40001", "40P01")  # what PostgreSQL calls a transaction that lost to another


class ConflictError(Exception):
    """Another transaction changed the same entry first: run again on what it left."""


class SqlLedger(BookLedger):
    """A ledger in a database, for any number of threads, tasks and processes."""

    def __init__(self, url: str, name: str, terms: Terms, *, clock: Callable[[], float]) -> None:
        self._name = name
        self._engine = schema.open_engine(url)
        self._place = f"at {self._engine.url.render_as_string(hide_password=True)}"
        self._statements = schema.compiled(self._engine.dialect)
        self._pid = os.getpid()
        self._leading = threading.Lock()
        self._waiting: deque[_Ticket[Any]] = deque()
        self._threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="ledger")
        try:
            account = self._within(lambda connection: self._open(connection, terms))
            super().__init__(account, clock=clock)
            self._change(lambda transaction: transaction.totals(account.period(clock())))
        except BaseException:
            self._engine.dispose()
            raise

    @override
    def close(self) -> None:
        super().close()
        self._threads.shutdown(wait=False)
        self._engine.dispose()

    @override
    async def _awaited(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(verb, *args, **kwargs))

    @override
    def _atomically(self, change: Callable[[Transaction], T]) -> T:
        if self._pid != os.getpid():  # after a fork, connections and waiting threads are the parent's
            self._engine.dispose(close=False)
            self._leading, self._waiting = threading.Lock(), deque()
            self._threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="ledger")
            self._pid = os.getpid()
        ticket = _Ticket(change)
        self._waiting.append(ticket)
        with self._leading:
            while not ticket.done:  # whoever led before may have run it along
                self._run([self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))])
        return ticket.outcome()

    def _run(self, tickets: Sequence["_Ticket[Any]"]) -> None:
        """Run what waits in one transaction; what fails by the ledger's rules fails alone."""

        def work(connection: sa.Connection) -> None:
            capped = self._account.hard_cap is not None
            with _Transaction(connection, self._statements, self._name, capped=capped) as transaction:
                for ticket in tickets:
                    ticket.run(transaction)
                transaction.flush()

        try:
            self._within(work)
        except LedgerError as error:
            for ticket in tickets:
                ticket.error = error
        finally:
            for ticket in tickets:
                ticket.done = True

    def _within(self, work: Callable[[sa.Connection], T]) -> T:
        """Run in one transaction, again where another got in between or the connection was lost."""
        attempt = 1
        while True:
            try:
                with self._engine.begin() as connection:
                    return self._guarded(connection, work)
            except ConflictError as error:
                if attempt == ATTEMPTS:
                    raise LedgerError(f"other processes changed the same charge {ATTEMPTS} times") from error
            except DBAPIError as error:
                if attempt == ATTEMPTS or not error.connection_invalidated:
                    raise UnreachableLedgerError(f"the ledger's database failed: {error.orig}") from error
            except SQLAlchemyError as error:
                raise UnreachableLedgerError(f"the ledger's database failed: {error}") from error
            attempt += 1

    def _guarded(self, connection: sa.Connection, work: Callable[[sa.Connection], T]) -> T:
        """Run, and tell races and lost connections apart from other failures of the driver."""
        dialect = self._engine.dialect
        driver = dialect.loaded_dbapi
        try:
            return work(connection)
        except driver.IntegrityError as error:
            raise ConflictError from error
        except driver.Error as error:
            if getattr(error, "sqlstate", None) in RACES:
                raise ConflictError from error
            lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
            if lost:
                connection.invalidate(error)
            raise DBAPIError(None, None, error, connection_invalidated=lost) from error

    def _open(self, connection: sa.Connection, terms: Terms) -> Account:
        """Read the ledger of this name, or make it."""
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


class _Ticket(Generic[T]):
    """A change that waits for a transaction, and then its outcome."""

    def __init__(self, change: Callable[[Transaction], T]) -> None:
        self.done = False
        self.error: AdaptiveReasonerError | None = None
        self._change = change
        self._results: list[T] = []

    def run(self, transaction: Transaction) -> None:
        """Make the change, or note why it may not be; the rules refuse before they write."""
        self._results, self.error = [], None
        try:
            self._results.append(self._change(transaction))
        except AdaptiveReasonerError as error:
            self.error = error

    def outcome(self) -> T:
        """What the change returned or raised."""
        if self.error is not None:
            raise self.error
        if not self._results:
            raise LedgerError("the transaction was interrupted; repeat the call")
        return self._results[0]


class _Transaction:
    """Entries and sums of one ledger inside one database transaction.

    SQLite lets one transaction write at a time. On PostgreSQL what can collide is locked: under a hard cap
    the whole account; without one each question, so that it is counted once, and any free row of sums. Its
    statements go out in a pipeline, those that will be asked next along with the first, so that a verb waits
    three times for the server and not eight.
    """

    def __init__(
        self,
        connection: sa.Connection,
        statements: Mapping[str, schema.Statement],
        name: str,
        *,
        capped: bool,
    ) -> None:
        self.loaded: dict[str, Totals] = {}
        self._driver: Any = connection.connection.driver_connection
        self._statements = statements
        self._of = name
        self._parted = connection.dialect.name == "postgresql" and not capped
        self._changes: dict[str, Totals] = {}
        self._ahead: dict[tuple[str, ...], Any] = {}  # what was asked before its turn came
        self._updates: list[Any] = []
        self._shared = connection.dialect.name == "postgresql"
        self._capped = capped
        self._pipeline: Any = None
        self._leaving = ExitStack()

    def __enter__(self) -> Self:
        if self._shared:
            self._pipeline = self._leaving.enter_context(self._driver.pipeline())
            if self._capped:
                self._do("lock_account")
        return self

    def __exit__(self, *exc: Any) -> None:
        self._leaving.__exit__(*exc)

    def _arrive(self) -> None:
        """Until every statement so far was carried out."""
        if self._pipeline is not None:
            self._pipeline.sync()

    def totals(self, period: str) -> Totals:
        if period not in self.loaded:
            asked = self._ahead.pop(("read_sums", period), None) or self._do("read_sums", within=period)
            parts, *sums = asked.fetchone()
            self.loaded[period] = Totals(*sums) if parts else self._begin(period)
        return self.loaded[period]

    def entry(self, key: str, question: str | None = None, period: str = "") -> Entry | None:
        if self._parted:
            if question is None:
                found = self._do("read_question", named=key).fetchone()
                if found is None:
                    return None
                question = str(found[0])
            self._do("lock_question", asked=question)
        asked = self._do("read_entry", named=key)
        if self._parted and question is not None:
            others = "read_others", question, period, key
            self._ahead[others] = self._do("read_others", asked=question, within=period, named=key)
            if period not in self.loaded:
                self._ahead["read_sums", period] = self._do("read_sums", within=period)
        row = asked.fetchone()
        if row is None:
            return None
        entry = Entry(*row)
        if self._parted and entry.question != question:  # the hint was wrong: lock what is right
            return self.entry(key, entry.question, period)
        return entry

    def others(self, entry: Entry) -> tuple[bool, bool]:
        where = {"asked": entry.question, "within": entry.period, "named": entry.key}
        asked = self._ahead.pop(("read_others", *where.values()), None) or self._do("read_others", **where)
        found = {status for (status,) in asked.fetchall()}
        return "open" in found, not found.isdisjoint(("settled", "expired"))

    def put(self, entry: Entry, *, before: Entry | None) -> None:
        if before is None:
            self._do("insert_entry", ledger=self._of, **_columns(entry))
            return
        where = {"named": entry.key, "was": before.status}
        self._updates.append(self._do("update_entry", **where, **_columns(entry)))

    def add(self, period: str, change: Totals) -> None:
        self.loaded[period] = self.totals(period) + change
        self._changes[period] = self._changes.get(period, Totals()) + change

    def flush(self) -> None:
        """Write what was added to the sums, at the very end, so that the rows are locked but a moment."""
        added = []
        for period, change in self._changes.items():
            more = {f"more_{name}": value for name, value in _columns(change).items()}
            name = "add_to_free" if self._parted else "add_to_first"
            added.append((self._do(name, within=period, **more), {"within": period, **more}))
        self._arrive()
        if any(update.rowcount != 1 for update in self._updates):
            raise ConflictError
        for update, again in added:
            if update.rowcount == 0:  # no row of sums was free: wait for the first
                self._do("add_to_first", **again)

    def due(self, now: float) -> Sequence[Entry]:
        found = [Entry(*row) for row in self._do("read_due", now=now).fetchall()]
        if found and self._parted:
            for question in sorted({entry.question for entry in found}):  # in order: no ring of waiters
                self._do("lock_question", asked=question)
            found = [Entry(*row) for row in self._do("read_due", now=now).fetchall()]
        return found

    def latest(self, limit: int) -> Sequence[Entry]:
        return [Entry(*row) for row in reversed(self._do("read_latest", most=limit).fetchall())]

    def clear(self) -> None:
        self._do("clear_entries")
        self._do("clear_sums")
        for known in (self.loaded, self._changes, self._ahead):
            known.clear()

    def _begin(self, period: str) -> Totals:
        """Make the rows of a new period; the drift of the last one carries over."""
        last = self._do("last_drift").fetchone()
        drift = last[0] if last else 0
        for part in range(PARTS if self._parted else 1):
            self._do("begin_sums", ledger=self._of, period=period, part=part, drift=0 if part else drift)
        return Totals(drift=drift)

    def _do(self, name: str, **parameters: Any) -> Any:
        statement = self._statements[name]
        return self._driver.execute(statement.text, {"of": self._of, **statement.constants, **parameters})


def _columns(row: Entry | Totals) -> dict[str, Any]:
    """Its values by column."""
    return {name: getattr(row, name) for name in row.__slots__}
