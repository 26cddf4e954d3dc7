"""What a sentence states: the value that answers, without the sentence around it."""

import re
from dataclasses import dataclass

from adaptive_reasoner.answers.phrases import unknown_part, without_asides
from adaptive_reasoner.answers.qualifiers import POINTING, is_qualified, names_more
from adaptive_reasoner.answers.question import QuestionText, stem
from adaptive_reasoner.answers.reply_text import is_courtesy, last_found
from adaptive_reasoner.answers.values.expressions import unwrapped
from adaptive_reasoner.answers.values.reading import after_equals, value_key
from adaptive_reasoner.answers.values.typed_values import is_bounded, typed, typed_spans, without_preposition
from adaptive_reasoner.answers.vocabulary import (
    ABOUT,
    CONCLUDING,
    COPULAS,
    FUNCTION_WORDS,
    GREETINGS,
    NEGATIONS,
    PERSONAL,
    REFUSALS,
    any_of,
)
from adaptive_reasoner.lazy_pattern import pattern


@dataclass(frozen=True)
class Stated:
    """An answer.

    Attributes:
        text: As it is written.
        key: One text for all that say the same.
    """

    text: str
    key: str


_LONGEST = 300
_MOST_SUBJECT_WORDS = 14
_COPULA = pattern(COPULAS, re.IGNORECASE)
_LABEL = pattern(r"([^\W\d_][\w\s'/()-]{0,40}?)\s*:\s+(\S.*)|([^\W\d_]{1,20}):(?![/\d])(\S.*)", re.DOTALL)
_NO_LABEL = pattern(
    r"\W*(?:note|warning|step \d+|example|hint|dear|subject|hi|hello|to|from|todo|p\.?s|re)\b", re.IGNORECASE
)
_PRONOUN = pattern(
    r"\W*(?:it|it's|this|that|that's|he|she|they|these|those|you|esto|eso|ce|c'est|cela|elle|il|es|dies|"
    r"das|er|sie|"
    r"questo|это|он|она|(?:the|your|der|die|el|la|le|il|o|a)\s+(?:answer|total|sum|result|price|cost|"
    r"number|value|average|"
    r"gesamt\w*|summe|suma|somme|totale|prix|preis|precio|coste))\b",
    re.IGNORECASE,
)
_REVERSED = pattern(
    r"\W*(?:so|thus|therefore|hence|then)?,?\s*(\S.{0,80}?)\s+(?:is|are|was)\s+(?:the|my|our)\s+(?:(?:final|"
    r"correct|right)\s+)?(?:answer|result|total|solution)\b",
    re.IGNORECASE,
)
_CJK_TOPIC = pattern(r".{0,60}?(?:は|が|是|(?:答案|结果|分别)为|等于|叫|:|은|는|이|가)\s*")
_ARABIC = pattern(r".*\s(?:هي|هو|تساوي|يساوي)\s+")
_CJK = pattern(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
_OBTAINED = pattern(
    r"\b(?:get|gets|got|obtain|obtains|gives|yields|have|find|makes|obtenemos|obtengo|obtient|obtenons|"
    r"erhalten|ergibt|otteniamo|obtemos)"
    r"(?:\s+(?:a total of|the answer|exactly|x\s*=))?\s+(\S{1,40})\W*$",
    re.IGNORECASE,
)
_CLAUSE = pattern(
    r",\s+(?:but|and|so|therefore|thus|hence|y|pero|mais|et|donc|aber|und|also|so that)\s+|;\s+|:\s+",
    re.IGNORECASE,
)
_MADE_BY = pattern(
    r"(?:[^\W\d_]+(?:ed|en|wn|nt|lt|ght|de|do|da|to|ta|té|it|t|rit)\s+)?(?:by|von|par|por|"
    r"da)\s+((?-i:[A-ZÀ-Þ]).*)",
    re.IGNORECASE,
)
_MOMENT = pattern(r"(?:\d{4}-)?\d\d-\d\d.*|--.*|\d{1,2}/.*|\d{1,2}:\d\d.*|\d{4}-\d\d|\d{3,4}|.*\.\..*")
_SEVERAL = pattern(r"\b(?:and|und|y|et|e|first|last|or)\b", re.IGNORECASE)
_MOST_WORDS_AFTER = 12
_MOST_LABEL_WORDS = 3
_MOST_WORDS_UNASKED = 9
_MOST_SPAN_WORDS = 25
_FILLERS = pattern(
    r"^\W*(?:that|that would|it|it would)\s+(?:be|is|would be|'s)\s+|^\W*(?:it's|that's|c'est|es|das ist|es "
    r"ist|è|está|están|son|fue|foi|sono|são)\s+",
    re.IGNORECASE,
)
_ADVERBS = pattern(
    r"^(?:therefore|thus|then|now|actually|simply|exactly|also|currently|indeed|still|about|called|named|"
    r"equal to|à|de|egal a)\s+",
    re.IGNORECASE,
)


def statement(sentence: str, question: QuestionText, *, outright: bool = False) -> Stated | None:
    """What one sentence answers; None where it states nothing that can be compared.

    Args:
        sentence: In plain characters.
        question: What is asked.
        outright: Whether it must say that something is the answer, and not only name something.

    Example:
        >>> asked = QuestionText("What is the capital of France?")
        >>> statement("The capital of France is Paris.", asked).key
        'paris'
    """
    sentence = unwrapped(sentence).strip()
    if (
        not sentence
        or len(sentence) > _LONGEST
        or sentence.endswith(("?", "...", ":"))
        or REFUSALS.search(sentence)
    ):
        return None
    if GREETINGS.match(sentence) and not (question.asks_number or question.asks_word):
        return None
    readers = _OUTRIGHT if outright else (*_OUTRIGHT, _beyond_question, _name)
    return next(filter(None, (read(sentence, question) for read in readers)), None)


def _value(sentence: str, question: QuestionText) -> Stated | None:
    return _of(sentence, value_key(sentence, question, names=False))


def _name(sentence: str, question: QuestionText) -> Stated | None:
    return _of(sentence, value_key(sentence, question))


def _labelled(sentence: str, question: QuestionText) -> Stated | None:
    """Sentiment: positive."""
    found = _LABEL.fullmatch(sentence)
    if found is None or _NO_LABEL.match(sentence) or typed(sentence.strip(". "), question):
        return None
    label, rest = found[1] or found[3], found[2] or found[4]
    if question.asks_name and not any(stem(word) in question.stems for word in label.casefold().split()):
        return None  # whose value it is, is a part of the answer
    if len(label.split()) > 4 or PERSONAL.search(label):
        return None
    return _of(rest, value_key(rest, question)) or _predicate(rest, question)


def _reversed(sentence: str, question: QuestionText) -> Stated | None:
    """So 42 is the answer."""
    found = _REVERSED.match(sentence)
    return _of(found[1], value_key(found[1], question)) if found else None


def _equation(sentence: str, question: QuestionText) -> Stated | None:
    """Thus x = 3, 5 + 9 = 14, so ... = 4."""
    if "=" not in sentence:
        return None
    opened = CONCLUDING.match(sentence)
    rest = sentence[opened.end() :].lstrip(" ,:") if opened else sentence
    if (key := value_key(rest, question, names=False)) is not None:
        return _of(rest, key)
    after = without_asides(rest.rpartition("=")[2]).strip(" .")
    spans = list(typed_spans(after, question))
    if len(spans) == 1 and after.startswith(spans[0][0]) and (opened or question.asks_number):
        return Stated(*spans[0])
    return None


def _obtained(sentence: str, question: QuestionText) -> Stated | None:
    """We add 35 and 7 and get 42."""
    found = _OBTAINED.search(sentence)
    if found is None or NEGATIONS.search(sentence):
        return None
    key = value_key(found[1], question)
    return Stated(bare_text(found[1]), key) if key is not None and re.search(r"\d", found[1]) else None


def _predicate(sentence: str, question: QuestionText) -> Stated | None:
    """The X of Y is Z."""
    if _CJK.search(sentence):
        return _cjk_predicate(sentence, question)
    if arabic := _ARABIC.match(sentence):
        return _of(sentence[arabic.end() :], value_key(sentence[arabic.end() :], question))
    if filler := _FILLERS.match(sentence):
        rest = sentence[filler.end() :]
        return None if NEGATIONS.search(rest) else _stated_value(rest, question)
    for copula in reversed(list(_COPULA.finditer(sentence))[-3:]):
        subject = _CLAUSE.split(sentence[: copula.start()].strip(" ,"))[-1]
        rest = _ADVERBS.sub("", sentence[copula.end() :].strip(), count=1)
        if not subject or not rest:
            continue
        if len(subject.split()) > _MOST_SUBJECT_WORDS or not _is_subject(subject, question):
            if any(map(str.isdigit, rest)):
                return None  # what is said last is about something else
            continue
        if NEGATIONS.search(subject) or NEGATIONS.search(rest):
            return None
        if (found := _stated_value(rest, question)) is not None:
            return found
    return None


def _stated_value(text: str, question: QuestionText) -> Stated | None:
    """A value, or the one that a text begins with: 42 apples, on March 5 in Rome."""
    if (key := value_key(text, question, names=False)) is not None:
        return Stated(bare_text(text), key)
    if re.match(r"(?:to|its|his|her|their|my|your|our)\s+[a-z]", text):
        return None  # what to do, or whose
    bare = without_preposition(without_asides(text)).strip(" .,;:!")
    if re.match(r"(?:its|his|her|their|my|your|our)\s", bare):
        return None
    first = next(typed_spans(bare, question), None)
    if first is not None and bare.startswith(first[0]):
        rest = bare[len(first[0]) :].strip(" .,")
        if is_qualified(bare, first[0], question):
            return None
        if re.search(r"\bbut\b.*\d", rest):
            return None
        counted = question.counts(rest) or (question.asks_number and len(rest.split()) <= 4)
        if not rest or counted or (not _is_bare_number(first) and len(rest.split()) <= _MOST_WORDS_AFTER):
            return Stated(*first)
        return None
    if made := _MADE_BY.match(bare):
        bare = made[1]
    if not question.known and len(text.split()) > _MOST_WORDS_UNASKED:
        return None
    if len(bare.split()) > _MOST_LABEL_WORDS and not bare[:1].isupper() and not _CJK.search(bare):
        return None  # a description
    return _of(bare, value_key(bare, question))


def _is_bare_number(found: tuple[str, str]) -> bool:
    """Whether a typed value is a number without a unit, a sign or a form of its own."""
    is_number = re.fullmatch(r"-?\d+(?:\.\d+)?|id:.*", found[1])
    return bool(is_number) and not re.search(r"[$€£¥%]|percent|dollar|cent|USD", found[0], re.IGNORECASE)


def _is_subject(subject: str, question: QuestionText) -> bool:
    """Whether a subject points at what was asked, and is no one who speaks."""
    if re.match(r"\W*(?:i|you|we|yo|je|ich|io|eu)\b", subject, re.IGNORECASE):
        return False
    if POINTING.match(subject) or CONCLUDING.match(subject):
        return True
    if not question.known:
        return False
    words = [word for word in re.findall(r"\w+", subject.casefold()) if word not in FUNCTION_WORDS]
    return bool(words) and all(stem(word) in question.stems for word in words)


def _cjk_predicate(sentence: str, question: QuestionText) -> Stated | None:
    """日本の首都は東京です。."""
    if PERSONAL.search(sentence) or NEGATIONS.search(sentence):
        return None
    found = last_found(_CJK_TOPIC, sentence)
    rest = sentence[found.end() :] if found else ""
    return _of(rest, value_key(rest, question)) if rest else None


def _beyond_question(sentence: str, question: QuestionText) -> Stated | None:
    """Radium was discovered by Marie Curie."""
    if PERSONAL.search(sentence) or is_courtesy(sentence):
        return None
    part = unknown_part(sentence, question)
    if part is None:
        return None
    part = made[1] if (made := _MADE_BY.match(part)) else part
    spans = list(typed_spans(part, question))
    if (
        spans
        and (question.asks_number or not all(map(_is_bare_number, spans)))
        and typed(part, question) is None
    ):
        return None
    return _of(part, value_key(part, question))


def _span(sentence: str, question: QuestionText) -> Stated | None:
    """The only date, time or quantity of the kind that is asked for: it takes 3 to 5 days."""
    if (
        len(sentence.split()) > (_MOST_SPAN_WORDS if question.known else _MOST_WORDS_UNASKED)
        or NEGATIONS.search(sentence)
        or _NO_VALUE.search(sentence)
        or is_courtesy(sentence)
    ):
        return None
    concluding = bool(CONCLUDING.match(sentence))
    if not question.known and not (
        concluding
        or _PRONOUN.match(sentence)
        or _opens_with_value(sentence, question)
        or any(_TAKES.search(sentence[: sentence.find(text)]) for text, _ in typed_spans(sentence, question))
    ):
        return None  # of what it is the value, the question would say
    if "=" in sentence and not (concluding or question.asks_number):
        return None
    found = _of_asked_kind(list(typed_spans(sentence, question)), sentence, question)
    if question.asks_number and concluding:
        found = found[-1:]
    if len({key for _, key in found}) != 1:
        return None
    text, key = found[0]
    if is_qualified(sentence, text, question) or names_more(sentence, text, question):
        return None
    is_address = key.startswith(("tel:", "http")) or "@" in key
    if not is_address and (is_bounded(sentence, text) or (PERSONAL.search(sentence) and not question.known)):
        return None
    if PERSONAL.search(sentence) and not (is_address or question.asks_number or question.asks_when):
        return None
    if _is_bare_number(found[0]) and not (question.asks_number or concluding):
        return None
    return Stated(text, key)


_NO_VALUE = pattern(
    r"\b(?:undefined|not defined|undefiniert|nicht definiert|indefinid[oa]|non défini|indéfini\w*)\b"
)


_TAKES = pattern(
    any_of(
        "costs|cost|lasts|last|takes|take|ends|starts|begins|opens|open|closes|leaves|weighs|measures|kostet|"
        "dauert|beginnt|endet|öffnet|wiegt|misst|cuesta|tarda|dura|mide|pesa|coûte|dure|mesure|pèse|costa|"
        "foi de|é de|es de|est de"
    )
    + r"\s+(?:(?:on|at|um|a\s+las|à|about|etwa)\s+)?$|(?:需要|为|于|は|が)$",
    re.IGNORECASE,
)


def _opens_with_value(sentence: str, question: QuestionText) -> bool:
    first = next(typed_spans(sentence, question), None)
    return first is not None and without_preposition(sentence.lstrip(" ~≈")).startswith(first[0])


def _of_asked_kind(
    found: list[tuple[str, str]], sentence: str, question: QuestionText
) -> list[tuple[str, str]]:
    """The values of the kind that is asked for, if any, without those that the question names."""
    if question.asks_when:
        found = [each for each in found if _MOMENT.fullmatch(each[1])] or found
    elif question.asks_percent:
        found = [
            each for each in found if re.search(r"%|per ?cent|prozent|ciento", each[0], re.IGNORECASE)
        ] or found
    elif question.counted:
        counted = [each for each in found if _counts(each[0], sentence, question)]
        found = counted or found
    elif question.says_money:
        found = [each for each in found if re.search(r"[$€£¥]|dollar|euro|cent", each[0])] or found
    if len({key for _, key in found}) > 1 and not (
        any(map(_is_bare_number, found)) or _SEVERAL.search(sentence)
    ):
        found = [each for each in found if _follows_asked_word(each[0], sentence, question)] or found
    unknown = [each for each in found if not re.search(rf"(?<!\w){re.escape(each[0])}(?!\w)", question.text)]
    return unknown or found


def _follows_asked_word(text: str, sentence: str, question: QuestionText) -> bool:
    """Whether a value stands behind a word of the question: it ends on July 30, to "when does it end"."""
    before = [word.casefold() for word in re.findall(r"[^\W\d_]+", sentence[: sentence.find(text)])]
    content = [word for word in before if word not in FUNCTION_WORDS]
    return bool(content) and stem(content[-1]) in question.stems


def _counts(text: str, sentence: str, question: QuestionText) -> bool:
    """Whether a number counts what the question wants to be counted."""
    after = sentence[sentence.find(text) + len(text) :]
    words = re.findall(r"[^\W\d_]+", f"{text} {' '.join(after.split()[:3])}".casefold())
    return any(stem(word) == question.counted for word in words)


def _of(text: str, key: str | None) -> Stated | None:
    return None if key is None else Stated(bare_text(text), key)


def bare_text(text: str) -> str:
    """A value as it is written, without what stands around it.

    Example:
        >>> bare_text("approximately 42 (see page 7).")
        '42'
    """
    text = without_asides(unwrapped(text).strip(" \n.,;:!\"'"))
    text = without_preposition(after_equals(text, QuestionText("")) or text)
    return ABOUT.sub("", text) or text


_OUTRIGHT = (_labelled, _value, _reversed, _equation, _obtained, _predicate, _span)
"""The readers of sentences that say what the answer is."""
