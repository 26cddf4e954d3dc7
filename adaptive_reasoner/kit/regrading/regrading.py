"""Grade samples again: with another grader, corrected right answers or labels. No source is called again."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.collecting.cost_cap import smallest
from adaptive_reasoner.kit.collecting.cost_forecast import Forecast, forecast_judge
from adaptive_reasoner.kit.collecting.sample_file import StartedCalls
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.preference import Preference
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.regrading.comparisons import Comparisons
from adaptive_reasoner.kit.regrading.graded_rows import GradedRows, Label
from adaptive_reasoner.kit.regrading.judging import Inquiry, JudgedRun, check_unit, judge_rows
from adaptive_reasoner.kit.regrading.row_graders import grade_of, grade_word, graders_of
from adaptive_reasoner.kit.regrading.sample_rows import SampleRows, locked
from adaptive_reasoner.kit.regrading.verdicts import Verdicts
from adaptive_reasoner.kit.tables.files import PathLike
from adaptive_reasoner.kit.tables.row_fields import cell_text

_CONCURRENCY = 8


@dataclass(frozen=True)
class Regraded:
    """The summary of grading samples again.

    Attributes:
        file: The file that was written.
        rows: Its rows.
        graded: How many of them were graded in this run.
        changed: How many have another grade than before.
        changes: How many changed from what to what, such as `{"wrong -> right": 3}`.
        golds: Questions whose right answer is another one now.
        ungraded: Rows without a grade, because the right answer is not known.
        failed: Rows that a judge gave no grade in this run, or pairs it did not compare; they are as they
            were.
        graders: How many rows each grader graded, by its name; `"not named"` for rows of older versions.
        grading_cost: What the judge's calls of this run cost.
        cost: Of all samples in the file, their grading and calls whose replies were lost.
        cost_unit: What a cost counts.
        stopped: Why rows are left: `"max_cost"`, `"retry_after"`, or None.
    """

    file: str
    rows: int
    graded: int
    changed: int
    changes: Mapping[str, int]
    golds: int
    ungraded: int
    failed: int
    graders: Mapping[str, int]
    grading_cost: float
    cost: float
    cost_unit: str
    stopped: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The summary as a plain dict."""
        return asdict(self)


