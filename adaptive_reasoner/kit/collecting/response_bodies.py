"""Response bodies: their size is bounded, and an error in one gets its status."""

import json
import zlib
from collections.abc import AsyncIterator, Mapping
from importlib import import_module
from typing import Any

from adaptive_reasoner.models.replies import LostReplyError

LARGEST_REPLY = 32 * 2**20
"""The most bytes of a reply, unpacked."""

LARGEST_FILE = 2**30
"""The most bytes of anything else, such as the output of a batch."""

ENCODINGS = "gzip"
"""The `Accept-Encoding` of a client whose bodies are bounded: what can be unpacked in parts."""

_CALLS = ("/completions", "/responses")
_BROKEN = 502
_STATUSES = {  # words in the `code` or `type` of an error, and the status they usually have
    "rate_limit": 429,
    "too_many_requests": 429,
    "insufficient_quota": 429,
    "overloaded": 503,
    "authentication": 401,
    "api_key": 401,
    "permission": 403,
    "not_found": 404,
    "invalid_request": 400,
    "invalid_prompt": 400,
    "context_length": 400,
    "content_policy": 400,
}


async def check_body(response: Any) -> None:
    """A hook for the responses of an `httpx` client: it bounds the body, and gives an error its status.

    Gateways send errors under status 200, in the body alone. With the status they stand for, they are billed
    and tried again as such. A stream that was asked for is left to its reader, which takes it piece by piece.

    Raises:
        LostReplyError: The body is longer than allowed, or packed in a way that was not asked for.
    """
    if _is_stream(response):
        return
    path = response.request.url.path
    is_call = response.request.method == "POST" and path.endswith(_CALLS)
    body = await _read(response, LARGEST_REPLY if is_call else LARGEST_FILE)
    response.headers.pop("content-encoding", None)
    response.stream = http_library(response).ByteStream(body)
    if is_call and response.status_code == 200:
        response.status_code = error_status(body) or 200


def http_library(made: Any) -> Any:
    """The library that made a request or a response: `httpx`, or the successor that openai 3 uses.

    Example:
        >>> import httpx
        >>> http_library(httpx.Request("GET", "http://localhost")) is httpx
        True
    """
    return import_module(type(made).__module__.partition(".")[0])


def error_status(body: bytes | Mapping[str, Any]) -> int | None:
    """The status of an error that came under status 200; None where the body is a reply, or cannot be read.

    Example:
        >>> error_status(b'{"error": {"message": "Provider returned error", "code": 429}}')
        429
        >>> error_status({"choices": None}), error_status(b"<html>Bad gateway</html>")
        (502, 502)
        >>> error_status({"choices": [{"message": {"content": "42"}}]})
    """
    if isinstance(body, bytes):
        if body.lstrip().startswith(b"<"):
            return _BROKEN
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):  # the client says what is wrong with it: the reply is lost
            return None
    if not isinstance(body, Mapping):
        return _BROKEN
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    for part in (body, first):
        if isinstance(part, Mapping) and part.get("error"):
            return _status_of(part["error"], part)
    if body.get("output") is not None and "choices" not in body:  # of the Responses API
        return None
    whole = isinstance(first, Mapping) and isinstance(first.get("message"), Mapping)
    return None if whole else _BROKEN


def _status_of(error: Any, around: Mapping[str, Any]) -> int:
    fields = error if isinstance(error, Mapping) else {}
    codes = [fields.get("code"), fields.get("status"), around.get("code"), around.get("status")]
    for code in codes:
        if isinstance(code, int | str) and str(code).isdecimal() and 400 <= int(code) < 600:
            return int(code)
    words = " ".join(str(word).lower() for word in (*codes, fields.get("type")))
    return next((status for word, status in _STATUSES.items() if word in words), _BROKEN)


def _is_stream(response: Any) -> bool:
    """Whether a response is a stream of events that its request has asked for."""
    kind = response.headers.get("content-type", "")
    return kind.startswith("text/event-stream") and bool(json.loads(response.request.content).get("stream"))


async def _read(response: Any, most: int) -> bytes:
    """The body, unpacked."""
    stream, packed = response.stream, response.headers.get("content-encoding", "identity").strip().lower()
    body = bytearray()
    try:
        async for part in _unpacked(stream, packed, most):
            body += part
            if len(body) > most:
                raise LostReplyError(f"the body is longer than {most:,} bytes; the rest was not read")
    finally:
        await stream.aclose()
    return bytes(body)


async def _unpacked(stream: Any, packed: str, most: int) -> AsyncIterator[bytes]:
    """The parts of a body, none longer than it may be as a whole and one byte more."""
    if packed in ("", "identity"):
        async for part in stream:
            yield part
        return
    if packed not in ("gzip", "x-gzip"):
        raise LostReplyError(f"the body is packed as {packed!r}, which was not asked for")
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        async for part in stream:
            yield unpack.decompress(part, most + 1)
        yield unpack.flush()
    except zlib.error as error:
        raise LostReplyError(f"the body cannot be unpacked: {error}") from error
