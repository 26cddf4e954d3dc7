"""The samples file during collection: a single writer appends rows, and may be killed at any time."""

import json
import os
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from adaptive_reasoner.amounts import given
from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.collecting.locked_file import LockedFile
from adaptive_reasoner.kit.tables.files import PathLike, Row, read_rows
from adaptive_reasoner.kit.tables.row_fields import (
    amount_field,
    is_null,
    optional_number,
    text_field,
    whole_field,
)


class SampleKey(NamedTuple):
    """The key of a row in a samples file."""

    question_id: str
    source: str
    sample: int


class SampleFile:
    """A JSONL file of samples, open for adding to it. Read the `rows` that are there first.

    A row is handed to the system in one write, so a killed process loses none it had added; `sync` brings
    them to the disk. While calls are under way, `<file>.started` beside it says which: what was started
    and never came back was paid for all the same. A file that is removed or replaced meanwhile is an error at
    the next call; its rows are then kept under another name.

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
        self._locked = LockedFile(self.path)
        self._file = self._locked.file
        try:
            self._end_with_a_row()
            self._size = os.fstat(self._file.fileno()).st_size
            self._superseded = False
            self._calls = StartedCalls(self.path.absolute(), cost_unit)
        except BaseException:
            self._locked.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self.close()
        if kind is None:
            self._locked.check()

    @property
    def lost(self) -> float:
        """Cost of the calls whose replies never arrived, at their worst case, in all runs so far."""
        return self._calls.lost

    def rows(self) -> Iterator[tuple[SampleKey, Row]]:
        """The rows that are there, each with its key.

        Raises:
            OutcomesError: A row cannot be read; it names the row.
        """
        return self._calls.rows(self.path)

    def start(self, key: SampleKey, attempt: int, worst: float) -> None:
        """Note that a call is about to be made, which costs at most `worst`.

        Raises:
            OutcomesError: The file is no longer there, so the call's reply would have no place.
        """
        self._locked.check()
        self._calls.note(key, attempt, worst)

    def correct(self, key: SampleKey, attempt: int, cost: float) -> None:
        """Note the real cost of a call without a reply; another attempt follows."""
        self._calls.note(key, attempt, cost)

    def add(self, key: SampleKey, row: Mapping[str, Any], *, supersedes: bool = False) -> None:
        """Add the row of a sample, whose cost is that of all its `attempts`.

        Args:
            key: The sample.
            row: Its row.
            supersedes: A failed row of this sample stands before it; it goes when the file is closed.

        Raises:
            OutcomesError: It cannot be written. The file ends with the row before. Or the file is no longer
                there.
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
        self._locked.check()

    def sync(self) -> None:
        """Bring all rows to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Bring all rows to the disk and close the file; calls that are still under way count as lost."""
        self._calls.close()
        self.sync()
        if self._superseded and self._locked.is_ours:
            self._drop_superseded()
        self._locked.close()

    def _drop_superseded(self) -> None:
        """Keep only the last row of each sample. A kill before the end leaves the file unchanged."""
        path = self._locked.path
        last = {key: at for at, (key, *_) in enumerate(keyed_rows(path))}
        kept = set(last.values())
        beside = path.with_name(f"{path.name}.part")
        with path.open("rb") as rows, beside.open("wb") as file:
            written = (line for line in rows if line.strip())  # as rows are counted
            file.writelines(line for at, line in enumerate(written) if at in kept)
            os.fsync(file.fileno())
        self._locked.replace_by(beside)

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


def attempts_of(row: Mapping[str, Any]) -> int:
    """How many calls a row stands for.

    Raises:
        ValueError: That is no whole number.
    """
    return 1 if is_null(row.get("attempts")) else max(1, whole_field(row, "attempts"))


def keyed_rows(path: Path) -> Iterator[tuple[SampleKey, int, Row]]:
    """The rows of a samples file, each with its key and its attempts.

    Raises:
        OutcomesError: A row cannot be read; it names the row.
    """
    for number, row in enumerate(read_rows(path, drop_cut_line=True), start=1):
        try:
            question_id, source = text_field(row, "question_id"), text_field(row, "source")
            key, attempts = SampleKey(question_id, source, whole_field(row, "sample")), attempts_of(row)
        except ValueError as error:
            raise OutcomesError(str(error), file=path, row=number) from error
        yield key, attempts, row


def paid_for(row: Mapping[str, Any]) -> float:
    """The amount paid for a row: its cost and that of grading, less the discount of a batch.

    Raises:
        ValueError: A field is missing or no amount.
    """
    cost = amount_field(row, "cost")
    graded, saved = (
        0.0 if optional_number(row, name) is None else amount_field(row, name)
        for name in ("grading_cost", "batch_discount")
    )
    if saved > cost:
        raise ValueError(f"batch_discount is {given(saved)}, more than the cost of {given(cost)}")
    return cost + graded - saved


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
        lines = path.read_bytes().splitlines() if path.exists() else []
        for number, line in enumerate(lines, start=1):
            try:
                *key, cost, unit = json.loads(line)
                amount_field({"cost": cost}, "cost")
            except (TypeError, ValueError) as error:
                if number == len(lines):  # cut in the middle: killed before the call was made
                    continue
                raise OutcomesError(
                    f"is not a line about calls in progress ({error})", file=path, row=number
                ) from error
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

    def rows(self, samples: Path) -> Iterator[tuple[SampleKey, Row]]:
        """The rows of the samples file, each with its key; the calls behind them have come back.

        Raises:
            OutcomesError: A row cannot be read; it names the row.
        """
        for key, attempts, row in keyed_rows(samples):
            self.finish(key, attempts)
            yield key, row

    def note(self, key: SampleKey, attempt: int, cost: float) -> None:
        """A call is about to be made at this cost, or has come to it."""
        if self._file is None:
            self._forget_names()
            self._file = self._path.open("ab", buffering=0)
        self._file.write(json.dumps([*key, attempt, cost, self._unit]).encode() + b"\n")
        self._open.setdefault(key, {})[attempt] = cost

    start = correct = note  # as a samples file calls the two occasions

    def finish(self, key: SampleKey, attempts: int) -> None:
        """Forget the attempts of a sample that its row includes."""
        later = {at: cost for at, cost in self._open.pop(key, {}).items() if at > attempts}
        if later:
            self._open[key] = later

    def close(self) -> None:
        """Keep the sum of the lost costs."""
        if self._file is not None:
            self._file.close()
        self._forget_names()

    def _forget_names(self) -> None:
        """Keep only the cost of lost calls, because their samples will be drawn again."""
        self._lost, self._open = self.lost, {}
        if self._lost:
            with replaced_whole(self._path) as part:
                part.write_text(json.dumps([self._lost, self._unit]) + "\n", encoding="ascii")
        else:
            self._path.unlink(missing_ok=True)
