"""One text for the value that a text is: equal texts are equal values."""

import re

from adaptive_reasoner.answers.options import lettered, option_of
from adaptive_reasoner.answers.phrases import (
    is_name,
    is_short,
    phrase_key,
    without_asides,
    without_ending,
    yes_or_no,
)
from adaptive_reasoner.answers.question import QuestionText
from adaptive_reasoner.answers.values.expressions import expression_key, is_formula, unwrapped
from adaptive_reasoner.answers.values.numbers import number, number_key
from adaptive_reasoner.answers.values.quantities import quantity
from adaptive_reasoner.answers.values.series import series_key
from adaptive_reasoner.answers.values.typed_values import typed, without_preposition
from adaptive_reasoner.lazy_pattern import pattern

_EDGES = " \t\r\n\"'`.;:!,"
_LONGEST = 400
_PARENTHESES = pattern(r"\s+\([^()]{1,120}\)$")
_NUMBERED_NAME = pattern(
    r"(?:[A-ZÀ-Þ][\w'.-]*\s+){0,4}[A-ZÀ-Þ]?[A-Za-z.-]*\d[A-Za-z\d.-]*(?:\s+[A-ZÀ-Þ][\w'.-]*){0,3}"
)
_MARKED_SIGN = pattern(r"\(?[A-Za-z]\)?[!'′]+|[∀∃¬|].*")
"""A variable with a sign that is not punctuation: n!, x'."""
_QUOTED = pattern(r"(['\"]).*\1")
_FEET = pattern(r"\d+['\"]")
_NUMBERED = pattern(r"[-+]?[\d.,' ]*\d\s+[^\W\d_][^\d,;:]*")


def value_key(text: str, question: QuestionText, *, marked: bool = False, names: bool = True) -> str | None:
    r"""One text for a value that a text is; None where it is prose.

    Args:
        text: In plain characters.
        question: What is asked.
        marked: Whether the reply itself calls it the answer.
        names: Whether a name or a short text is a value too.

    Example:
        >>> asked = QuestionText("")
        >>> [value_key(text, asked) for text in (r"$\frac{3}{4}$", "5 March 2024", "The Eiffel Tower.")]
        ['0.75', '2024-03-05', 'eiffel tower']
    """
    text = unwrapped(text).strip()
    if not text or len(text) > _LONGEST:
        return None
    letter = option_of(text, question) or (
        None if question.order_matters or question.verbatim else lettered(text.strip(_EDGES))
    )
    if letter is not None:
        return letter
    if _MARKED_SIGN.fullmatch(text) or (question.verbatim and _QUOTED.fullmatch(text)):
        return None
    if not question.verbatim and (word := yes_or_no(text)) is not None:
        return word
    found = next(filter(None, (_exact_value(form, question) for form in _forms(text))), None)
    return found or (_name(text, question, marked) if names else None)


def _forms(text: str) -> list[str]:
    """A text, and what is left of it without punctuation, asides and a preposition."""
    if _FEET.fullmatch(text):
        return [text.replace("'", " ft").replace('"', " inch")]
    text = without_ending(text)
    bare = text if re.search(r"[ap]\.m\.$", text) else text.strip(_EDGES)
    bare = f".{bare}" if text[:1] == "." and bare[:1].isdigit() else bare
    cut = without_asides(bare).strip(_EDGES)
    core = cut if re.search(r"\\in(?![a-z])|[∈=∪∩]|UTC|GMT", cut) else _PARENTHESES.sub("", cut).strip(_EDGES)
    return list(dict.fromkeys((cut, core, without_preposition(core))))


def _exact_value(text: str, question: QuestionText) -> str | None:
    """A value whose kind is plain from how it is written."""
    if not text:
        return None
    return (
        typed(text, question)
        or series_key(text, question, lambda item: _item(item, question))
        or _equated(text, question)
        or expression_key(text)
    )


def _name(text: str, question: QuestionText, marked: bool) -> str | None:
    """A name or a short text."""
    text = without_asides(text)
    bare = text.strip(_EDGES)
    if not is_short(text, marked=marked, greeting=question.asks_word):
        return None
    if not marked and not question.known and not is_name(text):
        return None
    bare = _in_digits(bare)
    if _NUMBERED.fullmatch(bare):  # five apples: whether apples matter depends on the question
        return phrase_key(bare, question) if question.known or marked else None
    if not marked and any(map(str.isdigit, bare)) and not _NUMBERED_NAME.fullmatch(bare):
        return None  # a sentence around a number
    if re.search(r"[,;]\s", bare) and not marked:
        return None
    return phrase_key(without_preposition(bare), question)


def _in_digits(text: str) -> str:
    """A text with the number that it begins with in digits: five apples."""
    first, _, rest = text.partition(" ")
    value = None if any(map(str.isdigit, first)) else number(first)
    return text if value is None or not rest else f"{number_key(value)} {rest}"


def _item(text: str, question: QuestionText) -> str | None:
    """A value among several."""
    text = unwrapped(text).strip(_EDGES)
    measured = quantity(text, question)
    if measured is not None:
        return measured.key
    return (
        typed(text, question)
        or expression_key(text)
        or (phrase_key(text, question) if is_short(text) else None)
    )


def _equated(text: str, question: QuestionText) -> str | None:
    """What stands behind the last equals sign of a calculation."""
    after = after_equals(text, question)
    return None if after is None else typed(after, question) or expression_key(after)


def after_equals(text: str, question: QuestionText) -> str | None:
    """What a calculation comes to, or a variable is; None for a text that is neither.

    Example:
        >>> asked = QuestionText("What is x?")
        >>> [after_equals(text, asked) for text in ("17 * 23 = 391", "x = 7", "y = 7", "y = 2x, so x = 7")]
        ['391', '7', None, None]
    """
    before, sign, after = text.rpartition("=")
    if not sign or not after.strip() or before.rstrip()[-1:] in ("<", ">", "!", "\\", ""):
        return None
    plainly = before.replace("\\times", "*").replace("\\cdot", "*").replace("\\div", "/").replace(" x ", "*")
    after = unwrapped(after).strip(_EDGES)
    if not _CALCULATION.fullmatch(plainly) or (len(before.strip()) == 1 and is_formula(after)):
        return None
    name = before.strip()
    return None if name[:1].isalpha() and not question.names(name) else after


_CALCULATION = pattern(r"[\d\s+*/×÷·().,:=^$€£%-]+|[A-Za-z]\w{0,2}\([\w, ]{1,20}\)\s*|[a-z]\s*")
