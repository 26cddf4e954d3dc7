"""A file of rows that are written as they come: JSON Lines, CSV or Parquet, by the file's name."""

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.errors import LedgerError, needs

Row = Mapping[str, Any]
Kinds = Mapping[str, type]
"""The type of each column: `str`, `int`, `float` or `bool`; any cell may be None."""

FORMATS = (".jsonl", ".csv", ".parquet")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what spreadsheets take a cell for, quoted so often already


def checked_path(file: str | os.PathLike[str]) -> Path:
    """The path of a file of a known format in a folder that is there.

    Raises:
        LedgerError: The format is unknown, or there is no such folder.
    """
    path = Path(file)
    if path.suffix.lower() not in FORMATS:
        raise LedgerError(f"unknown format {path.suffix!r} of {path.name}; use .jsonl, .csv or .parquet")
    if not path.parent.is_dir():
        raise LedgerError(f"there is no folder {path.parent} to write {path.name} in")
    return path


@contextmanager
def written_whole(path: Path, kinds: Kinds) -> Iterator[Callable[[Sequence[Row]], None]]:
    """Takes rows block by block; the file is there, and on the disk, when the block of code ends.

    Raises:
        ImportError: The file is Parquet, and pyarrow is not installed.
    """
    formats = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    with replaced_whole(path) as part:
        with formats[path.suffix.lower()](part, kinds) as write:
            yield write
        with part.open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def _jsonl(path: Path, _: Kinds) -> Iterator[Callable[[Iterable[Row]], None]]:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yield lambda rows: file.writelines(f"{json.dumps(dict(row), ensure_ascii=False)}\n" for row in rows)


@contextmanager
def _csv(path: Path, kinds: Kinds) -> Iterator[Callable[[Iterable[Row]], None]]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(kinds)
        yield lambda rows: writer.writerows([_cell(row[name]) for name in kinds] for row in rows)


@contextmanager
def _parquet(path: Path, kinds: Kinds) -> Iterator[Callable[[Sequence[Row]], None]]:
    with needs("Parquet needs pyarrow", "kit"):
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    with ParquetWriter(path, schema) as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema))


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet computes."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
