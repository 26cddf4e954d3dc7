"""What a reply says, without thoughts, markup, citation marks and courtesies, in plain characters."""

import re
import unicodedata
from collections import deque
from functools import lru_cache

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.vocabulary import COURTESIES, GREETINGS
from adaptive_reasoner.lazy_pattern import pattern
from adaptive_reasoner.models.finish_reasons import was_cut
from adaptive_reasoner.models.replies import refused

_LONGEST = 20_000
"""Characters of a reply's end that are read: an answer stands there."""

_TAG = r"(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis)"
_THOUGHT_END = pattern(rf"</{_TAG}\s*>|◁/think▷|<\|channel\|>final<\|message\|>|\[/THINK\]", re.IGNORECASE)
_THOUGHT_START = pattern(rf"<{_TAG}\s*>|◁think▷|<\|channel\|>analysis|\[THINK\]", re.IGNORECASE)

_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"
_RAISED = pattern(f"[{_SUPERSCRIPTS}]+")
_VULGAR = pattern(r"(\d?)\s?([\u00bc-\u00be\u2150-\u215e])")
_EMOJI = pattern("[\U0001f000-\U0001f44d\U0001f44f-\U0001faff\u2600-\u266c\u2670-\u27bf]+")
_SIGNS = {
    **{ord(sign): "-" for sign in "\u2212\u2013\u2010\u2011\ufe63"},
    **{ord(sign): "" for sign in "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\ufe0f"},
    **{ord(sign): '"' for sign in "\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f"},
    **{ord(sign): "'" for sign in "\u2018\u2019"},
    0x2044: "/",
    0x066B: ".",
    0x066C: ",",
    0x060C: ", ",
    0x061F: "?",
    0x066A: "%",
    0x06D4: ".",
    0x3002: ". ",
    0xFF61: ". ",
    0x3001: ", ",
    0x301C: "~",
    0x00BA: "°",
    0x2103: "°C",
    0x2109: "°F",
}
_OTHER_DIGIT = pattern(r"(?![0-9])\d")

_LINK = pattern(r"(?<!!)\[([^\[\]\n]{1,200})\]\((?:https?:|/|#)[^()\s]{0,500}\)")
_CITATION = pattern(
    r"(?<=[^\W\d_]|[.,;%)\"'])[ ]?(?:\[\^?\d{1,3}\])+|\u3010[^\u3010\u3011\n]{0,80}\u3011|"
    r"(?<=[^\W\d_.])\[\d{1,3}(?:\s?[,-]\s?\d{1,3})+\]"
)
_UNCITED = pattern(r"(?:\b(?:is|are|be|was|equals)|[=:∈])\s*$")
_EMPHASIS = pattern(
    r"\*\*|__(?=\S)|(?<=\S)__|(?<![\w*\\)])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*(])|~~|(?<!`)`(?!`)"
)
_LEAD = pattern(r"^[ \t]*(?:>[ \t]?)+|^[ \t]*#{1,3}[ \t]+|^[ \t]*#{5,6}[ \t]+", re.MULTILINE)

_MOST_CLOSING = 4
_MONTH_AHEAD = (
    r"(?:Januar|Jänner|Februar|Feber|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember)"
    r"(?:\s\d{4}\b|\W*$)"
)
_SENTENCE_END = pattern(rf"(?:(?<![.!?])[.!?]+[\"')\]]*)\s+(?=\S)(?!(?<=\d\.\s){_MONTH_AHEAD})|\n+")
_ABBREVIATION = pattern(
    r"(?:^|[\s(])(?:[A-Z]|dr|mr|mrs|ms|prof|st|no|nr|vs|jr|sr|approx|ca|e\.g|i\.e|etc|mt|ft|bzw|z\.b|mio|"
    r"mrd|sra|"
    r"inc|ltd|co|dept|fig|ext|abs|art|vol|pp?|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|a\.m|p\.m|"
    r"u\.s)\.$|^\d{1,2}\.$|\b(?:am|im|vom|zum|beim|de[mnrs]|das|die) \d{1,2}\.$",
    re.IGNORECASE,
)


read_once = lru_cache(maxsize=128)
"""Keeps what a function finds in a text, as a reply is read for its vote and again for its event."""


