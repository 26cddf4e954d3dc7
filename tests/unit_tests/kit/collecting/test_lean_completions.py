"""Lean chat completions send what the client sends, read what it reads, and fail as it fails."""

import pytest

from adaptive_reasoner.kit.collecting.http_clients import Connections
from adaptive_reasoner.kit.menu.retries import refuses_all, retry_after, worth_another
from adaptive_reasoner.models.api_errors import is_unreachable, status_of
from adaptive_reasoner.models.replies import LostReplyError
from adaptive_reasoner.models.source import Source
from tests.stub_server import StubServer

openai = pytest.importorskip("openai")
langchain_openai = pytest.importorskip("langchain_openai")

from adaptive_reasoner.kit.collecting.lean_completions import LeanCompletions  # noqa: E402

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


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
    [{}, {"temperature": 0.5, "stop": ["x"], "n": 2}, {"tools": [TOOL]}, {"extra_body": {"top_k": 5}}],
    ids=["plain", "settings", "tools", "more than a payload"],
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


def _named(headers):
    """Those that name a caller, and not the attempt: a lean call has one attempt."""
    attempt = ("host", "x-stainless-retry-count", "x-stainless-read-timeout", "x-stainless-raw-response")
    return {name: value for name, value in headers.items() if name not in (*attempt, "idempotency-key")}


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
    [{"kind": OtherModel}, {"default_query": {"version": "1"}}, {"api_key": lambda: "key"}],
    ids=["another model", "a query", "a key that is asked for"],
)
def test_what_only_the_client_knows_goes_through_it(given):
    connected = Connections({"ask": Source(model(**given))}).sources["ask"].model
    assert type(connected.async_client).__name__ == "AsyncCompletions"


async def test_streams_go_through_the_client():
    with StubServer(answer=lambda *_: "Answer: 7") as stub:
        own = model(stub.base_url, include_response_headers=True)
        async with Connections({"ask": Source(own)}) as connections:
            chunks = [chunk.text async for chunk in connections.sources["ask"].model.astream("How many?")]
    assert "".join(chunks) == "Answer: 7"
