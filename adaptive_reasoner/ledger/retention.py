"""What becomes of a ledger's charges: exported to a file, and deleted where they are old."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Literal

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.row_files import checked_path, written_whole

if TYPE_CHECKING:
    import sqlalchemy as sa

    from adaptive_reasoner.ledger.sql.database import Database
    from adaptive_reasoner.ledger.sql.pruning import OldCharges


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has written.

    Attributes:
        file: The file.
        rows: How many rows it holds.
        ledgers: The names of the ledgers that they are of.
    """

    file: str
    rows: int
    ledgers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted, or would be.

    Attributes:
        before: Charges that expired by then are old, in seconds since the epoch.
        charges: How many charges are gone; on a dry run, how many would go.
        grades: How many grades of their questions are gone with them; on a dry run None.
        kept: Old charges that stay, because their question has an open or newer one, or the price needs them.
        ledgers: The names of the ledgers.
        archive: The file that holds them now, if one was asked for.
        dry_run: Nothing was deleted.
    """

    before: float
    charges: int
    grades: int | None
    kept: int
    ledgers: tuple[str, ...]
    archive: str | None = None
    dry_run: bool = False


def export_ledger(
    url: str,
    file: str | os.PathLike[str],
    *,
    of: Literal["charges", "questions"] = "charges",
    name: str | None = None,
    since: float | None = None,
) -> Exported:
    """Write the charges of a database's ledgers to a file, or the sums by question.

    The rows are those of one moment, and are written as they are read: the table may be larger than memory.
    No writer waits.

    Args:
        url: `sqlite:///path` or `postgresql://...`.
        file: `.jsonl`, `.csv` or `.parquet`; it appears when it is whole.
        of: A row for each charge, or for each question.
        name: Only this ledger. Default: all of the database.
        since: Only charges reserved from then on, in seconds since the epoch.

    Raises:
        LedgerError: There is no such ledger, or the file's format is unknown.
        UnreachableLedgerError: The database does not answer.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from adaptive_reasoner.ledger import open_ledger
        >>> with TemporaryDirectory() as folder:
        ...     url = f"sqlite:///{folder}/ledger.sqlite"
        ...     with open_ledger(url, target=50.0) as ledger:
        ...         _ = ledger.charge(45.0, "question-1")
        ...     export_ledger(url, f"{folder}/charges.csv").rows
        1
    """
    from adaptive_reasoner.ledger.sql import exporting
    from adaptive_reasoner.ledger.sql.reader import accounts_of, reading

    if of not in ("charges", "questions"):
        raise LedgerError(f"an export is of charges or questions, not {of!r}")
    if since is not None and not isfinite(since):
        raise LedgerError(f"since must be a moment in seconds since the epoch, got {since}")
    path, rows = checked_path(file), 0
    kinds = exporting.CHARGES if of == "charges" else exporting.QUESTIONS
    with reading(url) as connection, ExitStack() as opened:
        accounts = accounts_of(connection, url, name)
        write = opened.enter_context(written_whole(path, kinds))
        for ledger, account in accounts.items():
            wanted = [] if since is None else [exporting.reserved_at(account) >= since]
            if of == "charges":
                for page in exporting.charge_pages(connection, ledger, account, *wanted):
                    write(page.rows)
                    rows += len(page.rows)
            else:
                for block in exporting.question_pages(connection, ledger, account, *wanted):
                    write(block)
                    rows += len(block)
    return Exported(str(path), rows, tuple(accounts))


def prune_ledger(
    url: str,
    *,
    older_than: float,
    name: str | None = None,
    archive: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    clock: Callable[[], float] = time.time,
) -> Pruned:
    """Delete old charges that are no longer open, some hundred at a time, so that live traffic does not wait.

    Sums, averages, prices and caps stay as they are, and so does every charge of a question that has an open
    or a newer one. The key of a deleted charge could be charged anew.

    Args:
        url: `sqlite:///path` or `postgresql://...`.
        older_than: Seconds since a charge expired, or was charged directly; above 0.
        name: Only this ledger. Default: all of the database.
        archive: File that takes the charges before any of them is deleted, as `export_ledger` writes it. It
            must not be there yet.
        dry_run: Only say what would be deleted.
        clock: Seconds since the epoch; for tests.

    Raises:
        LedgerError: There is no such ledger, the age is not above 0, or the archive cannot be written.
        UnreachableLedgerError: The database does not answer. Some charges may be deleted: repeat the call.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from adaptive_reasoner.ledger import open_ledger
        >>> with TemporaryDirectory() as folder:
        ...     url = f"sqlite:///{folder}/ledger.sqlite"
        ...     with open_ledger(url, target=50.0) as ledger:
        ...         _ = ledger.charge(45.0, "question-1")
        ...         later = time.time() + 91 * 86_400.0
        ...         pruned = prune_ledger(url, older_than=90 * 86_400.0, clock=lambda: later)
        ...         pruned.charges, ledger.snapshot().spent
        (1, 45.0)
    """
    from adaptive_reasoner.ledger.sql import exporting
    from adaptive_reasoner.ledger.sql.database import joined
    from adaptive_reasoner.ledger.sql.pruning import OldCharges
    from adaptive_reasoner.ledger.sql.reader import accounts_of, reading

    if not (isfinite(older_than) and older_than > 0.0):
        raise LedgerError(f"older_than must be a finite number of seconds above 0, got {older_than}")
    path = None if archive is None else checked_path(archive)
    if path is not None and path.exists():
        raise LedgerError(f"{path} is there already, and an archive is never overwritten; name a new file")
    before, found = clock() - older_than, list[OldCharges]()
    with reading(url) as connection, ExitStack() as opened:
        accounts = accounts_of(connection, url, name)
        archived = path is not None and not dry_run
        write = opened.enter_context(written_whole(path, exporting.CHARGES)) if path and archived else None
        for ledger, account in accounts.items():
            found.append(old := OldCharges(connection, ledger, account, before))
            for page in old.read(connection):
                if write is not None:
                    write(page.rows)
    if dry_run:
        charges, grades = sum(len(old.numbers) for old in found), None
    else:
        with joined(url) as database:
            charges = sum(_deleted(database, old) for old in found)
            grades = sum(_deleted_grades(database, old) for old in found)
    return Pruned(
        before=before,
        charges=charges,
        grades=grades,
        kept=sum(old.older for old in found) - charges,
        ledgers=tuple(accounts),
        archive=str(path) if archived else None,
        dry_run=dry_run,
    )


def _deleted(database: "Database", old: "OldCharges") -> int:
    """Delete charges batch by batch; how many are gone."""
    return sum(_rested(database, partial(old.delete, batch=batch)) for batch in old.batches())


def _deleted_grades(database: "Database", old: "OldCharges") -> int:
    total = 0
    while deleted := _rested(database, old.delete_grades):
        total += deleted
    return total


def _rested(database: "Database", work: "Callable[[sa.Connection], int]") -> int:
    """Run in one transaction, and rest as long as it took: half of the time is left to other writers."""
    began = time.monotonic()
    done = database.prepare(work)
    time.sleep(time.monotonic() - began)
    return done
