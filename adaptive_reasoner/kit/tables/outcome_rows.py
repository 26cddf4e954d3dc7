"""Rows in any order become the fields of a full table of outcomes; every error names its row."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.tables.cell_ranges import first_fault
from adaptive_reasoner.kit.tables.outcome_parts import ESTIMATED, HALVES, Estimated, Halves
from adaptive_reasoner.kit.tables.row_fields import TableQuestions, is_null, number_field, text_field


def fields_of(rows: Iterable[Mapping[str, Any]], file: object) -> dict[str, Any]:
    """The fields of a full table from rows in any order; every error names its row."""
    asked, actions = TableQuestions("judge_quality"), dict[str, None]()
    cells: dict[tuple[str, str], tuple[int, list[float]]] = {}
    for number, row in enumerate(rows, start=1):
        try:
            question_id, action, values = _cell(asked, row, number)
        except ValueError as error:
            raise OutcomesError(str(error), file=file, row=number) from error
        before, _ = cells.setdefault((question_id, action), (number, values))
        if before != number:
            reason = f"question {question_id!r}, action {action!r} is already in row {before}"
            raise OutcomesError(reason, file=file, row=number)
        actions[action] = None
    if not cells:
        raise OutcomesError("the table is empty", file=file)
    fields = asked.fields(file=file)
    names = [(question_id, action) for question_id in fields["question_ids"] for action in actions]
    for question_id, action in names:
        if (question_id, action) not in cells:
            raise OutcomesError(f"question {question_id!r} has no row for action {action!r}", file=file)
    shape = len(fields["question_ids"]), len(actions), -1
    accuracy, cost, samples, *more = np.moveaxis(
        np.array([cells[name][1] for name in names]).reshape(shape), -1, 0
    )
    halved, estimates = more[: len(HALVES)], more[len(HALVES) :]
    samples, halves = samples.astype(np.intp), Halves(*halved)
    bounded = asked.unit("accuracy_unit") is None
    fault = first_fault(accuracy, cost, samples, bounded=bounded) or halves.fault(bounded=bounded)
    if fault is not None:
        question, at, reason = fault
        raise OutcomesError(reason, file=file, row=cells[names[question * len(actions) + at]][0])
    return {
        **fields,
        "actions": tuple(actions),
        "accuracy": accuracy,
        "cost": cost,
        "samples": samples,
        "halves": halves if np.isfinite([halves.accuracy_a, halves.accuracy_b]).any() else None,
        "accuracy_unit": asked.unit("accuracy_unit"),
        "counts": asked.unit("cost_counts"),
        "estimated": _estimated(*estimates, file=file),
        "judge_quality": _judge_quality(asked.unit("judge_quality"), file=file),
    }


def _judge_quality(cell: str | None, *, file: object) -> dict[str, Any] | None:
    if cell is None:
        return None
    try:
        kept = json.loads(cell)
    except ValueError:
        kept = None
    if not isinstance(kept, dict):
        raise OutcomesError(f"judge_quality is {cell!r}; `estimate` writes a JSON object", file=file)
    return kept


def _estimated(
    labels: Floats, at_random: Floats, accuracy: Floats, error: Floats, *, file: object
) -> Estimated | None:
    """The columns of estimates, which a file has whole or not at all."""
    if np.isnan(labels).all():
        return None
    by_question = np.stack([labels, at_random])
    whole = np.isfinite([labels, at_random, accuracy, error]).all()
    if not (whole and (by_question == by_question[..., :1]).all() and 0 <= labels.min() <= labels.max() <= 1):
        raise OutcomesError(
            f"{', '.join(ESTIMATED)} stand together in every row; labels is a share, and the first two are "
            "the same in all rows of a question",
            file=file,
        )
    return Estimated(labels[:, 0], at_random[:, 0] > 0, accuracy, error)


def _cell(asked: TableQuestions, row: Mapping[str, Any], number: int) -> tuple[str, str, list[float]]:
    """The question_id, the action and the numbers of a row."""
    if "action" not in row and "sample" in row:
        raise ValueError("this is a sample; `adaptive-reasoner estimate` makes outcomes of samples")
    question_id, action = asked.add(row, number), text_field(row, "action")
    samples = 1.0 if is_null(row.get("samples")) else number_field(row, "samples")
    if not samples.is_integer():
        raise ValueError(f"samples is {samples}; a whole number is needed")
    more = [np.nan if is_null(row.get(name)) else number_field(row, name) for name in (*HALVES, *ESTIMATED)]
    return question_id, action, [number_field(row, "accuracy"), number_field(row, "cost"), samples, *more]
