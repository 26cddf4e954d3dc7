"""A chat model called within the run of another: without a run of its own, and without a cache."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from typing_extensions import override

from adaptive_reasoner.models.call import joined
from adaptive_reasoner.models.messages import chunk_of
from adaptive_reasoner.models.observed_calls import ModelCall, calls_in, noted


class Untraced(Runnable[Any, AIMessage]):
    """A chat model called without a run of its own, and without a cache.

    The run around it is the one that handlers see: were there two, its tokens would be counted twice. It
    stands on what every chat model implements, `_generate` and `_stream`.

    Args:
        model: The chat model.
    """

    def __init__(self, model: BaseChatModel) -> None:
        self.model = model

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        if self.model.rate_limiter:
            self.model.rate_limiter.acquire(blocking=True)
        with noted() as call:
            message = _message(self.model._generate(list(input), **kwargs))
            call.end(message=message)
        return message

    @override
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        if self.model.rate_limiter:
            await self.model.rate_limiter.aacquire(blocking=True)
        with noted() as call:
            message = _message(await self.model._agenerate(list(input), **kwargs))
            call.end(message=message)
        return message

    @override
    def stream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        if not self._streams(kwargs, methods=["_stream"]):
            yield chunk_of(self.invoke(input, config, **kwargs))
            return
        if self.model.rate_limiter:
            self.model.rate_limiter.acquire(blocking=True)
        with _observed(config) as chunks:
            for generation in self.model._stream(list(input), **kwargs):
                chunks.append(_with_metadata(generation))
                yield chunks[-1]

    @override
    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        if not self._streams(kwargs, methods=["_stream", "_astream"]):
            yield chunk_of(await self.ainvoke(input, config, **kwargs))
            return
        if self.model.rate_limiter:
            await self.model.rate_limiter.aacquire(blocking=True)
        with _observed(config) as chunks:
            async for generation in self.model._astream(list(input), **kwargs):
                chunks.append(_with_metadata(generation))
                yield chunks[-1]

    def _streams(self, kwargs: Mapping[str, Any], *, methods: Sequence[str]) -> bool:
        off = self.model.disable_streaming
        if off is True or (off == "tool_calling" and kwargs.get("tools")):
            return False
        return any(getattr(type(self.model), name) is not getattr(BaseChatModel, name) for name in methods)


@contextmanager
def _observed(config: RunnableConfig | None) -> Iterator[list[AIMessageChunk]]:
    """A stream that is made without callbacks, for whatever observes its config; takes its chunks."""
    call, chunks, calls = ModelCall(), list[AIMessageChunk](), calls_in(config)
    if calls is not None:
        calls.add(call)
    try:
        yield chunks
    except BaseException as error:
        call.end(error=error)
        raise
    call.end(message=joined(chunks) if chunks else None)


def _message(result: ChatResult) -> AIMessage:
    """The reply with all the metadata that LangChain would give it."""
    generation = result.generations[0]
    message = generation.message
    assert isinstance(message, AIMessage)
    metadata = {
        **(result.llm_output or {}),
        **(generation.generation_info or {}),
        **message.response_metadata,
    }
    return message.model_copy(update={"response_metadata": metadata})


def _with_metadata(generation: ChatGenerationChunk) -> AIMessageChunk:
    chunk = generation.message
    assert isinstance(chunk, AIMessageChunk)
    metadata = {**(generation.generation_info or {}), **chunk.response_metadata}
    return chunk.model_copy(update={"response_metadata": metadata})
