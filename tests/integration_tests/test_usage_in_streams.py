"""What a question cost is known, and counted once, also where a graph streams its messages."""

from typing import Annotated, TypedDict

import pytest
from langchain_core.runnables import ConfigurableField
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages

from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.stub_server import StubServer

openai = pytest.importorskip("langchain_openai")


class State(TypedDict):
    messages: Annotated[list, add_messages]


@pytest.mark.parametrize("action", ["once", "vote"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("driver", ["sync", "async"])
async def test_usage_is_that_of_the_endpoint_streamed_or_not(action, streamed, driver):
    with StubServer(lambda prompt, number: "Answer: 42") as stub:
        model = openai.ChatOpenAI(base_url=stub.base_url, api_key="none", model="stub")
        node = AdaptiveComputeNode(
            Source(model, max_tokens=8),
            policy=FixedPolicy(action),
            actions={"once": single_pass(), "vote": self_consistency(3)},
        )
        graph = node.attach(StateGraph(State)).add_edge(START, "adaptive_compute").compile()
        asked = {"messages": [("human", "6 * 7?")]}
        modes = ["messages", "values"] if streamed else ["values"]
        if driver == "sync":
            events = list(graph.stream(asked, stream_mode=modes))
        else:
            events = [event async for event in graph.astream(asked, stream_mode=modes)]
    answer = [state for mode, state in events if mode == "values"][-1]["messages"][-1]
    assert answer.usage_metadata["output_tokens"] == stub.billed == 3 * len(stub.bodies)
    shown = {chunk.id for mode, event in events if mode == "messages" for chunk in event[:1]}
    assert len(shown) == int(streamed)


WRAPPERS = {
    "bind": lambda model: model.bind(temperature=0.5),
    "with_config": lambda model: model.with_config(tags=["mine"]),
    "with_retry": lambda model: model.with_retry(),
    "with_fallbacks": lambda model: model.with_fallbacks([model]),
    "fields": lambda model: model.configurable_fields(temperature=ConfigurableField("warmth")),
    "nested": lambda model: (
        model.configurable_fields(temperature=ConfigurableField("warmth")).with_retry().bind(stop=["zz"])
    ),
}


@pytest.mark.parametrize("action", ["once", "vote"])
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_usage_is_that_of_the_endpoint_whatever_is_around_the_model(wrap, action):
    with StubServer(lambda prompt, number: "Answer: 42") as stub:
        model = openai.ChatOpenAI(base_url=stub.base_url, api_key="none", model="stub")
        node = AdaptiveComputeNode(
            Source(wrap(model), max_tokens=8),
            policy=FixedPolicy(action),
            actions={"once": single_pass(), "vote": self_consistency(3)},
        )
        graph = node.attach(StateGraph(State)).add_edge(START, "adaptive_compute").compile()
        events = list(graph.stream({"messages": [("human", "6 * 7?")]}, stream_mode=["messages", "values"]))
    answer = [state for mode, state in events if mode == "values"][-1]["messages"][-1]
    assert answer.usage_metadata["output_tokens"] == stub.billed == 3 * len(stub.bodies)
    assert len(stub.bodies) == (1 if action == "once" else 2)
