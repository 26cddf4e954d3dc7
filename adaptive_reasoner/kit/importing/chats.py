"""Conversations as logs write them, in the words of OpenAI, LangChain, OpenTelemetry and others."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata

_ROLES = {
    **dict.fromkeys(("user", "human", "humanmessage", "humanmessagechunk"), "user"),
    **dict.fromkeys(("assistant", "ai", "model", "choice", "aimessage", "aimessagechunk"), "assistant"),
    **dict.fromkeys(("system", "developer", "systemmessage"), "system"),
    **dict.fromkeys(("tool", "function", "toolmessage", "functionmessage"), "tool"),
}
_CALLS = ("tool_call", "tool_use", "function_call", "functionCall")
_RESULTS = ("tool_call_response", "tool_result", "function_call_output", "function_response")
_WORDS = ("text", "content", "input_text", "output_text", "refusal")
_COUNTS = {
    "input_tokens": ("input_tokens", "prompt_tokens", "inputTokens", "promptTokens"),
    "output_tokens": ("output_tokens", "completion_tokens", "outputTokens", "completionTokens"),
}
_READ = ("cache_read", "cached_tokens", "cache_read_input_tokens", "cache_read.input_tokens")
_WRITTEN = ("cache_creation", "cache_creation_input_tokens", "cache_creation.input_tokens")
_REASONED = ("reasoning", "reasoning_tokens", "reasoning.output_tokens")
_ENDS = ("finish_reason", "stop_reason", "finishReason")


def conversation(value: Any) -> list[BaseMessage]:
    """The messages of a conversation, which may be a text alone; what is no message is left out.

    Example:
        >>> conversation([{"role": "user", "parts": [{"type": "text", "content": "6 * 7?"}]}])[0].text
        '6 * 7?'
        >>> conversation([["human", "6 * 7?"], {"type": "ai", "content": "42"}])[1].text
        '42'
    """
    value = decoded(value)
    if isinstance(value, str):
        return [HumanMessage(value)] if value.strip() else []
    if isinstance(value, Mapping):
        if "messages" in value:
            return conversation(value["messages"])
        value = [value]
    if not isinstance(value, Sequence):
        return []
    if value and all(_is_batch(each) for each in value):
        return conversation(value[0])
    messages = (message_of(each, "user") for each in value)
    return [message for message in messages if message is not None]


def message_of(value: Any, role: str) -> BaseMessage | None:
    """A message; `role` is whose it is where it does not say. None if it is none."""
    value = decoded(value)
    if isinstance(value, str):
        return _made(role, value, [], {})
    if isinstance(value, Sequence) and len(value) == 2 and isinstance(value[0], str):
        return _made(_ROLES.get(value[0].lower(), role), _text(value[1]), [], {})
    if not isinstance(value, Mapping):
        return None
    kind = value.get("role") or value.get("type")
    if value.get("lc") and isinstance(value.get("id"), Sequence) and value["id"]:
        kind = value["id"][-1]
    inner = next(
        (value[name] for name in ("kwargs", "data", "message") if isinstance(value.get(name), Mapping)), value
    )
    if inner is not value and "role" in inner:
        kind = inner["role"]
    content = next((inner[name] for name in ("content", "parts", "text") if inner.get(name) is not None), "")
    own = _ROLES.get(str(kind).lower().replace("_", ""), role)
    if kind in _RESULTS or _holds(content, _RESULTS):
        own = "tool"
    calls = [*_calls(inner.get("tool_calls")), *_calls(content)]
    if kind in _CALLS:
        own, calls = "assistant", _calls([inner])
    reason = next((side[name] for side in (inner, value) for name in _ENDS if side.get(name)), None)
    metadata = dict(inner.get("response_metadata") or {})
    if isinstance(reason, str) and reason:
        metadata.setdefault("finish_reason", reason)
    return _made(own, _text(content), calls, metadata, inner.get("usage_metadata"))


def is_message(value: Any) -> bool:
    """Whether it is a message of one of the known roles, and no other object with a field of that name.

    Example:
        >>> is_message({"role": "user", "content": "6 * 7?"}), is_message({"name": "Ada", "role": "admin"})
        (True, False)
    """
    return (
        isinstance(value, Mapping)
        and str(value.get("role")).lower() in _ROLES
        and any(name in value for name in ("content", "parts", "text", "tool_calls"))
    )


def reply_of(messages: Sequence[BaseMessage]) -> AIMessage | None:
    """The last message of an assistant; None if there is none."""
    return next((each for each in reversed(messages) if isinstance(each, AIMessage)), None)


def usage_in(counts: Any) -> UsageMetadata | None:
    """The usage in counts of tokens, by the names of any provider; None if there are none.

    Example:
        >>> usage_in({"prompt_tokens": 9, "completion_tokens": 2})
        {'input_tokens': 9, 'output_tokens': 2, 'total_tokens': 11}
    """
    counts = decoded(counts)
    if not isinstance(counts, Mapping):
        return None
    flat = dict(counts)
    for name, inner in counts.items():
        if isinstance(inner, Mapping) and str(name).endswith(("details", "detail")):
            flat.update({kind: number for kind, number in inner.items() if kind not in _AUDIO})
    used: dict[str, Any] = {}
    for name, words in _COUNTS.items():
        count = _count(flat, words)
        if count is None:
            return None
        used[name] = count
    used["total_tokens"] = max(
        used["input_tokens"] + used["output_tokens"], _count(flat, ("total_tokens",)) or 0
    )
    read = {"cache_read": _count(flat, _READ), "cache_creation": _count(flat, _WRITTEN)}
    if inputs := {kind: count for kind, count in read.items() if count}:
        used["input_token_details"] = inputs
    if reasoned := _count(flat, _REASONED):
        used["output_token_details"] = {"reasoning": reasoned}
    return used  # type: ignore[return-value]


_AUDIO = ("audio", "audio_tokens")


def decoded(value: Any) -> Any:
    """A value that is written as JSON, as what it stands for; anything else as it is.

    Example:
        >>> decoded('[{"role": "user"}]'), decoded("[sic]"), decoded("7")
        ([{'role': 'user'}], '[sic]', '7')
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _is_batch(value: Any) -> bool:
    """Whether it is a list of messages, which LangChain's models take several of."""
    return isinstance(value, list) and bool(value) and not isinstance(value[0], str)


