"""What the nodes of a graph have spent is charged by its budget's node, whatever they write."""

import itertools
import operator
from typing import Annotated

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import RetryPolicy

from adaptive_reasoner.integrations import owed_bills
from adaptive_reasoner.integrations.budget_node import BudgetLedgerNode
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel
from tests.unit_tests.integrations.budget_states import Plain, Steps


@pytest.fixture
def ledger():
    return open_ledger("memory://", target=10.0)


def priced(*answers, **options):
    """A compute node under the budget's node, whose replies are as long as they are."""
    return AdaptiveComputeNode(
        Source(ScriptedModel(answers=answers), max_tokens=50),
        policy=FixedPolicy("single_pass", expected_cost=5),
        actions={"single_pass": single_pass()},
        budget_key="budget",
        input_key="question",
        output_key="reply",
        **options,
    )


def chained(ledger, state, *nodes):
    """Ledger -> each node -> ledger."""
    builder, keeper = StateGraph(state), BudgetLedgerNode(ledger)
    keeper.attach(builder).add_edge(START, keeper.name)
    for node in nodes:
        node.attach(builder)
    for before, after in itertools.pairwise(nodes):
        builder.add_edge(before.name, after.name)
    builder.add_edge(nodes[-1].name, "settle").add_node("settle", keeper)
    return builder.add_edge(keeper.name, nodes[0].name)


class Joined(Plain, total=False):
    budget: dict
    decision: Annotated[list[dict], operator.add]


class Listed(Plain, total=False):
    budget: dict
    decision: list[dict]


class Appended(Plain, total=False):
    budget: dict
    decision: Annotated[list[dict], lambda before, new: [*(before or []), new]]


@pytest.mark.parametrize("state", [Steps, Joined, Listed, Appended])
@pytest.mark.parametrize("decision_key", ["decision", None])
def test_no_bill_is_lost_however_the_state_is_wired(ledger, state, decision_key):
    nodes = [
        priced("one two three", decision_key=decision_key, name="first"),
        priced("one two", decision_key=decision_key, name="second"),
        priced("one", decision_key=decision_key, name="third"),
    ]
    for _ in range(2):
        chained(ledger, state, *nodes).compile().invoke({"question": "5 + 9?"})
    assert (ledger.snapshot().questions, ledger.snapshot().spent) == (2, 2 * 6.0)


def test_a_decision_is_a_list_where_the_state_joins_lists(ledger):
    nodes = [priced("one two", decision_key="decision", name=name) for name in ("first", "second")]
    decisions = chained(ledger, Joined, *nodes).compile().invoke({"question": "5 + 9?"})["decision"]
    assert [(decision["action"], decision["cost"]) for decision in decisions] == [("single_pass", 2.0)] * 2


def test_bills_that_only_the_state_knows_are_charged_as_in_another_process(ledger):
    nodes = [priced("one two", decision_key="decision", name=name) for name in ("first", "second")]
    graph = chained(ledger, Joined, *nodes).compile(checkpointer=InMemorySaver(), interrupt_before=["settle"])
    config = {"configurable": {"thread_id": "t"}}
    question = graph.invoke({"question": "5 + 9?"}, config)["budget"]["run_id"]
    owed_bills.strike(question, [bill.key for bill in owed_bills.owed_by(question)])
    graph.invoke(None, config)
    assert (ledger.snapshot().questions, ledger.snapshot().spent) == (1, 4.0)


def test_what_a_node_that_failed_has_spent_is_charged(ledger):
    model = ScriptedModel(answers=("one two",), failures={0: TimeoutError("slow")})
    failing = AdaptiveComputeNode(
        Source(model, max_tokens=50),
        policy=FixedPolicy("single_pass", expected_cost=5),
        actions={"single_pass": single_pass()},
        budget_key="budget",
        input_key="question",
        output_key="reply",
    )
    builder, keeper = StateGraph(Steps), BudgetLedgerNode(ledger)
    keeper.attach(builder).add_edge(START, keeper.name).add_edge(keeper.name, failing.name)
    failing.attach(
        builder, retry_policy=RetryPolicy(max_attempts=2, initial_interval=0.0, retry_on=TimeoutError)
    )
    builder.add_node("settle", keeper).add_edge(failing.name, "settle")
    builder.compile().invoke({"question": "5 + 9?"})
    assert (ledger.snapshot().questions, ledger.snapshot().spent) == (1, 50.0 + 2.0)


