"""Chat completions for many calls: a payload goes out, and a reply comes in, with little work on either."""

import inspect
import json
import logging
import ssl
from functools import cached_property
from types import FunctionType
from typing import Any

import anyio
import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from openai._models import FinalRequestOptions
from openai.resources.chat import AsyncCompletions
from openai.resources.chat.completions import AsyncCompletionsWithRawResponse
from openai.types.chat import ChatCompletion
from typing_extensions import override

from adaptive_reasoner.kit.collecting.response_bodies import http_library

_PAYLOAD = frozenset(inspect.signature(AsyncCompletions.create).parameters) - {
    *("self", "extra_headers", "extra_query", "extra_body", "timeout")
}
"""The arguments of a call that are sent as they are."""


def completions_of(model: BaseChatModel, client: openai.AsyncOpenAI, http: Any) -> AsyncCompletions:
    """The chat completions of a client; its own where only it knows the way, or a model reads typed replies.

    Args:
        model: Makes the calls.
        client: Knows the address, the key and the headers.
        http: Its HTTP client.
    """
    plain = type(model) is ChatOpenAI and type(client) is openai.AsyncOpenAI
    lean = plain and client.auth_headers and not _is_watched()
    return LeanCompletions(client, http) if lean else client.chat.completions


def _is_watched() -> bool:
    """Whether the client logs its calls, or a tracer has put functions of its own in place of its."""
    called: tuple[Any, ...] = (AsyncCompletions.create, openai.AsyncOpenAI.request)
    traced = not all(type(call) is FunctionType and _is_own(call) for call in called)
    return traced or logging.getLogger("openai").isEnabledFor(logging.DEBUG)


def _is_own(call: FunctionType) -> bool:
    return str(call.__globals__["__name__"]).startswith("openai.")


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
        self._client, self._http = completions._client, http
        options = FinalRequestOptions.construct(method="post", url="/chat/completions")
        self._request = self._client._build_request(options)
        del self._request.headers["content-length"]
        self._library = http_library(self._request)
        self._typed = self.create
        self.create: Any = self._create

    async def _create(self, **payload: Any) -> Any:
        """The reply to a payload, of which `parse` returns the JSON.

        Raises:
            openai.APIError: It could not be sent, or was refused.
        """
        if payload.get("stream") or not payload.keys() <= _PAYLOAD:
            return await self._typed(**payload)
        try:
            text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except TypeError:  # the client knows objects that JSON has no form for
            return await self._typed(**payload)
        like = self._request
        made = {"headers": like.headers, "content": text.encode(), "extensions": like.extensions}
        request = self._http.build_request(like.method, like.url, **made)
        library = self._library
        try:
            response = await self._http.send(request)
        except library.TimeoutException as error:
            raise openai.APITimeoutError(request=request) from error
        except (library.RequestError, ssl.SSLError, anyio.EndOfStream) as error:
            raise openai.APIConnectionError(request=request) from error
        if not response.is_success:
            raise self._client._make_status_error_from_response(response)
        return _RawReply(response)


class _RawReply:
    """A reply as it came."""

    def __init__(self, response: Any) -> None:
        self.http_response, self.headers = response, response.headers

    def parse(self) -> Any:
        """The JSON of the reply, with numbers for its usage, or the text of another body."""
        kind = self.headers.get("content-type", "").partition(";")[0]
        if not kind.endswith("json"):
            return self.http_response.text
        body = self.http_response.json()
        if (usage := body.get("usage")) is not None:
            body["usage"] = ChatCompletion.construct(None, usage=usage).model_dump(warnings=False)["usage"]
        return body
