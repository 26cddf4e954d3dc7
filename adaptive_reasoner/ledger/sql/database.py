"""One database in this process: an engine, and the few connections that its ledgers share.

All ledgers of one URL share a `Database`, so a tenant costs no connection. Idle connections are kept for the
next transaction, up to `KEPT` in the process; beyond that, the database that was used longest ago closes one.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from adaptive_reasoner.ledger.base import UnreachableLedgerError
from adaptive_reasoner.ledger.sql import schema
from adaptive_reasoner.ledger.sql.connection import Connection, SqliteConnection, StartOverError, file_at
from adaptive_reasoner.ledger.urls import hide_in, secrets_of, showable

T = TypeVar("T")

ATTEMPTS = 5
AT_ONCE = 8  # transactions of this process on one PostgreSQL database; a SQLite file takes one at a time
KEPT = 16  # idle connections of this process, to all its databases together
# Codes of PostgreSQL for a transaction that lost to another; the last where no row of sums had the room left.
RACES = ("40001", "40P01", "23505", "22012")

_lock = threading.Lock()  # on the two below
_databases: "WeakValueDictionary[sa.URL, Database]" = WeakValueDictionary()
_idle: "WeakKeyDictionary[Database, list[Connection]]" = WeakKeyDictionary()  # the latest database last


class Database:
    """A database as the ledgers of this process use it; `join` gives the one of a URL.

    Attributes:
        shown: The URL as messages show it.
        shared: Whether other machines may use it too.
        threads: Run the verbs of async callers.
    """

    def __init__(self, address: sa.URL) -> None:
        whole = address.render_as_string(hide_password=False)
        self.shown, self._secrets = showable(whole), secrets_of(whole)
        self._engine = schema.open_engine(address)
        self.shared = self._engine.dialect.name == "postgresql"
        self._path = None if self.shared else Path(address.database or "")
        self._file: tuple[int, int] | None = None
        self._users = 0
        self._of_parent: list[Connection] = []
        self._start()

    def _start(self) -> None:
        self._turns = threading.Semaphore(AT_ONCE if self.shared else 1)
        self.threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="ledger")

    def leave(self) -> None:
        """Count one ledger less; after the last one, close every connection."""
        with _lock:
            self._users -= 1
            connections = [] if self._users else _idle.pop(self, [])
        for connection in connections:
            self._close(connection)
        if not self._users:
            self.threads.shutdown(wait=False)
            self._engine.dispose()

    def prepare(self, work: Callable[[sa.Connection], T]) -> T:
        """Run the statements that open a ledger, in one transaction.

        Raises:
            UnreachableLedgerError: The database does not answer.
        """
        try:
            with self._engine.begin() as connection:
                done = work(connection)
        except SQLAlchemyError as error:
            raise failed(error, self.shown, self._secrets) from error
        if self._path is not None and self._file is None:
            self._file = file_at(self._path)
        return done

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run in one transaction; run again if it lost to another one or asks for it, or lost the connection.

        Raises:
            UnreachableLedgerError: The database does not answer or refuses, or every attempt lost to another.
        """
        attempt = 1
        while True:
            try:
                outcome = self._attempt(work)
            except SQLAlchemyError as failure:
                raise failed(failure, self.shown, self._secrets) from failure
            if not isinstance(outcome, _Failure):
                return outcome
            error = outcome.error
            if isinstance(error, StartOverError) or getattr(error, "sqlstate", None) in RACES:
                if attempt == ATTEMPTS:
                    reason = f"other processes came in between {ATTEMPTS} times; repeat the call"
                    raise UnreachableLedgerError(f"{reason} ({error})") from error
            elif attempt == ATTEMPTS or outcome.answered:  # a refusal stays a refusal
                raise failed(error, self.shown, self._secrets) from error
            attempt += 1

    def _attempt(self, work: Callable[[Connection], T]) -> "T | _Failure":
        """Run once; what the driver raised is returned, what `work` raised is raised."""
        driver_error = self._engine.dialect.loaded_dbapi.Error
        with self._turns:
            try:
                connection = self._take()
            except driver_error as error:
                return _Failure(error, answered=False)
            try:
                connection.begin()
                done = work(connection)
                connection.commit()
            except Exception as error:
                try:
                    connection.rollback()
                except driver_error:
                    self._discard(connection)
                    answered = False
                else:
                    self._give_back(connection)
                    answered = True
                if not isinstance(error, (driver_error, StartOverError)):
                    raise
                return _Failure(error, answered=answered)
            except BaseException:  # an interruption does not wait for the server
                self._close(connection)
                raise
            self._give_back(connection)
            return done

    def _take(self) -> Connection:
        """An idle connection, or a new one."""
        with _lock:
            if idle := _idle.get(self):
                return idle.pop()
        if self._path is not None and file_at(self._path) != self._file:
            raise sqlite3.OperationalError(f"{self._path} was removed or replaced")  # not made anew
        return self._connect()

    def _connect(self) -> Connection:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        if self._path is not None:
            return SqliteConnection(connection, self._path)
        from adaptive_reasoner.ledger.sql.postgres import PostgresConnection

        try:
            return PostgresConnection(connection)
        except BaseException:
            connection.close()
            raise

    def _give_back(self, connection: Connection) -> None:
        """Keep a connection for the next transaction; beyond `KEPT`, close those that were idle longest."""
        surplus: list[tuple[Database, Connection]] = []
        with _lock:
            if not self._users:
                surplus.append((self, connection))
            else:
                _idle[self] = [*_idle.pop(self, []), connection]
            while sum(map(len, _idle.values())) > KEPT:
                oldest = next(database for database, idle in _idle.items() if idle)
                surplus.append((oldest, _idle[oldest].pop(0)))
        for database, idle in surplus:
            database._close(idle)
            database._engine.dispose()

    def _discard(self, connection: Connection) -> None:
        """Close a connection that broke, and the idle ones, which most likely broke too."""
        with _lock:
            connections = [connection, *_idle.pop(self, [])]
        for each in connections:
            self._close(each)

    def _close(self, connection: Connection) -> None:
        with suppress(self._engine.dialect.loaded_dbapi.Error):
            connection.close()

    def _same_file(self) -> bool:
        return self._path is None or self._file == file_at(self._path)

    def _forked(self) -> None:
        """Start anew in the child of a fork, and leave the parent's connections untouched."""
        self._of_parent += _idle.pop(self, [])
        self._engine.dispose(close=False)
        self._start()


