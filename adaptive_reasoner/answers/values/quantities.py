"""Quantities by value: money, percentages, units, durations, ranges and ratios."""

import re
from dataclasses import dataclass
from fractions import Fraction

from adaptive_reasoner.answers.question import QuestionText
from adaptive_reasoner.answers.values.number_words import CJK_NUMBER
from adaptive_reasoner.answers.values.numbers import NUMBER, number, number_key
from adaptive_reasoner.answers.values.units import MAGNITUDES, currency, unit
from adaptive_reasoner.answers.vocabulary import ABOUT
from adaptive_reasoner.lazy_pattern import pattern

_SIGN = r"(?:(?:US|A|AU|C|CA|R|MX)?\$|[€£¥₹₩₽₿]|(?:USD|EUR|GBP|JPY|CNY|INR|CHF|CAD|AUD|Rs\.?)(?=\s?[\d-]))"
_MAGNITUDE = "|".join(sorted(map(re.escape, MAGNITUDES), key=len, reverse=True))
_SIGNED = pattern(rf"(-?)\s?({_SIGN})\s?(?=[-\d.])", re.IGNORECASE)
_DIGITS = pattern(NUMBER)
_SCALE = pattern(rf"(?:{_MAGNITUDE}|[MBT])(?![^\W\d_]|\^)|[万萬億亿百千](?:万|萬|億|亿)?", re.IGNORECASE)
_OF = pattern(r"(?:of an?|an?|of|de|d'|di)\s+", re.IGNORECASE)
_SIMPLE = pattern(rf"(?P<number>{NUMBER})\s?(?P<unit>%|percent|per cent)?")
_PARTS = pattern(rf"({NUMBER})\s?([^\W\d_]+\.?|['\"′″])(?:\s*(?:,|and|und|y|et|e|و)?\s*(?=\d)|$)")
_UNIT_OF = pattern(r"([^\W\d_]+)\s+((?:of|de|d'|von|di)?\s*[^\d]{1,30})", re.IGNORECASE)
_PERCENT = pattern(
    r"(?:\\?%|percent|per cent|prozent|por ciento|pour ?cent|per cento|por cento|"
    r"процент\w*|بالمئة|بالمائة|في المئة|パーセント)",
    re.IGNORECASE,
)
_BASIS_POINTS = pattern(r"(?:bps?|basis points?|basispunkte|puntos básicos)", re.IGNORECASE)
_BETWEEN = pattern(r"^(?:between|from|entre|zwischen|von|desde|de|du|dal|da|tra|от|من|بين)\s+", re.IGNORECASE)
_TO = pattern(
    r"(?<=[\w%$€£.°])\s*(?:(?<![eE])-|~|\.\.+|to|and|through|bis|und|à|a|y|et|al|até|e|до|إلى|و|到|至|"
    r"から)\s*(?=[\d$€£.一二三四五六七八九十]|[a-z])",
    re.IGNORECASE,
)
_RATIO = pattern(
    r"(\d{1,12}(?:\.\d{1,6})?)\s?(?::|to|zu|a|à|比|对|対)\s?(\d{1,12}(?:\.\d{1,6})?)", re.IGNORECASE
)


@dataclass(frozen=True)
class Quantity:
    """A value in a base unit; a plain number where the unit is empty."""

    value: Fraction
    unit: str = ""

    @property
    def key(self) -> str:
        """One text for equal quantities."""
        return f"{number_key(self.value)} {self.unit}".rstrip()


def quantity(text: str, question: QuestionText) -> Quantity | None:
    """The quantity that a text is and nothing else; None where it is something else.

    Example:
        >>> asked = QuestionText("")
        >>> [quantity(text, asked).key for text in ("1 km", "1000 m", "$1.2 million", "25%", "1 h 30 min")]
        ['1000 meter', '1000 meter', '1200000', '0.25', '5400 second']
    """
    text = ABOUT.sub("", text.strip())
    if simple := _SIMPLE.fullmatch(text):
        return _with_asked_unit(simple["number"], bool(simple["unit"]), question)
    if len(text) > 100:
        return None
    if (spelled := number(text, comma=question.comma)) is not None:
        return _bare(spelled, question)
    if parts := _sum_of_parts(text, question):
        return parts
    signed = _SIGNED.match(text)
    sign, rest = (signed[2], signed[1] + text[signed.end() :]) if signed else ("", text)
    value, rest = _leading_number(rest, question)
    return None if value is None else _measured(value, rest, sign, question)


def value_range(text: str, question: QuestionText) -> str | None:
    """One text for a range of quantities, and for a ratio where one is asked for; None for what is neither.

    Example:
        >>> asked = QuestionText("")
        >>> value_range("3-5 days", asked) == value_range("between 3 and 5 days", asked)
        True
        >>> value_range("3:4", asked), value_range("6 to 8", QuestionText("What is the ratio?"))
        ('3:4', '3:4')
    """
    text = ABOUT.sub("", text.strip())
    if len(text) > 80:
        return None
    if (ratio := _RATIO.fullmatch(text)) and (":" in text or question.says_ratio):
        above, below = Fraction(ratio[1]), Fraction(ratio[2])
        if below and question.says_ratio and not question.says_score:
            simplest = above / below
            return f"{simplest.numerator}:{simplest.denominator}"
        return f"{number_key(above)}:{number_key(below)}" if ":" in text else None
    text = _BETWEEN.sub("", text)
    for divider in _TO.finditer(text):
        first, last = text[: divider.start()].strip(), text[divider.end() :].strip()
        high = quantity(last, question)
        low = None if high is None else _lower_end(first, last, high, question)
        if low is not None and high is not None and low.unit == high.unit and low.value < high.value:
            return f"{number_key(low.value)}..{high.key}"
    return None


