"""What a graph does to its nodes: crashes, retries, forks, interrupts; and what a run brings along."""

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
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

from adaptive_reasoner.calls import Request, Source
from adaptive_reasoner.context import AdaptiveContext
from adaptive_reasoner.costs import TokenMeter
from adaptive_reasoner.errors import BudgetExceededError, LedgerError, UnknownActionError
from adaptive_reasoner.flows import Answer
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.nodes import AdaptiveComputeNode
from adaptive_reasoner.policy import FixedPolicy
from adaptive_reasoner.strategies import self_consistency, single_pass
from tests.fakes import ScriptedModel, StatusError
from tests.stub_server import StubServer

ACTIONS = {"single_pass": single_pass(), "vote_3": self_consistency(3), "vote_5": self_consistency(5)}
KEYS = {"input_key": "question", "output_key": "reply", "answer_key": "answer", "decision_key": "decision"}
ASKED = {"question": "5 + 9?"}


class State(TypedDict, total=False):
    question: str
    reply: str
    answer: str
    decision: dict
    vector: list[float]


def node(*answers, action="vote_3", expected=5.0, worst=150.0, model=None, **options):
    source = Source(model or ScriptedModel(answers=answers or ("Answer: 14",)), max_tokens=50)
    options.setdefault("policy", FixedPolicy(action, expected_cost=expected, worst_cost=worst))
    options.setdefault("actions", ACTIONS)
    if "ledger" not in options:
        options.setdefault("budget", 9.0)
    return AdaptiveComputeNode(source, **{**KEYS, **options})


def graph_of(made, schema=State, *, context=None, compiled=None, **node_options):
    builder = made.attach(StateGraph(schema, context_schema=context), **node_options)
    return builder.add_edge(START, made.name).add_edge(made.name, END).compile(**(compiled or {}))


@pytest.fixture(params=["sync", "async"])
def run(request):
    async def sync(graph, *args, **kwargs):
        return graph.invoke(*args, **kwargs)

    async def later(graph, *args, **kwargs):
        return await graph.ainvoke(*args, **kwargs)

    return sync if request.param == "sync" else later


def counts(made):
    snapshot = made.reasoner.ledger.snapshot()
    return snapshot.questions, snapshot.spent, snapshot.in_flight


async def test_on_day_one_a_model_and_a_budget_are_enough(run):
    model = ScriptedModel(answers=("Answer: 14",))
    made = AdaptiveComputeNode(model, budget=6.0)
    graph = graph_of_messages(made)
    for _ in range(30):
        state = await run(graph, {"messages": [HumanMessage("5 + 9?")]})
    assert state["messages"][-1].text == "Answer: 14"
    assert counts(made)[0] == 30
    assert made.reasoner.ledger.average <= 6.0
    record = state["messages"][-1].response_metadata["adaptive_reasoner"]
    assert (record["action"], record["policy_id"]) == ("adaptive_vote", "label_free")


def graph_of_messages(made):
    builder = made.attach(StateGraph(MessagesState))
    return builder.add_edge(START, made.name).compile()


async def test_on_day_one_disagreement_draws_more_samples(run):
    agreeing = AdaptiveComputeNode(ScriptedModel(answers=("Answer: 1",)), budget=9.0, **KEYS)
    split = AdaptiveComputeNode(ScriptedModel(answers=("Answer: 1", "Answer: 2")), budget=9.0, **KEYS)
    drawn = [(await run(graph_of(made), ASKED))["decision"]["samples"] for made in (agreeing, split)]
    assert drawn[0] < drawn[1]


async def test_on_day_one_a_hard_cap_holds(run):
    ledger = open_ledger("memory://", target=6.0, hard_cap=120.0)
    made = AdaptiveComputeNode(Source(ScriptedModel(), max_tokens=10), ledger=ledger, **KEYS)
    graph, actions = graph_of(made), []

    async def exhaust():
        while True:
            actions.append((await run(graph, ASKED))["decision"]["action"])

    with pytest.raises(BudgetExceededError):
        await exhaust()
    assert ledger.snapshot().spent <= 120.0
    assert (actions[0], actions[-1]) == ("adaptive_vote", "single_pass")


async def test_samples_are_logged_for_the_kit(run, tmp_path):
    answers = ("Answer: 14", "Answer: 15", "Answer: 14")
    made = node(*answers, log=tmp_path / "samples.jsonl")
    for question in ("5 + 9?", "1 + 13?"):
        await run(graph_of(made), {"question": question})
    samples = Samples.read(tmp_path / "samples.jsonl")
    assert (samples.questions, samples.sources) == (("5 + 9?", "1 + 13?"), ("vote_3",))
    replies = samples.of(samples.question_ids[0], "vote_3")
    assert [reply.answer for reply in replies] == ["14", "15", "14"]
    assert [(reply.cost, reply.prompt_tokens) for reply in replies] == [(2.0, 10.0)] * 3
    assert samples.ungraded == 6
    assert samples.graded({"5 + 9?": "14"}).of(samples.question_ids[0], "vote_3")[1].correct == 0.0


