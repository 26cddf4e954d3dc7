"""A connection to PostgreSQL that sends statements together, and waits twice in a transaction.

It uses libpq's pipeline mode directly: psycopg's own pipeline sends each statement by itself, and 8 processes
of one thread each make a third fewer charges a second with it (`times_psycopgs_pipeline` in
benchmarks/results/ledger_throughput.json).
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer

from adaptive_reasoner.ledger.sql.connection import Answer
from adaptive_reasoner.ledger.sql.statements import STATEMENTS

# Each statement sees what others have committed, whatever the server's default: locks are waited for first.
_BRACKETS = {"begin": "begin isolation level read committed", "commit": "commit", "rollback": "rollback"}


class PostgresConnection:
    """Runs statements; sends them when an answer is read, or at the commit.

    The server prepares each statement once, unless a pooler such as PgBouncer answers in its place: there the
    next transaction may run on another server connection, which knows no statement of this one. So nothing is
    kept between transactions there, and each statement is planned as it comes.

    Args:
        connection: A dedicated connection.
    """

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection, self._libpq = connection, connection.pgconn
        self._pending: deque[_Pending] = deque()
        self._transformer = Transformer(connection)
        self._selector = DefaultSelector()
        self._selector.register(self._libpq.socket, EVENT_READ)
        self._libpq.nonblocking = 1
        self._libpq.enter_pipeline_mode()
        self._texts = {name: numbered(statement) for name, statement in (_BRACKETS | STATEMENTS).items()}
        self._pooled = self._is_pooled()
        if not self._pooled:
            for name, (text, _) in self._texts.items():
                self._libpq.send_prepare(name.encode(), text.encode())
                self._expect()
            self._receive(self._sync())

    def begin(self) -> None:
        """Begin a transaction, along with its first statements."""
        self._send("begin")

    def run(self, name: str, parameters: Mapping[str, Any]) -> Answer:
        """Queue a statement; it is sent together with the next ones."""
        values = [parameters[each] for each in self._texts[name][1]]
        sent = self._send(name, [None if value is None else str(value).encode() for value in values])
        return partial(self._rows_of, sent)

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

    def _rows_of(self, sent: "_Pending") -> list[tuple[Any, ...]]:
        """The rows of a statement, received first if they have not been.

        Raises:
            psycopg.Error: A statement up to there failed, or the connection.
        """
        if sent.result is None:
            self._libpq.send_flush_request()
        result = self._receive(sent)
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def _send(self, name: str, values: Sequence[bytes | None] = ()) -> "_Pending":
        if self._pooled:
            self._libpq.send_query_params(self._texts[name][0].encode(), values)
        else:
            self._libpq.send_query_prepared(name.encode(), values)
        return self._expect()

    def _is_pooled(self) -> bool:
        """Whether a pooler stands in between: it gives out a number of its own for the server's process."""
        self._libpq.send_query_params(b"select pg_backend_pid()", None)
        asked = self._expect()
        self._receive(self._sync())
        return self._rows_of(asked) != [(self._libpq.backend_pid,)]

    def _sync(self) -> "_Pending":
        self._libpq.pipeline_sync()
        return self._expect()

    def _expect(self) -> "_Pending":
        self._pending.append(_Pending())
        return self._pending[-1]

    def _receive(self, last: "_Pending", *, check: bool = True) -> pq.abc.PGresult:
        """Send the queue, and receive every result up to `last`; raise the first error among them."""
        while self._libpq.flush():  # while the server takes nothing more, its answers are read
            self._selector.modify(self._libpq.socket, EVENT_READ | EVENT_WRITE)
            ready = self._selector.select()
            self._selector.modify(self._libpq.socket, EVENT_READ)
            if ready[0][1] & EVENT_READ:
                self._libpq.consume_input()
        while last.result is None:
            sent = self._pending.popleft()
            sent.result = self._next_result()
            if sent.result is None:
                raise psycopg.OperationalError("the connection was lost")
            if sent.result.status != pq.ExecStatus.PIPELINE_SYNC:
                self._next_result()  # the end of this one
            if check and sent.result.status == pq.ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(sent.result)
        return last.result

    def _next_result(self) -> pq.abc.PGresult | None:
        while self._libpq.is_busy():
            self._selector.select()  # other threads run meanwhile
            self._libpq.consume_input()
        return self._libpq.get_result()


def numbered(statement: str) -> tuple[str, Sequence[str]]:
    """A statement with numbers in place of the names of its parameters, and the names by number.

    >>> numbered("update t set a = a + :more where b = :of and c != :more")
    ('update t set a = a + $1 where b = $2 and c != $1', ['more', 'of'])
    """
    names = list(dict.fromkeys(re.findall(r":(\w+)", statement)))
    return re.sub(r":(\w+)", lambda found: f"${names.index(found[1]) + 1}", statement), names


class _Pending:
    """A statement that was queued, with its result once that is received."""

    result: pq.abc.PGresult | None = None
