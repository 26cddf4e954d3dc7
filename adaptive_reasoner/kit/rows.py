"""The fields of a row, and what the rows of one table must agree on."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from adaptive_reasoner.errors import OutcomesError


def text_field(row: Mapping[str, Any], name: str) -> str:
    """A field that must hold text.

    Raises:
        ValueError: It is missing or empty.
    """
    if row.get(name) is None or not str(row[name]).strip():
        raise ValueError(f"{name} is missing or empty")
    return str(row[name])


def number_field(row: Mapping[str, Any], name: str) -> float:
    """A field that must hold a number.

    Raises:
        ValueError: It is missing or no number.
    """
    if row.get(name) is None:
        raise ValueError(f"{name} is missing")
    try:
        return float(row[name])
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {row[name]!r}; a number is needed") from None


def optional_number(row: Mapping[str, Any], name: str) -> float | None:
    """A field that may hold a number; None where it is missing or NaN.

    Raises:
        ValueError: It holds something else.
    """
    if row.get(name) is None:
        return None
    value = number_field(row, name)
    return None if np.isnan(value) else value


class Asked:
    """The questions and units of a table, gathered row by row: what its rows repeat must agree.

    Example:
        >>> asked = Asked()
        >>> asked.add({"question_id": "q1", "question": "6 * 7", "cost_unit": "tokens"}, number=1)
        'q1'
        >>> asked.add({"question_id": "q1", "question": "6 * 8", "cost_unit": "tokens"}, number=2)
        Traceback (most recent call last):
        ValueError: question 'q1' has another text in row 1
    """

    def __init__(self) -> None:
        self._questions: dict[str, tuple[str, str | None, int]] = {}
        self._units: dict[str, tuple[str | None, int]] = {}

    def add(self, row: Mapping[str, Any], number: int) -> str:
        """Note the question and units of a row; its question_id.

        Raises:
            ValueError: A field is missing, or disagrees with an earlier row.
        """
        question_id, text, unit = (text_field(row, name) for name in ("question_id", "question", "cost_unit"))
        for name, value in (("cost_unit", unit), ("accuracy_unit", row.get("accuracy_unit"))):
            before, at = self._units.setdefault(name, (value, number))
            if before != value:
                raise ValueError(f"{name} is {value!r}, but {before!r} in row {at}: one table has one unit")
        group = None if row.get("group") is None else str(row["group"])
        text_before, group_before, at = self._questions.setdefault(question_id, (text, group, number))
        if text_before != text or group_before != group:
            what = "text" if text_before != text else "group"
            raise ValueError(f"question {question_id!r} has another {what} in row {at}")
        return question_id

    @property
    def question_ids(self) -> list[str]:
        """In order of first appearance."""
        return list(self._questions)

    @property
    def questions(self) -> list[str]:
        """Their texts."""
        return [text for text, _, _ in self._questions.values()]

    @property
    def cost_unit(self) -> str:
        """What a cost counts."""
        return str(self._units["cost_unit"][0])

    @property
    def accuracy_unit(self) -> str | None:
        """The name of a reward that is not an accuracy in [0, 1]."""
        return self._units["accuracy_unit"][0]

    def groups(self, *, file: object = None) -> list[str | None] | None:
        """The group of each question, or None where no row names one.

        Raises:
            OutcomesError: Some questions have a group and some have none.
        """
        groups = [group for _, group, _ in self._questions.values()]
        if set(groups) <= {None}:
            return None
        for question_id, (_, group, number) in self._questions.items():
            if group is None:
                reason = f"question {question_id!r} has no group; name one for every question or for none"
                raise OutcomesError(reason, file=file, row=number)
        return groups
