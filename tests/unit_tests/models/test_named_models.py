"""A model by its name, as LangChain takes it, wherever a model is taken."""

import pytest
from langchain.chat_models import init_chat_model
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph

from adaptive_reasoner import (
    AdaptiveChatModel,
    AdaptiveComputeNode,
    AdaptiveReasoner,
    FixedPolicy,
    Judge,
    Source,
    best_of_n,
    on,
    single_pass,
    switch_model,
)
from tests.fakes import ScriptedModel
from tests.stub_server import StubServer

NAME = "openai:gpt-5-mini"
PASS = {"policy": FixedPolicy("single_pass", expected_cost=5), "budget": 30.0}


@pytest.fixture(autouse=True)
def server(monkeypatch):
    with StubServer(answer=lambda prompt, number: "The answer is 14. Score: 9") as running:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_BASE", running.base_url)
        yield running


def in_graph(model):
    node = AdaptiveComputeNode(model, actions={"single_pass": single_pass()}, **PASS)
    graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()
    return graph.invoke({"messages": [("user", "5 + 9?")]})["messages"][-1]


def answered(model=None, *, flow=None):
    actions = {"single_pass": flow or single_pass()}
    return AdaptiveReasoner(model or ScriptedModel(), actions=actions, **PASS).invoke("5 + 9?")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: answered(NAME),
        lambda: answered(Source(NAME)),
        lambda: answered(init_chat_model(NAME, configurable_fields=("temperature",))),
        lambda: in_graph(NAME),
        lambda: AdaptiveChatModel(NAME, actions={"single_pass": single_pass()}, **PASS).invoke("5 + 9?"),
        lambda: AdaptiveChatModel(inner=NAME, actions={"single_pass": single_pass()}, **PASS).invoke(
            "5 + 9?"
        ),
        lambda: answered(flow=switch_model(NAME)),
        lambda: answered(flow=on(Source(NAME))),
    ],
)
def test_the_model_of_a_name_answers(ask, server):
    assert ask().text.startswith("The answer is 14")
    assert [body["model"] for body in server.bodies] == ["gpt-5-mini"]


def test_a_judge_may_be_named_too(server):
    answered(flow=best_of_n(2, Judge(NAME)))
    assert [body["model"] for body in server.bodies] == ["gpt-5-mini"] * 2


def test_a_name_is_made_once(server):
    source = Source(NAME)
    assert isinstance(source.model, ChatOpenAI)
    assert source.called({})[0] == ["gpt-5-mini"]


def test_a_name_that_tells_no_provider_is_refused_at_construction():
    with pytest.raises(ValueError, match="provider"):
        Source("nobody-knows")
