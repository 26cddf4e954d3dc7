"""Which failed calls are worth another attempt, and when to make it."""

import json
import random
from dataclasses import dataclass

from adaptive_reasoner.models.api_errors import (
    causes,
    is_final,
    is_mistake,
    refuses_reply,
    retry_after,
    status_of,
)
from adaptive_reasoner.models.replies import EmptyReplyError, MalformedToolCallError

_NO_ADMITTANCE = frozenset({401, 402, 403, 404})
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})  # OpenAI's, under status 429


@dataclass(frozen=True)
class Retries:
    """How often, and after what pauses, a failed call is made again.

    The pauses double from attempt to attempt, and are drawn from their upper half so that calls which
    failed together do not come back together. Where the endpoint asks for a pause (`Retry-After`), it is that
    one and a little more. A source that asks for longer than `longest_wait` is given up for this run.

    Args:
        attempts: The most calls that a sample may take.
        first_pause: Seconds before the second attempt, at most.
        longest_pause: The longest pause, in seconds, unless the endpoint asks for a longer one.
        longest_wait: The longest pause, in seconds, that an endpoint may ask for.

    Example:
        >>> import random
        >>> retries, jitter = Retries(first_pause=1.0, longest_pause=5.0), random.Random(0)
        >>> [round(retries.pause(attempt, TimeoutError(), jitter), 1) for attempt in (1, 2, 3, 4, 5)]
        [0.9, 1.8, 2.8, 3.1, 3.8]
    """

    attempts: int = 6
    first_pause: float = 0.5
    longest_pause: float = 60.0
    longest_wait: float = 300.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"a sample takes at least 1 attempt, not {self.attempts}")
        if not 0 <= self.first_pause <= self.longest_pause < float("inf"):
            raise ValueError(
                f"pauses grow from at least 0, but {self.first_pause} to {self.longest_pause} was asked for"
            )
        if not 0 <= self.longest_wait < float("inf"):
            raise ValueError(f"longest_wait is a number of seconds of at least 0, not {self.longest_wait}")

    def pause(self, attempt: int, error: BaseException, jitter: random.Random) -> float:
        """Seconds to wait after an attempt, counted from 1, that failed with `error`."""
        own = min(self.longest_pause, self.first_pause * 2.0 ** (attempt - 1)) * jitter.uniform(0.5, 1.0)
        asked = retry_after(error)
        return own if asked is None else min(asked, self.longest_wait) + min(own, self.first_pause)

    def too_long(self, error: BaseException) -> float | None:
        """The pause that the endpoint asks for, where that is longer than `longest_wait`.

        Example:
            >>> refusal = TimeoutError()
            >>> refusal.headers = {"Retry-After": "86400"}
            >>> Retries().too_long(refusal), Retries(longest_wait=90_000).too_long(refusal)
            (86400.0, None)
        """
        asked = retry_after(error)
        return asked if asked is not None and asked > self.longest_wait else None


def worth_another(error: BaseException) -> bool:
    """Whether the same call may succeed later: not where the request itself is at fault.

    Example:
        >>> worth_another(TimeoutError()), worth_another(TypeError("no such argument"))
        (True, False)
    """
    if isinstance(error, EmptyReplyError | MalformedToolCallError):
        return False
    if status_of(error) is not None:
        return not is_final(error) and not refuses_reply(error)
    if isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError):
        return False
    return not is_mistake(error)


def refuses_all(error: BaseException) -> bool:
    """Whether every further call would fail alike: no such model, a key that is refused, no money left."""
    broke = any(vars(cause).get("code") in _NO_CREDIT for cause in causes(error))
    return broke or status_of(error) in _NO_ADMITTANCE
