"""The node that keeps the budget of a graph."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from adaptive_reasoner.errors import LedgerError, UnpricedUsageError
from adaptive_reasoner.integrations.budget_node import BudgetLedgerNode
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import UNDECLARED_MAX_TOKENS, PriceMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import Decision, FixedPolicy
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel
from tests.unit_tests.integrations.budget_states import Plain, Steps


class Talk(MessagesState):
    budget: dict


def compute(**options):
    return AdaptiveComputeNode(
        Source(ScriptedModel(answers=("Answer: 14",)), max_tokens=50),
        policy=FixedPolicy("single_pass", expected_cost=5),
        actions={"single_pass": single_pass()},
        **options,
    )


def budgeted(ledger, *, steps=1):
    """Ledger -> question -> compute -> ledger, until `steps` are done."""
    made = compute(budget_key="budget", input_key="question", output_key="reply", decision_key="decision")
    builder = made.attach(StateGraph(Steps))
    keeper = BudgetLedgerNode(ledger)
    keeper.attach(builder).add_edge(START, keeper.name)
    builder.add_node("count", lambda state: {"step": 1}).add_edge(made.name, "count").add_edge(
        "count", keeper.name
    )
    builder.add_conditional_edges(
        keeper.name, lambda state: made.name if state.get("step", 0) < steps else END
    )
    return builder


@pytest.fixture
def ledger():
    return open_ledger("memory://", target=10.0)


def test_publishes_the_price_and_settles_the_bill(ledger):
    graph = budgeted(ledger).compile()
    seen = list(graph.stream({"question": "5 + 9?"}, stream_mode="updates"))
    assert seen[1]["adaptive_compute"]["decision"]["price"] == seen[0]["budget_ledger"]["budget"]["price"]
    assert seen[-1]["budget_ledger"]["budget"]["status"] == "open"
    snapshot = ledger.snapshot()
    assert (snapshot.questions, snapshot.spent, snapshot.in_flight) == (1, 2.0, 0)
    assert snapshot.actions == {"single_pass": 1.0}


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_agent_that_loops_eight_cheap_steps_is_one_question(ledger, is_async):
    graph = budgeted(ledger, steps=8).compile()
    asked = {"question": "5 + 9?"}
    await graph.ainvoke(asked) if is_async else graph.invoke(asked)
    assert (ledger.snapshot().average, ledger.snapshot().in_flight) == (16.0, 0)


def test_a_question_in_flight_is_held_at_the_target(ledger):
    graph = budgeted(ledger).compile(checkpointer=InMemorySaver(), interrupt_before=["adaptive_compute"])
    config = {"configurable": {"thread_id": "1"}}
    graph.invoke({"question": "5 + 9?"}, config)
    assert ledger.snapshot().reserved == 10.0
    graph.invoke(None, config)
    snapshot = ledger.snapshot()
    assert (snapshot.reserved, snapshot.spent, snapshot.questions) == (0.0, 2.0, 1)


def test_a_run_that_crashes_and_is_resumed_is_billed_once(ledger):
    crashes = iter([True, False])

    def crash(state):
        if next(crashes):
            raise RuntimeError
        return {}

    builder = budgeted(ledger).add_node("crash", crash).add_edge("adaptive_compute", "crash")
    graph = builder.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    with pytest.raises(RuntimeError):
        graph.invoke({"question": "5 + 9?"}, config)
    graph.invoke(None, config)
    snapshot = ledger.snapshot()
    assert (snapshot.questions, snapshot.spent, snapshot.in_flight) == (1, 2.0, 0)


def test_each_turn_of_a_thread_is_a_question_of_its_own(ledger):
    graph = budgeted(ledger).compile(checkpointer=InMemorySaver())
    for turn in range(3):
        graph.invoke({"question": "5 + 9?", "step": -1 if turn else 0}, {"configurable": {"thread_id": "1"}})
    snapshot = ledger.snapshot()
    assert (snapshot.questions, snapshot.spent, snapshot.in_flight) == (3, 6.0, 0)


def reply(state, words=4):
    """A node that calls a model of its own."""
    return {"messages": [ScriptedModel(answers=("word " * words,)).invoke(state["messages"])]}


def talking(ledger, *, before=True, **options):
    """(Ledger ->) adaptive compute -> a node with its own model -> ledger."""
    keeper = BudgetLedgerNode(ledger, **options)
    builder = keeper.attach(StateGraph(Talk)).add_node("other", reply)
    if before:
        made = compute(budget_key="budget")
        made.attach(builder).add_edge(made.name, "other")
        first = BudgetLedgerNode(ledger, name="first", **options)
        first.attach(builder).add_edge(START, "first").add_edge("first", made.name)
    else:
        builder.add_edge(START, "other")
    return builder.add_edge("other", keeper.name)


@pytest.mark.parametrize("before", [False, True])
def test_charges_what_other_nodes_models_cost_once_a_message(ledger, before):
    graph = talking(ledger, before=before).compile(checkpointer=InMemorySaver())
    for turn in range(1, 4):
        state = graph.invoke({"messages": [("user", "5 + 9?")]}, {"configurable": {"thread_id": "1"}})
        snapshot = ledger.snapshot()
        assert (snapshot.questions, snapshot.in_flight) == (turn, 0)
        assert snapshot.spent == turn * (4.0 + (2.0 if before else 0.0))
        assert state["budget"]["spent"] == snapshot.spent


def test_a_message_whose_usage_cannot_be_is_charged_at_its_worst_case(ledger):
    usage = {"input_tokens": 10, "output_tokens": -7, "total_tokens": 3}
    keeper = BudgetLedgerNode(ledger)
    builder = keeper.attach(StateGraph(Talk)).add_edge(START, "other").add_edge("other", keeper.name)
    builder.add_node("other", lambda state: {"messages": [AIMessage("14", usage_metadata=usage)]})
    builder.compile().invoke({"messages": [("user", "5 + 9?")]})
    assert (ledger.spent, ledger.snapshot().in_flight) == (UNDECLARED_MAX_TOKENS, 0)


def test_a_history_that_the_caller_brings_along_is_not_charged(ledger):
    usage = {"input_tokens": 1, "output_tokens": 100, "total_tokens": 101}
    history = [HumanMessage("before"), AIMessage("earlier", usage_metadata=usage), HumanMessage("5 + 9?")]
    talking(ledger).compile().invoke({"messages": history})
    assert ledger.snapshot().spent == 6.0


def test_what_ran_after_the_last_visit_is_charged_to_its_own_turn(ledger):
    builder = talking(ledger).add_node("late", lambda state: reply(state, words=30))
    graph = builder.add_edge("budget_ledger", "late").compile(checkpointer=InMemorySaver())
    for _ in range(2):
        graph.invoke({"messages": [("user", "5 + 9?")]}, {"configurable": {"thread_id": "1"}})
    charges = ledger.history()
    late = next(charge for charge in charges if charge.cost == 30.0)
    assert late.question == charges[0].question
    snapshot = ledger.snapshot()
    assert (snapshot.questions, snapshot.spent, snapshot.in_flight) == (2, 42.0, 0)


def test_a_turn_that_cost_nothing_leaves_nothing_held(ledger):
    keeper = BudgetLedgerNode(ledger)
    graph = keeper.attach(StateGraph(Talk)).add_edge(START, keeper.name)
    graph = graph.compile(checkpointer=InMemorySaver())
    for _ in range(3):
        graph.invoke({"messages": [("user", "cached")]}, {"configurable": {"thread_id": "1"}})
    assert (ledger.snapshot().in_flight, ledger.snapshot().questions) == (1, 0)


def test_a_message_needs_a_meter_of_the_ledgers_unit():
    dollars = open_ledger("memory://", target=1.0, cost_unit="usd")
    with pytest.raises(UnpricedUsageError, match="give a meter"):
        talking(dollars, before=False).compile().invoke({"messages": [("user", "?")]})
    meter = PriceMeter(prompt=0.0, completion=1e6)
    talking(dollars, before=False, meter=meter).compile().invoke({"messages": [("user", "?")]})
    assert dollars.spent == 4.0
    with pytest.raises(LedgerError, match="use one unit"):
        BudgetLedgerNode(open_ledger("memory://"), meter=meter)


def test_goes_to_the_exhausted_branch_when_the_cap_has_no_room_for_a_question():
    ledger = open_ledger("memory://", target=10.0, hard_cap=25.0)
    keeper = BudgetLedgerNode(ledger, goto="other", exhausted="sorry")
    builder = keeper.attach(StateGraph(Talk), destinations=("other", "sorry")).add_edge(START, keeper.name)
    settle = BudgetLedgerNode(ledger, name="settle")
    settle.attach(builder).add_edge("other", "settle")
    builder.add_node("other", lambda state: reply(state, words=8))
    builder.add_node("sorry", lambda state: {"messages": [AIMessage("no money left")]})
    graph = builder.compile()
    answers = [graph.invoke({"messages": [("user", "?")]})["messages"][-1].text for _ in range(4)]
    assert [answer.startswith("word") for answer in answers] == [True, True, False, False]
    seen = ledger.snapshot()
    assert (seen.spent, seen.held, seen.cap_closed) == (16.0, 0.0, False)
    with pytest.raises(ValueError, match="need each other"):
        BudgetLedgerNode(ledger, exhausted="sorry")


def test_survives_a_ledger_that_forgot_the_question(ledger):
    graph = budgeted(ledger).compile(checkpointer=InMemorySaver(), interrupt_before=["adaptive_compute"])
    config = {"configurable": {"thread_id": "1"}}
    graph.invoke({"question": "5 + 9?"}, config)
    ledger.reset()
    graph.invoke(None, config)
    assert (ledger.snapshot().spent, ledger.snapshot().in_flight) == (2.0, 0)


@pytest.mark.parametrize("given", [{}, {"run_id": "6f1f36a1-0f0b-4f0d-9a44-9b7ad2b5a6a1"}])
@pytest.mark.parametrize("is_async", [False, True])
async def test_nodes_loops_and_subgraphs_of_one_run_are_one_question(given, is_async):
    ledger = open_ledger("memory://", target=10.0)
    keys = {"ledger": ledger, "input_key": "question", "output_key": "reply"}
    inner = compute(**keys)
    subgraph = inner.attach(StateGraph(Plain)).add_edge(START, inner.name).compile()
    outer = compute(**keys)
    builder = outer.attach(StateGraph(Steps)).add_node("subgraph", subgraph)
    builder.add_node("count", lambda state: {"step": 1}).add_edge(START, "subgraph")
    builder.add_edge("subgraph", outer.name).add_edge(outer.name, "count")
    builder.add_conditional_edges("count", lambda state: "subgraph" if state["step"] < 3 else END)
    graph = builder.compile()
    for _ in range(2):
        asked = {"question": "5 + 9?", "step": 0}
        await graph.ainvoke(asked, {**given}) if is_async else graph.invoke(asked, {**given})
        given = {"run_id": "5f1f36a1-0f0b-4f0d-9a44-9b7ad2b5a6a1"} if given else {}
    assert (ledger.snapshot().questions, ledger.snapshot().average) == (2, 12.0)


class Ladder:
    """A policy with real trade-offs: a question is worth thinking about more or less, at four prices."""

    actions, cost_unit, price, slope, budget = ("cheap", "dear"), "tokens", 0.001, 20.0, 10.0

    def decide(self, question, *, price=None, max_cost=float("inf"), key=None):
        gain = (hash_of(question) % 100) / 1_000
        action, cost = ("dear", 40) if gain > price * 36 else ("cheap", 4)
        return Decision(action, cost, cost, 0.5, price, "policy", "ladder")


def hash_of(question):
    return int(question.split()[0]) * 7919


def spending(ledger, *, keeper):
    """The average cost of 600 questions with and without the node in the graph."""
    words = {"cheap": "word " * 4, "dear": "word " * 40}
    policy = Ladder()

    def spend(state):
        price = state["budget"]["price"] if keeper else policy.price
        action = policy.decide(state["question"], price=price).action
        return {"messages": [ScriptedModel(answers=(words[action],)).invoke(state["question"])]}

    class State(MessagesState):
        question: str
        budget: dict

    builder = StateGraph(State).add_node("spend", spend)
    if keeper:
        before, after = BudgetLedgerNode(ledger, name="before"), BudgetLedgerNode(ledger, name="after")
        after.attach(before.attach(builder)).add_edge(START, "before")
        builder.add_edge("before", "spend").add_edge("spend", "after")
    else:
        builder.add_edge(START, "spend")
    graph = builder.compile()
    bills = []
    for number in range(600):
        state = graph.invoke({"question": f"{number} ?", "messages": [("user", "go")]})
        bills.append(state["messages"][-1].usage_metadata["output_tokens"])
    return sum(bills) / len(bills)


def test_without_the_node_the_average_drifts():
    ledger = open_ledger("memory://", policy=Ladder())
    held = spending(ledger, keeper=True)
    assert held == pytest.approx(10.0, rel=0.03)
    assert held == ledger.average
    assert spending(ledger, keeper=False) > 20.0
