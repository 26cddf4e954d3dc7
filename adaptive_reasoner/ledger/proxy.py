"""A ledger in front of another: what it does not override is passed on."""

from operator import attrgetter

from typing_extensions import override

from adaptive_reasoner.ledger.async_verbs import AsyncVerbs
from adaptive_reasoner.ledger.base import Ledger, Reservation, Snapshot


class LedgerProxy(AsyncVerbs):
    """A ledger in front of another, whose state it shows as its own.

    Attributes:
        own: The ledger behind it.
    """

    own: Ledger

    cost_unit = property(attrgetter("own.cost_unit"))
    target = property(attrgetter("own.target"))
    hard_cap = property(attrgetter("own.hard_cap"))
    price = property(attrgetter("own.price"))
    average = property(attrgetter("own.average"))
    spent = property(attrgetter("own.spent"))
    quality = property(attrgetter("own.quality"))

    @override
    def feedback(self, question: str, score: float) -> None:
        self._current().feedback(question, score)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.own!r})"

    @override
    def snapshot(self) -> Snapshot:
        return self._current().snapshot()

    @override
    def history(self, limit: int = 100) -> list[Reservation]:
        return self._current().history(limit)

    @override
    def spent_on(self, question: str) -> float:
        return self._current().spent_on(question)

    @override
    def reset(self) -> None:
        self._current().reset()

    @override
    def set_target(self, target: float) -> None:
        self._current().set_target(target)

    @override
    def set_target_accuracy(self, target: float) -> None:
        self._current().set_target_accuracy(target)

    @override
    def close(self) -> None:
        self.own.close()

    def _current(self) -> Ledger:
        """The ledger behind it, once it knows every charge made so far."""
        return self.own


def innermost(ledger: Ledger) -> Ledger:
    """The ledger behind all that stand in front of it."""
    while isinstance(ledger, LedgerProxy):
        ledger = ledger.own
    return ledger
