"""Where encoders are blind: texts that differ in a number, a negation, a name or who did what to whom.

Texts about the same things get vectors close to each other, whether they agree or not. So the words are
compared, too. Texts are not taken for one if their numbers differ, if only one has a negation, or if they are
the same but for a few words or their order.
"""

import re
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache

from adaptive_reasoner.lazy_pattern import pattern

_ALIKE = 0.6  # the share of equal words from which on the others decide; see benchmarks/similar_answers.py
_SHORT = 3  # words: in an answer as short every word counts
_LONGEST = 2_000  # words

_NUMBER = pattern(r"(?<![\w-])[-\u2212](?=\d)|\d+(?:[.,'\u066b\u066c]\d+)*")
_GROUPED = pattern(r"\d{1,3}(?:[.,'\u066c]\d{3})+")
_LIST_MARK = pattern(r"(?:^|(?<=[.;:!?\s])\s)\(?\d{1,2}[.)]\s(?=\D)", re.MULTILINE)
_HAN = pattern(r"[\u3040-\u30ff\u3400-\u9fff]")
_WORD = pattern(rf"{_HAN.pattern}|(?:(?!{_HAN.pattern})[^\W_])+(?:['\u2019](?:(?!{_HAN.pattern})[^\W_])+)?")

_NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve",
    "- - - - - - - - - - - - - thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    "zéro un deux trois quatre cinq - sept huit neuf dix onze douze",
    "cero - dos tres cuatro cinco seis siete ocho nueve diez - doce",
    "- - due tre quattro cinque - sette otto nove dieci undici dodici",
    "- - dois três quatro cinco - sete oito nove dez onze doze",
    "零 - 二 三 四 五 六 七 八 九 十",
)
_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety"
_NO_NUMBERS = ("-", "one", "un")  # a gap in the lists, and words that are articles, too
_VALUES = {word: at for words in _NUMBER_WORDS for at, word in enumerate(words.split())}
_VALUES |= {word: 10 * ten for ten, word in enumerate(_TENS.split())} | {"两": 2}
_VALUES = {word: value for word, value in _VALUES.items() if word not in _NO_NUMBERS}

_NEGATION_WORDS = (
    "not no never none neither nor nobody nothing nowhere without cannot hardly unable impossible untrue "
    "incorrect inedible false forbidden forbids prohibited "
    "nicht kein keine keinen keinem keiner nie niemals nichts niemand ohne "
    "ne pas jamais rien personne aucun aucune sans "
    "nunca nadie nada ningún ninguna sin tampoco "
    "non mai niente nessuno senza não ninguém nenhum sem "
    "لا لم لن ليس ليست غير ممنوع 不 没 沒 無 禁"
)
_NEGATIONS = frozenset(_NEGATION_WORDS.split())
_NEGATED = pattern(r"ません|ない|なかった|n['\u2019]t\b|\bn['\u2019]\w")

_EMPTY_WORDS = (
    "a an the it its this that is are was were be been there of to in on at by for and so then "
    "der die das ein eine einen dem den des ist sind war es im am "
    "le la les l un une des du de est sont était c'est il "
    "el los las una del es son era al lo gli i di è sono o os as um uma da do é são "
    "是 的 は が で す ま هو هي"
)
_EMPTY = frozenset(_EMPTY_WORDS.split())
"""Words without which a sentence says the same."""


@lru_cache(maxsize=4_096)
def in_doubt(one: str, other: str) -> bool:
    """Whether two texts whose vectors are alike may still mean different things.

    Example:
        >>> in_doubt("It takes two hours.", "It takes three hours."), in_doubt("It's safe.", "It isn't safe.")
        (True, True)
        >>> in_doubt("Alice paid Bob.", "Bob paid Alice."), in_doubt("Paris", "It is Paris.")
        (True, False)
    """
    first, second = _words(one), _words(other)
    if first == second and _numbers(one) == _numbers(other):
        return False
    if _numbers(one) != _numbers(other) or _negated(one) != _negated(other):
        return True
    if max(len(first), len(second)) > _LONGEST:
        return True
    if sorted(first) == sorted(second):
        return True
    compared = SequenceMatcher(None, first, second)
    short = max(len(first), len(second)) <= _SHORT
    if not short and (compared.quick_ratio() < _ALIKE or compared.ratio() < _ALIKE):
        return False
    return any(
        not _EMPTY.issuperset(first[start:end]) or not _EMPTY.issuperset(second[begin:stop])
        for what, start, end, begin, stop in compared.get_opcodes()
        if what != "equal"
    )


@lru_cache(maxsize=4_096)
def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


@lru_cache(maxsize=4_096)
def _numbers(text: str) -> frozenset[str]:
    """The values of the numbers in a text, in digits or words, without the numbers of list items."""
    return frozenset(_values(_LIST_MARK.sub(" ", unicodedata.normalize("NFKC", text))))


def _values(text: str) -> Iterator[str]:
    sign = ""
    for found in _NUMBER.findall(text):
        if found in "-\u2212":
            sign = "-"
            continue
        *groups, last = re.split(r"[.,'\u066b\u066c]", found)
        marks = [character for character in found if not character.isdigit()]
        decimal = bool(marks) and not (_GROUPED.fullmatch(found) and len(set(marks)) == 1)
        whole = "".join(groups) if decimal else "".join([*groups, last])
        fraction = last.rstrip("0") if decimal else ""
        plain = "".join(str(unicodedata.digit(digit)) for digit in whole).lstrip("0") or "0"
        yield sign + plain + (f".{fraction}" if fraction else "")
        sign = ""
    yield from (str(_VALUES[word]) for word in _WORD.findall(text.casefold()) if word in _VALUES)


@lru_cache(maxsize=4_096)
def _negated(text: str) -> bool:
    folded = text.casefold()
    return not _NEGATIONS.isdisjoint(_WORD.findall(folded)) or _NEGATED.search(folded) is not None
