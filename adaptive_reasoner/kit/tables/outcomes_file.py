"""Outcomes in a Parquet file, read as blocks of whole questions, so that the table never is in memory."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.errors import OutcomesError, needs
from adaptive_reasoner.kit.tables.files import PathLike

_ROWS = 1 << 19  # read at a time
_LARGE = 200_000  # rows, which `Outcomes.read` takes seconds for
_NEEDED = ("question_id", "action", "accuracy", "cost", "cost_unit")
_UNITS = ("cost_unit", "accuracy_unit")  # one value in all rows
_ADJACENT = "the rows of a question have to stand together: sort the file by question_id"


class _Rows(NamedTuple):
    """Some rows of the file."""

    first: int  # the number of the first one, from 1
    action: Any
    accuracy: Floats
    cost: Floats
    question_id: Any  # None where it is not read

    def cut(self, begin: int, end: int | None = None) -> "_Rows":
        """The rows from `begin` to `end`."""
        part = slice(begin, end)
        question_id = None if self.question_id is None else self.question_id[part]
        return _Rows(self.first + begin, self.action[part], self.accuracy[part], self.cost[part], question_id)


class OutcomesFile:
    """The outcomes of a Parquet file, checked once, and read a block of questions at a time.

    `solve` takes it in place of `Outcomes`, for a table that does not fit in memory. The rows of a question
    stand together in the file, as `Outcomes.write` puts them. What is kept in memory are eight bytes a
    question, to find a question that appears twice.

    Args:
        path: The file, with a row per question and action.

    Attributes:
        actions: Names of the k actions, in the order of the first question.
        cost_unit: What a cost counts.

    Raises:
        OutcomesError: A field is missing or out of range, a question lacks an action, appears twice or is
            scattered over the file; it names file and row.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from adaptive_reasoner.kit import Outcomes, solve
        >>> table = Outcomes.from_rows(
        ...     dict(question_id=q, question=q, action=a, accuracy=x, cost=c, cost_unit="tokens")
        ...     for q in ("q1", "q2")
        ...     for a, x, c in (("direct", 0.5, 3), ("cot", 1.0, 90))
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     table.write(f"{folder}/outcomes.parquet")
        ...     file = OutcomesFile(f"{folder}/outcomes.parquet")
        ...     len(file), file.actions, solve(file, budget=46.5).accuracy
        (2, ('direct', 'cot'), 0.75)
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise OutcomesError("no such file", file=self.path)
        with needs("Parquet needs pyarrow", "kit"):
            from pyarrow import ArrowException
            from pyarrow.parquet import ParquetFile, read_schema
        self._unreadable = (ArrowException, OSError, ValueError)
        try:
            self._names = read_schema(self.path).names
            few = [name for name in ("action", *_UNITS) if name in self._names]
            self._file = ParquetFile(self.path, read_dictionary=few)
        except self._unreadable as error:
            raise self._fault(
                f"not readable as Parquet ({error}); Outcomes.read(path) reads tables of other formats"
            ) from error
        for name in _NEEDED:
            if name not in self._names:
                raise self._fault(f"{name} is missing")
        self._units: dict[str, str | None] = {}
        self.actions: tuple[str, ...] = ()
        self._questions = 0
        self._check()
        self.cost_unit = str(self._units["cost_unit"])

    def __repr__(self) -> str:
        sizes = f"{len(self)} questions, {len(self.actions)} actions"
        return f"OutcomesFile({str(self.path)!r}, {sizes}, cost in {self.cost_unit})"

    def __len__(self) -> int:
        return self._questions

    def __iter__(self) -> Iterator[tuple[Floats, Floats]]:
        """Accuracy and cost of the next questions, in the order of the file, each of shape (m, k)."""
        k = len(self.actions)
        for rows in self._whole_questions(("action", "accuracy", "cost"), k):
            at = np.repeat(np.arange(len(rows.cost) // k), k) * k + self._positions(rows)
            accuracy, cost = np.empty(len(at)), np.empty(len(at))
            accuracy[at], cost[at] = rows.accuracy, rows.cost
            yield accuracy.reshape(-1, k), cost.reshape(-1, k)

    def _whole_questions(self, names: tuple[str, ...], k: int) -> Iterator[_Rows]:
        """Batches of the file that end with a question, which has k rows."""
        kept: _Rows | None = None
        for rows in self._batches(names):
            joined = rows if kept is None else _joined(kept, rows)
            whole = len(joined.cost) // k * k
            kept = joined.cut(whole)
            if whole:
                yield joined.cut(0, whole)
        if kept is not None and len(kept.cost):
            raise self._lacks(kept, self._positions(kept))

    def _batches(self, names: tuple[str, ...]) -> Iterator[_Rows]:
        first = 1
        try:
            for batch in self._file.iter_batches(batch_size=_ROWS, columns=list(names)):
                if not len(batch):
                    continue
                column = {name: batch.column(name) for name in batch.schema.names}
                for name in _UNITS:
                    if name in column:
                        self._agree(name, column[name], first)
                accuracy, cost = (self._numbers(name, column[name], first) for name in ("accuracy", "cost"))
                action = column["action"].dictionary_encode()
                yield _Rows(first, action, accuracy, cost, column.get("question_id"))
                first += len(batch)
        except self._unreadable as error:
            if isinstance(error, OutcomesError):
                raise
            raise self._fault(f"not readable as Parquet ({error})") from error

    def _check(self) -> None:
        """Read everything once: the actions, the number of questions, and whether every cell is in order."""
        names = (*_NEEDED, *(name for name in _UNITS if name in self._names and name not in _NEEDED))
        self.actions = self._actions_of_first(names)
        k = len(self.actions)
        hashes = []
        for rows in self._whole_questions(names, k):
            self._check_cells(rows)
            self._check_questions(rows, k)
            ids = rows.question_id.take(np.arange(0, len(rows.cost), k)).to_pylist()
            hashes.append(np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids)))
        self._questions = sum(map(len, hashes))
        self._check_distinct(np.concatenate(hashes), k)

    def _actions_of_first(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The actions of the first question, in the order of its rows."""
        actions: list[str | None] = []
        first: Any = None
        for rows in self._batches(names):
            first = rows.question_id[0] if first is None else first
            if not first.is_valid:
                raise self._fault("question_id is missing", row=1)
            own = _equal(rows.question_id, first)
            count = len(own) if own.all() else int(own.argmin())
            actions += rows.action[:count].to_pylist()
            if count < len(own):
                break
        for at, name in enumerate(actions):
            if name is None:
                raise self._fault("action is missing", row=at + 1)
            if name in actions[:at]:
                before = actions.index(name) + 1
                reason = f"question {first.as_py()!r}, action {name!r} is already in row {before}"
                raise self._fault(reason, row=at + 1)
        if not actions:
            raise self._fault("the table is empty")
        return tuple(name for name in actions if name is not None)

    def _check_cells(self, rows: _Rows) -> None:
        """That every number is in its range, as `Outcomes` wants it."""
        faults: list[tuple[Bools, Callable[[int], str]]] = [
            (rows.cost < 0, lambda at: f"cost is {rows.cost[at]}; a cost is never negative")
        ]
        if self._units.get("accuracy_unit") is None:
            outside = (rows.accuracy < 0) | (rows.accuracy > 1)
            declare = "a reward on another scale needs an accuracy_unit"
            reason = "accuracy is {}, outside [0, 1]; {}"
            faults.append((outside, lambda at: reason.format(rows.accuracy[at], declare)))
        for wrong, describe in faults:
            if wrong.any():
                at = int(wrong.argmax())
                raise self._fault(describe(at), row=rows.first + at)

    def _check_questions(self, rows: _Rows, k: int) -> None:
        """That each k rows are one question's, with every action once."""
        import pyarrow.compute as pc

        if rows.question_id.null_count:
            at = rows.question_id.is_valid().index(False).as_py()
            raise self._fault("question_id is missing", row=rows.first + at)
        begins = rows.question_id.take(np.repeat(np.arange(0, len(rows.cost), k), k))
        same = _bools(pc.equal(rows.question_id, begins))
        positions = self._positions(rows)
        seen = np.zeros((len(rows.cost) // k, k), dtype=bool)
        seen[np.repeat(np.arange(len(seen)), k), positions] = True
        wrong = ~(same.reshape(-1, k).all(axis=1) & seen.all(axis=1))
        if wrong.any():
            begin = int(wrong.argmax()) * k
            raise self._lacks(rows.cut(begin, begin + k), positions[begin : begin + k])

    def _lacks(self, rows: _Rows, positions: Ints) -> OutcomesError:
        """What is wrong with rows that should be one whole question."""
        ids = [] if rows.question_id is None else rows.question_id.to_pylist()
        own = [at for at, name in enumerate(ids) if name == ids[0]]
        actions = [self.actions[at] for at in positions[: len(own) or None]]
        repeated, count = Counter(actions).most_common(1)[0]
        if count > 1:
            last = len(actions) - 1 - actions[::-1].index(repeated)
            before = rows.first + actions.index(repeated)
            reason = f"question {ids[0]!r}, action {repeated!r} is already in row {before}"
            return self._fault(reason, row=rows.first + last)
        missing = next(name for name in self.actions if name not in actions)
        named = f"question {ids[0]!r}" if ids else "the last question"
        reason = f"{named} has no row for action {missing!r} beside its others; {_ADJACENT}"
        return self._fault(reason, row=rows.first)

    def _check_distinct(self, hashes: Ints, k: int) -> None:
        """That no question appears twice: equal hashes are looked at again, by name."""
        ordered = np.sort(hashes)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if not len(twice):
            return
        suspects = np.flatnonzero(np.isin(hashes, twice))
        first_rows: dict[Any, int] = {}
        begin = 0
        for rows in self._whole_questions(("question_id", "action", "accuracy", "cost"), k):
            count = len(rows.cost) // k
            here = suspects[(suspects >= begin) & (suspects < begin + count)] - begin
            for at, name in zip(here * k, rows.question_id.take(here * k).to_pylist(), strict=True):
                before = first_rows.setdefault(name, rows.first + int(at))
                if before != rows.first + at:
                    reason = f"question {name!r} is already in row {before}; {_ADJACENT}"
                    raise self._fault(reason, row=rows.first + int(at))
            begin += count

    def _positions(self, rows: _Rows) -> Ints:
        """Which action each row has, by its position."""
        known = {name: at for at, name in enumerate(self.actions)}
        names = rows.action.dictionary.to_pylist()
        codes = np.asarray(rows.action.indices.fill_null(len(names)), dtype=np.intp)
        place = np.array([known.get(name, -1) for name in [*names, None]], dtype=np.intp)[codes]
        if (place < 0).any():
            at = int((place < 0).argmax())
            name = rows.action[at].as_py()
            reason = f"action {name!r} is none of the first question's; {_ADJACENT}"
            reason = "action is missing" if name is None else reason
            raise self._fault(reason, row=rows.first + at)
        return place

    def _numbers(self, name: str, column: Any, first: int) -> Floats:
        import pyarrow as pa

        if column.null_count:
            raise self._fault(f"{name} is missing", row=first + column.is_valid().index(False).as_py())
        if pa.types.is_float32(column.type) or pa.types.is_float16(column.type):
            column = column.cast(pa.string())  # .1 of 32 bits is .1, not .10000000149011612
        numbers = np.asarray(column.cast(pa.float64()), dtype=np.float64)
        wrong = ~np.isfinite(numbers)
        if wrong.any():
            at = int(wrong.argmax())
            raise self._fault(f"{name} is {numbers[at]}; a finite number is needed", row=first + at)
        return numbers

    def _agree(self, name: str, column: Any, first: int) -> None:
        """That a unit is the same in all rows."""
        for value in column.unique().to_pylist():
            known = self._units.setdefault(name, value)
            if value != known or (value is None and name == "cost_unit"):
                at = column.to_pylist().index(value)
                reason = f"{name} is {value!r}, but {known!r} in row 1: one table has one unit"
                raise self._fault("cost_unit is missing" if value == known else reason, row=first + at)

    def _fault(self, reason: str, row: int | None = None) -> OutcomesError:
        return OutcomesError(reason, file=self.path, row=row)


def _joined(before: _Rows, after: _Rows) -> _Rows:
    """Rows and those that follow them."""
    import pyarrow as pa

    actions = pa.chunked_array([before.action, after.action]).combine_chunks()
    if isinstance(actions, pa.ChunkedArray):
        actions = actions.unify_dictionaries().chunk(0)
    ids = None
    if before.question_id is not None:
        ids = pa.concat_arrays([before.question_id, after.question_id])
    accuracy = np.concatenate([before.accuracy, after.accuracy])
    return _Rows(before.first, actions, accuracy, np.concatenate([before.cost, after.cost]), ids)


def _equal(column: Any, value: Any) -> Bools:
    import pyarrow.compute as pc

    return _bools(pc.equal(column, value).fill_null(False))


def _bools(column: Any) -> Bools:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def is_large(path: PathLike) -> bool:
    """Whether it is a Parquet file with so many rows that reading it in blocks pays."""
    path = Path(path)
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return False
    with needs("Parquet needs pyarrow", "kit"):
        from pyarrow import ArrowException
        from pyarrow.parquet import read_metadata
    try:
        return bool(read_metadata(path).num_rows > _LARGE)
    except (ArrowException, OSError):
        return False  # `Outcomes.read` says why
