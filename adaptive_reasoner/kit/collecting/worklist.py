"""The samples that a file holds, and those that are still to be drawn."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from langchain_core.messages import HumanMessage

from adaptive_reasoner.answers.free_text.judgement import Judged
from adaptive_reasoner.errors import MenuError, OutcomesError
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.collecting.sample_file import SampleKey, attempts_of, paid_for
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.tables.files import Row
from adaptive_reasoner.kit.tables.row_fields import cell_text, is_null, number_text, optional_number
from adaptive_reasoner.models.replies import Reply

_BEGINNING = 200  # characters in which the prompts of neighbours agree


@dataclass(frozen=True, slots=True)
class Attempts:
    """The calls made so far for a sample, or for its grade.

    Attributes:
        attempts: Calls made.
        cost: What they cost.
        estimated: Whether the reply of any was lost.
        standing: Cost of the failed row that stands in the file for it; None where there is none.
    """

    attempts: int = 0
    cost: float = 0.0
    estimated: bool = False
    standing: float | None = None

    def after(self, reply: Reply, calls: int = 1) -> "Attempts":
        """These attempts and the calls that led to `reply`."""
        return replace(
            self,
            attempts=self.attempts + calls,
            cost=self.cost + reply.cost,
            estimated=self.estimated or reply.estimated,
        )


@dataclass(frozen=True, slots=True)
class WorkItem:
    """Samples of one question from one source, drawn one after another.

    Attributes:
        question: What is asked.
        source: How it is called.
        samples: The numbers of the samples.
        before: What those took that failed earlier and are tried again, by their numbers.
    """

    question: Question
    source: str
    samples: Sequence[int]
    before: Mapping[int, Attempts] = field(default_factory=dict)


@dataclass
class SampleCounts:
    """Counts of the samples in the file.

    Attributes:
        wanted: Samples asked for, by source.
        there: How many of them the file holds.
        failed: How many of those ended in an error.
        ungraded: How many of those did not, and have no grade, because the right answer is not known.
        counts, costs: Samples in the file and what was paid for them, by source.
        saved: What batches saved of it, by source.
    """

    wanted: dict[str, int]
    there: int = 0
    failed: int = 0
    ungraded: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    costs: dict[str, float] = field(default_factory=dict)
    saved: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, source: str, cost: float, row: Row) -> None:
        """Count a row that was wanted."""
        failed = row.get("error") is not None
        self.there += 1
        self.failed += failed
        self.ungraded += not failed and is_null(row.get("correct"))
        self.counts[source] += 1
        self.costs[source] = self.costs.get(source, 0.0) + cost

    def cost_to_come(self) -> float | None:
        """The expected cost of the missing samples, from the mean cost of each source so far.

        None where a source has no sample yet.
        """
        if any(self.counts[source] == 0 for source in self.wanted):
            return None
        return sum(
            (wanted - self.counts[source]) * self.costs[source] / self.counts[source]
            for source, wanted in self.wanted.items()
        )


class Worklist:
    """Reads the rows of a samples file, refuses those of other settings, and plans the missing ones.

    Args:
        questions: What to ask.
        menu: The sources, and how many samples of each.
        retry_failed: Whether samples that failed for good are drawn again.

    Attributes:
        graded_otherwise: How many rows of the file another grader has graded, by its name.

    Raises:
        OutcomesError: Two questions have one id.
        MenuError: The menu compares replies by a model, which is done as they are voted on.
    """

    def __init__(self, questions: Sequence[Question], menu: Menu, *, retry_failed: bool = False) -> None:
        check_argument(questions, "questions", "collect")
        check_argument(menu, "Menu", "collect")
        if isinstance(menu.comparison, Judged):
            raise MenuError(
                "judged compares the replies of a vote with each other, and a row of samples has an answer "
                'of its own: collect with kind or key = "similar", or with a key that reads each reply'
            )
        self._questions = {question.question_id: question for question in questions}
        if len(self._questions) < len(questions):
            raise OutcomesError("two questions have one question_id")
        self._menu, self._retry_failed = menu, retry_failed
        self._drawn: dict[tuple[str, str], set[int]] = {}
        self._failed: dict[SampleKey, tuple[Attempts, Row]] = {}
        self.graded_otherwise: Counter[str] = Counter()
        self.tally = SampleCounts({name: len(questions) * menu.samples_of(name) for name in menu.sampled})
        self.cost = 0.0

    def take(
        self, path: Path, rows: Iterable[tuple[SampleKey, Row]], see: Callable[[Row], None] | None = None
    ) -> None:
        """Read the rows of the file at `path`, and show those that were wanted.

        Raises:
            OutcomesError: A row cannot be read, or is of another prompt, other settings, another question or
                another unit than the rows to come. It names the row.
        """
        shas: dict[tuple[str, str], str] = {}
        for number, (key, row) in enumerate(rows, start=1):
            try:
                self._check_row(key, row, shas)
                self._count(key, row)
                if see is not None and self._wants(key):
                    see(row)
            except ValueError as error:
                raise OutcomesError(str(error), file=path, row=number) from error
        self._settle_failures()

    @property
    def questions(self) -> Mapping[str, Question]:
        """What is asked, by id; a question without a right answer has the one that the file knows."""
        return self._questions

    def plan(self, concurrency: int) -> list[WorkItem]:
        """The missing samples, ordered so that calls with the same beginning are neighbours.

        One question of each source goes first, so that it is soon known what the whole will cost.
        """
        first, missing = list[WorkItem](), list[WorkItem]()
        for source in self._menu.sampled:
            items = [self._missing(question, source) for question in self._questions.values()]
            ordered = sorted((item for item in items if item.samples), key=self._beginning)
            first += ordered[:1]
            missing += ordered[1:]
        missing = first + missing
        self._drawn.clear()
        self._failed.clear()
        parts = math.ceil(4 * concurrency / max(1, len(missing)))  # few questions: or workers would be idle
        return [
            replace(item, samples=item.samples[part::parts])
            for item in missing
            for part in range(min(parts, len(item.samples)))
        ]

    def left(self) -> Iterator[tuple[Question, str, int]]:
        """Question, source and number of the samples that are missing, where there are any."""
        for source in self._menu.sampled:
            for question in self._questions.values():
                samples = self._missing(question, source).samples
                if samples:
                    yield question, source, len(samples)

    def _missing(self, question: Question, source: str) -> WorkItem:
        drawn = self._drawn.get((question.question_id, source), ())
        wanted = range(self._menu.samples_of(source))  # as a range, however many they are
        samples = tuple(at for at in wanted if at not in drawn) if drawn else wanted
        keys = {at: SampleKey(question.question_id, source, at) for at in samples} if self._failed else {}
        before = {at: self._failed[key][0] for at, key in keys.items() if key in self._failed}
        return WorkItem(question, source, samples, before)

    def _beginning(self, item: WorkItem) -> str:
        prompt = self._menu.sources[item.source].messages([HumanMessage(item.question.question)])
        return prompt[0].text[:_BEGINNING]

    def _count(self, key: SampleKey, row: Row) -> None:
        cost = paid_for(row)
        if not self._wants(key):
            self.cost += cost
        elif row.get("error") is not None:
            made = Attempts(attempts_of(row), cost, bool(row.get("estimated")), standing=cost)
            self._failed[key] = made, row
        else:
            self._failed.pop(key, None)  # it was drawn again, and this row's cost holds both
            self._drawn.setdefault((key.question_id, key.source), set()).add(key.sample)
            self.cost += cost
            self.tally.add(key.source, cost, row)
            self._note_grader(row)
            self.tally.saved[key.source] += optional_number(row, "batch_discount") or 0.0

    def _settle_failures(self) -> None:
        """Count samples that failed for good as done, unless they are to be drawn again."""
        for key, (before, row) in self._failed.items():
            self.cost += before.cost
            if not self._retry_failed:
                self._drawn.setdefault((key.question_id, key.source), set()).add(key.sample)
                self.tally.add(key.source, before.cost, row)
        if not self._retry_failed:
            self._failed.clear()

    def _note_grader(self, row: Row) -> None:
        name = cell_text(row, "graded_by")
        if name not in (None, self._menu.graded_by):
            self.graded_otherwise[str(name)] += 1

    def _wants(self, key: SampleKey) -> bool:
        asked = key.question_id in self._questions and key.source in self._menu.sources
        return asked and key.sample < self._menu.samples_of(key.source)

    def _check_row(self, key: SampleKey, row: Row, shas: dict[tuple[str, str], str]) -> None:
        """Refuse a row that was recorded under other settings, as a ValueError."""
        if row.get("cost_unit") != self._menu.cost_unit:
            raise ValueError(
                f"its cost is in {row.get('cost_unit')!r}, the menu counts {self._menu.cost_unit!r}"
            )
        if not self._wants(key):
            self._refuse_old_id(key, row)
            return
        question, pair = self._questions[key.question_id], (key.question_id, key.source)
        self._check_question(question, row)
        if key.sample in self._drawn.get(pair, ()):
            raise ValueError(f"sample {key.sample} of question {pair[0]!r}, source {pair[1]!r} appears twice")
        if pair not in shas:
            shas[pair] = self._menu.prompt_sha(key.source, question.question)
        if row.get("prompt_sha") not in (None, shas[pair]):
            raise ValueError(
                f"source {key.source!r} was another model, or had another prompt or other settings; "
                "collect into another file, or give the source another name"
            )

    def _check_question(self, question: Question, row: Row) -> None:
        """Refuse another text or right answer; one that only the file knows is taken over."""
        gold = _number_in_full(cell_text(row, "gold"))
        if gold is not None and question.gold is None:
            self._questions[question.question_id] = question = replace(question, gold=cell_text(row, "gold"))
        if cell_text(row, "question") != question.question or gold != _number_in_full(question.gold):
            raise ValueError(
                f"question {question.question_id!r} had another text or gold answer; collect into another "
                "file or, if only the gold answer changed, grade this one again with `regrade --questions`"
            )

    def _refuse_old_id(self, key: SampleKey, row: Row) -> None:
        """Refuse a row of a question whose id version 0.1.0 wrote as `1.0`: it would be paid for again."""
        asked = self._questions.get(_number_in_full(key.question_id) or "")
        if (
            asked is not None
            and asked.question_id != key.question_id
            and row.get("question") == asked.question
        ):
            raise ValueError(
                f"its question_id is {key.question_id!r}, that of the question is {asked.question_id!r}; "
                f"write {key.question_id!r} as text in the questions to go on, or collect into another file"
            )


def _number_in_full(text: str | None) -> str | None:
    """A gold answer or id as it is written now; version 0.1.0 wrote floats as `1.0` or `1e-07`."""
    try:
        return text if text is None else number_text(Decimal(text))
    except InvalidOperation:
        return text
