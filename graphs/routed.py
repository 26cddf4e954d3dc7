"""One subgraph an action: the policy decides in the parent graph, and the question goes where it sends it.

`routed` returns the graph uncompiled, so that nodes can be added around it, and takes any policy. The one
here shows what a policy of one's own looks like.
"""

from collections.abc import Mapping, Sequence
from math import inf, nan
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from adaptive_reasoner import (
    AdaptiveComputeNode,
    AdaptiveContext,
    Decision,
    FixedPolicy,
    Flow,
    Policy,
    Source,
    self_consistency,
    single_pass,
)
from adaptive_reasoner.ledger import Ledger, open_ledger
from graphs.models import chat_model


class RoutedState(TypedDict, total=False):
    """A question, where it was sent, and what became of it."""

    question: str
    route: dict[str, Any]
    reply: str
    answer: str | None
    decision: dict[str, Any]


class LongerIsHarder:
    """A vote for questions of more than so many words, while a vote is worth its price; else one pass."""

    actions = ("single_pass", "vote_5")
    cost_unit, slope, policy_id = "tokens", None, "longer_is_harder"
    price = 0.0
    budget: float | None = None

    def __init__(self, *, words: int = 12, dearest: float = 0.01) -> None:
        self.words, self.dearest = words, dearest

    def decide(
        self, question: str, *, price: float | None = None, max_cost: float = inf, key: str | None = None
    ) -> Decision:
        """See `Policy.decide`."""
        del max_cost, key
        price = self.price if price is None else price
        votes = len(question.split()) > self.words and price <= self.dearest
        return Decision(
            action=self.actions[votes],
            expected_cost=400.0 if votes else 100.0,
            worst_cost=inf,
            expected_accuracy=nan,
            price=price,
            reason="policy",
            policy_id=self.policy_id,
        )

    def decide_batch(self, questions: Sequence[str], *, budget: float) -> list[Decision]:
        """See `Policy.decide_batch`."""
        del budget
        return [self.decide(question) for question in questions]


def routed(
    source: Source, *, policy: Policy, actions: Mapping[str, Flow], ledger: Ledger
) -> StateGraph[Any, Any, Any, Any]:
    """A graph with one subgraph for each action, not yet compiled.

    Args:
        source: How calls are made where an action does not say.
        policy: Chooses the subgraph, by the name of the action.
        actions: What each subgraph does.
        ledger: Keeps the average over all of them.
    """

    def choose(state: RoutedState, runtime: Runtime[AdaptiveContext]) -> Command[Any]:
        own = (runtime.context or {}).get("price")  # the subgraphs take it from the context themselves
        decision = policy.decide(state["question"], price=ledger.price if own is None else own)
        return Command(update={"route": {**decision.as_state()}}, goto=decision.action)

    builder = StateGraph(RoutedState, context_schema=AdaptiveContext).add_node(
        "choose", choose, destinations=tuple(actions)
    )
    for action, flow in actions.items():
        compute = AdaptiveComputeNode(
            source,
            policy=FixedPolicy(action, expected_cost=ledger.target or 0.0, cost_unit=policy.cost_unit),
            actions={action: flow},
            ledger=ledger,
            input_key="question",
            output_key="reply",
            answer_key="answer",
            decision_key="decision",
        )
        subgraph = compute.attach(StateGraph(RoutedState)).add_edge(START, compute.name).compile()
        builder.add_node(action, subgraph).add_edge(action, END)
    return builder.add_edge(START, "choose")


graph = routed(
    Source(chat_model(), max_tokens=1_000),
    policy=LongerIsHarder(),
    actions={"single_pass": single_pass(), "vote_5": self_consistency(5)},
    ledger=open_ledger("memory://", target=200.0, cost_unit="tokens"),
).compile()
