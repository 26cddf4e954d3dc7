"""A judge's run over the rows of a samples file; what it was paid for is kept, however the run ends."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from adaptive_reasoner.amounts import given
from adaptive_reasoner.errors import MenuError, OutcomesError
from adaptive_reasoner.kit.collecting.cost_cap import Cap, check_bounded
from adaptive_reasoner.kit.collecting.event_loop import in_background
from adaptive_reasoner.kit.collecting.sample_file import SampleKey, StartedCalls
from adaptive_reasoner.kit.collecting.sampler import Drawn
from adaptive_reasoner.kit.menu.menu import Judge, Menu
from adaptive_reasoner.kit.regrading.graded_rows import GradedRows
from adaptive_reasoner.kit.regrading.judge_calls import JudgeCalls, JudgeRequest
from adaptive_reasoner.kit.tables.row_fields import cell_text

_SECONDS_BETWEEN_SAVES = 30.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What a reply of a judge told.

    Attributes:
        done: How many verdicts are in by now.
        failed: Rows or pairs that it gave none.
    """

    done: int
    failed: int = 0


class Inquiry(Protocol):
    """What is asked of a judge about the rows of a file."""

    wanted: int
    """Verdicts that the requests will bring."""

    def known(self) -> Iterable[tuple[SampleKey, int]]:
        """The calls that the rows include, under their keys."""

    def requests(self) -> Sequence[JudgeRequest]:
        """What is still to ask."""

    def take(self, request: JudgeRequest, drawn: Drawn) -> Taken:
        """Book a reply of the judge on the rows, and its cost."""


@dataclass
class JudgedRun:
    """How a judge's run ended.

    Attributes:
        failed: Rows or pairs that it gave no verdict.
        lost: Cost of the calls whose replies never arrived, in all runs so far.
        stopped: Why some are left: `"max_cost"`, `"retry_after"`, or None.
    """

    failed: int = 0
    lost: float = 0.0
    stopped: str | None = None


def judge_rows(
    grading: GradedRows, inquiry: Inquiry, menu: Menu, limit: float | None, concurrency: int
) -> JudgedRun:
    """Ask the judge of a menu what is still to ask, and save what it says.

    Args:
        grading: The rows.
        inquiry: What to ask about them.
        menu: Its grader is a judge.
        limit: The most that the file may cost; None for no cap.
        concurrency: The most calls in flight.

    Raises:
        OutcomesError: The costs of the file are in another unit.
        MenuError: The judge cannot be called at all.
    """
    run = _Run(grading, inquiry, menu, limit)
    requests = inquiry.requests()
    try:
        if requests:
            in_background(run.calls.run(requests, concurrency, run.add))
    finally:
        run.close()
    return run.judged


def check_unit(grading: GradedRows, menu: Menu) -> None:
    """Refuse a judge whose costs are counted otherwise than those of the file.

    Raises:
        OutcomesError: They are in another unit.
    """
    unit = cell_text(grading.table.rows[0], "cost_unit")
    if unit != menu.cost_unit:
        reason = f"costs are in {unit!r}, the menu counts {menu.cost_unit!r}"
        raise OutcomesError(reason, file=grading.table.path)


class _Run:
    def __init__(self, grading: GradedRows, inquiry: Inquiry, menu: Menu, limit: float | None) -> None:
        assert isinstance(menu.grader, Judge)
        self._grading, self._inquiry = grading, inquiry
        check_unit(grading, menu)
        if limit is not None:
            if not limit >= 0:
                raise MenuError(f"max_cost must be at least 0, not {given(limit)}")
            check_bounded({menu.grader.source: menu.sources[menu.grader.source]}, menu.meter_of)
        self._notes = StartedCalls(grading.target, menu.cost_unit)
        for key, attempts in inquiry.known():
            self._notes.finish(key, attempts)
        cap = Cap(limit, menu.cost_unit)
        cap.charge(grading.paid + self._notes.lost)
        self.calls = JudgeCalls(menu, self._notes, cap)
        self.judged = JudgedRun()
        self._billed: dict[SampleKey, int] = {}
        self._saved = time.monotonic()

    def add(self, request: JudgeRequest, drawn: Drawn) -> None:
        """Take a reply of the judge."""
        self._billed[request.key] = drawn.spent.attempts
        taken = self._inquiry.take(request, drawn)
        self.judged.failed += taken.failed
        self._grading.progress(taken.done, self._inquiry.wanted)
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
