"""Where an agent stands when it calls its model."""

from dataclasses import dataclass
from typing import Any, Literal, Self

from langchain_core.messages import HumanMessage, ToolMessage

from adaptive_reasoner.models.source import Messages

Phase = Literal["plan", "follow_up", "after_failure", "final"]
"""What a step is: before any tool, after results of tools, after a tool that failed, or the last of a run."""


@dataclass(frozen=True)
class AgentStep:
    """Where an agent stands when it calls its model.

    Attributes:
        number: Model calls of this run so far.
        question: The conversation's question: its last human turn, in its context.
        messages: The conversation.
        spent: What this run has cost so far.
        left: What it may still cost; infinite without a budget of the run or thread.
        phase: `"plan"` before any tool has run, `"after_failure"` where one of the latest tools has failed,
            `"final"` where the reply is expected to end the run, as it can call no tool, or is as late as
            the mean run has ended so far; else `"follow_up"`.
        results: Results of tools since the last human turn.
        errors: Those of them that are errors.

    Example:
        >>> failed = ToolMessage("no such file", tool_call_id="1", status="error")
        >>> step = AgentStep.of([HumanMessage("What is in it?"), failed], question="What is in it?", number=1)
        >>> step.phase, step.results, step.errors
        ('after_failure', 1, 1)
        >>> print(step.described())
        [step 1, after_failure, 1 result, 1 error]
        What is in it?
    """

    number: int
    question: str
    messages: Messages
    spent: float
    left: float
    phase: Phase = "plan"
    results: int = 0
    errors: int = 0

    @classmethod
    def of(
        cls,
        messages: Messages,
        *,
        question: str,
        number: int,
        spent: float = 0.0,
        left: float = float("inf"),
        ends: bool = False,
    ) -> Self:
        """The step of a conversation.

        Args:
            messages: The conversation.
            question: What it asks.
            number: Model calls of this run so far.
            spent: What this run has cost so far.
            left: What it may still cost.
            ends: Whether the reply is expected to end the run.
        """
        turns = [at for at, message in enumerate(messages) if isinstance(message, HumanMessage)]
        since = list(messages[turns[-1] + 1 :]) if turns else list(messages)
        results = [message for message in since if isinstance(message, ToolMessage)]
        latest: list[ToolMessage] = []
        for message in reversed(since):
            if not isinstance(message, ToolMessage):
                break
            latest.append(message)
        errors = sum(message.status == "error" for message in results)
        phase: Phase = "follow_up" if results else "plan"
        if any(message.status == "error" for message in latest):
            phase = "after_failure"
        elif ends and number:
            phase = "final"
        return cls(number, question, messages, spent, left, phase, len(results), errors)

    @property
    def features(self) -> dict[str, Any]:
        """What is known of the step as plain values, as the sample log keeps them."""
        left = None if self.left == float("inf") else self.left
        return {
            "step": self.number,
            "phase": self.phase,
            "tool_results": self.results,
            "tool_errors": self.errors,
            "run_spent": self.spent,
            "run_left": left,
        }

    def described(self) -> str:
        """The question after a line on where the run stands: for `about`, so that policies learn it."""
        counts = ((self.results, "result"), (self.errors, "error"))
        counted = [f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts]
        return f"[{', '.join([f'step {self.number}', self.phase, *counted])}]\n{self.question}"
