"""The chat model calls that were really made for a sample, of which wrappers and middleware make several.

Around a call of ours may be retries, fallbacks, or middleware that answers in the model's place. What they
return is not what was called, so the calls themselves are observed, through LangChain's callbacks.
"""

import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar
from uuid import UUID, uuid4

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from typing_extensions import override

from adaptive_reasoner.models.api_errors import is_final

T = TypeVar("T")


@dataclass(eq=False)
class ModelCall:
    """A call of a chat model.

    Attributes:
        message: What it returned; None where it did not.
        error: What it raised; None where it did not.
        ended: Whether it did either.
        seconds: From start to end.
        outer: The call in which it was made.
        most_tokens: The most tokens of its reply, as far as the model says.
        model: Its name, as far as it says.
        prompt: What is sent; empty where that is not seen.
    """

    outer: "ModelCall | None" = None
    most_tokens: int = 0
    model: str = ""
    prompt: Sequence[BaseMessage] = ()
    message: AIMessage | None = None
    error: BaseException | None = None
    ended: bool = False
    seconds: float = 0.0
    _began: float = field(default_factory=time.perf_counter)

    @property
    def is_part(self) -> bool:
        """Whether the call around it accounts for it: by its own usage, or by the error it passed on."""
        if self.outer is None or not self.outer.ended:
            return False
        return self.message is not None or self.outer.message is None

    def end(self, *, message: AIMessage | None = None, error: BaseException | None = None) -> None:
        """Note what came of it."""
        self.message, self.error, self.ended = message, error, True
        self.seconds = time.perf_counter() - self._began


def _passed_on(event: str) -> Any:
    def pass_on(self: "ModelCalls", *args: Any, **kwargs: Any) -> None:  # noqa: ARG001
        for listener in _listeners:
            getattr(listener, event)(*args, **kwargs)

    return pass_on


