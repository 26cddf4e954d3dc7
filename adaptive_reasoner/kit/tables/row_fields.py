"""The cells of a row, read the same way for every table, and what the rows of one table must agree on."""

from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from numbers import Integral, Number
from typing import Any

from adaptive_reasoner.amounts import given
from adaptive_reasoner.errors import OutcomesError

_MOST_DIGITS = 400  # more than any float has


def is_null(value: object) -> bool:
    """Whether a cell holds nothing: None, and what pandas puts in its place (NaN, NaT, NA).

    Example:
        >>> is_null(None), is_null(float("nan")), is_null(0), is_null("nan")
        (True, True, False, False)
    """
    if value is None:
        return True
    try:
        return bool(value != value)  # only NaN and NaT differ from themselves
    except TypeError:  # pandas.NA: a comparison with it is neither true nor false
        return True
    except (ValueError, ArithmeticError):  # an array, or a signalling NaN of decimal
        return isinstance(value, Decimal)


def cell_text(row: Mapping[str, Any], name: str) -> str | None:
    """A cell as text, numbers in full and without an exponent; None where it is missing, null or blank.

    Example:
        >>> row = {"gold": 1e16, "answer": 1e-7, "question_id": 3.0, "group": float("nan")}
        >>> [cell_text(row, name) for name in ("gold", "answer", "question_id", "group")]
        ['10000000000000000', '0.0000001', '3', None]
    """
    value = row.get(name)
    if type(value) is str:
        return value if value.strip() else None  # at once, as tables hold many
    if is_null(value):
        return None
    text = number_text(value) if isinstance(value, Number) else str(value)
    return text if text.strip() else None


def number_text(value: Any) -> str:
    """A number in full: the shortest digits that name it, no exponent, and no `.0` after a whole one.

    A text stays as it is.

    Example:
        >>> [number_text(value) for value in (1e16, 2.5e-5, 3.0, 0.1, 7, True)]
        ['10000000000000000', '0.000025', '3', '0.1', '7', 'True']
    """
    if type(value) is str:
        return value  # at once, as tables hold many
    written = str(value)  # of numpy's numbers too: 0.1 of 32 bits is "0.1"
    if isinstance(value, Integral) or not isinstance(value, Number) or isinstance(value, complex):
        return written
    try:
        exact = Decimal(written)
    except ArithmeticError:  # such as a fraction
        return written
    if not exact.is_finite() or abs(exact.adjusted()) > _MOST_DIGITS:
        return written
    if exact == exact.to_integral_value():
        return f"{exact or abs(exact):f}".partition(".")[0]
    return f"{exact:f}"


def text_field(row: Mapping[str, Any], name: str) -> str:
    """A field that must hold text.

    Raises:
        ValueError: It is missing or empty.
    """
    text = cell_text(row, name)
    if text is None:
        raise ValueError(f"{name} is missing or empty")
    return text


def number_field(row: Mapping[str, Any], name: str) -> float:
    """A field that must hold a number; a NaN is one.

    Raises:
        ValueError: It is missing or no number.
    """
    value = row.get(name)
    if is_null(value) and not isinstance(value, float):
        raise ValueError(f"{name} is missing")
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}; a number is needed") from None
    except OverflowError:
        raise ValueError(f"{name} is a number of more digits than can be read") from None


def optional_number(row: Mapping[str, Any], name: str) -> float | None:
    """A field that may hold a number; None where it is missing or NaN.

    Raises:
        ValueError: It holds something else.
    """
    return None if is_null(row.get(name)) else number_field(row, name)


def whole_field(row: Mapping[str, Any], name: str) -> int:
    """A field that must hold a whole number of at least 0.

    Raises:
        ValueError: It does not.
    """
    number = number_field(row, name)
    if not (isfinite(number) and number.is_integer() and number >= 0):
        raise ValueError(f"{name} is {row[name]}; a whole number from 0 is needed")
    return int(number)


def amount_field(row: Mapping[str, Any], name: str) -> float:
    """A field that must hold what something cost: finite, and never negative.

    Raises:
        ValueError: It does not.
    """
    amount = number_field(row, name)
    if not (isfinite(amount) and amount >= 0):
        raise ValueError(f"{name} is {given(amount)}; a finite number, not negative, is needed")
    return amount


class TableQuestions:
    """The questions and units of a table, gathered row by row: what its rows repeat must agree.

    Args:
        more: Fields, beside the units, that all rows share.

    Example:
        >>> asked = TableQuestions()
        >>> asked.add({"question_id": "q1", "question": "6 * 7", "cost_unit": "tokens"}, number=1)
        'q1'
        >>> asked.add({"question_id": "q1", "question": "6 * 8", "cost_unit": "tokens"}, number=2)
        Traceback (most recent call last):
        ValueError: question 'q1' has another text in row 1
    """

    def __init__(self, *more: str) -> None:
        self._more = more
        self._questions: dict[str, tuple[str, str | None, int]] = {}
        self._units: dict[str, tuple[str | None, int]] = {}

    def add(self, row: Mapping[str, Any], number: int) -> str:
        """Note the question and units of a row; its question_id.

        Raises:
            ValueError: A field is missing, or disagrees with an earlier row.
        """
        question_id, text, unit = (text_field(row, name) for name in ("question_id", "question", "cost_unit"))
        for name in ("cost_unit", "accuracy_unit", "cost_counts", *self._more):
            value = unit if name == "cost_unit" else cell_text(row, name)
            before, at = self._units.setdefault(name, (value, number))
            if before != value:
                raise ValueError(f"{name} is {value!r}, but {before!r} in row {at}: one table has one unit")
        group = cell_text(row, "group")
        text_before, group_before, at = self._questions.setdefault(question_id, (text, group, number))
        if text_before != text or group_before != group:
            what = "text" if text_before != text else "group"
            raise ValueError(f"question {question_id!r} has another {what} in row {at}")
        return question_id

    def unit(self, name: str) -> str | None:
        """The value of `cost_unit`, `accuracy_unit`, `cost_counts` or a further field that all rows share."""
        return self._units[name][0]

    def fields(self, *, file: object = None) -> dict[str, Any]:
        """`question_ids`, `questions` and `groups` in order of first appearance, and the `cost_unit`.

        Raises:
            OutcomesError: Some questions have a group and some have none.
        """
        texts, groups, numbers = zip(*self._questions.values(), strict=True)
        if None in groups and set(groups) != {None}:
            at = groups.index(None)
            name = list(self._questions)[at]
            reason = f"question {name!r} has no group; name one for every question or for none"
            raise OutcomesError(reason, file=file, row=numbers[at])
        return {
            "question_ids": tuple(self._questions),
            "questions": texts,
            "groups": None if None in groups else groups,
            "cost_unit": self.unit("cost_unit"),
        }
