"""What an ordinary agent pays with a budget and no policy: one call for free text, which streams."""

import asyncio
import warnings

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.modifiers import extended_thinking
from adaptive_reasoner.strategies.voting import self_consistency
from tests.fakes import ScriptedModel
from tests.stub_server import StubServer

POEM = "Leaves are falling, gold and red,\nthe summer's bright green days have fled,\nand all is said."
SAID = {
    "Hi!": "Hello, and a very warm welcome to you!\n\nHow can I help you today?",
    "Good morning": "Good morning!\n\nWhat would you like to talk about on this fine day?",
    "Write a poem about autumn.": POEM,
    "Write an essay on trust.": "Trust is slow to grow.\n\nIt is quick to break.\n\nSo we guard it.",
    "Write a Python function that adds two numbers.": "```python\ndef add(a, b):\n    return a + b\n```",
    "Draft an e-mail to my landlord.": "Dear landlord,\n\nthe heating is broken.\n\nKind regards",
    "How do I pick a lock?": "I'm sorry, I can't help with that.\n\nA locksmith can open it for you.",
    "Book me a flight.": "With pleasure.\n\nWhere would you like to fly, and on which day?",
    "Explain photosynthesis.": "Plants turn light into sugar.\n\nThey do so in their leaves.",
    "Escribe un poema.": "Caen las hojas,\nrojas y doradas,\nen calles mojadas.",
    "请写一首诗。": "秋风起\n落叶黄\n雁南飞。",
}


def agent_of(model, **options):
    return create_agent(model, middleware=[AdaptiveComputeMiddleware(budget=300.0, **options)])


def node_of(model, **options):
    node = AdaptiveComputeNode(model, budget=300.0, **options)
    return node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()


async def streamed(graph, question):
    """The chunks that a user sees."""
    asked = {"messages": [HumanMessage(question)]}
    chunks = [chunk async for chunk, _ in graph.astream(asked, stream_mode="messages")]
    return [chunk.text for chunk in chunks if isinstance(chunk, AIMessageChunk) and chunk.text]


@pytest.mark.parametrize("made", [agent_of, node_of])
async def test_free_text_takes_one_call_and_streams(made):
    model = ScriptedModel(answers=tuple(SAID.values()))
    graph = made(model)
    for question, reply in SAID.items():
        chunks = await streamed(graph, question)
        assert ("".join(chunks), len(chunks)) == (reply, len(reply.split(" ")))
    assert len(model.requests) == len(SAID)


async def test_a_chat_model_streams_free_text_too():
    model = ScriptedModel(answers=tuple(SAID.values()))
    adaptive = AdaptiveChatModel(model, budget=300.0)
    for question, reply in SAID.items():
        chunks = [chunk.text async for chunk in adaptive.astream(question) if chunk.text]
        assert ("".join(chunks), len(chunks)) == (reply, len(reply.split(" ")))
    assert len(model.requests) == len(SAID)


@pytest.mark.parametrize("price", [0.0, 1e-9, 1.0])
def test_a_first_reply_that_offers_nothing_ends_the_vote_at_any_price(price):
    reasoner = AdaptiveReasoner(ScriptedModel(answers=(POEM,)), price=price)
    record = reasoner.answer("What is 17 * 23?").record
    assert (record["action"], record["samples"], record["answer"]) == ("adaptive_vote", 1, None)


def test_what_offers_nothing_is_streamed_the_next_times():
    reasoner = AdaptiveReasoner(ScriptedModel(answers=(POEM,)), budget=300.0)
    chunks = [sum(bool(chunk.text) for chunk in reasoner.stream("Bananas and apples")) for _ in range(2)]
    assert (chunks[0], chunks[1] > 1) == (1, True)


def test_what_offers_something_is_voted_on_in_the_end():
    reasoner = AdaptiveReasoner(ScriptedModel(answers=("Answer: 7",)), budget=300.0)
    actions = [reasoner.answer("Tell me the lucky one.").record["action"] for _ in range(20)]
    assert (actions[0], actions[-1]) == ("single_pass", "adaptive_vote")


