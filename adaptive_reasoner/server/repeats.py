"""Requests that are repeated under one idempotency key: answered once, and the answer kept for a while."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from adaptive_reasoner.server.errors import RequestError

_BYTES = 64_000_000
_SECONDS = 86_400.0
_LONGEST_KEY = 255
_OVERHEAD = 1_000  # bytes of an entry besides its body


@dataclass(frozen=True)
class Kept:
    """An answer as it was sent."""

    status: int
    headers: Mapping[str, str]
    media_type: str
    body: bytes

    def response(self) -> Response:
        """The answer."""
        return Response(self.body, self.status, self.headers, self.media_type)

    def again(self) -> Response:
        """The same answer again, marked as such."""
        marked = {**self.headers, "idempotent-replayed": "true"}
        return Response(self.body, self.status, marked, self.media_type)


class Turn:
    """A request whose turn it is under its key.

    Attributes:
        kept: The answer of an earlier request; None where this one is to be answered.
    """

    def __init__(self, kept: Kept | None, end: Callable[[Kept | None], None] | None = None) -> None:
        self.kept, self._end = kept, end

    def end(self, kept: Kept | None) -> None:
        """Let the next request proceed, with the answer, or without one if nothing was billed."""
        if self._end is not None:
            end, self._end = self._end, None
            end(kept)


class Repeats:
    """What was answered under which key, in this process, for a day or until there is no room.

    Args:
        most_bytes: The most bytes of answers kept; the oldest go first.
        seconds: How long they are kept.
        clock: Seconds; for tests.
    """

    def __init__(
        self,
        *,
        most_bytes: int = _BYTES,
        seconds: float = _SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._clock = most_bytes, seconds, clock
        self._kept: OrderedDict[str, tuple[float, str, Kept]] = OrderedDict()
        self._under_way: dict[str, tuple[str, asyncio.Future[None]]] = {}
        self._bytes = 0

    async def turn(self, key: str, body: bytes) -> Turn:
        """Wait for the request that is being answered under this key, if there is one.

        Args:
            key: The key, with its caller.
            body: What is asked.

        Raises:
            RequestError: The key was used for another request.
        """
        asked = hashlib.sha256(body).hexdigest()
        while True:
            self._forget()
            known = self._kept.get(key)
            if known is not None:
                _same(known[1], asked)
                return Turn(known[2])
            if key not in self._under_way:
                break
            before, done = self._under_way[key]
            _same(before, asked)
            await asyncio.shield(done)
        done = asyncio.get_running_loop().create_future()
        self._under_way[key] = asked, done

        def end(kept: Kept | None) -> None:
            del self._under_way[key]
            if kept is not None:
                self._kept[key] = self._clock(), asked, kept
                self._bytes += len(kept.body) + _OVERHEAD
            done.set_result(None)

        return Turn(None, end)

    def _forget(self) -> None:
        oldest = self._clock() - self._seconds
        while self._kept:
            made, _, kept = next(iter(self._kept.values()))
            if made >= oldest and self._bytes <= self._most:
                return
            self._kept.popitem(last=False)
            self._bytes -= len(kept.body) + _OVERHEAD


def _same(before: str, asked: str) -> None:
    if before != asked:
        raise RequestError(
            "this Idempotency-Key was used for another request; use a new key",
            status=422,
            code="idempotency_key_reused",
            param="idempotency-key",
        )


def checked_key(key: str) -> str:
    """A key that can name a charge.

    Raises:
        RequestError: It is empty, too long, or holds what is not printable.
    """
    if not key.strip() or len(key) > _LONGEST_KEY or not key.isprintable():
        raise RequestError(
            f"an Idempotency-Key has 1 to {_LONGEST_KEY} printable characters", param="idempotency-key"
        )
    return key
