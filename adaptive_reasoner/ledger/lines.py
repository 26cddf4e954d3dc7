"""One connection to a ledger's database, and what a ledger says on it: statements by name."""

from collections.abc import Mapping
from typing import Any, Protocol

import sqlalchemy as sa

from adaptive_reasoner.ledger.schema import Statement, compiled


class Answer(Protocol):
    """What a statement found."""

    def fetchone(self) -> Any:
        """The next row, None where there is none."""

    def fetchall(self) -> list[Any]:
        """All rows."""


class Line(Protocol):
    """A connection of one ledger's own, for one transaction at a time."""

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


class SqliteLine:
    """A line to a file: each statement runs at once."""

    def __init__(self, connection: Any, statements: Mapping[str, Statement]) -> None:
        self._statements = statements
        self._connection = connection
        self.commit, self.rollback, self.close = connection.commit, connection.rollback, connection.close

    def begin(self) -> None:
        """Take the write lock at once: later it could be refused."""
        self._connection.execute("begin immediate")

    def run(self, name: str, parameters: Mapping[str, Any]) -> Answer:
        """Run a statement."""
        statement = self._statements[name]
        answer: Answer = self._connection.execute(statement.text, statement.values(parameters))
        return answer


def dial(engine: sa.Engine) -> Line:
    """A line of one's own."""
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    pooled.detach()
    statements = compiled(engine.dialect)
    if engine.dialect.name == "sqlite":
        return SqliteLine(connection, statements)
    from adaptive_reasoner.ledger.pipeline import PostgresLine

    try:
        return PostgresLine(connection, statements)
    except BaseException:
        connection.close()
        raise
