"""Sample models on questions with known answers, into a file that survives being killed."""

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from socket import gaierror
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.caller import Caller
from adaptive_reasoner.calls import EmptyReplyError, Reply, Request
from adaptive_reasoner.costs import Usage
from adaptive_reasoner.errors import BudgetExceededError, MenuError, OutcomesError
from adaptive_reasoner.kit.collecting.background import in_background
from adaptive_reasoner.kit.collecting.sample_file import SampleFile, SampleKey
from adaptive_reasoner.kit.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.rows import number_field
from adaptive_reasoner.kit.tables import PathLike, Row
from adaptive_reasoner.ledger import Ledger, open_ledger

_SECONDS_BETWEEN_SYNCS = 1.0
_BEGINNING = 200  # characters by which prompts are told to begin alike
_LONGEST_ERROR = 300
_NO_ADMITTANCE = frozenset({401, 403, 404})


@dataclass(frozen=True)
class Collected:
    """What a collection has come to.

    Attributes:
        file: The samples file.
        wanted: Samples asked for: questions times the samples of each source.
        there: How many of them the file holds.
        new: How many of those this run drew.
        failed: How many ended in an error, in this run or before.
        cost: Of all samples in the file, and of the calls whose replies were lost.
        lost: The part of `cost` for calls that were cancelled or killed under way, at their worst case.
        cost_unit: What a cost counts.
        seconds: How long this run took.
        stopped: `"max_cost"` where the cap left no room for a further call, else None.
    """

    file: str
    wanted: int
    there: int
    new: int
    failed: int
    cost: float
    lost: float
    cost_unit: str
    seconds: float
    stopped: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The summary as a plain dict."""
        return asdict(self)


def collect(
    questions: Sequence[Question],
    menu: Menu,
    out: PathLike,
    *,
    max_cost: float | None = None,
    concurrency: int = 8,
    on_progress: Callable[[int], None] | None = None,
) -> Collected:
    """Draw the samples that the menu asks for and the file does not hold yet.

    It may be stopped at any moment, by Ctrl-C or by SIGKILL, and called again: what arrived is kept, the
    rest is drawn. A call that fails for good, after the client's own retries, is a row with its cost and
    its `error`. Calls whose prompts begin alike follow each other and a question's samples are drawn one
    after another, so that prompt caches are of use.

    Args:
        questions: What to ask.
        menu: The sources, how many samples of each, what they cost and how answers are graded.
        out: The samples file, JSONL; continued where it stands.
        max_cost: The most that all samples in the file, and calls lost on the way, may cost. The worst
            case of a call is set aside before it is made, so the sum never exceeds it.
        concurrency: The most calls in flight.
        on_progress: Told how many of the wanted samples are there.

    Raises:
        OutcomesError: The file cannot be continued: it is damaged, another process writes to it, or its
            samples are of another prompt, other settings, another question or another cost unit.
        MenuError: A source cannot be called at all: there is no such model or endpoint, or it refuses the
            key. What arrived before is kept.
        UnpricedUsageError: A reply came without usage, so its cost is unknown.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from adaptive_reasoner import SampleMeter, Source
        >>> menu = Menu({"cot": Source(FakeListChatModel(responses=["42", "41"]))}, meters=SampleMeter())
        >>> with TemporaryDirectory() as folder:
        ...     done = collect([Question("q", "6 * 7?", "42")], menu, f"{folder}/samples.jsonl")
        >>> done.there, done.cost, done.cost_unit
        (5, 5.0, 'samples')
    """
    begin = time.perf_counter()
    if concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")
    if len({question.question_id for question in questions}) < len(questions):
        raise OutcomesError("two questions have one question_id")
    for source in menu.sources.values():
        source.runnable  # noqa: B018 - what cannot be made fails here, before anything is paid for
    caps = [cap for cap in (max_cost, menu.max_cost) if cap is not None]
    with SampleFile(out, menu.cost_unit) as file:
        collection = _Collection(questions, menu, file, on_progress)
        collection.limit(min(caps, default=None))
        in_background(collection.run(min(concurrency, menu.concurrency or concurrency)))
    return collection.summary(time.perf_counter() - begin)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Samples of one question from one source, drawn one after another."""

    question: Question
    source: str
    samples: tuple[int, ...]


