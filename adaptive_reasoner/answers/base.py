"""When two replies say the same: one definition for votes, agreement and grades."""

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.waiting import WouldWaitError, at_once
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import Request

if TYPE_CHECKING:
    from adaptive_reasoner.answers.free_text.vectors import TextEncoder

_SOON_READ = 2_000
"""Characters of a text that is read within a few milliseconds."""

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


@runtime_checkable
class Representing(Protocol):
    """A comparison that says which of several equal replies is the answer; without one, the first is."""

    def representative(self, messages: Sequence[AIMessage], indices: Sequence[int]) -> int:
        """The index of the reply that stands for those at `indices`, which say the same."""


@runtime_checkable
class LacksEncoder(Protocol):
    """A comparison to be: it compares nothing until it has an encoder, such as that of a policy."""

    def with_encoder(self, encoder: "TextEncoder") -> Comparison:
        """The comparison by this encoder."""


class TextComparison:
    """A comparison by one text a reply, which calls no model.

    An answer is right where its text is that of the gold answer, so what is right is never two votes.

    Args:
        name: How it is called in menus and messages.
        of_message: The text of a message, given the question; None where it offers nothing to compare.
        of_answer: The text of an answer that stands alone, as golds do.
        tells_waits: Whatever `of_message` loads or waits for, it announces by `about_to_wait`. It reads tool
            calls as JSON, for which there is nothing of that.
    """

    def __init__(
        self,
        name: str,
        of_message: Callable[[AIMessage, str], str | None],
        of_answer: Callable[[str], str | None],
        *,
        tells_waits: bool = False,
    ) -> None:
        self.name, self._of_message, self._of_answer = name, of_message, of_answer
        self._tells_waits = tells_waits

    def never_blocks_on(self, message: AIMessage, *, question: str = "") -> bool:
        """Whether a message is compared without loading anything, as units, or waiting, as for mathematics.

        What waits is found by reading, so that a reply of plain text needs no thread.

        Example:
            >>> from adaptive_reasoner.answers.grouping import auto
            >>> call = {"name": "add", "args": {"a": 5, "b": 9}, "id": "1"}
            >>> replies = AIMessage("", tool_calls=[call]), AIMessage("Answer: 14"), AIMessage("(x+7)^2")
            >>> [auto.never_blocks_on(reply) for reply in replies]
            [True, True, False]
        """
        if not self._tells_waits or message.tool_calls:
            return self._tells_waits
        if len(message.text) > _SOON_READ:
            return False
        try:
            with at_once():
                self._of_message(message, question)
        except WouldWaitError:
            return False
        return True

    def keys(self, messages: Sequence[AIMessage], *, question: str = "") -> list[str | None]:
        """One text a message: equal texts say the same, None offers nothing to compare."""
        return [self._of_message(message, question) for message in messages]

    def steps(self, messages: Sequence[AIMessage], *, question: str = "") -> ComparisonSteps:
        """The keys; no request is yielded."""
        yield from ()
        return self.keys(messages, question=question)

    def grade(self, answer: str | None, gold: str) -> float:
        """1.0 where an answer says the same as the gold answer, else 0.0."""
        found = None if answer is None else self._of_answer(answer)
        return float(found is not None and found == self._of_answer(gold))

    def __call__(self, answer: str | None, gold: str) -> float:
        """1.0 where an answer says the same as the gold answer, else 0.0."""
        return self.grade(answer, gold)

    def __repr__(self) -> str:
        return self.name
