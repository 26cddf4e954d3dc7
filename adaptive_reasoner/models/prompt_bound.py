"""A bound on the tokens of a prompt, which needs no tokenizer: everything that is billed is in it."""

import json
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage

from adaptive_reasoner.models.media_bounds import media_kind, most_media_tokens, without_content
from adaptive_reasoner.models.usage import Usage

UNDECLARED_BLOCK_TOKENS = 65_536
"""What a block that has no bound is billed at where its call is lost."""

_TOKENS_PER_MESSAGE = 16
_TOOLS_INTRODUCED = 530  # the longest system prompt that Anthropic adds for tools
_PLAIN = frozenset({"text", "input_text", "output_text"})
_CALLS = frozenset(
    {"tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "function_call", "input_json_delta"}
)
_AS_TEXT = {
    *_PLAIN,
    *_CALLS,
    *("refusal", "summary_text", "compaction"),
    *("reasoning", "thinking", "redacted_thinking", "reasoning_content", "function_call_signature"),
    *("server_tool_use", "server_tool_call", "server_tool_call_chunk", "file_search_call"),
    *("mcp_tool_use", "mcp_call", "mcp_list_tools", "mcp_approval_request", "web_search_call"),
    *("code_interpreter_call", "executable_code", "tool_reference", "local_shell_call"),
    *("computer_call", "custom_tool_call", "guard_content", "cachePoint"),
}
"""Blocks that a provider reads as text: their JSON has at least as many bytes as they have tokens."""

_RESULTS = {
    *("server_tool_result", "search_result", "mcp_tool_result", "custom_tool_call_output"),
    *("web_search_tool_result", "web_fetch_tool_result", "tool_search_tool_result"),
    *("code_execution_tool_result", "code_execution_result"),
    *("bash_code_execution_tool_result", "text_editor_code_execution_tool_result"),
}
"""Blocks of text that may hold images and documents at any depth."""

_NESTING = {
    "tool_result": "content",
    "function_call_output": "output",
    "computer_call_output": "output",
    "non_standard": "value",
}
"""Blocks that hold others, and where."""

_BEDROCK_TEXT = ("text", "cachePoint", "toolUse", "reasoningContent", "guardContent")


class PromptBound(SystemMessage):
    """The most tokens of the prompt it stands in: known by other means, and not sent.

    Attributes:
        tokens: The most tokens of the whole prompt.
    """

    tokens: float

    def __init__(self, tokens: float, **fields: Any) -> None:
        super().__init__(**{"content": "", **fields, "tokens": tokens})


class SchemaText(SystemMessage):
    """Tools and formats as text, which a provider puts into its prompt with an introduction of its own."""


def most_prompt_tokens(
    messages: Sequence[BaseMessage], *, model: str = "", without_bound: float = inf
) -> float:
    """A bound on the tokens of a prompt.

    Text, tool calls and schemas have at most a token a byte. Images, recordings and documents are bounded by
    their provider's rules (`media_bounds`). A `PromptBound` among the messages takes the place of all this.

    Args:
        messages: What is sent.
        model: Name of the model, which tells the provider's rules; without it, the most expensive apply.
        without_bound: What a block of an unknown kind counts.

    Returns:
        The bound; infinite where a block is of an unknown kind.

    Example:
        >>> from langchain_core.messages import HumanMessage
        >>> most_prompt_tokens([HumanMessage("Hello")])
        21
        >>> most_prompt_tokens([HumanMessage([{"type": "hologram", "data": "..."}])])
        inf
    """
    known = [message.tokens for message in messages if isinstance(message, PromptBound)]
    if known:
        return known[-1]
    return sum(_of_message(message, model, without_bound) + _TOKENS_PER_MESSAGE for message in messages)


def bounded(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The same prompt with a bound in any case: what has none counts `UNDECLARED_BLOCK_TOKENS` a block."""
    sent = [message for message in messages if not isinstance(message, PromptBound)]
    return [*sent, PromptBound(most_prompt_tokens(sent, without_bound=UNDECLARED_BLOCK_TOKENS))]


def _of_message(message: BaseMessage, model: str, without_bound: float) -> float:
    content: Any = message.content
    tokens: float = len((message.name or "").encode(errors="surrogatepass"))
    if isinstance(message, SchemaText):
        tokens += _TOOLS_INTRODUCED
    if isinstance(message, ToolMessage):
        tokens += len(message.tool_call_id)
    blocks: list[Any] = [content] if isinstance(content, str) else list(content)
    if isinstance(message, AIMessage):
        calls = [*message.tool_calls, *message.invalid_tool_calls]
        extra = dict(message.additional_kwargs)
        if calls:  # a package sends them from here or from its own words, not both
            blocks = [block for block in blocks if _type_of(block) not in _CALLS]
            extra = {name: extra[name] for name in extra if name not in ("tool_calls", "function_call")}
            tokens += _json_bytes(calls)
        tokens += _json_bytes(extra) if extra else 0
        if _kept_elsewhere(blocks, extra):
            tokens += _answered(message, without_bound)
    return tokens + sum(_of_block(block, model, without_bound) for block in blocks)


def _of_block(block: Any, model: str, without_bound: float) -> float:
    if isinstance(block, str):
        return len(block.encode(errors="surrogatepass"))
    if not isinstance(block, Mapping):
        return without_bound
    named = _type_of(block)
    if named in _PLAIN and isinstance(block.get("text"), str):
        beside = {name: value for name, value in block.items() if name not in ("type", "text")}
        return len(block["text"].encode(errors="surrogatepass")) + (_json_bytes(beside) if beside else 0)
    if named in _NESTING:
        held = block.get(_NESTING[named])
        rest = {name: value for name, value in block.items() if name != _NESTING[named]}
        nested = held if isinstance(held, list) else [held] if held is not None else []
        return _json_bytes(rest) + sum(_of_block(each, model, without_bound) for each in nested)
    if named == "toolResult":
        result = block["toolResult"]
        return _json_bytes(result.get("toolUseId")) + sum(
            _of_block(each, model, without_bound) for each in result.get("content") or []
        )
    if media_kind(block):
        return _of_media(block, model, without_bound)
    if named in _RESULTS:
        return _json_bytes(block) + _media_in(block, model, without_bound)
    if named in _AS_TEXT or named in _BEDROCK_TEXT or (named is None and "json" in block):
        return _json_bytes(block)
    return without_bound


def _of_media(block: Mapping[str, Any], model: str, without_bound: float) -> float:
    """What a block of media is bounded by, its title and other words beside it."""
    source = block.get("source")
    if isinstance(source, Mapping) and source.get("type") in ("text", "content"):  # Anthropic's documents
        held = source.get("data") or source.get("content") or []
        rest = {name: value for name, value in block.items() if name != "source"}
        nested = held if isinstance(held, list) else [held]
        return _json_bytes(rest) + sum(_of_block(each, model, without_bound) for each in nested)
    words = _json_bytes(without_content(block))
    if isinstance(block.get("text"), str) and block["text"]:  # plain text under a file's name
        return words
    return words + most_media_tokens(block, model)


def _media_in(value: Any, model: str, without_bound: float) -> float:
    """What the media that a result holds are bounded by."""
    if isinstance(value, list):
        return sum(_media_in(each, model, without_bound) for each in value)
    if not isinstance(value, Mapping):
        return 0
    if value.get("type") is not None and media_kind(value):
        return _of_media(value, model, without_bound)
    return sum(_media_in(held, model, without_bound) for held in value.values())


def _type_of(block: Any) -> str | None:
    """The kind of a block; Bedrock's have it as their key."""
    if not isinstance(block, Mapping):
        return None
    if block.get("type") is not None:
        return str(block["type"])
    return next((name for name in (*_BEDROCK_TEXT, "toolResult") if name in block), None)


def _kept_elsewhere(blocks: Sequence[Any], extra: Mapping[str, Any]) -> bool:
    """Whether a part of a reply stays with the provider and is sent by its number: reasoning, or speech."""
    reasoning = [block for block in blocks if _type_of(block) == "reasoning"]
    reasoning += [extra[name] for name in ("reasoning", "audio") if isinstance(extra.get(name), Mapping)]
    return any(
        held.get("id") and not (held.get("encrypted_content") or held.get("data")) for held in reasoning
    )


def _answered(message: AIMessage, without_bound: float) -> float:
    """The output tokens of a reply, which bound what it left with its provider."""
    usage = Usage.known(message)
    return without_bound if usage is None else usage.completion_tokens


def _json_bytes(value: Any) -> int:
    return len(json.dumps(value, default=repr))
