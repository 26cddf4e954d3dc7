"""The tables of a ledger's database, and how a database is opened."""

import contextlib
import re
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.base import unknown_url
from adaptive_reasoner.ledger.entries import Entry
from adaptive_reasoner.ledger.price_controller import Totals
from adaptive_reasoner.ledger.settings import KEEP, Account
from adaptive_reasoner.ledger.urls import showable

VERSION = 8
CREATION_LOCK = 0x6C65646765720001  # PostgreSQL: one process at a time makes the tables

metadata = sa.MetaData()

versions = sa.Table("ledger_schema", metadata, sa.Column("version", sa.Integer, nullable=False))

accounts = sa.Table(
    "ledger_accounts",
    metadata,
    sa.Column("ledger", sa.Text, primary_key=True),
    sa.Column("cost_unit", sa.Text, nullable=False),
    sa.Column("target", sa.BigInteger),
    sa.Column("hard_cap", sa.BigInteger),
    sa.Column("ttl", sa.Double, nullable=False),
    sa.Column("credit", sa.Double, nullable=False),
    sa.Column("window", sa.Text),
    sa.Column("price", sa.Double),
    sa.Column("slope", sa.Double),
    sa.Column("keep", sa.Double, nullable=False),
    sa.Column("target_accuracy", sa.Double),
    sa.Column("floor_price", sa.Double),
    sa.Column("floor_slope", sa.Double),
    sa.Column("floor_lowest", sa.Double),
)

# The grades of answers, by question: a repeated one counts once.
scores = sa.Table(
    "ledger_scores",
    metadata,
    sa.Column("ledger", sa.Text, primary_key=True),
    sa.Column("question", sa.Text, primary_key=True),
    sa.Column("score", sa.BigInteger, nullable=False),
    sa.Column("graded_at", sa.Double, nullable=False),
    sa.Index("ledger_scores_graded", "ledger", "graded_at"),
)

# Answers that were compared with a second one.
comparisons = sa.Table(
    "ledger_comparisons",
    metadata,
    sa.Column("ledger", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("question", "outcome", "action", "against")),
    *(sa.Column(name, sa.Double, nullable=False) for name in ("share", "cost", "at")),
    *(sa.Column(name, sa.Double) for name in ("against_cost", "preferred", "judge_accuracy")),
)

# What policies have found changed, until it is reset.
alarms = sa.Table(
    "ledger_alarms",
    metadata,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("ledger", "policy_id", "series", "direction")),
    sa.Column("at", sa.Double, primary_key=True),
    *(sa.Column(name, sa.Double, nullable=False) for name in ("before", "now")),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("seen", "since", "taken_over")),
)

# A period's sums are spread over several rows, so that writers do not wait for each other. Under a hard cap
# on PostgreSQL each row has an allowance, and the allowances add up to the cap.
totals = sa.Table(
    "ledger_totals",
    metadata,
    sa.Column("ledger", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True),
    sa.Column("allowance", sa.BigInteger, sa.CheckConstraint("spent + held <= allowance")),
    *(sa.Column(field.name, sa.BigInteger, nullable=False, server_default="0") for field in fields(Totals)),
)

