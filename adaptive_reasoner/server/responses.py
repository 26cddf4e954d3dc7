"""An answer as the Responses API has it: a response, or a stream of its events."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage

from adaptive_reasoner.models.finish_reasons import finish_reason
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.server.chat import called, logprobs_of, reason_of, usage_object
from adaptive_reasoner.server.errors import Problem
from adaptive_reasoner.server.responses_request import ResponsesRequest

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


@dataclass
class _Item:
    """An item of the output while it is produced.

    Attributes:
        place: Its number in the output.
        body: The item as it is shown; of a message, without its content.
        text: The text or the arguments so far.
        kind: Of the part that a message holds.
        logprobs: Of the tokens of the text, where they were asked for.
    """

    place: int
    body: dict[str, Any]
    text: str = ""
    kind: str = "output_text"
    logprobs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_message(self) -> bool:
        return bool(self.body["type"] == "message")

    @property
    def part(self) -> dict[str, Any]:
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": self.text}
        return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": self.logprobs}

    def done(self) -> dict[str, Any]:
        own = {"content": [self.part]} if self.is_message else {"arguments": self.text}
        return {**self.body, **own, "status": "completed"}


class ResponsesWire:
    """The answer to one request, as the Responses API has it.

    Args:
        request: What was asked.
        key: Names the answer.
    """

    def __init__(self, request: ResponsesRequest, key: str) -> None:
        self.asked, self._request, self._key = request.asked(), request, key
        self.streams = bool(request.stream)
        self._made = int(time.time())
        self._items: list[_Item] = []
        self._calls: dict[Any, _Item] = {}
        self._sequence = 0
        self._reason: str = "stop"
        self._usage: UsageMetadata | None = None

    def whole(self, results: Sequence[Result], record: dict[str, Any]) -> dict[str, Any]:
        """The response."""
        message = results[0].message
        self._usage, self._reason = message.usage_metadata, reason_of(message)
        self._take(message)
        return self._response(record)

    def began(self) -> Iterator[str]:
        """What a stream starts with."""
        response = self._shown("in_progress")
        yield self._event("response.created", response=response)
        yield self._event("response.in_progress", response=response)

    def chunk(self, number: int, chunk: AIMessageChunk) -> Iterator[str]:  # noqa: ARG002 - there is one answer
        """What a chunk of the answer adds."""
        self._usage = add_usage(self._usage, chunk.usage_metadata)
        if finish_reason(chunk):
            self._reason = reason_of(chunk)
        refusal = chunk.additional_kwargs.get("refusal")
        for kind, text in (("output_text", chunk.text), ("refusal", refusal)):
            if text:
                yield from self._say(kind, text, logprobs_of(chunk))
        for part in chunk.tool_call_chunks:
            yield from self._call(part.get("index"), part.get("id"), part.get("name"), part.get("args") or "")

    def ended(self, record: dict[str, Any]) -> Iterator[str]:
        """What a stream ends with."""
        for item in self._items:
            at = {"item_id": item.body["id"], "output_index": item.place}
            if item.is_message:
                inside, said = {**at, "content_index": 0}, item.kind.removeprefix("output_")
                logprobs = {"logprobs": item.logprobs} if said == "text" else {}
                yield self._event(f"response.{item.kind}.done", **inside, **{said: item.text}, **logprobs)
                yield self._event("response.content_part.done", **inside, part=item.part)
            else:
                own = {"arguments": item.text, "name": item.body["name"]}
                yield self._event("response.function_call_arguments.done", **at, **own)
            yield self._event("response.output_item.done", output_index=item.place, item=item.done())
        response = self._response(record)
        yield self._event(f"response.{response['status']}", response=response)

    def failed(self, problem: Problem) -> Iterator[str]:
        """What a stream ends with that breaks off."""
        error = {"code": "server_error", "message": f"{problem.code}: {problem.message}"}
        yield self._event("response.failed", response=self._shown("failed", error=error))

    def _take(self, message: AIMessage) -> None:
        """Take a whole answer."""
        refusal = message.additional_kwargs.get("refusal")
        for kind, text in (("output_text", message.text), ("refusal", refusal)):
            if text:
                item = self._message(kind)
                item.text, item.logprobs = text, _tokens(logprobs_of(message))
        for call_id, name, arguments in called(message):
            self._function(call_id, name).text = arguments

    def _say(self, kind: str, text: str, probable: dict[str, Any] | None) -> Iterator[str]:
        item = next((item for item in self._items if item.is_message and item.kind == kind), None)
        if item is None:
            item = self._message(kind)
            begun = {**item.body, "content": [], "status": "in_progress"}
            yield self._event("response.output_item.added", output_index=item.place, item=begun)
            yield self._event("response.content_part.added", **self._in(item), part=item.part)
        tokens = _tokens(probable)
        item.text += text
        item.logprobs += tokens
        logprobs = {"logprobs": tokens} if kind == "output_text" else {}
        yield self._event(f"response.{kind}.delta", **self._in(item), delta=text, **logprobs)

    def _call(self, place: Any, call_id: str | None, name: str | None, arguments: str) -> Iterator[str]:
        place = call_id if place is None else place
        item = self._calls.get(place)
        if item is None:
            item = self._calls[place] = self._function(call_id or "", name or "")
            begun = {**item.body, "arguments": "", "status": "in_progress"}
            yield self._event("response.output_item.added", output_index=item.place, item=begun)
        if arguments:
            item.text += arguments
            at = {"item_id": item.body["id"], "output_index": item.place}
            yield self._event("response.function_call_arguments.delta", **at, delta=arguments)

    def _message(self, kind: str) -> _Item:
        body = {"type": "message", "id": f"msg_{self._key}_{len(self._items)}", "role": "assistant"}
        return self._added(_Item(len(self._items), body, kind=kind))

    def _function(self, call_id: str, name: str) -> _Item:
        own = {"id": f"fc_{self._key}_{len(self._items)}", "call_id": call_id, "name": name}
        return self._added(_Item(len(self._items), {"type": "function_call", **own}))

    def _added(self, item: _Item) -> _Item:
        self._items.append(item)
        return item

    @staticmethod
    def _in(item: _Item) -> dict[str, Any]:
        return {"item_id": item.body["id"], "output_index": item.place, "content_index": 0}

    def _response(self, record: dict[str, Any]) -> dict[str, Any]:
        """The response at its end."""
        why = _INCOMPLETE.get(self._reason)
        usage = usage_object(self._usage)
        return {
            **self._shown("incomplete" if why else "completed"),
            "incomplete_details": {"reason": why} if why else None,
            "output": [item.done() for item in self._items],
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "input_tokens_details": {
                    "cached_tokens": usage["prompt_tokens_details"]["cached_tokens"],
                    "cache_write_tokens": 0,
                },
                "output_tokens": usage["completion_tokens"],
                "output_tokens_details": {
                    "reasoning_tokens": usage["completion_tokens_details"]["reasoning_tokens"]
                },
                "total_tokens": usage["total_tokens"],
            },
            "adaptive_reasoner": record,
        }

    def _shown(self, status: str, error: dict[str, Any] | None = None) -> dict[str, Any]:
        """The response before its end: what was asked, and nothing yet of the answer."""
        asked = self._request.model_dump(by_alias=True, exclude_none=True)
        return {
            "id": f"resp_{self._key}",
            "object": "response",
            "created_at": self._made,
            "status": status,
            "error": error,
            "incomplete_details": None,
            "instructions": asked.get("instructions"),
            "max_output_tokens": asked.get("max_output_tokens"),
            "metadata": asked.get("metadata", {}),
            "model": self.asked.model,
            "output": [],
            "parallel_tool_calls": asked.get("parallel_tool_calls", True),
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None} | asked.get("reasoning", {}),
            "store": False,
            "temperature": asked.get("temperature"),
            "text": {"format": {"type": "text"}} | asked.get("text", {}),
            "tool_choice": asked.get("tool_choice", "auto"),
            "tools": [{"parameters": None, "strict": None} | tool for tool in asked.get("tools", [])],
            "top_p": asked.get("top_p"),
            "truncation": "disabled",
            "usage": None,
        }

    def _event(self, kind: str, **fields: Any) -> str:
        body = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return f"event: {kind}\ndata: {json.dumps(body)}\n\n"


def _tokens(logprobs: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [] if logprobs is None else list(logprobs["content"])
