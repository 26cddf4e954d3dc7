"""Numbers as people write them, by value: marks of locales, fractions, powers of ten, words.

Whole numbers are exact. Others are equal to nine significant digits, and never less than to the fourth
decimal: rounding, unlike a distance, makes an equivalence, as votes need it.
"""

import re
from decimal import Decimal, localcontext
from fractions import Fraction

from adaptive_reasoner.answers.values.number_words import spelled_number
from adaptive_reasoner.lazy_pattern import pattern

SIGNIFICANT_DIGITS = 9
_DECIMALS = 4
_LONGEST = 1000
_LARGEST_EXPONENT = 300

_GROUPED = (
    r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+|"
    r"\d{1,3}(?:[ '\u2019]\d{3})+(?:[.,]\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)"
)
_POWER = (
    r"(?:[eE][-+]?\d+(?![\w.])|\s?(?:\*|x|×|·|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?"
    r"(?:[-+]?\d+|\{[-+]?\d+\}|\([-+]?\d+\)))"
)
UNSIGNED = (
    rf"(?:\d[\d.,]*\s?(?:百万|[万萬億亿])(?:\d[\d.,]*\s?[万萬])?\d*|"
    rf"\d+[ -]\d+/\d+|{_GROUPED}\s?/\s?\d+(?:\.\d+)?|"
    rf"10\s?(?:\^|\*\*)\s?(?:[-+]?\d+|\{{[-+]?\d+\}})|"
    rf"{_GROUPED}{_POWER}?)"
)
NUMBER = rf"(?:[-+]\s?)?{UNSIGNED}"
"""The pattern of a number in a text; what it matches, `number` reads."""

_MYRIADS = pattern(
    r"([-+]?)(?:(\d[\d.,]{0,20})\s?[億亿])?(?:(\d[\d.,]{0,20})\s?(百万|"
    r"[万萬]))?(\d[\d,]{0,10})?(?<=[万萬億亿\d])(?<![^万萬億亿\d])"
)
_MIXED = pattern(r"([-+]?)\s?(\d{1,50})[ -](\d{1,50})/(\d{1,50})")
_RATIO = pattern(r"([-+]?[\d.,' ]+?)\s?/\s?(\d{1,50}(?:\.\d{1,50})?)")
_SCIENTIFIC = pattern(
    rf"([-+]?\s?{_GROUPED})(?:[eE]([-+]?\d+)|\s?(?:\*|x|×|·|\\times|\\cdot)\s?10\s?(?:\^|"
    rf"\*\*)\s?[{{(]?([-+]?\d+)[)}}]?)"
)
_TEN = pattern(r"([-+]?)10\s?(?:\^|\*\*)\s?\{?([-+]?\d+)\}?")
_PLAIN = pattern(rf"[-+]?\s?{_GROUPED}")
_LATEX_FRACTION = pattern(
    r"([-+]?)\s?(\d{0,50})\s?\\[dt]?frac\s?(?:\{\s?([-+]?[\d.]{1,50})\s?\}\s?\{\s?([\d.]{1,50})\s?\}|"
    r"(\d)(\d))"
)


def number(text: str, *, comma: bool = False) -> Fraction | None:
    r"""The value of a text that is nothing but a number; None where it is something else.

    Args:
        text: In plain characters.
        comma: Whether the text is of a language whose decimal mark is the comma, so that 1.234 is 1234.

    Example:
        >>> [str(number(text)) for text in ("1,234.5", "1.234,5", "1 1/2", "5 x 10^3", r"\frac{3}{4}", "1e3")]
        ['2469/2', '2469/2', '3/2', '5000', '3/4', '1000']
    """
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return None
    if not any(sign.isdigit() for sign in text):
        return spelled_number(text)
    if found := _LATEX_FRACTION.fullmatch(text):
        return _latex_fraction(found)
    if not text.isascii() and (found := _MYRIADS.fullmatch(text)):
        return _myriads(found)
    if found := _MIXED.fullmatch(text):
        whole, above, below = (int(found[group]) for group in (2, 3, 4))
        if below == 0 or above >= below:
            return None
        return (whole + Fraction(above, below)) * (-1 if found[1] == "-" else 1)
    if found := _RATIO.fullmatch(text):
        dividend, divisor = _written(found[1], comma), Fraction(found[2])
        return None if dividend is None or divisor == 0 else dividend / divisor
    if found := _TEN.fullmatch(text):
        return _power(Fraction(-1 if found[1] == "-" else 1), found[2])
    if found := _SCIENTIFIC.fullmatch(text):
        value = _written(found[1], comma)
        return None if value is None else _power(value, found[2] or found[3])
    return _written(text, comma) if _PLAIN.fullmatch(text) else None