def regrade(
    samples: PathLike,
    *,
    menu: Menu | None = None,
    questions: Sequence[Question] = (),
    labels: Mapping[str, Label] | None = None,
    out: PathLike | None = None,
    blind: bool = False,
    max_cost: float | None = None,
    concurrency: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Regraded:
    """Grade samples again, without a new call to their sources.

    With a menu all rows go by its grader. If that is a judge, its calls are made, each distinct answer once,
    and billed as `grading_cost`; rows that it has graded already are left alone. A `Preference` compares
    replies and leaves grades as they are. Without a menu each row goes by the grader that it names, or by
    `exact`; with `questions` only the rows are graded whose right answer changes. With labels only theirs
    are. A judge sees the answer of a row, because rows do not hold the text of replies; one that fails leaves
    a row as it was.

    Args:
        samples: The file, JSONL, Parquet or CSV.
        menu: The grader, its prices and limits.
        questions: Right answers that take the place of those in the file: by question_id, and by the text
            of questions that were read without one. One without a right answer, or that the file does not
            have, changes nothing.
        labels: What persons found about questions, by question_id.
        out: Where to write; in place of `samples` by default. Written whole or not at all.
        blind: Show the judge no right answers. It gives verdicts, also where right answers are known, which
            is how the judge itself is measured; grades stay as they are.
        max_cost: The most that the samples, their grading, and calls lost on the way may cost.
        concurrency: The most calls in flight; the smaller of this and the menu's, or 8 if neither is set.
        on_progress: Called with the rows that are done, and those that are to do.

    Raises:
        OutcomesError: The file cannot be read, another process writes to it, the questions are others, the
            file has no such question, the grader fails, or only a menu can name the grader.
        MenuError: The judge cannot be called at all. What it graded before is kept. Or `blind` is set, and
            the grader of the menu is no judge of single replies.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> row = '{"question_id": "q", "question": "6 * 7?", "source": "cot", "sample": 0, "answer": "42", '
        >>> row += '"gold": "41", "correct": 0.0, "cost": 9, "cost_unit": "tokens"}'
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder, "samples.jsonl")
        ...     _ = file.write_text(row)
        ...     regrade(file, questions=[Question("q", "6 * 7?", "42")]).changes
        {'wrong -> right': 1}
    """
    with locked(samples) if out is None else nullcontext():
        job = _Job(samples, menu, questions, labels or {}, out, blind, on_progress)
        judged = JudgedRun()
        if menu is not None and job.inquiry is not None:
            limit = smallest(max_cost, menu.max_cost)
            workers = smallest(concurrency, menu.concurrency) or _CONCURRENCY
            judged = judge_rows(job.grading, job.inquiry, menu, limit, workers)
        else:
            job.grading.save()
    return _summary(job.grading, judged)


def forecast_regrading(
    samples: PathLike,
    menu: Menu,
    *,
    questions: Sequence[Question] = (),
    labels: Mapping[str, Label] | None = None,
    out: PathLike | None = None,
    blind: bool = False,
    max_cost: float | None = None,
) -> Forecast:
    """Price the calls of a judge that `regrade` would make; nothing is called and nothing is written.

    Args:
        samples: The file.
        menu: The judge, its prices and limits.
        questions: Right answers that take the place of those in the file.
        labels: What persons found about questions, by question_id.
        out: Where `regrade` would write.
        blind: Whether the judge is shown no right answers.
        max_cost: The most that all may cost; the menu's cap counts too.

    Returns:
        Without calls where the grader of the menu is no judge.

    Raises:
        OutcomesError: As for `regrade`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from adaptive_reasoner import Source
        >>> from adaptive_reasoner.kit import Menu, Referee
        >>> judge = Source(FakeListChatModel(responses=["90%"]), max_tokens=20)
        >>> menu = Menu({"judge": judge, "cot": judge}, {"judge": 0, "cot": 1}, grader=Referee("judge"))
        >>> row = '{"question_id": "q", "question": "6 * 7?", "source": "cot", "sample": 0, "answer": "42", '
        >>> row += '"gold": null, "correct": null, "cost": 9, "cost_unit": "tokens"}'
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder, "samples.jsonl")
        ...     _ = file.write_text(row)
        ...     job = forecast_regrading(file, menu)
        >>> job.calls, job.bound, job.expected, job.spent
        (1, 20.0, 10.0, 9.0)
    """
    job = _Job(samples, menu, questions, labels or {}, out, blind)
    spent, asked = job.grading.paid, []
    if job.inquiry is not None:
        check_unit(job.grading, menu)
        asked = [request.text for request in job.inquiry.requests()]
        notes = StartedCalls(job.grading.target, menu.cost_unit)
        for key, attempts in job.inquiry.known():
            notes.finish(key, attempts)
        spent += notes.lost
    return forecast_judge(asked, menu, spent=spent, max_cost=max_cost)


class _Job:
    """What is to be graded again, up to the first call."""

    def __init__(
        self,
        samples: PathLike,
        menu: Menu | None,
        questions: Sequence[Question],
        labels: Mapping[str, Label],
        out: PathLike | None,
        blind: bool,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        check_argument(questions, "questions", "regrade")
        if menu is not None:
            check_argument(menu, "Menu", "regrade")
        grader = None if menu is None else menu.grader
        if blind and not isinstance(grader, Referee):
            raise MenuError(
                'blind verdicts are those of a judge: the menu needs kind = "judge" under [grader]'
                + (", and a preference is blind anyway" if isinstance(grader, Preference) else "")
            )
        target = Path(samples if out is None else out)
        self.grading = GradedRows(SampleRows(samples), target, on_progress)
        self.grading.correct({question.question_id: question for question in questions})
        self.grading.label(labels)
        self.inquiry: Inquiry | None = None
        touched = sorted(self.grading.touched)
        some = bool(labels) or (bool(questions) and menu is None)
        todo = touched if some else range(len(self.grading.table.rows))
        if menu is not None and isinstance(grader, Referee):
            self.inquiry = Verdicts(self.grading, todo, menu, blind=blind)
        elif menu is not None and isinstance(grader, Preference):
            self.grading.apply_functions(touched, None)
            self.inquiry = Comparisons(self.grading, range(len(self.grading.table.rows)), menu)
        else:
            self.grading.apply_functions(todo, menu)


def _summary(grading: GradedRows, judged: JudgedRun) -> Regraded:
    """The summary, once all is written."""
    rows = grading.table.rows
    after = [grade_of(row) for row in rows]
    changes = Counter(
        f"{grade_word(old)} -> {grade_word(new)}"
        for old, new in zip(grading.before, after, strict=True)
        if old != new
    )
    ungraded = sum(
        grade is None and cell_text(row, "error") is None for grade, row in zip(after, rows, strict=True)
    )
    return Regraded(
        file=str(grading.target),
        rows=len(rows),
        graded=len(grading.graded),
        changed=sum(changes.values()),
        changes=dict(changes),
        golds=grading.golds,
        ungraded=ungraded,
        failed=judged.failed,
        graders={name or "not named": count for name, count in graders_of(rows).items()},
        grading_cost=grading.grading_cost,
        cost=grading.paid + grading.grading_cost + judged.lost,
        cost_unit=str(rows[0].get("cost_unit")),
        stopped=judged.stopped,
    )
