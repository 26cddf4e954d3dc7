"""Where an agent stands when it calls its model."""

from dataclasses import dataclass

from adaptive_reasoner.models.source import Messages


@dataclass(frozen=True)
class AgentStep:
    """Where an agent stands when it calls its model.

    Attributes:
        number: Model calls of this run so far.
        question: The conversation's question: its last human turn, in its context.
        messages: The conversation.
        spent: What this run has cost so far.
        left: What it may still cost; infinite without a budget of the run or thread.
    """

    number: int
    question: str
    messages: Messages
    spent: float
    left: float
