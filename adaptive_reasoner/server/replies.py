"""A reply on its way to a client: produced in one task, sent in another, ended when the client leaves."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from adaptive_reasoner.errors import AdaptiveReasonerError
from adaptive_reasoner.server.errors import draining
from adaptive_reasoner.server.tasks import ended

T = TypeVar("T")

_WAITING = 64  # events that a slow client may lag behind


class ClientLeftError(AdaptiveReasonerError):
    """The client has closed its connection before the answer was there."""


async def unless_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled where the client leaves first.

    Raises:
        ClientLeftError: It has left; the work has come to its end.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await ended(working)
            raise ClientLeftError
        return working.result()
    finally:
        await ended(working, leaving)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Produced:
    """The pieces of a stream, produced by a task of their own.

    A generator that holds a clock or a context has to run in one task from its beginning to its end.

    Args:
        pieces: The generator.
        cut: Set when it is to end before its end.

    Attributes:
        error: What ended the generator before its end; None so far.
        complete: Whether it came to its end.
    """

    def __init__(self, pieces: AsyncGenerator[bytes, None], cut: asyncio.Event) -> None:
        self._cut = cut
        self._arrived = asyncio.Queue[bytes | None](maxsize=_WAITING)
        self._first: list[bytes | None] = []
        self.error: BaseException | None = None
        self.complete = False
        self._task = asyncio.ensure_future(self._produce(pieces))

    async def begin(self) -> BaseException | None:
        """Wait for the first piece; what ended the generator before it."""
        self._first = [await self._arrived.get()]
        return self.error if self._first == [None] else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            piece = self._first.pop() if self._first else await self._arrived.get()
            if piece is None:
                return
            yield piece

    async def end(self) -> None:
        """End the generator, where it has not ended."""
        await ended(self._task)

    async def _produce(self, pieces: AsyncGenerator[bytes, None]) -> None:
        reading, cutting = asyncio.ensure_future(self._read(pieces)), asyncio.ensure_future(self._cut.wait())
        try:
            await asyncio.wait({reading, cutting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await ended(reading, cutting)
        self.error = draining() if reading.cancelled() else reading.exception()
        self.complete = self.error is None
        await self._arrived.put(None)

    async def _read(self, pieces: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(pieces):
            async for piece in pieces:
                await self._arrived.put(piece)


class EventStream(Response):
    """Server-sent events; it ends with its client, or with one that takes too long to read.

    Args:
        pieces: The events.
        headers: Of the response.
        seconds: How long a client may take for a piece.
        at_end: Called once, however it ends.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        *,
        headers: Mapping[str, str],
        seconds: float,
        at_end: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(headers={**headers, "cache-control": "no-cache"}, media_type=self.media_type)
        self._pieces, self._seconds, self._at_end = pieces, seconds, at_end
        del self.headers["content-length"]

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await unless_left(receive, self._send(send))
        except (ClientLeftError, TimeoutError, OSError):
            pass  # nobody reads any more
        finally:
            await self._at_end()

    async def _send(self, send: Send) -> None:
        async def within_time(message: dict[str, Any]) -> None:
            async with asyncio.timeout(self._seconds):
                await send(message)

        await within_time({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for piece in self._pieces:
            await within_time({"type": "http.response.body", "body": piece, "more_body": True})
        await within_time({"type": "http.response.body", "body": b"", "more_body": False})
