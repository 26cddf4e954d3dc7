"""The records of logs, and the reader that makes replies of them."""

import codecs
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Protocol

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.importing.base import Fields, Found
from adaptive_reasoner.kit.importing.json_values import read_json_values
from adaptive_reasoner.kit.importing.langsmith import LangSmithReader, langsmith_runs, plain_run
from adaptive_reasoner.kit.importing.openai_logs import OpenAIReader
from adaptive_reasoner.kit.importing.otel_spans import OtelReader
from adaptive_reasoner.kit.importing.tables import TableReader, table_rows

Format = Literal["langsmith", "otel", "openai", "csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = ("langsmith", "otel", "openai", "csv", "jsonl", "parquet")

PROJECT = "langsmith://"
"""How the address of a project of LangSmith begins, in place of a file."""

_BEGIN = 4_096  # bytes by which a file is told to be of another kind
_OF_PAGES = frozenset(
    {
        *("data", "object", "meta", "metadata", "pagination", "links", "page", "limit", "offset", "size"),
        *(
            "total",
            "totalItems",
            "count",
            "next",
            "next_cursor",
            "nextCursor",
            "cursor",
            "has_more",
            "hasMore",
        ),
    }
)
_TABLES = {"csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet"}


class Reader(Protocol):
    """Makes replies of the records of one format."""

    def read(self, record: Mapping[str, Any]) -> Iterable[Found]:
        """The replies in a record; a ValueError says what is wrong with it."""

    def finish(self) -> Iterable[Found]:
        """The replies that were incomplete until the last record was read."""


def records(
    logs: Any, from_: Format, runs: Literal["root", "llm"], limit: int | None
) -> Iterator[tuple[object, int, Any]]:
    """The records of all logs, each with its file and number.

    Raises:
        OutcomesError: A log cannot be read; it names file and row.
    """
    numbers = itertools.count(1)
    for each in [logs] if isinstance(logs, str | PathLike) else logs:
        if not isinstance(each, str | PathLike):
            yield None, next(numbers), plain_run(each) if from_ == "langsmith" else each
        else:
            for number, record in _values(each, from_, runs, limit):
                yield each, number, record


def _values(
    log: str | PathLike[str], from_: Format, runs: Literal["root", "llm"], limit: int | None
) -> Iterator[tuple[int, Any]]:
    """The records of a log with their numbers."""
    if str(log).startswith(PROJECT):
        if from_ != "langsmith":
            raise OutcomesError(f"a project of LangSmith is not read as {from_}", file=log)
        project = str(log).removeprefix(PROJECT)
        return enumerate(langsmith_runs(project, runs=runs, limit=limit), start=1)
    path = Path(log)
    ending = path.suffix.lower() if path.suffix.lower() in (".csv", ".parquet") else None  # also of runs
    table = _TABLES.get(from_, ending)
    _check_kind(path, from_, table)
    values = read_json_values(path) if table is None else table_rows(path, table)
    return (each for number, value in values for each in _unpaged(number, value))


def _unpaged(number: int, value: Any) -> Iterator[tuple[int, Any]]:
    """The records of a page that an API answered, or the one record that it is."""
    if isinstance(value, Mapping) and isinstance(value.get("data"), list) and _is_page(value):
        yield from enumerate(value["data"], start=1)
    else:
        yield number, value


def _is_page(value: Mapping[str, Any]) -> bool:
    """Whether what has a list of data says nothing but where in a longer list that is."""
    return value.get("object") == "list" or value.keys() <= _OF_PAGES


def _check_kind(path: Path, from_: Format, table: str | None) -> None:
    """Refuse a file that another format reads.

    Raises:
        OutcomesError: It names the format that fits.
    """
    if not path.is_file():
        raise OutcomesError("no such file", file=path)
    with path.open("rb") as file:
        begin = file.read(_BEGIN).removeprefix(codecs.BOM_UTF8).lstrip()
    if begin.startswith(b"PAR1") and table != ".parquet":
        raise OutcomesError(f"a Parquet file is not read as {from_}: give --from parquet", file=path)
    if table == ".parquet" and not begin.startswith(b"PAR1"):
        fits = "jsonl" if begin.startswith((b"{", b"[")) else "csv"
        raise OutcomesError(f"not a Parquet file: --from {fits} may fit", file=path)
    if table == ".csv" and begin.startswith((b"{", b"[")):
        raise OutcomesError(
            "this is JSON, not CSV: give --from jsonl for rows, or for exports langsmith, otel or openai",
            file=path,
        )
    header = begin.partition(b"\n")[0]
    cells = (begin[:1].isalpha() or begin.startswith(b'"')) and b": " not in header
    if table in (None, ".jsonl") and cells and any(sign in header for sign in (b",", b";", b"\t")):
        raise OutcomesError("this is a table of cells, not JSON: give --from csv", file=path)


def reader_of(from_: Format, fields: Fields, runs: Literal["root", "llm"]) -> Reader:
    """What makes replies of the records of a format."""
    match from_:
        case "langsmith":
            return LangSmithReader(fields, runs)
        case "otel":
            return OtelReader(fields)
        case "openai":
            return OpenAIReader(fields)
    return TableReader(fields)


def name_of(logs: Any) -> object:
    """The logs, as errors name them."""
    if isinstance(logs, str | PathLike):
        return logs
    names = (
        [str(each) for each in logs if isinstance(each, str | PathLike)] if isinstance(logs, Sequence) else []
    )
    return ", ".join(names) or None
