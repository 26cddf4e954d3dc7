"""Errors of calls, sent from one process to another with all that decides on retries.

The errors of providers' packages often cannot be unpickled, and a pickle drops the causes of an error.
"""

import json
import pickle
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from adaptive_reasoner.errors import AdaptiveReasonerError
from adaptive_reasoner.models.api_errors import causes, retry_after, status_of

_BUILTIN = (json.JSONDecodeError, ValueError, TypeError, LookupError, AttributeError, ImportError)
_MORE = (NotImplementedError, AssertionError, TimeoutError, ConnectionError)


class SentError(Exception):
    """Stands for an error of another process, under the name of its type.

    Attributes:
        status_code: The HTTP status of a refusal.
        headers: The pause that the endpoint asked for, as `retry-after`.
        code: The reason that the provider names.
    """

    status_code: int | None = None
    headers: dict[str, str] | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of an error that cannot be sent itself."""

    name: str
    text: str
    builtin: type[BaseException] | None
    status: int | None
    pause: float | None
    code: str | None

    def error(self) -> BaseException:
        bases = (SentError,) if self.builtin is None else (SentError, self.builtin)
        error: SentError = type(self.name, bases, {"__str__": lambda _: self.text})(self.text)
        error.status_code, error.code = self.status, self.code
        error.headers = None if self.pause is None else {"retry-after": repr(self.pause)}
        return error


def packed(error: BaseException) -> bytes:
    """An error and its causes, as bytes.

    Example:
        >>> refusal = ConnectionError("busy")
        >>> refusal.headers = {"retry-after": "2"}
        >>> unpacked(packed(refusal)), retry_after(unpacked(packed(refusal)))
        (ConnectionError('busy'), 2.0)
    """
    return pickle.dumps(list(_portable(list(causes(error)))))


def unpacked(sent: bytes) -> BaseException:
    """The error in bytes that `packed` made, with its causes."""
    parts: Sequence[BaseException | _Facts] = pickle.loads(sent)  # noqa: S301 - from our own worker
    chain = [part.error() if isinstance(part, _Facts) else part for part in parts]
    for error, cause in pairwise(chain):
        error.__cause__ = cause
    return chain[0]


def _portable(chain: Sequence[BaseException]) -> Iterator[BaseException | _Facts]:
    for at, error in enumerate(chain):
        rest = chain[at + 1 :]
        if _can_be_sent(error):
            yield error
            continue
        code = vars(error).get("code")
        yield _Facts(
            type(error).__name__,
            str(error),
            next((kind for kind in (*_BUILTIN, *_MORE) if isinstance(error, kind)), None),
            status_of(error, apart_from=rest),
            retry_after(error),
            code if isinstance(code, str) else None,
        )


def _can_be_sent(error: BaseException) -> bool:
    """Whether an error is of this library or of Python, and comes out of a pickle as it went in."""
    own = isinstance(error, AdaptiveReasonerError)
    if not own and type(error).__module__.partition(".")[0] not in sys.stdlib_module_names:
        return False
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled here
    except (pickle.PickleError, TypeError, AttributeError, ValueError):
        return False
    return type(copy) is type(error) and str(copy) == str(error)