async def test_failed_replies_are_logged_with_their_cost(run, tmp_path):
    log = tmp_path / "new" / "samples.jsonl"
    made = node(model=ScriptedModel(failures={0: TimeoutError("late")}), log=log)
    await run(graph_of(made), ASKED)
    samples = Samples.read(log)
    (reply, *_) = samples.of(samples.question_ids[0], "vote_3")
    assert (reply.error, reply.cost) == ("TimeoutError: late", 50.0)


async def test_on_day_one_a_long_conversation_is_part_of_the_worst_case(run):
    meter = TokenMeter(counts="total")
    ledger = open_ledger("memory://", target=50.0, cost_unit="tokens", hard_cap=1_000.0)
    source = Source(ScriptedModel(), max_tokens=10)
    made = AdaptiveComputeNode(source, ledger=ledger, meter=meter)
    asked = {"messages": [HumanMessage("x" * 500), AIMessage("y" * 400), HumanMessage("5 + 9?")]}
    state = await run(graph_of_messages(made), asked)
    record = state["messages"][-1].response_metadata["adaptive_reasoner"]
    assert (record["action"], record["worst_cost"]) == ("single_pass", 500 + 400 + 6 + 3 * 16 + 10)


@dataclasses.dataclass
class Own:
    max_cost: float | None = None
    price: float | None = None
    tenant: str | None = None
    budget: float | None = None


@pytest.mark.parametrize("schema", [AdaptiveContext, Own])
async def test_a_run_brings_its_own_price_and_most_cost(run, schema):
    made = AdaptiveComputeNode(Source(ScriptedModel(), max_tokens=10), budget=9.0, **KEYS)
    graph = graph_of(made, context=schema)
    decision = (await run(graph, ASKED, context=schema(price=0.25, max_cost=30.0)))["decision"]
    assert (decision["price"], decision["action"]) == (0.25, "single_pass")
    assert (await run(graph, ASKED))["decision"]["action"] == "adaptive_vote"


async def test_a_budget_of_a_run_moves_the_price(run):
    made = AdaptiveComputeNode(ScriptedModel(), budget=9.0, **KEYS)
    graph = graph_of(made, context=AdaptiveContext)
    prices = [
        (await run(graph, ASKED, context={"budget": budget}))["decision"]["price"] for budget in (9.0, 90.0)
    ]
    assert prices[0] / prices[1] == pytest.approx(10, rel=0.2)
    with pytest.raises(ValueError, match="has no price for a budget of 90; give a price"):
        await run(graph_of(node(), context=AdaptiveContext), ASKED, context={"budget": 90.0})


@pytest.mark.parametrize("terms", [{"budget": 0}, {"budget": "90"}, {"price": -1.0}, {"max_cost": "9"}])
async def test_a_context_that_is_no_amount_is_refused_by_name(run, terms):
    made = AdaptiveComputeNode(ScriptedModel(), budget=9.0, **KEYS)
    with pytest.raises(ValueError, match=f"{next(iter(terms))} is a number"):
        await run(graph_of(made, context=AdaptiveContext), ASKED, context=terms)
    assert counts(made) == (0, 0.0, 0)


async def test_a_tenant_is_charged_beside_the_common_ledger(run):
    own = {name: open_ledger("memory://", target=5.0) for name in ("acme", "ajax")}
    made = node(tenants=own.__getitem__)
    graph = graph_of(made, context=AdaptiveContext)
    for tenant in ("acme", "acme", "ajax", None):
        await run(graph, ASKED, context={"tenant": tenant})
    assert [ledger.snapshot().spent for ledger in own.values()] == [8.0, 4.0]
    assert counts(made) == (4, 16.0, 0)


def test_a_tenant_without_a_ledger_of_its_own_is_counted():
    made = node()
    graph_of(made, context=AdaptiveContext).invoke(ASKED, context={"tenant": "acme"})
    assert made.tenants.ledger_of("acme").snapshot().spent == 4.0


class ReadsVectors:
    actions, cost_unit = ("single_pass",), "tokens"
    price, budget, slope, policy_id = 0.0, None, None, "vectors"

    def decide(self, question, *, price=None, max_cost=float("inf"), key=None, vector=None):
        self.seen = question, vector
        return FixedPolicy("single_pass", expected_cost=2).decide(question, price=price)

    def decide_batch(self, questions, *, budget):
        raise NotImplementedError


async def test_what_is_decided_on_is_a_function_of_the_state_and_the_vector_may_be_there(run):
    policy = ReadsVectors()
    made = node(policy=policy, about=lambda state: f"sum: {state['question']}", vector_key="vector")
    await run(graph_of(made), {**ASKED, "vector": [0.6, 0.8]})
    assert policy.seen == ("sum: 5 + 9?", [0.6, 0.8])
    with pytest.raises(ValueError, match="takes no vector"):
        node(vector_key="vector")


