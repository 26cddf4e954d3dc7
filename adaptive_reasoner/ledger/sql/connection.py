"""One connection to a ledger's database, which runs statements by name."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from adaptive_reasoner.errors import AdaptiveReasonerError
from adaptive_reasoner.ledger.sql.statements import STATEMENTS

Answer = Callable[[], list[Any]]
"""Returns the rows of one statement; it may wait for the server."""


class StartOverError(AdaptiveReasonerError):
    """A transaction is to be undone and run again; no caller of a ledger sees this."""


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
        path: The file. A transaction fails if it was removed or replaced: its writes would be lost.
    """

    def __init__(self, connection: Any, path: Path) -> None:
        self._connection = connection
        self._path, self._file = path, file_at(path)
        self.commit, self.rollback, self.close = connection.commit, connection.rollback, connection.close

    def __del__(self) -> None:
        """A ledger that nobody closed leaves no warning: Python 3.13 warns of connections left open."""
        self._connection.close()

    def begin(self) -> None:
        """Take the write lock at once; a lock taken later could be refused.

        Raises:
            sqlite3.OperationalError: The file is locked, or no longer there.
        """
        if self._file != file_at(self._path):
            raise sqlite3.OperationalError(f"{self._path} was removed or replaced")
        self._connection.execute("begin immediate")

    def run(self, name: str, parameters: Mapping[str, Any]) -> Answer:
        """Run a statement, and read its rows to the end.

        A statement that is not read to its end, because a change is refused meanwhile, would keep its read
        snapshot: after a write of another process, the connection could not begin to write again.
        """
        rows = self._connection.execute(STATEMENTS[name], parameters).fetchall()
        return lambda: rows


def file_at(path: Path) -> tuple[int, int] | None:
    """The device and inode of a path, None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