entries = sa.Table(
    "ledger_entries",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("ledger", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("expected", sa.BigInteger, nullable=False),
    sa.Column("worst", sa.BigInteger),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("cost", sa.BigInteger),
    sa.Column("action", sa.Text),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("written_off", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("allowed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("explored", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reserved_at", sa.Double),
    sa.UniqueConstraint("ledger", "key"),
    sa.Index("ledger_entries_question", "ledger", "question"),
)
_open = entries.c.status == sa.literal_column("'open'")  # written as in the indexes, or they are not used
sa.Index(
    "ledger_entries_open",
    entries.c.ledger,
    entries.c.expires_at,
    sqlite_where=_open,
    postgresql_where=_open,
)
sa.Index(
    "ledger_entries_closed",
    entries.c.ledger,
    entries.c.expires_at,
    sqlite_where=~_open,
    postgresql_where=~_open,
)

# The statements that bring each older version to the next.
MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        f"alter table ledger_accounts add column keep double precision not null default {KEEP}",
        "create index ledger_entries_closed on ledger_entries (ledger, expires_at) where status != 'open'",
    ),
    2: (
        "alter table ledger_entries add column written_off bigint not null default 0",
        "alter table ledger_entries add column allowed bigint not null default 0",
        "alter table ledger_totals add column floored bigint not null default 0",
    ),
    3: (
        *(
            f"alter table ledger_accounts add column {name} double precision"
            for name in ("target_accuracy", "floor_price", "floor_slope", "floor_lowest")
        ),
        *(
            f"alter table ledger_totals add column {name} bigint not null default 0"
            for name in ("feedbacks", "scores", "floor_drift", "floor_debt", "floor_steps", "unheard")
        ),
        """create table ledger_scores (ledger text not null, question text not null, score bigint not null,
            graded_at double precision not null, primary key (ledger, question))""",
        "create index ledger_scores_graded on ledger_scores (ledger, graded_at)",
    ),
    4: (
        "alter table ledger_entries add column explored bigint not null default 0",
        *(
            f"alter table ledger_totals add column {name} bigint not null default 0"
            for name in ("explored", "explored_spent")
        ),
        """create table ledger_comparisons (ledger text not null, key text not null, question text not null,
            outcome text not null, action text not null, against text not null,
            share double precision not null, cost double precision not null, at double precision not null,
            against_cost double precision, preferred double precision, judge_accuracy double precision,
            primary key (ledger, key))""",
    ),
    5: (
        """create table ledger_alarms (ledger text not null, policy_id text not null, series text not null,
            direction text not null, at double precision not null, before double precision not null,
            now double precision not null, seen bigint not null, since bigint not null,
            taken_over bigint not null, primary key (ledger, policy_id, series, direction, at))""",
    ),
    6: ("alter table ledger_entries add column reserved_at double precision",),
    7: ("alter table ledger_totals add column allowance bigint check (spent + held <= allowance)",),
}

ENTRY = [entries.c[field.name] for field in fields(Entry)]


def open_engine(url: str | sa.URL) -> sa.Engine:
    """An engine for a ledger's URL, or for its parts.

    On SQLite, a transaction locks the file from its start. With `?synchronous=normal` in the URL, a commit
    does not wait for the disk: a killed process loses nothing, a machine without power the latest charges.

    Raises:
        LedgerError: The URL names no file, or an unknown setting.
        ImportError: The driver for PostgreSQL is not installed.
    """
    address = read_url(url) if isinstance(url, str) else url
    if address.get_backend_name() == "sqlite":
        return _open_sqlite(address)
    if not re.fullmatch(r"postgresql(\+psycopg)?", address.drivername):
        raise LedgerError(
            f"{address.drivername}:// is not the URL of a ledger; use sqlite:/// or postgresql://"
        )
    # Settings, which may be secret, go to the driver directly: the engine shows its URL in messages.
    settings = {name: value for name, value in address.query.items() if name not in ("host", "port")}
    try:
        return sa.create_engine(
            address.set(drivername="postgresql+psycopg").difference_update_query(settings),
            pool_size=1,
            # Nothing prepared by name: behind a pooler the next transaction is on another connection.
            connect_args={
                "client_encoding": "utf8",
                "connect_timeout": 10,
                "prepare_threshold": None,
                **settings,
            },
            isolation_level="READ COMMITTED",
        )
    except ModuleNotFoundError as error:
        raise ImportError('a ledger on PostgreSQL needs its driver: pip install "psycopg[binary]"') from error


