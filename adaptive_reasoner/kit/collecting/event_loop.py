"""One event loop for all work of the kit that waits for models."""

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def in_background(body: Coroutine[Any, Any, T]) -> T:
    """Run `body` to its end, whether or not the caller already runs a loop, as notebooks do.

    All bodies share one loop in a thread: the clients of chat models keep connections, which stay bound to
    the loop that first used them. Ctrl-C cancels the body, and is raised once it has wound up.

    Example:
        >>> in_background(asyncio.sleep(0, "done"))
        'done'
    """
    loop, ended = _event_loop(), threading.Event()
    tasks: list[asyncio.Task[T]] = []

    def begin() -> None:
        tasks.append(loop.create_task(body))
        tasks[0].add_done_callback(lambda _: ended.set())

    def cancel() -> None:
        if tasks:
            tasks[0].cancel()
        else:  # Ctrl-C came before it could begin
            body.close()
            ended.set()

    try:
        loop.call_soon_threadsafe(begin)
        ended.wait()
    except BaseException:
        loop.call_soon_threadsafe(cancel)
        ended.wait()
        raise
    return tasks[0].result()


@cache
def _event_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="adaptive-reasoner-kit", daemon=True).start()
    return loop
