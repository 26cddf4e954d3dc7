"""One scripted chat model for all tests: it answers in turn, reports usage, and fails or waits where told."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from math import inf
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from pydantic import PrivateAttr

THINKING_TOKENS = {"low": 20, "medium": 80, "high": 300}

IN_TURN = RunnableConfig(max_concurrency=1)
"""One call after the other: threads side by side would take the replies of a script in any order."""


class StatusError(Exception):
    """An HTTP error as the provider packages raise them."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


class ScriptedModel(BaseChatModel):
    """Answers with `answers` in turn; a word is a token, a prompt is ten.

    Args:
        answers: The replies, repeated for ever.
        failures: Call number (from 0) -> the error that call raises.
        latency: Seconds a call takes.
        endless_from: The number (from 0) of the first asynchronous call that never gets a reply.
        usage: Whether replies carry usage.
        finish: The finish reason; None leaves it empty, as in a reply that was cut off.
        replies: Call number -> the whole message that call returns instead; its usage is filled in.
    """

    answers: tuple[str, ...] = ("Answer: 42",)
    failures: Mapping[int, Exception] = {}
    latency: float = 0.0
    endless_from: float = inf
    usage: bool = True
    finish: str | None = "stop"
    replies: Mapping[int, AIMessage] = {}
    _numbers: Iterator[int] = PrivateAttr(default_factory=itertools.count)
    _requests: list[dict[str, Any]] = PrivateAttr(default_factory=list)
    _flight: dict[str, int] = PrivateAttr(default_factory=lambda: {"now": 0, "peak": 0})

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The prompt and the arguments of each call so far."""
        return self._requests

    def _reply(self, messages: list[Any], kwargs: dict[str, Any]) -> AIMessage:
        number = next(self._numbers)
        self._requests.append({"prompt": messages[-1].text, **kwargs})
        if number in self.failures:
            raise self.failures[number]
        text = self.answers[number % len(self.answers)]
        thinking = THINKING_TOKENS.get(kwargs.get("reasoning_effort", ""), 0)
        completion = len(text.split()) + thinking
        usage = UsageMetadata(
            input_tokens=10,
            output_tokens=completion,
            total_tokens=10 + completion,
            output_token_details={"reasoning": thinking},
        )
        if number in self.replies:
            return self.replies[number].model_copy(update={"usage_metadata": usage})
        metadata = {"finish_reason": self.finish, "model_name": "scripted"}
        return AIMessage(text, usage_metadata=usage if self.usage else None, response_metadata=metadata)

    @property
    def peak(self) -> int:
        """The most asynchronous calls that were in flight at once."""
        return self._flight["peak"]

    def _result(self, messages: list[Any], kwargs: dict[str, Any]) -> ChatResult:
        """One reply or, asked for `n`, as many, each with the usage of all, as endpoints report it."""
        message = self._reply(messages, kwargs)
        samples = kwargs.get("n", 1)
        if samples > 1 and message.usage_metadata:
            completion = samples * message.usage_metadata["output_tokens"]
            total = UsageMetadata(input_tokens=10, output_tokens=completion, total_tokens=10 + completion)
            message = message.model_copy(update={"usage_metadata": total})
        return ChatResult(generations=[ChatGeneration(message=message.model_copy()) for _ in range(samples)])

    # `_requests` and `_numbers` are shared by the copies that model_copy makes.
    def _generate(self, messages, stop=None, run_manager=None, **kwargs) -> ChatResult:
        if self.latency:
            time.sleep(self.latency)
        return self._result(messages, kwargs | ({"stop": stop} if stop else {}))

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs) -> ChatResult:
        number, reply = len(self._requests), self._result(messages, kwargs)
        self._flight["now"] += 1
        self._flight["peak"] = max(self._flight.values())
        try:
            await asyncio.sleep(self.latency if number < self.endless_from else inf)
        finally:
            self._flight["now"] -= 1
        return reply

    def _stream(self, messages, stop=None, run_manager=None, **kwargs) -> Iterator[ChatGenerationChunk]:
        yield from _chunks(self._reply(messages, kwargs))

    async def _astream(
        self, messages, stop=None, run_manager=None, **kwargs
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(self._reply(messages, kwargs)):
            yield chunk


def _chunks(reply: AIMessage) -> Iterator[ChatGenerationChunk]:
    words = reply.text.split(" ")
    for number, word in enumerate(words):
        last = number == len(words) - 1
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                word if last else word + " ",
                usage_metadata=reply.usage_metadata if last else None,
                response_metadata=reply.response_metadata if last else {},
                chunk_position="last" if last else None,
            )
        )


def joined(chunks):
    """What the chunks of a streamed message add up to."""
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole
