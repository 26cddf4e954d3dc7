"""What a graph does to its nodes: crashes, retries, forks, interrupts."""

import asyncio
import dataclasses
import operator
from typing import Annotated, TypedDict

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.errors import NodeTimeoutError
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

from adaptive_reasoner.errors import LedgerError, UnknownActionError
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.source import Request
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.flow import Answer
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel, StatusError
from tests.stub_server import StubServer
from tests.unit_tests.integrations.node_graphs import (
    ACTIONS,
    ASKED,
    State,
    counts,
    graph_of,
    graph_of_messages,
    node,
)
from tests.waiting import await_until


class ReadsVectors:
    actions, cost_unit = ("single_pass",), "tokens"
    price, budget, slope, policy_id = 0.0, None, None, "vectors"

    def decide(self, question, *, price=None, max_cost=float("inf"), key=None, vector=None):
        self.seen = question, vector
        return FixedPolicy("single_pass", expected_cost=2).decide(question, price=price)

    def decide_batch(self, questions, *, budget):
        raise NotImplementedError


async def test_what_is_decided_on_is_a_function_of_the_state_and_the_vector_may_be_there(ask):
    policy = ReadsVectors()
    made = node(policy=policy, about=lambda state: f"sum: {state['question']}", vector_key="vector")
    await ask(graph_of(made), {**ASKED, "vector": [0.6, 0.8]})
    assert policy.seen == ("sum: 5 + 9?", [0.6, 0.8])
    with pytest.raises(ValueError, match="takes no vector"):
        node(vector_key="vector")


@pytest.mark.parametrize("durable", [False, True])
async def test_a_task_that_failed_and_is_retried_is_one_question_and_no_call_is_billed_twice(ask, durable):
    model = ScriptedModel(failures={2: StatusError(500)})
    strict = {"strict": _all_or_nothing}
    made = node(
        model=model,
        policy=FixedPolicy("strict", expected_cost=5),
        actions=strict,
        durable=durable,
    )
    retry = RetryPolicy(max_attempts=2, initial_interval=0.0, jitter=False, retry_on=StatusError)
    graph = graph_of(made, retry_policy=retry, compiled={"checkpointer": InMemorySaver()})
    await ask(graph, ASKED, {"configurable": {"thread_id": "1"}})
    paid = sum(2.0 for _ in model.requests) - 2.0  # the refused call costs nothing
    assert counts(made) == (1, paid, 0)


def _all_or_nothing(task):
    """A flow that fails where one of three calls does."""

    replies = yield [Request(task.messages, hidden_sample=True)] * 3
    for reply in replies:
        if reply.error:
            raise reply.error
    return Answer(replies[0].message, "14")


@pytest.mark.parametrize("durable", [False, True])
async def test_a_run_that_broke_and_is_resumed_draws_only_what_is_missing_where_it_is_durable(ask, durable):
    model = ScriptedModel(failures={2: StatusError(500)})
    made = node(
        model=model,
        policy=FixedPolicy("strict", expected_cost=5),
        actions={"strict": _all_or_nothing},
        durable=durable,
    )
    graph = graph_of(made, compiled={"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": "1"}}
    with pytest.raises(StatusError):
        await ask(graph, ASKED, config)
    state = await ask(graph, None, config)
    assert state["answer"] == "14"
    assert len(model.requests) == (4 if durable else 6)
    assert counts(made) == (1, 2.0 * (len(model.requests) - 1), 0)


async def test_durable_samples_stay_hidden_and_need_no_graph(ask):
    made = node(durable=True)
    graph = graph_of_messages(AdaptiveComputeNode(made.reasoner.source, **_messages(made), durable=True))
    asked = {"messages": [HumanMessage("5 + 9?")]}
    chunks = [chunk async for chunk, _ in graph.astream(asked, stream_mode="messages")]
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, AIMessage)) == "Answer: 14"
    assert made.invoke(ASKED)["answer"] == "14"


