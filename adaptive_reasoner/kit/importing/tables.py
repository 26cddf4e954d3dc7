"""Replies in a table with named columns: CSV, JSONL or Parquet."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.kit.importing.base import (
    COLUMNS,
    Fields,
    Found,
    LoggedReply,
    asked_in,
    required,
    text_of,
)
from adaptive_reasoner.kit.importing.chats import decoded, is_message, usage_in
from adaptive_reasoner.kit.importing.json_values import read_json_values
from adaptive_reasoner.kit.importing.langsmith import asked_in_inputs, replies_in_outputs
from adaptive_reasoner.kit.tables.files import read_rows


def table_rows(path: Path, ending: str) -> Iterator[tuple[int, Any]]:
    """The rows of a table with their numbers.

    Raises:
        OutcomesError: The file cannot be read; it names the row.
    """
    if ending == ".jsonl":
        return read_json_values(path)
    return enumerate(read_rows(path, quoted=False, ending=ending), start=1)


class TableReader:
    """Makes replies of rows.

    Columns that the user does not name have their usual names: `question`, `answer`, `gold`, `source` or
    `model`, `group`, `correct`, `score`, `cost`, `seconds`, `action`, `propensity`, `policy_id`, `error`,
    `cost_unit` and the counts of tokens.

    Args:
        fields: The columns that are named.
    """

    def __init__(self, fields: Fields) -> None:
        self._fields = replace(fields, usual={name: name for name in COLUMNS if name != "id"})

    def read(self, row: Mapping[str, Any]) -> Iterable[Found]:
        """The reply in a row.

        Raises:
            ValueError: A column is missing or holds something else; it names the column.
        """
        names = {column: self._fields.named.get(column, column) for column in ("question", "answer")}
        question, answer = (
            text_of(_said_in(required(row, name, column), column)) for column, name in names.items()
        )
        if question is None:
            raise ValueError(f"{names['question']} is empty")
        error, model = text_of(row.get("error")), text_of(row.get("model"))
        cost = self._fields.named.get("cost", "cost")
        free = (cost in row or "cost" in self._fields.named) and not self._fields.text(row, "cost")
        if free and error is None:
            raise ValueError(f"{cost} is empty; a number of at least 0 is needed")
        source = self._fields.text(row, "source") or model
        named = {"model_name": model or source} if source else {}
        message = AIMessage(answer or "", usage_metadata=usage_in(row), response_metadata=named)
        reply = LoggedReply(
            question,
            message if error is None else None,
            source=source,
            cost=0.0 if free else None,  # a call that failed is not billed
            cost_unit=None if "cost" in self._fields.named else text_of(row.get("cost_unit")),
            error=error,
        )
        yield self._fields.applied(row, reply)

    def finish(self) -> Iterable[Found]:
        """No replies: each row is complete by itself."""
        return ()


def _said_in(cell: Any, column: str) -> Any:
    """What a conversation or a response in a cell asks or answers; any other cell as it is."""
    value = decoded(cell)
    within = (
        value.get("messages" if column == "question" else "choices") if isinstance(value, Mapping) else None
    )
    listed = value if within is None else within
    first = listed[0] if isinstance(listed, list) and listed else listed
    if column == "question" and is_message(first):
        asked = asked_in(asked_in_inputs(value))
        return asked if isinstance(asked, str) else None
    if column == "answer" and (is_message(first) or _is_choice(first)):
        response = {"choices": [first]} if _is_choice(first) else value
        return next((reply.text for reply in replies_in_outputs(response)), None)
    return cell


def _is_choice(value: Any) -> bool:
    return isinstance(value, Mapping) and (is_message(value.get("message")) or "finish_reason" in value)
