"""Waiting for what another thread, task or process is about to do."""

import asyncio
import time
from collections.abc import Callable

PATIENCE = 300.0
"""Seconds after which a wait has failed. It ends a run that hangs; no machine is too slow for it."""

_PAUSE = 0.005


def wait_until(condition: Callable[[], object]) -> None:
    """Return once a condition holds, or fail after `PATIENCE`."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"what the test waits for did not come in {PATIENCE:g} seconds"
        time.sleep(_PAUSE)


async def await_until(condition: Callable[[], object]) -> None:
    """Like `wait_until`, without blocking the loop."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(_PAUSE)
