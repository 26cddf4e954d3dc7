"""One request to its end: who pays, what is asked, the answer whole or as a stream, and what it cost."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

from langchain_core.messages import AIMessageChunk
from starlette.requests import Request
from starlette.responses import Response

from adaptive_reasoner.reasoner.options import AnswerOptions
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.server.answering import Answerer
from adaptive_reasoner.server.asked import Asked, OwnTerms
from adaptive_reasoner.server.bill import Bill
from adaptive_reasoner.server.errors import Problem, RequestError, problem_of
from adaptive_reasoner.server.keys import Caller
from adaptive_reasoner.server.limits import Limits
from adaptive_reasoner.server.metrics import Metrics
from adaptive_reasoner.server.repeats import Kept, Repeats, Turn, checked_key
from adaptive_reasoner.server.replies import ClientLeftError, EventStream, Produced, unless_left
from adaptive_reasoner.server.tasks import ended

_LEFT = 499  # as nginx logs a client that closed the connection; no client reads it
_JSON = "application/json"


class Wire(Protocol):
    """One answer in the words of one API."""

    asked: Asked
    streams: bool

    def whole(self, results: Sequence[Result], record: dict[str, Any]) -> dict[str, Any]:
        """The body of an answer."""

    def began(self) -> Iterator[str]:
        """The events that a stream starts with."""

    def chunk(self, number: int, chunk: AIMessageChunk) -> Iterator[str]:
        """The events of a chunk."""

    def ended(self, record: dict[str, Any]) -> Iterator[str]:
        """The events that a stream ends with."""

    def failed(self, problem: Problem) -> Iterator[str]:
        """The events of a stream that breaks off."""


class Endpoint:
    """Answers the requests of both APIs.

    Args:
        answerer: Answers it.
        repeats: Knows what was answered under which idempotency key.
        metrics: Counts it.
        limits: How long an answer may take.
        cut: Set when streams are no longer waited for.
    """

    def __init__(
        self, answerer: Answerer, repeats: Repeats, metrics: Metrics, limits: Limits, cut: asyncio.Event
    ) -> None:
        self.answerer, self.repeats, self.metrics, self.limits = answerer, repeats, metrics, limits
        self.cut = cut

    async def reply(self, request: Request, caller: Caller, wire_of: Callable[[str], Wire]) -> Response:
        """The response to a request; a client that leaves ends what it asked for.

        Raises:
            RequestError: The request cannot be answered as it is.
        """
        name = uuid.uuid4().hex
        wire = wire_of(name)
        terms = _terms(request, caller, wire.asked)
        key = request.headers.get("idempotency-key")
        content = request.url.path.encode() + await request.body()

        async def respond() -> Response:
            turn = Turn(None)
            if key is not None:
                turn = await self.repeats.turn(f"{caller.scope}{checked_key(key)}", content)
            if turn.kept is not None:
                return turn.kept.again()
            exchange = Exchange(self, wire, terms, turn, name=name, scope=caller.scope, key=key)
            return await (exchange.stream() if wire.streams else exchange.whole())

        try:
            return await unless_left(request.receive, respond())
        except ClientLeftError:
            return Response(status_code=_LEFT)


class Exchange:
    """One request under way.

    Args:
        endpoint: Answers it.
        wire: What is asked, and how it is answered.
        terms: What the request says of its own.
        turn: Its turn under its idempotency key.
        name: Names the request in the response.
        scope: The prefix of what the caller names.
        key: The idempotency key.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        wire: Wire,
        terms: OwnTerms,
        turn: Turn,
        *,
        name: str,
        scope: str,
        key: str | None,
    ) -> None:
        self._answerer, self._metrics = endpoint.answerer, endpoint.metrics
        self._limits, self._cut = endpoint.limits, endpoint.cut
        self._wire, self._terms, self._turn = wire, terms, turn
        self._name, self._scope, self._key = name, scope, key
        self._bill = Bill(self._answerer.reasoner.ledger.cost_unit)

    async def whole(self) -> Response:
        """The complete answer."""
        working = asyncio.ensure_future(self._results())
        kept = _LEFT_BEFORE
        try:
            await asyncio.wait({working})
            error = working.exception()
            if error is None:
                body = self._wire.whole(working.result(), self._bill.record())
                cost = {"x-adaptive-cost": repr(self._bill.cost)}
                kept = Kept(200, {**self._headers(), **cost}, _JSON, json.dumps(body).encode())
            else:
                kept = self._problem(error)
        finally:
            await ended(working)
            self._close(kept)
        return kept.response()

    async def stream(self) -> Response:
        """The answer as a stream, once its first piece is there."""
        produced = Produced(self._events(), self._cut)
        begun = False
        try:
            error = await produced.begin()
            begun = error is None
        finally:
            if not begun:
                await produced.end()
                self._close(_LEFT_BEFORE if produced.error is None else self._problem(produced.error))
        if error is not None:
            return self._problem(error).response()
        pieces: list[bytes] = []

        async def at_end() -> None:
            await produced.end()
            whole = Kept(200, self._headers(), EventStream.media_type, b"".join(pieces))
            self._close(whole if produced.complete else _LEFT_BEFORE)

        return EventStream(
            self._passed_on(produced, pieces),
            headers=self._headers(),
            seconds=self._limits.body_seconds,
            at_end=at_end,
        )

    async def _results(self) -> list[Result]:
        async with asyncio.timeout(self._limits.answer_seconds):
            return await self._answerer.answer(self._wire.asked, await self._options())

    async def _events(self) -> AsyncGenerator[bytes, None]:
        begun = False
        async with asyncio.timeout(self._limits.answer_seconds):
            chunks = self._answerer.stream(self._wire.asked, await self._options())
            async with aclosing(chunks):
                async for number, chunk in chunks:
                    events = [*([] if begun else self._wire.began()), *self._wire.chunk(number, chunk)]
                    begun = True
                    if events:
                        yield "".join(events).encode()
        yield "".join(self._wire.ended(self._bill.record())).encode()

    async def _passed_on(self, produced: Produced, pieces: list[bytes]) -> AsyncIterator[bytes]:
        """The pieces, kept where a repeated request may ask for them, and how a stream has failed."""
        async for piece in produced:
            if self._key is not None:
                pieces.append(piece)
            yield piece
        if produced.error is not None:
            problem = problem_of(produced.error, self._wire.asked.settings)
            yield "".join(self._wire.failed(problem)).encode()

    async def _options(self) -> list[AnswerOptions]:
        return await self._answerer.options(
            self._wire.asked, self._terms, self._bill, scope=self._scope, key=self._key
        )

    def _headers(self) -> dict[str, str]:
        actions = ", ".join(self._bill.actions).encode("ascii", "backslashreplace").decode()
        return {"x-request-id": self._name, "x-adaptive-action": actions}

    def _problem(self, error: BaseException) -> Kept:
        problem = problem_of(error, self._wire.asked.settings)
        headers = {"x-request-id": self._name, **problem.headers}
        return Kept(problem.status, headers, _JSON, json.dumps(problem.body).encode())

    def _close(self, kept: Kept) -> None:
        """Count what it cost, and let a repeated request in; a failure that cost nothing may be repeated."""
        self._metrics.bill(self._bill)
        self._turn.end(kept if kept.status == _OK or self._bill.cost else None)


_OK = 200
_LOST = Problem(
    409,
    "idempotency_key_interrupted",
    "the request of this Idempotency-Key was left before its answer, and charged; use a new key",
    "invalid_request_error",
    "idempotency-key",
)
_LEFT_BEFORE = Kept(_LOST.status, {}, _JSON, json.dumps(_LOST.body).encode())


def _terms(request: Request, caller: Caller, asked: Asked) -> OwnTerms:
    """What a request says of its own; the tenant is that of its key.

    Raises:
        RequestError: It names another tenant.
    """
    terms = OwnTerms.of(request.headers, asked.metadata)
    if caller.name is None:
        return terms
    if terms.tenant not in (None, caller.tenant):
        raise RequestError(
            f"the API key does not belong to tenant {terms.tenant!r}",
            status=403,
            code="wrong_tenant",
            param="x-adaptive-tenant",
            kind="permission_error",
        )
    return replace(terms, tenant=caller.tenant)
