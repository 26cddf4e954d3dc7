"""A fan-out of many questions: each item of a `Send` counts as a question of its own, where wanted."""

import operator
from typing import Annotated, TypedDict

import pytest
from langchain.agents import AgentState, create_agent
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import SampleMeter
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel

ITEMS = [f"{number} + 9?" for number in range(20)]
OPTIONS = {
    "policy": FixedPolicy("single_pass", expected_cost=1.0, cost_unit="samples"),
    "actions": {"single_pass": single_pass()},
    "meter": SampleMeter(),
}


class Batch(TypedDict):
    items: list[str]
    replies: Annotated[list, operator.add]


class Item(TypedDict):
    question: str
    replies: Annotated[list, operator.add]


def send(state):
    return [Send("answer", {"question": item}) for item in state["items"]]


def fan_out(question_key, *, items=ITEMS, rounds=1, **graph_options):
    ledger = open_ledger("memory://", target=1.0, cost_unit="samples")
    node = AdaptiveComputeNode(
        ScriptedModel(),
        ledger=ledger,
        input_key="question",
        output_key="replies",
        question_key=question_key,
        name="answer",
        **OPTIONS,
    )
    graph = node.attach(StateGraph(Batch), input_schema=Item).add_conditional_edges(START, send, ["answer"])
    graph = graph.compile(**graph_options)
    for _ in range(rounds):
        graph.invoke({"items": list(items), "replies": []})
    return ledger.snapshot()


def test_each_item_is_a_question_where_the_key_tells_them_apart():
    snapshot = fan_out("question", rounds=2)
    assert (snapshot.questions, snapshot.average) == (40, 1.0)


def test_without_a_key_a_run_is_one_question():
    snapshot = fan_out(None, rounds=2)
    assert (snapshot.questions, snapshot.average) == (2, 20.0)


def test_equal_items_of_a_run_are_one_question():
    assert fan_out("question", items=["1?", "1?", "2?"]).questions == 2


def test_a_key_that_the_state_lacks_is_refused_when_the_graph_is_built():
    with pytest.raises(KeyError, match="nothing_here"):
        fan_out("nothing_here")


def test_a_state_without_a_value_is_an_error_that_names_the_key():
    class Numbered(Item):
        number: int

    node = AdaptiveComputeNode(
        ScriptedModel(), budget=2.0, input_key="question", question_key="number", **OPTIONS
    )
    node.output_key = "replies"
    graph = node.attach(StateGraph(Numbered)).add_edge(START, node.name).compile()
    with pytest.raises(ValueError, match="no question under 'number', the question_key"):
        graph.invoke({"question": "5 + 9?", "replies": []})


def test_a_budget_node_and_a_question_key_exclude_each_other():
    with pytest.raises(ValueError, match="give no question_key"):
        AdaptiveComputeNode(ScriptedModel(), budget_key="budget", question_key="question", **OPTIONS)


class ItemState(AgentState):
    item: str


@pytest.mark.parametrize(("question_key", "questions"), [("item", 20), (None, 1)])
@pytest.mark.parametrize("saver", [None, InMemorySaver()])
def test_each_item_that_is_sent_to_an_agent_is_a_question_of_its_own(question_key, questions, saver):
    middleware = AdaptiveComputeMiddleware(
        ledger=open_ledger("memory://", target=1.0, cost_unit="samples"), question_key=question_key, **OPTIONS
    )
    agent = create_agent(ScriptedModel(), middleware=[middleware], state_schema=ItemState)

    def answer(state):
        asked = {"messages": [HumanMessage(state["question"])], "item": state["question"]}
        return {"replies": [agent.invoke(asked)["messages"][-1].text]}

    graph = StateGraph(Batch).add_node("answer", answer).add_conditional_edges(START, send, ["answer"])
    graph.compile(checkpointer=saver).invoke(
        {"items": ITEMS, "replies": []}, {"configurable": {"thread_id": "1"}}
    )
    snapshot = middleware.ledger.snapshot()
    assert (snapshot.questions, snapshot.spent) == (questions, 20.0)