def _messages(made):
    return {"policy": made.reasoner.policy, "actions": ACTIONS}


async def test_a_timeout_of_the_node_bills_what_had_started():
    made = node(model=ScriptedModel(latency=60.0))
    graph = graph_of(made, timeout=1.5)
    with pytest.raises(NodeTimeoutError):
        await graph.ainvoke(ASKED)
    await await_until(lambda: not counts(made)[2])  # the graph does not wait for what it has cancelled
    assert counts(made) == (1, 100.0, 0)


async def test_an_interrupt_before_and_after_the_node_leaves_it_one_question(ask):
    made = node()
    builder = made.attach(StateGraph(State)).add_edge(START, made.name)
    builder.add_node("approve", lambda state: {"reply": interrupt(state["reply"])})
    graph = builder.add_edge(made.name, "approve").compile(
        checkpointer=InMemorySaver(), interrupt_before=[made.name]
    )
    config = {"configurable": {"thread_id": "1"}}
    await ask(graph, ASKED, config)
    assert counts(made) == (0, 0.0, 0)
    await ask(graph, None, config)
    state = await ask(graph, Command(resume="approved"), config)
    assert (state["reply"], counts(made)) == ("approved", (1, 4.0, 0))


async def test_in_a_subgraph_it_belongs_to_the_run_of_the_parent(ask):
    made = node()
    inner = graph_of(made)
    outer = StateGraph(State).add_node("inner", inner).add_node("again", inner)
    graph = outer.add_edge(START, "inner").add_edge("inner", "again").compile()
    await ask(graph, ASKED)
    assert counts(made) == (1, 8.0, 0)


class Many(TypedDict, total=False):
    questions: list[str]
    answers: Annotated[list[str], operator.add]


async def test_sent_to_many_times_at_once_each_visit_is_charged(ask):
    made = node()

    async def later(state):
        return {"answers": [(await made.ainvoke(state))["answer"]]}

    compute = RunnableLambda(lambda state: {"answers": [made.invoke(state)["answer"]]}, later)

    def send(state):
        return [Send("compute", {"question": question}) for question in state["questions"]]

    builder = StateGraph(Many).add_conditional_edges(START, send, ["compute"])
    builder.add_node("compute", compute)
    state = await ask(builder.compile(), {"questions": [f"{n} + 9?" for n in range(5)]})
    assert state["answers"] == ["14"] * 5
    assert counts(made) == (1, 20.0, 0)


class Sent(TypedDict):
    question: str


class Gathered(MessagesState):
    questions: list[str]


async def test_what_only_the_node_is_sent_may_be_declared_for_it_alone(ask):
    made = node(input_key="question", output_key="messages", answer_key=None, decision_key=None)

    def send(state):
        return [Send(made.name, {"question": question}) for question in state["questions"]]

    builder = made.attach(StateGraph(Gathered), input_schema=Sent)
    builder.add_conditional_edges(START, send, [made.name])
    state = await ask(builder.compile(), {"questions": [f"{n} + 9?" for n in range(5)]})
    assert [message.text for message in state["messages"]] == ["Answer: 14"] * 5
    assert counts(made) == (1, 20.0, 0)


async def test_time_travel_pays_for_what_it_runs_again(ask):
    made = node()
    graph = graph_of(made, compiled={"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": "1"}}
    await ask(graph, ASKED, config)
    before = next(past for past in graph.get_state_history(config) if past.next == (made.name,))
    await ask(graph, None, before.config)
    assert counts(made)[1:] == (8.0, 0)


async def test_two_visits_from_one_task_are_both_charged(ask):
    made = node()

    async def twice(state):
        first, second = await asyncio.gather(made.ainvoke(state), made.ainvoke(state))
        return {"reply": first["reply"] + second["reply"], **made.invoke(state)}

    graph = StateGraph(State).add_node("twice", twice).add_edge(START, "twice").compile()
    await graph.ainvoke(ASKED)
    assert counts(made) == (1, 12.0, 0)


