"""The middleware that keeps the bill of a run."""

from langchain_core.messages import HumanMessage

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.priced_agents import (
    METER,
    SEARCH,
)

ASKED = {"messages": [HumanMessage("What is it?")]}
ACTIONS = {"single_pass": single_pass(), "vote_3": self_consistency(3)}


def budgeted(ledger=None, *, action="single_pass", **options):
    return AdaptiveComputeMiddleware(
        policy=FixedPolicy(action, expected_cost=0.001, worst_cost=0.004, cost_unit="usd"),
        actions=ACTIONS,
        ledger=ledger or open_ledger("memory://", cost_unit="usd"),
        meter=METER,
        tool_costs={"search": SEARCH},
        **options,
    )
