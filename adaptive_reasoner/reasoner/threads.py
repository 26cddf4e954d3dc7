"""What waits for a disk or a network, in a thread beside the loop."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context


async def to_its_end(function: Callable[[], None], *, at_once: bool) -> None:
    """Run in a thread, and to its end also when cancelled: a reservation must not be left half-made."""
    if at_once:
        function()
        return
    work = asyncio.get_running_loop().run_in_executor(None, copy_context().run, function)
    cancelled: asyncio.CancelledError | None = None
    while not work.done():  # it may be cancelled again and again, as a scope of anyio does it
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as again:
            cancelled = again
    work.result()
    if cancelled is not None:
        raise cancelled


def on_event_loop() -> bool:
    """Whether this thread runs an event loop, which must not wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
