"""The limits of a server: the size of a request, the time it takes to arrive, and how many at once."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adaptive_reasoner.server.errors import Problem, busy, draining
from adaptive_reasoner.server.tasks import ended

_logger = logging.getLogger(__name__)

Observer = Callable[[str, int, float], None]

ANSWERING = ("/v1/chat/completions", "/v1/responses")
"""The paths whose requests are counted."""

_PATHS = (*ANSWERING, "/v1/models", "/healthz", "/metrics")
_UNANSWERED = 499  # as nginx logs a client that closed the connection
_FAULT = 500  # an error leaves the application, and the middleware around this answers

_LAST_WORDS = 1.0  # seconds that a stream has to end when it is cut
_DISCARDED = 4  # times the limit, of a body that is too large: a client reads no answer before it has sent


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a server.

    Attributes:
        concurrency: Requests in flight; more are answered with 429.
        body_bytes: The largest body; a larger one is answered with 413.
        body_seconds: How long a body may take to arrive (408), and a client to read a piece of a stream.
        answer_seconds: How long an answer may take (504).
    """

    concurrency: int = 256
    body_bytes: int = 4_000_000
    body_seconds: float = 30.0
    answer_seconds: float = 600.0

    def __post_init__(self) -> None:
        for name in ("concurrency", "body_bytes", "body_seconds", "answer_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is above 0, not {getattr(self, name)}")


class Gate:
    """Counts the requests in flight, and admits up to a maximum; none while the server shuts down.

    Args:
        most: The most requests in flight.

    Attributes:
        cut: Set when requests in flight are no longer waited for.
    """

    def __init__(self, most: int) -> None:
        self.most, self.in_flight, self.draining = most, 0, False
        self.cut = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def refusal(self) -> Problem | None:
        """Why another request is refused; None if it is admitted."""
        if self.draining:
            return draining().problem
        if self.in_flight >= self.most:
            return busy(f"{self.most} requests are in flight; try again in a second")
        return None

    def __enter__(self) -> None:
        self.in_flight += 1
        self._idle.clear()

    def __exit__(self, *exc: object) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()

    async def drained(self) -> None:
        """Admit no more, and wait until none is in flight."""
        self.draining = True
        await self._idle.wait()


class LimitedApp:
    """An ASGI application behind limits.

    Args:
        app: The application.
        gate: Counts its requests.
        limits: Its limits.
        observe: Called with the path, the status and the seconds of each request.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate, limits: Limits, observe: Observer) -> None:
        self._app, self._gate, self._limits, self._observe = app, gate, limits, observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), _FAULT

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._admit(scope, receive, observed)
            status = _UNANSWERED if status == _FAULT else status
        finally:
            path = scope["path"] if scope["path"] in _PATHS else "other"
            seconds = time.perf_counter() - begin
            self._observe(path, status, seconds)
            _logger.info("%s %s %d %.3f s", scope["method"], path, status, seconds)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit it if there is room."""
        if scope["method"] in ("GET", "HEAD"):  # the server leaves out the body of a HEAD
            await self._app({**scope, "method": "GET"}, receive, send)
            return
        counted = scope["path"] in ANSWERING
        refused = self._gate.refusal() if counted else None
        if refused is not None:
            await refuse(refused, scope, receive, send)
        elif counted:
            with self._gate:
                await self._take(scope, receive, send)
        else:
            await self._take(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                body = await self._read(receive)
        except TimeoutError:
            seconds = f"{self._limits.body_seconds:g} seconds"
            late = Problem(408, "request_timeout", f"the body did not arrive within {seconds}", _WRONG)
            await refuse(late, scope, receive, send)
            return
        if body is None:  # the client has left
            return
        if len(body) > self._limits.body_bytes:
            most = f"the body is larger than {self._limits.body_bytes} bytes"
            await refuse(Problem(413, "request_too_large", most, _WRONG), scope, receive, send)
            return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Message:
            return unread.pop() if unread else await receive()

        await self._answer(scope, replayed, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, unless the server ends before."""
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        working = asyncio.ensure_future(_awaited(self._app(scope, receive, sent)))
        cutting = asyncio.ensure_future(self._gate.cut.wait())
        try:
            await asyncio.wait({working, cutting}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            else:
                if begun:  # a stream says why it ends
                    await asyncio.wait({working}, timeout=_LAST_WORDS)
                await ended(working)
                if not begun:
                    await refuse(draining().problem, scope, receive, send)
        finally:
            await ended(working, cutting)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body; a little more than the limit of one that is too large, None where the client left."""
        most, read, body = self._limits.body_bytes, 0, bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            piece = message.get("body", b"")
            read += len(piece)
            body += piece[: most + 1 - len(body)]
            if not message.get("more_body") or read > _DISCARDED * most:
                return bytes(body)


async def _awaited(work: Awaitable[None]) -> None:
    await work


_WRONG = "invalid_request_error"


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with a problem; what remains of it is not read, so its connection ends."""
    headers = {**problem.headers, "connection": "close"}
    await JSONResponse(problem.body, problem.status, headers)(scope, receive, send)
