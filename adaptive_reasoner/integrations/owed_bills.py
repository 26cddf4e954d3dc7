"""What a question owes: from the node that spends to the node that keeps the budget, within a process.

A bill that travels in the graph's state alone is lost where the state does not keep it: two nodes write to
one key, or none does. So it goes by here as well, and the ledger charges a key once.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

REMEMBERED = 65_536  # questions with open bills, the latest ones

_owed: OrderedDict[str, dict[str, "OwedBill"]] = OrderedDict()
_owing = threading.Lock()


@dataclass(frozen=True, slots=True)
class OwedBill:
    """Something spent.

    Attributes:
        key: Names the charge.
        cost: In the ledger's unit.
        action: What it was spent on, where that is known.
        turn: The turn of the conversation it was spent in.
        explored: Whether the action was drawn to learn what it does.
    """

    key: str
    cost: float
    action: str | None
    turn: str | None = None
    explored: bool = False

    @classmethod
    def of(cls, record: Mapping[str, Any], *, turn: str | None = None) -> Self:
        """The bill of a decision, by its record or the event of its settlement or failure."""
        explored = record.get("reason") == "explored"
        return cls(record["key"], record["cost"], record["action"], turn, explored)


def owe(question: str, bill: OwedBill) -> None:
    """Note a bill of a question.

    Example:
        >>> owe("q", OwedBill("q:1", 2.0, "single_pass"))
        >>> [bill.cost for bill in owed_by("q")], strike("q", ["q:1"]), owed_by("q")
        ([2.0], None, [])
    """
    with _owing:
        _owed.setdefault(question, {})[bill.key] = bill
        _owed.move_to_end(question)
        while len(_owed) > REMEMBERED:
            _owed.popitem(last=False)


def owed_by(question: str) -> list[OwedBill]:
    """The open bills of a question."""
    with _owing:
        return list(_owed.get(question, {}).values())


def strike(question: str, keys: Iterable[str]) -> None:
    """Forget bills that are charged."""
    with _owing:
        bills = _owed.get(question, {})
        for key in keys:
            bills.pop(key, None)
        if not bills:
            _owed.pop(question, None)
