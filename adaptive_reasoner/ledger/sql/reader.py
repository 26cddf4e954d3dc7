"""Read a ledger without changing it: no table is made, no charge expires, no writer waits."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.base import Ledger, Reservation, Snapshot
from adaptive_reasoner.ledger.changes import Share
from adaptive_reasoner.ledger.comparison_keeping import BESIDE
from adaptive_reasoner.ledger.comparisons import Savings
from adaptive_reasoner.ledger.entries import Entry
from adaptive_reasoner.ledger.estimates import Closed
from adaptive_reasoner.ledger.price_controller import Totals
from adaptive_reasoner.ledger.rules import TransactionalLedger
from adaptive_reasoner.ledger.settings import Account
from adaptive_reasoner.ledger.sql import schema
from adaptive_reasoner.ledger.sql.connection import Answer
from adaptive_reasoner.ledger.sql.database import failed
from adaptive_reasoner.ledger.sql.statements import STATEMENTS
from adaptive_reasoner.ledger.sql.transaction import SqlTransaction
from adaptive_reasoner.ledger.store import Transaction, Wanted
from adaptive_reasoner.ledger.urls import secrets_of, showable
from adaptive_reasoner.policy.alarm import Alarm

T = TypeVar("T")


class LedgerReader:
    """A read-only view of a ledger in a database, for dashboards and watchers.

    A snapshot equals that of `Ledger.snapshot`: reservations that expired by now count as spent, but are not
    booked.

    Args:
        url: `sqlite:///path` or `postgresql://...`.
        name: Which ledger of the database.
        clock: Seconds since the epoch; for tests.

    Raises:
        LedgerError: There is no such ledger.
        UnreachableLedgerError: The database does not answer.
    """

    def __init__(self, url: str, *, name: str = "default", clock: Callable[[], float] = time.time) -> None:
        self.url, self.name, self._clock = url, name, clock
        self._engine = _open_to_read(url)
        try:
            self.snapshot()
        except BaseException:
            self._engine.dispose()
            raise

    def snapshot(self) -> Snapshot:
        """The ledger at this moment.

        Raises:
            LedgerError: The ledger is gone.
            UnreachableLedgerError: The database does not answer.
        """
        return self._read(lambda ledger: ledger.snapshot())

    def history(self, limit: int = 100) -> list[Reservation]:
        """The latest charges, oldest first.

        Raises:
            LedgerError: The ledger is gone.
            UnreachableLedgerError: The database does not answer.
        """
        return self._read(lambda ledger: ledger.history(limit))

    def savings(self) -> Savings:
        """What the comparisons of the ledger's answers say, and what they have cost.

        Raises:
            LedgerError: The ledger is gone.
            UnreachableLedgerError: The database does not answer.
        """
        return self._read(lambda ledger: ledger.savings())

    def alarms(self) -> list[Alarm]:
        """The alarms that stand, oldest first.

        Raises:
            LedgerError: The ledger is gone.
            UnreachableLedgerError: The database does not answer.
        """
        return self._read(lambda ledger: ledger.alarms())

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _read(self, verb: Callable[["_LedgerOnView"], T]) -> T:
        """Run a verb of the ledger on the database as it is at this moment; nothing is written."""
        try:
            with self._engine.connect() as connection, connection.begin():
                view = _View(connection, self.name)
                account = accounts_of(connection, self.url, self.name)[self.name]
                return verb(_LedgerOnView(view, account, clock=self._clock))
        except SQLAlchemyError as error:
            raise failed(error, showable(self.url), secrets_of(self.url)) from error


class _LedgerOnView(TransactionalLedger):
    """The rules of a ledger on a view of its store; what they write stays in the view."""

    def __init__(self, view: "_View", account: Account, *, clock: Callable[[], float]) -> None:
        super().__init__(account, clock=clock)
        self._view = view

    @override
    def payer(self, max_cost: float) -> Ledger:
        raise LedgerError("a ledger that is only looked at pays for nothing")

    @override
    def _paying(self) -> Ledger | None:
        name = f"{self._view.name}:{BESIDE}"
        account = schema.stored_account(self._view.connection, name)
        if account is None:
            return None
        return _LedgerOnView(_View(self._view.connection, name), account, clock=self._clock)

    @override
    def _atomically(self, change: Callable[[Transaction], T], wanted: Wanted | None = None) -> T:
        return change(self._view)


class _View(SqlTransaction):
    """The entries and sums of a ledger as one transaction reads them; changes are kept in memory."""

    def __init__(self, connection: sa.Connection, name: str) -> None:
        super().__init__(self._read, name, shared=False, hold=lambda _: None)
        self.connection, self.name = connection, name
        self._changed: dict[str, tuple[Entry, Entry]] = {}  # before and after, by key
        self._added: dict[tuple[str, str], Share] = {}  # what that adds to a question in a period

    @override
    def others(self, entry: Entry) -> Share:
        return super().others(entry).plus(self._added.get((entry.question, entry.period), Share()))

    @override
    def put(self, entry: Entry, *, before: Entry | None) -> None:
        if before is None:
            raise LedgerError("a ledger that is only looked at takes no charge")
        self._changed[entry.key] = before, entry
        named = entry.question, entry.period
        added = self._added.get(named, Share()).plus(Share.of(before), -1)
        self._added[named] = added.plus(Share.of(entry))

    @override
    def due(self, now: float, most: int) -> Sequence[Entry]:
        found = super().due(now, most + len(self._changed))
        return [entry for entry in found if entry.key not in self._changed][:most]

    @override
    def latest(self, limit: int) -> Sequence[Entry]:
        return [self._changed.get(entry.key, (entry, entry))[1] for entry in super().latest(limit)]

    @override
    def closed(self, most: int) -> Sequence[Closed]:
        columns = schema.entries.c
        query = sa.select(*schema.ENTRY).where(columns.ledger == self._name, columns.status != "open")
        rows = self.connection.execute(query.order_by(columns.expires_at.desc()).limit(most))
        found = [*(after for _, after in self._changed.values()), *(Entry(*row) for row in rows)]
        found.sort(key=lambda entry: -entry.expires_at)
        return [Closed(e.status, e.action, e.expected, e.cost) for e in found[:most]]

    @override
    def planned(self) -> Mapping[str | None, tuple[int, int]]:
        found = dict(super().planned())
        for before, _ in self._changed.values():
            charges, amount = found[before.action]
            found[before.action] = charges - 1, amount - before.expected
        return found

    @override
    def _begin(self, period: str) -> Totals:
        return self._last_sums()

    def _read(self, name: str, parameters: Mapping[str, Any]) -> Answer:
        rows = self.connection.execute(sa.text(STATEMENTS[name]), parameters).all()
        return lambda: list(rows)


def accounts_of(connection: sa.Connection, url: str, name: str | None) -> Mapping[str, Account]:
    """The terms of the ledger of this name, or of every ledger of the database.

    Raises:
        LedgerError: There is no such ledger, or the tables are of another version.
    """
    if schema.accounts.name not in sa.inspect(connection).get_table_names():
        raise LedgerError(f"there is no ledger in {showable(url)}")
    version = schema.version_of(connection)
    if version != schema.VERSION:
        raise schema.wrong_version(version)
    ledgers = schema.accounts.c.ledger
    there = connection.execute(sa.select(ledgers).order_by(ledgers)).scalars().all()
    if name is not None and name not in there:
        raise LedgerError(f"there is no ledger {name!r} in {showable(url)}, only {', '.join(there)}")
    found = {each: schema.stored_account(connection, each) for each in there if name in (None, each)}
    return {each: account for each, account in found.items() if account is not None}


@contextmanager
def reading(url: str) -> Iterator[sa.Connection]:
    """A connection that sees the database as it is at one moment, and cannot write.

    Raises:
        LedgerError: The URL names no database, or a file that is not there.
        UnreachableLedgerError: The database does not answer.
    """
    engine = _open_to_read(url)
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    except SQLAlchemyError as error:
        raise failed(error, showable(url), secrets_of(url)) from error
    finally:
        engine.dispose()


def _open_to_read(url: str) -> sa.Engine:
    """An engine that cannot write.

    Raises:
        LedgerError: The URL names no database, or a file that is not there.
    """
    address = schema.read_url(url)
    if address.get_backend_name() == "postgresql":
        engine = schema.open_engine(url)
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    if address.get_backend_name() != "sqlite":
        raise LedgerError(
            f"only sqlite:///path and postgresql:// can be looked at from outside, not {showable(url)}"
        )
    file = Path(address.database or "")
    if not file.is_file():
        raise LedgerError(f"there is no ledger in {file}")
    read_only = f"{file.as_uri()}?mode=ro"
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(read_only, uri=True, isolation_level=None, check_same_thread=False),
        poolclass=sa.pool.StaticPool,
    )
    # Sums and entries are read at one moment; the driver alone begins no transaction to read.
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("begin"))
    return engine
