"""What the replies to a question state."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import Comparison
from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.answers.grouping import auto
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import Messages
from adaptive_reasoner.strategies.flow import Task, never_blocks_on, vote_of


class _Reading(NamedTuple):
    """What a reply offers for comparison under `auto`, and how it states that."""

    message: AIMessage
    form: str | None
    statement: str | None


class Readings:
    """What replies state, for events and for the record. Each reply is read once, as that may take its time.

    Args:
        key: When two replies say the same.
        messages: The question.
    """

    def __init__(self, key: Comparison, messages: Messages) -> None:
        self._key, self._messages = key, messages
        self._known: dict[int, _Reading] = {}  # by the identity of the message

    def never_block_on(self, replies: Sequence[Reply]) -> bool:
        """Whether replies are read without loading anything, without waiting and without user code."""
        keys = dict.fromkeys((self._key, auto))
        return all(never_blocks_on(key, replies, self._question) for key in keys)

    def answer_of(self, reply: Reply) -> str | None:
        """The answer in a reply, as far as one can tell from it alone."""
        if reply.message is None or reply.auxiliary:
            return None
        if self._key is auto:
            return self._read(reply.message).statement
        return self.stated(reply.message, vote_of(reply.message, self._key, self._question))

    def stated(self, message: AIMessage, value: str | None) -> str | None:
        """An answer as its reply states it, where `auto` compares by a form of its own: 5 km, not 5000 m."""
        if value is None or value != self._read(message).form:
            return value
        return self._read(message).statement

    def _read(self, message: AIMessage) -> _Reading:
        if id(message) not in self._known:
            form = vote_of(message, auto, self._question)
            statement = None if form is None else final_answer(message) or form
            self._known[id(message)] = _Reading(message, form, statement)
        return self._known[id(message)]

    @cached_property
    def _question(self) -> str:
        """The question as comparisons of replies take it."""
        return Task(self._messages).question