def number_key(value: Fraction) -> str:
    """One text for a number: equal texts are equal values, to nine significant digits where it is not whole.

    Example:
        >>> [number_key(Fraction(text)) for text in ("1/3", "1000001", "0.30000000000000004")]
        ['0.333333333', '1000001', '0.3']
    """
    if value.denominator == 1:
        return _digits(value.numerator)
    before = len(_digits(abs(value.numerator) // value.denominator))
    with localcontext(prec=max(SIGNIFICANT_DIGITS, before + _DECIMALS)) as context:
        context.Emax, context.Emin = 10**6, -(10**6)
        rounded = (Decimal(value.numerator) / Decimal(value.denominator)).normalize()
    if rounded.adjusted() < -30:
        return str(rounded).lower()
    written = f"{rounded:f}"
    return "0" if written == "-0" else written


def _digits(value: int) -> str:
    return f"{Decimal(value):f}"


def _written(text: str, comma: bool) -> Fraction | None:
    """A number of digits and marks."""
    text = text.replace(" ", "").replace("'", "").replace("\u2019", "").removeprefix("+")
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    last = max(digits.rfind("."), digits.rfind(","))
    mark = digits[last] if last >= 0 else ""
    if mark and not _is_decimal(digits, mark, last, comma):
        mark = ""
    whole, _, fraction = digits.rpartition(mark) if mark else (digits, "", "")
    whole = whole.replace(",", "").replace(".", "")
    if not (whole or fraction) or not (whole + fraction).isdigit():
        return None
    with localcontext(prec=2 * _LONGEST):
        return sign * Fraction(Decimal(f"{whole or 0}.{fraction or 0}"))


def _is_decimal(digits: str, mark: str, last: int, comma: bool) -> bool:
    """Whether the last mark of a number divides whole and fraction, and not thousands."""
    others = digits[:last]
    if others.count(mark):
        return False  # repeated: thousands
    if "," in others or "." in others:
        return True  # after a mark of the other kind
    after = len(digits) - last - 1
    if after != 3 or not 1 <= last <= 3 or others.startswith("0"):
        return True  # no group of thousands
    return (mark == ",") == comma


def _power(value: Fraction, exponent: str) -> Fraction | None:
    if len(exponent) > 5 or abs(int(exponent)) > _LARGEST_EXPONENT:
        return None
    return value * Fraction(10) ** int(exponent)


def _myriads(found: re.Match[str]) -> Fraction | None:
    """A number that counts in ten thousands: 3億5000万."""
    sign, hundred_millions, myriads, scale, ones = found.groups()
    scales = (10**8, 10**6 if scale == "百万" else 10**4, 1)
    parts = [
        Fraction(0) if part is None else _written(part, False) for part in (hundred_millions, myriads, ones)
    ]
    if any(part is None for part in parts):
        return None
    value = sum(
        (part * times for part, times in zip(parts, scales, strict=True) if part is not None), Fraction(0)
    )
    return -value if sign == "-" else value


def _latex_fraction(found: re.Match[str]) -> Fraction | None:
    sign, whole, above, below, *short = found.groups()
    try:
        fraction = Fraction(above or short[0]) / Fraction(below or short[1])
    except (ValueError, ZeroDivisionError):
        return None
    return (int(whole or 0) + fraction) * (-1 if sign == "-" else 1)
