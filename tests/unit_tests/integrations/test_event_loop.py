"""A run of an agent does not block the event loop: what may load, wait or compute is done in threads."""

import pytest
from blockbuster import blockbuster_ctx
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from adaptive_reasoner.answers.values import units
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel

CALL = AIMessage("", tool_calls=[{"name": "distance", "args": {"to": "the station"}, "id": "1"}])


class Tools(ScriptedModel):
    """Needs no tools to call one."""

    def bind_tools(self, *_, **__):
        return self


@tool
def distance(to: str) -> str:
    """How far it is."""
    return f"{to}: 5 km"


def one_pass(ledger):
    policy = FixedPolicy("single_pass", expected_cost=3.0, worst_cost=50.0)
    return AdaptiveComputeMiddleware(policy=policy, actions={"single_pass": single_pass()}, ledger=ledger)


def votes(ledger):
    return AdaptiveComputeMiddleware(ledger=ledger)


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/ledger.db"], ids=["in memory", "in a database"])
@pytest.mark.parametrize("decided", [one_pass, votes])
async def test_an_agent_does_not_block_the_loop(tmp_path, decided, url):
    ledger = open_ledger(url.format(tmp_path), target=100.0, cost_unit="tokens")
    model = Tools(answers=("It is 5 km.",), replies=dict.fromkeys(range(9), CALL), max_tokens=50)
    agent = create_agent(model, [distance], middleware=[decided(ledger)])
    units.unit.cache_clear()
    units._registry.cache_clear()
    with blockbuster_ctx("adaptive_reasoner"):
        state = await agent.ainvoke({"messages": [HumanMessage("How far is it?")]}, {"recursion_limit": 100})
    assert state["messages"][-1].text == "It is 5 km."
    assert ledger.snapshot().in_flight == 0
