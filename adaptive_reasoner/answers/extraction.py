r"""What a reply answers: find it, bring it to one form, compare it.

A vote counts *keys*: equal keys are equal answers. `final_answer` is the default key; any function of
the message that returns a string, or None where there is no answer, can take its place.
"""

import json
import re
from decimal import Decimal
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import AnswerKey as AnswerKey
from adaptive_reasoner.answers.base import Grader as Grader
from adaptive_reasoner.answers.base import TextComparison
from adaptive_reasoner.models.finish_reasons import finish_reason as finish_reason
from adaptive_reasoner.models.finish_reasons import was_cut

_NUMBER = re.compile(r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+\u2212]?\.\d+")
_MARKED = re.compile(
    r"(?:####|\banswer(?:\s+(?:to|for)\b[^\n.:=]{1,80}?(?=\s+is\b|[:=]))?(?:\s+is\b)?)\s*[:=]?\s*(\S[^\n]*)",
    re.IGNORECASE,
)
_OPTION = re.compile(r"\W*(?:(?:option|choice)\W+)?([A-Za-z])(?![A-Za-z])", re.IGNORECASE)
_WRAPPED = re.compile(r"\\(?:text|mathrm|mathbf)\{([^{}]*)\}")
_BEFORE, _AFTER = "$*`\"'([ \t\r\n", "$*`\"')].;, \t\r\n"
_LONGEST_BARE_ANSWER = 80


def final_answer(message: AIMessage) -> str | None:
    r"""The answer a message gives, in canonical form.

    Looked for in this order: tool calls (by name and arguments), a reply that is JSON (by value), the
    last `\boxed{...}`, the last "Answer: ..." (or "the answer is ...", or "#### ..."), and then, in a
    reply that was not cut off, its last number or, if it is one short line, the line itself.

    Returns:
        The canonical answer, or None: an unanswered sample never votes.

    Example:
        >>> final_answer(AIMessage("5 + 9 = 14. Answer: 14.0"))
        '14'
        >>> final_answer(AIMessage(r"so \boxed{\text{Paris}}"))
        'paris'
    """
    if message.tool_calls:
        return _by_value([[call["name"], call["args"]] for call in message.tool_calls])
    structured = _structured(message.text.strip())
    if structured is not None:
        return structured
    stated = stated_answer(message)
    return None if stated is None else canonical(stated)


def stated_answer(message: AIMessage) -> str | None:
    r"""The answer that the text of a message gives, as it is written; None where it gives none.

    Example:
        >>> stated_answer(AIMessage(r"so $x \in \boxed{[0, 1)}$"))
        '[0, 1)'
    """
    text = message.text.strip()
    boxed = _last_boxed(text)
    if boxed is not None:
        return boxed
    marked = last_match(text, _MARKED)
    if marked is not None:
        return _first_sentence(marked)
    if not text or was_cut(message):
        return None
    bare = text if len(text) <= _LONGEST_BARE_ANSWER and "\n" not in text else None
    return last_match(text, _NUMBER) or bare


def canonical(answer: str) -> str | None:
    """One form for answers that mean the same: numbers by value, other text by its letters.

    Example:
        >>> canonical("$1,200.50"), canonical(" +7 "), canonical("(B)."), canonical("...")
        ('1200.5', '7', 'b', None)
    """
    text = _WRAPPED.sub(r"\1", answer).lstrip(_BEFORE).rstrip(_AFTER)
    if not text:
        return None
    number = _number(text)
    return number if number is not None else " ".join(text.casefold().split())


def last_match(text: str, *patterns: re.Pattern[str]) -> str | None:
    """The last match of the first pattern that a text matches: what a reply comes to in the end.

    Example:
        >>> last_match("No ... wait: yes", re.compile("score: (.)"), re.compile("yes|no"))
        'yes'
    """
    found = next(filter(None, (pattern.findall(text) for pattern in patterns)), None)
    return str(found[-1]) if found else None


def _exact(answer: str | None, gold: str) -> float:
    """1.0 where the canonical forms are equal."""
    return float(answer is not None and canonical(answer) == canonical(gold))


def _numeric(answer: str | None, gold: str) -> float:
    """1.0 where the last numbers in both are equal in value, to a relative 1e-6.

    Example:
        >>> _numeric("14.0", "14"), _numeric("about 3", "4"), _numeric(None, "4")
        (1.0, 0.0, 0.0)
    """
    found, wanted = (last_match(text or "", _NUMBER) for text in (answer, gold))
    if found is None or wanted is None:
        return 0.0
    value, target = _value(found), _value(wanted)
    return float(abs(value - target) <= max(Decimal(1), abs(target)) / 10**6)


def _choice(answer: str | None, gold: str) -> float:
    """1.0 where both name the same option letter: "(B)", "b.", "option B" and "B) Paris" are one."""
    found, wanted = (_option(text or "") for text in (answer, gold))
    return float(found is not None and found == wanted)


def choice_answer(message: AIMessage) -> str | None:
    """The option letter that a message answers with: the key of votes on multiple choice.

    What names no option, or goes on in words ("I guess ..."), is counted as `final_answer` has it.

    Example:
        >>> choice_answer(AIMessage("Answer: (B) Paris")), choice_answer(AIMessage("Answer: option b."))
        ('b', 'b')
    """
    stated = None if message.tool_calls else stated_answer(message)
    letter = _OPTION.match(stated or "")
    if letter is None or re.match(r"\s+\w", letter.string[letter.end() :]):
        return final_answer(message)
    return letter.group(1).casefold()


def _option(text: str) -> str | None:
    letter = _OPTION.match(text)
    return letter.group(1).casefold() if letter else None


def _number(text: str) -> str | None:
    if not _NUMBER.fullmatch(text):
        return None
    whole, point, fraction = f"{_value(text):f}".partition(".")
    written = f"{whole}{point}{fraction}".rstrip("0").rstrip(".") if point else whole
    return "0" if written in ("-0", "") else written


def _value(number: str) -> Decimal:
    """What a number that was found in a text comes to, however many digits it has."""
    return Decimal(number.replace(",", "").replace("\u2212", "-"))


def _structured(text: str) -> str | None:
    """A reply that is a JSON object or list, in one form."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return _by_value(json.loads(text))
    except ValueError:
        return None


def _by_value(value: Any) -> str:
    """JSON in one form, in which 1.0 is 1."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return json.dumps(plain(value), sort_keys=True)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[^\d\s])\.\s|(?<=\d)\.\s+(?=\D)", text.strip())[0]


def _last_boxed(text: str) -> str | None:
    start = text.rfind(r"\boxed{")
    if start < 0:
        return None
    depth, first = 1, start + len(r"\boxed{")
    for end in range(first, len(text)):
        depth += (text[end] == "{") - (text[end] == "}")
        if depth == 0:
            return text[first:end]
    return None


exact = TextComparison("exact", lambda message, _: final_answer(message), _exact)
"""Answers are equal where their canonical forms are."""

numeric = TextComparison("numeric", lambda message, _: final_answer(message), _numeric)
"""Answers are equal where their last numbers are equal in value.

Example:
    >>> numeric("14.0", "14"), numeric("about 3", "4"), numeric(None, "4")
    (1.0, 0.0, 0.0)
"""

choice = TextComparison("choice", lambda message, _: choice_answer(message), _choice)
"""Answers are equal where they name the same option."""
