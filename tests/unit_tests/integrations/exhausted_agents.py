"""Agents whose budget is soon used up."""

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.priced_agents import METER, PricedModel, Searches, calls, look

ASKED = {"messages": [HumanMessage("What is it?")]}
THREAD = {"configurable": {"thread_id": "1"}}
ACTIONS = {"single_pass": single_pass(), "vote_3": self_consistency(3)}


@tool
def search(query: str) -> str:
    """Search, for half a cent."""
    return f"found {query}"


def searches_once(messages):
    """Searches, and answers then."""
    if isinstance(messages[-1], ToolMessage):
        return AIMessage("It is.")
    return calls(("search", {"query": "x"}))


def budgeted(ledger=None, *, worst=0.01, **options):
    return AdaptiveComputeMiddleware(
        policy=FixedPolicy("single_pass", expected_cost=worst / 2, worst_cost=worst, cost_unit="usd"),
        actions=ACTIONS,
        ledger=ledger or open_ledger("memory://", cost_unit="usd"),
        meter=METER,
        **options,
    )


def agent_of(spent, middleware, *, script=None, tools=(look,), **options):
    """An agent that looks things up: a step costs a twentieth of a cent and more."""
    model = PricedModel(model="main", script=script or Searches(), spent=spent, max_tokens=200)
    return create_agent(model, list(tools), middleware=[middleware], **options)