@pytest.mark.parametrize("durable", [False, True])
async def test_a_task_that_failed_and_is_retried_is_one_question_and_no_call_is_billed_twice(run, durable):
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
    await run(graph, ASKED, {"configurable": {"thread_id": "1"}})
    paid = sum(2.0 for _ in model.requests) - 2.0  # the refused call costs nothing
    assert counts(made) == (1, paid, 0)


def _all_or_nothing(task):
    """A flow that fails where one of three calls does."""

    replies = yield [Request(task.messages, competes=True)] * 3
    for reply in replies:
        if reply.error:
            raise reply.error
    return Answer(replies[0].message, "14")


@pytest.mark.parametrize("durable", [False, True])
async def test_a_run_that_broke_and_is_resumed_draws_only_what_is_missing_where_it_is_durable(run, durable):
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
        await run(graph, ASKED, config)
    state = await run(graph, None, config)
    assert state["answer"] == "14"
    assert len(model.requests) == (4 if durable else 6)
    assert counts(made) == (1, 2.0 * (len(model.requests) - 1), 0)


async def test_durable_samples_stay_hidden_and_need_no_graph(run):
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
    graph = graph_of(made, timeout=0.2)
    with pytest.raises(NodeTimeoutError):
        await graph.ainvoke(ASKED)
    while counts(made)[2]:  # the graph does not wait for what it has cancelled
        await asyncio.sleep(0.01)
    assert counts(made) == (1, 100.0, 0)


async def test_an_interrupt_before_and_after_the_node_leaves_it_one_question(run):
    made = node()
    builder = made.attach(StateGraph(State)).add_edge(START, made.name)
    builder.add_node("approve", lambda state: {"reply": interrupt(state["reply"])})
    graph = builder.add_edge(made.name, "approve").compile(
        checkpointer=InMemorySaver(), interrupt_before=[made.name]
    )
    config = {"configurable": {"thread_id": "1"}}
    await run(graph, ASKED, config)
    assert counts(made) == (0, 0.0, 0)
    await run(graph, None, config)
    state = await run(graph, Command(resume="approved"), config)
    assert (state["reply"], counts(made)) == ("approved", (1, 4.0, 0))


async def test_in_a_subgraph_it_belongs_to_the_run_of_the_parent(run):
    made = node()
    inner = graph_of(made)
    outer = StateGraph(State).add_node("inner", inner).add_node("again", inner)
    graph = outer.add_edge(START, "inner").add_edge("inner", "again").compile()
    await run(graph, ASKED)
    assert counts(made) == (1, 8.0, 0)


class Many(TypedDict, total=False):
    questions: list[str]
    answers: Annotated[list[str], operator.add]


async def test_sent_to_many_times_at_once_each_visit_is_charged(run):
    made = node()

    async def later(state):
        return {"answers": [(await made.ainvoke(state))["answer"]]}

    compute = RunnableLambda(lambda state: {"answers": [made.invoke(state)["answer"]]}, later)

    def send(state):
        return [Send("compute", {"question": question}) for question in state["questions"]]

    builder = StateGraph(Many).add_conditional_edges(START, send, ["compute"])
    builder.add_node("compute", compute)
    state = await run(builder.compile(), {"questions": [f"{n} + 9?" for n in range(5)]})
    assert state["answers"] == ["14"] * 5
    assert counts(made) == (1, 20.0, 0)


async def test_time_travel_pays_for_what_it_runs_again(run):
    made = node()
    graph = graph_of(made, compiled={"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": "1"}}
    await run(graph, ASKED, config)
    before = next(past for past in graph.get_state_history(config) if past.next == (made.name,))
    await run(graph, None, before.config)
    assert counts(made)[1:] == (8.0, 0)


async def test_two_visits_from_one_task_are_both_charged(run):
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
        ({"messages": [HumanMessage([{"type": "image", "url": "https://example.org/a.png"}])]}, "'messages'"),
    ],
)
async def test_a_state_without_a_question_names_its_key(run, state, named):
    made = node(input_key="messages", output_key="messages", answer_key=None, decision_key=None)
    with pytest.raises(ValueError, match=named):
        await run(graph_of(made, MessagesState), state)
    assert counts(made) == (0, 0.0, 0)


async def test_an_action_that_nobody_supplied_is_named(run):
    class Wanders(FixedPolicy):
        def decide(self, question, **kwargs):
            return dataclasses.replace(super().decide(question, **kwargs), action="vote_9")

    made = node(policy=Wanders("vote_3"))
    with pytest.raises(UnknownActionError, match="'vote_9'; known are single_pass, vote_3, vote_5"):
        await run(graph_of(made), ASKED)
    assert counts(made) == (0, 0.0, 0)


async def test_a_closed_ledger_names_its_file(run, tmp_path):
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", target=9.0)
    made = node(ledger=ledger)
    ledger.close()
    with pytest.raises(LedgerError, match=r"ledger\.sqlite is closed"):
        await run(graph_of(made), ASKED)


def test_a_policy_and_its_actions_belong_together():
    with pytest.raises(ValueError, match="who chooses among single_pass"):
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
