"""One connection to a ledger's database, which runs statements by name."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from adaptive_reasoner.ledger.sql.schema import Statement


class Answer(Protocol):
    """The rows of one statement."""

    def fetchone(self) -> Any:
        """The first row, None if there is none."""

    def fetchall(self) -> list[Any]:
        """All rows."""


class Connection(Protocol):
    """A connection for one transaction at a time."""

    def begin(self) -> None:
        """Begin a transaction."""

    def run(self, name: str, parameters: Mapping[str, Any]) -> Answer:
        """Run a statement; it may fail later, when its answer is read or at the commit."""

    def commit(self) -> None:
        """Commit, and wait until everything since the beginning is on the disk."""

    def rollback(self) -> None:
        """Undo everything since the beginning."""

    def close(self) -> None:
        """Close the connection."""


class SqliteConnection:
    """A connection to a file; each statement runs at once.

    Args:
        connection: A dedicated connection.
        statements: The statements that `run` accepts, by name.
        path: The file. A transaction fails if it was removed or replaced: its writes would be lost.
    """

    def __init__(self, connection: Any, statements: Mapping[str, Statement], path: Path) -> None:
        self._statements = statements
        self._connection = connection
        self._path, self._file = path, file_at(path)
        self.commit, self.rollback, self.close = connection.commit, connection.rollback, connection.close

    def begin(self) -> None:
        """Take the write lock at once; a lock taken later could be refused.

        Raises:
            sqlite3.OperationalError: The file is locked, or no longer there.
        """
        if self._file != file_at(self._path):
            raise sqlite3.OperationalError(f"{self._path} was removed or replaced")
        self._connection.execute("begin immediate")

    def run(self, name: str, parameters: Mapping[str, Any]) -> Answer:
        """Run a statement."""
        statement = self._statements[name]
        found = self._connection.execute(statement.text, statement.values(parameters))
        return SqliteAnswer(found.fetchall())


class SqliteAnswer:
    """Rows that were all read when the statement ran.

    A statement that is not read to its end, because a change is refused meanwhile, would keep its read
    snapshot: after a write of another process, the connection could not begin to write again.
    """

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchone(self) -> Any:
        """The first row, None if there is none."""
        return next(iter(self._rows), None)

    def fetchall(self) -> list[Any]:
        """All rows."""
        return self._rows


def file_at(path: Path) -> tuple[int, int] | None:
    """The device and inode of a path, None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def connect(engine: sa.Engine, statements: Mapping[str, Statement]) -> Connection:
    """A new connection, for one transaction at a time."""
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    pooled.detach()
    if engine.dialect.name == "sqlite":
        return SqliteConnection(connection, statements, Path(engine.url.database or ""))
    from adaptive_reasoner.ledger.sql.postgres import PostgresConnection

    try:
        return PostgresConnection(connection, statements)
    except BaseException:
        connection.close()
        raise
