"""Tasks that are ended together."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

_AGAIN = 0.5  # seconds


async def ended(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel tasks, and wait until they have come to their ends.

    They are cancelled again and again: before Python 3.12, `asyncio.wait_for` loses a cancellation that comes
    together with what it waits for, and the packages of providers read their streams through it.
    """
    cancelled: asyncio.CancelledError | None = None
    pending = _cancel(tasks)
    while pending:
        try:
            await asyncio.wait(pending, timeout=_AGAIN)
        except asyncio.CancelledError as error:  # the waiting task is cancelled as well, and waits on
            cancelled = error
        else:
            pending = _cancel(pending)
    if cancelled is not None:
        raise cancelled


def _cancel(tasks: "Iterable[asyncio.Future[Any]]") -> "list[asyncio.Future[Any]]":
    """Those that have not ended, once cancelled."""
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    return pending


async def all_of(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of works that are done side by side; where one fails, the others are ended.

    Raises:
        BaseException: What the first one raised that failed.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        await ended(*tasks)
