"""One database in this process: an engine, and the few connections on which its ledgers take turns.

Ledgers of one URL share a `Database`, however many they are: a tenant costs no connection of its own. Idle
connections are kept for the next transaction, up to `KEPT` in the process; beyond that the database that was
used longest ago gives up its own, and connects again when it is needed.
"""

import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from adaptive_reasoner.ledger.base import UnreachableLedgerError
from adaptive_reasoner.ledger.sql import schema
from adaptive_reasoner.ledger.sql.connection import Connection, connect, file_at
from adaptive_reasoner.ledger.urls import hide_in, secrets_of, showable

T = TypeVar("T")

ATTEMPTS = 5
AT_ONCE = 8  # transactions of this process on one PostgreSQL database; a SQLite file takes one at a time
KEPT = 16  # idle connections of this process, to all its databases together
RACES = ("40001", "40P01", "23505")  # what PostgreSQL calls a transaction that lost to another

_lock = threading.Lock()  # on what follows, and on the idle connections of every database
_databases: "WeakValueDictionary[sa.URL, Database]" = WeakValueDictionary()
_resting: "WeakKeyDictionary[Database, None]" = WeakKeyDictionary()  # with idle connections, the latest last


class Database:
    """A database as the ledgers of this process use it; `join` gives the one of a URL.

    Attributes:
        address: The URL it was opened at, whole.
        shown: The same as messages may show it.
        shared: Whether other machines may use it too.
        threads: Where the verbs of async callers run.
    """

    def __init__(self, address: sa.URL) -> None:
        whole = address.render_as_string(hide_password=False)
        self.address, self.shown, self._secrets = address, showable(whole), secrets_of(whole)
        self._engine = schema.open_engine(address)
        self.shared = self._engine.dialect.name == "postgresql"
        self._path = None if self.shared else Path(address.database or "")
        self._file: tuple[int, int] | None = None
        self._statements = schema.compiled(self._engine.dialect)
        self._users = 0
        self._of_parent: list[Connection] = []
        self._start()

    def _start(self) -> None:
        self._idle: list[Connection] = []
        self._turns = threading.Semaphore(AT_ONCE if self.shared else 1)
        self.threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="ledger")

    def leave(self) -> None:
        """One ledger less; the last one closes every connection."""
        with _lock:
            self._users -= 1
            lines: list[Connection] = []
            if not self._users:
                lines, self._idle = self._idle, []
                _resting.pop(self, None)
        for line in lines:
            self._close(line)
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
            raise failed(error, self._secrets) from error
        if self._path is not None and self._file is None:
            self._file = file_at(self._path)
        return done

    def transact(self, work: Callable[[Connection], None]) -> None:
        """Run in one transaction, again where another got in between or the connection was lost.

        Raises:
            UnreachableLedgerError: The database does not answer, refuses, or others always came in between.
        """
        attempt = 1
        while True:
            try:
                error, answered = self._attempt(work)
            except SQLAlchemyError as failure:
                raise failed(failure, self._secrets) from failure
            if error is None:
                return
            if getattr(error, "sqlstate", None) in RACES:
                if attempt == ATTEMPTS:
                    reason = f"other processes came in between {ATTEMPTS} times; repeat the call"
                    raise UnreachableLedgerError(f"{reason} ({error})") from error
            elif attempt == ATTEMPTS or answered:  # the server answered: it is no use
                raise failed(error, self._secrets) from error
            attempt += 1

    def _attempt(self, work: Callable[[Connection], None]) -> tuple[Exception | None, bool]:
        """Run once; the driver's error where there was one, and whether the connection still works."""
        driver_error = self._engine.dialect.loaded_dbapi.Error
        with self._turns:
            try:
                line = self._take()
            except driver_error as error:
                return error, False
            try:
                line.begin()
                work(line)
                line.commit()
            except Exception as error:
                try:
                    line.rollback()
                except driver_error:
                    self._lose(line)
                    answered = False
                else:
                    self._rest(line)
                    answered = True
                if not isinstance(error, driver_error):
                    raise
                return error, answered
            except BaseException:  # whatever the server is still at, nobody waits for it
                self._close(line)
                raise
            self._rest(line)
            return None, True

    def _take(self) -> Connection:
        """An idle connection, or a new one."""
        with _lock:
            line = self._idle.pop() if self._idle else None
            if not self._idle:
                _resting.pop(self, None)
        if line is not None:
            return line
        if self._path is not None and file_at(self._path) != self._file:
            raise sqlite3.OperationalError(f"{self._path} was removed or replaced")  # and is not made anew
        return connect(self._engine, self._statements)

    def _rest(self, line: Connection) -> None:
        """Keep a connection for the next transaction; close those that were idle longest beyond `KEPT`."""
        surplus: list[tuple[Database, Connection]] = []
        with _lock:
            if not self._users:
                surplus.append((self, line))
            else:
                self._idle.append(line)
                _resting.pop(self, None)
                _resting[self] = None
            while sum(len(database._idle) for database in _resting) > KEPT:
                oldest = next(iter(_resting))
                surplus.append((oldest, oldest._idle.pop(0)))
                if not oldest._idle:
                    del _resting[oldest]
        for database, idle in surplus:
            database._close(idle)
            database._engine.dispose()

    def _lose(self, line: Connection) -> None:
        """Close a connection that broke, and the idle ones, which most likely broke with it."""
        with _lock:
            lines, self._idle = [line, *self._idle], []
            _resting.pop(self, None)
        for each in lines:
            self._close(each)

    def _close(self, line: Connection) -> None:
        with suppress(self._engine.dialect.loaded_dbapi.Error):
            line.close()

    def _same_file(self) -> bool:
        return self._path is None or self._file == file_at(self._path)

    def _forked(self) -> None:
        """In the child of a fork: connections and waiting threads are the parent's, and stay untouched."""
        self._of_parent += self._idle
        self._engine.dispose(close=False)
        self._start()


def join(url: str) -> Database:
    """The database of a URL, with one ledger more.

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


def failed(error: Exception, secrets: frozenset[str]) -> UnreachableLedgerError:
    """The error for a database that failed, without what its driver says of passwords."""
    hide_in(error, secrets)
    return UnreachableLedgerError(f"the ledger's database failed: {getattr(error, 'orig', None) or error}")


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - another thread may hold the parent's for ever
    _lock = threading.Lock()
    _resting.clear()
    for database in list(_databases.values()):
        database._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
