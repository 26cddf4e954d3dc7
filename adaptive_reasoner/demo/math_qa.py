"""The graph of the demo: one adaptive node that answers arithmetic under a budget."""

import atexit
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from adaptive_reasoner.demo import prompts
from adaptive_reasoner.demo.local_model import LocalModelServer
from adaptive_reasoner.integrations.context import AdaptiveContext
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.models.source import ChatModel, Source
from adaptive_reasoner.policy.base import Policy
from adaptive_reasoner.reasoner.reasoner import vote_actions

VOTES = (1, 3, 5)


class MathState(TypedDict, total=False):
    """A question and what became of it."""

    question: str
    reply: str
    answer: str | None
    decision: dict[str, Any]


def build_graph(
    sources: Mapping[str, Source],
    *,
    policy: Policy,
    ledger: Ledger | None = None,
    budget: float | None = None,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Compile the graph.

    Args:
        sources: The ways to call the model, `direct` and `cot`; each gives one action per size of vote.
        policy: Chooses among those actions.
        ledger: Keeps the average. Default: one in memory, for `budget`.
        budget: Allowed mean cost per question, for a ledger in memory.
    """
    node = AdaptiveComputeNode(
        next(iter(sources.values())),
        policy=policy,
        actions=vote_actions(sources, VOTES),
        ledger=ledger,
        budget=budget,
        input_key="question",
        output_key="reply",
        answer_key="answer",
        decision_key="decision",
    )
    builder = node.attach(StateGraph(MathState, context_schema=AdaptiveContext))
    return builder.add_edge(START, node.name).add_edge(node.name, END).compile()


def math_sources(model: ChatModel | Callable[[], ChatModel]) -> dict[str, Source]:
    """Two ways to ask a base model: for the answer at once, and for the steps first."""
    settings = {"stop": ["\n"], "temperature": 0.7}
    return {
        "direct": Source(model, prompt=prompts.direct, settings=settings, max_tokens=8),
        "cot": Source(model, prompt=prompts.cot, settings=settings, max_tokens=64),
    }


def local_sources() -> dict[str, Source]:
    """The same on the built-in model, which starts with the first question and stops with the process."""
    return math_sources(_local_model)


@cache
def _local_model() -> ChatModel:
    server = LocalModelServer()
    server.__enter__()
    atexit.register(server.__exit__, None, None, None)
    return server.chat_model()
