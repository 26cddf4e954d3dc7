"""Every failure as an HTTP status and an error object in OpenAI's format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from adaptive_reasoner.errors import (
    AdaptiveReasonerError,
    BudgetExceededError,
    UnpricedUsageError,
)
from adaptive_reasoner.ledger.base import UnreachableLedgerError
from adaptive_reasoner.models.api_errors import (
    causes,
    is_unreachable,
    retry_after,
    status_of,
    was_never_sent,
)

_RETRY = {"retry-after": "1"}
_DAY = 86_400.0


@dataclass(frozen=True)
class Problem:
    """A failed request as its caller sees it.

    Attributes:
        status: The HTTP status.
        code: What went wrong, for programs.
        message: What went wrong, and the way out.
        kind: The `type` of OpenAI's error objects.
        param: The field or header that is wrong.
        headers: Sent with it.

    Example:
        >>> Problem(402, "budget_exceeded", "12 tokens wanted, 3 left").body["error"]["code"]
        'budget_exceeded'
    """

    status: int
    code: str
    message: str
    kind: str = "api_error"
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}


class RequestError(AdaptiveReasonerError):
    """A request that cannot be answered as it is.

    Args:
        message: What is wrong, and the way out.
        status: The HTTP status.
        code: What is wrong, for programs.
        param: The field or header that is wrong.
        kind: The `type` of OpenAI's error objects.
        headers: Sent with the answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "invalid_value",
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.problem = Problem(status, code, message, kind, param, headers or {})


def busy(message: str) -> Problem:
    """The error for a request beyond the capacity of the server."""
    return Problem(429, "too_many_requests", message, "rate_limit_error", headers=_RETRY)


def draining() -> RequestError:
    """The error of a request while the server shuts down."""
    told = "the server is shutting down; ask another one"
    return RequestError(told, status=503, code="shutting_down", kind="api_error", headers=_RETRY)


def problem_of(error: BaseException, settings: Mapping[str, Any]) -> Problem:
    """The problem that is reported to the caller of a failed question.

    An upstream refusal of the request itself keeps its message. No other text of the upstream is passed on:
    it may hold a key or a host of the server.

    Args:
        error: What the question raised.
        settings: The arguments of its calls.
    """
    if isinstance(error, RequestError):
        return error.problem
    if isinstance(error, BudgetExceededError):
        return Problem(402, "budget_exceeded", str(error), "insufficient_quota")
    if isinstance(error, UnpricedUsageError):
        return Problem(502, "unpriced_usage", "the model reported no usage, so the cost is not known")
    if isinstance(error, UnreachableLedgerError):
        return Problem(503, "ledger_unreachable", "the ledger's database does not answer", headers=_RETRY)
    status = status_of(error)
    if status is not None:
        return _refused(status, error)
    if is_unreachable(error):
        return Problem(502, "upstream_unreachable", "the model's endpoint cannot be reached")
    if was_never_sent(error, settings):
        return Problem(400, "unsupported_parameter", f"the model does not take this: {error}", *_INVALID)
    if _timed_out(error):
        return Problem(504, "upstream_timeout", "the model did not answer in time", "timeout_error")
    return Problem(502, "upstream_failed", f"the model's reply was lost: {type(error).__name__}")


def _timed_out(error: BaseException) -> bool:
    """Whether the time ran out. A connection that was cut is no timeout, though clients may call it one."""
    every = list(causes(error))
    if any(isinstance(each, ConnectionError) or type(each).__name__ in _CUT for each in every):
        return False
    return any(isinstance(each, TimeoutError) or "Timeout" in type(each).__name__ for each in every)


_CUT = ("ServerDisconnectedError",)
"""aiohttp's error for a connection that ended without a reply, which openai's transport calls a timeout."""

_INVALID = ("invalid_request_error",)
_REQUESTS = (400, 413, 422)
"""Statuses by which the upstream says that the request itself is wrong."""


def _refused(status: int, error: BaseException) -> Problem:
    """A refusal of the upstream, as a status of this server."""
    if status in _REQUESTS:
        return Problem(400, "upstream_rejected", f"the model refused the request: {error}", *_INVALID)
    if status == 429:
        limited = "the model's endpoint has reached its rate limit"
        return Problem(429, "rate_limit_exceeded", limited, "rate_limit_error", headers=_pause(error))
    if status in (401, 403):
        return Problem(502, "upstream_authentication", "the model's endpoint refuses the server's key")
    if status in (408, 504):
        return Problem(504, "upstream_timeout", "the model did not answer in time", "timeout_error")
    if status in (503, 529):
        overloaded = "the model's endpoint is overloaded"
        return Problem(503, "upstream_overloaded", overloaded, headers=_pause(error))
    return Problem(502, "upstream_failed", f"the model's endpoint answered with status {status}")


def _pause(error: BaseException) -> dict[str, str]:
    """The pause that the upstream asks for, at most a day, or a second."""
    return {"retry-after": str(max(1, ceil(min(retry_after(error) or 1.0, _DAY))))}
