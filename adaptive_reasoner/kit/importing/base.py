"""What the readers of all formats share: a logged reply, what is left out, and fields named by the user."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from numbers import Number
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from adaptive_reasoner.amounts import written
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.importing.chats import decoded
from adaptive_reasoner.kit.tables.row_fields import is_null, number_text
from adaptive_reasoner.models.messages import decision_text

COLUMNS = (
    *("question", "answer", "gold", "source", "group", "correct", "score", "cost", "seconds", "id"),
    *("action", "propensity", "policy_id"),
)
"""The fields that can be named: `--question-column` and so on."""

GRADES = ("correctness", "correct")
"""The usual names of feedback that says whether a reply is right."""

_TEXTS = ("source", "gold", "group", "action", "policy_id")
_NUMBERS = {"correct": 1.0, "score": None, "cost": inf, "seconds": inf, "propensity": 1.0}
_MOST_NAMES = 24

READ_AS_TABLE = "a table with a row per reply is read as jsonl, csv or parquet"
"""What a refusal of a record that is of another tool says in the end."""


@dataclass(frozen=True, slots=True)
class LoggedReply:
    """One reply of a model, as a log has it.

    Attributes:
        question: What was asked.
        message: The reply, with its usage, its model and why it ended; None if the call failed.
        source: The model, or what the user named; None where the log does not say.
        call_id: What names the call in the log; None where only its content does.
        gold: The right answer, where known.
        correct: How right the log says it was, in [0, 1], where it does.
        score: What a scorer or a user gave it.
        group: The family, subject or task of the question.
        cost: What the log says it cost, in `cost_unit`.
        cost_unit: None where the log does not say.
        discount: The share of the dollars that was not paid, because the call was one of a batch.
        of_request: Replies of the same request, among which its usage is shared.
        seconds: From request to reply.
        error: Why the call failed.
        action: The action that it is part of, where a policy chose one.
        propensity: The probability with which that was drawn.
        policy_id: The policy that chose it.
    """

    question: str
    message: AIMessage | None
    source: str | None = None
    call_id: str | None = None
    gold: str | None = None
    correct: float | None = None
    score: float | None = None
    group: str | None = None
    cost: float | None = None
    cost_unit: str | None = None
    discount: float = 0.0
    of_request: int = 1
    seconds: float | None = None
    error: str | None = None
    action: str | None = None
    propensity: float | None = None
    policy_id: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A record of a log that is not imported.

    Attributes:
        reason: Why it is left out.
    """

    reason: str


Found = LoggedReply | LeftOut

LATER_STEP = LeftOut("a later step of an agent, which answers no question of its own")
NO_QUESTION = LeftOut("no text of the question was recorded")


@dataclass
class Fields:
    """The fields that the user named, and what was found of them.

    A field is looked up by its name, or by a path into nested ones: `inputs.question`, `messages.0.content`.

    Args:
        named: The field of each of `COLUMNS` that is named.
        usual: Those of the others, where a record has them.
        source: The source of replies, where no field of it is named; None for the model.

    Example:
        >>> fields = Fields({"question": "inputs.q"})
        >>> fields.text({"inputs": {"q": "6 * 7?"}}, "question"), fields.text({"gold": 42}, "gold")
        ('6 * 7?', None)
    """

    named: Mapping[str, str]
    usual: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    _missing: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _found: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        unknown = set(self.named) - set(COLUMNS)
        if unknown:
            raise ValueError(f"there is no column {min(unknown)!r} to name; there are {', '.join(COLUMNS)}")

    def value(self, record: Mapping[str, Any], column: str) -> Any:
        """The value of a column in a record; None if no field is named for it, or the record lacks it."""
        name = self.named.get(column) or self.usual.get(column)
        if name is None:
            return None
        there, value = _looked_up(record, name)
        if there:
            self._found.add(column)
        elif column in self.named:
            self._missing.setdefault(column, record)
        return value

    def text(self, record: Mapping[str, Any], column: str) -> str | None:
        """The same as text without surrounding blanks; None if it is blank."""
        return text_of(self.value(record, column))

    def number(self, record: Mapping[str, Any], column: str, *, most: float | None = None) -> float | None:
        """The same as a finite number, of at least 0 where there is a `most`.

        Raises:
            ValueError: It is something else; it names the field.
        """
        name = self.named.get(column) or self.usual.get(column, column)
        return number_of(self.value(record, column), name, most=most)

    def asked(self, record: Mapping[str, Any], messages: Sequence[BaseMessage]) -> str | LeftOut:
        """The question of a record: what is in the field that is named, or what its conversation asks."""
        if "question" in self.named:
            return self.text(record, "question") or NO_QUESTION
        return asked_in(messages)

    def applied(self, record: Mapping[str, Any], reply: LoggedReply) -> LoggedReply:
        """A reply with what the other fields of its record say.

        Raises:
            ValueError: A field holds something else than is needed; it names the field.
        """
        said: dict[str, Any] = {column: self.text(record, column) for column in _TEXTS}
        said |= {column: self.number(record, column, most=most) for column, most in _NUMBERS.items()}
        said["call_id"] = self.text(record, "id")
        if "source" not in self.named or said["source"] is None:
            said["source"] = self.source or said["source"]
        known = {name: value for name, value in said.items() if value is not None}
        if "cost" in known and "cost" in self.named:
            known["cost_unit"] = None
        return replace(reply, **known)

    def graded(self, column: str, names: Sequence[str], scores: Mapping[str, Any]) -> float | None:
        """What feedback or evaluations say: those of the name that is given, else of a usual one.

        Raises:
            ValueError: It is no number, or for `correct` none in [0, 1].
        """
        named = self.named.get(column)
        for name in [named] if named else names:
            if scores.get(name) is not None:
                self._found.add(column)
                return number_of(scores[name], f"score of {name}", most=_NUMBERS[column])
        return None

    def check_found(self, *, file: object = None) -> None:
        """Refuse fields that no record had.

        Raises:
            OutcomesError: There is one; it names those of the first record.
        """
        for column, record in self._missing.items():
            if column not in self._found:
                raise OutcomesError(_there_is_none(self.named[column], record), file=file)


