"""Nodes on a scripted model, and graphs around them."""

from typing import TypedDict

from langgraph.graph import END, START, MessagesState, StateGraph

from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel

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


def counts(made):
    snapshot = made.reasoner.ledger.snapshot()
    return snapshot.questions, snapshot.spent, snapshot.in_flight


def graph_of_messages(made):
    builder = made.attach(StateGraph(MessagesState))
    return builder.add_edge(START, made.name).compile()