def _lower_end(first: str, last: str, high: Quantity, question: QuestionText) -> Quantity | None:
    """The low end of a range, which takes unit and magnitude from the high end where it has none."""
    low = quantity(first, question)
    bare = number(first.lstrip("$€£"), comma=question.comma)
    if low is not None and low.unit == high.unit and not (bare is not None and _tail_of(last)):
        return low
    if bare is None:
        return None
    sign = "" if first[:1].isdigit() else first[:1]
    return quantity(f"{sign}{first.lstrip('$€£')} {_tail_of(last)}", question) or low


def _tail_of(text: str) -> str:
    """What follows the number of a quantity."""
    found = re.match(rf"{_SIGN}?\s?{NUMBER}\s?", text)
    return text[found.end() :].strip() if found else ""


def _leading_number(text: str, question: QuestionText) -> tuple[Fraction | None, str]:
    """The number that a text begins with, in digits or words, and what follows it."""
    if found := _DIGITS.match(text):
        return number(found[0], comma=question.comma), text[found.end() :]
    if found := CJK_NUMBER.match(text):
        return number(found[0]), text[found.end() :]
    words = text.split(" ")
    for count in range(min(len(words) - 1, 6), 0, -1):
        value = number(" ".join(words[:count]))
        if value is not None:
            return value, " " + " ".join(words[count:])
    return None, text


def _with_asked_unit(digits: str, percent: bool, question: QuestionText) -> Quantity | None:
    value = number(digits, comma=question.comma)
    if value is None:
        return None
    return Quantity(value / 100) if percent else _bare(value, question)


def _bare(value: Fraction, question: QuestionText) -> Quantity | None:
    """A number without a unit: in the unit that the question asks for, if it asks for one."""
    if question.asks_percent:
        return Quantity(value / 100) if abs(value) >= 1 or value == 0 else None
    if question.currency:
        return _money(value, question.currency)
    if question.unit:
        return _in_base(value, question.unit)
    return Quantity(value)


def _measured(value: Fraction, rest: str, sign: str, question: QuestionText) -> Quantity | None:
    """A number with what follows it: a unit, or a magnitude and a unit."""
    name = _OF.sub("", rest.strip().rstrip("."), count=1)
    if sign:
        money = currency(sign)
        scaled = _scaled(value, rest, money=True)
        if money is None or (scaled is None and currency(name) != money):
            return None
        factor, name = scaled if scaled is not None else (value, "")
        return _money(factor * money[0], money[1]) if not name or currency(name) == money else None
    if not name:
        return _bare(value, question)
    if (measured := _in_unit(value, name, question)) is not None:
        return measured
    scaled = _scaled(value, rest, money=rest[:1] in "MBTK" and not rest.startswith(" "))
    if scaled is None:
        return None
    value, name = scaled
    return _in_unit(value, _OF.sub("", name, count=1), question) if name else _bare(value, question)


def _in_unit(value: Fraction, name: str, question: QuestionText) -> Quantity | None:
    if len(name) > 40:
        return None
    if _PERCENT.fullmatch(name):
        return Quantity(value / 100)
    if _BASIS_POINTS.fullmatch(name):
        return Quantity(value / 10_000)
    if money := currency(name):
        return _money(value * money[0], money[1])
    if name.casefold() in ("pound", "pounds"):
        return _money(value, "GBP") if question.says_money else _in_base(value, "lb")
    if (measured := _in_base(value, name)) is not None:
        return measured
    of = _UNIT_OF.fullmatch(name)
    if of and question.counts(of[2]) and (measured := _in_base(value, of[1])) is not None:
        return measured
    return Quantity(value) if question.counts(name) else None


def _scaled(value: Fraction, rest: str, *, money: bool) -> tuple[Fraction, str] | None:
    """A number times the magnitude that follows it, and what follows that; None where none does."""
    text = rest.strip()
    if not text:
        return value, ""
    found = _SCALE.match(text)
    if found is None:
        return None
    folded = found[0].casefold()
    letters = {"m": 10**6, "b": 10**9, "t": 10**12} if money else {}
    times = MAGNITUDES.get(folded) or letters.get(folded)
    return None if times is None else (value * times, text[found.end() :].strip().rstrip("."))


def _money(value: Fraction, code: str) -> Quantity:
    """Money; dollars are plain numbers, as answers to questions about them are."""
    return Quantity(value, "" if code == "USD" else code)


def _in_base(value: Fraction, name: str) -> Quantity | None:
    found = unit(name)
    if found is None:
        return None
    factor, offset, base = found
    return Quantity(value * factor + offset, base)


def _sum_of_parts(text: str, question: QuestionText) -> Quantity | None:
    """What is given in several units: 1 h 30 min, 5 ft 10 in."""
    parts, at = list[tuple[str, str]](), 0
    while found := _PARTS.match(text, at):
        name = {"'": "ft", "′": "ft", '"': "inch", "″": "inch", "in": "inch"}.get(
            found[2], found[2].rstrip(".")
        )
        parts.append((found[1], name))
        at = found.end()
        if at == len(text):
            break
    if at < len(text) or not 2 <= len(parts) <= 4:
        return None
    total, base, smallest = Fraction(0), "", None
    for digits, name in parts:
        value, found_unit = number(digits, comma=question.comma), unit(name)
        if value is None or found_unit is None or found_unit[1] or (base and found_unit[2] != base):
            return None
        if smallest is not None and found_unit[0] >= smallest:
            return None
        total, base, smallest = total + value * found_unit[0], found_unit[2], found_unit[0]
    return Quantity(total, base)