class _Collection:
    """What is there, what is to do, and the workers that do it."""

    def __init__(
        self,
        questions: Sequence[Question],
        menu: Menu,
        file: SampleFile,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self._menu, self._file, self._on_progress = menu, file, on_progress
        self._questions = {question.question_id: question for question in questions}
        self._there = self._new = self._failed = 0
        self._cost = 0.0
        self._drawn: dict[tuple[str, str], set[int]] = {}
        self._todo: deque[_Stretch] = deque()
        self._cap: Ledger | None = None
        self._charges = map(str, itertools.count())
        self._synced = time.monotonic()
        self._take_stock()

    def limit(self, max_cost: float | None) -> None:
        """Set the cap; what the file cost so far counts."""
        if max_cost is None:
            return
        self._cap = open_ledger("memory://", hard_cap=max_cost, cost_unit=self._menu.cost_unit)
        try:
            self._cap.charge(self._cost + self._file.lost, "before")
        except BudgetExceededError:  # the cap is closed now: nothing more is admitted
            return

    async def run(self, concurrency: int) -> None:
        """Draw what is missing."""
        self._todo.extend(self._plan(concurrency))
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(concurrency, len(self._todo))):
                    workers.create_task(self._work())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the others were cancelled for it

    def summary(self, seconds: float) -> Collected:
        """What it has come to, once the file is closed."""
        return Collected(
            file=str(self._file.path),
            wanted=len(self._questions) * sum(map(self._menu.samples_of, self._menu.sources)),
            there=self._there,
            new=self._new,
            failed=self._failed,
            cost=self._cost + self._file.lost,
            lost=self._file.lost,
            cost_unit=self._menu.cost_unit,
            seconds=round(seconds, 1),
            stopped="max_cost" if self._todo else None,
        )

    # What is there

    def _take_stock(self) -> None:
        shas: dict[tuple[str, str], str] = {}
        for number, (key, row) in enumerate(self._file.rows(), start=1):
            try:
                self._object(key, row, shas)
                self._cost += number_field(row, "cost")
            except ValueError as error:
                raise OutcomesError(str(error), file=self._file.path, row=number) from error
            if self._wants(key):
                self._drawn.setdefault((key.question_id, key.source), set()).add(key.sample)
                self._there += 1
                self._failed += row.get("error") is not None
        self._progress()

    def _wants(self, key: SampleKey) -> bool:
        sources = self._menu.sources
        asked = key.question_id in self._questions and key.source in sources
        return asked and key.sample < self._menu.samples_of(key.source)

    def _object(self, key: SampleKey, row: Row, shas: dict[tuple[str, str], str]) -> None:
        """Refuse a row that cannot stand beside the rows to come, as a ValueError."""
        if row.get("cost_unit") != self._menu.cost_unit:
            raise ValueError(
                f"its cost is in {row.get('cost_unit')!r}, the menu counts {self._menu.cost_unit!r}"
            )
        if not self._wants(key):
            return
        question, pair = self._questions[key.question_id], (key.question_id, key.source)
        if (str(row.get("question")), str(row.get("gold"))) != (question.question, question.gold):
            raise ValueError(
                f"question {key.question_id!r} had another text or gold answer; collect into another file"
            )
        if key.sample in self._drawn.get(pair, ()):
            raise ValueError(
                f"sample {key.sample} of question {pair[0]!r}, source {pair[1]!r} is there twice"
            )
        if pair not in shas:
            shas[pair] = self._menu.prompt_sha(key.source, question.question)
        if row.get("prompt_sha") not in (None, shas[pair]):
            raise ValueError(
                f"source {key.source!r} had another prompt or other settings; "
                "collect into another file, or give the source another name"
            )

    # What is to do

    def _plan(self, concurrency: int) -> list[_Stretch]:
        """What is missing, calls whose prompts begin alike beside each other."""
        missing = []
        for source in self._menu.sources:
            wanted = range(self._menu.samples_of(source))
            stretches = [
                _Stretch(question, source, tuple(sample for sample in wanted if sample not in drawn))
                for question in self._questions.values()
                for drawn in [self._drawn.get((question.question_id, source), ())]
            ]
            missing += sorted((stretch for stretch in stretches if stretch.samples), key=self._beginning)
        self._drawn.clear()
        parts = math.ceil(4 * concurrency / max(1, len(missing)))  # few questions: or workers would be idle
        return [
            replace(stretch, samples=stretch.samples[part::parts])
            for stretch in missing
            for part in range(min(parts, len(stretch.samples)))
        ]

    def _beginning(self, stretch: _Stretch) -> str:
        prompt = self._menu.sources[stretch.source].messages([HumanMessage(stretch.question.question)])
        return prompt[0].text[:_BEGINNING]

    async def _work(self) -> None:
        """Draw stretch after stretch; a worker that the cap refuses leaves the rest to those in flight."""
        while self._todo:
            stretch = self._todo.popleft()
            for at, sample in enumerate(stretch.samples):
                if not await self._draw(stretch, sample):
                    self._todo.appendleft(replace(stretch, samples=stretch.samples[at:]))
                    return

    async def _draw(self, stretch: _Stretch, sample: int) -> bool:
        """Make a call and add its row; False where the cap has no room for it."""
        source, meter = self._menu.sources[stretch.source], self._menu.meter_of(stretch.source)
        messages = [HumanMessage(stretch.question.question)]
        most_tokens = source.settings.get("max_tokens") or source.most_tokens
        worst, charge = meter.worst_cost(source.messages(messages), most_tokens), next(self._charges)
        if self._cap is not None:
            try:
                self._cap.reserve(worst, charge, worst=worst)
            except BudgetExceededError:
                return False
        key = SampleKey(stretch.question.question_id, stretch.source, sample)
        self._file.start(key, worst)
        (reply,) = await Caller(source, meter).awave([Request(messages, competes=True)])
        if _cannot_be_called(reply.error):
            raise MenuError(f"source {stretch.source!r} cannot be called: {reply.error}") from reply.error
        row = self._row(stretch, sample, reply)
        self._file.add(key, row)
        self._there, self._new = self._there + 1, self._new + 1
        self._failed += "error" in row
        self._cost += reply.cost
        if self._cap is not None:
            self._cap.settle(charge, reply.cost)
        self._progress()
        await self._sync()
        return True

    def _row(self, stretch: _Stretch, sample: int, reply: Reply) -> Row:
        question = stretch.question
        answer, correct, error = self._grade(reply, question)
        return {
            "question_id": question.question_id,
            "question": question.question,
            **({} if question.group is None else {"group": question.group}),
            "source": stretch.source,
            "sample": sample,
            "answer": answer,
            "gold": question.gold,
            "correct": correct,
            "cost": reply.cost,
            "cost_unit": self._menu.cost_unit,
            **(_tokens(reply.message) if reply.message is not None else {}),
            "seconds": round(reply.seconds, 4),
            **({} if error is None else {"error": error[:_LONGEST_ERROR]}),
            **({"estimated": True} if reply.estimated else {}),
            "prompt_sha": self._menu.prompt_sha(stretch.source, question.question),
        }

    def _grade(self, reply: Reply, question: Question) -> tuple[str | None, float, str | None]:
        """The answer, how right it is, and what went wrong."""
        if isinstance(reply.error, EmptyReplyError) and not reply.estimated:
            return None, 0.0, None  # nothing went wrong: the model had nothing to say
        if reply.message is None:
            return None, 0.0, f"{type(reply.error).__name__}: {reply.error}"
        try:
            answer = self._menu.key(reply.message)
            return answer, float(self._menu.grader(answer, question.gold)), None
        except Exception as error:  # noqa: BLE001 - a user's function; the reply is paid for and its row stands
            return None, 0.0, f"grading failed with {type(error).__name__}: {error}"

    def _progress(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self._there)

    async def _sync(self) -> None:
        now = time.monotonic()
        if now - self._synced > _SECONDS_BETWEEN_SYNCS:
            self._synced = now
            await asyncio.to_thread(self._file.sync)


def _tokens(message: AIMessage) -> dict[str, int]:
    return asdict(Usage.of(message)) if message.usage_metadata else {}


def _cannot_be_called(error: BaseException | None) -> bool:
    """Whether every further call would fail alike: no endpoint, no such model, or the key is refused."""
    while error is not None:
        if getattr(error, "status_code", None) in _NO_ADMITTANCE:
            return True
        if isinstance(error, ConnectionRefusedError | gaierror):
            return True
        error = error.__cause__ or error.__context__
    return False
