"""When two replies say the same: one definition for votes, agreement and grades."""

from collections.abc import Callable, Generator, Sequence
from typing import Protocol, runtime_checkable

from langchain_core.messages import AIMessage

from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import Request

AnswerKey = Callable[[AIMessage], str | None]
Grader = Callable[[str | None, str], float]

ComparisonSteps = Generator[Sequence[Request], Sequence[Reply], list[str | None]]


@runtime_checkable
class Comparison(Protocol):
    """When two replies say the same."""

    @property
    def name(self) -> str:
        """How it is called in menus and messages."""

    def keys(self, messages: Sequence[AIMessage], *, question: str = "") -> list[str | None]:
        """One text a message: equal texts say the same, None offers nothing to compare."""

    def steps(self, messages: Sequence[AIMessage], *, question: str = "") -> ComparisonSteps:
        """The same for comparisons that call models: yields requests, is sent replies, returns the keys."""

    def grade(self, answer: str | None, gold: str) -> float:
        """How right an answer is, in [0, 1]."""


class TextComparison:
    """A comparison by one text a reply, which calls no model.

    Args:
        name: How it is called in menus and messages.
        key: The text of a message, given the question; None where it offers nothing to compare.
        grade: How right an answer is.
    """

    def __init__(self, name: str, key: Callable[[AIMessage, str], str | None], grade: Grader) -> None:
        self.name, self._key, self._grade = name, key, grade

    def keys(self, messages: Sequence[AIMessage], *, question: str = "") -> list[str | None]:
        """One text a message: equal texts say the same, None offers nothing to compare."""
        return [self._key(message, question) for message in messages]

    def steps(self, messages: Sequence[AIMessage], *, question: str = "") -> ComparisonSteps:
        """The keys; no request is yielded."""
        yield from ()
        return self.keys(messages, question=question)

    def grade(self, answer: str | None, gold: str) -> float:
        """How right an answer is, in [0, 1]."""
        return self._grade(answer, gold)

    def __call__(self, answer: str | None, gold: str) -> float:
        """How right an answer is, in [0, 1]."""
        return self._grade(answer, gold)

    def __repr__(self) -> str:
        return self.name
