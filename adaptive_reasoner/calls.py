"""Calls to chat models: what is asked, what came back, and the bill of one question."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    message_chunk_to_message,
)
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from langchain_core.runnables.config import ContextThreadPoolExecutor, merge_configs

from adaptive_reasoner.answers import finish_reason
from adaptive_reasoner.costs import UNDECLARED_MAX_TOKENS, Meter
from adaptive_reasoner.errors import UnpricedUsageError

Messages = Sequence[BaseMessage]
ChatModel = Runnable[Any, Any]

_HIDDEN_FROM_STREAMS = "nostream"  # langgraph.constants.TAG_NOSTREAM, without importing langgraph


class LostReplyError(Exception):
    """A call ended without a usable reply."""


class EmptyReplyError(LostReplyError):
    """A reply came, at a known cost, and says nothing."""


@dataclass(frozen=True)
class Source:
    r"""One way to call a model: which model, what is put around the question, with which settings.

    Args:
        model: A chat model (or a binding of one), or a function without arguments that makes it
            at the first call, so that building a graph needs no key and loads no weights.
        prompt: Makes the prompt from the text of the question; without it the messages go as they are.
        settings: Call-time arguments of the model: `temperature`, `stop`, `reasoning_effort`, ...
        max_tokens: The most tokens of a reply; what a lost call is billed at.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> source = Source(FakeListChatModel(responses=["14"]), prompt="Q: {}\nA:".format)
        >>> [message.text for message in source.messages([HumanMessage("5 + 9?")])]
        ['Q: 5 + 9?\nA:']
    """

    model: ChatModel | Callable[[], ChatModel]
    prompt: Callable[[str], str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None

    def messages(self, messages: Messages) -> Messages:
        """What is sent for a conversation."""
        return messages if self.prompt is None else [HumanMessage(self.prompt(question_of(messages)))]

    @cached_property
    def runnable(self) -> ChatModel:
        """The model, made at first use where `model` is a function.

        Where it would leave open whether a streamed reply reports its usage, it is asked to: LangGraph
        streams a call as soon as somebody listens to messages, and an unpriced reply is an error.
        """
        model = self.model if isinstance(self.model, Runnable) else self.model()
        if isinstance(model, BaseChatModel) and getattr(model, "stream_usage", True) is None:
            return model.model_copy(update={"stream_usage": True})
        return model

    @cached_property
    def sampler(self) -> ChatModel:
        """The model for samples that compete: never streamed, never from a cache.

        Streaming loses the usage on many endpoints, and a cache would make all samples the same.
        """
        independent = {"disable_streaming": True, "cache": False}
        model = self.runnable
        if isinstance(model, BaseChatModel):
            return model.model_copy(update=independent)
        if isinstance(model, RunnableBinding) and isinstance(model.bound, BaseChatModel):
            return model.model_copy(update={"bound": model.bound.model_copy(update=independent)})
        return model

    @property
    def most_tokens(self) -> int:
        """The most tokens that a reply can have, as far as anybody declared it."""
        profile = getattr(self.model, "profile", None) or {}
        return self.max_tokens or profile.get("max_output_tokens") or UNDECLARED_MAX_TOKENS


Reach = Callable[[Source, bool], ChatModel]
"""How a source's model is reached; told whether the reply is one of several that compete."""


def directly(source: Source, competes: bool) -> ChatModel:
    """Call the model itself, as a run of its own."""
    return source.sampler if competes else source.runnable


@dataclass(frozen=True)
class Request:
    """A call that a strategy asks for.

    Attributes:
        messages: The conversation.
        source: How to call; None for the source of the reasoner.
        settings: Call-time arguments on top of the source's.
        competes: One of several samples, of which the user sees only the winner.
    """

    messages: Messages
    source: Source | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    competes: bool = False


@dataclass(frozen=True)
class Reply:
    """What came back from a call, and what it cost.

    Attributes:
        message: The reply; None where there is none.
        error: Why there is no usable reply; None where there is one.
        cost: In the meter's unit. A refused call (429, 5xx) costs nothing.
        seconds: From start to end.
        estimated: The reply was lost after the call started, so the cost is its worst case.
    """

    message: AIMessage | None
    error: BaseException | None
    cost: float
    seconds: float
    estimated: bool = False


