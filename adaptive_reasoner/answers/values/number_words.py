"""Numbers in words, by value, in the languages of `vocabulary`."""

from fractions import Fraction

from adaptive_reasoner.lazy_pattern import pattern

_SMALL = {
    "zero null cero zéro zero ноль صفر": 0,
    "one eins uno un une um uma один واحد": 1,
    "two zwei dos deux due dois duas два اثنان": 2,
    "three drei tres trois tre três три ثلاثة": 3,
    "four vier cuatro quatre quattro quatro четыре أربعة": 4,
    "five fünf cinco cinq cinque пять خمسة": 5,
    "six sechs seis sei шесть ستة": 6,
    "seven sieben siete sept sette sete семь سبعة": 7,
    "eight acht ocho huit otto oito восемь ثمانية": 8,
    "nine neun nueve neuf nove девять تسعة": 9,
    "ten zehn diez dix dieci dez десять عشرة": 10,
    "eleven elf once onze undici одиннадцать": 11,
    "twelve zwölf doce douze dodici doze dozen двенадцать": 12,
    "thirteen dreizehn trece treize tredici treze": 13,
    "fourteen vierzehn catorce quatorze quattordici catorze": 14,
    "fifteen fünfzehn quince quinze quindici": 15,
    "sixteen sechzehn dieciséis seize sedici dezesseis": 16,
    "seventeen siebzehn diecisiete dix-sept diciassette dezessete": 17,
    "eighteen achtzehn dieciocho dix-huit diciotto dezoito": 18,
    "nineteen neunzehn diecinueve dix-neuf diciannove dezenove": 19,
    "twenty zwanzig veinte vingt venti vinte двадцать عشرون": 20,
    "thirty dreißig treinta trente trenta trinta тридцать ثلاثون": 30,
    "forty vierzig cuarenta quarante quaranta quarenta сорок أربعون": 40,
    "fifty fünfzig cincuenta cinquante cinquanta cinquenta пятьдесят خمسون": 50,
    "sixty sechzig sesenta soixante sessanta sessenta ستون": 60,
    "seventy siebzig setenta soixante-dix settanta سبعون": 70,
    "eighty achtzig ochenta quatre-vingts ottanta oitenta ثمانون": 80,
    "ninety neunzig noventa quatre-vingt-dix novanta تسعون": 90,
}
_VALUES = {word: value for words, value in _SMALL.items() for word in words.split()}
_SCALES = {
    "hundred": 100,
    "hundert": 100,
    "cien": 100,
    "ciento": 100,
    "cent": 100,
    "cento": 100,
    "cem": 100,
    "thousand": 1000,
    "tausend": 1000,
    "mil": 1000,
    "mille": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_PARTS = {
    "half": 2,
    "halves": 2,
    "third": 3,
    "thirds": 3,
    "quarter": 4,
    "quarters": 4,
    "fifth": 5,
    "fifths": 5,
}
_PARTS |= {
    "sixth": 6,
    "sixths": 6,
    "eighth": 8,
    "eighths": 8,
    "tenth": 10,
    "tenths": 10,
    "fourth": 4,
    "fourths": 4,
}
_JOINS = {"and", "und", "y", "et", "e"}
_AMBIGUOUS = {"un", "une", "um", "uma", "uno", "once", "null", "sei", "due", "cent", "mil", "mille", "e"}
"""Words that are numbers in one language and something else alone."""

_CJK_DIGITS = {sign: value for value, sign in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "兩": 2}
_CJK_UNITS = {"十": 10, "百": 100, "千": 1000}
_CJK_SCALES = {"万": 10**4, "萬": 10**4, "億": 10**8, "亿": 10**8}
CJK_NUMBER = pattern(r"[〇零一二三四五六七八九两兩十百千万萬億亿]{1,20}")

_GERMAN = pattern(
    r"(ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun)und(zwanzig|dreißig|vierzig|fünfzig|sechzig|siebzig|"
    r"achtzig|neunzig)"
)
_LONGEST = 80


def spelled_number(text: str) -> Fraction | None:
    """The value of a number in words; None where the words are no number.

    Example:
        >>> [str(spelled_number(text)) for text in ("twenty-one", "zwölf", "douze", "十二", "three quarters")]
        ['21', '12', '12', '12', '3/4']
    """
    text = text.strip().casefold()
    if not text or len(text) > _LONGEST:
        return None
    if CJK_NUMBER.fullmatch(text):
        return _cjk(text)
    sign = 1
    for minus in ("minus ", "negative ", "menos ", "moins "):
        if text.startswith(minus):
            sign, text = -1, text.removeprefix(minus)
    if found := _GERMAN.fullmatch(text):
        return Fraction(sign * (_VALUES[found[2]] + _VALUES.get(found[1], 1)))
    if text in _VALUES and text not in _AMBIGUOUS:
        return Fraction(sign * _VALUES[text])
    words = text.replace("-", " ").split()
    if words[-1:] and words[-1] in _PARTS:
        return _fraction(words, sign)
    if len(words) == 1 and (words[0] in _AMBIGUOUS or words[0] not in _VALUES):
        return None
    value = _composed(words)
    return None if value is None else Fraction(sign * value)


def _fraction(words: list[str], sign: int) -> Fraction | None:
    part = _PARTS[words[-1]]
    head = words[:-1]
    if not head or head in (["a"], ["one"]):
        return Fraction(sign, part) if head or part == 2 else None
    if "and" in head:  # two and a half
        at = head.index("and")
        whole, above = _composed(head[:at]), head[at + 1 :]
        count = 1 if above in (["a"], ["one"]) else _composed(above)
        return None if whole is None or count is None else sign * (whole + Fraction(count, part))
    count = _composed(head)
    return None if count is None or count >= part * 10 else Fraction(sign * count, part)


def _composed(words: list[str]) -> int | None:
    """Hundreds, tens and ones, with their scales; None where the words do not add up."""
    total = group = 0
    last: int | None = None  # the value of the word before, within its group
    if not words or words[0] in _JOINS or words[-1] in _JOINS:
        return None
    for word in words:
        if word in _JOINS:
            continue
        if word in ("a", "ein", "eine") and last is None and group == 0 and len(words) > 1:
            value = 1
        elif word in _SCALES or word.rstrip("s") in _SCALES:
            scale = _SCALES.get(word) or _SCALES[word.rstrip("s")]
            if scale == 100:
                group = (group or 1) * 100
            else:
                total, group = total + (group or 1) * scale, 0
            last = None
            continue
        elif word in _VALUES:
            value = _VALUES[word]
        else:
            return None
        if last is not None and not (last >= 20 and last % 10 == 0 and value < 10):
            return None
        group, last = group + value, value
    return total + group


def _cjk(text: str) -> Fraction | None:
    if not any(sign in _CJK_UNITS or sign in _CJK_SCALES for sign in text):
        return Fraction("".join(str(_CJK_DIGITS[sign]) for sign in text))
    total = group = digit = 0
    for sign in text:
        if sign in _CJK_DIGITS:
            digit = _CJK_DIGITS[sign]
        elif sign in _CJK_UNITS:
            group, digit = group + (digit or 1) * _CJK_UNITS[sign], 0
        else:
            total, group, digit = total + ((group + digit) or 1) * _CJK_SCALES[sign], 0, 0
    return Fraction(total + group + digit)
