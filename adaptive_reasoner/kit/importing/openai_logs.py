"""Replies in logs of OpenAI's API, or of one like it: requests with responses, stored ones, and batches."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata

from adaptive_reasoner.kit.importing.base import (
    READ_AS_TABLE,
    Fields,
    Found,
    LeftOut,
    LoggedReply,
    text_of,
    those_in,
)
from adaptive_reasoner.kit.importing.chats import conversation, decoded, message_of, reply_of, usage_in
from adaptive_reasoner.kit.questions import text_id

_BATCH = 0.5  # of the dollars is not paid
_REQUESTS = ("request", "request_body", "input_body", "body", "kwargs", "params", "inputs")
_RESPONSES = ("response", "response_body", "completion", "output_body", "result")
_USAGES = ("usage", "usageDetails", "usage_details", "metrics")
_ASKS = ("body", "params")  # of a batch's request; the latter of Anthropic's
_NO_REPLY = LeftOut("a request without its response")
_UNASKED = LeftOut("a response whose request is not in the files")


@dataclass
class OpenAIReader:
    """Makes replies of log lines; the two lines of a batch's request are brought together by `custom_id`.

    Args:
        fields: The fields that are named, as paths into a line.
    """

    fields: Fields
    _requests: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _results: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    _answered: set[str] = field(default_factory=set)

    def read(self, line: Mapping[str, Any]) -> Iterable[Found]:
        """The replies in a line.

        Raises:
            ValueError: It is no line of such a log; it names the field.
        """
        if "custom_id" in line:
            yield from self._of_batch(line)
            return
        body = _first(line, _RESPONSES)
        if body is None and any(name in line for name in ("choices", "output", "outputs")):
            body = line
        request = _first(line, _REQUESTS) or line
        if body is None and isinstance(line.get("messages"), list):
            yield from self._of_messages(line)
            return
        if body is None and text_of(line.get("error")) is None:
            raise ValueError(
                "there is no response, choices, output, messages or custom_id: not a line of an OpenAI log; "
                f"there are {those_in(line)}; {READ_AS_TABLE}"
            )
        yield from self._replies(line, request, body)

    def finish(self) -> Iterable[Found]:
        """The replies that were incomplete until the last line was read."""
        for results in self._results.values():
            yield from [_UNASKED] * len(results)
        yield from [_NO_REPLY] * len(self._requests.keys() - self._answered)

    def _of_batch(self, line: Mapping[str, Any]) -> Iterator[Found]:
        custom_id = str(line["custom_id"])
        if any(isinstance(line.get(name), Mapping) for name in _ASKS):
            if custom_id in self._requests:
                raise ValueError(
                    f"custom_id {custom_id!r} is that of an earlier request too; import each batch alone"
                )
            self._requests[custom_id] = line
        elif any(name in line for name in ("response", "result", "error")):
            self._results.setdefault(custom_id, []).append(line)
        else:
            raise ValueError(
                f"custom_id {custom_id!r} has neither a body nor a response: not a line of a batch"
            )
        if custom_id in self._requests and custom_id in self._results:
            request = self._requests[custom_id]
            self._answered.add(custom_id)
            for result in self._results.pop(custom_id):
                asked = next(request[name] for name in _ASKS if name in request)
                yield from self._result({**request, **result}, asked, result)

    def _result(
        self, line: Mapping[str, Any], request: Mapping[str, Any], result: Mapping[str, Any]
    ) -> Iterator[Found]:
        response = result.get("response") or result.get("result") or {}
        body = None
        if isinstance(response, Mapping):  # Anthropic's is a message, or an error without a status
            body = response.get("body") or response.get("message")
            result = {**result, "error": result.get("error") or response.get("error")}
        status = response.get("status_code", 200) if isinstance(response, Mapping) else 200
        error = result.get("error") or (body if status != 200 else None)
        call_id = text_of(result.get("id"))
        for each in self._replies(line, request, None if error else body, error=error):
            if isinstance(each, LoggedReply):
                yield replace(each, discount=_BATCH, call_id=each.call_id or call_id)
            else:
                yield each

    def _of_messages(self, line: Mapping[str, Any]) -> Iterator[Found]:
        """A chat that ends with its reply, as it is written for fine-tuning."""
        messages = conversation(line["messages"])
        if not messages or not isinstance(messages[-1], AIMessage):
            yield _NO_REPLY
            return
        message = messages[-1].model_copy(update={"usage_metadata": usage_in(line.get("usage"))})
        yield from self._made(line, messages[:-1], [message], line.get("model"), None)

    def _replies(
        self, line: Mapping[str, Any], request: Mapping[str, Any], body: Any, *, error: Any = None
    ) -> Iterator[Found]:
        body = decoded(body)
        error = error or line.get("error") or (body.get("error") if isinstance(body, Mapping) else None)
        answer = body if isinstance(body, Mapping) else {}
        messages = [] if error else replies_of(answer)
        asked = asked_messages(request) or asked_messages(line) or asked_messages(answer, ("messages",))
        name = request.get("model") or line.get("model") or answer.get("model")
        yield from self._made(line, asked, messages, name, error or None, call_id=text_of(answer.get("id")))

    def _made(
        self,
        line: Mapping[str, Any],
        asked: list[BaseMessage],
        messages: list[AIMessage],
        model: Any,
        error: Any,
        call_id: str | None = None,
    ) -> Iterator[Found]:
        question = self.fields.asked(line, asked)
        if isinstance(question, LeftOut):
            yield question
            return
        answer = self.fields.text(line, "answer")
        if answer is not None:
            messages = [
                each.model_copy(update={"content": answer}) for each in messages[:1] or [AIMessage("")]
            ]
        if not messages and not error:
            yield _NO_REPLY
            return
        took = (line.get(name) for name in ("seconds", "latency", "duration"))
        seconds = next((each for each in took if isinstance(each, int | float)), None)
        some: list[AIMessage] | list[None] = messages or [None]
        for message in some:
            reply = LoggedReply(
                question,
                message,
                source=text_of(model),
                call_id=None if call_id is None else f"{call_id}-{_digest(line)}",
                of_request=max(1, len(messages)),
                seconds=seconds,
                error=None if message is not None else error_text(error),
            )
            yield self.fields.applied(line, reply)


def replies_of(body: Mapping[str, Any]) -> list[AIMessage]:
    """The replies in the body of a response, each with the usage of the whole request.

    Example:
        >>> choice = {"message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}
        >>> [message.text for message in replies_of({"choices": [choice], "model": "gpt-5-mini"})]
        ['42']
    """
    output = decoded(body.get("output"))
    if isinstance(output, Mapping):  # the call as a function, with what it returned
        return replies_of({**{name: body[name] for name in ("model", *_USAGES) if name in body}, **output})
    usage = _usage_of(body)
    metadata = {
        **({"model_name": body["model"]} if isinstance(body.get("model"), str) else {}),
        **({"service_tier": body["service_tier"]} if isinstance(body.get("service_tier"), str) else {}),
        **({"token_usage": dict(body["usage"])} if isinstance(body.get("usage"), Mapping) else {}),
    }
    found: list[AIMessage | None] = []
    choices = next((body[name] for name in ("choices", "outputs") if isinstance(body.get(name), list)), None)
    if choices is None and isinstance(output, list) and all(_is_choice(part) for part in output):
        choices = output
    if choices is not None:
        for choice in choices:
            if isinstance(choice, Mapping):
                whole = (
                    choice if "message" in choice else {"message": {"content": choice.get("text")}, **choice}
                )
                found.append(_assistant(whole))
    elif isinstance(output, list):
        said = [part for part in output if isinstance(part, Mapping)]
        spoken = [part for part in said if part.get("type") == "message"]
        blocks = (part.get("content") for part in spoken)
        content = [block for each in blocks for block in (each if isinstance(each, list) else [each])]
        calls = [part for part in said if part.get("type") == "function_call"]
        ended = body.get("status") if body.get("status") not in (None, "completed") else None
        found.append(_assistant({"content": content, "tool_calls": calls, "finish_reason": ended}))
    elif body.get("role") == "assistant":  # the message alone, as Anthropic's API answers
        found.append(_assistant(body))
    else:
        texts = (body.get(name) for name in ("output_text", "output"))
        found += [AIMessage(text) for text in texts if isinstance(text, str)][:1]
    return [
        message.model_copy(
            update={"usage_metadata": usage, "response_metadata": {**message.response_metadata, **metadata}}
        )
        for message in found
        if message is not None
    ]


def asked_messages(
    request: Mapping[str, Any], names: tuple[str, ...] = ("messages", "input", "input_items", "prompt")
) -> list[BaseMessage]:
    """The conversation that a request sends; empty if it has none.

    Example:
        >>> asked_messages({"input": "6 * 7?", "instructions": "Be brief."})[-1].text
        '6 * 7?'
    """
    value = next((request[name] for name in names if request.get(name)), None)
    if isinstance(value, str):
        return [HumanMessage(value)]
    if isinstance(value, Mapping) and isinstance(value.get("data"), list):  # as the API lists input items
        value = value["data"]
    return conversation(value) if value is not None else []


def error_text(error: Any) -> str:
    """An error as one text."""
    if isinstance(error, Mapping):
        inner: Any = error.get("error") if isinstance(error.get("error"), Mapping) else error
        kind = next((inner[name] for name in ("code", "type", "status") if inner.get(name)), None)
        said = inner.get("message")
        if said:
            return f"{kind}: {said}" if kind else str(said)
    return text_of(error) or "the call failed"


def _usage_of(body: Mapping[str, Any]) -> UsageMetadata | None:
    """The usage of a response, by whichever name it has."""
    for name in _USAGES:
        counts = decoded(body.get(name))
        if isinstance(counts, Mapping):
            read = {"input_tokens": counts.get("input"), "output_tokens": counts.get("output"), **counts}
            if body.get("type") == "message":  # Anthropic counts what was cached apart
                cached = (counts.get(f"cache_{how}_input_tokens") for how in ("read", "creation"))
                read["input_tokens"] = sum(each for each in (counts.get("input_tokens"), *cached) if each)
            if (usage := usage_in(read)) is not None:
                return usage
    return None


def _is_choice(part: Any) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("message"), Mapping)


def _assistant(value: Mapping[str, Any]) -> AIMessage | None:
    message = message_of(value, "assistant")
    return reply_of([message]) if message is not None else None


def _digest(line: Mapping[str, Any]) -> str:
    """A name for a line of a server that gives all responses the same id."""
    return text_id(json.dumps(line, sort_keys=True, default=str))


def _first(line: Mapping[str, Any], names: Iterable[str]) -> Any:
    for name in names:
        value = decoded(line.get(name))
        if isinstance(value, Mapping) and value:
            inner = value.get("body")
            return inner if isinstance(inner, Mapping) else value
        if isinstance(value, str) and names is _RESPONSES:  # the reply alone
            return {"output_text": value, **{part: line[part] for part in ("usage", "model") if part in line}}
    return None
