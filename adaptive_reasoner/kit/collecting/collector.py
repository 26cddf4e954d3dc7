"""Sample models on questions, into a file that survives being killed."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from langchain_core.messages import HumanMessage

from adaptive_reasoner.amounts import given
from adaptive_reasoner.errors import AdaptiveReasonerError, MenuError, OutcomesError
from adaptive_reasoner.kit.collecting.batch_api import Batches, BatchJob
from adaptive_reasoner.kit.collecting.cost_cap import Cap, check_bounded, smallest
from adaptive_reasoner.kit.collecting.early_stopping import Adaptive, EarlyStopping
from adaptive_reasoner.kit.collecting.event_loop import in_background
from adaptive_reasoner.kit.collecting.grading import Grade, Grading, row_of, verdict
from adaptive_reasoner.kit.collecting.http_clients import Connections
from adaptive_reasoner.kit.collecting.progress import Collected, Progress
from adaptive_reasoner.kit.collecting.rate_limit import RateLimit
from adaptive_reasoner.kit.collecting.ray_workers import RayEngine, RayWorkers
from adaptive_reasoner.kit.collecting.sample_file import SampleFile, SampleKey, paid_for
from adaptive_reasoner.kit.collecting.sampler import Drawn, EndpointStatus, Sampler
from adaptive_reasoner.kit.collecting.worklist import Attempts, WorkItem, Worklist
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.preference import Preference
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.tables.files import PathLike, Row

_SECONDS_BETWEEN_SYNCS = 1.0
_CONCURRENCY = 8


def collect(
    questions: Sequence[Question],
    menu: Menu,
    out: PathLike,
    *,
    max_cost: float | None = None,
    concurrency: int | None = None,
    retry_failed: bool = False,
    adaptive: Adaptive | None = None,
    batch: bool = False,
    poll_seconds: float = 30.0,
    engine: RayEngine | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Collected:
    """Collect the samples that the menu asks for and the file does not hold yet.

    It may be stopped at any moment, by Ctrl-C or by SIGKILL, and called again: what arrived is kept, the
    rest is drawn. A call that fails is made again (`Menu.retries`), and every attempt is on the bill: a
    refused one at nothing, one whose reply was lost at its worst case. A sample whose attempts are used up
    is a row with its cost and its `error`. Calls whose prompts begin alike follow each other and a
    question's samples are drawn one after another, so that prompt caches are of use.

    Args:
        questions: What to ask. Replies to one without a right answer are not graded: no function is called
            and `correct` is null; a judge is asked for a `verdict`, a `Preference` later, by `regrade`.
        menu: The sources, how many samples of each, what they cost and how answers are graded.
        out: The samples file, JSONL; continued where it stands.
        max_cost: The most that all samples in the file, and calls lost on the way, may cost. The worst
            case of a call is set aside before it is made, so the sum never exceeds it.
        concurrency: The most calls in flight; the smaller of this and the menu's, or 8 if neither is set.
        retry_failed: Draw samples again that failed for good; the new row takes the place of the old one,
            and holds the cost of both.
        adaptive: Stop sampling a question when its label is settled; the summary says how many calls that
            saved.
        batch: Ask OpenAI's Batch API: half the price, within a day. The `cost` of a row is still that of a
            call, which is what its action will cost; its `batch_discount` was not paid. A batch under way is
            noted in `<out>.batch`, and taken up where an earlier run left it.
        poll_seconds: How often to ask whether a batch has ended.
        engine: Where the calls are made: a `RayEngine` makes them on the workers of a cluster. All else stays
            in this process: file, cap and pace are the same, and so are the rows.
        on_progress: Called with the progress after each sample.

    Raises:
        OutcomesError: The file cannot be continued: it is damaged, another process writes to it, or its
            samples are of another prompt, other settings, another question or another cost unit.
        MenuError: A source cannot be called at all: there is no such model or endpoint, or it refuses the
            key. What arrived before is kept. Or there is a cap, and a source declares no `max_tokens`.
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
    if max_cost is not None and not max_cost >= 0:
        raise MenuError(f"max_cost must be at least 0, not {given(max_cost)}")
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")
    if adaptive is not None and batch:
        raise ValueError("a batch is drawn whole: adaptive collection needs calls one after another")
    if engine is not None and batch:
        raise ValueError("a batch is one request after another: there are no calls to share among workers")
    worklist = Worklist(questions, menu, retry_failed=retry_failed)
    _check_golds(questions, menu, adaptive=adaptive is not None)
    workers = None if engine is None else RayWorkers(engine, menu)
    connections = Connections(menu.sources)  # what cannot be made fails here, before anything is paid for
    with SampleFile(out, menu.cost_unit) as file:
        under_way = BatchJob.beside(file.path)
        if under_way.exists() and not batch:
            reason = "a batch is under way: take it up with --batch, or give it up by deleting this file"
            raise OutcomesError(reason, file=under_way)
        stopping = None if adaptive is None else EarlyStopping(adaptive, menu, questions)
        grading = Grading(menu, workers)

        def see(row: Row) -> None:
            grading.see(row)
            if stopping is not None:
                stopping.see(row)

        worklist.take(file.path, file.rows(), see=see)
        limit = smallest(max_cost, menu.max_cost)
        if limit is not None:
            check_bounded(connections.sources, menu.meter_of)
        cap = Cap(limit, menu.cost_unit)
        cap.charge(worklist.cost + file.lost)
        collection = _Collection(
            menu, worklist, file, cap, connections, workers, grading, stopping, on_progress
        )
        if batch:
            in_background(collection.run_batches(poll_seconds))
        else:
            in_background(collection.run(smallest(concurrency, menu.concurrency) or _CONCURRENCY))
        if cap.breach is not None:
            raise cap.breach
    return collection.summary(time.perf_counter() - begin)


