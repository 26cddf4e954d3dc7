"""What was decided for the answers to a request, and what they cost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_TOLD = (
    *("action", "reason", "price", "expected_cost", "worst_cost", "expected_accuracy", "policy_id"),
    *("cost", "samples", "rounds", "agreement", "votes", "answer", "estimated", "model"),
)


@dataclass
class Bill:
    """What is known of a request's answers, while they are made and afterwards.

    Attributes:
        cost_unit: The unit of the costs.
        decisions: By the number of the answer, what was decided and, at the end, what it cost.
    """

    cost_unit: str
    decisions: dict[int, dict[str, Any]] = field(default_factory=dict)

    def listener(self, number: int) -> Callable[[dict[str, Any]], None]:
        """Takes the events of one answer."""

        def hear(event: dict[str, Any]) -> None:
            if event["event"] != "sample":
                self.decisions.setdefault(number, {}).update(event)

        return hear

    @property
    def actions(self) -> list[str]:
        """The actions that were chosen, in the order of the answers."""
        return [self.decisions[number]["action"] for number in sorted(self.decisions)]

    @property
    def cost(self) -> float:
        """What the answers have cost that ended, also those that failed."""
        return float(sum(decision.get("cost", 0.0) for decision in self.decisions.values()))

    def record(self) -> dict[str, Any]:
        """The `adaptive_reasoner` object of a response."""
        decisions = [self.decisions[number] for number in sorted(self.decisions)]
        return {
            "action": decisions[0]["action"],
            "cost": self.cost,
            "cost_unit": self.cost_unit,
            "run_id": decisions[0]["run_id"],
            "decisions": [
                {name: decision[name] for name in _TOLD if name in decision}
                | {"failed": [error.partition(":")[0] for error in decision.get("failed", [])]}
                for decision in decisions
            ],
        }