def _made(
    role: str, text: str, calls: list[dict[str, Any]], metadata: dict[str, Any], usage: Any = None
) -> BaseMessage:
    if role == "assistant":
        return AIMessage(
            text,
            tool_calls=calls,
            response_metadata=metadata,
            usage_metadata=usage_in(usage) if usage else None,
        )
    if role == "system":
        return SystemMessage(text)
    return ToolMessage(text, tool_call_id="") if role == "tool" else HumanMessage(text)


def _text(content: Any) -> str:
    """The text of a message's content, without images, thoughts and calls."""
    content = decoded(content) if isinstance(content, str) and _is_blocks(decoded(content)) else content
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, Sequence):
        return "" if content is None else str(content)
    return "".join(_words_of(part) for part in content)


def _words_of(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or part.get("type", "text") not in _WORDS or part.get("thought"):
        return ""
    words = next((part[name] for name in ("text", "content", "refusal") if part.get(name) is not None), "")
    return words if isinstance(words, str) else _text(words)


def _is_blocks(value: Any) -> bool:
    """Whether it is a list of content blocks, and no text that happens to be JSON."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, Mapping) and "type" in each for each in value)
    )


def _holds(content: Any, kinds: Sequence[str]) -> bool:
    return isinstance(content, list) and any(
        isinstance(part, Mapping) and part.get("type") in kinds for part in content
    )


def _calls(value: Any) -> list[dict[str, Any]]:
    """The tool calls in a list of calls or of parts."""
    if not isinstance(value, list):
        return []
    calls = []
    for part in value:
        if not isinstance(part, Mapping) or not (
            "function" in part or part.get("type") in _CALLS or "args" in part
        ):
            continue
        called = part["function"] if isinstance(part.get("function"), Mapping) else part
        given: Any = next((called[name] for name in ("arguments", "args", "input") if name in called), {})
        args = decoded(given)
        name = called.get("name")
        if isinstance(name, str) and name and isinstance(args, Mapping):
            calls.append({"name": name, "args": dict(args), "id": part.get("id"), "type": "tool_call"})
    return calls


def _count(counts: Mapping[str, Any], words: Sequence[str]) -> int | None:
    for word in words:
        count = counts.get(word)
        if isinstance(count, str) and count.isdecimal():
            count = int(count)
        if isinstance(count, int | float) and not isinstance(count, bool) and count == count:
            return int(count)
    return None