def required(record: Mapping[str, Any], name: str, column: str) -> Any:
    """What a record has in a field that it must have.

    Raises:
        ValueError: It lacks it; it names those that there are.
    """
    there, value = _looked_up(record, name)
    if not there:
        raise ValueError(f"{_there_is_none(name, record)}; name it with --{column}-column")
    return value


def asked_in(messages: Sequence[BaseMessage]) -> str | LeftOut:
    """What a conversation asks, as an online policy would see it, or why it asks nothing of its own."""
    if messages and isinstance(messages[-1], ToolMessage):
        return LATER_STEP
    try:
        return decision_text(messages).strip()
    except ValueError:
        return NO_QUESTION


def text_of(value: Any) -> str | None:
    """A value as text: numbers in full, and what is nested as JSON; None if it is blank."""
    if is_null(value):
        return None
    if isinstance(value, str | Number):
        text = number_text(value)
    else:
        try:
            text = json.dumps(value, ensure_ascii=False, default=str)
        except (ValueError, RecursionError):
            text = str(value)
    return text.strip() or None


def number_of(value: Any, name: str, *, most: float | None = None) -> float | None:
    """A value as a finite number, of at least 0 and at most `most` where that is given.

    Raises:
        ValueError: It is something else.
    """
    if is_null(value) or (isinstance(value, str) and not value.strip()):
        return None
    words = {"true": 1.0, "false": 0.0}
    try:
        number = words.get(str(value).strip().lower())
        number = float(value) if number is None else number
    except (TypeError, ValueError, OverflowError):
        point = ", with a point before its decimals" if re.search(r"\d,\d", str(value)) else ""
        raise ValueError(f"{name} is {value!r:.60}; a number is needed{point}") from None
    if not isfinite(number):
        raise ValueError(f"{name} is {number}; a finite number is needed")
    if most is not None and not 0 <= number <= most:
        kind = "a number in [0, 1]" if most == 1 else "a number of at least 0"
        raise ValueError(f"{name} is {written(number)}; {kind} is needed")
    return number


def those_in(record: Mapping[str, Any]) -> str:
    """The fields of a record, as an error names them.

    Example:
        >>> those_in({"id": 7, "inputs": {"q": "6 * 7?"}})
        'id, inputs.q'
    """
    names = list(_names_in(record))
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES]) or 'none'}{more}"


def _there_is_none(name: str, record: Mapping[str, Any]) -> str:
    return f"there is no column {name!r}; there are {those_in(record)}"


def _names_in(record: Mapping[str, Any]) -> Iterator[str]:
    """The fields of a record, those of nested records as paths."""
    for name, value in record.items():
        inner = decoded(value)
        if isinstance(inner, Mapping) and inner:
            yield from (f"{name}.{path}" for path in inner)
        else:
            yield str(name)


def _looked_up(record: Any, path: str) -> tuple[bool, Any]:
    """Whether a record has a field, and its value."""
    record = decoded(record)
    if isinstance(record, Mapping):
        if path in record:
            return True, record[path]
        at = path.find(".")
        while at >= 0:  # names may have dots of their own
            if path[:at] in record:
                there, value = _looked_up(record[path[:at]], path[at + 1 :])
                if there:
                    return True, value
            at = path.find(".", at + 1)
    elif isinstance(record, Sequence) and not isinstance(record, str):
        index, _, rest = path.partition(".")
        if index.lstrip("-").isdecimal() and -len(record) <= int(index) < len(record):
            return _looked_up(record[int(index)], rest) if rest else (True, record[int(index)])
    return False, None
