"""Comparisons by their names, and the groups that they make of replies."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import AnswerKey, Comparison, LacksEncoder, TextComparison
from adaptive_reasoner.answers.extraction import canonical, choice_answer, final_answer
from adaptive_reasoner.answers.math_equivalence import check_installed
from adaptive_reasoner.answers.options import option
from adaptive_reasoner.answers.question import QuestionText, read_question
from adaptive_reasoner.answers.reply_text import (
    last_found,
    plain,
    read_once,
    sentences,
    spoken,
    without_courtesies,
)
from adaptive_reasoner.answers.stated import find_answer, find_declared
from adaptive_reasoner.answers.structured import calls_key, calls_value, is_code, json_key, json_of, table_key
from adaptive_reasoner.answers.values.expressions import is_expression, is_formula, unwrapped
from adaptive_reasoner.answers.values.numbers import UNSIGNED, number, number_key
from adaptive_reasoner.answers.values.reading import value_key
from adaptive_reasoner.lazy_pattern import pattern

Key = str | Comparison | AnswerKey | LacksEncoder
"""What `key=` takes: the name of a comparison, a comparison, or a function of the message.

`similar()`, which lacks an encoder, is a key where there is a policy that has one.
"""

_NO_QUESTION = QuestionText("")
_LAST_NUMBER = pattern(
    rf"(?<![\w^])(?<!\d[.,:/])(?<!\d)(?<!\d-)(?:(?<![\d)])[-+]\s?)?{UNSIGNED}(?![\d_^]|[.,:/-]\d|-\w)"
)

_ASSIGNED = pattern(r"[A-Za-z](?:_\{?\w\}?)?\s?=\s?([^=,]+)")


def auto_text(text: str, asked: QuestionText) -> str | None:
    """One text for what a text offers for comparison; None where it offers nothing."""
    structured = json_of(text)
    if structured is not None:
        return json_key(structured)
    if (table := table_key(text, asked)) is not None:
        return table
    if is_code(text):
        return None
    found = find_answer(text, asked)
    return None if found is None else found.key


def _auto(message: AIMessage, asked: str) -> str | None:
    if message.tool_calls:
        return calls_key(calls_value(message))
    text = spoken(message)
    return _read(text, asked) if text else None


@read_once
def _read(text: str, asked: str) -> str | None:
    return auto_text(text, read_question(asked))


def _json(message: AIMessage, _: str) -> str | None:
    if message.tool_calls:
        return calls_key(calls_value(message))
    return _json_text(spoken(message) or "")


@read_once
def _json_text(text: str) -> str | None:
    found = json_of(text)
    return None if found is None else json_key(found)


def _numeric(message: AIMessage, _: str) -> str | None:
    text = None if message.tool_calls else spoken(message)
    return _number_in(text) if text else None


@read_once
def _number_in(text: str) -> str | None:
    bare = plain(text)
    offered = find_declared(bare, _NO_QUESTION)
    if offered is not None and (found := numeric_text(offered[0])) is not None:
        return found
    return numeric_text("\n".join(without_courtesies(sentences(bare))))


def numeric_answer(message: AIMessage) -> str | None:
    """The number that a message answers with, by value: what it states, or its last one.

    Example:
        >>> numeric_answer(AIMessage("She has 1,200.50 dollars left, I think."))
        '1200.5'
    """
    return _numeric(message, "")


def numeric_text(text: str) -> str | None:
    """The last number of a text, by value; None where there is none.

    Example:
        >>> [numeric_text(text) for text in ("about 3.50", "1e6", "2024-01-15", "twelve")]
        ['3.5', '1000000', None, '12']
    """
    text = unwrapped(plain(text))
    last = last_found(_LAST_NUMBER, text)
    value = number(text.strip(" .")) if last is None else number(last[0])
    return None if value is None else number_key(value)


def _math(message: AIMessage, _: str) -> str | None:
    if message.tool_calls:
        return final_answer(message)
    text = spoken(message)
    return _object_in(text) if text else None


@read_once
def _object_in(text: str) -> str | None:
    """One text for the mathematical object that a text answers with."""
    offered = find_declared(plain(text), _NO_QUESTION)
    if offered is not None:
        return math_text(offered[0])
    found = find_answer(text, _NO_QUESTION)
    return _number_in(text) if found is None else math_text(found.text)


def math_text(text: str) -> str | None:
    """One text for a mathematical object; what is no mathematics, by its letters.

    Raises:
        ImportError: It is an expression, and math-verify is not installed.
    """
    bare = unwrapped(plain(text)).strip()
    if is_expression(bare):
        check_installed()
    without_degrees = bare.removesuffix("°").strip()
    if (assigned := _ASSIGNED.fullmatch(without_degrees)) and not is_formula(assigned[1]):
        without_degrees = assigned[1]
    return value_key(without_degrees, _NO_QUESTION, marked=True) or canonical(text)


def math_answer(message: AIMessage) -> str | None:
    r"""The answer a message gives, in one form for expressions that are equal: a key for votes.

    Raises:
        ImportError: math-verify is not installed.

    Example:
        >>> math_answer(AIMessage(r"so \boxed{\frac{3}{4}}")), math_answer(AIMessage("Answer: 0.75"))
        ('0.75', '0.75')
    """
    return _math(message, "")


def _choice_text(text: str) -> str | None:
    return option(plain(text))


auto = TextComparison("auto", _auto, lambda text: auto_text(text, _NO_QUESTION), tells_waits=True)
"""Compares what a reply offers: tool calls, a structured value or a stated answer; not free text or code."""

exact = TextComparison("exact", lambda message, _: final_answer(message), canonical, tells_waits=True)
"""Answers are equal where they are written alike."""

numeric = TextComparison("numeric", _numeric, numeric_text, tells_waits=True)
"""Answers are equal where their last numbers are equal in value.

