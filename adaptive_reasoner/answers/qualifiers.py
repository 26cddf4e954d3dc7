"""The words around a value that make another value of it: fell by 5%, 10 kg CO2, 9 am Eastern."""

import re

from adaptive_reasoner.answers.question import QuestionText, stem
from adaptive_reasoner.answers.vocabulary import ABOUT, COPULAS, FUNCTION_WORDS, QUALIFIERS
from adaptive_reasoner.lazy_pattern import pattern

_MOST_WORDS_OF_A_FRAGMENT = 5
_COPULA = pattern(COPULAS, re.IGNORECASE)
_CJK = pattern(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
POINTING = pattern(
    r"\W*(?:so|thus|therefore|hence|then|and|also|donc|daher|entonces|por lo tanto)?,?\s*(?:the|it|its|it's|"
    r"this|that|that's|there|he|she|they|these|those|"
    r"your|his|her|their|our|el|la|los|las|esto|eso|su|le|les|l'|ce|c'est|cela|elle|il|der|die|das|es|dies|"
    r"er|sie|o|os|as|isso|ele|ela|"
    r"lo|gli|questo|это|он|она)\b",
    re.IGNORECASE,
)
"""What opens a sentence about something that was named before."""


def is_qualified(sentence: str, text: str, question: QuestionText) -> bool:
    """Whether words that the question does not have make another value of the one that a sentence holds.

    Example:
        >>> asked = QuestionText("By how much did the price fall?")
        >>> [is_qualified(text, "5%", asked) for text in ("It fell by 5%.", "It rose by 5%.")]
        [False, True]
    """
    around = sentence.replace(text, " 0 ", 1)
    words = [found[0].strip() for found in QUALIFIERS.finditer(around)]
    return any(_qualifies(word.casefold(), around, question) for word in words)


def names_more(sentence: str, text: str, question: QuestionText) -> bool:
    """Whether a few words that make no sentence name more than a value and what is asked for.

    Example:
        >>> asked = QuestionText("How much CO2?")
        >>> [names_more(text, "10 kg", asked) for text in ("10 kg CO2", "10 kg methane")]
        [False, True]
    """
    if len(sentence.split()) > _MOST_WORDS_OF_A_FRAGMENT or _COPULA.search(sentence) or _CJK.search(sentence):
        return False
    opened = ABOUT.sub("", sentence.lstrip(" (*"))
    if not opened.startswith(text) or (question.asks_number and re.fullmatch(r"[\d.,' ]+", text)):
        return False  # 42 apples, to "how many"
    words = re.findall(r"[^\W_]+", opened[len(text) :].casefold())
    return any(
        not word.isdigit() and word not in FUNCTION_WORDS and stem(word) not in question.stems
        for word in words
    )


def _qualifies(word: str, around: str, question: QuestionText) -> bool:
    if word == "in":  # in five days, not in Berlin
        return bool(re.search(r"\bin\s+0\s", around))
    if word in ("before", "after"):  # two days before, not two days, before he left
        return bool(re.search(rf"\b0\s+{word}\b", around))
    if word == "from":
        return bool(re.search(r"\bfrom\s+0\b", around))
    if word == "per" and re.search(r"\bper\s?cent", around):
        return False
    return stem(word) not in question.stems
