"""The charges and the questions of a database's ledgers as rows, read a page at a time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from adaptive_reasoner.ledger.settings import Account
from adaptive_reasoner.ledger.sql import schema

PAGE = 2_000

CHARGES: Mapping[str, type] = {
    "ledger": str,
    "tenant": str,
    "run": str,
    "key": str,
    "action": str,
    "status": str,
    "period": str,
    "reserved_at": str,
    "expires_at": str,
    "cost_unit": str,
    "expected": float,
    "worst": float,
    "cost": float,
    "explored": bool,
}
QUESTIONS: Mapping[str, type] = {
    "ledger": str,
    "tenant": str,
    "run": str,
    "period": str,
    "first_reserved_at": str,
    "last_reserved_at": str,
    "cost_unit": str,
    "charges": int,
    "open": int,
    "spent": float,
    "reserved": float,
    "score": float,
}

_entry = schema.entries.c


class Page(NamedTuple):
    """Some charges: the rows of the table, and as they are exported."""

    stored: Sequence[Any]
    rows: Sequence[Mapping[str, Any]]


def reserved_at(account: Account) -> sa.ColumnElement[float]:
    """When a charge was reserved; where an older version did not write it down, going by its expiry."""
    return sa.func.coalesce(_entry.reserved_at, _entry.expires_at - account.ttl)


def charge_pages(
    connection: sa.Connection, ledger: str, account: Account, *wanted: sa.ColumnElement[bool]
) -> Iterator[Page]:
    """The wanted charges of a ledger in the order they were reserved, each page a query of its own."""
    last, at = 0, reserved_at(account).label("at")
    query = sa.select(schema.entries, at).where(_entry.ledger == ledger, *wanted).order_by(_entry.number)
    while stored := connection.execute(query.where(_entry.number > last).limit(PAGE)).all():
        yield Page(stored, [_charge(row, ledger, account) for row in stored])
        last = stored[-1].number


def question_pages(
    connection: sa.Connection, ledger: str, account: Account, *wanted: sa.ColumnElement[bool]
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """The questions of a ledger with the sums over their wanted charges, in the order of their names."""
    at = reserved_at(account)
    is_open, booked = _entry.status == "open", _entry.status.in_(("settled", "expired"))

    def total(amount: sa.ColumnElement[int], where: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.cast(sa.func.coalesce(sa.func.sum(sa.case((where, amount))), 0), sa.BigInteger)

    query = (
        sa.select(
            _entry.question,
            sa.func.min(_entry.period).label("period"),
            sa.func.min(at).label("first"),
            sa.func.max(at).label("last"),
            sa.func.count().label("charges"),
            sa.func.count(sa.case((is_open, 1))).label("open"),
            total(_entry.cost, booked).label("spent"),
            total(_entry.expected, is_open).label("reserved"),
            sa.select(schema.scores.c.score)
            .where(schema.scores.c.ledger == ledger, schema.scores.c.question == _entry.question)
            .scalar_subquery()
            .label("score"),
        )
        .where(_entry.ledger == ledger, *wanted)
        .group_by(_entry.question)
        .order_by(_entry.question)
    )
    last = ""
    while stored := connection.execute(query.where(_entry.question > last).limit(PAGE)).all():
        yield [_question(row, ledger, account) for row in stored]
        last = stored[-1].question


def _charge(row: Any, ledger: str, account: Account) -> Mapping[str, Any]:
    return {
        "ledger": ledger,
        "tenant": _tenant(row.question, row.key),
        "run": row.question,
        "key": row.key,
        "action": row.action,
        "status": row.status,
        "period": row.period or None,
        "reserved_at": _time(row.at),
        "expires_at": _time(row.expires_at),
        "cost_unit": account.cost_unit,
        "expected": account.from_units(row.expected),
        "worst": account.from_units(row.worst),
        "cost": account.from_units(row.cost),
        "explored": bool(row.explored),
    }


def _question(row: Any, ledger: str, account: Account) -> Mapping[str, Any]:
    return {
        "ledger": ledger,
        "tenant": _tenant(row.question, row.question),
        "run": row.question,
        "period": row.period or None,
        "first_reserved_at": _time(row.first),
        "last_reserved_at": _time(row.last),
        "cost_unit": account.cost_unit,
        "charges": row.charges,
        "open": row.open,
        "spent": account.from_units(row.spent),
        "reserved": account.from_units(row.reserved),
        "score": None if row.score is None else row.score / 1e9,
    }


def _tenant(question: str, key: str) -> str | None:
    """The tenant that a charge of a common ledger names before the first slash of its question and key."""
    name, slash, _ = question.partition("/")
    return name if slash and name and key.startswith(f"{name}/") else None


def _time(seconds: float | None) -> str | None:
    """A moment in UTC, as ISO 8601 has it; None outside the calendar."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
