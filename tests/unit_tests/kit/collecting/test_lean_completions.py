"""Lean chat completions send what the client sends, read what it reads, and fail as it fails."""

import logging
from functools import wraps

import pytest
from pydantic import BaseModel

from adaptive_reasoner.kit.collecting.http_clients import Connections
from adaptive_reasoner.kit.menu.retries import refuses_all, worth_another
from adaptive_reasoner.models.api_errors import is_unreachable, retry_after, status_of
from adaptive_reasoner.models.replies import LostReplyError
from adaptive_reasoner.models.source import Source
from tests.stub_server import StubServer

openai = pytest.importorskip("openai")
langchain_openai = pytest.importorskip("langchain_openai")

from adaptive_reasoner.kit.collecting.lean_completions import LeanCompletions  # noqa: E402

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


class Prediction(BaseModel):
    """A part of a payload that is no plain object."""

    content: str
    type: str


class Gateway(StubServer):
    """Gives one reply to all that is asked with a query."""

    def __init__(self, status, content):
        super().__init__()
        self._given = status, content

    def other(self, method, path, content):
        return self._given


class OtherModel(langchain_openai.ChatOpenAI):
    """A model of a provider that reads typed replies."""


def model(base_url="http://127.0.0.1:1/v1", kind=langchain_openai.ChatOpenAI, **given):
    return kind(**{"base_url": base_url, "api_key": "key", "model": "stub", **given})


async def called(own, question="How many?", *, lean, **settings):
    """The reply of a model with or without lean completions, or its error."""
    async with Connections({"ask": Source(own)}) as connections:
        connected = connections.sources["ask"].model
        assert isinstance(connected.async_client, LeanCompletions)
        if not lean:
            typed = connected.root_async_client.chat.completions
            connected = connected.model_copy(update={"async_client": typed})
        try:
            return await connected.ainvoke(question, **settings)
        except (OSError, ValueError, TypeError, openai.OpenAIError, LostReplyError) as error:
            return error


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.5, "stop": ["x"], "n": 2},
        {"tools": [TOOL]},
        {"extra_body": {"top_k": 5}},
        {"temperature": openai.NOT_GIVEN, "top_p": openai.omit},
        {"prediction": Prediction(type="content", content="5")},
    ],
    ids=["plain", "settings", "tools", "more than a payload", "nothing given", "an object"],
)
async def test_the_same_is_sent_and_read(settings):
    sent, read = [], []
    for lean in (True, False):
        with StubServer(answer=lambda *_: "Größe: 5 €") as stub:
            own = model(stub.base_url, default_headers={"x-own": "1"}, organization="org")
            reply = await called(own, "Wie groß?", lean=lean, **settings)
            read.append((reply.text, reply.usage_metadata, reply.response_metadata["finish_reason"]))
            sent.append((stub.bodies, [_named(each) for each in stub.headers]))
    assert sent[0] == sent[1]
    assert read[0] == read[1]


@pytest.mark.parametrize("name", ["Authorization", "authorization", "content-type", "User-Agent"])
async def test_a_header_of_the_users_takes_the_place_of_the_clients(name):
    sent = []
    for lean in (True, False):
        with StubServer() as stub:
            await called(model(stub.base_url, default_headers={name: "own"}), lean=lean)
            sent.append(stub.headers[0][name.lower()])
    assert sent[0] == sent[1]
    assert "own" in sent[0]


def _named(headers):
    """All but the address, and the mark by which the client knows what to make of its reply."""
    return {
        name: value for name, value in headers.items() if name not in ("host", "x-stainless-raw-response")
    }


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": "7", "completion_tokens": "2", "total_tokens": "9"},
        {
            "prompt_tokens": 7,
            "completion_tokens": 2.0,
            "completion_tokens_details": {"reasoning_tokens": "1"},
        },
        {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9, "cost": 0.5},
        {"prompt_tokens": 7, "completion_tokens": -2},
        {},
        None,
    ],
)
async def test_usage_is_read_as_the_client_reads_it(usage):
    reply = {
        "id": "1",
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "5"}}],
    }
    read = []
    for lean in (True, False):
        with Gateway(200, reply) as stub:
            found = await called(model(stub.base_url, default_query={"of": "us"}), lean=lean)
            read.append(found.usage_metadata)
    assert read[0] == read[1]


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (404, {"detail": "no such model"}),
        (403, b"<html>" + b"Forbidden " * 500 + b"</html>"),
        (500, {"error": {"message": "overloaded", "code": "busy"}}),
        (418, b""),
    ],
    ids=["no message", "a page", "a message", "nothing"],
)
async def test_a_refusal_is_told_as_the_client_tells_it(status, content):
    told = []
    for lean in (True, False):
        with Gateway(status, content) as stub:
            error = await called(model(stub.base_url, default_query={"of": "us"}), lean=lean)
            told.append((type(error), str(error), error.body, status_of(error)))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "fault",
    ["400", "401", "404", "429", "500", "503", "bad json", "cut", "reset", "hang", "empty", "refused"],
)
async def test_an_error_is_that_of_the_client(fault):
    judged = []
    for lean in (True, False):
        with StubServer(faults={0: fault}, asks_pause="retry-after: 7.5") as stub:
            base_url = stub.base_url
            error = await called(model(base_url, timeout=0.5), lean=lean) if fault != "refused" else None
        if error is None:
            error = await called(model(base_url), lean=lean)
        if not isinstance(error, Exception):  # an empty reply is one
            judged.append(error.text)
            continue
        asked = (status_of, worth_another, refuses_all, retry_after, is_unreachable)
        judged.append([type(error).__name__, str(error), *(ask(error) for ask in asked)])
    assert judged[0] == judged[1]


async def test_an_unknown_argument_is_refused_before_anything_is_sent():
    with StubServer() as stub:
        error = await called(model(stub.base_url), lean=True, top_k=5)
    assert isinstance(error, TypeError)
    assert not stub.bodies


@pytest.mark.parametrize(
    "given",
    [{"kind": OtherModel}, {"api_key": lambda: "key"}],
    ids=["another model", "a key that is asked for"],
)
def test_what_only_the_client_knows_goes_through_it(given):
    assert not _is_lean(model(**given))


def _is_lean(own):
    connected = Connections({"ask": Source(own)}).sources["ask"].model
    return isinstance(connected.async_client, LeanCompletions)


def test_a_client_that_logs_its_calls_makes_them(caplog):
    with caplog.at_level(logging.DEBUG, "openai"):
        assert not _is_lean(model())
    assert _is_lean(model())


@pytest.mark.parametrize(
    ("patched", "name"),
    [(openai.resources.chat.AsyncCompletions, "create"), (openai.AsyncOpenAI, "request")],
    ids=["completions", "client"],
)
def test_a_tracer_in_place_of_the_client_sees_its_calls(monkeypatch, patched, name):
    seen = getattr(patched, name)

    @wraps(seen)
    async def traced(*args, **settings):
        return await seen(*args, **settings)

    monkeypatch.setattr(patched, name, traced)
    assert not _is_lean(model())


async def test_streams_go_through_the_client():
    with StubServer(answer=lambda *_: "Answer: 7") as stub:
        own = model(stub.base_url, include_response_headers=True)
        async with Connections({"ask": Source(own)}) as connections:
            chunks = [chunk.text async for chunk in connections.sources["ask"].model.astream("How many?")]
    assert "".join(chunks) == "Answer: 7"
