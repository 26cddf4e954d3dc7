"""Collection through OpenAI's Batch API: half the price, within a day, and resumed wherever it was left.

Source: https://platform.openai.com/docs/guides/batch
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.errors import MenuError, OutcomesError, UnpricedUsageError
from adaptive_reasoner.kit.collecting.cost_cap import Cap
from adaptive_reasoner.kit.collecting.grading import Grading, row_of
from adaptive_reasoner.kit.collecting.http_clients import Connections
from adaptive_reasoner.kit.collecting.response_bodies import error_status
from adaptive_reasoner.kit.collecting.sample_file import SampleFile, SampleKey, paid_for
from adaptive_reasoner.kit.collecting.sampler import Drawn, shared_prompt
from adaptive_reasoner.kit.collecting.worklist import Attempts, WorkItem
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.tables.files import Row
from adaptive_reasoner.models.metering import cost_or_worst
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import Source

MOST_REQUESTS = 50_000
"""The most requests of one batch that OpenAI takes."""

_ENDPOINT = "/v1/chat/completions"
_MARK = "adaptive_reasoner"
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_PATIENCE = 8  # failures in a row of asking how a batch is, each after a longer pause
_PASSING = frozenset({408, 409, 429})


@dataclass
class BatchJob:
    """A batch under way, kept in `<samples>.batch` until its rows are in the file.

    Attributes:
        mark: Sent to OpenAI with the batch, to find it again.
        source: The source that is asked.
        keys: The samples that are drawn, in the order of their requests.
        worst: What they cost at most.
        batch_id: What OpenAI calls it; None while that is not known.
        asked: Digest of the requests, so that a changed menu does not take it up.
    """

    mark: str
    source: str
    keys: list[SampleKey]
    worst: float
    batch_id: str | None = None
    asked: str | None = None

    @staticmethod
    def beside(samples: Path) -> Path:
        """Where the job of a samples file stands."""
        return samples.with_name(f"{samples.name}.batch")

    @classmethod
    def read(cls, path: Path) -> "BatchJob | None":
        """The job that an earlier run left; None without one.

        Raises:
            OutcomesError: The file cannot be read.
        """
        if not path.exists():
            return None
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**fields, "keys": [SampleKey(*key) for key in fields["keys"]]})
        except (ValueError, TypeError, KeyError) as error:
            raise OutcomesError(f"does not describe a batch in progress: {error}", file=path) from error

    def write(self, path: Path) -> None:
        """Write the job, whole or not at all."""
        with replaced_whole(path) as part:
            part.write_text(json.dumps(vars(self)), encoding="utf-8")


@dataclass
class Batches:
    """Draws the missing samples in batches, one after another.

    Args:
        menu: The sources; each a model behind `langchain_openai`.
        connections: Their clients.
        file: The samples file.
        cap: The most that all may cost.
        questions: What is asked, by id.
        add: Adds a row to the file, and counts it.
        grading: Finds answers and scores them.
        poll_seconds: How often to ask whether a batch has ended.

    Raises:
        MenuError: A source cannot be asked in batches, or a referee grades.
    """

    menu: Menu
    connections: Connections
    file: SampleFile
    cap: Cap
    questions: Mapping[str, Question]
    add: Callable[[SampleKey, Row, Attempts], None]
    grading: Grading
    poll_seconds: float
    _failures: dict[SampleKey, int] = field(default_factory=dict)
    _before: dict[SampleKey, Attempts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.menu.grader, Referee):
            raise MenuError("a batch cannot ask a referee; grade with a function, or collect without --batch")
        for name in self.menu.sampled:
            model = self.connections.sources[name].runnable
            if not hasattr(model, "root_async_client") or not hasattr(model, "_get_request_payload"):
                raise MenuError(f"source {name!r} cannot be asked in batches: that takes an OpenAI model")
        self._path = BatchJob.beside(self.file.path)

    async def run(self, todo: Sequence[WorkItem]) -> bool:
        """Draw all missing samples; False if the cap has no room for some.

        Raises:
            MenuError: The Batch API cannot be asked, or does not accept a batch.
            OutcomesError: A batch under way asks for something else than is asked for now.
            BudgetExceededError: A batch cost more than its worst case.
        """
        from openai import OpenAIError

        try:
            return await self._run(todo)
        except OpenAIError as error:
            raise MenuError(
                f"the Batch API cannot be asked: {error}; a batch under way is taken up by the next run"
            ) from error

    async def _run(self, todo: Sequence[WorkItem]) -> bool:
        missing: dict[str, list[SampleKey]] = {name: [] for name in self.menu.sampled}
        for item in todo:
            for sample in item.samples:
                key = SampleKey(item.question.question_id, item.source, sample)
                missing[item.source].append(key)
                if sample in item.before:
                    self._before[key] = item.before[sample]
        job = BatchJob.read(self._path)
        if job is not None:
            self._check_asked(job, missing)
            self.cap.hold(job.worst)
            missing[job.source] = await self._finish(job, missing[job.source])
        for name in missing:
            while missing[name]:
                job = self._job(name, missing[name])
                if job is None:
                    return False
                job.write(self._path)
                missing[name] = await self._finish(job, missing[name])
        return True

    def _check_asked(self, job: BatchJob, missing: Mapping[str, Sequence[SampleKey]]) -> None:
        """Refuse a batch that was started with other questions, prompts or settings."""
        wanted = set(missing.get(job.source, ()))
        for key, row in self.file.rows():
            if row.get("batch") is not None and row["batch"] == job.batch_id:
                wanted.add(key)
        known = all(key.question_id in self.questions for key in job.keys)
        same = known and job.asked in (None, self._asked(job.source, job.keys))
        if not same or not wanted.issuperset(job.keys):
            raise OutcomesError(
                f"its batch asks source {job.source!r} for other samples, or in another way; collect as it "
                "was started (questions, menu, --retry-failed), or give the batch up by deleting this file",
                file=self._path,
            )

    def _asked(self, source: str, keys: Sequence[SampleKey]) -> str:
        digest = hashlib.sha256()
        for key in keys:
            digest.update(self.menu.prompt_sha(source, self.questions[key.question_id].question).encode())
        return digest.hexdigest()[:16]

    def _job(self, name: str, keys: Sequence[SampleKey]) -> BatchJob | None:
        """A job of as many requests as the cap and OpenAI allow; None if that is none."""
        worst, taken = 0.0, list[SampleKey]()
        for key in keys[:MOST_REQUESTS]:
            cost = self._worst(key)
            if not self.cap.reserve(cost):
                break
            worst += cost
            taken.append(key)
        return BatchJob(uuid4().hex, name, taken, worst, asked=self._asked(name, taken)) if taken else None

    async def _finish(self, job: BatchJob, wanted: Sequence[SampleKey]) -> list[SampleKey]:
        """Wait for a batch and add its rows; those of `wanted` that are still to be drawn."""
        client = self._source(job.source).runnable.root_async_client  # type: ignore[attr-defined]
        batch = await self._started(job, client)
        client = client.with_options(max_retries=_PATIENCE)
        while batch.status not in _ENDED:
            await asyncio.sleep(self.poll_seconds)
            batch = await client.batches.retrieve(job.batch_id)
        if batch.status == "failed":
            self._path.unlink()
            raise MenuError(f"the batch was not accepted: {_reasons(batch)}")
        left, costs = dict.fromkeys(wanted), 0.0
        for file_id in (batch.output_file_id, batch.error_file_id):
            lines = (await client.files.content(file_id)).text.splitlines() if file_id else ()
            for line in lines:
                result = json.loads(line)
                key = job.keys[int(result["custom_id"])]
                row = await self._row(key, result, job)
                if row is not None and key in left:
                    before = self._before.get(key, Attempts())
                    costs += paid_for(row) - before.cost
                    self.add(key, row, before)
                    del left[key]
        await asyncio.to_thread(self.file.sync)
        self.cap.settle(job.worst, costs)
        self._path.unlink()
        if self.cap.breach is not None:
            raise self.cap.breach
        return list(left)

    async def _started(self, job: BatchJob, client: Any) -> Any:
        """The batch: one that an earlier run started is found by its mark, and not paid for twice."""
        if job.batch_id is None:
            async for batch in client.batches.list(limit=100):
                if (batch.metadata or {}).get(_MARK) == job.mark:
                    job.batch_id = batch.id
                    break
        if job.batch_id is not None:
            job.write(self._path)
            return await client.batches.retrieve(job.batch_id)
        lines = "".join(json.dumps(request) + "\n" for request in self._requests(job))
        uploaded = await client.files.create(file=("batch.jsonl", lines.encode()), purpose="batch")
        batch = await client.batches.create(
            input_file_id=uploaded.id,
            endpoint=_ENDPOINT,
            completion_window="24h",
            metadata={_MARK: job.mark},
        )
        job.batch_id = batch.id
        job.write(self._path)
        return batch

    def _requests(self, job: BatchJob) -> Iterator[dict[str, Any]]:
        source = self._source(job.source)
        settings = dict(source.settings)
        if source.max_tokens is not None:
            settings.setdefault("max_tokens", source.max_tokens)
        for number, key in enumerate(job.keys):
            messages = source.messages([HumanMessage(self.questions[key.question_id].question)])
            body = source.runnable._get_request_payload(messages, **settings)  # type: ignore[attr-defined]
            body.pop("stream", None)
            yield {"custom_id": str(number), "method": "POST", "url": _ENDPOINT, "body": body}

    async def _row(self, key: SampleKey, result: Mapping[str, Any], job: BatchJob) -> Row | None:
        """The row of a result; None if another attempt is worth it."""
        response, attempt = result.get("response") or {}, self._failures.get(key, 0) + 1
        status = response.get("status_code")
        if status == 200:
            status = error_status(response.get("body") or {}) or 200
        if status == 200:
            model = self._source(job.source).runnable
            (generation,) = model._create_chat_result(response["body"]).generations  # type: ignore[attr-defined]
            reply = self._billed(key, generation.message)
        else:
            reason = result.get("error") or response.get("body")
            passing = status is None or status in _PASSING or status >= 500
            self._failures[key] = attempt
            if passing and attempt < self.menu.retries.attempts:
                return None
            reply = Reply(None, MenuError(f"status {status}: {json.dumps(reason)}"), 0.0, 0.0)
        question, before = self.questions[key.question_id], self._before.get(key, Attempts())
        found = await self.grading.answer(reply, question, key.source)
        grade = await self.grading.score(found, question.gold)
        shared = shared_prompt(self._source(job.source), self.menu.meter_of(job.source), reply)
        drawn = Drawn(reply, before.after(reply, attempt), *shared)
        row = row_of(key, question, drawn, grade, self.menu)
        del row["seconds"]
        discount = reply.cost * (1.0 - batch_share(self.menu.cost_unit))
        return {**row, "batch": job.batch_id, **({"batch_discount": discount} if discount else {})}

    def _billed(self, key: SampleKey, message: AIMessage) -> Reply:
        """A reply at the cost of a call, which is its worst case if its usage is missing or impossible."""
        meter = self.menu.meter_of(key.source)
        worst = self._worst(key) / batch_share(self.menu.cost_unit)
        try:
            cost, estimated = cost_or_worst(meter, message, 0.0, lambda: worst)
        except UnpricedUsageError:
            cost, estimated = worst, True
        return Reply(message, None, cost, 0.0, estimated)

    def _worst(self, key: SampleKey) -> float:
        source = self._source(key.source)
        question = HumanMessage(self.questions[key.question_id].question)
        messages = source.billable_messages([question])
        worst = self.menu.meter_of(key.source).worst_cost(messages, source.most_tokens)
        return worst * batch_share(self.menu.cost_unit)

    def _source(self, name: str) -> Source:
        return self.connections.sources[name]


def batch_share(cost_unit: str) -> float:
    """The share of the cost of single calls that a batch costs: half the dollars, all tokens.

    Example:
        >>> batch_share("usd"), batch_share("tokens")
        (0.5, 1.0)
    """
    return 0.5 if cost_unit == "usd" else 1.0


def _reasons(batch: Any) -> str:
    errors = batch.errors.data if batch.errors else []
    return "; ".join(str(error.message) for error in errors or []) or "OpenAI names no reason"
