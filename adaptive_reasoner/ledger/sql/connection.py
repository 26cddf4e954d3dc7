"""One connection to a ledger's database, and what a ledger says on it: statements by name."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from adaptive_reasoner.ledger.sql.schema import Statement


class Answer(Protocol):
    """What a statement found."""

    def fetchone(self) -> Any:
        """The next row, None where there is none."""

    def fetchall(self) -> list[Any]:
        """All rows."""


class Connection(Protocol):
    """A connection for one transaction at a time."""

    def begin(self) -> None:
        """Begin a transaction."""

    def run(self, name: str, parameters: Mapping[str, Any]) -> Answer:
        """Run a statement; it may fail only where its answer is read, or at the commit."""

    def commit(self) -> None:
        """Wait until everything since the beginning is kept."""

    def rollback(self) -> None:
        """Undo everything since the beginning."""

    def close(self) -> None:
        """Let go of the connection."""


class SqliteConnection:
    """A connection to a file; each statement runs at once.

    Args:
        connection: A dedicated connection.
        statements: The statements that `run` accepts, by name.
        path: The file. The system would go on writing to one that was removed, for nobody to read.
    """

    def __init__(self, connection: Any, statements: Mapping[str, Statement], path: Path) -> None:
        self._statements = statements
        self._connection = connection
        self._path, self._file = path, file_at(path)
        self.commit, self.rollback, self.close = connection.commit, connection.rollback, connection.close

    def begin(self) -> None:
        """Take the write lock at once: later it could be refused.

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
    """Rows that were read at once.

    A statement that is left in the middle, by a change that is refused, would hold the connection to what the
    file was then: once another process has written to it, the connection could never begin to write again.
    """

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchone(self) -> Any:
        """The first row, None where there is none."""
        return next(iter(self._rows), None)

    def fetchall(self) -> list[Any]:
        """All rows."""
        return self._rows


def file_at(path: Path) -> tuple[int, int] | None:
    """Which file has this name now, None where there is none."""
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
