"""The end of an agent's run: notices of a budget that is nearly used up, and a last step without tools.

Where the next step does not fit (`agent_shortage`), the run ends with a last step that calls no tool, if that
fits, or else with a message; or it raises; or it asks whether it may cost more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from langchain.agents.middleware.types import ModelRequest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from adaptive_reasoner.amounts import written
from adaptive_reasoner.integrations.agent_calls import preamble
from adaptive_reasoner.integrations.langgraph_runtime import write_stream_event
from adaptive_reasoner.integrations.run_bills import RunBill
from adaptive_reasoner.models.dollars import for_models
from adaptive_reasoner.models.metering import UNDECLARED_MAX_TOKENS, Meter
from adaptive_reasoner.models.reply_bound import max_output_tokens
from adaptive_reasoner.models.source import Source

Ending = Literal["end", "raise", "ask"]

SHORTEST = 256
"""The tokens that a last answer is given at least, unless its model declares fewer."""

_LAST = (
    "The budget of this run is used up: this is its last step, and no tool can be called any more. "
    "Answer now from what is known, and say what is missing."
)


@dataclass(frozen=True)
class FittingCall:
    """A model call that fits into what is left.

    Attributes:
        request: The call.
        source: How its model is called.
        worst: The most it can cost.
    """

    request: ModelRequest[Any]
    source: Source
    worst: float


def last_step(left: float, request: ModelRequest[Any], meter: Meter) -> FittingCall | None:
    """The model call that ends a run, without tools, on what is known; None where it does not fit either.

    Results of tools become text: some providers refuse a conversation about tools that it does not declare.
    """
    known = [_as_text(message) for message in request.messages]
    overrides: dict[str, Any] = {
        "messages": [*known, HumanMessage(_LAST)],
        "tools": [],
        "tool_choice": None,
    }
    return fitting(request.override(**overrides), left, meter, least=SHORTEST)


def fitting(request: ModelRequest[Any], left: float, meter: Meter, *, least: int) -> FittingCall | None:
    """A model call whose reply is as long as the model declares, or shorter where that is what fits.

    Args:
        request: The call.
        left: What it may cost.
        meter: What calls cost.
        least: The tokens that its reply is given at least, beyond those for thinking that a Claude is told
            to have in it, unless the model declares fewer.

    Returns:
        None where not even the shortest reply fits.
    """
    source = Source(request.model, settings=request.model_settings, preamble=preamble(request))
    billed, declared = source.billable_messages(request.messages), source.room({})
    meter = for_models(meter, *source.called({}))

    def worst(tokens: int) -> float:
        return source.replies({}) * meter.worst_cost(billed, tokens)

    if declared is not None and worst(declared) <= left:
        return FittingCall(request, source, worst(declared))
    least += source.room_to_think
    fits, too_many = min(declared or least, least), (declared or UNDECLARED_MAX_TOKENS) + 1
    if worst(fits) > left:
        return None
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if worst(middle) <= left else (fits, middle)
    settings = {
        name: value
        for name, value in request.model_settings.items()
        if max_output_tokens({name: value}) is None
    }
    request = request.override(model_settings=settings)
    return FittingCall(request, replace(source, settings=settings, max_tokens=fits), worst(fits))


def nearly_used_notice(spent: float, left: float, unit: str) -> HumanMessage:
    """The line to the model of a run whose budget is nearly used up."""
    return HumanMessage(
        f"Of the budget of this run {written(spent)} {unit} are spent and {written(left)} are left. Call "
        "only the tools that the answer cannot do without, and come to an end."
    )


def without_tool_calls(message: AIMessage) -> AIMessage | None:
    """A last reply without its tool calls, which were not offered; None if it has no text."""
    if not message.tool_calls and not message.invalid_tool_calls:
        return message if message.text.strip() else None
    if not message.text.strip():
        return None
    kept = {"content": message.text, "tool_calls": [], "invalid_tool_calls": []}
    extra = {
        name: value
        for name, value in message.additional_kwargs.items()
        if name not in ("tool_calls", "function_call")
    }
    return message.model_copy(update={**kept, "additional_kwargs": extra})


def _as_text(message: AnyMessage) -> AnyMessage:
    if isinstance(message, ToolMessage):
        return HumanMessage(_named(f"Result of the tool {message.name or message.tool_call_id}:", message))
    if isinstance(message, AIMessage) and message.tool_calls:
        called = ", ".join(f"{call['name']}({_arguments(call['args'])})" for call in message.tool_calls)
        return AIMessage(f"{message.text}\n[calls {called}]".strip())
    return message


def _named(name: str, message: ToolMessage) -> Any:
    """The content of a tool's message under a name; images and files stay what they are."""
    if isinstance(message.content, str):
        return f"{name}\n{message.content}"
    return [{"type": "text", "text": name}, *message.content]


def _arguments(args: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in args.items())


def nearly_used_events(bill: RunBill) -> list[dict[str, Any]]:
    """Say in the stream which budgets are nearly used up, once each; the events, for the handlers."""
    allowance, cost = bill.allowance, bill.ledger.cost
    events = [
        {
            "event": "nearly_exhausted",
            "run_id": bill.ledger.question,
            "budget": name,
            "share": float(allowance.share(name, cost)),
            "spent": float(cost),
            "left": float(max(0.0, allowance.of(name) - cost)),
            "cost_unit": bill.ledger.cost_unit,
        }
        for name in allowance.nearly_used(cost)
    ]
    for event in events:
        write_stream_event(event)
    return events
