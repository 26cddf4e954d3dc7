"""Makes the calls of one question, and keeps its bill."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from math import isfinite
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import RunnableBinding, RunnableConfig
from langchain_core.runnables.config import ContextThreadPoolExecutor, merge_configs

from adaptive_reasoner.calls import (
    EmptyReplyError,
    LostReplyError,
    Reach,
    Reply,
    Request,
    Source,
    directly,
    from_cache,
    is_unreachable,
    refused,
    room_in,
    status_of,
    was_never_sent,
)
from adaptive_reasoner.costs import Meter, cost_or_worst, prompt_cost
from adaptive_reasoner.dialects import open_to_thinking, spelled, thinking_tokens
from adaptive_reasoner.endings import finish_reason, names_reason
from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.request_bound import bounded

_HIDDEN_FROM_STREAMS = "nostream"  # langgraph.constants.TAG_NOSTREAM, without importing langgraph


class Caller:
    """Makes the calls of one question, and keeps its bill.

    Args:
        source: How to call where a request does not say.
        meter: What calls cost.
        config: Callbacks, tags and `max_concurrency` of the surrounding run.
        settings: Call-time arguments of every call but a judge's; a source's give way to them, a strategy's
            do not.
        reach: How a source's model is reached.
        on_reply: Told of every reply as it is booked.

    Attributes:
        bill: All calls so far.
        rounds: Waves so far, each waited for before the next.
    """

    def __init__(
        self,
        source: Source,
        meter: Meter,
        config: RunnableConfig | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        reach: Reach = directly,
        on_reply: Callable[[Reply], None] | None = None,
    ) -> None:
        self.source, self.meter, self.config = source, meter, config or RunnableConfig()
        self.settings, self.reach, self.on_reply = settings or {}, reach, on_reply
        self.bill: list[Reply] = []
        self.rounds = 0

    @property
    def cost(self) -> float:
        """Everything that was started, also what failed or was cancelled."""
        return sum(reply.cost for reply in self.bill)

    def wave(self, requests: Sequence[Request]) -> list[Reply]:
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

    async def awave(self, requests: Sequence[Request]) -> list[Reply]:
        """Like `wave`, as tasks; a cancellation cancels them all and bills those that had started."""
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
    def _streamed(self, request: Request) -> Iterator[tuple["_Call", list[AIMessageChunk]]]:
        (call,), chunks = self._calls([request]), list[AIMessageChunk]()
        result: _Result = LostReplyError("the stream was left before its end")
        try:
            yield call, chunks
            result = [_joined(chunks)]
        except BaseException as error:
            result = error
            raise
        finally:
            self._book([call], [result])

    def _calls(self, requests: Sequence[Request]) -> "list[_Call]":
        """The calls that make a wave; requests that are one object share calls where the source allows."""
        self.rounds += 1
        calls = []
        for _, same in itertools.groupby(requests, key=id):
            wanted = list(same)
            source = self._source(wanted[0])
            at_once = source.samples_per_request if wanted[0].competes and self.reach is directly else 1
            calls += [
                _Call(wanted[0], source, min(at_once, len(wanted) - first), at_once, self)
                for first in range(0, len(wanted), at_once)
            ]
        return calls

    def _source(self, request: Request) -> Source:
        source = request.source or self.source
        if request.model is not None:
            source = replace(source, model=request.model)
        if request.thinking is not None:
            model = open_to_thinking(source.runnable)
            source = source if model is source.runnable else replace(source, model=model)
        return source

    def _concurrency(self, calls: "Sequence[_Call]") -> int:
        return self.config.get("max_concurrency") or max(1, len(calls))

    def _book(self, calls: "Sequence[_Call]", results: "Sequence[_Result]") -> list[Reply]:
        padded = [*results, *[_interrupted()] * (len(calls) - len(results))]
        replies = [
            reply
            for call, result in zip(calls, padded, strict=True)
            if call.started
            for reply in call.replies(result)
        ]
        self.bill += replies
        for reply in replies:
            if self.on_reply is not None:
                self.on_reply(reply)
        for reply in replies:
            if isinstance(reply.error, UnpricedUsageError):
                raise reply.error
        return replies


_Result = list[AIMessage] | BaseException


class _Call:
    """One call under way, for one sample or for several."""

    def __init__(self, request: Request, source: Source, samples: int, at_once: int, caller: Caller) -> None:
        self._meter, self._samples, self._at_once = caller.meter, samples, at_once
        self._model = caller.reach(source, request)
        self._source, self._request = source, request
        self._messages = source.messages(request.messages)
        self._timeout, self._deadline = source.timeout, time.monotonic() + request.timeout
        around = {} if request.apart else caller.settings
        settings = {**source.settings, **around, **request.settings}
        thinking = 0 if request.thinking is None else thinking_tokens(request.thinking)
        if source.max_tokens is not None:
            settings.setdefault("max_tokens", source.max_tokens + thinking)
        declared = room_in(settings) or source.declared_tokens
        self._most_tokens = declared or source.most_tokens + thinking
        self._settings = spelled(source.runnable, settings, thinking=request.thinking, samples=samples)
        self._config = caller.config
        if request.competes:
            self._config = merge_configs(caller.config, {"tags": [_HIDDEN_FROM_STREAMS]})
        if samples > 1:
            self._generator()  # refuses what draws one sample a call, before any is made
        self.started = False
        self._seconds = 0.0

    def invoke(self) -> list[AIMessage]:
        self._seconds_allowed()
        with self._timed():
            if self._samples == 1:
                return self._checked(self._model.invoke(self._messages, self._config, **self._settings))
            model, settings = self._generator()
            return _first_counts(model.generate([list(self._messages)], **settings).generations[0])

    async def ainvoke(self, slots: asyncio.Semaphore) -> list[AIMessage]:
        async with slots:
            limit = self._seconds_allowed()
            with self._timed():
                async with _within(limit):
                    if self._samples == 1:
                        reply = await self._model.ainvoke(self._messages, self._config, **self._settings)
                        return self._checked(reply)
                    model, settings = self._generator()
                    result = await model.agenerate([list(self._messages)], **settings)
                    return _first_counts(result.generations[0])

    def stream(self) -> Iterator[AIMessageChunk]:
        with self._timed():
            yield from self._model.stream(self._messages, self._config, **self._settings)

    async def astream(self) -> AsyncIterator[AIMessageChunk]:
        limit = self._seconds_allowed()
        with self._timed():
            async with _within(limit):
                async for chunk in self._model.astream(self._messages, self._config, **self._settings):
                    yield chunk

    def replies(self, result: _Result) -> list[Reply]:
        """Priced: what was used, nothing if refused, the worst case if lost; samples of one call share it."""
        if isinstance(result, BaseException):
            return self._shared(
                [None] * self._samples, [result] * self._samples, *self._cost_of_error(result)
            )
        defects = [_defect(message) for message in result]
        messages = [None if defect else message for message, defect in zip(result, defects, strict=True)]
        if all(defects) and not result[0].usage_metadata:
            return self._shared(messages, defects, self._lost_cost, estimated=True)
        try:
            cost, estimated = (0.0, False) if from_cache(result[0]) else self._cost(result[0])
        except UnpricedUsageError as error:
            return self._shared([None], [error], self._lost_cost, estimated=True)
        shares = cost and self._at_once > 1 and not estimated
        prompt = prompt_cost(self._meter, result[0], self._seconds) if shares else 0.0
        return self._shared(messages, defects, cost, estimated, prompt)

    def _shared(
        self,
        messages: Sequence[AIMessage | None],
        errors: Sequence[BaseException | None],
        cost: float,
        estimated: bool,
        prompt: float = 0.0,
    ) -> list[Reply]:
        brought = len(messages)
        return [
            Reply(message, error, cost / brought, self._seconds, estimated, brought, self._at_once, prompt)
            for message, error in zip(messages, errors, strict=True)
        ]

    def _cost_of_error(self, error: BaseException) -> tuple[float, bool]:
        """What a failed call cost, and whether that is an estimate."""
        if status_of(error) is not None or is_unreachable(error):
            return 0.0, False
        if was_never_sent(error, self._settings):
            return 0.0, False
        arrived = getattr(error, "ai_message", None)  # structured output that did not parse
        if isinstance(arrived, AIMessage) and arrived.usage_metadata:
            with suppress(UnpricedUsageError):
                return self._cost(arrived)
        return self._lost_cost, True

    def _cost(self, message: AIMessage) -> tuple[float, bool]:
        """What a reply cost, and whether that is an estimate."""
        return cost_or_worst(self._meter, message, self._seconds, lambda: self._lost_cost)

    @property
    def _worst_cost(self) -> float:
        """The most that the call can cost: infinite where its prompt holds what cannot be bounded."""
        billed = self._source.billed(self._request.messages, self._settings)
        return self._meter.worst_cost(billed, self._samples * self._most_tokens)

    @property
    def _lost_cost(self) -> float:
        """What the call is billed at where its reply is lost: its worst case, as far as it has one."""
        worst = self._worst_cost
        if isfinite(worst):
            return worst
        billed = bounded(self._source.billed(self._request.messages, self._settings))
        return self._meter.worst_cost(billed, self._samples * self._most_tokens)

    def _seconds_allowed(self) -> float | None:
        """How long the call may take from now; one that waited for its turn too long is not started."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline passed before the call could start")
        limit = min(self._timeout, left)
        return limit if isfinite(limit) else None

    def _generator(self) -> tuple[BaseChatModel, dict[str, Any]]:
        """The chat model itself, and what its `generate` takes: only that returns several replies."""
        model, settings = self._model, dict(self._settings)
        while isinstance(model, RunnableBinding):
            settings = {**model.kwargs, **settings}
            model = model.bound
        if not isinstance(model, BaseChatModel):
            raise TypeError(f"{type(model).__name__} is no chat model; leave samples_per_request at 1")
        return model, {
            **settings,
            "callbacks": self._config.get("callbacks"),
            "tags": self._config.get("tags"),
            "metadata": self._config.get("metadata"),
        }

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self.started, begin = True, time.perf_counter()
        try:
            yield
        finally:
            self._seconds = time.perf_counter() - begin

    @staticmethod
    def _checked(result: object) -> list[AIMessage]:
        if not isinstance(result, AIMessage):
            raise TypeError(
                f"a source calls a chat model, which returns an AIMessage, not {type(result).__name__}"
            )
        return [result]


