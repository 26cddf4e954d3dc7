"""A comparison by its name, and the groups that it makes of replies."""

import json as json_format
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import AnswerKey, Comparison, TextComparison
from adaptive_reasoner.answers.extraction import choice, exact, final_answer, numeric
from adaptive_reasoner.answers.math_equivalence import math

Key = str | Comparison | AnswerKey
"""What `key=` takes: the name of a comparison, a comparison, or a function of the message."""

auto = TextComparison("auto", lambda message, _: final_answer(message), exact)
"""Compares what a reply offers: tool calls, a structured value or a stated answer."""

json = TextComparison("json", lambda message, _: final_answer(message), exact)
"""Compares JSON by value."""


def fields(*names: str) -> Comparison:
    """Compare replies by these fields of their JSON or tool calls alone.

    Example:
        >>> replies = [AIMessage('{"city": "Paris", "why": "x"}'), AIMessage('{"city": "Paris", "why": "y"}')]
        >>> groups(replies, key=fields("city"))
        [0, 0]
    """
    if not names:
        raise ValueError("fields() needs the name of at least one field")

    def chosen(value: Any) -> Any:
        if isinstance(value, dict) and any(name in value for name in names):
            return {name: value.get(name) for name in names}
        return None

    def key(message: AIMessage, _: str) -> str | None:
        found = final_answer(message)
        try:
            value = json_format.loads(found or "")
        except ValueError:
            return None
        if message.tool_calls:
            return json_format.dumps([[name, chosen(given)] for name, given in value])
        picked = chosen(value)
        return None if picked is None else json_format.dumps(picked)

    return TextComparison("fields", key, exact)


_BY_NAME: dict[str, Comparison] = {each.name: each for each in (auto, exact, numeric, math, choice, json)}


def comparison(key: Key) -> Comparison:
    """The comparison of a name; a comparison stays, a function of the message becomes one.

    Raises:
        ValueError: There is no comparison of this name.
        TypeError: It is neither.
    """
    if isinstance(key, str):
        if key not in _BY_NAME:
            raise ValueError(f"there is no key {key!r}; known are {', '.join(_BY_NAME)}")
        return _BY_NAME[key]
    if isinstance(key, Comparison):
        return key
    if callable(key):
        name = getattr(key, "__name__", type(key).__name__)
        return TextComparison(name, lambda message, _: key(message), exact)
    raise TypeError(f"a key is a name, a comparison or a function of the message, not {key!r}")


def groups(messages: Sequence[AIMessage], *, question: str = "", key: Key = "auto") -> list[int | None]:
    """Which replies say the same: equal integers do, None offers nothing to compare.

    Raises:
        ValueError: There is no such key, or it needs a model to compare.

    Example:
        >>> groups([AIMessage("Answer: 14"), AIMessage("The answer is 14.0."), AIMessage("Answer: 15")])
        [0, 0, 1]
    """
    numbers: dict[str, int] = {}
    found = comparison(key).keys(messages, question=question)
    return [None if text is None else numbers.setdefault(text, len(numbers)) for text in found]
