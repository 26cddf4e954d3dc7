"""Exploration by the entrances: what the sample log keeps of it, and how its cost reaches the ledger."""

import json
import operator
from typing import Annotated, TypedDict

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from adaptive_reasoner import (
    AdaptiveChatModel,
    AdaptiveComputeMiddleware,
    BudgetLedgerNode,
    FixedPolicy,
    open_ledger,
)
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel, StatusError
from tests.unit_tests.integrations.node_graphs import ACTIONS, graph_of, node

QUESTIONS = 40  # of a third of which another action is drawn, by keys that differ from run to run
SINGLE = {name: single_pass() for name in ("single_pass", "one", "two", "three")}
EXPLORED = {"action": "single_pass", "expected": 2.0, "worst": 50.0, "explore": 0.5}


async def test_the_sample_log_of_a_node_keeps_action_propensity_and_policy(ask, tmp_path):
    log = tmp_path / "samples.jsonl"
    graph = graph_of(node(log=log, **EXPLORED))
    for _ in range(QUESTIONS):
        await ask(graph, {"question": "5 + 9?"})
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    kept = {(row["action"], row["propensity"], row["policy_id"]) for row in rows}
    assert {policy for *_, policy in kept} == {"fixed:single_pass"}
    assert all(share == (2 / 3 if action == "single_pass" else 1 / 6) for action, share, _ in kept)
    assert len({action for action, *_ in kept}) > 1
    assert sum(len(several) for several in Samples.read(log).replies.values()) == len(rows)


async def test_a_node_in_a_graph_tells_its_ledger_what_it_explored(ask):
    made = node(**EXPLORED)
    graph, records = graph_of(made), []
    for _ in range(QUESTIONS):
        records += [(await ask(graph, {"question": "5 + 9?"}))["decision"]]
    explored = [record for record in records if record["reason"] == "explored"]
    seen = made.reasoner.ledger.snapshot()
    assert (seen.explored_questions, seen.explored_spent) == (
        len(explored),
        sum(record["cost"] for record in explored),
    )
    assert explored


@pytest.mark.parametrize("durable", [False, True])
async def test_a_question_that_is_resumed_in_another_run_takes_the_same_action(ask, durable):
    model = ScriptedModel(
        answers=("Answer: 14",), failures={2 * number: StatusError(500) for number in range(20)}
    )
    made = node(model=model, durable=durable, **EXPLORED, actions=SINGLE)
    graph, pairs = graph_of(made, compiled={"checkpointer": InMemorySaver()}), []
    for number in range(20):
        config = {"configurable": {"thread_id": str(number)}}
        with pytest.raises(StatusError):
            await ask(graph, {"question": "5 + 9?"}, config)
        failed = made.reasoner.ledger.history(1)[0]
        pairs.append((failed.action, (await ask(graph, None, config))["decision"]["action"]))
    assert all(first == second for first, second in pairs)
    assert len(set(pairs)) > 1


class Steps(TypedDict, total=False):
    question: str
    reply: str
    decision: dict
    budget: dict
    step: Annotated[int, operator.add]


async def test_what_a_budget_node_is_owed_for_exploration_has_its_line_too(ask):
    ledger, records = open_ledger("memory://", target=9.0), []
    made = node(
        ledger=None,
        budget=None,
        budget_key="budget",
        answer_key=None,
        decision_key="decision",
        **EXPLORED,
    )
    builder = made.attach(StateGraph(Steps))
    first, last = BudgetLedgerNode(ledger, name="first"), BudgetLedgerNode(ledger, name="last")
    first.attach(builder).add_edge(START, "first").add_edge("first", made.name)
    graph = last.attach(builder).add_edge(made.name, "last").compile()
    for _ in range(QUESTIONS):
        records += [(await ask(graph, {"question": "5 + 9?"}))["decision"]]
    costs = [record["cost"] for record in records if record["reason"] == "explored"]
    assert costs
    seen = ledger.snapshot()
    assert (seen.explored_questions, seen.explored_spent) == (len(costs), sum(costs))


async def test_all_steps_of_an_agents_run_are_one_draw(ask):
    model = ScriptedModel(answers=("Answer: 14",))
    budgeted = AdaptiveComputeMiddleware(
        policy=FixedPolicy("single_pass", expected_cost=2.0),
        actions=ACTIONS,
        budget=9.0,
        explore=0.5,
    )
    agent = create_agent(model, middleware=[budgeted])
    reasons = []
    for _ in range(QUESTIONS):
        state = await ask(agent, {"messages": [("user", "5 + 9?")]})
        reasons.append(state["messages"][-1].response_metadata["adaptive_reasoner"]["reason"])
    assert budgeted.ledger.snapshot().explored_questions == reasons.count("explored") > 0


async def test_a_chat_model_explores(ask):
    made = AdaptiveChatModel(
        ScriptedModel(answers=("Answer: 14",)),
        policy=FixedPolicy("single_pass", expected_cost=2.0),
        actions=ACTIONS,
        budget=9.0,
        explore=0.5,
    )
    records = []
    for _ in range(QUESTIONS):
        records += [(await ask(made, "5 + 9?")).response_metadata["adaptive_reasoner"]]
    assert {record["reason"] for record in records} == {"policy", "explored"}
    assert made.ledger.snapshot().explored_questions > 0
