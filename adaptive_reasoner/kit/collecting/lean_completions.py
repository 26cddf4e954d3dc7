"""Chat completions for many calls: a payload goes out, and a reply comes in, with little work on either."""

import inspect
import json
from functools import cached_property
from importlib import import_module
from typing import Any

import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from openai.resources.chat import AsyncCompletions
from openai.resources.chat.completions import AsyncCompletionsWithRawResponse
from typing_extensions import override

_PAYLOAD = frozenset(inspect.signature(AsyncCompletions.create).parameters) - {
    *("self", "extra_headers", "extra_query", "extra_body", "timeout")
}
"""The arguments of a call that are sent as they are."""

_ERRORS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}


def completions_of(model: BaseChatModel, client: openai.AsyncOpenAI, http: Any) -> AsyncCompletions:
    """The chat completions of a client; its own where only it knows the way, or a model reads typed replies.

    Args:
        model: Makes the calls.
        client: Knows the address, the key and the headers.
        http: Its HTTP client.
    """
    plain = type(model) is ChatOpenAI and type(client) is openai.AsyncOpenAI
    timed = client.timeout is None or isinstance(client.timeout, int | float | openai.Timeout)
    lean = plain and timed and client.api_key and not client.default_query
    return LeanCompletions(client, http) if lean else client.chat.completions


class LeanCompletions(AsyncCompletions):
    """Chat completions whose raw replies are read as JSON, and not as objects of their types.

    The client walks through every payload by its types, merges headers anew, and makes objects of a reply,
    which LangChain turns into JSON again: half of the processor time of a call. What is more than a payload
    and a reply, as a stream or headers of its own, goes through the client. Errors are the client's.

    Args:
        client: Knows the address, the key and the headers.
        http: Its HTTP client.
    """

    def __init__(self, client: openai.AsyncOpenAI, http: Any) -> None:
        super().__init__(client)
        self._http = http

    @cached_property
    @override
    def with_raw_response(self) -> AsyncCompletionsWithRawResponse:
        return _RawReplies(self, self._http)


class _RawReplies(AsyncCompletionsWithRawResponse):
    def __init__(self, completions: LeanCompletions, http: Any) -> None:
        super().__init__(completions)
        client = completions._client
        headers = {**client.default_headers, **client.auth_headers}
        self._headers = {name: value for name, value in headers.items() if isinstance(value, str)}
        self._url = f"{str(client.base_url).rstrip('/')}/chat/completions"
        self._http, self._timeout, self._typed = http, client.timeout, self.create
        self.create: Any = self._create

    async def _create(self, **payload: Any) -> Any:
        """The reply to a payload, of which `parse` returns the JSON.

        Raises:
            openai.APIError: It could not be sent, or was refused.
        """
        if payload.get("stream") or not payload.keys() <= _PAYLOAD:
            return await self._typed(**payload)
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        made = {"headers": self._headers, "content": body, "timeout": self._timeout}
        request = self._http.build_request("POST", self._url, **made)
        library = import_module(type(request).__module__.partition(".")[0])  # openai 3 uses a successor
        try:
            response = await self._http.send(request)
        except library.TimeoutException as error:
            raise openai.APITimeoutError(request=request) from error
        except library.RequestError as error:
            raise openai.APIConnectionError(request=request) from error
        if not response.is_success:
            raise _refusal(response)
        return _RawReply(response)


class _RawReply:
    """A reply as it came."""

    def __init__(self, response: Any) -> None:
        self.http_response, self.headers = response, response.headers

    def parse(self) -> Any:
        """The JSON of the reply, or the text of another body."""
        kind = self.headers.get("content-type", "").partition(";")[0]
        return self.http_response.json() if kind.endswith("json") else self.http_response.text


def _refusal(response: Any) -> openai.APIStatusError:
    """The error for a status."""
    status = response.status_code
    try:
        body = response.json()
    except ValueError:
        body = response.text
    said = body.get("error", body) if isinstance(body, dict) else body
    message = said.get("message", said) if isinstance(said, dict) else said
    other = openai.InternalServerError if status >= 500 else openai.APIStatusError
    return _ERRORS.get(status, other)(f"Error code: {status} - {message}", response=response, body=said)
