"""Several values at once: sets, lists, intervals, points, and the solutions of equations."""

import re
from collections.abc import Callable

from adaptive_reasoner.answers.question import QuestionText
from adaptive_reasoner.answers.values.expressions import is_formula
from adaptive_reasoner.lazy_pattern import pattern

Reader = Callable[[str], str | None]

_LONGEST = 400
_MOST_ITEMS = 30
_OR = pattern(
    r"\s*(?:,?\s+(?:or|oder|ou|o|или|أو)\s+|\s*(?:或者|或|または)\s*|\s*\\(?:text|mathrm)\{\s*or\s*\}\s*|"
    r"\s*\\lor\s*|\s*∨\s*)\s*",
    re.IGNORECASE,
)
_AND = pattern(
    r"\s*,?\s+(?:and|und|y|et|e|as well as|и|و)\s+(?!=)|\s*\\(?:text|mathrm)\{\s*and\s*\}\s*|\s+&\s+|"
    r"(?<=[^\W\d])(?:和|と|및)(?=[^\W\d])",
    re.IGNORECASE,
)
_DECIMAL = pattern(r"(?<![\d.,])((?:\d{1,3}\.)*\d+),(?!\d{3}(?!\d))(\d+)(?!\d|,\d)")
_COMMA = pattern(r"\s*[,;](?:\s+|(?!\d{3}(?!\d))(?=[-\d\\]))|\s*[,;]\s*(?=[^\W\d_])")
_ASSIGNED = pattern(
    r"([A-Za-z](?:_\{?\w{1,3}\}?|\d)?|\([a-z](?:,\s?[a-z]){1,3}\))\s*(?:=|∈|\\in(?![a-z])|:=)\s*(.+)",
    re.DOTALL,
)
_PLUS_MINUS = pattern(r"(?:±|\\pm(?![a-z])|\+/-|\+-)\s*(.+)")
_INTERVAL = pattern(
    r"(\[|\(|\]|\\left\s?[\[(\]])\s*([^,;\[\]()]{1,60}?)\s*[,;]\s*([^,;\[\]()]{1,60}?)\s*(\\right\s?[\])\[]|"
    r"\]|\)|\[)"
)
_INFINITE = {"inf": "inf", "infinity": "inf", "\\infty": "inf", "∞": "inf", "oo": "inf"}


def series_key(text: str, question: QuestionText, read: Reader) -> str | None:
    """One text for a set, list, interval, point or solution; None for anything else.

    Args:
        text: In plain characters.
        question: Says whether the order of a list matters.
        read: Reads one value.

    Example:
        >>> read = lambda text: text if text.strip("-").isalnum() else None
        >>> texts = "{2, 1}", "[0, 1)", "x = 3 or x = -2", "(1, 2)"
        >>> [series_key(text, QuestionText(""), read) for text in texts]
        ['{1, 2}', '[0, 1)', '{-2, 3}', '(1, 2)']
    """
    if len(text) > _LONGEST or "\\begin" in text:
        return None
    text = text.strip()
    if question.comma and not re.search(r"[\[({]", text):  # 2,5 und 3,5 are two numbers
        text = _DECIMAL.sub(lambda found: f"{found[1].replace('.', '')}.{found[2]}", text)
    return (
        _set(text, read)
        or _interval(text, read)
        or _solutions(text, question, read)
        or _list(text, question, read)
    )


def _set(text: str, read: Reader) -> str | None:
    text = text.replace("\\{", "{").replace("\\}", "}").replace("\\left", "").replace("\\right", "").strip()
    if not (text.startswith("{") and text.endswith("}")) or "=" in text or ":" in text:
        return None
    inner = text[1:-1].strip()
    if not inner:
        return "{}"
    items = [read(item) for item in re.split(r"[,;]\s*", inner)]
    return _as_set(list(set(items)))


def _interval(text: str, read: Reader) -> str | None:
    found = _INTERVAL.fullmatch(text)
    if found is None:
        return None
    opens, closes = found[1][-1], found[4][-1]
    ends = [_end(found[group], read) for group in (2, 3)]
    if None in ends:
        return None
    opens, closes = {"]": "("}.get(opens, opens), {"[": ")"}.get(closes, closes)
    return f"{opens}{ends[0]}, {ends[1]}{closes}"


def _end(text: str, read: Reader) -> str | None:
    sign, bare = ("-", text[1:].strip()) if text.startswith("-") else ("", text.removeprefix("+").strip())
    infinite = _INFINITE.get(bare.casefold())
    return f"{sign}{infinite}" if infinite else read(text)


