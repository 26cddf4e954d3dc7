"""What an agent does when its budget is nearly used up, or has no room for the next step.

Where the next step does not fit, the run ends with a last step that calls no tool, if that fits, or else with
a message; or it raises; or it asks, by an interrupt, whether it may cost more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, inf, isfinite, log10
from typing import Any, Literal

from langchain.agents.middleware.types import ModelRequest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage
from langgraph.errors import GraphInterrupt
from langgraph.types import interrupt

from adaptive_reasoner.amounts import written
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.agent_calls import preamble
from adaptive_reasoner.integrations.langgraph_runtime import execution, write_stream_event
from adaptive_reasoner.integrations.run_bills import RunBill
from adaptive_reasoner.ledger.runs import RunLedger
from adaptive_reasoner.models.dollars import for_models
from adaptive_reasoner.models.metering import UNDECLARED_MAX_TOKENS, Meter, is_amount
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
class Shortage:
    """A step that a run has no room for.

    Attributes:
        bill: That of the run.
        reason: What was refused.
        step: What it is called.
        most: The most that one answer may cost, where the run's context says so.
    """

    bill: RunBill
    reason: BudgetExceededError
    step: str = "the next step"
    most: float = inf

    @classmethod
    def of_tool(cls, bill: RunBill, call: ToolCall) -> "Shortage | None":
        """A paid tool that the run has no room for; None where it has, or the tool has no price."""
        worst, left, unit = bill.declared(call), bill.ledger.left, bill.ledger.cost_unit
        if worst is None or worst <= left:
            return None
        return cls(bill, BudgetExceededError(worst, left, unit), f"the tool {call['name']}")

    @property
    def can_be_cured(self) -> bool:
        """Whether the step fits once the run may cost more: no other limit stands in its way."""
        ledger, wanted = self.bill.ledger, self.reason.wanted
        around = ledger.own.left if isinstance(ledger.own, RunLedger) else inf
        cap = inf if ledger.hard_cap is None else ledger.hard_cap - ledger.spent
        return ledger.left < wanted <= min(self.most, around, cap)

    @property
    def text(self) -> str:
        """What was spent, what the step can cost and what is left."""
        reason = self.reason
        return (
            f"the budget is used up. This run has spent {written(self.bill.ledger.cost)} {reason.unit}; "
            f"{self.step} can cost {written(reason.wanted)}, and {written(reason.left)} are left."
        )

    @property
    def too_small(self) -> list[str]:
        """The limits in which the step would never fit."""
        cap = self.bill.ledger.hard_cap
        allowance = self.bill.allowance
        limits = {name: allowance.of(name) + allowance.before.get(name, 0.0) for name in allowance.budgets}
        limits |= {} if cap is None else {"hard cap": cap}
        return [name for name, most in limits.items() if most < self.reason.wanted]

    @property
    def way_out(self) -> str:
        """What to change, so that the step fits."""
        never = self.too_small
        raised = f"raise the {' and the '.join(never)} to " if never else "allow "
        return (
            f"Declare a smaller max_tokens on the model, or {raised}{written(self.reason.wanted)} at least."
        )

    @property
    def missing(self) -> float:
        """What the run has to be allowed beyond its budget, in three digits."""
        lacking = self.reason.wanted - self.bill.ledger.left
        digit = 10.0 ** (floor(log10(lacking)) - 2) if lacking > 0 else 1.0
        return float(f"{ceil(lacking / digit) * digit:.12g}")

    def event(self, name: str) -> dict[str, Any]:
        """What is told of it; plain numbers, as a policy may think in numpy, and a checkpoint does not."""
        return {
            "event": name,
            "run_id": self.bill.ledger.question,
            "spent": float(self.bill.ledger.cost),
            "wanted": float(self.reason.wanted),
            "left": float(self.reason.left),
            "cost_unit": self.reason.unit,
        }

    def refused(self) -> BudgetExceededError:
        """The error of a run that is to raise one."""
        reason = self.reason
        return BudgetExceededError(reason.wanted, reason.left, reason.unit, f"{self.text} {self.way_out}")

    def final_message(self, event: Mapping[str, Any]) -> AIMessage:
        """What the run ends with where nothing else fits."""
        way_out = f" {self.way_out}" if self.too_small else ""
        return AIMessage(
            f"I stop here: {self.text}{way_out}", response_metadata={"adaptive_reasoner": dict(event)}
        )

    def ask(self, number: int) -> bool:
        """Interrupt the run and ask whether it may cost more; whether it may.

        The node runs again from its beginning with the answer, and with all answers before it. One that was
        refused is passed over when another has come.

        Args:
            number: How many times the node has asked by now.

        Raises:
            ValueError: The answer is none.
        """
        missing, text = self.missing, self.text
        payload = {
            "type": "adaptive_reasoner",
            **self.event("ask"),
            "missing": missing,
            "message": f"{text[0].upper()}{text[1:]} Go on with Command(resume="
            f"{{'more': {written(missing)}}}) at least, or end with Command(resume={{'more': 0}}).",
        }
        answer = interrupt(payload)
        while (more := _more_of(answer)) is None:
            try:
                answer = interrupt(payload)
            except GraphInterrupt:
                raise ValueError(
                    f"resume a run that asks for more budget with {{'more': amount}}, a finite number of at "
                    f"least 0 {self.reason.unit}, not {answer!r}; {{'more': {written(missing)}}} is enough "
                    f"for {self.step}, and {{'more': 0}} ends the run"
                ) from None
        ledger = self.bill.ledger
        if more > 0:
            needed = ledger.budget - ledger.left + self.reason.wanted
            self.bill.allow(more, node_here(), number, needed=needed)
        return more > 0


def _more_of(answer: Any) -> float | None:
    """The amount in an answer; None where it is no answer.

    >>> [_more_of(answer) for answer in ({"more": 0.05}, {"more": 0}, {"more": -1}, {"more": True}, 3, {})]
    [0.05, 0.0, None, None, None, None]
    """
    if not isinstance(answer, Mapping) or set(answer) != {"more"}:
        return None
    more = answer["more"]
    return float(more) if is_amount(more) and not isinstance(more, bool) and isfinite(more) else None


@dataclass(frozen=True)
class LastStep:
    """The model call that ends a run: without tools, on what is known.

    Attributes:
        request: The call.
        source: How its model is called.
        worst: The most it can cost.
    """

    request: ModelRequest[Any]
    source: Source
    worst: float

    @classmethod
    def within(cls, left: float, request: ModelRequest[Any], meter: Meter) -> "LastStep | None":
        """The last call in place of one that does not fit; None where it does not fit either.

        Results of tools become text: some providers refuse a conversation about tools that it does not
        declare. Its reply is as long as the model declares, or shorter where that is what fits.
        """
        known = [_as_text(message) for message in request.messages]
        overrides: dict[str, Any] = {
            "messages": [*known, HumanMessage(_LAST)],
            "tools": [],
            "tool_choice": None,
        }
        request = request.override(**overrides)
        source = Source(request.model, settings=request.model_settings, preamble=preamble(request))
        billed, declared = source.billable_messages(request.messages), source.room({})
        meter = for_models(meter, *source.called({}))

        def worst(tokens: int) -> float:
            return source.replies({}) * meter.worst_cost(billed, tokens)

        if declared is not None and worst(declared) <= left:
            return cls(request, source, worst(declared))
        fits, too_many = min(declared or SHORTEST, SHORTEST), (declared or UNDECLARED_MAX_TOKENS) + 1
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
        return cls(request, replace(source, settings=settings, max_tokens=fits), worst(fits))


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


def node_here() -> str:
    """Names the node that this is called in, the same when it runs again."""
    task = execution()
    return task.task_id if task else ""


def ask_for_tool(bill: RunBill, call: ToolCall) -> None:
    """Before a paid tool is called that the run has no room for, ask whether the run may cost more."""
    asked = 0
    bill.take_back(node_here())
    while (short := Shortage.of_tool(bill, call)) and short.can_be_cured:
        asked += 1
        if not short.ask(asked):
            return


def told_of_budget(bill: RunBill) -> list[dict[str, Any]]:
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
