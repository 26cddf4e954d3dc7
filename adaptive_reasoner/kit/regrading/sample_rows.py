"""The rows of a samples file, changed in place: read whole, and written whole or not at all."""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.collecting.locked_file import LockedFile
from adaptive_reasoner.kit.tables.files import PathLike, Row, read_rows, write_rows

_PATIENCE = 1.0  # seconds: a log holds its file for one row, a collection for long


class SampleRows:
    r"""The rows of a samples file, all their columns included.

    A row of JSONL that does not change is written as it was read.

    Args:
        path: A JSONL, Parquet or CSV file.

    Raises:
        OutcomesError: It cannot be read; the error names the row.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "samples.jsonl")
        ...     _ = path.write_text('{"question_id": "q", "gold": null}\n')
        ...     table = SampleRows(path)
        ...     table.change(0, gold="42")
        ...     table.write(path)
        ...     path.read_text()
        '{"question_id": "q", "gold": "42"}\n'
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self.rows: list[Row] = list(read_rows(self.path, drop_cut_line=True))
        if not self.rows:
            raise OutcomesError("the table is empty", file=self.path)
        self._lines: list[bytes | None] = []
        if self.path.suffix.lower() == ".jsonl":
            with self.path.open("rb") as file:
                lines = (line.rstrip(b"\n") + b"\n" for line in file if line.strip())
                self._lines.extend(line for line, _ in zip(lines, self.rows, strict=False))

    def change(self, at: int, **cells: Any) -> None:
        """Change cells of the row at a position; a cell that the row lacks is added."""
        self.rows[at].update(cells)
        if self._lines:
            self._lines[at] = None

    def write(self, out: PathLike) -> None:
        """Write all rows to a file, by its ending, and bring them to the disk."""
        path = Path(out)
        if path.suffix.lower() != ".jsonl":
            write_rows(path, self.rows)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_whole(path.resolve()) as part, part.open("wb") as file:
            file.writelines(self._encoded())
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                shutil.copymode(path, part)

    def _encoded(self) -> Iterable[bytes]:
        for at, row in enumerate(self.rows):
            line = self._lines[at] if self._lines else None
            yield _line(row) if line is None else line


@contextmanager
def locked(path: PathLike) -> Iterator[None]:
    """Keep other commands, and the logs of nodes, from writing to a samples file meanwhile.

    Raises:
        OutcomesError: The file is not there, or another process goes on writing to it.
    """
    if not Path(path).is_file():
        raise OutcomesError("no such file", file=path)
    lock = _lock(Path(path))
    try:
        yield
    finally:
        lock.close()


def _lock(path: Path) -> LockedFile:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return LockedFile(path)
        except OutcomesError as error:
            if not isinstance(error.__cause__, BlockingIOError) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
