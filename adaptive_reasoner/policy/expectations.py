"""What a reply is expected to offer for comparison, before it is there.

A vote pays only where replies can be compared, and only a reply that is not voted over can be streamed. What
is asked for tells most: a structured output, an expression, a list of options, a poem. Where it does not, a
first sample is drawn alone. What such replies turn out to offer corrects the expectation.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from adaptive_reasoner.policy import request_patterns as patterns

Kind = Literal["structured", "key", "format", "options", "number", "fact", "text", "unknown"]
"""What is asked for: a declared structure, whatever an explicit key finds, a format that the prompt demands,
one of several options, a number or an expression, a fact, free text, or none of these for all one can see."""

_BEFORE: Mapping[Kind, tuple[float, float]] = {
    "structured": (16.0, 1.0),
    "key": (8.0, 1.0),
    "format": (8.0, 1.0),
    "options": (8.0, 1.0),
    "number": (8.0, 1.0),
    "fact": (2.0, 1.0),
    "unknown": (1.0, 1.0),
    "text": (1.0, 8.0),
}
"""Replies that offered something, and replies that did not, which an expectation begins with."""

_MEMORY = 64.0  # replies of a kind; beyond, the older ones count for half
_LOOKED_AT = 600  # characters of a long prompt, at either end


@dataclass(frozen=True, kw_only=True)
class AskedFor:
    """What is known of a reply before it is there.

    Attributes:
        question: The last human turn, with what the source's prompt puts around it.
        instructions: What is sent before the conversation, such as a system prompt.
        structured: The reply has a declared structure: a response format, or a tool that must be called.
        tools: What tools mean for it: there are none, they may be called, or their results are there.
    """

    question: str
    instructions: str = ""
    structured: bool = False
    tools: Literal["none", "callable", "called"] = "none"

    @property
    def kind(self) -> Kind:
        """What is asked for.

        Example:
            >>> [AskedFor(question=each).kind for each in ("What is 17 * 23?", "Write a poem about 7 cats.")]
            ['number', 'text']
        """
        if self.structured:
            return "structured"
        question = _ends_of(self.question.strip())
        if patterns.FORMAT.search(f"{_ends_of(self.instructions)}\n{question}"):
            return "format"
        if len(set(patterns.OPTION.findall(question))) > 1 or patterns.OPTIONS.search(question):
            return "options"
        return _kind_of(question)


class OfferedReplies:
    """How often replies of each kind offered something to compare: a few counts, shared by threads.

    Example:
        >>> offered = OfferedReplies()
        >>> poem = AskedFor(question="Write a poem.")
        >>> offered.expected(poem, "text") < 0.2
        True
        >>> for _ in range(20):
        ...     offered.add(poem, "text", offered=True)
        >>> offered.expected(poem, "text") > 0.7
        True
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[Kind, str], tuple[float, float]] = {}
        self._lock = threading.Lock()

    def expected(self, asked: AskedFor, kind: Kind) -> float:
        """The share of such replies that offer something: the mean of a Beta posterior."""
        with self._lock:
            seen, without = self._counts.get((kind, asked.tools), (0.0, 0.0))
        begin, begin_without = _BEFORE[kind]
        return (begin + seen) / (begin + begin_without + seen + without)

    def add(self, asked: AskedFor, kind: Kind, *, offered: bool) -> None:
        """Take note of a reply."""
        with self._lock:
            seen, without = self._counts.get((kind, asked.tools), (0.0, 0.0))
            fade = 0.5 if seen + without >= _MEMORY else 1.0
            self._counts[kind, asked.tools] = fade * seen + offered, fade * without + (not offered)


def is_structured(settings: Mapping[str, Any]) -> bool:
    """Whether call-time arguments declare the structure of the reply, in the words of any provider.

    Example:
        >>> is_structured({"tool_choice": "required"}), is_structured({"tool_choice": "auto"})
        (True, False)
    """
    if any(settings.get(name) for name in ("response_format", "ls_structured_output_format", "format")):
        return True
    choice = settings.get("tool_choice")
    named = choice.get("type") if isinstance(choice, Mapping) else choice
    return bool(named) and named not in ("auto", "none", False)


def _kind_of(question: str) -> Kind:
    sentences = [each for each in patterns.SENTENCE_END.split(question) if each.strip()] or [""]
    first, last = (patterns.POLITE.sub("", each.strip()) for each in (sentences[0], sentences[-1]))
    if patterns.GREETING.fullmatch(question):
        return "text"
    asks_text = patterns.TEXT.match(last)
    expression = patterns.CALCULATION.search(last) and not patterns.ABOUT_MATHEMATICS.match(last)
    if expression or (last != first and patterns.NUMBER.search(last) and not asks_text):
        return "number"
    if asks_text or patterns.TEXT.match(first) or patterns.TEXT_ANYWHERE.search(question):
        about = patterns.ABOUT_MATHEMATICS.match(first)
        return (
            "number"
            if not about and (patterns.CALCULATION.search(first) or patterns.FORM.search(first))
            else "text"
        )
    if patterns.CALCULATION.search(question) or patterns.NUMBER.search(question):
        return "number"
    if patterns.FACT.match(first) or patterns.FACT.match(last) or patterns.FACT_ANYWHERE.search(question):
        return "fact"
    return "unknown"


def _ends_of(text: str) -> str:
    return text if len(text) <= 2 * _LOOKED_AT else f"{text[:_LOOKED_AT]}\n{text[-_LOOKED_AT:]}"
