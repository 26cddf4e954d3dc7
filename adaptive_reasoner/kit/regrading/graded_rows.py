"""The rows of a samples file while they are graded again: what changes in them, and what they were."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptive_reasoner.answers.grouping import math
from adaptive_reasoner.answers.math_equivalence import check_installed
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.collecting.grading import GRADING_FAILED, Grade, scored
from adaptive_reasoner.kit.collecting.sample_file import SampleKey, paid_for
from adaptive_reasoner.kit.collecting.sampler import Drawn
from adaptive_reasoner.kit.menu.menu import Judge, Menu, grader_name
from adaptive_reasoner.kit.questions import Question, text_id
from adaptive_reasoner.kit.regrading.row_graders import NamedGraders, grade_of
from adaptive_reasoner.kit.regrading.sample_rows import SampleRows
from adaptive_reasoner.kit.tables.row_fields import cell_text, optional_number, text_field, whole_field


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says is the right answer to a question.

    Attributes:
        gold: The right answer; None where none of the answers is right and the right one was not said.
        drawn: How the question was picked: `"random"` or `"chosen"`; None where that is not known.
    """

    gold: str | None
    drawn: str | None = None


class GradedRows:
    """The rows of a file while they are graded again.

    Args:
        table: The rows.
        target: Where they are written.
        on_progress: Called with the rows done and to do.

    Attributes:
        keys: The key of each row.
        before: The grade of each row when it was read.
        paid: What was paid for all rows when they were read.
        touched: Positions of the rows that have a right answer or label from outside.
        graded: Positions of the rows that were graded.
        grading_cost: What was paid for that.
    """

    def __init__(
        self, table: SampleRows, target: Path, on_progress: Callable[[int, int], None] | None = None
    ) -> None:
        self.table, self.target, self._on_progress = table, target, on_progress
        self.keys: list[SampleKey] = []
        self.before: list[float | None] = []
        self.paid = self.grading_cost = 0.0
        self.touched, self.graded = set[int](), set[int]()
        self._of: dict[str, list[int]] = {}
        self._old: dict[int, dict[str, Any]] = {}
        for at, row in enumerate(table.rows):
            try:
                key = SampleKey(
                    text_field(row, "question_id"), text_field(row, "source"), whole_field(row, "sample")
                )
                self.before.append(grade_of(row))
                self.paid += paid_for(row)
            except ValueError as error:
                raise OutcomesError(str(error), file=table.path, row=at + 1) from error
            self.keys.append(key)
            self._of.setdefault(key.question_id, []).append(at)

    def correct(self, questions: Mapping[str, Question]) -> None:
        """Take over right answers, by the id of a question; those that came without one, by its text.

        A log of live traffic names each run, so a text that was asked often has many ids.

        Raises:
            OutcomesError: A question has another text, or the file has none of them.
        """
        by_text = {each.question: each for name, each in questions.items() if name == text_id(each.question)}
        found = False
        for at, (key, row) in enumerate(zip(self.keys, self.table.rows, strict=True)):
            text = (cell_text(row, "question") or "").strip()
            question = questions.get(key.question_id) or by_text.get(text)
            if question is None:
                continue
            found = True
            if text != question.question.strip():
                reason = f"question {question.question_id!r} has another text"
                raise OutcomesError(reason, file=self.table.path, row=at + 1)
            if question.gold is not None and cell_text(row, "gold") != question.gold:
                self._change_gold(at, question.gold)
        if questions and not found:
            reason = (
                f"has none of these {len(questions)} questions: neither their question_id nor, of those "
                "without one, their text is in it"
            )
            raise OutcomesError(reason, file=self.table.path)

    def label_of(self, question_id: str) -> Label | None:
        """The label of a question; None if it has none, or replies that came after it.

        Raises:
            OutcomesError: The file has no such question.
        """
        rows = [self.table.rows[at] for at in self._positions(question_id)]
        gold, drawn = cell_text(rows[0], "gold"), cell_text(rows[0], "label_drawn")
        graded = all(
            cell_text(row, "error") is not None or optional_number(row, "correct") is not None for row in rows
        )
        return Label(gold, drawn) if graded and not (gold is None and drawn is None) else None

    def label(self, labels: Mapping[str, Label]) -> list[int]:
        """Take over what persons found.

        Returns:
            The positions of the rows that have a label now.

        Raises:
            OutcomesError: The file has no such question.
        """
        labelled = [at for question_id in labels for at in self._positions(question_id)]
        for question_id, label in labels.items():
            for at in self._of[question_id]:
                self._change_gold(at, label.gold)
                if label.drawn is not None:
                    self.table.change(at, label_drawn=label.drawn)
                if label.gold is None and self.is_gradable(at):
                    self.set(at, correct=0.0, graded_by=None)
        return labelled

    def _positions(self, question_id: str) -> list[int]:
        if question_id not in self._of:
            raise OutcomesError(f"has no question {question_id!r}", file=self.table.path)
        return self._of[question_id]

    def apply_functions(self, todo: Iterable[int], menu: Menu | None) -> None:
        """Grade rows by the function of a menu, or by those that the rows name.

        Raises:
            OutcomesError: The function fails, or only a menu can name it.
        """
        named = NamedGraders(self.table.rows, self.table.path) if menu is None else None
        found: dict[tuple[str | None, str, str], Grade] = {}
        todo = [at for at in todo if self.is_gradable(at)]
        for done, at in enumerate(todo, start=1):
            row = self.table.rows[at]
            if cell_text(row, "gold") is None:
                if (
                    cell_text(row, "error") is not None and at not in self.graded
                ):  # no verdict is missing any more
                    self.table.change(at, error=None, correct=None)
                continue
            grader = named.of(row) if named is not None else menu.grader  # type: ignore[union-attr]
            assert not isinstance(grader, Judge)
            if grader is math:
                check_installed()
            answer, gold, name = cell_text(row, "answer"), str(cell_text(row, "gold")), grader_name(grader)
            grade = found.get((answer, gold, name))
            if grade is None:
                grade = found[answer, gold, name] = scored(Grade(answer, stated=answer), gold, grader)
            if grade.error is not None:
                reason = f"{grade.error}; nothing was changed"
                raise OutcomesError(reason, file=self.table.path, row=at + 1)
            self.set(at, correct=grade.correct, graded_by=name)
            if done % 1_000 == 0 or done == len(todo):
                self.progress(done, len(todo))

    def progress(self, done: int, wanted: int) -> None:
        """Tell how many rows are done, and how many were to do."""
        if self._on_progress is not None:
            self._on_progress(done, wanted)

    @property
    def golds(self) -> int:
        """Questions whose right answer is another one now."""
        rows = self.table.rows
        changed = (
            at for at in self.touched if cell_text(rows[at], "gold") != cell_text(self._old[at], "gold")
        )
        return len({self.keys[at].question_id for at in changed})

    def save(self) -> None:
        """Write all rows, whole or not at all."""
        self.table.write(self.target)

    def set(self, at: int, **cells: Any) -> None:
        """Give a row its grade."""
        row = self.table.rows[at]
        if cell_text(row, "error") is not None:
            cells["error"] = None  # only its grading had failed
        if any(row.get(name) != value for name, value in cells.items()):
            self.table.change(at, **cells)
        self.graded.add(at)

    def is_gradable(self, at: int) -> bool:
        """Whether there is a reply to grade: the call did not fail, only perhaps its grading."""
        error = cell_text(self.table.rows[at], "error")
        return error is None or (error.startswith(GRADING_FAILED) and self._has_answer(at))

    def _has_answer(self, at: int) -> bool:
        return cell_text(self.table.rows[at], "answer") is not None

    def restore(self) -> None:
        """Take back the right answers of rows that were not graded by them."""
        for at in {at for at in self.touched - self.graded if self.is_gradable(at)}:
            self.table.change(at, **self._old[at])
            self.touched.discard(at)

    def _change_gold(self, at: int, gold: str | None) -> None:
        row = self.table.rows[at]
        self._old[at] = {name: row.get(name) for name in ("gold", "label_drawn")}
        self.table.change(at, gold=gold)
        self.touched.add(at)

    def bill(self, at: int, drawn: Drawn) -> None:
        """Book a judge's calls on a row."""
        row, spent = self.table.rows[at], drawn.spent
        paid = paid_for(row)
        self.table.change(
            at,
            grading_cost=(optional_number(row, "grading_cost") or 0.0) + spent.cost,
            **({"estimated": True} if spent.estimated else {}),
        )
        self.grading_cost += paid_for(row) - paid
