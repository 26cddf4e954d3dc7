"""Tools that an agent does not call, and what its model is told of that."""

from collections.abc import Mapping
from typing import Any

from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import HumanMessage, ToolMessage

from adaptive_reasoner.integrations.run_bills import RunBill

_MARK = {"adaptive_reasoner": {"event": "tool_refused"}}


def over_limit(bill: RunBill, request: ToolCallRequest, limits: Mapping[str, int]) -> ToolMessage | None:
    """The message for a call above the limit of its tool; None for a call that may be made.

    Counted are the calls of this run: those under way or ended in this process, and those that the state has
    an answer to since the last human turn.
    """
    name, call_id = request.tool_call["name"], str(request.tool_call["id"])
    most = limits.get(name)
    if most is None:
        return None
    if bill.admits_tool(name, call_id, _answered(request.state, name), most):
        return None
    return refused_tool(request, f"its limit of {most} {'call' if most == 1 else 'calls'} per run is reached")


def refused_tool(request: ToolCallRequest, reason: str) -> ToolMessage:
    """The message in place of a tool's own."""
    name = request.tool_call["name"]
    return ToolMessage(
        f"The tool {name} has no result: {reason}. Answer from what is known, or use another tool.",
        name=name,
        tool_call_id=request.tool_call["id"],
        status="error",
        response_metadata=_MARK,
    )


def _answered(state: Any, name: str) -> set[str]:
    """The calls of a tool that were made since the last human turn."""
    messages = list(state.get("messages") or []) if isinstance(state, Mapping) else []
    turns = [number for number, message in enumerate(messages) if isinstance(message, HumanMessage)]
    since = messages[turns[-1] :] if turns else messages
    return {
        message.tool_call_id
        for message in since
        if isinstance(message, ToolMessage) and message.name == name and message.response_metadata != _MARK
    }
