"""A ledger in front of another: every verb passes through."""

from typing_extensions import override

from adaptive_reasoner.ledger.base import AsyncVerbs, Ledger


class LedgerProxy(AsyncVerbs):
    """A ledger in front of another, whose state it shows as its own.

    Attributes:
        own: The ledger behind it.
    """

    own: Ledger

    @property
    @override
    def cost_unit(self) -> str:
        return self.own.cost_unit

    @property
    @override
    def target(self) -> float | None:
        return self.own.target

    @property
    @override
    def hard_cap(self) -> float | None:
        return self.own.hard_cap

    @property
    @override
    def price(self) -> float:
        return self.own.price

    @property
    @override
    def average(self) -> float:
        return self.own.average

    @property
    @override
    def spent(self) -> float:
        return self.own.spent

    @override
    def set_target(self, target: float) -> None:
        self.own.set_target(target)
