"""What a question cost is known, and counted once, also where a graph streams its messages."""

from typing import Annotated, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages

from adaptive_reasoner import AdaptiveComputeNode
from adaptive_reasoner.calls import Source
from adaptive_reasoner.policy import FixedPolicy
from adaptive_reasoner.strategies import self_consistency, single_pass
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
