"""Agents under the middleware, and what they are asked."""

from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.modifiers import extended_thinking
from adaptive_reasoner.strategies.voting import self_consistency, single_pass

ACTIONS = {
    "single_pass": single_pass(),
    "vote_3": self_consistency(3),
    "thinking_low": extended_thinking("low"),
}

ASKED = {"messages": [HumanMessage("5 + 9?")]}


def budgeted(action="vote_3", *, expected=10.0, worst=60.0, **options):
    options.setdefault("policy", FixedPolicy(action, expected_cost=expected, worst_cost=worst))
    options.setdefault("actions", ACTIONS)
    if "ledger" not in options:
        options.setdefault("budget", 30.0)
    return AdaptiveComputeMiddleware(**options)


class Under:
    """Votes while that is affordable, then answers once."""

    actions = ("single_pass", "vote_3")
    cost_unit, price, budget, slope, policy_id = "tokens", 0.0, None, None, "test"

    def __init__(self):
        self.seen = []

    def decide(self, question, *, price=None, max_cost=float("inf"), key=None):
        self.seen.append((question, price, max_cost))
        vote = FixedPolicy("vote_3", expected_cost=15, worst_cost=18)
        once = FixedPolicy("single_pass", expected_cost=5, worst_cost=6)
        choice = vote if max_cost >= 18 else once
        return choice.decide(question, price=price, max_cost=max_cost, key=key)

    def decide_batch(self, questions, *, budget):
        raise NotImplementedError


class Sum(BaseModel):
    total: int
