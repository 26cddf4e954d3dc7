"""The samples file while it is collected: rows are only ever added, by one writer, who may be killed."""

import json
import os
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.rows import number_field, optional_number, text_field
from adaptive_reasoner.kit.tables import PathLike, Row, read_rows


class SampleKey(NamedTuple):
    """What names a row of a samples file."""

    question_id: str
    source: str
    sample: int


class SampleFile:
    """A JSONL file of samples, open for adding to it. Read the `rows` that are there first.

    A row is handed to the system in one write, so a killed process loses none it had added; `sync` brings
    them to the disk. While calls are under way, `<file>.started` beside it says which: what was started
    and never came back was paid for all the same.

    Args:
        path: The file; made where there is none. What a killed writer left of a last row is cut off.
        cost_unit: The unit of worst cases.

    Raises:
        OutcomesError: The file is no JSONL, cannot be opened, another process is adding to it, or calls
            were lost in another unit.
    """

    def __init__(self, path: PathLike, cost_unit: str) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".jsonl":
            raise OutcomesError("samples are collected into a .jsonl file", file=self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise OutcomesError(f"cannot be opened: {error.strerror or error}", file=self.path) from error
        try:
            _lock(self._file, self.path)
            self._end_with_a_row()
            self._size = os.fstat(self._file.fileno()).st_size
            self._superseded = False
            self._calls = StartedCalls(self.path, cost_unit)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def lost(self) -> float:
        """Cost of the calls whose replies never arrived, at their worst case, in all runs so far."""
        return self._calls.lost

    def rows(self) -> Iterator[tuple[SampleKey, Row]]:
        """The rows that are there, each with its key.

        Raises:
            OutcomesError: A row cannot be read; it names the row.
        """
        for number, row in enumerate(read_rows(self.path), start=1):
            try:
                key = key_of(row)
            except ValueError as error:
                raise OutcomesError(str(error), file=self.path, row=number) from error
            self._calls.finish(key, attempts_of(row))
            yield key, row

    def start(self, key: SampleKey, attempt: int, worst: float) -> None:
        """Note that a call is about to be made, which costs at most `worst`."""
        self._calls.note(key, attempt, worst)

    def correct(self, key: SampleKey, attempt: int, cost: float) -> None:
        """Note what a call that brought no reply really cost; another attempt is to follow."""
        self._calls.note(key, attempt, cost)

    def add(self, key: SampleKey, row: Mapping[str, Any], *, supersedes: bool = False) -> None:
        """Add the row of a sample, whose cost is that of all its `attempts`.

        Args:
            key: The sample.
            row: Its row.
            supersedes: A failed row of this sample stands before it; it goes when the file is closed.

        Raises:
            OutcomesError: It cannot be written. The file ends with the row before.
        """
        line = json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
        whole = left = line.encode("utf-8", "surrogatepass")
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._file.truncate(self._size)
            reason = f"cannot be written ({error.strerror or error}); the rows so far are kept"
            raise OutcomesError(reason, file=self.path) from error
        self._size += len(whole)
        self._superseded |= supersedes
        self._calls.finish(key, attempts_of(row))

    def sync(self) -> None:
        """Bring all rows to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Bring all rows to the disk and let go of the file; calls that are still under way are lost."""
        self._calls.close()
        self.sync()
        if self._superseded:
            self._drop_superseded()
        self._file.close()

    def _drop_superseded(self) -> None:
        """Leave of each sample its last row. A kill on the way leaves the file as it was."""
        last = {key: at for at, (key, _) in enumerate(self.rows())}
        kept = set(last.values())
        beside = self.path.with_name(f"{self.path.name}.part")
        with self.path.open("rb") as rows, beside.open("wb") as file:
            written = (line for line in rows if line.strip())  # as rows are counted
            file.writelines(line for at, line in enumerate(written) if at in kept)
            os.fsync(file.fileno())
        beside.replace(self.path)

    def _end_with_a_row(self) -> None:
        """Cut off a last row that was written in part; one that only lacks its line end gets it."""
        with self.path.open("rb") as file:
            last = next(iter(deque(file, maxlen=1)), b"\n")
            size = file.tell()
        if last.endswith(b"\n"):
            return
        try:
            json.loads(last)
        except ValueError:
            warnings.warn(f"{self.path}: the last row was cut in the middle; collected again", stacklevel=4)
            self._file.truncate(size - len(last))
        else:
            self._file.write(b"\n")


def key_of(row: Mapping[str, Any]) -> SampleKey:
    """What names a row.

    Raises:
        ValueError: A field is missing.
    """
    question_id, source = text_field(row, "question_id"), text_field(row, "source")
    return SampleKey(question_id, source, int(number_field(row, "sample")))


def attempts_of(row: Mapping[str, Any]) -> int:
    """How many calls a row stands for."""
    return int(optional_number(row, "attempts") or 1)


def paid_for(row: Mapping[str, Any]) -> float:
    """What a row stands for on the bill: its cost and what grading took, less what asking in a batch saved.

    Raises:
        ValueError: A field is missing or no number.
    """
    graded, saved = (optional_number(row, name) or 0.0 for name in ("grading_cost", "batch_discount"))
    return number_field(row, "cost") + graded - saved


class StartedCalls:
    """The calls under way, noted on disk before they are made, in `<samples>.started`.

    The first line holds what runs before this one lost. Each further line is a call: its sample, the number
    of the attempt and what it costs, first at most and then, if another attempt has to follow, really.
    """

    def __init__(self, samples: Path, cost_unit: str) -> None:
        path = samples.with_name(f"{samples.name}.started")
        self._path, self._unit = path, cost_unit
        self._file: BinaryIO | None = None
        self._lost, self._open = 0.0, dict[SampleKey, dict[int, float]]()
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                *key, cost, unit = json.loads(line)
            except ValueError:  # cut in the middle: killed before the call was made
                continue
            if unit != cost_unit:
                raise OutcomesError(f"calls were lost at a cost in {unit!r}, not {cost_unit!r}", file=path)
            if key:
                *names, attempt = key
                self._open.setdefault(SampleKey(*names), {})[attempt] = cost
            else:
                self._lost += cost

    @property
    def lost(self) -> float:
        """Cost of all calls that have not come back."""
        return self._lost + sum(cost for attempts in self._open.values() for cost in attempts.values())

    def note(self, key: SampleKey, attempt: int, cost: float) -> None:
        """A call is about to be made at this cost, or has come to it."""
        if self._file is None:
            self._forget_names()
            self._file = self._path.open("ab", buffering=0)
        self._file.write(json.dumps([*key, attempt, cost, self._unit]).encode() + b"\n")
        self._open.setdefault(key, {})[attempt] = cost

    def finish(self, key: SampleKey, attempts: int) -> None:
        """A row stands for the sample, and for so many attempts."""
        later = {at: cost for at, cost in self._open.pop(key, {}).items() if at > attempts}
        if later:
            self._open[key] = later

    def close(self) -> None:
        """Keep the sum of what was lost."""
        if self._file is not None:
            self._file.close()
        self._forget_names()

    def _forget_names(self) -> None:
        """Keep of the calls that were lost their cost only: each will be made once more under its name."""
        self._lost, self._open = self.lost, {}
        if self._lost:
            beside = self._path.with_name(f"{self._path.name}.part")
            beside.write_text(json.dumps([self._lost, self._unit]) + "\n", encoding="ascii")
            beside.replace(self._path)
        else:
            self._path.unlink(missing_ok=True)


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep other processes from adding to the file, for as long as it is open."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system: two collections into one file are the user's to avoid
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutcomesError("another collection is writing to it", file=path) from error
