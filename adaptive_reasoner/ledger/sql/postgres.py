"""A connection to PostgreSQL that sends statements together, and waits twice in a transaction.

It uses libpq's pipeline mode directly: psycopg's own pipeline sends each statement by itself, and 8 processes
of one thread each make a third fewer charges a second with it (`times_psycopgs_pipeline` in
benchmarks/results/ledger_throughput.json).
"""

from collections import deque
from collections.abc import Mapping, Sequence
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer

from adaptive_reasoner.ledger.sql.schema import Statement

# Each statement sees what others have committed, whatever the server's default: locks are waited for first.
_BRACKETS = {"begin": "begin isolation level read committed", "commit": "commit", "rollback": "rollback"}


class PostgresConnection:
    """Runs prepared statements; sends them when an answer is read, or at the commit.

    Args:
        connection: A dedicated connection.
        statements: The statements that `run` accepts, by name.
    """

    def __init__(self, connection: "psycopg.Connection[Any]", statements: Mapping[str, Statement]) -> None:
        self._connection, self._libpq = connection, connection.pgconn
        self._statements = statements
        self._pending: deque[PostgresAnswer] = deque()
        self._rows = Transformer(connection)
        self._selector = DefaultSelector()
        self._selector.register(self._libpq.socket, EVENT_READ)
        self._libpq.nonblocking = 1
        self._libpq.enter_pipeline_mode()
        texts = _BRACKETS | {name: statement.text for name, statement in statements.items()}
        for name, text in texts.items():
            self._libpq.send_prepare(name.encode(), text.encode())
            self._expect()
        self._receive(self._sync())

    def begin(self) -> None:
        """Begin a transaction, along with its first statements."""
        self._send("begin")

    def run(self, name: str, parameters: Mapping[str, Any]) -> "PostgresAnswer":
        """Queue a statement; it is sent together with the next ones."""
        values = self._statements[name].values(parameters)
        return self._send(name, [None if value is None else str(value).encode() for value in values])

    def commit(self) -> None:
        """Commit, and wait for everything since the beginning.

        Raises:
            psycopg.Error: A statement failed, or the connection.
        """
        self._send("commit")
        self._receive(self._sync())

    def rollback(self) -> None:
        """Drop the answers that are still to come, and undo everything since the beginning.

        Raises:
            psycopg.Error: The connection failed.
        """
        self._receive(self._sync(), check=False)  # after an error the server skips everything up to here
        self._send("rollback")
        self._receive(self._sync())

    def close(self) -> None:
        """Close the connection."""
        self._selector.close()
        self._connection.close()

    def rows(self, answer: "PostgresAnswer") -> list[tuple[Any, ...]]:
        """The rows of an answer, received first if they have not been.

        Raises:
            psycopg.Error: A statement up to there failed, or the connection.
        """
        if answer.result is None:
            self._libpq.send_flush_request()
        result = self._receive(answer)
        self._rows.set_pgresult(result)
        return self._rows.load_rows(0, result.ntuples, tuple)

    def _send(self, name: str, values: Sequence[bytes | None] = ()) -> "PostgresAnswer":
        self._libpq.send_query_prepared(name.encode(), values)
        return self._expect()

    def _sync(self) -> "PostgresAnswer":
        self._libpq.pipeline_sync()
        return self._expect()

    def _expect(self) -> "PostgresAnswer":
        self._pending.append(PostgresAnswer(self))
        return self._pending[-1]

    def _receive(self, last: "PostgresAnswer", *, check: bool = True) -> pq.abc.PGresult:
        """Send the queue, and receive every answer up to `last`; raise the first error among them."""
        while self._libpq.flush():  # while the server takes nothing more, its answers are read
            self._selector.modify(self._libpq.socket, EVENT_READ | EVENT_WRITE)
            ready = self._selector.select()
            self._selector.modify(self._libpq.socket, EVENT_READ)
            if ready[0][1] & EVENT_READ:
                self._libpq.consume_input()
        while last.result is None:
            answer = self._pending.popleft()
            answer.result = self._next_result()
            if answer.result is None:
                raise psycopg.OperationalError("the connection was lost")
            if answer.result.status != pq.ExecStatus.PIPELINE_SYNC:
                self._next_result()  # the end of this answer
            if check and answer.result.status == pq.ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(answer.result)
        return last.result

    def _next_result(self) -> pq.abc.PGresult | None:
        while self._libpq.is_busy():
            self._selector.select()  # other threads run meanwhile
            self._libpq.consume_input()
        return self._libpq.get_result()


class PostgresAnswer:
    """The rows of one statement; reading them waits for the server."""

    def __init__(self, connection: PostgresConnection) -> None:
        self.result: pq.abc.PGresult | None = None
        self._connection = connection

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row, None if there is none."""
        return next(iter(self.fetchall()), None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows.

        Raises:
            psycopg.Error: The statement failed, or one before it, or the connection.
        """
        return self._connection.rows(self)