@asynccontextmanager
async def _within(seconds: float | None) -> AsyncIterator[None]:
    """Give up after so many seconds, and say so: asyncio's own error says nothing."""
    try:
        async with asyncio.timeout(seconds) as clock:
            yield
    except TimeoutError as error:
        if not clock.expired():
            raise
        raise TimeoutError(f"there was no reply within {seconds:.3g} seconds") from error


def _outcome(call: "Future[list[AIMessage]] | asyncio.Future[list[AIMessage]]") -> _Result:
    """What came of a call: one that had ended before the others were cancelled keeps its reply."""
    if not call.done() or call.cancelled():
        return _interrupted()
    return call.exception() or call.result()


def _interrupted() -> LostReplyError:
    return LostReplyError("interrupted before the reply was there")


def _first_counts(generations: Sequence[Generation]) -> list[AIMessage]:
    """The messages of one request. Each reports the usage of all: the first keeps it, the others lose it."""
    messages = [generation.message for generation in generations if isinstance(generation, ChatGeneration)]
    first, *others = [message for message in messages if isinstance(message, AIMessage)]
    return [first, *(message.model_copy(update={"usage_metadata": None}) for message in others)]


def _defect(message: AIMessage) -> LostReplyError | None:
    """Why a reply cannot be used: empty, or cut off, since its provider always names a reason to stop."""
    if not message.text.strip() and not message.tool_calls and not refused(message):
        return EmptyReplyError("the reply is empty")
    if names_reason(message) and not finish_reason(message):
        return LostReplyError("the reply was cut off: it has no finish reason")
    return None


def _joined(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    """The message that chunks add up to."""
    if not chunks:
        raise LostReplyError("the stream ended before it began")
    whole = chunks[0] if len(chunks) == 1 else chunks[0] + list(chunks[1:])
    message = message_chunk_to_message(whole)
    assert isinstance(message, AIMessage)
    return message
