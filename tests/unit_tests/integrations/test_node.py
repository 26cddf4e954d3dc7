from dataclasses import dataclass, field
from typing import Annotated, TypedDict

import pytest
from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import RetryPolicy
from pydantic import BaseModel

from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel, StatusError

ACTIONS = {"single_pass": single_pass(), "vote_3": self_consistency(3)}


class Custom(TypedDict, total=False):
    question: str
    reply: str
    answer: str
    decision: dict
    budget: dict


@dataclass
class Data:
    question: str
    reply: str = ""
    answer: str = ""
    decision: dict = field(default_factory=dict)


class Model(BaseModel):
    question: str
    reply: str = ""
    answer: str = ""
    decision: dict = {}


def node(*answers, action="vote_3", fields=None, **options):
    source = Source(ScriptedModel(answers=answers or ("Answer: 14",), **(fields or {})), max_tokens=50)
    return AdaptiveComputeNode(
        source, policy=FixedPolicy(action, expected_cost=5), actions=ACTIONS, **options
    )


def graph_of(made, schema, **compile_options):
    builder = made.attach(StateGraph(schema))
    return builder.add_edge(START, made.name).add_edge(made.name, END).compile(**compile_options)


KEYS = {
    "input_key": "question",
    "output_key": "reply",
    "answer_key": "answer",
    "decision_key": "decision",
}


@pytest.mark.parametrize("schema", [Custom, Data, Model])
@pytest.mark.parametrize("is_async", [False, True])
async def test_works_in_any_state_schema(schema, is_async):
    graph = graph_of(node(**KEYS), schema)
    state = await graph.ainvoke({"question": "5 + 9?"}) if is_async else graph.invoke({"question": "5 + 9?"})
    assert (state["reply"], state["answer"], state["decision"]["action"]) == ("Answer: 14", "14", "vote_3")
    assert state["decision"]["cost"] == 4.0


@pytest.mark.parametrize("is_async", [False, True])
async def test_appends_one_message_to_messages_state(is_async):
    graph = graph_of(node(), MessagesState)
    asked = {"messages": [HumanMessage("5 + 9?")]}
    state = await graph.ainvoke(asked) if is_async else graph.invoke(asked)
    assert [message.text for message in state["messages"]] == ["5 + 9?", "Answer: 14"]


def test_samples_of_a_vote_do_not_leak_into_the_message_stream():
    asked = {"messages": [HumanMessage("5 + 9?")]}
    vote = list(graph_of(node("Answer: 14"), MessagesState).stream(asked, stream_mode="messages"))
    assert "".join(chunk.text for chunk, _ in vote) == "Answer: 14"
    single = list(
        graph_of(node("the Answer: 14", action="single_pass"), MessagesState).stream(
            asked, stream_mode="messages"
        )
    )
    assert len(single) > 1
    assert "".join(chunk.text for chunk, _ in single) == "the Answer: 14"


def test_streams_custom_events_of_decision_samples_and_bill():
    events = list(graph_of(node(**KEYS), Custom).stream({"question": "5 + 9?"}, stream_mode="custom"))
    assert [(event["event"], event.get("cost")) for event in events] == [
        ("decision", None),
        ("sample", 2.0),
        ("sample", 2.0),
        ("settled", 4.0),
    ]
    assert [event["answer"] for event in events[1:3]] == ["14", "14"]
    assert {(event["type"], event["node"]) for event in events} == {("adaptive_reasoner", "adaptive_compute")}


def test_attach_refuses_a_state_without_the_keys():
    with pytest.raises(KeyError, match=r"lacks \['verdict'\]"):
        node(**{**KEYS, "answer_key": "verdict"}).attach(StateGraph(Custom))


@pytest.mark.parametrize("state", [{}, {"question": ""}, {"question": []}, {"question": {"text": "5 + 9?"}}])
def test_a_state_without_a_question_names_the_key(state):
    with pytest.raises(ValueError, match="'question'"):
        node(**KEYS).invoke(state)


class Asked(MessagesState):
    question: str
    reply: str | None


class Checked(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages]
    user: str
    reply: str = ""
    reply_length: int = 0


def test_the_reply_has_the_form_that_the_state_declares():
    asked = {"messages": [HumanMessage("5 + 9?")], "question": "5 + 9?"}
    assert graph_of(node(output_key="reply"), Asked).invoke(asked)["reply"] == "Answer: 14"
    made = node(input_key="question", output_key="messages")
    (reply,) = graph_of(made, Asked).invoke({"question": "5 + 9?"})["messages"]
    assert (reply.type, reply.text) == ("ai", "Answer: 14")


def test_a_pydantic_state_takes_the_reply_to_its_next_node():
    builder = node(output_key="reply").attach(StateGraph(Checked))
    builder.add_node("after", lambda state: {"reply_length": len(state.reply)})
    graph = builder.add_edge(START, "adaptive_compute").add_edge("adaptive_compute", "after").compile()
    assert graph.invoke({"messages": [("user", "5 + 9?")], "user": "ada"})["reply_length"] == 10


def test_the_way_of_goto_is_drawn_and_must_lead_somewhere():
    builder = node(**KEYS, goto="after").attach(StateGraph(Custom)).add_edge(START, "adaptive_compute")
    with pytest.raises(ValueError, match="after"):
        builder.compile()
    drawn = builder.add_node("after", lambda state: state).compile().get_graph()
    assert [edge.target for edge in drawn.edges if edge.source == "adaptive_compute"] == ["after"]


def test_goes_to_a_node_by_command():
    builder = node(**KEYS, goto="after").attach(StateGraph(Custom), destinations=("after",))
    builder.add_node("after", lambda state: {"reply": state["reply"] + "!"}).add_edge(
        START, "adaptive_compute"
    )
    assert builder.compile().invoke({"question": "5 + 9?"})["reply"] == "Answer: 14!"


def test_a_retried_node_is_one_question_and_every_billed_call_counts():
    made = node(action="single_pass", budget=9.0, fields={"failures": {0: TimeoutError()}}, **KEYS)
    policy = RetryPolicy(max_attempts=2, initial_interval=0.0, jitter=False, retry_on=TimeoutError)
    builder = made.attach(StateGraph(Custom), retry_policy=policy).add_edge(START, made.name)
    builder.compile().invoke({"question": "5 + 9?"})
    snapshot = made.reasoner.ledger.snapshot()
    assert (snapshot.questions, snapshot.spent, snapshot.in_flight) == (1, 50 + 2, 0)


def test_the_graphs_run_id_is_the_question():
    made = node(budget=9.0, **KEYS)
    graph = graph_of(made, Custom)
    state = graph.invoke({"question": "5 + 9?"}, {"run_id": "6f1f36a1-0f0b-4f0d-9a44-9b7ad2b5a6a1"})
    assert state["decision"]["run_id"] == "6f1f36a1-0f0b-4f0d-9a44-9b7ad2b5a6a1"


def test_budget_key_without_a_ledger_node_says_what_is_missing():
    with pytest.raises(ValueError, match="put a BudgetLedgerNode before this"):
        node(budget_key="budget", **KEYS).invoke({"question": "5 + 9?"})
    with pytest.raises(ValueError, match="give no budget or ledger"):
        node(budget_key="budget", budget=3.0)


def test_a_refused_run_leaves_nothing_in_flight():
    made = node(budget=9.0, fields={"failures": {n: StatusError(500) for n in range(9)}}, **KEYS)
    with pytest.raises(StatusError):
        graph_of(made, Custom).invoke({"question": "5 + 9?"})
    assert made.reasoner.ledger.snapshot().in_flight == 0
