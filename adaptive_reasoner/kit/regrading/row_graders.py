"""Which grader the rows of a samples file go by, and what a grade is called."""

from collections import Counter
from collections.abc import Sequence

from adaptive_reasoner.answers.base import TextComparison
from adaptive_reasoner.answers.grouping import comparison, exact
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.tables.files import PathLike, Row
from adaptive_reasoner.kit.tables.row_fields import cell_text, is_null, optional_number


def grade_of(row: Row) -> float | None:
    """How right the reply of a row was; None where that is not known, and where the call failed.

    Raises:
        ValueError: It is no number.
    """
    return None if cell_text(row, "error") is not None else optional_number(row, "correct")


def grade_word(grade: float | None) -> str:
    """A grade in words.

    Example:
        >>> [grade_word(grade) for grade in (None, 0.0, 0.5, 1.0)]
        ['ungraded', 'wrong', 'partly right', 'right']
    """
    if grade is None:
        return "ungraded"
    return {0.0: "wrong", 1.0: "right"}.get(grade, "partly right")


def graders_of(rows: Sequence[Row]) -> Counter[str | None]:
    """How many rows each grader has graded, by its name; None for those that do not name it."""
    graded = (row for row in rows if not is_null(row.get("correct")) and cell_text(row, "error") is None)
    return Counter(cell_text(row, "graded_by") for row in graded if cell_text(row, "gold") is not None)


class NamedGraders:
    """The graders of a file by their names in its rows, for a command that is given no menu.

    Rows that name none go by the one grader that the others name, or by `exact`.

    Args:
        rows: The rows.
        file: Where they come from, for errors.

    Raises:
        OutcomesError: A judge or a function graded rows; only a menu can say which.
    """

    def __init__(self, rows: Sequence[Row], file: PathLike) -> None:
        names = [name for name in graders_of(rows) if name is not None]
        self._graders = {name: self._by_name(name, file) for name in names}
        judged = any(cell_text(row, "graded_by") is None and _was_judged(row) for row in rows)
        if judged:
            raise OutcomesError("a model has graded rows; name it by the menu, with --config", file=file)
        self._default = self._graders[names[0]] if len(names) == 1 else exact

    def of(self, row: Row) -> TextComparison:
        """The grader of a row."""
        name = None if is_null(row.get("correct")) else cell_text(row, "graded_by")
        return self._graders.get(name or "", self._default)

    @staticmethod
    def _by_name(name: str, file: PathLike) -> TextComparison:
        try:
            found = comparison(name)
        except ValueError:
            found = None
        if not isinstance(found, TextComparison):
            raise OutcomesError(f"rows were graded by {name!r}; give its menu with --config", file=file)
        return found


def _was_judged(row: Row) -> bool:
    compared = cell_text(row, "gold") is not None and not is_null(row.get("correct"))
    return compared and bool(optional_number(row, "grading_cost"))
