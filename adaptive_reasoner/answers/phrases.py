"""Names and short texts: when a text is one, and one form for those that name the same."""

import re
import unicodedata

from adaptive_reasoner.answers.question import QuestionText, stem
from adaptive_reasoner.answers.reply_text import is_courtesy
from adaptive_reasoner.answers.values.units import is_unit
from adaptive_reasoner.answers.vocabulary import (
    ARTICLES,
    CONDITIONS,
    COPULAS,
    FALSE,
    FUNCTION_WORDS,
    GREETINGS,
    NEGATIONS,
    NO,
    PERSONAL,
    REFUSALS,
    TITLES,
    TRUE,
    YES,
)
from adaptive_reasoner.lazy_pattern import pattern

MOST_WORDS = 6
_MOST_SIGNS = 16
_MOST_MARKED_WORDS = 12

_COPULA = pattern(rf"(?!(?:war|son|era|fu|wird|sera)(?!\w)){COPULAS}")
_PRONOUNS = frozenset(
    (
        "Ich Wir Je J'ai Nous Yo Io Eu I I'm I’m I've I’ve I'd I'll I’ll You You're You’re Your We We're "
        "We’re My Our Let's Let’s"
    ).split()
)
_AUXILIARY = pattern(
    r"(?<!\w)(?:has|have|had|been|can|could|will|would|should|may|might|must|do|does|did|hat|haben|wurde|"
    r"wurden|"
    r"ha|han|hay|puede|a été|ont été|peut|может|был|была)(?!\w)"
)
_CJK = pattern(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CJK_ENDING = pattern(r"(?:です|でした|である|だ|になります|となります|입니다|이다|吧|。)+$")
_KANA_VERB = pattern(
    r"(?:ます|ました|ません|ください|ましょう|でしょう|ですか|습니다|세요|까요|요|了吗|吗|呢|啊|吧|.{3}か)$"
)
_EDGES = " \t\r\n\"'`*_.,;:!。、，:…"
_WORD = pattern(r"[^\W_]+(?:['.&/+-][^\W_]+)*(?:[+#♯♭]+|-(?=[\s.,]|$))?")
_DIVIDER = pattern(r"[.!?;:]\s|[\n?¿{}|]|\.\.\.")
_SHORTENED = pattern(r"(?<!\w)(?:[Dd]r|[Mm]rs?|[Mm]s|[Pp]rof|[Ss]t|[JS]r|[A-Z]|[Ss]ra?|[Mm]t)\.\s")
_RELATIVE = pattern(
    r"(?:,|\s-|\s?\u2014)\s*(?:who|which|whose|where|when|because|since|as|"
    r"quien|que|porque|qui|car|parce|der|die|das|weil|che|perché|который|которая|born|known|built|written|"
    r"(?-i:[a-z]{3,}ed)|"
    r"located)\b(?!.*,\s.*\b(?:is|was|are|es|est|ist)\b).*$|,?\s*(?:因为|所以|なぜなら).*$"
    r"|\s(?:because|since|weil|porque|parce que|perché|потому что|لأن)\s.*$",
    re.IGNORECASE | re.DOTALL,
)
_ASIDE = pattern(r"\s+\(([^()]{1,120})\)$")
_ZONE = pattern(r"\b(?:UTC|GMT|local|time|[A-Z]{1,3}ST|[A-Z]{1,3}DT|CET)\b|[+-]\d")
_OPENS_SENTENCE = pattern(
    r"(?:it|he|she|they|this|that|there|these|those|it's|here|if|when|so|thus|therefore|hence|please|then|"
    r"because|wegen|weil|due|owing|porque|debido|gracias|à\s+cause|parce|a\s+causa|perché|por\s+causa|"
    r"из-за|بسبب)\s|"
    r"因为|由于",
    re.IGNORECASE,
)
_GLUED = pattern(r"[/\\@_=<>#]|\w\.\w")


def yes_or_no(text: str) -> str | None:
    """The one of "yes", "no", "true" and "false" that a text is, in any of the languages.

    Example:
        >>> yes_or_no("Sí."), yes_or_no("nein"), yes_or_no("True"), yes_or_no("No idea")
        ('yes', 'no', 'true', None)
    """
    word = text.strip(_EDGES).casefold()
    words = {"yes": YES, "no": NO, "true": TRUE, "false": FALSE}
    return next((name for name, known in words.items() if word in known), None)


def leading_yes_or_no(sentence: str) -> str | None:
    """What a sentence that begins with yes or no says, in any of the languages.

    Example:
        >>> [leading_yes_or_no(text) for text in ("Yes, within 30 days.", "No problem!", "はい, そうです")]
        ['yes', None, 'yes']
    """
    found = re.match(r"\W*([^\W\d_]+(?:的)?)\s*(?:[,.:;!]|\s-\s|\u2014|$)", sentence)
    return yes_or_no(found[1]) if found else None


def is_conditional(sentence: str) -> bool:
    """Whether yes or no holds only under a condition, or not always.

    Example:
        >>> [is_conditional(text) for text in ("Yes, but only today.", "Yes, with a permit.", "Yes, it is.")]
        [True, True, False]
    """
    return bool(CONDITIONS.search(sentence))


def without_asides(text: str) -> str:
    """A text without a relative clause, a reason or a remark in parentheses at its end.

    Example:
        >>> without_asides("Marie Curie, who won the Nobel Prize in 1903")
        'Marie Curie'
    """
    clause = _RELATIVE.search(text)
    text = text[: clause.start()].strip() if clause and not CONDITIONS.search(clause[0]) else text.strip()
    aside = _ASIDE.search(text)
    if not aside or not aside.start() or re.search(r"[\\∈=∪∩]", text) or _ZONE.search(aside[1]):
        return text
    return text[: aside.start()] if re.search(r"\d", aside[1]) else text


def is_name(text: str) -> bool:
    """Whether a short text that no question asks for is a name or a label, and no little sentence.

    Example:
        >>> [is_name(text) for text in ("Marie Curie.", "carbon dioxide", "Ticket is closed.", "Sleep well!")]
        [True, True, False, False]
    """
    words = text.split()
    if _CJK.search(text):
        return len(without_ending(text)) <= _MOST_SIGNS_UNASKED
    if text.rstrip(_QUOTES).endswith("!"):
        return len(words) == 1
    if len(words) > 2 and re.search(r"\s(?:and|und|y|et|e|or)\s", text):
        return False  # several, whose order may matter
    content = [word for word in words if word.casefold() not in FUNCTION_WORDS]
    if all(word[:1].isupper() or not word[:1].isalpha() for word in content):
        return True
    return len(words) <= (1 if text.rstrip(_QUOTES).endswith(".") else 3)


_MOST_SIGNS_UNASKED = 6
_QUOTES = " \"')*_"


def without_ending(text: str) -> str:
    """A text of Japanese, Chinese or Korean without the words that only end a sentence.

    Example:
        >>> without_ending("東京です.")
        '東京'
    """
    return _CJK_ENDING.sub("", text.rstrip(_EDGES)) if _CJK.search(text) else text


def is_short(text: str, *, marked: bool = False, greeting: bool = False) -> bool:
    """Whether a text may be a name or a short answer, and is no conversation and no prose.

    Args:
        text: In plain characters.
        marked: Whether the reply itself calls it the answer.
        greeting: Whether it may be a greeting, as a translation may.
    """
    if (
        not text
        or len(text) > 120
        or _DIVIDER.search(_SHORTENED.sub(" ", text.strip(_EDGES)))
        or not re.search(r"\w", text)
    ):
        return False
    if _CJK.search(text):
        ended = _CJK_ENDING.sub("", text.rstrip(_EDGES))
        bare = text.rstrip(_EDGES)
        if len(ended) > _MOST_SIGNS * (2 if marked else 1) or (not marked and _KANA_VERB.search(bare)):
            return False
    elif len(text.split()) > (_MOST_MARKED_WORDS if marked else MOST_WORDS):
        return False
    if REFUSALS.search(text) or is_courtesy(text):
        return False
    return marked or not (
        (GREETINGS.match(text) and not greeting)
        or _OPENS_SENTENCE.match(text)
        or _is_personal(text)
        or _COPULA.search(text)
        or _AUXILIARY.search(text)
    )


def _is_personal(text: str) -> bool:
    """Whether a text has a pronoun of the first or second person, as US and Yo-Yo Ma have not."""
    return any(found[0].islower() or found[0] in _PRONOUNS for found in PERSONAL.finditer(text))


def phrase_key(text: str, question: QuestionText) -> str | None:
    """One text for a name, whatever its case, article, title and the words of the question around it.

    Example:
        >>> asked = QuestionText("Which river flows through London?")
        >>> [phrase_key(text, asked) for text in ("The River Thames.", "Thames", "Dr. Marie Curie")]
        ['thames', 'thames', 'marie curie']
    """
    text = _CJK_ENDING.sub("", text.strip(_EDGES).removesuffix("ですね")).strip(_EDGES)
    text = unicodedata.normalize("NFC", text)
    if _GLUED.search(text) and " " not in text:
        return text  # a path, a formula, an identifier: capitals count
    if len(text) == 2 and text.isupper():
        return text  # a symbol: CO is not Co
    if question.verbatim or (len(text) <= 3 and is_unit(text.casefold())):
        return text
    text = ARTICLES.sub("", text, count=1)
    words = [word if _INNER_CAPITAL.search(word) else word.casefold() for word in text.split()]
    while len(words) >= 3 and words[0] in TITLES:
        words.pop(0)
    if len(re.findall(r"(?<!\w)[A-Z](?![\w'.])", text)) < 2:
        words = _without_known_ends(words, question)
    key = " ".join(words).strip(_EDGES)
    return key or None


_SYMBOLS = pattern(r"[±∀∃|¬∪∩→←↔★☆✓✗′=<>]|\w!|(?<!\w)\w'(?!\w)")
_INNER_CAPITAL = pattern(r"[a-z\d][A-Z]|[A-Z]{2}.*[a-z]")
"""A word in which capitals say something: aBc, NaCl, MBps."""


def unknown_part(sentence: str, question: QuestionText) -> str | None:
    """What a sentence says beyond the words of its question, where it is one stretch of words.

    Example:
        >>> asked = QuestionText("What is the capital of France?")
        >>> unknown_part("Paris is the capital of France.", asked)
        'Paris'
    """
    if not question.known or NEGATIONS.search(sentence) or _CJK.search(sentence):
        return None
    if _SYMBOLS.search(sentence):
        return None
    runs = list[tuple[int, int]]()
    gap = True
    for found in _WORD.finditer(sentence):
        word = found[0].casefold()
        symbol = len(word) == 1 and found[0].isupper() and found.start() > 0
        if (word in FUNCTION_WORDS and not symbol) or (stem(word) in question.stems and not word.isdigit()):
            between = sentence[runs[-1][1] : found.start()] if runs else ""
            gap = gap or not _joins(found[0], between)
            continue
        if runs and not gap and not re.search(r"[,;:()]", sentence[runs[-1][1] : found.start()]):
            runs[-1] = (runs[-1][0], found.end())
        else:
            runs.append((found.start(), found.end()))
        gap = False
    if not runs or len(runs) > 3:
        return None
    texts = [sentence[start:end] for start, end in runs]
    if len(texts) == 1:
        return texts[0]
    named = [text for text in texts if text[:1].isupper() and not re.search(r"\d", text)]
    return named[0] if len(named) == 1 and question.asks_name else None


_JOINING = frozenset(("of de the da do del della des du von van and y und et e la le di").split())


def _joins(word: str, between: str) -> bool:
    """Whether a function word may stand inside a name: Bank of England, Romeo and Juliet."""
    return word in _JOINING and not re.search(r"[,;:()]", between)


def _without_known_ends(words: list[str], question: QuestionText) -> list[str]:
    """Words without those of the question at both ends; all of them where nothing would be left."""
    if not question.known:
        return words

    def known(word: str) -> bool:
        word = word.strip(_EDGES)
        return (
            word not in _KEPT
            and not any(map(str.isdigit, word))
            and (word in FUNCTION_WORDS or (len(word) > 2 and stem(word) in question.stems))
        )

    first, last = 0, len(words)
    while first < last and known(words[first]):
        first += 1
    while last > first and known(words[last - 1]):
        last -= 1
    kept = words[first:last]
    return kept or words


_KEPT = frozenset(("no not none never both all neither i").split())
