"""Commands on the charges of a ledger: export them, delete the old ones."""

import re
import time
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from adaptive_reasoner.cli.ledger import Url
from adaptive_reasoner.cli.results import AsJson, print_result

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}

OneName = Annotated[
    str | None, typer.Option(help="Only the ledger of this name; by default every ledger of the database.")
]


class Rows(StrEnum):
    """What a row of an export is of."""

    CHARGES = "charges"
    QUESTIONS = "questions"


def ledger_export(
    url: Url,
    to: Annotated[Path, typer.Option("--out", help="File to write: .jsonl, .csv or .parquet.")],
    of: Annotated[Rows, typer.Option(help="A row for each charge, or for each question.")] = Rows.CHARGES,
    since: Annotated[
        str | None,
        typer.Option(help="Only charges reserved since: a date or time (UTC), or an age such as 30d."),
    ] = None,
    name: OneName = None,
    as_json: AsJson = False,
) -> None:
    """Write the charges of a ledger to a file: run, tenant, action, time and cost of each."""
    from adaptive_reasoner.ledger.retention import export_ledger

    moment = None if since is None else _moment(since)
    print_result(asdict(export_ledger(url, to, of=of.value, name=name, since=moment)), as_json)


def ledger_prune(
    url: Url,
    older_than: Annotated[str, typer.Option(help="Age of what is deleted, such as 90d, 12h or 2w.")],
    name: OneName = None,
    archive: Annotated[
        Path | None,
        typer.Option(help="New file for the charges before they are deleted: .jsonl, .csv or .parquet."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete old charges that are no longer open; sums, price and cap stay as they are."""
    from adaptive_reasoner.ledger.retention import prune_ledger

    age = _age(older_than)
    if age is None:
        raise typer.BadParameter(
            f"{older_than!r} is no age above 0; write a number and one of {', '.join(_UNITS)}, such as 90d",
            param_hint="'--older-than'",
        )
    pruned = prune_ledger(url, older_than=age, name=name, archive=archive, dry_run=dry_run)
    print_result(asdict(pruned) | {"before": _shown(pruned.before)}, as_json)


def _age(text: str) -> float | None:
    """The seconds of an age; None if the text is not an age.

    >>> _age("90d"), _age("1.5h"), _age("soon")
    (7776000.0, 5400.0, None)
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smhdw])", text.strip())
    return float(found[1]) * _UNITS[found[2]] or None if found else None


def _moment(text: str) -> float:
    """A date, a time or an age as seconds since the epoch; a time without a zone is in UTC.

    >>> _moment("1970-01-02"), _moment("1970-01-01T01:00:00+01:00")
    (86400.0, 0.0)
    """
    age = _age(text)
    if age is not None:
        return time.time() - age
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is neither a date or time such as 2026-01-31T18:00 nor an age such as 30d",
            param_hint="'--since'",
        ) from None


def _shown(seconds: float) -> str | None:
    """A moment in UTC; None outside the calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None
