"""Old charges of a ledger, found in pages and deleted a batch at a time, so that no writer waits long."""

import math
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from adaptive_reasoner.ledger.estimates import RECENT, Closed, Correction, corrected
from adaptive_reasoner.ledger.settings import Account
from adaptive_reasoner.ledger.sql import schema
from adaptive_reasoner.ledger.sql.exporting import Page, charge_pages
from adaptive_reasoner.ledger.sql.statements import STATEMENTS

BATCH = 500

_entry = schema.entries.c
_other = schema.entries.alias("others")
_score = schema.scores.c
_LOCK = sa.text(STATEMENTS["lock_question"])


class OldCharges:
    """The charges of a ledger that it can do without, as they were read; amounts in small units.

    Of a question, all charges go or none: one that is open or newer than `before` keeps the others, by which
    the ledger knows that it has counted the question. So do the charges that plans are corrected by, while
    the price would change without them.

    Args:
        connection: Reads the charges.
        ledger: The name of the ledger.
        account: Its terms.
        before: Only charges that expired by then, in seconds of the ledger's clock.
    """

    def __init__(self, connection: sa.Connection, ledger: str, account: Account, before: float) -> None:
        self.ledger, self.account = ledger, account
        closed = sa.and_(_entry.ledger == ledger, _entry.status != "open")
        self._before = min(before, _learned_since(connection, ledger, account, before))
        self._old = (
            closed,
            _entry.expires_at <= self._before,
            ~sa.exists().where(
                _other.c.ledger == ledger,
                _other.c.question == _entry.question,
                sa.or_(_other.c.status == "open", _other.c.expires_at > self._before),
            ),
        )
        count = sa.select(sa.func.count()).select_from(schema.entries)
        self.older = int(connection.execute(count.where(closed, _entry.expires_at <= before)).scalar_one())
        self.numbers, self._costs = array("q"), array("q")

    def read(self, connection: sa.Connection) -> Iterator[Page]:
        """Go through them, and remember which they are."""
        for page in charge_pages(connection, self.ledger, self.account, *self._old):
            for row in page.stored:
                self.numbers.append(row.number)
                self._costs.append(_cost(row))
            yield page

    def batches(self) -> Iterator[dict[int, int]]:
        """The cost of each charge by its number, `BATCH` charges at a time."""
        for first in range(0, len(self.numbers), BATCH):
            part = slice(first, first + BATCH)
            yield dict(zip(self.numbers[part], self._costs[part], strict=True))

    def delete(self, connection: sa.Connection, batch: dict[int, int]) -> int:
        """Delete those of a batch that are still as they were read; how many these are.

        Their questions are locked meanwhile: a new charge of one either comes before, and keeps them, or
        waits.
        """
        listed = sa.select(schema.entries).where(_entry.number.in_(batch), *self._old)
        if connection.dialect.name == "postgresql":
            questions = {row.question for row in connection.execute(listed)}
            for question in sorted(questions):  # in the order of every writer
                connection.execute(_LOCK, {"of": self.ledger, "asked": question})
        same = [row.number for row in connection.execute(listed) if batch[row.number] == _cost(row)]
        connection.execute(sa.delete(schema.entries).where(_entry.number.in_(same)))
        return len(same)

    def delete_grades(self, connection: sa.Connection) -> int:
        """Delete the old grades of questions that have no charge left; how many."""
        left = sa.exists().where(_other.c.ledger == self.ledger, _other.c.question == _score.question)
        old = sa.and_(_score.ledger == self.ledger, _score.graded_at <= self._before, ~left)
        page = sa.select(_score.question).where(old).limit(BATCH)
        these = _score.ledger == self.ledger, _score.question.in_(page.scalar_subquery())
        return connection.execute(sa.delete(schema.scores).where(*these)).rowcount


def _learned_since(connection: sa.Connection, ledger: str, account: Account, before: float) -> float:
    """The moment from which on charges are needed for the price as it is now.

    What is open is corrected by the latest `RECENT` closed charges; infinity if older ones change nothing.
    """
    if account.target is None:
        return math.inf
    columns = (_entry.status, _entry.action, _entry.expected, _entry.cost, _entry.expires_at)
    closed = sa.select(*columns).where(_entry.ledger == ledger, _entry.status != "open")
    latest = connection.execute(closed.order_by(_entry.expires_at.desc()).limit(RECENT)).all()
    planned = {
        action: (charges, amount)
        for action, charges, amount in connection.execute(sa.text(STATEMENTS["read_open"]), {"of": ledger})
    }
    if not planned or not latest:
        return math.inf

    def correction(rows: Sequence[Any]) -> Correction:
        return corrected([Closed(*row[:4]) for row in rows], planned, target=float(account.target or 0))

    if correction(latest) == correction([row for row in latest if row.expires_at > before]):
        return math.inf
    return math.nextafter(latest[-1].expires_at, -math.inf)


def _cost(row: Any) -> int:
    return -1 if row.cost is None else int(row.cost)
