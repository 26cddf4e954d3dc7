"""An answer as OpenAI's chat completions have it: a completion, or a stream of its chunks."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage

from adaptive_reasoner.models.finish_reasons import finish_reason, was_cut, was_filtered
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.server.chat_request import ChatRequest
from adaptive_reasoner.server.errors import Problem


class ChatWire:
    """The answer to one request, as chat completions have it.

    Args:
        request: What was asked.
        key: Names the answer.
    """

    def __init__(self, request: ChatRequest, key: str) -> None:
        self.asked, self._key, self._made = request.asked(), key, int(time.time())
        self.streams = bool(request.stream)
        self._usage_asked = bool(request.stream_options and request.stream_options.include_usage)
        self._finish: dict[int, str] = {}
        self._places: dict[int, dict[Any, int]] = {}
        self._usage: UsageMetadata | None = None

    def whole(self, results: Sequence[Result], record: dict[str, Any]) -> dict[str, Any]:
        """The completion."""
        usage: UsageMetadata | None = None
        for result in results:
            usage = add_usage(usage, result.message.usage_metadata)
        return {
            **self._head("chat.completion"),
            "choices": [_choice(number, result.message) for number, result in enumerate(results)],
            "usage": usage_object(usage),
            "adaptive_reasoner": record,
        }

    def began(self) -> Iterator[str]:
        """What a stream starts with."""
        for number in range(self.asked.choices):
            yield self._event([_delta(number, {"role": "assistant", "content": ""})])

    def chunk(self, number: int, chunk: AIMessageChunk) -> Iterator[str]:
        """What a chunk of an answer adds."""
        self._usage = add_usage(self._usage, chunk.usage_metadata)
        delta: dict[str, Any] = {}
        if chunk.text:
            delta["content"] = chunk.text
        if refusal := chunk.additional_kwargs.get("refusal"):
            delta["refusal"] = refusal
        if calls := self._calls(number, chunk):
            delta["tool_calls"] = calls
        logprobs = logprobs_of(chunk)
        if delta or logprobs:
            yield self._event([_delta(number, delta, logprobs=logprobs)])
        if finish_reason(chunk):
            self._finish[number] = reason_of(chunk)

    def ended(self, record: dict[str, Any]) -> Iterator[str]:
        """What a stream ends with."""
        for number in range(self.asked.choices):
            reason = "tool_calls" if self._places.get(number) else self._finish.get(number, "stop")
            yield self._event([_delta(number, {}, reason)], record)
        if self._usage_asked:
            yield self._event([], record, usage=usage_object(self._usage))
        yield "data: [DONE]\n\n"

    @staticmethod
    def failed(problem: Problem) -> Iterator[str]:
        """What a stream ends with that breaks off."""
        yield f"data: {json.dumps(problem.body)}\n\n"

    def _calls(self, number: int, chunk: AIMessageChunk) -> list[dict[str, Any]]:
        places, calls = self._places.setdefault(number, {}), []
        for part in chunk.tool_call_chunks:
            place = part.get("index")
            at = places.setdefault(part.get("id") if place is None else place, len(places))
            call: dict[str, Any] = {"index": at, "function": {"arguments": part.get("args") or ""}}
            if part.get("name"):
                call |= {"id": part.get("id"), "type": "function"}
                call["function"]["name"] = part["name"]
            calls.append(call)
        return calls

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._key}",
            "object": kind,
            "created": self._made,
            "model": self.asked.model,
        }

    def _event(self, choices: list[dict[str, Any]], record: Any = None, **usage: Any) -> str:
        own = {} if record is None else {"adaptive_reasoner": record}
        body = {**self._head("chat.completion.chunk"), "choices": choices, **usage, **own}
        return f"data: {json.dumps(body)}\n\n"


def _delta(
    number: int, delta: dict[str, Any], reason: str | None = None, logprobs: Any = None
) -> dict[str, Any]:
    return {"index": number, "delta": delta, "finish_reason": reason, "logprobs": logprobs}


def _choice(number: int, message: AIMessage) -> dict[str, Any]:
    calls = called(message)
    said: dict[str, Any] = {
        "role": "assistant",
        "content": message.text or None,
        "refusal": message.additional_kwargs.get("refusal"),
    }
    if calls:
        said["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in calls
        ]
    reason = "tool_calls" if calls else reason_of(message)
    return {"index": number, "message": said, "finish_reason": reason, "logprobs": logprobs_of(message)}


def logprobs_of(message: AIMessage) -> dict[str, Any] | None:
    """The log probabilities of an answer's tokens, where they were asked for."""
    found = message.response_metadata.get("logprobs")
    return found if isinstance(found, dict) and isinstance(found.get("content"), list) else None


def called(message: AIMessage) -> list[tuple[str, str, str]]:
    """Id, name and arguments of each call of a tool, those that cannot be read included."""
    read = [(call["id"], call["name"], json.dumps(call["args"])) for call in message.tool_calls]
    unread = [(call["id"], call["name"], call["args"]) for call in message.invalid_tool_calls]
    return [(str(id_ or ""), str(name or ""), args or "") for id_, name, args in [*read, *unread]]


def reason_of(message: AIMessage) -> str:
    """Why an answer ended, in OpenAI's words."""
    if was_filtered(message):
        return "content_filter"
    return "length" if was_cut(message) else "stop"


def usage_object(usage: UsageMetadata | None) -> dict[str, Any]:
    """The usage of all calls that were paid for."""
    told: Mapping[str, Any] = usage or {}
    read, made = told.get("input_token_details") or {}, told.get("output_token_details") or {}
    prompt, completion = told.get("input_tokens", 0), told.get("output_tokens", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read.get("cache_read", 0), "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": made.get("reasoning", 0), "audio_tokens": 0},
    }