Example:
    >>> numeric("14.0", "14"), numeric("about 3", "4"), numeric(None, "4")
    (1.0, 0.0, 0.0)
"""

math = TextComparison("math", _math, math_text, tells_waits=True)
r"""Answers are equal where they are the same mathematical object; needs math-verify.

Example:
    >>> math(r"\frac{1}{2}", "0.5"), math("(x+1)^2", "x^2+2x+1"), math("[0, 1)", "(0, 1]")
    (1.0, 1.0, 0.0)
"""

choice = TextComparison("choice", lambda message, _: choice_answer(message), _choice_text, tells_waits=True)
"""Answers are equal where they name the same option: "(B)", "b.", "option B" and "B) Paris" are one."""

json = TextComparison("json", _json, _json_text, tells_waits=True)
"""Compares JSON by value, in which reasons do not count."""


def fields(*names: str) -> Comparison:
    """Compare replies by these fields of their JSON or tool calls alone.

    Raises:
        ValueError: No field is named.

    Example:
        >>> replies = [AIMessage('{"city": "Paris", "why": "x"}'), AIMessage('{"city": "Paris", "why": "y"}')]
        >>> groups(replies, key=fields("city"))
        [0, 0]
    """
    if not names:
        raise ValueError("fields() needs the name of at least one field")

    def chosen(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: value[name] for name in names if name in value}
        return [chosen(each) for each in value] if isinstance(value, list) else None

    @read_once
    def of_text(text: str) -> str | None:
        picked = chosen(json_of(text))
        return json_key(picked) if picked and any(picked) else None

    def key(message: AIMessage, _: str) -> str | None:
        if not message.tool_calls:
            return of_text(spoken(message) or "")
        picked = [[name, chosen(args)] for name, args in calls_value(message)]
        return calls_key(picked) if any(args for _, args in picked) else None

    return TextComparison("fields", key, of_text, tells_waits=True)


_BY_NAME: dict[str, Comparison] = {each.name: each for each in (auto, exact, numeric, math, choice, json)}
_OF_FUNCTION: dict[Any, Comparison] = {
    final_answer: exact,
    numeric_answer: numeric,
    choice_answer: choice,
    math_answer: math,
}


def comparison(key: Key) -> Comparison:
    """The comparison of a name; a comparison stays, a function of the message becomes one.

    Raises:
        ValueError: There is no comparison of this name, or it lacks an encoder.
        TypeError: It is neither.

    Example:
        >>> comparison("numeric") is numeric
        True
    """
    if isinstance(key, str):
        if key not in _BY_NAME:
            raise ValueError(f"there is no key {key!r}; known are {', '.join(_BY_NAME)}")
        return _BY_NAME[key]
    if isinstance(key, Comparison):
        return key
    if isinstance(key, LacksEncoder):
        raise _without_encoder(key)
    if not callable(key):
        raise TypeError(f"a key is a name, a comparison or a function of the message, not {key!r}")
    if key in _OF_FUNCTION:
        return _OF_FUNCTION[key]
    name = getattr(key, "__name__", type(key).__name__)
    return TextComparison(name, lambda message, _: key(message), canonical)


def _without_encoder(key: LacksEncoder) -> ValueError:
    return ValueError(
        f"{key!r} has no encoder here: give it one, similar(LearnedPolicy.load(folder).encoder) or "
        "similar(adaptive_reasoner.kit.open_encoder()); without one it is the key of a node, middleware, "
        "chat model or reasoner whose policy has an encoder, as a LearnedPolicy does"
    )


def groups(messages: Sequence[AIMessage], *, question: str = "", key: Key = "auto") -> list[int | None]:
    """Which replies say the same: equal integers do, None offers nothing to compare.

    Args:
        messages: Replies to one question.
        question: The question, which says what kind of answer is meant.
        key: What is compared.

    Raises:
        ValueError: There is no such key, or it needs a model to compare.

    Example:
        >>> groups([AIMessage("Answer: 14"), AIMessage("The answer is 14.0."), AIMessage("Answer: 15")])
        [0, 0, 1]
    """
    numbers: dict[str, int] = {}
    found = comparison(key).keys(messages, question=question)
    return [None if text is None else numbers.setdefault(text, len(numbers)) for text in found]
