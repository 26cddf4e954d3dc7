"""Staying within requests and tokens per minute, before the endpoint refuses calls."""

import asyncio
import time
from collections.abc import Callable

_LOOK_AGAIN = 0.05  # seconds: what is given back lets the next call go earlier
_KEPT = 5.0  # seconds: what is returned while no call waits lets later calls go at once


class RateLimit:
    """Spaces calls so that no minute holds more requests or tokens than allowed.

    Calls are let through at an even pace, in the order in which they ask. Their tokens are counted at most
    first; `give_back` returns what a reply did not use. Time without calls is not made up for, but
    tokens that come back are, up to five seconds' worth: else long `max_tokens` and short replies would leave
    most of a limit unused.

    Args:
        requests: The most requests per minute; None for no limit.
        tokens: The most tokens per minute, those of the prompt included; None for no limit.
        clock: Seconds that only grow.

    Example:
        >>> now = iter([0.0, 0.0, 0.0, 0.5, 1.0])
        >>> limit = RateLimit(requests=60, clock=lambda: next(now))
        >>> limit.take(tokens=10), limit.take(tokens=10), limit.take(tokens=10), limit.take(tokens=10)
        (0.0, 1.0, 0.5, 0.0)
    """

    def __init__(
        self,
        requests: float | None = None,
        tokens: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, rate in (("requests", requests), ("tokens", tokens)):
            if rate is not None and not 0 < rate < float("inf"):
                raise ValueError(f"{name} per minute must be above 0, not {rate}")
        self._second_per_request = 60.0 / requests if requests else 0.0
        self._second_per_token = 60.0 / tokens if tokens else 0.0
        self._clock = clock
        self._next_request = self._next_tokens = self._shut_until = clock()
        self._credit = 0.0  # seconds that `_next_tokens` lies back because tokens were returned
        self._turn = asyncio.Lock()

    async def wait(self, tokens: float) -> None:
        """Wait until a call of so many tokens may be made."""
        async with self._turn:
            while (pause := self.take(tokens)) > 0:
                await asyncio.sleep(min(pause, _LOOK_AGAIN))

    def take(self, tokens: float) -> float:
        """Let a call of so many tokens through, if one may go now: 0; else the seconds until one may."""
        now = self._clock()
        pause = max(self._next_request, self._next_tokens, self._shut_until) - now
        if pause > 0:
            return pause
        self._next_request = now + self._second_per_request
        start = max(self._next_tokens, now - self._credit)
        self._credit -= now - start
        self._next_tokens = start + tokens * self._second_per_token
        return 0.0

    def give_back(self, tokens: float) -> None:
        """Return tokens that were counted and not used."""
        seconds = tokens * self._second_per_token
        self._next_tokens -= seconds
        back = min(seconds, max(0.0, self._clock() - self._next_tokens))
        self._credit = min(self._credit + back, _KEPT)

    def shut(self, seconds: float) -> None:
        """Let nothing through for a while: the endpoint has asked for a pause."""
        self._shut_until = max(self._shut_until, self._clock() + seconds)
