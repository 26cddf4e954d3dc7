"""Two compute nodes under one budget: a plan, then its solution; both are one question to one ledger.

    budget_ledger -> plan -> solve -> budget_ledger

The first visit of the ledger's node publishes the price at which both nodes decide; the second settles what
they cost together. Only solutions are voted on. Plans are free text, which a vote cannot compare: one pass
writes the plan.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from adaptive_reasoner import (
    AdaptiveComputeNode,
    AdaptiveContext,
    BudgetLedgerNode,
    FixedPolicy,
    Source,
    single_pass,
)
from adaptive_reasoner.ledger import open_ledger
from graphs.models import chat_model

BUDGET, COST_OF_A_PLAN = 400.0, 80.0


def kept(before: list[dict[str, Any]] | None, decision: dict[str, Any]) -> list[dict[str, Any]]:
    """All decisions of a thread, in order."""
    return [*(before or []), decision]


class PlanState(TypedDict, total=False):
    """A question, a plan for it, and the solution."""

    question: str
    plan: str
    reply: str
    answer: str | None
    decision: Annotated[list[dict[str, Any]], kept]
    budget: dict[str, Any]


def _source(prompt: Callable[[str], str]) -> Source:
    return Source(chat_model(), prompt=prompt, max_tokens=1_000)


ledger = open_ledger("memory://", target=BUDGET, cost_unit="tokens")
budget_ledger = BudgetLedgerNode(ledger)
plan = AdaptiveComputeNode(
    _source("Outline in two lines how to answer this, without answering it.\n\n{}".format),
    policy=FixedPolicy("single_pass", expected_cost=COST_OF_A_PLAN),
    actions={"single_pass": single_pass()},
    input_key="question",
    output_key="plan",
    decision_key="decision",
    budget_key="budget",
    name="planning",
)
solve = AdaptiveComputeNode(
    _source("{}\n\nFollow the plan, and end with 'Answer: ...'.".format),
    input_key="plan",
    output_key="reply",
    answer_key="answer",
    decision_key="decision",
    budget_key="budget",
    name="solving",
)


def task_of(state: PlanState) -> dict[str, str]:
    """Put the question before its plan: together they are what is to be solved."""
    return {"plan": f"Question: {state['question']}\n\nPlan: {state['plan']}"}


def after(state: PlanState) -> str:
    """Where the ledger's node goes: to work, or to the end once the solution is there."""
    return END if state.get("reply") else plan.name


builder = StateGraph(PlanState, context_schema=AdaptiveContext).add_node("task", task_of)
for node in (budget_ledger, plan, solve):
    node.attach(builder)
builder.add_edge(START, budget_ledger.name)
builder.add_conditional_edges(budget_ledger.name, after, [plan.name, END])
builder.add_edge(plan.name, "task").add_edge("task", solve.name).add_edge(solve.name, budget_ledger.name)
graph = builder.compile()
