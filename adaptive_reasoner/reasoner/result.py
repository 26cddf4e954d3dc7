"""An answer and what it took."""

from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.pages.tables import field_table


@dataclass(frozen=True)
class Result:
    """An answer and what it took.

    Attributes:
        message: The winning reply, whole, with the usage of all calls; `record` is also in its
            `response_metadata["adaptive_reasoner"]`.
        answer: The canonical answer; None where the reply has none.
        record: The decision and the bill as a plain dict, fit for graph state and for JSON: an accuracy that
            nobody knows and a worst cost without a limit are None.
        reply: The winning reply as it came.
    """

    message: AIMessage
    answer: str | None
    record: dict[str, Any]
    reply: AIMessage

    def _repr_html_(self) -> str:
        return field_table({"answer": self.answer, **self.record}, "Result")