def _check_golds(questions: Sequence[Question], menu: Menu, *, adaptive: bool) -> None:
    """Refuse questions without right answers where grades decide, and with them where no grade is made."""
    unknown = sum(question.gold is None for question in questions)
    if adaptive and unknown:
        raise OutcomesError(
            f"{unknown} of {len(questions)} questions have no right answer, and adaptive collection goes by "
            "grades; collect them without it"
        )
    if isinstance(menu.grader, Preference) and unknown < len(questions):
        raise OutcomesError(
            f"{len(questions) - unknown} of {len(questions)} questions have a right answer (gold), and a "
            'preference compares replies with each other only: leave gold out, or grade by kind = "judge"'
        )


@dataclass
class _Collection:
    """The work list of a collection, and the workers that draw it."""

    menu: Menu
    worklist: Worklist
    file: SampleFile
    cap: Cap
    connections: Connections
    workers: RayWorkers | None
    grading: Grading
    stopping: EarlyStopping | None
    on_progress: Callable[[Progress], None] | None

    def __post_init__(self) -> None:
        self._tally, self._cost = self.worklist.tally, self.worklist.cost
        self._new = self._retried = self._saved = 0
        self._todo: deque[WorkItem] = deque()
        self._left: list[WorkItem] = []  # of sources that were given up
        self._samplers: dict[str, Sampler] = {}
        self._status = EndpointStatus()
        self._error: AdaptiveReasonerError | None = None
        self._synced = time.monotonic()

    async def run(self, concurrency: int) -> None:
        """Draw the missing samples."""
        todo = self.worklist.plan(concurrency)
        self._progress()
        rate = RateLimit(self.menu.requests_per_minute, self.menu.tokens_per_minute)
        self._samplers = {
            name: Sampler(
                name,
                source,
                self.menu.meter_of(name),
                file=self.file,
                cap=self.cap,
                rate=rate,
                retries=self.menu.retries,
                status=self._status,
                calls=self.workers,
            )
            for name, source in self.connections.sources.items()
        }
        async with self.connections, (self.workers if todo else None) or nullcontext():
            if self.stopping is None:
                await self._draw(todo, concurrency)
                return
            first, later = self.stopping.rounds(todo)
            await self._draw(first, concurrency)
            if self._todo or self._left or not later:
                (self._left if self._left else self._todo).extend(later)
                return
            self.stopping.learn()
            await self._draw(later, concurrency)

    async def _draw(self, todo: Sequence[WorkItem], concurrency: int) -> None:
        self._todo.extend(todo)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(concurrency, len(todo))):
                    workers.create_task(self._work())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the others were cancelled for it
        if self._error is not None:
            raise self._error

    async def run_batches(self, poll_seconds: float) -> None:
        """Draw the missing samples in batches."""
        todo = self.worklist.plan(concurrency=1)
        self._progress()
        async with self.connections:
            batches = Batches(
                self.menu,
                self.connections,
                self.file,
                self.cap,
                self.worklist.questions,
                add=self._add,
                grading=self.grading,
                poll_seconds=poll_seconds,
            )
            if not await batches.run(todo):
                self._todo.extend(todo)

    def summary(self, seconds: float) -> Collected:
        """The summary, once the file is closed."""
        return Collected(
            file=str(self.file.path),
            wanted=sum(self._tally.wanted.values()),
            there=self._tally.there,
            new=self._new,
            failed=self._tally.failed,
            saved=self._saved,
            retried=self._retried,
            cost=self._cost + self.file.lost,
            lost=self.file.lost,
            cost_unit=self.menu.cost_unit,
            ungraded=self._tally.ungraded,
            graded_otherwise=dict(self.worklist.graded_otherwise),
            seconds=round(seconds, 1),
            stopped="max_cost" if self._todo else "retry_after" if self._left else None,
            given_up={
                name: pause
                for name, sampler in self._samplers.items()
                if (pause := sampler.given_up) is not None
            },
        )

    async def _work(self) -> None:
        """Draw until nothing is left; after an error only the calls in flight are awaited."""
        try:
            await self._draw_items()
        except AdaptiveReasonerError as error:
            self._error, self._status.over = self._error or error, True
            self._todo.clear()

    async def _draw_items(self) -> None:
        """Draw item after item; a worker that the cap refuses leaves the rest to those in flight."""
        while self._todo:
            item = self._todo.popleft()
            if self._is_given_up(item):
                self._left.append(item)
                continue
            if self.stopping is not None and self.stopping.settled(item.question.question_id):
                self._saved += len(item.samples)
                continue
            for at, sample in enumerate(item.samples):
                key = SampleKey(item.question.question_id, item.source, sample)
                before = item.before.get(sample, Attempts())
                row = await self._sample(key, item.question, before)
                if isinstance(row, Attempts):
                    so_far = {**item.before, sample: replace(row, standing=before.standing)}
                    rest = replace(item, samples=item.samples[at:], before=so_far)
                    self._todo.appendleft(rest)
                    if self._is_given_up(item):
                        break
                    return
                self._add(key, row, before)
                await self._sync()

    async def _sample(self, key: SampleKey, question: Question, before: Attempts) -> Row | Attempts:
        """Draw and grade a sample; without room below the cap, its attempts so far."""
        messages = [HumanMessage(question.question)]
        drawn = await self._samplers[key.source].draw(key, messages, before)
        if isinstance(drawn, Attempts):
            return drawn
        grade = await self._grade(key, question, drawn)
        if isinstance(grade, Attempts):
            return grade
        self._retried += drawn.spent.attempts - 1
        return row_of(key, question, drawn, grade, self.menu)

    def _is_given_up(self, item: WorkItem) -> bool:
        """Whether its source, or the grading one, was given up for this run."""
        grader = self.menu.grader
        asked = [item.source, *([grader.source] if isinstance(grader, Referee) else [])]
        return any(self._samplers[name].given_up is not None for name in asked)

    def _add(self, key: SampleKey, row: Row, before: Attempts) -> None:
        self.file.add(key, row, supersedes=before.standing is not None)
        paid = paid_for(row)
        self._tally.add(key.source, paid, row)
        self._new += 1
        if self.stopping is not None:
            self.stopping.see(row)
        self._cost += paid - (before.standing or 0.0)
        self._progress()
        if self.cap.breach is not None:
            raise self.cap.breach

    async def _grade(self, key: SampleKey, question: Question, drawn: Drawn) -> Grade | Attempts:
        """The grade of a sample; without room for the grading model, its attempts so far."""
        found = await self.grading.answer(drawn.reply, question, key.source)
        grader = self.menu.grader
        if found.done or not isinstance(grader, Referee):
            return await self.grading.score(found, question.gold)
        assert drawn.reply.message is not None
        request = grader.request(question.question, question.gold, drawn.reply.message.text)
        judged = await self._samplers[grader.source].draw(
            key, [HumanMessage(request)], Attempts(drawn.spent.attempts)
        )
        if isinstance(judged, Attempts):
            self.file.correct(key, drawn.spent.attempts, drawn.reply.cost)
            return replace(judged, cost=drawn.spent.cost + judged.cost, estimated=drawn.spent.estimated)
        return verdict(found, judged, grader, question.gold)

    def _progress(self) -> None:
        if self.on_progress is None:
            return
        to_come = self._tally.cost_to_come()
        self.on_progress(
            Progress(
                there=self._tally.there,
                wanted=sum(self._tally.wanted.values()),
                failed=self._tally.failed,
                cost=self._cost,
                expected_cost=None if to_come is None else self._cost + to_come,
                cost_unit=self.menu.cost_unit,
            )
        )

    async def _sync(self) -> None:
        now = time.monotonic()
        if now - self._synced > _SECONDS_BETWEEN_SYNCS:
            self._synced = now
            await asyncio.to_thread(self.file.sync)
