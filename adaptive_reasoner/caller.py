"""Makes the calls of one question, and keeps its bill."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import isfinite
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ContextThreadPoolExecutor, merge_configs

from adaptive_reasoner.answers import finish_reason
from adaptive_reasoner.at_once import AllAtOnce
from adaptive_reasoner.calls import (
    ChatModel,
    EmptyReplyError,
    LostReplyError,
    MalformedToolCallError,
    Reach,
    Reply,
    Request,
    Source,
    directly,
    from_cache,
    is_unreachable,
    joined,
    refused,
    room_in,
    status_of,
    within,
)
from adaptive_reasoner.costs import UNDECLARED_MAX_TOKENS, Meter, prompt_cost
from adaptive_reasoner.dialects import spelled, thinking_tokens
from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.observed import ModelCall, ModelCalls
from adaptive_reasoner.wrapped import main_model, mapped

_NAME_A_REASON = frozenset({"openai", "google_genai", "groq", "deepseek", "xai"})
"""Providers of which every whole reply says why it ended; OpenAI's Responses call it a status."""

_HIDDEN_FROM_STREAMS = "nostream"  # langgraph.constants.TAG_NOSTREAM, without importing langgraph


class Bound(NamedTuple):
    """The most that a wave of calls can cost; an estimate where nobody `declared` the length of a reply."""

    cost: float
    declared: bool


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

    def bound(self, requests: Sequence[Request]) -> Bound:
        """The most that the calls of a wave can cost, known before they are made."""
        bounds: dict[tuple[int, int], tuple[float, bool]] = {}
        total, declared = 0.0, True
        for request, source, samples, at_once in self._planned(requests):
            alike = id(request), samples
            if alike not in bounds:
                call = _Call(request, source, samples, at_once, self)
                bounds[alike] = call.worst_cost, call.declared
            total, declared = total + bounds[alike][0], declared and bounds[alike][1]
        return Bound(total, declared)

    def refuse(self, requests: Sequence[Request], error: Exception) -> list[Reply]:
        """Book calls that are not made, as the ledger does not hold what they could cost."""
        return self._booked([Reply(None, error, 0.0, 0.0)] * len(requests))

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
            result = [joined(chunks)]
        except BaseException as error:
            result = error
            raise
        finally:
            self._book([call], [result])

    def _calls(self, requests: Sequence[Request]) -> "list[_Call]":
        """The calls that make a wave; requests that are one object share calls where the source allows."""
        return [_Call(*planned, self) for planned in self._planned(requests)]

    def _planned(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Source, int, int]]:
        """Request, source, samples and most samples of each call."""
        for _, same in itertools.groupby(requests, key=id):
            wanted = list(same)
            source = self._source(wanted[0])
            at_once = source.samples_per_request if wanted[0].competes and self.reach is directly else 1
            for first in range(0, len(wanted), at_once):
                yield wanted[0], source, min(at_once, len(wanted) - first), at_once

    def _source(self, request: Request) -> Source:
        source = request.source or self.source
        return source if request.model is None else replace(source, model=request.model)

    def _concurrency(self, calls: "Sequence[_Call]") -> int:
        return self.config.get("max_concurrency") or max(1, len(calls))

    def _book(self, calls: "Sequence[_Call]", results: "Sequence[_Result]") -> list[Reply]:
        padded = [*results, *[_interrupted()] * (len(calls) - len(results))]
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


_Result = list[AIMessage] | BaseException


