"""A judge's verdict on two replies that it is shown without their names, in both orders."""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Sequence
from typing import Protocol

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable

from adaptive_reasoner.answers.preference import preference_prompt, stated_preference
from adaptive_reasoner.answers.reply_text import without_thoughts
from adaptive_reasoner.models.metering import is_amount
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import Request, Source, chat_model
from adaptive_reasoner.shadow.settings import AskJudge, Shadow, Verdict


class PairJudge(Protocol):
    """Says which of two replies is better."""

    def requests(self, question: str, own: str, other: str) -> list[Request]:
        """The calls it takes, both orders; none of a judge that is a function."""

    def preferred(self, question: str, own: str, other: str, replies: Sequence[Reply]) -> float | None:
        """How likely it prefers the first reply, over both orders; None where it did not say in either."""


def judge_of(shadow: Shadow) -> PairJudge:
    """The judge that a user asks for."""
    judge = shadow.judge
    if isinstance(judge, Source):
        return ModelJudge(judge)
    if isinstance(judge, str | Runnable):
        return ModelJudge(Source(chat_model(judge)))
    return FunctionJudge(judge)


class ModelJudge:
    """A chat model as a judge.

    Args:
        source: How it is called.
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    def requests(self, question: str, own: str, other: str) -> list[Request]:
        """One call an order."""
        prompts = (preference_prompt(question, own, other), preference_prompt(question, other, own))
        return [
            Request([HumanMessage(prompt)], source=self.source, hidden_sample=True, auxiliary=True)
            for prompt in prompts
        ]

    def preferred(self, question: str, own: str, other: str, replies: Sequence[Reply]) -> float | None:  # noqa: ARG002 - they are in the replies
        """The preference by the verdicts of the two calls."""
        verdicts = [
            None if each.message is None else stated_preference(each.message.text) for each in replies
        ]
        return both_orders(verdicts)


class FunctionJudge:
    """A function as a judge; one that is asynchronous runs in a loop of its own.

    Args:
        ask: The function.
    """

    def __init__(self, ask: AskJudge) -> None:
        self._ask = ask

    def requests(self, question: str, own: str, other: str) -> list[Request]:  # noqa: ARG002 - of the protocol
        """No requests: the function makes its own calls."""
        return []

    def preferred(self, question: str, own: str, other: str, replies: Sequence[Reply]) -> float | None:  # noqa: ARG002 - of the protocol
        """The preference by what the function returns for each order."""
        return both_orders([self._chance(question, own, other), self._chance(question, other, own)])

    def _chance(self, question: str, first: str, second: str) -> float | None:
        verdict = self._ask(question, first, second)
        return chance_of(asyncio.run(_awaited(verdict)) if inspect.isawaitable(verdict) else verdict)


async def _awaited(verdict: Awaitable[Verdict]) -> Verdict:
    return await verdict


def chance_of(verdict: Verdict) -> float | None:
    """A verdict as how likely the first reply is the better one.

    Raises:
        ValueError: It is not a verdict.

    Example:
        >>> [chance_of(verdict) for verdict in ("A", "tie", 0.25, True, None)]
        [1.0, 0.5, 0.25, 1.0, None]
    """
    if verdict is None:
        return None
    if isinstance(verdict, str):
        return stated_preference(verdict)
    if is_amount(verdict) and verdict <= 1.0:
        return float(verdict)
    raise ValueError(f"a judge returns a number from 0 to 1, 'A', 'B', 'tie' or None, not {verdict!r}")


def both_orders(verdicts: Sequence[float | None]) -> float | None:
    """How likely the own reply is preferred, by the verdicts with it first and with it second.

    Both orders are needed: with one alone, a liking for the first place would not cancel.

    Example:
        >>> both_orders([1.0, 0.0]), both_orders([1.0, 1.0]), both_orders([1.0, None])
        (1.0, 0.5, None)
    """
    first, second = verdicts
    return None if first is None or second is None else (first + 1.0 - second) / 2.0


def shown_text(message: AIMessage) -> str:
    """A reply as a judge is shown it: its text without thoughts, and the tools it would call."""
    text = without_thoughts(message.text)
    shown = message.text.strip() if text is None else text
    calls = [{"tool": call["name"], "arguments": call["args"]} for call in message.tool_calls]
    return "\n".join(filter(None, [shown, *(json.dumps(call, default=str) for call in calls)]))
