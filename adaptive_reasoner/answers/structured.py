"""Structured replies by value: tool calls, JSON in a fence or in prose, tables."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.phrases import is_short
from adaptive_reasoner.answers.question import QuestionText
from adaptive_reasoner.answers.reply_text import plain
from adaptive_reasoner.answers.values.numbers import number, number_key
from adaptive_reasoner.answers.vocabulary import FREE_FIELDS, RATIONALES, VERBATIM_FIELDS
from adaptive_reasoner.errors import AdaptiveReasonerError
from adaptive_reasoner.lazy_pattern import pattern

_LONGEST = 200_000
_LONGEST_TABLE = 20_000
_FENCE = pattern(r"```[ \t]*([\w+-]*)[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_ROW = pattern(r"^\s*\|?(.*\|.*?)\|?\s*$")
_RULE = pattern(r"^[\s|:-]*-{2,}[\s|:-]*$")
_CODE = pattern(
    r"^\s*(?:def |class |import |from \w+ import |function |const |let |var |#include|public |package |func "
    r"|fn |async |return |for \(|while \(|"
    r"if \(|print\(|console\.|<\w+[ >]|#!/|\$ )|^\s*(?:SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|"
    r"DELETE\s+FROM|CREATE\s+(?:TABLE|VIEW|INDEX)|"
    r"WITH\s+\w+\s+AS|DROP\s+TABLE|ALTER\s+TABLE)\b",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_MOST_FREE_WORDS = 4
_OPERATORS = pattern(r"\s*([-+*/^=(),<>])\s*")


class FreeTextError(AdaptiveReasonerError, ValueError):
    """A value is wording of the model's own, which cannot be compared."""


def calls_value(message: AIMessage) -> list[list[Any]]:
    """Tool calls as names and arguments, without their ids."""
    return [[call["name"], call["args"]] for call in message.tool_calls]


def calls_key(calls: Sequence[Sequence[Any]]) -> str | None:
    """One text for tool calls, in whatever order they run; None where an argument is free text.

    Example:
        >>> calls_key([["s", {"q": "b"}], ["s", {"q": "a"}]])
        '[["s", {"q": "a"}], ["s", {"q": "b"}]]'
        >>> calls_key([["search", {"q": "weather in Paris today"}]]) is None
        True
    """
    try:
        return f"[{', '.join(sorted(_dumped([name, _compared(args)]) for name, args in calls))}]"
    except (FreeTextError, RecursionError):
        return None


def json_key(value: Any) -> str | None:
    """One text for a value of JSON in which 1.0 is 1 and reasons do not count; None where it holds free text.

    Example:
        >>> json_key({"total": 12.0, "reason": "I added them."}) == json_key({"total": 12})
        True
    """
    try:
        if isinstance(value, Mapping):
            value = {
                name: each for name, each in value.items() if str(name).casefold() not in RATIONALES
            } or value
        return _dumped(_compared(value))
    except (FreeTextError, RecursionError):
        return None


def exact_json(value: Any) -> str | None:
    """One text for a value of JSON with every field as it stands, in which 1.0 is 1."""
    try:
        return _dumped(_plain(value))
    except RecursionError:
        return None