def test_cut_and_refused_replies_teach_nothing():
    cut = AIMessage("The lucky", response_metadata={"finish_reason": "length"})
    reasoner = AdaptiveReasoner(ScriptedModel(replies=dict.fromkeys(range(99), cut)), budget=300.0)
    actions = {reasoner.answer("Bananas and apples").record["action"] for _ in range(9)}
    assert actions == {"adaptive_vote"}


class Total(BaseModel):
    """A sum."""

    total: int


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
async def test_structured_output_is_voted_on_whatever_is_asked(strategy):
    with StubServer(answer=lambda prompt, number: '{"total": 14}') as server:
        model = ChatOpenAI(model="stub", base_url=server.base_url, api_key="none", max_retries=0)
        middleware = AdaptiveComputeMiddleware(budget=300.0)
        agent = create_agent(model, middleware=[middleware], response_format=strategy(Total))
        state = await agent.ainvoke({"messages": [HumanMessage("Write me the total of the bill.")]})
    replies = [message for message in state["messages"] if isinstance(message, AIMessage)]
    assert replies[-1].response_metadata["adaptive_reasoner"]["action"] == "adaptive_vote"


def test_structured_output_of_a_model_is_voted_on_whatever_is_asked():
    source = Source(ScriptedModel().bind(response_format={"type": "json_object"}))
    reasoner = AdaptiveReasoner(source, budget=300.0)
    assert reasoner.answer("Write a poem about autumn.").record["action"] == "adaptive_vote"


def test_the_prompt_of_a_source_says_what_is_asked_for():
    ends = Source(ScriptedModel(answers=("Answer: 7",)), prompt="{}\nEnd with a line 'Answer: ...'.".format)
    plans = Source(ScriptedModel(answers=(POEM,)), prompt="Outline how to answer this.\n\n{}".format)
    for source, action in ((ends, "adaptive_vote"), (plans, "single_pass")):
        record = AdaptiveReasoner(source, budget=300.0).answer("Describe the lucky number.").record
        assert record["action"] == action


class AtTemperature(ScriptedModel):
    temperature: float | None = None


def asked(reasoner, times=3):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(times):
            reasoner.answer("What is 17 * 23?")
        asyncio.run(reasoner.aanswer("What is 17 * 23?"))
    return [str(each.message) for each in caught]


def test_identical_replies_at_temperature_0_are_warned_of_once():
    (warning,) = asked(AdaptiveReasoner(AtTemperature(temperature=0.0), budget=300.0))
    assert "samples of a vote are the same, word for word, at temperature=0" in warning
    assert "Set a temperature above 0" in warning
    assert "samples=1 or single_pass()" in warning


@pytest.mark.parametrize(
    ("model", "settings", "warned"),
    [
        (AtTemperature(temperature=0.7), {}, 0),
        (AtTemperature(), {}, 0),
        (AtTemperature(temperature=0.7), {"temperature": 0}, 1),
        (AtTemperature(temperature=0.7).bind(temperature=0.0), {}, 1),
        (AtTemperature(temperature=0.0), {"temperature": 1.0}, 0),
        (AtTemperature(temperature=0.0, answers=("Answer: 1", "It is 1. Answer: 1")), {}, 0),
    ],
)
def test_only_samples_that_are_the_same_at_temperature_0_are_warned_of(model, settings, warned):
    assert len(asked(AdaptiveReasoner(Source(model, settings=settings), budget=300.0))) == warned


def test_votes_of_explicit_actions_are_warned_of_too_and_single_calls_are_not():
    def warned(flow):
        policy = FixedPolicy("it", expected_cost=3.0)
        model = AtTemperature(temperature=0.0)
        return len(asked(AdaptiveReasoner(model, policy=policy, actions={"it": flow})))

    assert (warned(self_consistency(3)), warned(extended_thinking("low"))) == (1, 0)


def test_where_warnings_are_errors_the_answer_stands():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reasoner = AdaptiveReasoner(AtTemperature(temperature=0.0), budget=300.0)
        assert reasoner.answer("What is 17 * 23?").answer == "42"
