"""The async verbs of a ledger, made of its own verbs in a thread."""

import asyncio
from abc import ABC
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from typing_extensions import override

from adaptive_reasoner.ledger.base import Ledger

P = ParamSpec("P")
T = TypeVar("T")


def _in_thread(
    verb: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """The async form of a verb."""

    async def twin(self: "AsyncVerbs", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._awaited(getattr(self, verb.__name__), *args, **kwargs)

    return wraps(verb)(twin)


class AsyncVerbs(Ledger, ABC):
    """A ledger whose async verbs run in a thread, so that no wait for a disk or a network blocks the loop.

    A cancelled task leaves its verb running; repeating the verb by its key returns what became of it.
    """

    async def _awaited(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(verb, *args, **kwargs)

    def in_one_transaction(self, other: Ledger, verbs: Callable[[], T]) -> T:  # noqa: ARG002 - for those that share a database
        """Run verbs of this ledger and another: in one transaction if both are in one database."""
        return verbs()

    areserve = _in_thread(Ledger.reserve)
    asettle = _in_thread(Ledger.settle)
    aextend = _in_thread(Ledger.extend)
    aexpire = _in_thread(Ledger.expire)
    arelease = _in_thread(Ledger.release)
    acharge = _in_thread(Ledger.charge)
    afeedback = _in_thread(Ledger.feedback)
    asnapshot = _in_thread(Ledger.snapshot)

    @override
    def __enter__(self) -> Self:
        return self

    @override
    def __exit__(self, *exc: object) -> None:
        self.close()