def test_bills_that_are_charged_are_forgotten(ledger):
    before = len(owed_bills._owed)
    chained(ledger, Steps, priced("one")).compile().invoke({"question": "5 + 9?"})
    assert len(owed_bills._owed) == before


class Texts(MessagesState):
    budget: dict
    text: str


def asking(*nodes, before=True):
    """Nodes one after another, with the budget kept before and after them, or only after."""
    ledger = open_ledger("memory://", target=50.0)
    builder = BudgetLedgerNode(ledger, name="after").attach(StateGraph(Texts))
    if before:
        BudgetLedgerNode(ledger, name="before").attach(builder)
    for number, node in enumerate(nodes):
        builder.add_node(f"node_{number}", node)
    names = [*(["before"] if before else []), *(f"node_{number}" for number in range(len(nodes))), "after"]
    for one, other in itertools.pairwise([START, *names]):
        builder.add_edge(one, other)
    return builder, ledger


MODEL = ScriptedModel(answers=("two words",))


def says_text(state):
    return {"text": MODEL.invoke("?").text}


def says_message(state):
    return {"messages": [MODEL.invoke(state["messages"])]}


def says_nothing(state):
    MODEL.invoke("?")
    MODEL.with_retry().invoke("?")
    return {"text": ""}


def agent_with_a_budget(ledger=None):
    middleware = AdaptiveComputeMiddleware(
        policy=FixedPolicy("single_pass", expected_cost=5),
        actions={"single_pass": single_pass()},
        ledger=ledger or open_ledger("memory://", cost_unit="tokens"),
    )
    return create_agent(MODEL, middleware=[middleware])


def chat_model():
    return AdaptiveChatModel(
        MODEL,
        policy=FixedPolicy("single_pass", expected_cost=5),
        actions={"single_pass": single_pass()},
        budget=9.0,
    )


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("nodes", "spent"),
    [
        ([says_text], 2.0),
        ([says_message], 2.0),
        ([says_nothing, says_text, says_message], 8.0),
        ([agent_with_a_budget()], 2.0),
        ([lambda state: {"text": chat_model().invoke("?").text}], 2.0),
        ([lambda state: {"messages": [chat_model().invoke("?")]}], 2.0),
    ],
)
def test_what_any_node_calls_is_charged_once_whatever_it_writes(nodes, spent, before):
    builder, ledger = asking(*nodes, before=before)
    builder.compile().invoke({"messages": [("user", "5 + 9?")]})
    snapshot = ledger.snapshot()
    assert (snapshot.spent, snapshot.questions, snapshot.in_flight) == (spent, 1, 0)


def test_an_agent_on_the_same_ledger_is_charged_once(ledger):
    graph = StateGraph(Texts)
    BudgetLedgerNode(ledger).attach(graph)
    graph.add_node("agent", agent_with_a_budget(ledger)).add_node("text", says_text)
    graph.add_edge(START, "agent").add_edge("agent", "text").add_edge("text", "budget_ledger")
    graph.compile().invoke({"messages": [("user", "5 + 9?")]})
    assert (ledger.snapshot().spent, ledger.snapshot().in_flight) == (4.0, 0)


def test_the_calls_of_later_turns_are_those_of_their_own_questions():
    builder, ledger = asking(says_text)
    graph = builder.compile(checkpointer=InMemorySaver())
    for number in range(3):
        graph.invoke({"messages": [("user", f"{number}?")]}, {"configurable": {"thread_id": "1"}})
    assert (ledger.snapshot().spent, ledger.snapshot().questions) == (6.0, 3)
