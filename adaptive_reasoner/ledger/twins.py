"""The async twins of a ledger's verbs, from the verbs themselves."""

import asyncio
from abc import ABC
from collections.abc import Callable
from typing import ParamSpec, Self, TypeVar

from typing_extensions import override

from adaptive_reasoner.ledger import Ledger, Reservation, Snapshot

P = ParamSpec("P")
T = TypeVar("T")


class Twinned(Ledger, ABC):
    """A ledger whose twins run the verb in a thread, where waiting for a disk or a network blocks no loop.

    A task that is cancelled leaves the verb to finish: repeating it by its key tells what became of it.
    """

    async def _awaited(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(verb, *args, **kwargs)

    def jointly(self, other: Ledger, verbs: Callable[[], T]) -> T:  # noqa: ARG002 - for those that share a database
        """Run verbs of this ledger and another: in one transaction where both are in one database."""
        return verbs()

    @override
    async def areserve(
        self,
        expected: float,
        key: str,
        *,
        worst: float | None = None,
        question: str | None = None,
        action: str | None = None,
        budget: float | None = None,
    ) -> Reservation:
        return await self._awaited(
            self.reserve, expected, key, worst=worst, question=question, action=action, budget=budget
        )

    @override
    async def asettle(self, reservation: Reservation | str, cost: float) -> Reservation:
        return await self._awaited(self.settle, reservation, cost)

    @override
    async def aextend(self, reservation: Reservation | str, worst: float) -> Reservation:
        return await self._awaited(self.extend, reservation, worst)

    @override
    async def aexpire(self, reservation: Reservation | str, *, saved: float = 0.0) -> Reservation:
        return await self._awaited(self.expire, reservation, saved=saved)

    @override
    async def arelease(self, reservation: Reservation | str) -> Reservation:
        return await self._awaited(self.release, reservation)

    @override
    async def acharge(
        self, cost: float, key: str, *, question: str | None = None, action: str | None = None
    ) -> Reservation:
        return await self._awaited(self.charge, cost, key, question=question, action=action)

    @override
    async def asnapshot(self) -> Snapshot:
        return await self._awaited(self.snapshot)

    @override
    def __enter__(self) -> Self:
        return self

    @override
    def __exit__(self, *exc: object) -> None:
        self.close()


class Fronting(Twinned):
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