def spoken(message: AIMessage) -> str | None:
    """The text of a message without its thoughts; None where it was cut, refused or never left them.

    Example:
        >>> spoken(AIMessage("<think>5? No.</think>It is 7."))
        'It is 7.'
    """
    if refused(message) or was_cut(message):
        return None
    return without_thoughts(message.text)


def without_thoughts(text: str) -> str | None:
    r"""A text after its thoughts; None where they never end.

    Example:
        >>> without_thoughts("<think>5?</think>\n7"), without_thoughts("<think>Is it 5")
        ('7', None)
    """
    last = last_found(_THOUGHT_END, text)
    rest = text[last.end() :] if last else text
    return None if _THOUGHT_START.search(rest) else rest.strip()


def plain(text: str) -> str:
    """A text in plain characters: ASCII digits and signs, no emphasis, links or citation marks.

    Example:
        >>> plain("**Antwort：** ３½ km² in Paris [1]")
        'Antwort: 3 1/2 km^2 in Paris'
    """
    text = text[-_LONGEST:]
    if not text.isascii():
        text = _VULGAR.sub(_vulgar, _RAISED.sub(_raised, text.translate(_SIGNS)))
        text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
        text = _OTHER_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text)
    text = _LEAD.sub("", _LINK.sub(r"\1", text))
    text = _CITATION.sub(lambda found: found[0] if _UNCITED.search(text[: found.start()][-12:]) else "", text)
    text = _EMPHASIS.sub("", text)
    return (text if text.isascii() else _EMOJI.sub("", text)).strip()


def sentences(text: str) -> list[str]:
    r"""The sentences of a text; a line ends one.

    Example:
        >>> sentences("It was Dr. Smith. He won 3.5 million!\nWhy?")
        ['It was Dr. Smith.', 'He won 3.5 million!', 'Why?']
        >>> sentences("Es war am 3. Oktober. Wirklich.")  # an ordinal number
        ['Es war am 3. Oktober.', 'Wirklich.']
    """
    found, start = list[str](), 0
    for end in _SENTENCE_END.finditer(text):
        part = text[start : end.end()].strip()
        if "\n" in end[0] or not _ABBREVIATION.search(part if len(part) < 10 else part[-10:]):
            found.append(part)
            start = end.end()
    return [part for part in (*found, text[start:].strip()) if part]


def without_courtesies(parts: list[str]) -> list[str]:
    """Sentences without the openings and closings that answer nothing.

    Example:
        >>> without_courtesies(["Sure!", "The total is 42.", "Let me know if you need more."])
        ['The total is 42.']
    """
    closing = next((at for at in range(1, len(parts)) if is_courtesy(parts[at])), len(parts))
    kept = parts[: max(closing, 1)] if len(parts) - closing <= _MOST_CLOSING else list(parts)
    while len(kept) > 1 and (is_courtesy(kept[-1]) or kept[-1].endswith("?")):
        kept.pop()
    while len(kept) > 1 and (_is_greeting(kept[0]) or _OPENING.match(kept[0])):
        kept.pop(0)
    return kept


_OPENING = pattern(
    r"(?:here(?: is|'s| are| you)|aquí|voici|hier (?:ist|sind)|ecco|aqui está)\b[^.:!?]{0,60}[:.!]?$|"
    r"[^.!?]{0,20}\bgreat question\b",
    re.IGNORECASE,
)


def is_courtesy(sentence: str) -> bool:
    """Whether a sentence is about the conversation and answers nothing."""
    return bool(COURTESIES.search(sentence)) and len(sentence) < 200


def last_found(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last match of a pattern in a text."""
    found = deque(pattern.finditer(text), maxlen=1)
    return found[0] if found else None


def _is_greeting(sentence: str) -> bool:
    return bool(GREETINGS.match(sentence)) and len(sentence.split()) <= 4


def _raised(found: re.Match[str]) -> str:
    digits = "".join("0123456789+-"[_SUPERSCRIPTS.index(sign)] for sign in found[0])
    return f"^{digits}"


def _vulgar(found: re.Match[str]) -> str:
    fraction = unicodedata.normalize("NFKD", found[2]).replace("\u2044", "/")
    return f"{found[1]} {fraction}" if found[1] else fraction