class ModelCalls(BaseCallbackHandler):
    """The calls of chat models under a sample, in the order they began.

    A chat model that calls another one inside its own call has made one call: the usage of its reply is that
    of all replies it took. What failed on the way to it is in no usage, and is a call of its own.

    It passes all events on to those who `listen`: were they handlers beside it, LangChain would leave what
    they are to be told unawaited where it refuses a call, and warn of that.

    Args:
        admit: Called before each call is made, with that call among those made; where it raises, the call is
            not made.
        payer: The ledger that the calls are charged to by whoever makes them, for others who see them.

    Attributes:
        refused: Whether a call was not made for that.
    """

    run_inline = True  # in the caller's own context, where it is known which call is inside which
    raise_error = True  # what `admit` raises is raised in place of the call

    def __init__(self, admit: Callable[[], None] | None = None, payer: Any = None) -> None:
        self.payer = payer
        self._calls: dict[UUID, ModelCall] = {}
        self._admit = admit
        self._admitting = threading.Lock()
        self.refused = False

    @property
    def made(self) -> list[ModelCall]:
        """All calls but those whose cost is a part of another one's."""
        return [call for call in self._calls.values() if not call.is_part]

    def bringing(self, message: AIMessage) -> ModelCall | None:
        """The call that brought a reply, also one that was changed since; None where none brought any."""
        answered = [call for call in reversed(self.made) if call.message is not None]
        same = (call for call in answered if call.message is message or _same_id(call.message, message))
        return next(same, answered[0] if answered else None)

    def other_errors(self, call: ModelCall) -> list[BaseException]:
        """What other calls raised; not the last one made inside this call, whose error it passes on."""
        calls = list(self._calls.values())
        last_inside = [each for each in calls if each.outer is call][-1:]
        errors = (each.error for each in calls if each is not call and each not in last_inside)
        return [error for error in errors if error is not None and error is not call.error]

    def refused_for_good(self, error: BaseException) -> bool:
        """Whether a call would be refused again; a chain of fallbacks, by each of its models."""
        errors = [(call.error, self.other_errors(call)) for call in self.made] or [(error, [])]
        return all(each is not None and is_final(each, others) for each, others in errors)

    def add(self, call: ModelCall, run_id: UUID | None = None) -> None:
        """Count a call that is about to be made, by its run where it has callbacks.

        Raises:
            Exception: The call may not be made, as `admit` says; it does not count.
        """
        run_id = run_id or uuid4()
        with self._admitting:
            self._calls[run_id] = call
            try:
                if self._admit is not None:
                    self._admit()
            except BaseException:
                del self._calls[run_id]
                self.refused = True
                raise

    @contextmanager
    def observing(self) -> Iterator[None]:
        """Observe the calls of this thread or task, and of those it starts."""
        _register_observer()
        before = _observer.set(self)
        try:
            yield
        finally:
            _observer.reset(before)

    def each(self, chunks: Iterator[T]) -> Iterator[T]:
        """The chunks of a stream, observed while each is waited for and not while its consumer has it."""
        try:
            while True:
                with self.observing():
                    chunk = next(chunks, None)
                if chunk is None:
                    return
                yield chunk
        finally:
            if isinstance(chunks, Generator):
                chunks.close()

    async def aeach(self, chunks: AsyncIterator[T]) -> AsyncIterator[T]:
        """Like `each`, without blocking the loop."""
        while True:
            with self.observing():
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk

    @override
    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """A call begins."""
        around = _around.get()
        outer = around[1] if around and around[0] is self and not around[1].ended else None
        metadata = kwargs.get("metadata") or {}
        most, model = metadata.get("ls_max_tokens"), metadata.get("ls_model_name")
        call = ModelCall(outer, most if isinstance(most, int) else 0, model or "", messages[0])
        self.add(call, run_id)
        try:
            for listener in _listeners:
                listener.on_chat_model_start(serialized, messages, run_id=run_id, **kwargs)
        except BaseException:
            del self._calls[run_id]
            self.refused = True
            raise
        if outer is None:
            _around.set((self, call))

    @override
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """A call has returned."""
        if run_id in self._calls:
            first = next((generation for each in response.generations for generation in each), None)
            message = first.message if isinstance(first, ChatGeneration) else None
            self._calls[run_id].end(message=message if isinstance(message, AIMessage) else None)
        for listener in _listeners:
            listener.on_llm_end(response, run_id=run_id, **kwargs)

    @override
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A call has failed."""
        if run_id in self._calls:
            self._calls[run_id].end(error=error)
        for listener in _listeners:
            listener.on_llm_error(error, run_id=run_id, **kwargs)

    on_llm_start = _passed_on("on_llm_start")
    on_llm_new_token = _passed_on("on_llm_new_token")
    on_chain_start = _passed_on("on_chain_start")
    on_chain_end = _passed_on("on_chain_end")
    on_chain_error = _passed_on("on_chain_error")
    on_tool_start = _passed_on("on_tool_start")
    on_tool_end = _passed_on("on_tool_end")
    on_tool_error = _passed_on("on_tool_error")


def listen(listener: BaseCallbackHandler) -> None:
    """Tell a handler of the calls of all runs of this process, from now on, and of each once."""
    if listener not in _listeners:
        from langchain_core.tracers.context import register_configure_hook

        _listeners.append(listener)
        hook: Any = _Unobserved(listener)
        register_configure_hook(hook, inheritable=False)


class _Unobserved:
    """What LangChain asks, like a ContextVar, for a handler: none where `ModelCalls` tells the listener."""

    def __init__(self, listener: BaseCallbackHandler) -> None:
        self._listener = listener

    def get(self) -> BaseCallbackHandler | None:
        return self._listener if _observer.get() is None else None


@contextmanager
def noted() -> Iterator[ModelCall]:
    """A call that is made without callbacks, for whatever observes this thread or task."""
    call, calls = ModelCall(), _observer.get()
    if calls is not None:
        calls.add(call)
    before = _around.set(None if calls is None else (calls, call))
    try:
        yield call
    except BaseException as error:
        call.end(error=error)
        raise
    finally:
        _around.reset(before)


def calls_in(config: RunnableConfig | None) -> ModelCalls | None:
    """What observes the calls of a config, as those of a stream; None where nothing does."""
    callbacks = ensure_config(config).get("callbacks") or []
    handlers = callbacks if isinstance(callbacks, list) else callbacks.handlers
    return next((handler for handler in reversed(handlers) if isinstance(handler, ModelCalls)), None)


def model_calls() -> ModelCalls | None:
    """What observes the calls of this thread or task; None where nothing does."""
    return _observer.get()


def _same_id(one: AIMessage | None, other: AIMessage) -> bool:
    return one is not None and one.id is not None and one.id == other.id


_listeners: list[BaseCallbackHandler] = []
_observer: ContextVar[ModelCalls | None] = ContextVar("adaptive_reasoner_model_calls", default=None)
_around: ContextVar[tuple[ModelCalls, ModelCall] | None] = ContextVar("adaptive_reasoner_call", default=None)


@cache
def _register_observer() -> None:
    """Have LangChain pass calls to the observer; its tracers, which the first call loads, load langsmith."""
    from langchain_core.tracers.context import register_configure_hook

    register_configure_hook(_observer, inheritable=True)
