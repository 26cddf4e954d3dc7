"""One call of a chat model under way: sent, answered, refused or lost, and what each of these costs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from math import isfinite
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.models.all_at_once import AllAtOnce
from adaptive_reasoner.models.api_errors import is_unreachable, status_of, was_never_sent
from adaptive_reasoner.models.dollars import for_models
from adaptive_reasoner.models.finish_reasons import finish_reason, names_reason
from adaptive_reasoner.models.metering import (
    UNDECLARED_MAX_TOKENS,
    Meter,
    cost_or_worst,
    counts_prompt,
    prompt_cost,
)
from adaptive_reasoner.models.observed_calls import ModelCall, ModelCalls
from adaptive_reasoner.models.prompt_bound import SchemaText, bounded, most_prompt_tokens
from adaptive_reasoner.models.providers import provider_kwargs, thinking_tokens
from adaptive_reasoner.models.replies import (
    EmptyReplyError,
    LostReplyError,
    MalformedToolCallError,
    Reply,
    from_cache,
    refused,
)
from adaptive_reasoner.models.source import (
    ChatModel,
    Messages,
    ModelResolver,
    Request,
    Source,
    default_resolver,
)
from adaptive_reasoner.models.wrapped_models import main_model, mapped

_HIDDEN_FROM_STREAMS = "nostream"  # langgraph.constants.TAG_NOSTREAM, without importing langgraph


Result = list[AIMessage] | BaseException
"""What came of a call: its replies, or its error."""


class Surroundings(Protocol):
    """What a call takes from the run it belongs to.

    Attributes:
        meter: What calls cost.
        config: Callbacks, tags and metadata of the run.
        settings: Call-time arguments of every call but a judge's.
        resolve_model: How a source's model is reached.
        payer: The ledger that the calls are charged to.
    """

    meter: Meter
    config: RunnableConfig
    settings: Mapping[str, Any]
    resolve_model: ModelResolver
    payer: Any

    @property
    def hold_more(self) -> Callable[[float], None]:
        """Holds an amount beyond the worst cases of the calls that were asked for, or raises."""


class Call:
    """One call under way, for one sample or for several."""

    def __init__(
        self, request: Request, source: Source, samples: int, at_once: int, caller: Surroundings
    ) -> None:
        self._samples, self._at_once = samples, at_once
        self._source, self._request = source, request
        self._messages = source.messages(request.messages)
        self._timeout, self._deadline = source.timeout, time.monotonic() + request.timeout
        around = {} if request.auxiliary else caller.settings
        settings = {**source.settings, **around, **request.settings}
        thinking = 0 if request.thinking is None else thinking_tokens(request.thinking)
        if source.max_tokens is not None:
            settings.setdefault("max_tokens", source.max_tokens + thinking)
        self._meter = for_models(caller.meter, *source.called(settings))
        self._declared_tokens = source.room(settings)
        self._most_tokens = self._declared_tokens or UNDECLARED_MAX_TOKENS + thinking
        self._settings = provider_kwargs(
            source.runnable, settings, thinking=request.thinking, samples=samples
        )
        self._replies = source.replies(self._settings)  # `n` may be asked for elsewhere
        self._config = caller.config
        if request.hidden_sample:
            self._config = merge_configs(caller.config, {"tags": [_HIDDEN_FROM_STREAMS]})
        at_most = (
            request if caller.resolve_model is default_resolver else replace(request, worst=self.worst_cost)
        )
        self._model = caller.resolve_model(source, at_most)
        self._sampling()  # refuses what draws one sample a call, before any is made
        self.started = False
        self._seconds = 0.0
        self._hold_more, self._held_more = caller.hold_more, 0.0
        self._observed = ModelCalls(self._hold_attempts, caller.payer)
        self._through_others = caller.resolve_model is not default_resolver
        self._counted: ModelCall | None = None

    def invoke(self) -> list[AIMessage]:
        """Make it, in this thread."""
        self._seconds_allowed()
        with self._timed(), self._observed.observing():
            return self._checked(self._sampling().invoke(self._messages, self._config, **self._settings))

    async def ainvoke(self, slots: asyncio.Semaphore) -> list[AIMessage]:
        """Make it as a task, once there is a slot."""
        async with slots:
            limit = self._seconds_allowed()
            with self._timed(), self._observed.observing():
                async with within(limit):
                    model = self._sampling()
                    return self._checked(await model.ainvoke(self._messages, self._config, **self._settings))

    def stream(self) -> Iterator[AIMessageChunk]:
        """Make it, and pass on its chunks as they come."""
        with self._timed():
            chunks = self._model.stream(self._messages, self._observed_config(), **self._settings)
            yield from self._observed.each(chunks)

    async def astream(self) -> AsyncIterator[AIMessageChunk]:
        """Like `stream`, without blocking the loop."""
        limit = self._seconds_allowed()
        with self._timed():
            async with within(limit):
                chunks = self._model.astream(self._messages, self._observed_config(), **self._settings)
                async for chunk in self._observed.aeach(chunks):
                    yield chunk

    def _observed_config(self) -> RunnableConfig:
        return merge_configs(self._config, {"callbacks": [self._observed]})

    def replies(self, result: Result) -> list[Reply]:
        """Priced: what was used, nothing if refused, the worst case if lost; samples of one call share it."""
        self._counted = last = next(reversed(self._observed.made), None)
        if isinstance(result, BaseException):
            cost, estimated = self._cost_of(last, result)
            failed, final = [result] * self._samples, self._observed.refused_for_good(result)
            return self._shared([None] * self._samples, failed, cost, estimated, final=final)
        used = self._observed.bringing(result[0])
        if last is not None and used is None:  # what stands around the model has answered in its place
            error = last.error or interrupted()
            return self._shared(result, [error] * len(result), *self._cost_of(last, error))
        defects, billed, seconds = [_defect(message) for message in result], result[0], self._seconds
        if used is not None and used.message is not None:  # whose usage a middleware may have taken off
            self._counted, billed, seconds = used, used.message, used.seconds
        try:
            cost, estimated = self._cost(billed, seconds, used)
        except UnpricedUsageError as error:
            lost = defects if all(defects) else [error]
            return self._shared([None] * len(lost), lost, self._lost_cost(used), estimated=True)
        shares = cost and self._at_once > 1 and not estimated
        prompt = prompt_cost(self._meter, billed, seconds) if shares else 0.0
        return self._shared(result, defects, cost, estimated, prompt)

    def unused(self) -> list[Reply]:
        """What else was called for it, priced as well: attempts before a retry or a fallback."""
        further = [call for call in self._observed.made if call is not self._counted]
        return [
            Reply(call.message, error, cost, call.seconds, estimated, auxiliary=self._request.auxiliary)
            for call in further
            for error in [call.error or (None if call.message else interrupted())]
            for cost, estimated in [self._cost_of(call, error)]
        ]

    def _shared(
        self,
        messages: Sequence[AIMessage | None],
        errors: Sequence[BaseException | None],
        cost: float,
        estimated: bool,
        prompt: float = 0.0,
        *,
        final: bool = False,
    ) -> list[Reply]:
        count = len(messages)
        alike = cost / count, self._seconds, estimated, count, self._at_once, prompt
        auxiliary = self._request.auxiliary
        return [
            Reply(
                message if error is None else None,
                error,
                *alike,
                faulty=message if error is not None and not auxiliary and _whole(message) else None,
                auxiliary=auxiliary,
                final=final,
                requests=1 if error is None else self._source.requests,
            )
            for message, error in zip(messages, errors, strict=True)
        ]

    def _cost_of(self, call: ModelCall | None, error: BaseException | None) -> tuple[float, bool]:
        """What a call cost that failed, or whose reply was not used, and whether that is an estimate."""
        if call is not None and call.message is not None:
            with suppress(UnpricedUsageError):
                return self._cost(call.message, call.seconds, call)
            return self._lost_cost(call), True
        if call is None and self._observed.refused:  # before any was made
            return 0.0, False
        error = error if call is None or call.error is None else call.error
        others = [] if call is None else self._observed.other_errors(call)
        if error is not None and (status_of(error, others) is not None or is_unreachable(error, others)):
            return 0.0, False
        if error is not None and was_never_sent(error, self._settings):
            return 0.0, False
        arrived = getattr(error, "ai_message", None)  # structured output that did not parse
        if isinstance(arrived, AIMessage) and arrived.usage_metadata:
            with suppress(UnpricedUsageError):
                return self._cost(arrived, self._seconds, call)
        return self._lost_cost(call), True

    def _cost(self, message: AIMessage, seconds: float, call: ModelCall | None) -> tuple[float, bool]:
        """What a reply cost, and whether that is an estimate."""
        if from_cache(message):
            return 0.0, False
        return cost_or_worst(self._meter, message, seconds, lambda: self._lost_cost(call))

    @property
    def worst_cost(self) -> float:
        """The most that the call can cost: infinite where its prompt holds what cannot be bounded."""
        return self._worst_cost(None)

    def _worst_cost(self, call: ModelCall | None) -> float:
        """The most that a call can cost which is made for this one."""
        return self._meter_of(call).worst_cost(self._billed(call), self._tokens_of(call))

    def _meter_of(self, call: ModelCall | None) -> Meter:
        """What a call costs; what stands around the model may have called another one."""
        if call is None or not call.model or not self._through_others:
            return self._meter
        names, settings = self._source.called(self._settings)
        return for_models(self._meter, [call.model, *names], settings)

    def _lost_cost(self, call: ModelCall | None) -> float:
        """What a call is billed at where its reply is lost: its worst case, as far as it has one."""
        worst = self._worst_cost(call)
        if isfinite(worst):
            return worst
        return self._meter_of(call).worst_cost(bounded(self._billed(call)), self._tokens_of(call))

    def _billed(self, call: ModelCall | None) -> Messages:
        """What is billed as its prompt; what stands around the model may have added to it."""
        billed = self._own_prompt
        if call is None or not call.prompt or not self._through_others or not counts_prompt(self._meter):
            return billed
        schemas = [message for message in self._source.preamble if isinstance(message, SchemaText)]
        sent = replace(self._source, model=self._source.runnable, prompt=None, preamble=schemas)
        return max(billed, sent.billable_messages(call.prompt, self._settings), key=most_prompt_tokens)

    @cached_property
    def _own_prompt(self) -> Messages:
        """What is billed as the prompt that was asked for, as far as it is: bounding one takes its time."""
        if not counts_prompt(self._meter):
            return []
        return self._source.billable_messages(self._request.messages, self._settings)

    def _tokens_of(self, call: ModelCall | None) -> int:
        """The most tokens of its replies; what stands around the model may have called another one."""
        others = call.most_tokens if call is not None and self._through_others else 0
        if others > self._most_tokens:  # unless it is the same model, which still names its own most
            own = replace(self._source, model=self._source.runnable, settings={}, max_tokens=None)
            others = 0 if others == own.declared_tokens else others
        return self._replies * max(self._most_tokens, others)

    def _hold_attempts(self) -> None:
        """Before a model is called, hold what all calls made for this one can cost by then.

        Held is the worst case of one, as it was asked for: a retry or a fallback after a lost call needs as
        much again, a larger model or prompt needs more.
        """
        made = self._observed.made
        if len(made) == 1 and not self._through_others:
            return
        more = sum(self._most_of(call, made) for call in made if call.outer is None or call.outer.ended)
        more -= self.worst_cost
        if more > self._held_more:
            self._hold_more(more - self._held_more)
            self._held_more = more

    def _most_of(self, call: ModelCall, made: Sequence[ModelCall]) -> float:
        """What a call has cost, or can cost yet, with those made inside it."""
        if call.ended:
            return self._cost_of(call, call.error or interrupted())[0]
        inside = sum(self._most_of(inner, made) for inner in made if inner.outer is call)
        return max(self._worst_cost(call), inside)

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
            name = type(self._model).__name__
            raise TypeError(f"{name} is not a chat model; leave samples_per_request at 1")
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


def interrupted() -> LostReplyError:
    """What stands for the reply of a call that was cancelled."""
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
    return names_reason(message) and not finish_reason(message)


def _whole(message: AIMessage | None) -> bool:
    """Whether a reply came to its end, and so is what the bare model answers."""
    return message is not None and not _cut_off(message)


@asynccontextmanager
async def within(seconds: float | None) -> AsyncIterator[None]:
    """Give up after so many seconds, and say so: asyncio's own error says nothing."""
    try:
        async with asyncio.timeout(seconds) as clock:
            yield
    except TimeoutError as error:
        if not clock.expired():
            raise
        raise TimeoutError(f"there was no reply within {seconds:.3g} seconds") from error


def joined(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    """The message that chunks add up to."""
    if not chunks:
        raise LostReplyError("the stream ended before it began")
    whole = chunks[0] if len(chunks) == 1 else chunks[0] + list(chunks[1:])
    message = message_chunk_to_message(whole)
    assert isinstance(message, AIMessage)
    return message