@dataclass(frozen=True, slots=True)
class _Failure:
    """A transaction that the driver failed; `answered` if its connection still works."""

    error: Exception
    answered: bool


def join(url: str) -> Database:
    """The database of a URL, which counts one ledger more.

    Raises:
        LedgerError: The URL cannot be used.
        ImportError: The database's driver is not installed.
    """
    address = schema.read_url(url)
    with _lock:
        found = _databases.get(address)
        if found is None or not found._users or not found._same_file():
            found = _databases[address] = Database(address)
        found._users += 1
        return found


@contextmanager
def joined(url: str) -> Iterator[Database]:
    """The database of a URL for a while, as `join` gives it."""
    database = join(url)
    try:
        yield database
    finally:
        database.leave()


def failed(error: Exception, shown: str, secrets: frozenset[str]) -> UnreachableLedgerError:
    """The error for a database that failed, with the passwords in the driver's message hidden.

    Args:
        error: What the driver raised.
        shown: The database's URL, without passwords.
        secrets: The passwords.
    """
    hide_in(error, secrets)
    reason = getattr(error, "orig", None) or error
    return UnreachableLedgerError(f"the ledger's database failed: {shown}: {reason}{_way_out(shown)}")


def _way_out(shown: str) -> str:
    """What to do about the file of a SQLite database that cannot be opened."""
    scheme, _, path = shown.partition(":///")
    folder = Path(path.partition("?")[0]).parent
    if scheme != "sqlite":
        return ""
    if not folder.is_dir():
        return f"; there is no folder {folder}"
    return "" if os.access(folder, os.W_OK) else f"; the folder {folder} cannot be written"


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - another thread may hold the parent's for ever
    _lock = threading.Lock()
    for database in list(_databases.values()):
        database._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
