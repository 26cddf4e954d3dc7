"""An answer with its decision and its bill."""

from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.amounts import written
from adaptive_reasoner.pages.tables import field_table


@dataclass(frozen=True)
class Result:
    """An answer with its decision and its bill.

    Attributes:
        message: The winning reply with the usage of all calls; `record` is also in its
            `response_metadata["adaptive_reasoner"]`.
        answer: The answer as the reply states it; None if the reply states none.
        record: The decision and the bill as a plain dict for graph state and JSON. An unknown accuracy and an
            unlimited worst cost are None.
        reply: The winning reply as the model returned it.
    """

    message: AIMessage
    answer: str | None
    record: dict[str, Any]
    reply: AIMessage

    @property
    def text(self) -> str:
        """The text of the winning reply."""
        return self.message.text

    def __repr__(self) -> str:
        bill = f"{written(self.record['cost'])} {self.record['cost_unit']}"
        return f"Result(answer={self.answer!r}, action={self.record['action']!r}, cost={bill})"

    def _repr_html_(self) -> str:
        return field_table({"answer": self.answer, **self.record}, "Result")