def test_only_plain_data_enters_the_checkpoint(tmp_path):
    """numpy scalars do not serialise, dataclasses come back as something else, ledgers are no state."""
    policy = FixedPolicy("vote_5", expected_cost=np.float32(5), worst_cost=np.float64(150))
    made = node(vector_key=None, durable=True, policy=policy)
    with SqliteSaver.from_conn_string(str(tmp_path / "graph.sqlite")) as saver:
        graph = graph_of(made, compiled={"checkpointer": saver})
        graph.invoke(ASKED, {"configurable": {"thread_id": "1"}})
        found = list(saver.list({"configurable": {"thread_id": "1"}}))
    assert len(found) > 1
    for checkpoint in found:
        _plain(checkpoint.checkpoint["channel_values"])
        _plain([value for _, _, value in checkpoint.pending_writes or []])


def _plain(value):
    assert not isinstance(value, np.generic | np.ndarray)
    assert not dataclasses.is_dataclass(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            assert isinstance(key, str)
            _plain(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _plain(inner)
    elif isinstance(value, AIMessage):
        _plain(value.model_dump())
    else:
        assert value is None or type(value) in (str, int, float, bool), type(value)


@pytest.mark.parametrize(
    ("state", "named"),
    [
        ({}, "'messages'"),
        ({"messages": []}, "'messages'"),
        ({"messages": [AIMessage("hi")]}, "'messages'"),
        ({"messages": [HumanMessage([{"type": "text", "text": " "}])]}, "'messages'"),
    ],
)
async def test_a_state_without_a_question_names_its_key(ask, state, named):
    made = node(input_key="messages", output_key="messages", answer_key=None, decision_key=None)
    with pytest.raises(ValueError, match=named):
        await ask(graph_of(made, MessagesState), state)
    assert counts(made) == (0, 0.0, 0)


async def test_an_action_that_nobody_supplied_is_named(ask):
    class Wanders(FixedPolicy):
        def decide(self, question, **kwargs):
            return dataclasses.replace(super().decide(question, **kwargs), action="vote_9")

    made = node(policy=Wanders("vote_3"))
    with pytest.raises(UnknownActionError, match="'vote_9'; known are single_pass, vote_3, vote_5"):
        await ask(graph_of(made), ASKED)
    assert counts(made) == (0, 0.0, 0)


async def test_a_closed_ledger_names_its_file(ask, tmp_path):
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", target=9.0)
    made = node(ledger=ledger)
    ledger.close()
    with pytest.raises(LedgerError, match=r"ledger\.sqlite is closed"):
        await ask(graph_of(made), ASKED)


def test_a_policy_and_its_actions_belong_together():
    with pytest.raises(ValueError, match="actions need a policy that chooses among single_pass"):
        AdaptiveComputeNode(ScriptedModel(), actions={"single_pass": single_pass()})
    with pytest.raises(UnknownActionError, match="'vote_3'; known are none"):
        AdaptiveComputeNode(ScriptedModel(), policy=FixedPolicy("vote_3"))


@pytest.mark.parametrize("mode", ["messages", "values"])
async def test_a_single_pass_is_priced_also_where_somebody_listens_to_its_tokens(mode):
    """An endpoint that reports no usage in streams unless asked."""
    with StubServer(answer=lambda prompt, number: "so it is 14") as server:
        model = ChatOpenAI(model="stub", base_url=server.base_url, api_key="none")
        made = node(
            model=model,
            action="single_pass",
            input_key="messages",
            output_key="messages",
            answer_key=None,
            decision_key=None,
        )
        asked = {"messages": [HumanMessage("5 + 9?")]}
        chunks = [chunk async for chunk in graph_of(made, MessagesState).astream(asked, stream_mode=mode)]
        chunks += list(graph_of(made, MessagesState).stream(asked, stream_mode=mode))
    assert made.reasoner.ledger.spent == server.billed
    assert (len(chunks) > 6) == (mode == "messages")
