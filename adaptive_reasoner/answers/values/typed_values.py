"""Values whose kind is plain from how they are written: dates, times, telephone numbers, quantities."""

import re
from collections.abc import Iterator

from adaptive_reasoner.answers.question import QuestionText
from adaptive_reasoner.answers.reply_text import last_found
from adaptive_reasoner.answers.values.dates import moment, month_and_day_names
from adaptive_reasoner.answers.values.number_words import spelled_number
from adaptive_reasoner.answers.values.quantities import quantity, value_range
from adaptive_reasoner.answers.vocabulary import BOUNDS, PREPOSITIONS
from adaptive_reasoner.lazy_pattern import pattern

_PHONE = pattern(r"(?:tel\.?:?\s*)?(\+?\(?\d[\d\s().-]{5,24}\d)", re.IGNORECASE)
_PHONE_LIKE = pattern(
    r"\+\d[\d\s().-]+|\(\d{2,4}\)\s?[\d\s.-]+|\d{3}[-.\s]\d{4}|\d{3}[-.\s]\d{3}[-.\s]\d{4}|"
    r"0\d{1,4}[-/\s]\d{3}[\d\s-]*"
)
_VERSION = pattern(
    r"v?(\d{1,5}(?:\.\d{1,5}){2,3}(?:[-+.]?[a-z]+\.?\d*)?|(?<=v)\d{1,5}\.\d{1,5})", re.IGNORECASE
)
_URL = pattern(r"<?(https?)://([^\s/?#<>]+)([^\s<>]*)>?", re.IGNORECASE)
_EMAIL = pattern(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,5}")
_IDENTIFIER = pattern(r"#?(?=[\w-]*\d)(?=[\w-]*[A-Za-z-])[A-Za-z\d]+(?:[-_][A-Za-z\d]+)*|#\d+|0\d+")

_DOTTED = pattern(
    r"(?:(?:version|release|versión|versione|versão|版本)\s*)?v?(\d{1,5}(?:\.\d{1,5}){1,3})", re.IGNORECASE
)
_FRACTION = pattern(r"\d{1,3}\s?/\s?\d{1,3}")
_LEADING_ZERO = pattern(r"0\d")

