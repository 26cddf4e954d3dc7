"""A line to PostgreSQL on which statements leave together, and are waited for together.

psycopg's own pipeline hands each statement to the system by itself, and wakes the server for each. A verb of
a ledger is seven statements and two waits: here, on libpq's pipeline mode, it is two messages each way.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import Any

import psycopg
from psycopg import pq

from adaptive_reasoner.ledger.sql.schema import Statement

# Each statement sees what others have committed, whatever the server's default: locks are waited for first.
_BRACKETS = {"begin": "begin isolation level read committed", "commit": "commit", "rollback": "rollback"}
_READ: dict[int, Callable[[bytes], Any]] = {
    16: b"t".__eq__,
    20: int,
    23: int,
    701: float,
}  # by type; else text


class PostgresLine:
    """Runs prepared statements on a connection; sends them where an answer is read, or at the commit.

    Args:
        connection: A connection for this line alone.
        statements: What it may be asked to run, by name.
    """

    def __init__(self, connection: "psycopg.Connection[Any]", statements: Mapping[str, Statement]) -> None:
        self._connection, self._libpq = connection, connection.pgconn
        self._statements = statements
        self._due: deque[PostgresAnswer] = deque()  # sent, or about to be, and not answered yet
        self._selector = DefaultSelector()
        self._selector.register(self._libpq.socket, EVENT_READ)
        self._libpq.nonblocking = 1
        self._libpq.enter_pipeline_mode()
        texts = _BRACKETS | {name: statement.text for name, statement in statements.items()}
        for name, text in texts.items():
            self._libpq.send_prepare(name.encode(), text.encode())
            self._expect()
        self._finish()

    def begin(self) -> None:
        """Begin a transaction, along with its first statements."""
        self._send("begin")

    def run(self, name: str, parameters: Mapping[str, Any]) -> "PostgresAnswer":
        """Let a statement leave with the next ones."""
        values = self._statements[name].values(parameters)
        return self._send(name, [None if value is None else str(value).encode() for value in values])

    def commit(self) -> None:
        """Commit along with the last statements, and wait for all of it.

        Raises:
            psycopg.Error: A statement failed, or the connection.
        """
        self._send("commit")
        self._finish()

    def rollback(self) -> None:
        """Take no notice of what is still to be answered, and undo all of it.

        Raises:
            psycopg.Error: The connection failed.
        """
        self._libpq.pipeline_sync()  # after an error the server skips everything up to here
        self._expect()
        while self._due:
            self._take()
        self._send("rollback")
        self._finish()

    def close(self) -> None:
        """Let go of the connection."""
        self._selector.close()
        self._connection.close()

    def wait_for(self, answer: "PostgresAnswer") -> None:
        """Send what was said so far, and receive up to this answer.

        Raises:
            psycopg.Error: A statement up to there failed, or the connection.
        """
        self._libpq.send_flush_request()
        while answer.result is None:
            self._take().check()

    def _send(self, name: str, values: Sequence[bytes | None] = ()) -> "PostgresAnswer":
        self._libpq.send_query_prepared(name.encode(), values)
        return self._expect()

    def _expect(self) -> "PostgresAnswer":
        answer = PostgresAnswer(self)
        self._due.append(answer)
        return answer

    def _finish(self) -> None:
        """Send everything, and receive every answer."""
        self._libpq.pipeline_sync()
        self._expect()
        while self._due:
            self._take().check()

    def _take(self) -> "PostgresAnswer":
        """Receive the answer to the earliest that was sent."""
        self._speak()
        answer = self._due.popleft()
        answer.result = self._receive()
        if answer.result is None:
            raise psycopg.OperationalError("the connection was lost")
        if answer.result.status != pq.ExecStatus.PIPELINE_SYNC:
            self._receive()  # the end of this answer
        return answer

    def _speak(self) -> None:
        """Send what was said so far; while the server takes nothing more, listen."""
        while self._libpq.flush():
            self._selector.modify(self._libpq.socket, EVENT_READ | EVENT_WRITE)
            ready = self._selector.select()
            self._selector.modify(self._libpq.socket, EVENT_READ)
            if ready[0][1] & EVENT_READ:
                self._libpq.consume_input()

    def _receive(self) -> pq.abc.PGresult | None:
        """The next result; other threads go on meanwhile."""
        while self._libpq.is_busy():
            self._selector.select()
            self._libpq.consume_input()
        return self._libpq.get_result()


class PostgresAnswer:
    """What the server answers to one statement; reading it waits for it."""

    def __init__(self, line: PostgresLine) -> None:
        self.result: pq.abc.PGresult | None = None
        self._line = line

    def check(self) -> None:
        """Raise what the server refused.

        Raises:
            psycopg.Error: With the server's own words.
        """
        if self.result is not None and self.result.status == pq.ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(self.result)

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row, None where there is none."""
        return next(iter(self.fetchall()), None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows.

        Raises:
            psycopg.Error: The statement failed, or one before it, or the connection.
        """
        if self.result is None:
            self._line.wait_for(self)
        found = self.result
        assert found is not None
        readers = [_READ.get(found.ftype(column), bytes.decode) for column in range(found.nfields)]
        return [
            tuple(
                None if (value := found.get_value(row, column)) is None else read(value)
                for column, read in enumerate(readers)
            )
            for row in range(found.ntuples)
        ]
