"""A turn without text is answered, and decided on by what there is."""

import asyncio

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.graph import START, MessagesState, StateGraph

from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.models.messages import decision_text
from adaptive_reasoner.models.source import Source, question_of
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.verification import best_of_n
from tests.fakes import ScriptedModel

IMAGE = HumanMessage([{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}])
SOUND = HumanMessage([{"type": "audio", "base64": "UklGRg==", "mime_type": "audio/wav"}])
BOTH = HumanMessage([*IMAGE.content, *SOUND.content])
HELLO = SystemMessage("Say hello.")
turns = pytest.mark.parametrize(
    "turn", [[IMAGE], [SOUND], [HELLO], [HELLO, IMAGE], [HELLO, HumanMessage("")]]
)


def model():
    return ScriptedModel(answers=("A cat.",))


def through_chat_model(messages):
    return AdaptiveChatModel(model(), budget=100.0).invoke(messages)


def through_async_chat_model(messages):
    return asyncio.run(AdaptiveChatModel(model(), budget=100.0).ainvoke(messages))


def through_reasoner(messages):
    return AdaptiveReasoner(model(), budget=100.0).invoke(messages)


def through_node(messages):
    node = AdaptiveComputeNode(model(), budget=100.0)
    graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()
    return graph.invoke({"messages": messages})["messages"][-1]


def through_agent(messages):
    agent = create_agent(model(), [], middleware=[AdaptiveComputeMiddleware(budget=100.0)])
    return agent.invoke({"messages": messages})["messages"][-1]


@turns
@pytest.mark.parametrize(
    "through",
    [through_chat_model, through_async_chat_model, through_reasoner, through_node, through_agent],
)
def test_it_is_answered(through, turn):
    assert through(turn).text == "A cat."


@pytest.mark.parametrize(
    ("turn", "question"),
    [
        ([IMAGE], "[image_url]"),
        ([BOTH], "[image_url, audio]"),
        ([HELLO], "Say hello."),
        ([HELLO, SOUND], "[audio]"),
        ([HELLO, HumanMessage("Go on")], "Go on"),
        ([HumanMessage("A cat?"), AIMessage("Where?"), IMAGE], "A cat?\nWhere?\n[image_url]"),
    ],
)
def test_it_is_decided_on_by_what_there_is(turn, question):
    assert decision_text(turn) == question


@pytest.mark.parametrize("turn", [[], [HumanMessage("")], [HumanMessage([])], [SystemMessage(" ")]])
def test_nothing_at_all_is_no_question(turn):
    with pytest.raises(ValueError, match="there is no question"):
        question_of(turn)


def test_a_scorer_is_told_what_there_is():
    asked = []

    def score(question, message):
        asked.append(question)
        return len(message.text)

    made = AdaptiveReasoner(
        model(), policy=FixedPolicy("b", expected_cost=9), actions={"b": best_of_n(2, score)}
    )
    assert made.invoke([IMAGE]).text == "A cat."
    assert asked == ["[image_url]"] * 2


def test_a_prompt_that_is_made_of_the_text_refuses_a_turn_without_any():
    prompted = Source(model(), prompt="Q: {}".format)
    with pytest.raises(ValueError, match="for the source's prompt"):
        prompted.messages([IMAGE])
