"""Dates and times by value, in the languages whose months Babel knows."""

import re
from datetime import date, datetime, timedelta
from functools import cache

from adaptive_reasoner.answers.waiting import about_to_wait
from adaptive_reasoner.lazy_pattern import pattern

_LANGUAGES = ("en", "es", "fr", "de", "it", "pt", "ru", "ar")
_ZONES = {
    "utc": 0,
    "gmt": 0,
    "z": 0,
    "est": -300,
    "edt": -240,
    "cst": -360,
    "cdt": -300,
    "mst": -420,
    "mdt": -360,
}
_ZONES |= {"pst": -480, "pdt": -420, "cet": 60, "cest": 120, "bst": 60, "jst": 540, "msk": 180}

_ZONE = r"(?:utc|gmt|z|e[sd]t|c[sd]t|m[sd]t|p[sd]t|cet|cest|bst|jst|msk)?(?:[+-]\d{1,2}(?::?\d{2})?)?"
_CLOCK = pattern(
    r"(?P<hour>\d{1,2})(?:\s?[:h.]\s?(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.0+)?)?)?\s?(?P<half>[ap]\.?\s?m\.?)?"
    r"(?:\so'clock)?(?:\s(?:o'clock|in the (?P<part>morning|afternoon|evening)|at (?P<night>night)|de la "
    r"(?P<es>mañana|"
    r"tarde|noche)|"
    r"du (?P<fr>matin|soir)|de l'après-midi|hrs?|heures|часов))?"
    r"(?:\s?uhr(?:\s(?P<german>\d{2}))?(?:\s(?P<de>früh|morgens|vormittags|nachmittags|abends|nachts))?)?"
    rf"\s?(?P<zone>{_ZONE})",
    re.IGNORECASE,
)
_FRENCH = pattern(r"(\d{1,2})\s?h(?:eures?)?\s?(\d{2})?", re.IGNORECASE)
_CJK_CLOCK = pattern(r"(午前|午後|上午|下午|晚上|早上)?\s?(\d{1,2})\s?[时時点點](?:\s?(\d{1,2})\s?分?|(半))?")
_WORDED = pattern(r"(?:(half|quarter) (past|to)|(\d{1,2}) minutes (past|to)) (\w+)", re.IGNORECASE)
_HOURS = ["twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]

_ISO = pattern(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_SLASHED = pattern(r"(\d{1,2})([/-])(\d{1,2})\2(\d{4}|\d{2})")
_DOTTED = pattern(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})")
_CJK_DATE = pattern(r"(?:(\d{4})\s?[年년]\s?)?(\d{1,2})\s?[月월](?:\s?(\d{1,2})\s?[日号號일])?")
_MONTH_YEAR = pattern(r"(\d{4})-(\d{2})")
_ORDINAL = pattern(r"(?<=\d)(?:st|nd|rd|th|er|º|ª|o|\.)(?=\s|,|$)", re.IGNORECASE)
_JOIN = pattern(r"\b(?:of|de|del|the|den|der|le|el|di|do|on|am|año|года|г|من)\b\.?|,", re.IGNORECASE)
_AT = pattern(
    r"\s*(?:,?\s*\bat\b|,?\s*\bum\b|,?\s*à|,?\s*a las|,|\s|T(?=\d{2}:))\s*(?=\d{1,2}(?:[:h]\d{2}|"
    r"\s?[ap]\.?m|:\d{2}|\s?uhr))",
    re.IGNORECASE,
)


def moment(text: str, *, european: bool = False) -> str | None:
    """One text for a date, a time of day or both; None for what is neither.

    A date whose day and month cannot be told apart, as 03/04/2024, stays as it is written. So does a time
    that may be before or after noon.

    Args:
        text: In plain characters.
        european: Whether the language puts the day before the month, and counts the hours to 24.

    Example:
        >>> [moment(text) for text in ("March 3rd, 2024", "3 March 2024", "2024-03-03", "9:30 pm", "21:30")]
        ['2024-03-03', '2024-03-03', '2024-03-03', '21:30', '21:30']
        >>> moment("03/04/2024"), moment("March 2024"), moment("9:30"), moment("March 3, 2024 at 5 pm")
        ('3/4/2024', '2024-03', '9:30?', '2024-03-03T17:00')
    """
    text = text.strip().rstrip(".") if not text.strip().casefold().endswith(".m.") else text.strip()
    if not 2 <= len(text) <= 70:
        return None
    if day := _day(text, european):
        return day
    if clock := _time(text):
        clock = clock.partition("Z")[0] + "Z" if "Z" in clock else clock
        return clock[:-1].zfill(5) if european and clock.endswith("?") else clock
    for divider in _AT.finditer(text):
        day, clock = _day(text[: divider.start()].strip(), european), _time(text[divider.end() :].strip())
        if day and clock and len(day) == 10:
            return _instant(day, clock)
    return None


def month_and_day_names() -> frozenset[str]:
    """Names of months and weekdays, in lower case."""
    months, weekdays = _names()
    return weekdays | frozenset(months)


def _time(text: str) -> str | None:
    folded = text.casefold()
    if folded in ("noon", "midday", "12 noon", "mittag", "mediodía", "midi", "正午"):
        return "12:00"
    if folded in ("midnight", "12 midnight", "mitternacht", "medianoche", "minuit"):
        return "00:00"
    if found := _CJK_CLOCK.fullmatch(text):
        return _of_day(found[2], "30" if found[4] else found[3] or "0", _half(found[1] or ""), written=text)
    if (found := _FRENCH.fullmatch(text)) and (
        found[2] or "heure" in folded or ("h" in folded and len(text) <= 4)
    ):
        return _of_day(found[1], found[2] or "0", "24") if found[2] else None
    if found := _WORDED.fullmatch(folded):
        return _worded(found)
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    minute, half = found["minute"] or found["german"], found["half"]
    part = found["part"] or found["night"] or found["es"] or found["fr"] or found["de"] or ""
    spoken = "uhr" in folded or "o'clock" in folded or "часов" in folded
    if minute is None and not (half or part or spoken):
        return None
    if "." in text.split(minute or "\0")[0] and not (half or spoken):
        return None  # a decimal
    day_half = _half(half[0] if half else part)
    if not day_half and ((spoken and "uhr" in folded) or found["zone"] or found["second"]):
        day_half = "24"
    clock = _of_day(found["hour"], minute or "0", day_half, second=found["second"], written=text)
    return None if clock is None else _with_zone(clock, found["zone"])


def _of_day(hour: str, minute: str, half: str, *, second: str | None = None, written: str = "") -> str | None:
    at, minutes = int(hour), int(minute)
    if at > 24 or minutes > 59 or (half in ("am", "pm") and at > 12):
        return None
    if half == "pm" and at < 12:
        at += 12
    elif half == "am" and at == 12:
        at = 0
    elif not half and 1 <= at <= 12 and not (hour.startswith("0") or written.startswith("0")):
        return f"{at}:{minutes:02d}?"  # before or after noon
    seconds = f":{second}" if second and second != "00" else ""
    return f"{at % 24:02d}:{minutes:02d}{seconds}"


def _half(word: str) -> str:
    word = word.casefold()
    if word in ("a", "morning", "mañana", "matin", "früh", "morgens", "vormittags", "午前", "上午", "早上"):
        return "am"
    return (
        "pm"
        if word
        in (
            "p",
            "afternoon",
            "evening",
            "night",
            "tarde",
            "noche",
            "soir",
            "nachmittags",
            "abends",
            "午後",
            "下午",
            "晚上",
        )
        else ""
    )


def _worded(found: re.Match[str]) -> str | None:
    minutes = {"half": 30, "quarter": 15}.get(found[1] or "") or int(found[3] or 0)
    name = found[5]
    hour = (
        _HOURS.index(name)
        if name in _HOURS
        else int(name) % 12
        if name.isdigit() and int(name) <= 12
        else None
    )
    if hour is None:
        return None
    before = (found[2] or found[4]) == "to"
    at = hour * 60 + (-minutes if before else minutes)
    hours, minutes = divmod(at % 720, 60)
    return f"{hours or 12}:{minutes:02d}?"


def _with_zone(clock: str, zone: str) -> str | None:
    if not zone:
        return clock
    name, shift = re.fullmatch(r"([a-z]*)(.*)", zone.casefold()).groups()  # type: ignore[union-attr]
    minutes = _ZONES.get(name, 0)
    if shift:
        digits = shift[1:].replace(":", "")
        hours, rest = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
        minutes += (int(hours) * 60 + int(rest)) * (-1 if shift[0] == "-" else 1)
    at = datetime(2000, 1, 2, int(clock[:2]), int(clock[3:5])) - timedelta(minutes=minutes)
    return f"{at:%H:%M}{clock[5:]}Z" if at.day == 2 else f"{at:%H:%M}{clock[5:]}Z{at.day - 2:+d}d"


def _instant(day: str, clock: str) -> str:
    """A date and a time; one that a time zone moves over midnight changes the date."""
    clock, moved, days = clock.partition("Z")
    if moved and days:
        day = str(date.fromisoformat(day) + timedelta(days=int(days.rstrip("d"))))
    return f"{day}T{clock}{moved}"


def _day(text: str, european: bool) -> str | None:
    if found := _ISO.fullmatch(text):
        return _date(*map(int, found.groups()))
    if found := _DOTTED.fullmatch(text):
        return _date(int(found[3]), int(found[2]), int(found[1]))
    if found := _SLASHED.fullmatch(text):
        return _slashed(int(found[1]), int(found[3]), found[4], found[2], european)
    if found := _CJK_DATE.fullmatch(text):
        year, month, day = (int(part) if part else None for part in found.groups())
        return _partial(year, month, day)
    if (found := _MONTH_YEAR.fullmatch(text)) and 1 <= int(found[2]) <= 12:
        return text
    return _named(text)


def _slashed(first: int, second: int, year: str, mark: str, european: bool) -> str | None:
    if len(year) == 4 and first != second:
        if first > 12 or european:
            return _date(int(year), second, first)
        if second > 12:
            return _date(int(year), first, second)
    elif len(year) == 4:
        return _date(int(year), first, second)
    return f"{first}/{second}/{year}" if 1 <= first <= 31 and 1 <= second <= 31 and mark == "/" else None


def _named(text: str) -> str | None:
    """A date with the name of its month, in any of the languages."""
    words = [word for word in _JOIN.sub(" ", _ORDINAL.sub("", text.casefold())).split() if word]
    if not 2 <= len(words) <= 5:
        return None
    names, weekdays = _names()
    months = [names[word.rstrip(".")] for word in words if word.rstrip(".") in names]
    rest = [word for word in words if word.rstrip(".") not in names and word.rstrip(".") not in weekdays]
    if len(rest) < 2 and len(rest) + len(months) < len(words):
        return None  # a weekday and no year: the weekday says more
    if len(months) != 1 or not rest or not all(word.isdigit() and len(word) <= 4 for word in rest):
        return None
    years = [word for word in rest if len(word) >= 3]
    days = [word for word in rest if len(word) <= 2]
    if len(years) > 1 or len(days) > 1:
        return None
    year, day = (int(found[0]) if found else None for found in (years, days))
    return _partial(year, months[0], day)


def _partial(year: int | None, month: int | None, day: int | None) -> str | None:
    if month is None or not 1 <= month <= 12:
        return None
    if day is None:
        return None if year is None else f"{year:04d}-{month:02d}"
    if year is None:
        return f"--{month:02d}-{day:02d}" if 1 <= day <= 31 else None
    return _date(year, month, day)


def _date(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


@cache
def _names() -> tuple[dict[str, int], frozenset[str]]:
    """Names of months and of weekdays."""
    about_to_wait("names of months are loaded")
    from babel import Locale

    months, weekdays = dict[str, int](), set[str]()
    for language in _LANGUAGES:
        locale = Locale.parse(language)
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in locale.months[context][width].items():
                    months.setdefault(name.casefold().rstrip("."), number)
                weekdays |= {name.casefold().rstrip(".") for name in locale.days[context][width].values()}
    months |= {"sept": 9, "setiembre": 9}
    return {name: number for name, number in months.items() if not name.isdigit()}, frozenset(
        weekdays - set(months)
    )
