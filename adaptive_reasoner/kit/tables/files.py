"""Tables of rows, read and written as JSONL, CSV or Parquet, by the ending of the file's name."""

import codecs
import csv
import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.errors import OutcomesError, needs

Row = dict[str, Any]
PathLike = str | os.PathLike[str]

_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what spreadsheets take a cell for, quoted so often already
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_NARROW_FLOATS = ("float", "halffloat")  # Arrow's names for 32 and 16 bits


def read_rows(
    path: PathLike, *, drop_cut_line: bool = False, quoted: bool = True, ending: str | None = None
) -> Iterator[Row]:
    """The rows of a table, one dict each, in the order of the file.

    Args:
        path: A `.jsonl`, `.csv` or `.parquet` file. An empty CSV cell is None, and CSV cells are strings.
        drop_cut_line: Forgive a last JSONL line that a killed writer left half-written: warn, leave it out.
        quoted: Take off the quote that `write_rows` puts before CSV texts which a spreadsheet would compute.
        ending: Takes the place of the ending of the file's name.

    Raises:
        OutcomesError: The file is missing or of no known format, or a row cannot be read; it names the row.
    """
    path = Path(path)
    if not path.is_file():
        raise OutcomesError("no such file", file=path)
    match (path.suffix if ending is None else ending).lower():
        case ".jsonl":
            return _read_jsonl(path, drop_cut_line)
        case ".csv":
            return _read_csv(path, quoted)
        case ".parquet":
            return _read_parquet(path)
    raise _unknown_format(path)


def write_rows(path: PathLike, table: Iterable[Mapping[str, Any]] | Mapping[str, Sequence[Any]]) -> None:
    """Write rows (an iterable of dicts) or columns (a dict of lists) to `path`, whole or not at all.

    The table is written beside its place and moved there, so a reader never sees half of it. In CSV, a text
    that a spreadsheet would take for a formula gets a quote before it, which `read_rows` takes off again.

    Raises:
        OutcomesError: The ending of `path` is no known format, columns differ in length, or a text is no
            valid Unicode and the format cannot keep it.
    """
    path = Path(path)
    writers = {".jsonl": _write_jsonl, ".csv": _write_csv, ".parquet": _write_parquet}
    if path.suffix.lower() not in writers:
        raise _unknown_format(path)
    columns = dict(table) if isinstance(table, Mapping) else _columns(table)
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise OutcomesError(f"columns differ in length: {lengths}", file=path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replaced_whole(path) as part:
            writers[path.suffix.lower()](part, columns)
    except UnicodeEncodeError as error:
        reason = f"{error.object[:40]!r} holds half a character, which only .jsonl can keep"
        raise OutcomesError(reason, file=path) from error


def write_blocks(path: PathLike, blocks: Iterable[Mapping[str, Sequence[Any]]]) -> None:
    """Write a Parquet file block by block, each of the same columns, whole or not at all.

    Raises:
        OutcomesError: A block has other columns than the first one, or holds a text that is no valid Unicode.
    """
    pa, parquet = _pyarrow()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_whole(path) as part, ExitStack() as opened:
        writer: Any = None
        for block in blocks:
            try:
                table = pa.table(dict(block)) if writer is None else pa.table(dict(block), writer.schema)
            except (pa.ArrowException, KeyError, ValueError) as error:
                raise OutcomesError(f"blocks differ in their columns ({error})", file=path) from error
            writer = writer or opened.enter_context(parquet.ParquetWriter(part, table.schema))
            writer.write_table(table)
        if writer is None:
            raise OutcomesError("the table is empty", file=path)


def _unknown_format(path: Path) -> OutcomesError:
    return OutcomesError(f"unknown table format {path.suffix!r}; use .jsonl, .csv or .parquet", file=path)


def _columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)  # the union: optional fields may start late
    return {name: [row.get(name) for row in rows] for name in names}


def _rows(columns: Mapping[str, Sequence[Any]]) -> Iterator[Row]:
    return (dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True))


