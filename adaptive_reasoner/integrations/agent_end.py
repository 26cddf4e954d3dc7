"""How a run ends that has no budget left for its next step."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from langchain_core.messages import AIMessage

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.langgraph_runtime import write_stream_event
from adaptive_reasoner.integrations.open_bills import RunBill


@dataclass(frozen=True)
class AgentEnd:
    """What is said, or raised, where nothing fits any more.

    Args:
        budgets: The budgets of the middleware, by the names of its arguments; None where there is none.
        on_exhausted: Whether the run ends with a message, or raises.
    """

    budgets: Mapping[str, float | None]
    on_exhausted: Literal["end", "raise"]

    def __post_init__(self) -> None:
        if self.on_exhausted not in ("end", "raise"):
            raise ValueError(f"on_exhausted is 'end' or 'raise', not {self.on_exhausted!r}")
        for name, amount in self.budgets.items():
            if amount is not None and not amount > 0:
                raise ValueError(f"{name} must be above 0, got {amount}")

    def message(self, bill: RunBill, run_id: str, reason: BudgetExceededError) -> AIMessage:
        """The message that ends the run.

        Raises:
            BudgetExceededError: Where that was asked for, or where no action has a worst case to go by.
        """
        if reason.wanted == inf:
            raise reason
        unit, spent = bill.ledger.cost_unit, bill.ledger.cost
        text = (
            f"the budget is used up. This run has spent {spent:g} {unit}; "
            f"the next step can cost {reason.wanted:g}, and {reason.left:g} are left."
        )
        whole = {**self.budgets, "hard cap": bill.ledger.hard_cap}
        never = [name for name, most in whole.items() if most is not None and most < reason.wanted]
        if never or self.on_exhausted == "raise":
            raised = f"raise the {' and the '.join(never)} to " if never else "allow "
            text += f" Declare a smaller max_tokens on the model, or {raised}{reason.wanted:g} at least."
        if self.on_exhausted == "raise":
            raise BudgetExceededError(reason.wanted, reason.left, reason.unit, text) from reason
        event: dict[str, Any] = {
            "event": "exhausted",
            "run_id": run_id,
            "spent": float(spent),
            "wanted": float(reason.wanted),  # a policy may think in numpy; a checkpoint does not
            "left": float(reason.left),
            "cost_unit": unit,
        }
        write_stream_event(event)
        return AIMessage(f"I stop here: {text}", response_metadata={"adaptive_reasoner": event})
