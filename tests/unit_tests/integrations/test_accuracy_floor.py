"""A target accuracy on every way into a graph, steered by grades of the answers."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel

ASKED = {"messages": [HumanMessage("5 + 9?")]}


class Steered(FixedPolicy):
    """One action, and a price at which a mean accuracy of .8 is expected."""

    def __init__(self):
        super().__init__("single_pass", expected_cost=2.0)
        self.price = 0.002


def terms():
    return {"policy": Steered(), "actions": {"single_pass": single_pass()}}


def by_node(**aims):
    node = AdaptiveComputeNode(ScriptedModel(answers=["Answer: 14"]), **terms(), **aims)
    graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()
    return node.reasoner.ledger, lambda: graph.invoke(ASKED)["messages"][-1]


def by_agent(**aims):
    middleware = AdaptiveComputeMiddleware(**terms(), **aims)
    agent = create_agent(ScriptedModel(answers=["Answer: 14"]), middleware=[middleware])
    return middleware.ledger, lambda: agent.invoke(ASKED)["messages"][-1]


def by_chat_model(**aims):
    model = AdaptiveChatModel(ScriptedModel(answers=["Answer: 14"]), **terms(), **aims)
    return model.ledger, lambda: model.invoke("5 + 9?")


WAYS = pytest.mark.parametrize("way", [by_node, by_agent, by_chat_model])


@WAYS
def test_grades_of_answers_steer_the_price_of_the_next_question(way):
    ledger, ask = way(target_accuracy=0.8)
    prices = []
    for score in (0.0, 0.0, 1.0):
        record = ask().response_metadata["adaptive_reasoner"]
        prices.append(record["price"])
        ledger.feedback(record["run_id"], score)
    assert prices[0] == pytest.approx(0.002)
    assert prices[0] > prices[1] > prices[2] < ledger.price
    seen = ledger.snapshot()
    assert (seen.questions, seen.quality.feedbacks, seen.quality.target) == (3, 3, 0.8)


@WAYS
def test_a_ledger_brings_its_own_target_accuracy(way):
    ledger = open_ledger("memory://", target_accuracy=0.8, policy=Steered())
    with pytest.raises(ValueError, match="a budget or a target accuracy, or a ledger"):
        way(ledger=ledger, target_accuracy=0.8)
    own, _ = way(ledger=ledger)
    assert own is ledger


def test_a_budget_node_keeps_the_target_accuracy_of_its_graph():
    with pytest.raises(ValueError, match="give no budget or ledger here"):
        by_node(budget_key="budget", target_accuracy=0.8)