def _read_jsonl(path: Path, drop_cut_line: bool) -> Iterator[Row]:
    with path.open("rb") as file:  # bytes: a line may be cut in the middle of a character
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                if drop_cut_line and not line.endswith(b"\n"):
                    warnings.warn(f"{path}: row {number}: cut in the middle, left out", stacklevel=2)
                    return
                raise OutcomesError(f"not a line of JSON ({error})", file=path, row=number) from error
            if not isinstance(row, dict):
                raise OutcomesError(f"a JSON object is needed, not {line[:40]!r}", file=path, row=number)
            yield row


def _write_jsonl(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", errors="surrogatepass") as file:
        for row in _rows(columns):
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def _read_csv(path: Path, quoted: bool) -> Iterator[Row]:
    with path.open("rb") as begin:
        wide = begin.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if wide else "utf-8-sig"  # spreadsheets write a byte-order mark
    with path.open(encoding=encoding, newline="") as file:
        number = 0
        try:
            header = file.readline()
            declared = re.fullmatch(r"sep=(.)\s*", header)  # as spreadsheets are told the delimiter
            if declared is None:
                file.seek(0)
            delimiter = _delimiter(header) if declared is None else declared[1]
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    raise OutcomesError(
                        f"more or fewer cells than the {len(reader.fieldnames or ())} of the header",
                        file=path,
                        row=number,
                    )
                yield {name: cell[quoted and _is_quoted(cell) :] or None for name, cell in row.items()}
        except UnicodeDecodeError as error:
            reason = f"not readable as CSV ({error}); save it as UTF-8"
            raise OutcomesError(reason, file=path, row=number + 1) from error
        except csv.Error as error:
            raise OutcomesError(f"not readable as CSV ({error})", file=path, row=number + 1) from error


def _delimiter(header: str) -> str:
    """What separates the cells: a comma, or what spreadsheets write where that is a decimal point.

    Example:
        >>> [_delimiter(each) for each in ("question,cost", '"question, text";cost', "a|b", "question")]
        [',', ';', '|', ',']
    """
    names = re.sub(r'"[^"]*"', "", header)
    return max(",;\t|", key=names.count)


def _write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        for row in _rows(columns):
            writer.writerow({name: _no_formula(cell) for name, cell in row.items()})


def _no_formula(cell: Any) -> Any:
    """A cell that no spreadsheet computes; numbers stay as they are, in text too."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _PLAIN_NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _is_quoted(cell: str) -> bool:
    return cell.startswith("'") and _FORMULA.match(cell) is not None


def _read_parquet(path: Path) -> Iterator[Row]:
    pa, parquet = _pyarrow()
    first = 1
    try:
        for batch in parquet.ParquetFile(path).iter_batches():
            columns = zip(batch.schema, batch.columns, strict=True)
            yield from _rows({field.name: _cells(field, cells, path, first) for field, cells in columns})
            first += len(batch)
    except OutcomesError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise OutcomesError(f"not readable as Parquet ({error})", file=path) from error


def _cells(field: Any, column: Any, path: Path, first: int) -> list[Any]:
    """The cells of a column of a batch whose first row has the number `first`."""
    try:
        cells: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        for row, cell in enumerate(column, start=first):
            try:
                cell.as_py()
            except (ValueError, OverflowError) as error:  # no UTF-8, or a time outside the calendar
                raise OutcomesError(f"{field.name} is not readable ({error})", file=path, row=row) from error
        raise
    if str(field.type) in _NARROW_FLOATS:  # .1 of 32 bits is .1, not .10000000149011612
        narrow = column.to_numpy(zero_copy_only=False)
        return [
            None if cell is None else float(str(value)) for cell, value in zip(cells, narrow, strict=True)
        ]
    return cells


def _write_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    pa, parquet = _pyarrow()
    parquet.write_table(pa.table(dict(columns)), path)


def _pyarrow() -> tuple[Any, Any]:
    with needs("Parquet needs pyarrow", "kit"):
        import pyarrow as pa
        import pyarrow.parquet as parquet
    return pa, parquet
