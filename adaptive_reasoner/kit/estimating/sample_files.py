"""Outcomes of samples that do not fit in memory: a block of questions at a time."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from adaptive_reasoner.errors import OutcomesError, needs
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.estimating.votes_allowed import Sizes, sizes_counted
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.files import PathLike, Row, read_rows, write_blocks
from adaptive_reasoner.kit.tables.outcomes_file import OutcomesFile
from adaptive_reasoner.kit.tables.row_fields import cell_text

_QUESTIONS = 5_000  # in memory at a time


@dataclass(frozen=True)
class EstimatedFile:
    """What `estimate_file` found.

    Attributes:
        questions: How many there are.
        actions: Mean accuracy and mean cost of each action.
        cost_unit: What a cost counts.
        silent: Of each source, how many replies offered nothing to compare, and how many came in all.
        left_out: Questions that have too few usable replies, because calls failed.
    """

    questions: int
    actions: Mapping[str, tuple[float, float]]
    cost_unit: str
    silent: Mapping[str, tuple[int, int]]
    left_out: int


def estimate_file(
    path: PathLike, out: PathLike, *, votes: Sizes = (1, 3, 5), best_of: Sizes = (), seed: int = 0
) -> EstimatedFile:
    """What `estimate` makes of samples with right answers, of a file of any size, written to another.

    Accuracies and costs are those that `estimate` gives. The two halves of the samples are drawn at random
    for each block of questions, so those are other draws.

    Args:
        path: Samples with right answers; the rows of a question stand together.
        out: A Parquet file.
        votes: Sizes of the plurality votes, as `estimate` takes them.
        best_of: Sizes of the choices by `score`, likewise.
        seed: Of the halves, and of the orders over which the cost of votes is averaged.

    Raises:
        OutcomesError: A row cannot be read or is not graded, the rows of a question do not stand together,
            or what `estimate` refuses; it names file and row.
    """
    if Path(out).suffix.lower() != ".parquet":
        raise OutcomesError("outcomes are written block by block as .parquet only", file=out)
    found = _Found(path)
    measure = partial(estimate, votes=votes, best_of=best_of, labels="gold", seed=seed)
    write_blocks(out, (found.add(block, measure) for block in _blocks(path)))
    try:
        OutcomesFile(out)
    except OutcomesError as error:
        Path(out).unlink()
        raise OutcomesError(f"the rows of a question do not stand together ({error})", file=path) from error
    return found.summary()


def sizes_in_file(path: PathLike) -> tuple[dict[str, list[int]], list[str]]:
    """What `sizes_allowed` says of a Parquet file, without reading it into memory.

    Raises:
        OutcomesError: The file has no such columns.
    """
    with needs("Parquet needs pyarrow", "kit"):
        from pyarrow.parquet import read_schema, read_table
    names = ["source", "question_id", "answer", "error"]
    there = read_schema(path).names
    for name in names[:3]:
        if name not in there:
            raise OutcomesError(f"there is no column {name!r}", file=path)
    rows = read_table(path, columns=[name for name in names if name in there], read_dictionary=names[:2])
    usable = rows.filter(rows["error"].is_null()) if "error" in there else rows
    answers = usable.group_by("source").aggregate([([], "count_all"), ("answer", "count")])
    each = (answers[name].to_pylist() for name in ("source", "count_all", "answer_count"))
    replies = {str(source): (total - answered, total) for source, total, answered in zip(*each, strict=True)}
    counts: dict[str, dict[str, int]] = {}
    counted = rows.group_by(names[:2]).aggregate([([], "count_all")])
    for source, question, count in zip(*(column.to_pylist() for column in counted.columns), strict=True):
        counts.setdefault(str(source), {})[str(question)] = count
    return sizes_counted(counts, replies)


class _Found:
    """Sums over the blocks so far."""

    def __init__(self, path: PathLike) -> None:
        self._path = path
        self._questions = self._left_out = 0
        self._sums: dict[str, Any] = {}
        self._silent: dict[str, tuple[int, int]] = {}
        self._unit = ""

    def add(self, samples: Samples, measure: Any) -> Mapping[str, Any]:
        """The columns of the outcomes of a block."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "left out", UserWarning)  # counted, and told of at the end
            outcomes: Outcomes = measure(samples)
        if self._unit and (outcomes.actions, outcomes.cost_unit) != (tuple(self._sums), self._unit):
            raise OutcomesError(
                f"question {samples.question_ids[0]!r} and those after it give {', '.join(outcomes.actions)} "
                f"in {outcomes.cost_unit}, and those before {', '.join(self._sums)} in {self._unit}",
                file=self._path,
            )
        self._unit = outcomes.cost_unit
        self._questions += len(outcomes)
        self._left_out += len(samples) - len(outcomes)
        for at, name in enumerate(outcomes.actions):
            both = np.array([outcomes.accuracy[:, at].sum(), outcomes.cost[:, at].sum()])
            self._sums[name] = self._sums.get(name, 0.0) + both
        for source in samples.sources:
            before = self._silent.get(source, (0, 0))
            silent, total = samples.nothing_to_compare(source)
            self._silent[source] = before[0] + silent, before[1] + total
        return replace(outcomes, judge_quality=None).columns()  # that of one block is not that of the file

    def summary(self) -> EstimatedFile:
        """What was found."""
        means = {name: tuple((sums / self._questions).tolist()) for name, sums in self._sums.items()}
        return EstimatedFile(self._questions, means, self._unit, self._silent, self._left_out)


def _blocks(path: PathLike) -> Iterator[Samples]:
    """The samples of the next questions, as the file has them."""
    rows: list[Row] = []
    first, questions, last = 1, 0, None
    for row in read_rows(path, drop_cut_line=True):
        question = cell_text(row, "question_id")
        if question != last:
            if questions == _QUESTIONS:
                yield Samples.from_rows(rows, file=path, first=first)
                first, questions, rows = first + len(rows), 0, []
            questions, last = questions + 1, question
        rows.append(row)
    if rows:
        yield Samples.from_rows(rows, file=path, first=first)
