"""What an endpoint's errors say: a refusal, a call that was lost or never sent, and when to come back."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from math import isnan
from pathlib import Path
from socket import gaierror
from traceback import walk_tb
from typing import Any

from langchain_core.exceptions import LangChainException

from adaptive_reasoner.redaction import without_keys

_BUILDS_REQUESTS = frozenset(
    {
        *("_convert_input", "_get_request_payload", "_create_message_dicts", "_chat_params"),
        *("_prepare_request", "validate_input_tools"),
    }
)
"""Functions of the provider packages that put a request together, before anything is sent."""

_PASSING = frozenset({408, 409, 424, 425, 429, 498, 499})
"""Refusals below 500 that another attempt may not meet.

424 is Bedrock's for a model that failed, 498 Groq's for no capacity, 499 that of a cancelled call.
"""

_MISTAKES = (TypeError, LookupError, AttributeError, ImportError, NotImplementedError, AssertionError)
_CALL = Path(__file__).with_name("call.py")  # below which a client is
_LONGEST = 300  # characters of what a client says
_LATER = "try again later"
_ELSEWHERE = "start what should listen there, or correct the address"
_WAYS_OUT = {
    401: "check the key",
    402: "check the account's credit",
    403: "check the key and what it allows",
    404: "check the model's name and its address",
    429: "wait, or raise the limit at the provider",
}

_REPLY_REFUSED = re.compile(
    r"tool_use_failed|json_validate_failed|output_parse_failed|output blocked", re.IGNORECASE
)
"""With status 400, Groq refuses a reply that it cannot parse, and Anthropic one that its filter stopped."""

_CLIENTS = r"(?:Async)?(?:Completions|Responses|Messages|Models|Client)\.\w+|\w+\._converse_params"
_UNEXPECTED = re.compile(rf"(?:({_CLIENTS})|.*)\(\) got an unexpected keyword argument '(\w+)'")


def causes(error: BaseException | None, apart_from: Iterable[BaseException] = ()) -> Iterator[BaseException]:
    """An error, what it was raised for, and so on.

    Args:
        error: The error.
        apart_from: Errors of other calls, at which this ends: a call made where another one's error is
            handled has that error as its context.
    """
    seen = {id(other) for other in apart_from}
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def status_of(error: BaseException, apart_from: Iterable[BaseException] = ()) -> int | None:
    """The HTTP status of a refusal: `status_code` on most providers' errors, `code` on Google's.

    With some clients it is `status` (aiohttp's, urllib's, Replicate's), with some it stands on the error's
    `response`: httpx's, requests', and boto's, which is a dict.
    What broke while a reply was under way has a status too with some, of the reply or of nothing: neither
    is a refusal. Nor is the `code` of what an HTTP client could not read, which aiohttp has as `status` too.
    """
    statuses = (status for cause in causes(error, apart_from) for status in _statuses(cause))
    return next((status for status in statuses if isinstance(status, int) and 400 <= status < 600), None)


def is_final(error: BaseException, apart_from: Iterable[BaseException] = ()) -> bool:
    """Whether a call was refused for what it asks, so that the same call would be refused again.

    Args:
        error: What the call raised.
        apart_from: As for `causes`.

    Example:
        >>> from urllib.error import HTTPError
        >>> [is_final(HTTPError("", status, "", {}, None)) for status in (400, 401, 429, 503)]
        [True, True, False, False]
    """
    status = status_of(error, apart_from)
    return status is not None and status < 500 and status not in _PASSING and not refuses_reply(error)


def refuses_reply(error: BaseException) -> bool:
    """Whether a call was refused for what the model wrote, so that another sample may pass.

    Example:
        >>> refuses_reply(ValueError("400: {'error': {'code': 'tool_use_failed', 'failed_generation': ''}}"))
        True
    """
    return any(_REPLY_REFUSED.search(str(cause)) for cause in causes(error))


def reported(error: BaseException) -> str | None:
    """What a client reports of a call that failed, with the way out; None where the error is a bug.

    A client reports a refusal by its status, an address where nobody answers, or whatever else is raised
    below it, such as a timeout or credentials that are missing; but what Python raises of a mistake in code
    is none of that, unless it says that the request could not be made.

    Args:
        error: What a question raised.

    Example:
        >>> from urllib.error import HTTPError
        >>> reported(HTTPError("", 401, "Unauthorized", {}, None)), reported(KeyError("text"))
        ('HTTP Error 401: Unauthorized; check the key', None)
    """
    status, said = status_of(error), " ".join(str(error).split()) or type(error).__name__
    if is_unreachable(error):
        said, way_out = f"nobody answers at its address ({list(causes(error))[-1]})", _ELSEWHERE
    elif status is not None:
        way_out = _WAYS_OUT.get(status, _LATER if status >= 500 else "")
    elif isinstance(error, LangChainException) or was_never_sent(error, {}) or _comes_from_client(error):
        way_out = ""
    else:
        return None
    if len(said) > _LONGEST:
        said = f"{said[:_LONGEST]}..."
    return without_keys(f"{said}; {way_out}" if way_out else said)


def is_mistake(error: BaseException) -> bool:
    """Whether Python raises it of a mistake in code, which the same call would make again."""
    return isinstance(error, _MISTAKES)


def _comes_from_client(error: BaseException) -> bool:
    """Whether it was raised below a call of ours, by the code of others, and is no mistake in code."""
    files = [Path(frame.f_code.co_filename) for frame, _ in walk_tb(error.__traceback__)]
    below_call = _CALL in files and not files[-1].is_relative_to(_CALL.parents[1])
    return below_call and not is_mistake(error)


def _statuses(error: BaseException) -> Iterator[Any]:
    kinds = type(error).__mro__
    if any(kind.__name__ == "HttpProcessingError" for kind in type(error.__cause__).__mro__):
        return
    yield getattr(error, "code" if any(_is_googles(kind) for kind in kinds) else "status_code", None)
    yield getattr(error, "status", None)
    response: Any = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        yield getattr(response, "status_code", None)
    elif all(kind.__name__ != "EventStreamError" for kind in kinds):  # boto's, in the middle of a reply
        metadata = response.get("ResponseMetadata")
        yield metadata.get("HTTPStatusCode") if isinstance(metadata, Mapping) else None


def _is_googles(kind: type) -> bool:
    return kind.__module__.startswith("google.")


def was_never_sent(error: BaseException, settings: Mapping[str, Any]) -> bool:
    """Whether a call failed while its request was put together, so that nothing was sent or billed.

    Certain are two cases: the error comes out of the function with which a provider's package builds its
    requests, or the function that sends does not take an argument, which Python finds before it runs it.

    Args:
        error: What the call raised.
        settings: The arguments of the call.
    """
    unexpected = _UNEXPECTED.match(str(error)) if isinstance(error, TypeError) else None
    if unexpected and (unexpected[1] or unexpected[2] in settings):
        return True
    return any(frame.f_code.co_name in _BUILDS_REQUESTS for frame, _ in walk_tb(error.__traceback__))


def is_unreachable(error: BaseException, apart_from: Iterable[BaseException] = ()) -> bool:
    """Whether there is no endpoint at the address, or none at the moment: nothing was sent."""
    return any(isinstance(cause, ConnectionRefusedError | gaierror) for cause in causes(error, apart_from))


def retry_after(error: BaseException) -> float | None:
    """Seconds that the endpoint asks to wait, None if it names no time.

    Source:
        RFC 9110, section 10.2.3: a number of seconds, or a date; `retry-after-ms` is OpenAI's own.
    """
    pauses = (_pause_in(headers) for cause in causes(error) for headers in _headers_of(cause))
    return next((pause for pause in pauses if pause is not None), None)


def _headers_of(cause: BaseException) -> Iterator[dict[str, str]]:
    """The headers of a refusal, wherever a provider's package keeps them; their names in small letters."""
    response = getattr(cause, "response", None)
    kept = [getattr(response, "headers", None), getattr(cause, "headers", None)]
    if isinstance(response, Mapping):  # botocore's
        metadata = response.get("ResponseMetadata")
        kept += [
            response.get("headers"),
            metadata.get("HTTPHeaders") if isinstance(metadata, Mapping) else None,
        ]
    for headers in kept:
        if isinstance(headers, Mapping | Message):
            yield {str(name).lower(): str(value) for name, value in headers.items()}


def _pause_in(headers: Mapping[str, str]) -> float | None:
    for name, seconds in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            pause = float(headers[name]) * seconds
        except (KeyError, ValueError):
            continue
        if not isnan(pause):
            return max(0.0, pause)
    try:
        then = parsedate_to_datetime(headers["retry-after"])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return None
    zoned = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())