_STARTS = pattern(r"[-+~≈(#$€£¥₹₩₽]*\d|[-(]?[$€£¥₹₩₽]|R\$|US\$", re.IGNORECASE)
_STARTING_WORDS = frozenset(
    (
        "between from noon midnight usd eur gbp half quarter mittag mitternacht midi minuit mediodía de "
        "entre zwischen"
    ).split()
)
_CJK_SPAN = pattern(
    r"(?:\d{4}年)?\d{1,2}月(?:\d{1,2}[日号])?|(?:午前|午後|上午|下午|晚上|"
    r"早上)?\d{1,2}[时時点點](?:\d{1,2}分|半)?|"
    r"[$€£¥₹₩₽]?[\d][\d.,]*\s?(?:[-~到至]\s?[\d][\d.,]*\s?)?(?:百万|[万萬億亿千])?(?:[%°]|"
    r"[^\W\da-zA-Zぁ-ん]{1,4}(?=[\s.,。]|です|でした|だ|$)|[A-Za-z]{1,3})?"
)
_CJK = pattern(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
_WINDOW = 7


def typed(text: str, question: QuestionText) -> str | None:
    """One text for a date, a time, a telephone number, an address or a quantity; None for anything else.

    Example:
        >>> asked = QuestionText("Which number do I call?")
        >>> typed("555-0134", asked), typed("(555) 0134", asked), typed("5 March 2024", asked)
        ('tel:5550134', 'tel:5550134', '2024-03-05')
    """
    if not text or len(text) > 1000:
        return None
    found = _phone(text, question) or (
        None if question.says_ratio and ":" in text else moment(text, european=question.comma)
    )
    if found is not None:
        return found
    if question.verbatim and re.fullmatch(r"[\w.+-]*\d[\w.+-]*", text):
        return text
    if question.says_score and _FRACTION.fullmatch(text):
        return text.replace(" ", "")
    if question.says_version and (version := _DOTTED.fullmatch(text)):
        return f"v{version[1]}"
    if not _LEADING_ZERO.match(text) and (measured := quantity(text, question)) is not None:
        return measured.key
    return value_range(text, question) or _address(text)


def typed_spans(sentence: str, question: QuestionText) -> Iterator[tuple[str, str]]:
    """The typed values in a sentence, from left to right, as they are written and as one text each.

    Example:
        >>> list(typed_spans("The train leaves at 9:30 pm on March 5, 2024.", QuestionText("")))
        [('9:30 pm', '21:30'), ('March 5, 2024', '2024-03-05')]
    """
    if _CJK.search(sentence):
        for found in _CJK_SPAN.finditer(sentence):
            text = found[0].strip(" ,.")
            if (key := typed(text, question)) is not None:
                yield text, key
        return
    words = [(found.start(), found.end()) for found in re.finditer(r"\S+", sentence)]
    at = 0
    while at < len(words):
        start = words[at][0]
        if not _may_start(sentence[start : words[at][1]]):
            at += 1
            continue
        for last in range(min(at + _WINDOW, len(words)) - 1, at - 1, -1):
            text = _trimmed(sentence[start : words[last][1]])
            key = typed(text, question) if any(map(str.isdigit, text)) or last - at < 4 else None
            if key is not None:
                yield text, key
                at = last
                break
        at += 1


def is_bounded(sentence: str, text: str) -> bool:
    """Whether a sentence makes of a value a bound, as "at least 3" does."""
    at = sentence.find(text)
    if _BOUND_BEHIND.match(sentence[at + len(text) :]):
        return True
    before = sentence[:at]
    found = last_found(BOUNDS, before)
    return found is not None and not re.search(r"[\w\d]", before[found.end() :])


_BOUND_BEHIND = pattern(
    r"\s*(?:\w+\s+)?(?:\+(?!\d)|(?:or|and)\s+(?:more|fewer|less|above|below|up|over|under|older|"
    r"younger)\b|oder\s+(?:mehr|weniger)\b|"
    r"o\s+(?:más|menos)\b|ou\s+(?:plus|moins|mais)\b|o\s+(?:più|meno)\b)|\s*\S{0,2}(?:以上|以下|未満|"
    r"以内|超|以外)",
    re.IGNORECASE,
)


def without_preposition(text: str) -> str:
    """A text without the preposition that it begins with.

    Example:
        >>> without_preposition("on March 5")
        'March 5'
    """
    if re.match(r"(?:from|desde|ab|dès|da|от|circa)\s+[\d$€£¥]", text, re.IGNORECASE):
        return text  # the least of several values
    return PREPOSITIONS.sub("", text, count=1)


def _trimmed(text: str) -> str:
    text = text.rstrip(".,;:!?\"'")
    if re.search(r"\b[ap]\.m$", text, re.IGNORECASE):
        text += "."
    return text.removesuffix(")") if text.count(")") > text.count("(") else text


def _may_start(word: str) -> bool:
    bare = word.casefold().strip(".,;:!?()")
    return bool(
        _STARTS.match(word)
        or "://" in word
        or "@" in word
        or re.match(r"v\d", word)
        or bare in _STARTING_WORDS
        or spelled_number(bare) is not None
        or (word[:1].isalpha() and bare in month_and_day_names())
    )


def _phone(text: str, question: QuestionText) -> str | None:
    found = _PHONE.fullmatch(text)
    if found is None:
        return None
    digits = re.sub(r"\D", "", text)
    if not 7 <= len(digits) <= 15 or re.fullmatch(r"\d{4}-\d\d?-\d\d?|\d{4}-\d{4}|[\d.]+", text):
        return None
    if _PHONE_LIKE.fullmatch(text.strip()) or (question.says_phone and re.search(r"[\s()-]", text)):
        return f"tel:{'+' if text.lstrip().startswith('+') else ''}{digits}"
    return None


def _address(text: str) -> str | None:
    """URLs, e-mail addresses, versions and identifiers, which are no words."""
    if found := _URL.fullmatch(text):
        return f"{found[1].lower()}://{found[2].lower()}{found[3].rstrip('/')}"
    if _EMAIL.fullmatch(text):
        return text.casefold()
    if found := _VERSION.fullmatch(text):
        return f"v{found[1].casefold()}"
    if _IDENTIFIER.fullmatch(text) and (len(text) > 2 or text.startswith("#")):
        return f"id:{text.lstrip('#')}"
    return None