def _solutions(text: str, question: QuestionText, read: Reader) -> str | None:
    """The values of a variable, as a set where there are several; those of several variables by name."""
    if not re.search(r"[=∈]|\\in(?![a-z])|\\pm|±|\+/-", text) and not _OR.search(text):
        return None
    found = dict[str, list[str | None]]()
    name = ""
    for part in (piece for several in _OR.split(text) for piece in _parts(several)):
        assigned = _ASSIGNED.fullmatch(part.strip())
        name, value = (assigned[1], assigned[2]) if assigned else (name, part)
        if name and is_formula(value):
            return None
        if name.startswith("("):
            return _together(name, value, read)
        found.setdefault(name, []).extend(_values(value, read))
    if (
        not found
        or (list(found) == [""] and not _OR.search(text))
        or any(value is None for values in found.values() for value in values)
    ):
        return None
    written = {
        name: _as_set(list(set(values))) if len(set(values)) > 1 else values[0]
        for name, values in found.items()
    }
    if len(written) == 1 and (not name or question.names(name)):
        return next(iter(written.values()))
    return None if "" in written else ", ".join(f"{name}={value}" for name, value in sorted(written.items()))


def _parts(text: str) -> list[str]:
    """Assignments that commas or "and" divide; a text without any stays whole."""
    if text.count("=") < 2 and not _PLAIN_LIST.fullmatch(text):
        return [text]
    pieces = [piece for part in _AND.split(text) for piece in _COMMA.split(part) if piece.strip()]
    return pieces if all("=" in piece or _NUMERIC.fullmatch(piece.strip()) for piece in pieces) else [text]


_NUMERIC = pattern(r"[-+]?[\d./]+|[-+]?\d*\\[dt]?frac\{\d+\}\{\d+\}")
_PLAIN_LIST = pattern(r"[A-Za-z]\s*=\s*[-+\d./]+(?:\s*,\s*[-+\d./]+)+")


def _together(names: str, values: str, read: Reader) -> str | None:
    """(x, y) = (1, 2): each variable by its value."""
    point = _POINT.fullmatch(values.strip())
    variables = [name.strip() for name in names.strip("()").split(",")]
    items = [read(item) for item in point[1].split(",")] if point else []
    if len(items) != len(variables) or None in items:
        return None
    return ", ".join(f"{name}={value}" for name, value in sorted(zip(variables, items, strict=True)))


_POINT = pattern(r"\\?\(([^()]{1,200})\)")


def _values(text: str, read: Reader) -> list[str | None]:
    text = text.strip().rstrip(".")
    if found := _PLUS_MINUS.fullmatch(text):
        return [read(found[1]), read(f"-{found[1].strip()}")]
    if (inside := _set(text, read)) is not None:
        return [inside] if inside == "{}" else list(inside[1:-1].split(", "))
    return [read(text)]


def _list(text: str, question: QuestionText, read: Reader) -> str | None:
    """Items between commas and "and": a set, or a list where their order matters."""
    bracketed = text[:1] + text[-1:]
    ordered = True if bracketed in ("[]", "()") else question.order_matters
    inner = text[1:-1] if bracketed in ("[]", "()") and not re.search(r"[()\[\]]", text[1:-1]) else text
    items = [item.strip() for part in _AND.split(inner) for item in _COMMA.split(part) if item.strip()]
    if not 2 <= len(items) <= _MOST_ITEMS or any(len(item.split()) > 4 for item in items):
        return None
    if question.known and len(items) == 2 and not _AND.search(inner) and _is_place_in(items[1], question):
        return read(items[0])
    if ordered is None:
        return None
    if len({item[0].isupper() for item in items if item[0].isalpha()}) > 1 or any(map(_is_clause, items)):
        return None
    keys = [read(item) for item in items]
    if any(key is None for key in keys):
        return None
    joined = ", ".join(map(str, keys))
    if bracketed == "()":
        return f"({joined})"
    return f"[{joined}]" if ordered else _as_set(keys)


def listed(text: str, question: QuestionText, read: Reader) -> str | None:
    r"""One text for a reply that is a list with one short item a line; None for what is no such list.

    Example:
        >>> listed("1. Mercury\n2. Venus", QuestionText("Sort them."), str.casefold)
        '[mercury, venus]'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].endswith(":"):
        lines = lines[1:]
    found = [_ITEM.fullmatch(line) for line in lines]
    if question.order_matters is None or not 2 <= len(found) <= _MOST_ITEMS or not all(found):
        return None
    keys = [read(item[1]) for item in found if item and len(item[1].split()) <= _MOST_ITEM_WORDS]
    if len(keys) < len(found) or None in keys:
        return None
    return f"[{', '.join(map(str, keys))}]" if question.order_matters else _as_set(keys)


_ITEM = pattern(r"(?:\d{1,2}[.)]|[-*•])\s+(.{1,60}?)[.,;]?")
_MOST_ITEM_WORDS = 4


def _is_clause(item: str) -> bool:
    return bool(re.match(r"(?:who|which|that|where|when|not|but|so|as|in|on|at|who's)\s", item))


def _is_place_in(text: str, question: QuestionText) -> bool:
    """Paris, France, where the question has already named France."""
    return not any(map(str.isdigit, text)) and text.strip(". ").casefold() in question.words


def _as_set(items: list[str | None]) -> str | None:
    known = [item for item in items if item is not None]
    return None if None in items or not items else "{" + ", ".join(sorted(known)) + "}"
