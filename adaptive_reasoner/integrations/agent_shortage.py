"""A step that a run has no room for, and the interrupt that asks whether the run may cost more."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log10
from typing import Any

from langchain_core.messages import AIMessage, ToolCall
from langgraph.errors import GraphInterrupt
from langgraph.types import interrupt

from adaptive_reasoner.amounts import enough, written
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.langgraph_runtime import execution
from adaptive_reasoner.integrations.run_bills import RunBill
from adaptive_reasoner.ledger.runs import RunLedger
from adaptive_reasoner.models.metering import is_amount


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
        return f"Declare a smaller max_tokens on the model, or {raised}{enough(self.reason.wanted)} at least."

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
            f"{{'more': {enough(missing)}}}) at least, or end with Command(resume={{'more': 0}}).",
        }
        answer = interrupt(payload)
        while (more := _more_of(answer)) is None:
            try:
                answer = interrupt(payload)
            except GraphInterrupt:
                raise ValueError(
                    f"resume a run that asks for more budget with {{'more': amount}}, a finite number of at "
                    f"least 0 {self.reason.unit}, not {answer!r}; {{'more': {enough(missing)}}} is enough "
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
