"""A deep agent, whose subagents are its own tools, is on one bill as well."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import single_pass
from tests.priced_agents import METER, PricedModel, Spent, calls, steps

deepagents = pytest.importorskip("deepagents")


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
async def test_the_subagents_of_a_deep_agent_are_on_its_bill(how):
    spent = Spent()
    task = ("task", {"description": "why", "subagent_type": "researcher"})
    main = PricedModel(model="main", script=steps(calls(task, task), AIMessage("Done.")), spent=spent)
    inner = PricedModel(model="researcher", script=lambda _: AIMessage("It is so."), spent=spent)
    ours = AdaptiveComputeMiddleware(
        policy=FixedPolicy("single_pass", expected_cost=0.001, worst_cost=0.004, cost_unit="usd"),
        actions={"single_pass": single_pass()},
        ledger=open_ledger("memory://", cost_unit="usd"),
        meter=METER,
        run_budget=0.5,
    )
    researcher = {"name": "researcher", "description": "Looks.", "system_prompt": "Look.", "model": inner}
    agent = deepagents.create_deep_agent(main, subagents=[researcher], middleware=[ours])
    asked = {"messages": [HumanMessage("What is it?")]}
    state = agent.invoke(asked) if how == "invoke" else await agent.ainvoke(asked)
    assert state["messages"][-1].text == "Done."
    assert (spent.count("main"), spent.count("researcher")) == (2, 2)
    snapshot = ours.ledger.snapshot()
    assert snapshot.spent == pytest.approx(spent.dollars, abs=4e-9)
    assert (snapshot.questions, snapshot.in_flight) == (1, 0)