def read_url(url: str) -> sa.URL:
    """The parts of a database's URL.

    Raises:
        LedgerError: It cannot be parsed, or it holds an `@` that may belong to a password.
    """
    address = None
    with contextlib.suppress(SQLAlchemyError, ValueError):
        address = sa.make_url(url)
    if address is None:  # raised here, because the parser's own error may hold the password
        raise unknown_url(url)
    if address.get_backend_name() == "sqlite":
        return _file_of(address, url)
    if "@" in f"{address.host}{address.database}":
        raise LedgerError(
            f"{showable(url)} holds more than one @; write an @ in a user's name or a password as %40"
        )
    return address


def _file_of(address: sa.URL, url: str) -> sa.URL:
    """The URL of a file with an absolute path, because a process may change its directory."""
    if address.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise LedgerError(f"{address.drivername}:// is not the URL of a ledger; use sqlite:///path")
    if address.username or address.password or address.host or address.port:
        raise LedgerError(f"{showable(url)} names a host or a user, and a file has none; use sqlite:///path")
    # SQLAlchemy drops settings without a value, and with them the rest of a file's name after a ?.
    _, mark, query = url.partition("?")
    settings = parse_qs(query, keep_blank_values=True) or {mark: []}
    if unknown := set(settings) - {"synchronous", ""}:
        raise LedgerError(
            f"unknown setting {min(unknown)} in {showable(url)}; there is only synchronous, "
            "and the name of a ledger's file cannot hold a ?"
        )
    if address.database in (None, "", ":memory:"):
        raise LedgerError(f"{showable(url)} names no file; use sqlite:///path, or memory:// for one process")
    return address.set(database=str(Path(address.database).absolute()))


def _open_sqlite(address: sa.URL) -> sa.Engine:
    synchronous = str(address.query.get("synchronous", "full")).lower()
    if synchronous not in ("full", "normal"):
        raise LedgerError(f"synchronous={synchronous} in {address}; use full or normal")
    engine = sa.create_engine(
        address.difference_update_query(["synchronous"]),
        paramstyle="named",
        poolclass=sa.NullPool,
        connect_args={"timeout": 30.0, "check_same_thread": False},
    )

    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        for pragma in ("busy_timeout=30000", "journal_mode=wal", f"synchronous={synchronous}"):
            connection.execute(f"pragma {pragma}")

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("begin immediate")  # the write lock at once: later it could be refused

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", begin)
    return engine


def make_tables(connection: sa.Connection) -> None:
    """Make the tables if there are none, migrate those of an older version, refuse any other.

    Raises:
        LedgerError: The database was written by a newer library, or its tables are of no known version.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATION_LOCK)))
    if not set(sa.inspect(connection).get_table_names()) & set(metadata.tables):
        metadata.create_all(connection)
        connection.execute(sa.insert(versions), {"version": VERSION})
        return
    found = version_of(connection)
    while found in MIGRATIONS:
        for statement in MIGRATIONS[found]:
            connection.exec_driver_sql(statement)
        found += 1
        connection.execute(sa.update(versions).values(version=found))
    if found != VERSION:
        raise wrong_version(found)


def stored_account(connection: sa.Connection, name: str) -> Account | None:
    """The terms of the ledger of this name, None if there is none."""
    columns = [accounts.c[field.name] for field in fields(Account)]
    row = connection.execute(sa.select(*columns).where(accounts.c.ledger == name)).first()
    return None if row is None else Account(*row)


def version_of(connection: sa.Connection) -> int | None:
    """The version of a database's ledger tables, None if it is unknown."""
    if versions.name not in sa.inspect(connection).get_table_names():
        return None
    found = connection.execute(sa.select(versions.c.version)).scalars().all()
    return found[0] if len(found) == 1 else None


def wrong_version(found: int | None) -> LedgerError:
    """The error for tables that this library does not read."""
    newer, older = found is not None and found > VERSION, found in MIGRATIONS
    way_out = "upgrade it" if newer else "open it for writing once" if older else "open a new database"
    shown = "unknown" if found is None else found
    return LedgerError(
        f"the database holds ledger tables of version {shown}, "
        f"this library reads version {VERSION}; {way_out}"
    )
