"""What each action would score and cost on each question: the table everything offline is made from."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adaptive_reasoner.arrays import Bools, Floats, Ints, Texts
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.tables.cell_ranges import first_fault
from adaptive_reasoner.kit.tables.files import PathLike, read_rows, write_rows
from adaptive_reasoner.kit.tables.outcome_parts import ESTIMATED, HALVES, Estimated, Halves
from adaptive_reasoner.kit.tables.outcome_rows import fields_of
from adaptive_reasoner.kit.tables.row_fields import is_null, number_text
from adaptive_reasoner.kit.tables.splits import split_by_text
from adaptive_reasoner.pages.tables import html_table

RECTIFIED = "rectified accuracy"
"""The unit of rectified tables: single entries may lie outside [0, 1], means are accuracies."""

_MOST = (0.01, 0.99)  # quantiles between which most of a reward's values lie


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What each of `k` actions scores and costs on each of `n` questions; checked when it is made.

    Attributes:
        question_ids: Unique names, shape (n,).
        questions: Texts, shape (n,).
        actions: Unique names, k of them.
        accuracy: Mean accuracy, shape (n, k), in [0, 1] unless `accuracy_unit` says otherwise.
        cost: Mean cost in `cost_unit`, shape (n, k), finite and never negative.
        cost_unit: What a cost counts.
        samples: How many model replies each cell was estimated from, shape (n, k).
        groups: A family, subject or task per question, shape (n,), or None. Used to report, never to decide.
        halves: Split-half estimates, where cells have more than one sample.
        accuracy_unit: Names a reward that is not an accuracy in [0, 1].
        counts: Which tokens a cost in tokens counts, `completion` or `total`; None where that is not known.
        estimated: What is known where right answers are missing; None where every question has one.
        judge_quality: What is known of the judge of the replies, as `JudgeQuality.as_dict` gives it.

    Raises:
        OutcomesError: Shapes differ, a name repeats, or a cell is not a number in its range.

    Example:
        >>> table = Outcomes.from_rows(
        ...     dict(question_id=q, question=q, action=a, accuracy=x, cost=c, cost_unit="tokens")
        ...     for q in ("q1", "q2")
        ...     for a, x, c in (("direct", 0.5, 3), ("cot", 1.0, 90))
        ... )
        >>> len(table), table.actions, table.accuracy.mean(axis=0).tolist()
        (2, ('direct', 'cot'), [0.5, 1.0])
    """

    question_ids: Texts = field(repr=False)
    questions: Texts = field(repr=False)
    actions: tuple[str, ...]
    accuracy: Floats = field(repr=False)
    cost: Floats = field(repr=False)
    cost_unit: str
    samples: Ints = field(repr=False)
    groups: Texts | None = field(default=None, repr=False)
    halves: Halves | None = field(default=None, repr=False)
    accuracy_unit: str | None = None
    counts: str | None = None
    estimated: Estimated | None = field(default=None, repr=False)
    judge_quality: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        settle = partial(object.__setattr__, self)
        settle("actions", tuple(self.actions))
        for name in ("question_ids", "questions", "groups"):
            if getattr(self, name) is not None:
                settle(name, _texts(getattr(self, name)))
        for name in ("accuracy", "cost"):
            settle(name, _read_only(np.asarray(getattr(self, name), dtype=np.float64)))
        settle("samples", _read_only(np.asarray(self.samples, dtype=np.intp)))
        self._check_names()
        self._check_shapes()
        bounded = self.accuracy_unit is None
        fault = first_fault(self.accuracy, self.cost, self.samples, bounded=bounded)
        if fault is None and self.halves is not None:
            fault = self.halves.fault(bounded=bounded)
        if fault is not None:
            question, action, reason = fault
            cell = f"question {self.question_ids[question]!r}, action {self.actions[action]!r}"
            raise OutcomesError(f"{cell}: {reason}")

    def __len__(self) -> int:
        return len(self.question_ids)

    @classmethod
    def read(cls, path: PathLike) -> Self:
        """Read a Parquet, JSONL or CSV file with one row per question and action.

        Raises:
            OutcomesError: Anything is missing, repeated or out of range; it names file, row and reason.
        """
        return cls.from_rows(read_rows(path), file=path)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], *, file: object = None) -> Self:
        """Build the table from rows of `question_id, question, action, accuracy, cost, cost_unit`.

        Optional fields: `group`, `samples` (1 where absent), `accuracy_a, accuracy_b, cost_a, cost_b`,
        `accuracy_unit`, `cost_counts`, `judge_quality` and, where right answers are missing, `labels,
        labels_at_random, accuracy_estimate, accuracy_se`. Questions and actions keep their order.

        Raises:
            OutcomesError: As for `read`.
        """
        return cls(**fields_of(rows, file))

    def rows(self) -> Iterator[dict[str, Any]]:
        """One dict per question and action, as the file formats hold them."""
        columns = self.columns()
        return (dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True))

    def write(self, path: PathLike) -> None:
        """Write Parquet, JSONL or CSV, by the ending of `path`, whole or not at all."""
        write_rows(path, self.columns())

    def _repr_html_(self) -> str:
        means = zip(self.actions, self.accuracy.mean(axis=0), self.cost.mean(axis=0), strict=True)
        rows = [{"action": name, "accuracy": float(a), "mean_cost": float(c)} for name, a, c in means]
        return html_table(rows, f"{len(self):,} questions, cost in {self.cost_unit}")

    def select(self, index: ArrayLike) -> Self:
        """The table of the questions at `index` (positions, or a mask)."""
        index = np.asarray(index)
        return replace(
            self,
            question_ids=self.question_ids[index],
            questions=self.questions[index],
            groups=None if self.groups is None else self.groups[index],
            estimated=None if self.estimated is None else self.estimated.select(index),
            **self._cells(index),
        )

    def only(self, columns: ArrayLike) -> Self:
        """The table of the actions at `columns` (positions, or a mask), in this order."""
        kept = np.arange(len(self.actions))[np.asarray(columns)]
        actions = tuple(self.actions[column] for column in kept)
        estimated = None if self.estimated is None else self.estimated.select(slice(None), kept)
        return replace(self, actions=actions, estimated=estimated, **self._cells((slice(None), kept)))

    def _cells(self, index: Any) -> dict[str, Any]:
        """The tables of questions by actions at an index."""
        halves = None if self.halves is None else self.halves.select(index)
        cells = {name: getattr(self, name)[index] for name in ("accuracy", "cost", "samples")}
        return {**cells, "halves": halves}

    @property
    def labelled(self) -> Bools:
        """Which questions have a right answer, shape (n,)."""
        return np.ones(len(self), dtype=bool) if self.estimated is None else self.estimated.labelled

    @property
    def scale(self) -> float:
        """How far accuracies lie apart: 1, or of a reward the range of all but a few, in its unit.

        Example:
            >>> row = dict(action="direct", cost=1, cost_unit="usd", accuracy_unit="stars")
            >>> rows = [{**row, "question_id": f"q{n}", "question": f"q{n}", "accuracy": n} for n in (1, 5)]
            >>> round(Outcomes.from_rows(rows).scale, 2)
            3.92
        """
        if self.accuracy_unit in (None, RECTIFIED):
            return 1.0
        low, high = np.quantile(self.accuracy, _MOST)
        return float(high - low) or float(np.ptp(self.accuracy)) or 1.0

    def split(self, test_size: float = 0.5, seed: int = 0) -> tuple[Self, Self]:
        """Two tables, to fit on and to test on; questions of equal text stay on one side."""
        fit, test = split_by_text(self.questions, test_size=test_size, seed=seed)
        return self.select(fit), self.select(test)

    def columns(self) -> dict[str, list[Any]]:
        """The columns of a file of these outcomes, with a row per question and action."""
        n, k = self.accuracy.shape
        columns = {
            "question_id": np.repeat(self.question_ids, k).tolist(),
            "question": np.repeat(self.questions, k).tolist(),
        }
        if self.groups is not None:
            columns["group"] = np.repeat(self.groups, k).tolist()
        columns |= {
            "action": list(self.actions) * n,
            "accuracy": self.accuracy.ravel().tolist(),
            "cost": self.cost.ravel().tolist(),
            "cost_unit": [self.cost_unit] * (n * k),
            "samples": self.samples.ravel().tolist(),
        }
        if self.accuracy_unit is not None:
            columns["accuracy_unit"] = [self.accuracy_unit] * (n * k)
        if self.counts is not None:
            columns["cost_counts"] = [self.counts] * (n * k)
        if self.judge_quality is not None:
            columns["judge_quality"] = [json.dumps(dict(self.judge_quality), ensure_ascii=False)] * (n * k)
        if self.halves is not None:
            for name in HALVES:
                cells = getattr(self.halves, name).ravel().tolist()
                columns[name] = [None if cell != cell else cell for cell in cells]
        if self.estimated is not None:
            known = self.estimated
            by_question = (np.repeat(column, k) for column in (known.labels, known.at_random.astype(float)))
            cells_of = (*by_question, known.accuracy, known.error)
            columns |= {name: cells.ravel().tolist() for name, cells in zip(ESTIMATED, cells_of, strict=True)}
        return columns

    def _check_names(self) -> None:
        if self.counts not in (None, "completion", "total"):
            raise OutcomesError(f"cost_counts is {self.counts!r}; it is completion or total")
        if not len(self.question_ids) or not self.actions:
            raise OutcomesError("the table is empty: no questions, or no actions")
        for kind, names in (("question", self.question_ids), ("action", self.actions)):
            different = set(names)
            if None in different:
                raise OutcomesError(f"{'a question_id' if kind == 'question' else 'an action'} is missing")
            if len(different) < len(names):
                name, _ = Counter(names).most_common(1)[0]
                raise OutcomesError(f"{kind} {name!r} appears twice")

    def _check_shapes(self) -> None:
        shape = (len(self.question_ids), len(self.actions))
        tables = {name: getattr(self, name) for name in ("accuracy", "cost", "samples")}
        if self.halves is not None:
            tables |= {name: getattr(self.halves, name) for name in HALVES}
        if self.estimated is not None:
            tables |= {"accuracy_estimate": self.estimated.accuracy, "accuracy_se": self.estimated.error}
        for name, table in tables.items():
            if table.shape != shape:
                raise OutcomesError(f"{name} has shape {table.shape}; {shape} (questions, actions) is needed")
        for name in ("questions", "groups"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self):
                raise OutcomesError(f"{len(column)} {name} for {len(self)} question_ids")


def _texts(values: Sequence[str | None] | Texts) -> Texts:
    texts = np.empty(len(values), dtype=object)
    texts[:] = [v if type(v) is str else None if is_null(v) else number_text(v) for v in values]
    return _read_only(texts)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()  # a view, so that the caller's own array stays writable
    view.flags.writeable = False
    return view
