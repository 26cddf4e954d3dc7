r"""The answer of a reply, as one text: for votes that count exactly what is written, and for golds."""

import re

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import AnswerKey as AnswerKey
from adaptive_reasoner.answers.base import Grader as Grader
from adaptive_reasoner.answers.options import option, option_in
from adaptive_reasoner.answers.question import QuestionText
from adaptive_reasoner.answers.reply_text import plain, read_once, spoken
from adaptive_reasoner.answers.stated import find_answer, find_declared
from adaptive_reasoner.answers.structured import calls_value, exact_json, json_of
from adaptive_reasoner.answers.values.expressions import unwrapped
from adaptive_reasoner.answers.values.numbers import number, number_key
from adaptive_reasoner.lazy_pattern import pattern
from adaptive_reasoner.models.finish_reasons import finish_reason as finish_reason

_BEFORE, _AFTER = "$*`\"'([ \t\r\n", "$*`\"')].;,!: \t\r\n"
_LONGEST_BARE_ANSWER = 80
_NO_QUESTION = QuestionText("")


def final_answer(message: AIMessage) -> str | None:
    r"""The answer of a message, in canonical form.

    Looked for in this order: tool calls (by name and arguments), a reply that is JSON (by value), what the
    reply itself calls its answer (`\boxed{...}`, "Answer: ...", "the answer is ...", "#### ..."), and what
    its last sentence, or the whole of a short reply, states. Thoughts do not count, and a cut reply has no
    answer.

    Returns:
        The canonical answer, or None: an unanswered sample never votes.

    Example:
        >>> final_answer(AIMessage("5 + 9 = 14. Answer: 14.0"))
        '14'
        >>> final_answer(AIMessage(r"so \boxed{\text{Paris}}"))
        'paris'
    """
    if message.tool_calls:
        return exact_json(calls_value(message))
    text = spoken(message)
    return _answer_in(text) if text else None


@read_once
def _answer_in(text: str) -> str | None:
    structured = json_of(text)
    if structured is not None:
        return exact_json(structured)
    answer = _written(text)
    return None if answer is None else canonical(answer)


def stated_answer(message: AIMessage) -> str | None:
    r"""The answer that the text of a message gives, as it is written; None where it gives none.

    Example:
        >>> stated_answer(AIMessage(r"so $x \in \boxed{[0, 1)}$"))
        '[0, 1)'
    """
    text = spoken(message)
    return _written(text) if text else None


def canonical(answer: str) -> str | None:
    """One form for answers written alike: numbers by value, other text by its letters.

    Example:
        >>> canonical("$1,200.50"), canonical(" +7 "), canonical("(B)."), canonical("3/4"), canonical("...")
        ('1200.5', '7', 'b', '3/4', None)
    """
    text = unwrapped(plain(answer)).lstrip(_BEFORE).rstrip(_AFTER)
    if not text:
        return None
    value = None if _FRACTION.search(text) or not any(map(str.isdigit, text)) else number(text)
    return number_key(value) if value is not None else " ".join(text.casefold().split())


def is_number(text: str) -> bool:
    """Whether a text is nothing but a number, which takes no mathematics to compare.

    Example:
        >>> is_number("1,200.50"), is_number("3/4")
        (True, False)
    """
    form = canonical(text) or ""
    return form.removeprefix("-").replace(".", "", 1).isdigit()


def choice_answer(message: AIMessage) -> str | None:
    """The option letter that a message answers with: the key of votes on multiple choice.

    What names no option, or goes on in words ("I guess ..."), is counted as `final_answer` has it.

    Example:
        >>> choice_answer(AIMessage("Answer: (B) Paris")), choice_answer(AIMessage("Answer: option b."))
        ('b', 'b')
    """
    text = None if message.tool_calls else spoken(message)
    letter = _letter_in(text) if text else None
    return final_answer(message) if letter is None else letter


@read_once
def _letter_in(text: str) -> str | None:
    bare = plain(text)
    offered = find_declared(bare, _NO_QUESTION)
    return option(offered[0]) if offered is not None else option(bare) or option_in(bare)


def last_match(text: str, *patterns: re.Pattern[str]) -> str | None:
    """The last match of the first pattern that a text matches: what a reply comes to in the end.

    Example:
        >>> last_match("No ... wait: yes", re.compile("score: (.)"), re.compile("yes|no"))
        'yes'
    """
    found = next(filter(None, (pattern.findall(text) for pattern in patterns)), None)
    return str(found[-1]) if found else None


_FRACTION = pattern(r"\d\s?/\s?\d|frac")


@read_once
def _written(text: str) -> str | None:
    """The answer in a text, as it is written."""
    bare = plain(text)
    offered = find_declared(bare, _NO_QUESTION)
    if offered is not None:
        content, found = offered
        return found.text if found is not None else content
    found = find_answer(text, _NO_QUESTION)
    if found is not None:
        return found.text
    return bare if bare and len(bare) <= _LONGEST_BARE_ANSWER and "\n" not in bare else None
