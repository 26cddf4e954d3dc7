"""A judge grades the rows of a samples file; what it was paid for is kept, however the run ends."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from adaptive_reasoner.errors import MenuError, OutcomesError
from adaptive_reasoner.kit.collecting.cost_cap import Cap, check_bounded
from adaptive_reasoner.kit.collecting.event_loop import in_background
from adaptive_reasoner.kit.collecting.graded_rows import GradedRows
from adaptive_reasoner.kit.collecting.grading import Grade, verdict
from adaptive_reasoner.kit.collecting.judge_calls import JudgeCalls, JudgeRequest
from adaptive_reasoner.kit.collecting.row_graders import grade_of
from adaptive_reasoner.kit.collecting.sample_file import SampleKey, StartedCalls, attempts_of
from adaptive_reasoner.kit.collecting.sampler import Drawn
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.tables.row_fields import cell_text

_SECONDS_BETWEEN_SAVES = 30.0

Alike = tuple[str, str | None, str]
"""Question, right answer and answer: what a judge says of one row it says of all that are alike."""


@dataclass
class Judged:
    """How a judge's run ended.

    Attributes:
        failed: Positions of the rows that it gave no grade.
        lost: Cost of the calls whose replies never arrived, in all runs so far.
        stopped: Why rows are left: `"max_cost"`, `"retry_after"`, or None.
    """

    failed: int = 0
    lost: float = 0.0
    stopped: str | None = None


def judge_rows(
    grading: GradedRows, todo: Iterable[int], menu: Menu, limit: float | None, concurrency: int
) -> Judged:
    """Grade rows by the judge of a menu, and save them.

    Args:
        grading: The rows.
        todo: Positions of those to grade; what the judge has graded already is left alone.
        menu: Its grader is a referee.
        limit: The most that the file may cost; None for no cap.
        concurrency: The most calls in flight.

    Raises:
        OutcomesError: The costs of the file are in another unit.
        MenuError: The judge cannot be called at all.
    """
    run = _Judging(grading, menu, limit)
    alike = run.answers(todo)
    try:
        if alike:
            in_background(run.calls.run(run.requests(alike), concurrency, run.add))
    finally:
        run.close()
    return run.judged


class _Judging:
    def __init__(self, grading: GradedRows, menu: Menu, limit: float | None) -> None:
        assert isinstance(menu.grader, Referee)
        self._grading, self._menu, self._referee = grading, menu, menu.grader
        rows, source = grading.table.rows, menu.grader.source
        unit = cell_text(rows[0], "cost_unit")
        if unit != menu.cost_unit:
            reason = f"costs are in {unit!r}, the menu counts {menu.cost_unit!r}"
            raise OutcomesError(reason, file=grading.table.path)
        if limit is not None:
            if not limit >= 0:
                raise MenuError(f"max_cost must be at least 0, not {limit}")
            check_bounded({source: menu.sources[source]}, menu.meter_of)
        self._notes = StartedCalls(grading.target, menu.cost_unit)
        for key, row in zip(grading.keys, rows, strict=True):
            self._notes.finish(key, attempts_of(row))
        cap = Cap(limit, menu.cost_unit)
        cap.charge(grading.paid + self._notes.lost)
        self.calls = JudgeCalls(menu, self._notes, cap)
        self.judged = Judged()
        self._alike: dict[Alike, list[int]] = {}
        self._billed: dict[SampleKey, int] = {}
        self._saved = time.monotonic()

    def answers(self, todo: Iterable[int]) -> dict[Alike, list[int]]:
        """The rows of each distinct answer that the judge has not graded yet."""
        for at in todo:
            row = self._grading.table.rows[at]
            gold, answer = cell_text(row, "gold"), cell_text(row, "answer")
            if not self._grading.is_gradable(at) or self._is_judged(at):
                continue
            if answer is not None:
                key = self._grading.keys[at].question_id, gold, answer
                self._alike.setdefault(key, []).append(at)
            elif gold is not None:
                self._grading.set(at, correct=0.0, graded_by=self._menu.graded_by)  # nothing to ask about
        return self._alike

    def requests(self, alike: dict[Alike, list[int]]) -> list[JudgeRequest]:
        """One request per distinct answer, billed to its first row."""
        rows, keys = self._grading.table.rows, self._grading.keys
        return [
            JudgeRequest(keys[at], attempts_of(rows[at]), str(cell_text(rows[at], "question")), gold, answer)
            for (_, gold, answer), (at, *_) in alike.items()
        ]

    def add(self, request: JudgeRequest, drawn: Drawn) -> None:
        """Take a reply of the judge."""
        alike = self._alike[request.key.question_id, request.gold, request.answer]
        self._grading.bill(alike[0], drawn)
        self._billed[request.key] = drawn.spent.attempts
        grade = verdict(Grade(request.answer), drawn, self._referee, request.gold)
        if grade.error is not None:
            self.judged.failed += len(alike)
        else:
            given = {"correct": grade.correct} if grade.verdict is None else {"verdict": grade.verdict}
            for at in alike:
                self._grading.set(at, **given, graded_by=self._menu.graded_by)
        self._grading.progress(len(self._grading.graded), sum(map(len, self._alike.values())))
        if time.monotonic() - self._saved > _SECONDS_BETWEEN_SAVES:
            self._save()

    def close(self) -> None:
        """Save what was graded; calls that are still under way are lost."""
        self._grading.restore()
        self._save()
        self._notes.close()
        self.judged.lost, self.judged.stopped = self._notes.lost, self.calls.stopped

    def _save(self) -> None:
        self._grading.save()
        for key, attempts in self._billed.items():
            self._notes.finish(key, attempts)
        self._billed.clear()
        self._saved = time.monotonic()

    def _is_judged(self, at: int) -> bool:
        row, grade = self._grading.table.rows[at], grade_of(self._grading.table.rows[at])
        known = row.get("graded_by") == self._menu.graded_by and at not in self._grading.touched
        if cell_text(row, "gold") is not None:
            return known and grade is not None
        return grade is not None or (
            known and row.get("verdict") is not None and cell_text(row, "error") is None
        )