def json_of(text: str) -> Any:
    r"""The object or list that a reply is, holds in a fence, or ends with; None where there is none.

    Example:
        >>> json_of('Here it is:\n{"n": 3}'), json_of("no {braces} here")
        ({'n': 3}, None)
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    for language, inside in _FENCE.findall(text):
        if language.casefold() in ("json", "json5", "jsonc", "") and (found := _parsed(inside)) is not None:
            return found
    if (found := _parsed(text)) is not None:
        return found
    return _inside(text)


def is_code(text: str) -> bool:
    """Whether a text is a program or a query, in a fence or not.

    Example:
        >>> is_code("SELECT name FROM users"), is_code("Select the best offer")
        (True, False)
    """
    fenced = sum(len(inside) for _, inside in _FENCE.findall(text[:_LONGEST]))
    return fenced > 0 or bool(_CODE.match(text[:2000]))


def table_key(text: str, question: QuestionText) -> str | None:
    """One text for the only table of a reply, whatever the order of rows and columns; None without one."""
    lines = [line for line in text.strip()[:_LONGEST_TABLE].splitlines() if line.strip()]
    rules = [at for at, line in enumerate(lines) if "|" in line and _RULE.match(line)]
    if len(rules) != 1 or rules[0] == 0:
        return None
    rows = list[list[str]]()
    for line in lines[rules[0] - 1 : rules[0]] + lines[rules[0] + 1 :]:
        found = _ROW.match(line)
        if found is None:
            break
        rows.append([plain(cell) for cell in found[1].split("|")])
    header, *body = rows or [[]]
    if not body or any(len(row) != len(header) for row in body) or len(set(header)) != len(header):
        return None
    try:
        records = [_dumped(_compared(dict(zip(header, row, strict=True)))) for row in body]
    except FreeTextError:
        return None
    return f"[{', '.join(records if question.order_matters else sorted(records))}]"


def _parsed(text: str) -> Any:
    text = text.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return found if isinstance(found, dict | list) else None


def _inside(text: str) -> Any:
    """The JSON that begins on a line of its own, or after a colon, and that little follows."""
    decoder = json.JSONDecoder(parse_float=Decimal)
    for start in list(re.finditer(r"(?:^|\n|:\s)\s*(?=[{\[])", text))[:3]:
        try:
            found, end = decoder.raw_decode(text, start.end())
        except (ValueError, RecursionError, ArithmeticError):
            continue
        if isinstance(found, dict) or (isinstance(found, list) and len(found) > 1):
            return found if len(text) - end <= 200 else None
    return None


def _compared(value: Any, name: str = "") -> Any:
    """A value in one form; free text raises."""
    if isinstance(value, Mapping):
        return {key: _compared(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_compared(each, name) for each in value]
    return _text(value, name) if isinstance(value, str) else _plain(value)


def _text(text: str, name: str) -> str:
    text = plain(text)
    if _is_verbatim(name):
        if len(words := text.split()) > _MOST_FREE_WORDS and not is_short(text, marked=True):
            raise FreeTextError(text)
        return " ".join(words)
    if (value := _cell(text)) is not None:
        return value
    words = text.split()
    if re.fullmatch(r"[\d\s+*/().^-]+", text):
        return _OPERATORS.sub(r"\1", text)
    free = name.casefold() in FREE_FIELDS and len(words) > 1
    if (
        free
        or (len(words) > _MOST_FREE_WORDS and not is_short(text, marked=True))
        or text.endswith(("?", "!"))
        or len(words) > 8
    ):
        raise FreeTextError(text)
    if len(words) > _MOST_FREE_WORDS and text.endswith("."):
        raise FreeTextError(text)
    plainly = text.replace(" ", "").isalpha() and not re.search(r"[a-z][A-Z]", text)
    return " ".join(words).casefold() if plainly else " ".join(words)


def _cell(text: str) -> "_Number | None":
    """The number that a text is; None for other texts, and for identifiers, which may begin with a zero."""
    value = number(text) if re.search(r"\d", text) and not re.match(r"0\d", text) else None
    return None if value is None else _Number(number_key(value))


def _is_verbatim(name: str) -> bool:
    return any(word in VERBATIM_FIELDS for word in re.split(r"[^a-z]+", name.casefold()))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return _number(value)


def _number(value: Any) -> Any:
    """A number as text, in which 1.0 is 1."""
    if isinstance(value, Decimal) and (not value.is_finite() or abs(value.adjusted()) > 300):
        return _Number(value)
    if (isinstance(value, float) and value != value) or value in (float("inf"), float("-inf")):
        return _Number(value)
    return _Number(number_key(Fraction(str(value)) if isinstance(value, float) else Fraction(value)))


class _Number(str):
    """A number by its value, which stands in JSON without quotes."""


def _dumped(value: Any) -> str:
    """JSON with sorted names and numbers by value."""
    if isinstance(value, dict):
        return (
            f"{{{', '.join(f'{_dumped(name)}: {_dumped(value[name])}' for name in sorted(value, key=str))}}}"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_dumped, value))}]"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False, default=str)
