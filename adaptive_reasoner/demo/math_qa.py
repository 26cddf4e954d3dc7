"""The graph of the demo: one adaptive node that answers arithmetic under a budget."""

import atexit
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from adaptive_reasoner.action_names import vote_action
from adaptive_reasoner.demo import prompts
from adaptive_reasoner.demo.checks import can_check, passes
from adaptive_reasoner.demo.local_model import LocalModelServer
from adaptive_reasoner.integrations.context import AdaptiveContext
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.models.source import ChatModel, Source, question_of
from adaptive_reasoner.policy.base import Policy
from adaptive_reasoner.strategies.flow import Flow, Steps, Task
from adaptive_reasoner.strategies.modifiers import on
from adaptive_reasoner.strategies.priced_stops import Priced, PricedRetries
from adaptive_reasoner.strategies.verification import Checker, best_of_n
from adaptive_reasoner.strategies.voting import adaptive_consistency, self_consistency, single_pass

VOTES = (1, 3, 5)

Voting = Literal["whole", "priced", "checked"]
"""How an action ends: when its vote is decided; when a further sample is not worth its price; or, where
answers can be checked, at the first that passes, as long as a further try is worth its price."""


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
    voting: Voting = "whole",
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Compile the graph.

    Args:
        sources: The ways to call the model, `direct` and `cot`; each gives one action per size of vote.
        policy: Chooses among those actions.
        ledger: Keeps the average. Default: one in memory, for `budget`.
        budget: Allowed mean cost per question, for a ledger in memory.
        voting: How actions end.
    """
    node = AdaptiveComputeNode(
        next(iter(sources.values())),
        policy=policy,
        actions=math_actions(sources, voting),
        ledger=ledger,
        budget=budget,
        key="numeric",
        input_key="question",
        output_key="reply",
        answer_key="answer",
        decision_key="decision",
    )
    builder = node.attach(StateGraph(MathState, context_schema=AdaptiveContext))
    return builder.add_edge(START, node.name).add_edge(node.name, END).compile()


def math_actions(sources: Mapping[str, Source], voting: Voting = "whole") -> dict[str, Flow]:
    """One action for each source and size of vote, named as `estimate` names them."""
    return {
        vote_action(name, size): on(source, _flow(size, voting))
        for name, source in sources.items()
        for size in VOTES
    }


def _flow(size: int, voting: Voting) -> Flow:
    if size == 1:
        vote = single_pass()
    else:
        vote = self_consistency(size) if voting == "whole" else adaptive_consistency(size, Priced())
    return partial(_checked, vote) if voting == "checked" else vote


def _checked(otherwise: Flow, task: Task) -> Steps:
    """The first answer that passes its check, where the question has one and tries are worth their price."""
    tries = best_of_n(max(VOTES), Checker(passes, PricedRetries()))
    return (yield from (tries if can_check(question_of(task.messages)) else otherwise)(task))


def math_sources(model: ChatModel | Callable[[], ChatModel]) -> dict[str, Source]:
    """Two ways to ask a base model: for the answer at once, and for the steps first."""
    settings = {"stop": ["\n"], "temperature": 0.6}
    return {
        "direct": Source(model, prompt=prompts.direct, settings=settings, max_tokens=8),
        "cot": Source(model, prompt=prompts.cot, settings=settings, max_tokens=32),
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
