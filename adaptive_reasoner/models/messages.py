"""Conversations and replies in the forms that are asked for: what to decide on, what it used, one chunk."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, convert_to_messages
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.prompt_values import PromptValue

from adaptive_reasoner.models.replies import Reply, from_cache
from adaptive_reasoner.models.source import Messages, question_of
from adaptive_reasoner.models.usage import Usage, readable_usage

CONTEXT = 200
"""Characters of the conversation before the last human turn that are decided on with it."""


def messages_of(question: Any) -> Messages:
    """A conversation, whatever it was given as.

    Raises:
        ValueError: It was given as something else, such as a dict, whose keys would go for messages.
    """
    if isinstance(question, str):
        return [HumanMessage(question)]
    if isinstance(question, BaseMessage):
        return [question]
    if isinstance(question, Sequence | PromptValue):
        return convert_to_messages(question)
    keys = f" with the keys {list(question)}" if isinstance(question, Mapping) else ""
    raise ValueError(
        f"a question is a string, a message or a list of messages, not {type(question).__name__}{keys}"
    )


def decision_text(messages: Messages, *, context: int = CONTEXT) -> str:
    r"""What a conversation asks: its last human turn, after the end of what came before it.

    A question that stands alone is decided on as it is, so as the offline kit saw it. See `question_of` for a
    turn without text.

    Example:
        >>> turns = [HumanMessage("Is 91 prime?"), AIMessage("No."), HumanMessage("And 97?")]
        >>> decision_text(turns, context=5)
        '?\nNo.\nAnd 97?'
    """
    question = question_of(messages)
    last = max((at for at, message in enumerate(messages) if isinstance(message, HumanMessage)), default=0)
    spoken = [
        message.text
        for message in messages[:last]
        if isinstance(message, HumanMessage | AIMessage) and message.text
    ]
    before = "\n".join(spoken)[-context:]
    return f"{before}\n{question}" if before else question


def tokens_of(message: AIMessage | None) -> dict[str, int]:
    """The usage of a reply, by the names of the samples format; empty where it has none to rely on."""
    usage = None if message is None or from_cache(message) else Usage.known(message)
    if usage is None:
        return {}
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
    }


def usage_of(replies: Sequence[Reply]) -> UsageMetadata | None:
    """The usage of several replies together, without those that have none to rely on."""
    usage: UsageMetadata | None = None
    for reply in replies:
        if reply.received is None or from_cache(reply.received):
            continue
        counted = readable_usage(reply.received)
        if counted is not None:
            usage = add_usage(usage, counted)
    return usage


def chunk_of(message: AIMessage) -> AIMessageChunk:
    """A whole message as the one chunk of a stream."""
    return AIMessageChunk(
        content=message.content,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        id=message.id,
        name=message.name,
        **_calls_of(message),
        chunk_position="last",
    )


def _calls_of(message: AIMessage) -> dict[str, Any]:
    """The tool calls of a message as a chunk takes them: of chunks, LangChain mends those it cannot read."""
    if message.invalid_tool_calls:
        return {"tool_calls": message.tool_calls, "invalid_tool_calls": message.invalid_tool_calls}
    chunks = [
        ToolCallChunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=at)
        for at, call in enumerate(message.tool_calls)
    ]
    return {"tool_call_chunks": chunks}