class Caller:
    """Makes the calls of one question, and keeps its bill.

    Args:
        source: How to call where a request does not say.
        meter: What calls cost.
        config: Callbacks, tags and `max_concurrency` of the surrounding run.
        settings: Call-time arguments of every call; a source's give way to them, a strategy's do not.
        reach: How a source's model is reached.
        on_reply: Told of every reply as it is booked.
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

    @property
    def cost(self) -> float:
        """Everything that was started, also what failed or was cancelled."""
        return sum(reply.cost for reply in self.bill)

    def wave(self, requests: Sequence[Request]) -> list[Reply]:
        """Make the calls side by side, in threads; what fails comes back as a reply with its error.

        Raises:
            UnpricedUsageError: A reply arrived whose cost cannot be known.
        """
        calls = [_Call(request, self) for request in requests]
        results: list[AIMessage | BaseException] = []
        try:
            with ContextThreadPoolExecutor(self._concurrency(calls)) as pool:
                futures = [pool.submit(call.invoke) for call in calls]
                results = [future.exception() or future.result() for future in futures]
        finally:
            replies = self._book(calls, results)
        return replies

    async def awave(self, requests: Sequence[Request]) -> list[Reply]:
        """Like `wave`, as tasks; a cancellation cancels them all and bills those that had started."""
        calls = [_Call(request, self) for request in requests]
        slots = asyncio.Semaphore(self._concurrency(calls))
        results: list[AIMessage | BaseException] = []
        try:
            results = await asyncio.gather(*(call.ainvoke(slots) for call in calls), return_exceptions=True)
        finally:
            replies = self._book(calls, results)
        return replies

    def stream(self, request: Request) -> Iterator[AIMessageChunk]:
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

    async def astream(self, request: Request) -> AsyncIterator[AIMessageChunk]:
        """Like `stream`, without blocking the loop."""
        with self._streamed(request) as (call, chunks):
            async for chunk in call.astream():
                chunks.append(chunk)
                yield chunk

    @contextmanager
    def _streamed(self, request: Request) -> Iterator[tuple["_Call", list[AIMessageChunk]]]:
        call, chunks = _Call(request, self), list[AIMessageChunk]()
        result: AIMessage | BaseException = LostReplyError("the stream was left before its end")
        try:
            yield call, chunks
            result = _joined(chunks)
        except BaseException as error:
            result = error
            raise
        finally:
            self._book([call], [result])

    def _concurrency(self, calls: "Sequence[_Call]") -> int:
        return self.config.get("max_concurrency") or max(1, len(calls))

    def _book(self, calls: "Sequence[_Call]", results: "Sequence[AIMessage | BaseException]") -> list[Reply]:
        interrupted = LostReplyError("interrupted before the reply was there")
        padded = [*results, *[interrupted] * (len(calls) - len(results))]
        replies = [call.reply(result) for call, result in zip(calls, padded, strict=True) if call.started]
        self.bill += replies
        for reply in replies:
            if self.on_reply is not None:
                self.on_reply(reply)
        for reply in replies:
            if isinstance(reply.error, UnpricedUsageError):
                raise reply.error
        return replies


class _Call:
    """One call under way."""

    def __init__(self, request: Request, caller: Caller) -> None:
        source = request.source or caller.source
        self._meter = caller.meter
        self._model = caller.reach(source, request.competes)
        self._messages = source.messages(request.messages)
        self._settings = {**source.settings, **caller.settings, **request.settings}
        if source.max_tokens is not None:
            self._settings.setdefault("max_tokens", source.max_tokens)
        self._most_tokens = self._settings.get("max_tokens") or source.most_tokens
        self._config = caller.config
        if request.competes:
            self._config = merge_configs(caller.config, {"tags": [_HIDDEN_FROM_STREAMS]})
        self.started = False
        self._seconds = 0.0

    def invoke(self) -> AIMessage:
        with self._timed():
            return self._checked(self._model.invoke(self._messages, self._config, **self._settings))

    async def ainvoke(self, slots: asyncio.Semaphore) -> AIMessage:
        async with slots:
            with self._timed():
                return self._checked(
                    await self._model.ainvoke(self._messages, self._config, **self._settings)
                )

    def stream(self) -> Iterator[AIMessageChunk]:
        with self._timed():
            yield from self._model.stream(self._messages, self._config, **self._settings)

    async def astream(self) -> AsyncIterator[AIMessageChunk]:
        with self._timed():
            async for chunk in self._model.astream(self._messages, self._config, **self._settings):
                yield chunk

    def reply(self, result: AIMessage | BaseException) -> Reply:
        """The reply, priced: what it used, nothing if it was refused, and its worst case if it was lost."""
        if isinstance(result, AIMessage):
            defect = _defect(result)
            if defect is None or result.usage_metadata:
                try:
                    cost = self._meter.cost(result, self._seconds)
                except UnpricedUsageError as error:
                    return self._lost(error)
                return Reply(None if defect else result, defect, cost, self._seconds)
            return self._lost(defect)
        if _was_refused(result):
            return Reply(None, result, 0.0, self._seconds)
        arrived = getattr(result, "ai_message", None)  # structured output that did not parse
        if isinstance(arrived, AIMessage) and arrived.usage_metadata:
            return Reply(None, result, self._meter.cost(arrived, self._seconds), self._seconds)
        return self._lost(result)

    def _lost(self, error: BaseException) -> Reply:
        worst = self._meter.worst_cost(self._messages, self._most_tokens)
        return Reply(None, error, worst, self._seconds, estimated=True)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self.started, begin = True, time.perf_counter()
        try:
            yield
        finally:
            self._seconds = time.perf_counter() - begin

    @staticmethod
    def _checked(result: object) -> AIMessage:
        if not isinstance(result, AIMessage):
            raise TypeError(
                f"a source calls a chat model, which returns an AIMessage, not {type(result).__name__}"
            )
        return result


def question_of(messages: Messages) -> str:
    """The text that a conversation asks: its last human turn.

    Example:
        >>> question_of([HumanMessage("Hello"), AIMessage("Hi."), HumanMessage("What is 5 + 9?")])
        'What is 5 + 9?'
    """
    turns = [message.text for message in messages if isinstance(message, HumanMessage)]
    if not turns or not turns[-1].strip():
        raise ValueError("there is no question: the last human message is missing or has no text")
    return turns[-1]


def _defect(message: AIMessage) -> LostReplyError | None:
    """Why a reply cannot be used; a provider that names no reason to stop has been cut off."""
    if not message.text.strip() and not message.tool_calls:
        return EmptyReplyError("the reply is empty")
    if "finish_reason" in message.response_metadata and not finish_reason(message):
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


def _was_refused(error: BaseException | None) -> bool:
    """Whether a call failed before the model worked: an HTTP error status, or no connection at all."""
    while error is not None:
        if isinstance(getattr(error, "status_code", None), int) or isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__
    return False
