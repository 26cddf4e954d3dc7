"""A judge's verdicts on single replies: compared with the right answer, or without knowing it."""

from collections.abc import Iterable, Iterator

from adaptive_reasoner.kit.collecting.grading import Grade, verdict
from adaptive_reasoner.kit.collecting.sample_file import SampleKey, attempts_of
from adaptive_reasoner.kit.collecting.sampler import Drawn
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.regrading.graded_rows import GradedRows
from adaptive_reasoner.kit.regrading.judge_calls import JudgeRequest
from adaptive_reasoner.kit.regrading.judging import Taken
from adaptive_reasoner.kit.regrading.row_graders import grade_of
from adaptive_reasoner.kit.tables.row_fields import cell_text

Alike = tuple[str, str | None, str]
"""Question, right answer and answer: what a judge says of one row it says of all that are alike."""


class Verdicts:
    """Asks a referee about rows; what it has judged already is left alone.

    Args:
        grading: The rows.
        todo: Positions of those to judge.
        menu: Its grader is a referee.
        blind: It is shown no right answer: it gives verdicts, and grades stay as they are.

    Attributes:
        wanted: Rows that the requests tell of.
    """

    def __init__(self, grading: GradedRows, todo: Iterable[int], menu: Menu, *, blind: bool = False) -> None:
        assert isinstance(menu.grader, Referee)
        self._grading, self._referee, self._by, self._blind = grading, menu.grader, menu.graded_by, blind
        self._alike: dict[Alike, list[int]] = {}
        self._of: dict[SampleKey, Alike] = {}
        for at in todo:
            self._plan(at)
        self.wanted = sum(map(len, self._alike.values()))

    def known(self) -> Iterator[tuple[SampleKey, int]]:
        """The calls for each row."""
        rows = self._grading.table.rows
        return ((key, attempts_of(row)) for key, row in zip(self._grading.keys, rows, strict=True))

    def requests(self) -> list[JudgeRequest]:
        """One request per distinct answer, billed to its first row."""
        requests = []
        for alike, (at, *_) in self._alike.items():
            row, key = self._grading.table.rows[at], self._grading.keys[at]
            text = self._referee.request(str(cell_text(row, "question")), *alike[1:])
            requests.append(JudgeRequest(key, attempts_of(row), text))
            self._of[key] = alike
        return requests

    def take(self, request: JudgeRequest, drawn: Drawn) -> Taken:
        """Give all rows that are alike the grade or verdict."""
        alike = self._of[request.key]
        _, gold, answer = alike
        rows = self._alike[alike]
        self._grading.bill(rows[0], drawn)
        self._grading.table.change(rows[0], attempts=drawn.spent.attempts)
        grade = verdict(Grade(answer), drawn, self._referee, gold)
        if grade.error is not None:
            return Taken(len(self._grading.graded), failed=len(rows))
        for at in rows:
            if grade.verdict is None:
                self._grading.set(at, correct=grade.correct, graded_by=self._by)
            elif self._is_graded(at):
                self._grading.set(at, verdict=grade.verdict, judged_by=self._by)
            else:
                self._grading.set(at, verdict=grade.verdict, graded_by=self._by)
        return Taken(len(self._grading.graded))

    def _plan(self, at: int) -> None:
        row = self._grading.table.rows[at]
        gold, answer = cell_text(row, "gold"), cell_text(row, "answer")
        if not self._grading.is_gradable(at) or self._is_judged(at):
            return
        if answer is not None:
            shown = None if self._blind else gold
            self._alike.setdefault((self._grading.keys[at].question_id, shown, answer), []).append(at)
        elif gold is not None and not self._blind:
            self._grading.set(at, correct=0.0, graded_by=self._by)  # nothing to ask about

    def _is_graded(self, at: int) -> bool:
        row = self._grading.table.rows[at]
        return grade_of(row) is not None

    def _is_judged(self, at: int) -> bool:
        row, graded = self._grading.table.rows[at], self._is_graded(at)
        if self._blind and graded:
            return row.get("verdict") is not None and row.get("judged_by") == self._by
        known = row.get("graded_by") == self._by and at not in self._grading.touched
        if cell_text(row, "gold") is not None:
            return known and graded
        return graded or (known and row.get("verdict") is not None and cell_text(row, "error") is None)
