"""Makes the calls of one question, and keeps its bill."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ContextThreadPoolExecutor

from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.models.call import Call, Result, interrupted, joined
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.models.providers import open_to_thinking
from adaptive_reasoner.models.replies import LostReplyError, Reply
from adaptive_reasoner.models.source import ModelResolver, Request, Source, default_resolver


class Bound(NamedTuple):
    """The most that a wave of calls can cost; an estimate where nobody `declared` the length of a reply."""

    cost: float
    declared: bool


class CallExecutor:
    """Makes the calls of one question, and keeps its bill.

    Args:
        source: How to call where a request does not say.
        meter: What calls cost.
        config: Callbacks, tags and `max_concurrency` of the surrounding run.
        settings: Call-time arguments of every call but a judge's; a source's give way to them, a strategy's
            do not.
        resolve_model: How a source's model is reached.
        on_reply: Told of every reply as it is booked.
        hold_more: Called before a call is made again, as by a retry, with how much more all attempts can cost
            than one; where it raises, the attempt is not made.
        payer: The ledger that the bill is charged to, for others who see the calls.

    Attributes:
        bill: All calls so far.
        rounds: Waves so far, each waited for before the next.
        temperatures: At which samples of votes were drawn; None for one that nobody set.
    """

    def __init__(
        self,
        source: Source,
        meter: Meter,
        config: RunnableConfig | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        resolve_model: ModelResolver = default_resolver,
        on_reply: Callable[[Reply], None] | None = None,
        hold_more: Callable[[float], None] = lambda _: None,
        payer: Any = None,
    ) -> None:
        self.source, self.meter, self.config = source, meter, config or RunnableConfig()
        self.settings, self.resolve_model, self.on_reply = settings or {}, resolve_model, on_reply
        self.hold_more, self.payer = hold_more, payer
        self.bill: list[Reply] = []
        self.rounds = 0
        self.temperatures: set[float | None] = set()

    @property
    def cost(self) -> float:
        """Everything that was started, also what failed or was cancelled."""
        return sum(reply.cost for reply in self.bill)

    def bound(self, requests: Sequence[Request]) -> Bound:
        """The most that the calls of a wave can cost, known before they are made."""
        bounds: dict[tuple[int, int], tuple[float, bool]] = {}
        total, declared = 0.0, True
        for request, source, samples, at_once in self._planned(requests):
            alike = id(request), samples
            if alike not in bounds:
                call = Call(request, source, samples, at_once, self)
                bounds[alike] = call.worst_cost, call.declared
            total, declared = total + bounds[alike][0], declared and bounds[alike][1]
        return Bound(total, declared)

    def refuse(self, requests: Sequence[Request], error: Exception) -> list[Reply]:
        """Book calls that are not made, as the ledger does not hold what they could cost."""
        return self._booked([Reply(None, error, 0.0, 0.0, auxiliary=each.auxiliary) for each in requests])

    def run_round(self, requests: Sequence[Request]) -> list[Reply]:
        """Make the calls side by side, in threads; what fails comes back as a reply with its error.

        Raises:
            UnpricedUsageError: A reply arrived whose cost cannot be known.
        """
        calls = self._calls(requests)
        futures: list[Future[list[AIMessage]]] = []
        try:
            with ContextThreadPoolExecutor(self._concurrency(calls)) as pool:
                futures += [pool.submit(call.invoke) for call in calls]
        finally:
            replies = self._book(calls, [_outcome(future) for future in futures])
        return replies

    async def arun_round(self, requests: Sequence[Request]) -> list[Reply]:
        """Like `run_round`, as tasks; a cancellation cancels them all and bills those that had started."""
        calls = self._calls(requests)
        slots = asyncio.Semaphore(self._concurrency(calls))
        tasks = [asyncio.ensure_future(call.ainvoke(slots)) for call in calls]
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            replies = self._book(calls, [_outcome(task) for task in tasks])
        return replies

    def stream(self, request: Request) -> Generator[AIMessageChunk, None, None]:
        """Make one call and pass on its chunks as they come; what they add up to is booked after the last.

        A stream that nobody reads to its end is a call whose reply is lost.

        Raises:
            UnpricedUsageError: The reply arrived whole, and its cost cannot be known.
            Exception: What the model raised: a reply that has begun cannot be taken back.
        """
        with self._streamed(request) as (call, chunks):
            for chunk in call.stream():
                chunks.append(chunk)
                yield chunk

    async def astream(self, request: Request) -> AsyncGenerator[AIMessageChunk, None]:
        """Like `stream`, without blocking the loop."""
        with self._streamed(request) as (call, chunks):
            async for chunk in call.astream():
                chunks.append(chunk)
                yield chunk

    @contextmanager
    def _streamed(self, request: Request) -> Iterator[tuple["Call", list[AIMessageChunk]]]:
        (call,), chunks = self._calls([request]), list[AIMessageChunk]()
        result: Result = LostReplyError("the stream was left before its end")
        try:
            yield call, chunks
            result = [joined(chunks)]
        except BaseException as error:
            result = error
            raise
        finally:
            self._book([call], [result])

    def _calls(self, requests: Sequence[Request]) -> "list[Call]":
        """The calls that make a wave; requests that are one object share calls where the source allows."""
        planned = list(self._planned(requests))
        self.temperatures |= {
            source.temperature({**self.settings, **request.settings})
            for request, source, *_ in planned
            if request.hidden_sample and not request.auxiliary
        }
        return [Call(*each, self) for each in planned]

    def _planned(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Source, int, int]]:
        """Request, source, samples and most samples of each call."""
        for _, same in itertools.groupby(requests, key=id):
            wanted = list(same)
            source = self._source(wanted[0])
            at_once = (
                source.samples_per_request
                if wanted[0].hidden_sample and self.resolve_model is default_resolver
                else 1
            )
            for first in range(0, len(wanted), at_once):
                yield wanted[0], source, min(at_once, len(wanted) - first), at_once

    def _source(self, request: Request) -> Source:
        source = request.source or self.source
        if request.model is not None:
            source = replace(source, model=request.model)
        if request.thinking is not None:
            model = open_to_thinking(source.runnable)
            source = source if model is source.runnable else replace(source, model=model)
        return source

    def _concurrency(self, calls: "Sequence[Call]") -> int:
        return self.config.get("max_concurrency") or max(1, len(calls))

    def _book(self, calls: "Sequence[Call]", results: "Sequence[Result]") -> list[Reply]:
        padded = [*results, *[interrupted()] * (len(calls) - len(results))]
        started = [(call, result) for call, result in zip(calls, padded, strict=True) if call.started]
        replies = [reply for call, result in started for reply in call.replies(result)]
        unused = [reply for call, _ in started for reply in call.unused()]
        self.rounds += 1
        return self._booked(replies, unused)

    def _booked(self, replies: list[Reply], unused: Sequence[Reply] = ()) -> list[Reply]:
        self.bill += [*unused, *replies]
        for reply in [*unused, *replies]:
            if self.on_reply is not None:
                self.on_reply(reply)
        for reply in replies:
            if isinstance(reply.error, UnpricedUsageError):
                raise reply.error
        return replies


def _outcome(call: "Future[list[AIMessage]] | asyncio.Future[list[AIMessage]]") -> Result:
    """What came of a call: one that had ended before the others were cancelled keeps its reply."""
    if not call.done() or call.cancelled():
        return interrupted()
    return call.exception() or call.result()