class _Call:
    """One call under way, for one sample or for several."""

    def __init__(self, request: Request, source: Source, samples: int, at_once: int, caller: Caller) -> None:
        self._meter, self._samples, self._at_once = caller.meter, samples, at_once
        self._source, self._request = source, request
        self._messages = source.messages(request.messages)
        self._timeout, self._deadline = source.timeout, time.monotonic() + request.timeout
        around = {} if request.apart else caller.settings
        settings = {**source.settings, **around, **request.settings}
        thinking = 0 if request.thinking is None else thinking_tokens(request.thinking)
        if source.max_tokens is not None:
            settings.setdefault("max_tokens", source.max_tokens + thinking)
        self._declared_tokens = room_in(settings) or source.declared_tokens
        self._most_tokens = self._declared_tokens or source.most_tokens + thinking
        self._settings = spelled(source.runnable, settings, thinking=request.thinking, samples=samples)
        self._config = caller.config
        if request.competes:
            self._config = merge_configs(caller.config, {"tags": [_HIDDEN_FROM_STREAMS]})
        at_most = request if caller.reach is directly else replace(request, worst=self.worst_cost)
        self._model = caller.reach(source, at_most)
        self.started = False
        self._seconds = 0.0
        self._observed = ModelCalls()
        self._counted: ModelCall | None = None

    def invoke(self) -> list[AIMessage]:
        self._seconds_allowed()
        with self._timed(), self._observed.observing():
            return self._checked(self._sampling().invoke(self._messages, self._config, **self._settings))

    async def ainvoke(self, slots: asyncio.Semaphore) -> list[AIMessage]:
        async with slots:
            limit = self._seconds_allowed()
            with self._timed(), self._observed.observing():
                async with within(limit):
                    model = self._sampling()
                    return self._checked(await model.ainvoke(self._messages, self._config, **self._settings))

    def stream(self) -> Iterator[AIMessageChunk]:
        with self._timed():
            yield from self._model.stream(self._messages, self._observed_config(), **self._settings)

    async def astream(self) -> AsyncIterator[AIMessageChunk]:
        limit = self._seconds_allowed()
        with self._timed():
            async with within(limit):
                config = self._observed_config()
                async for chunk in self._model.astream(self._messages, config, **self._settings):
                    yield chunk

    def _observed_config(self) -> RunnableConfig:
        return merge_configs(self._config, {"callbacks": [self._observed]})

    def replies(self, result: _Result) -> list[Reply]:
        """Priced: what was used, nothing if refused, the worst case if lost; samples of one call share it."""
        self._counted = last = next(reversed(self._observed.made), None)
        if isinstance(result, BaseException):
            failed = [result] * self._samples
            return self._shared([None] * self._samples, failed, *self._cost_of(last, result))
        brought = self._observed.bringing(result[0])
        if last is not None and brought is None:  # what stands around the model has answered in its place
            error = last.error or _interrupted()
            return self._shared(result, [error] * len(result), *self._cost_of(last, error))
        defects, billed, seconds = [_defect(message) for message in result], result[0], self._seconds
        if brought is not None and brought.message is not None:  # whose usage a middleware may have taken off
            self._counted, billed, seconds = brought, brought.message, brought.seconds
        try:
            cost = 0.0 if from_cache(billed) else self._meter.cost(billed, seconds)
        except UnpricedUsageError as error:
            lost = defects if all(defects) else [error]
            return self._shared([None] * len(lost), lost, self.worst_cost, estimated=True)
        shares = cost and self._at_once > 1
        prompt = prompt_cost(self._meter, billed, seconds) if shares else 0.0
        return self._shared(result, defects, cost, estimated=False, prompt=prompt)

    def unused(self) -> list[Reply]:
        """What else was called for it, priced as well: attempts before a retry or a fallback."""
        further = [call for call in self._observed.made if call is not self._counted]
        return [
            Reply(call.message, error, cost, call.seconds, estimated)
            for call in further
            for error in [call.error or (None if call.message else _interrupted())]
            for cost, estimated in [self._cost_of(call, error)]
        ]

    def _shared(
        self,
        messages: Sequence[AIMessage | None],
        errors: Sequence[BaseException | None],
        cost: float,
        estimated: bool,
        prompt: float = 0.0,
    ) -> list[Reply]:
        brought = len(messages)
        alike = cost / brought, self._seconds, estimated, brought, self._at_once, prompt
        return [
            Reply(message, None, *alike) if error is None else Reply(None, error, *alike, faulty=faulty)
            for message, error in zip(messages, errors, strict=True)
            for faulty in [message if not self._request.apart and _whole(message) else None]
        ]

    def _cost_of(self, call: ModelCall | None, error: BaseException | None) -> tuple[float, bool]:
        """What a call cost that failed, or whose reply was not used, and whether that is an estimate."""
        if call is not None and call.message is not None:
            with suppress(UnpricedUsageError):
                return 0.0 if from_cache(call.message) else self._meter.cost(
                    call.message, call.seconds
                ), False
            return self.worst_cost, True
        error = error if call is None or call.error is None else call.error
        if error is not None and (status_of(error) is not None or is_unreachable(error)):
            return 0.0, False
        arrived = getattr(error, "ai_message", None)  # structured output that did not parse
        if isinstance(arrived, AIMessage) and arrived.usage_metadata:
            with suppress(UnpricedUsageError):
                return self._meter.cost(arrived, self._seconds), False
        return self.worst_cost, True

    @property
    def worst_cost(self) -> float:
        """The most that the call can cost."""
        billed = self._source.billed(self._request.messages, self._settings)
        return self._meter.worst_cost(billed, self._samples * self._most_tokens)

    @property
    def declared(self) -> bool:
        """Whether the most tokens of a reply are declared, or the meter does not count them."""
        if self._declared_tokens is not None:
            return True
        shorter, longer = (self._meter.worst_cost([], tokens) for tokens in (1, UNDECLARED_MAX_TOKENS))
        return shorter == longer

    def _seconds_allowed(self) -> float | None:
        """How long the call may take from now; one that waited for its turn too long is not started."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline passed before the call could start")
        limit = min(self._timeout, left)
        return limit if isfinite(limit) else None

    def _sampling(self) -> ChatModel:
        """The model, for as many samples as this call is to bring."""
        if self._samples == 1:
            return self._model
        if not isinstance(main_model(self._model), BaseChatModel):
            raise TypeError(f"{type(self._model).__name__} is no chat model; leave samples_per_request at 1")
        return mapped(self._model, AllAtOnce)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self.started, begin = True, time.perf_counter()
        try:
            yield
        finally:
            self._seconds = time.perf_counter() - begin

    @staticmethod
    def _checked(result: Any) -> list[AIMessage]:
        messages: list[AIMessage] = result if isinstance(result, list) else [result]
        for message in messages:
            if not isinstance(message, AIMessage):
                raise TypeError(
                    f"a source calls a chat model, which returns an AIMessage, not {type(message).__name__}"
                )
        return messages


def _outcome(call: "Future[list[AIMessage]] | asyncio.Future[list[AIMessage]]") -> _Result:
    """What came of a call: one that had ended before the others were cancelled keeps its reply."""
    if not call.done() or call.cancelled():
        return _interrupted()
    return call.exception() or call.result()


def _interrupted() -> LostReplyError:
    return LostReplyError("interrupted before the reply was there")


def _defect(message: AIMessage) -> LostReplyError | None:
    """Why a reply cannot be used: empty, cut off, or with a tool call that cannot be read."""
    called = message.tool_calls or message.invalid_tool_calls
    if not message.text.strip() and not called and not refused(message):
        return EmptyReplyError("the reply is empty")
    if _cut_off(message):
        return LostReplyError("the reply was cut off: it has no finish reason")
    if message.invalid_tool_calls:
        call = message.invalid_tool_calls[0]
        why = call.get("error") or f"its arguments are {call.get('args')!r:.80}"
        return MalformedToolCallError(f"the call of tool {call.get('name')!r} cannot be read: {why}")
    return None


def _cut_off(message: AIMessage) -> bool:
    """Whether a reply broke off: its provider always names a reason to stop, and it has none."""
    named = finish_reason(message) or message.response_metadata.get("status")
    return _names_reason(message) and not named


def _whole(message: AIMessage | None) -> bool:
    """Whether a reply came to its end, and so is what the bare model answers."""
    return message is not None and not _cut_off(message)


def _names_reason(message: AIMessage) -> bool:
    """Whether a whole reply of this make says why it ended."""
    provider = message.response_metadata.get("model_provider")
    if provider == "anthropic":  # in a stream it comes with the usage, which may be switched off
        return bool(message.usage_metadata)
    return "finish_reason" in message.response_metadata or provider in _NAME_A_REASON
