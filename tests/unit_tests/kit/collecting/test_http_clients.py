import asyncio

import pytest

from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.http_clients import LONGEST_CALL, Connections
from adaptive_reasoner.kit.menu.hosted_model import HostedModel
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel
from tests.stub_server import StubServer

openai = pytest.importorskip("openai")
langchain_openai = pytest.importorskip("langchain_openai")


def hosted(**settings):
    return langchain_openai.ChatOpenAI(
        model="stub", base_url="http://127.0.0.1:1/v1", api_key="none", **settings
    )


def test_retries_are_left_to_the_collection_and_sources_of_one_model_share_a_client():
    model = hosted(max_retries=5)
    sources = Connections({"a": Source(model), "b": Source(model), "c": Source(hosted())}).sources
    a, b, c = (sources[name].model for name in "abc")
    assert a.root_async_client.max_retries == c.root_async_client.max_retries == 0
    assert a.root_async_client is b.root_async_client is not c.root_async_client
    assert model.root_async_client.max_retries == 5  # the user's model is as it was


def test_the_way_to_the_endpoint_stays_the_users():
    client = openai.DefaultAsyncHttpxClient()
    model = hosted(http_async_client=client)
    connections = Connections({"a": Source(model)})
    own = connections.sources["a"].model.root_async_client
    assert own.max_retries == 0
    assert own._client is client

    async def use():
        async with connections:
            pass

    asyncio.run(use())
    assert not client.is_closed
    asyncio.run(client.aclose())


def test_a_model_of_a_menu_is_made_without_retries():
    source = Source(HostedModel("stub", base_url="http://127.0.0.1:1/v1"), timeout=9.0)
    connected = Connections({"a": source}).sources["a"]
    assert connected.model.max_retries == 0
    assert connected.timeout == 9.0
    assert Connections({"a": Source(ScriptedModel())}).sources["a"].timeout == LONGEST_CALL


def test_a_client_that_was_used_in_another_loop_does_not_hang():
    with StubServer() as stub:
        model = langchain_openai.ChatOpenAI(model="stub", base_url=stub.base_url, api_key="none")

        async def ask(model):
            return (await model.ainvoke("6 * 7?")).text

        async def collected():
            async with Connections({"a": Source(model)}) as connections:
                return await asyncio.wait_for(ask(connections.sources["a"].model), 20)

        with asyncio.Runner() as runner:
            runner.run(ask(model))
            assert asyncio.run(collected()).startswith("Answer")
            runner.run(model.root_async_client.close())


def test_each_model_is_asked_at_its_own_address(tmp_path):
    with StubServer() as here, StubServer() as there:
        models = {
            name: langchain_openai.ChatOpenAI(model=name, base_url=stub.base_url, api_key="none")
            for name, stub in [("a", here), ("b", there)]
        }
        hosts = {
            "c": HostedModel("c", base_url=here.base_url),
            "d": HostedModel("d", base_url=there.base_url),
        }
        sources = {name: Source(model, max_tokens=8) for name, model in {**models, **hosts}.items()}
        collect([Question("q", "6 * 7?", "42")], Menu(sources, samples=2), tmp_path / "samples.jsonl")
        assert sorted(body["model"] for body in here.bodies) == ["a", "a", "c", "c"]
        assert sorted(body["model"] for body in there.bodies) == ["b", "b", "d", "d"]
