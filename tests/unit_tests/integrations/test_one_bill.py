"""One run, one bill: whoever makes a call, the ledger's total is what the stub charged."""

import asyncio
import warnings

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelChoice, ModelRetryMiddleware, ModelRouterMiddleware
from langchain_core._api import LangChainBetaWarning
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.priced_agents import (
    MAIN,
    METER,
    SEARCH,
    PricedModel,
    PricedRouter,
    Spent,
    steps,
    summariser,
    tools_of,
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


def router(spent, model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        return ModelRouterMiddleware(
            choices={"only": ModelChoice(model=model, criteria="everything")},
            instructions="Choose.",
            classifier=PricedRouter(spent=spent),
        )


def everything(spent, ledger=None, *, routed="inside", checkpointer=None, before=None, **options):
    """An agent with three tools, one paid, two subagents, a summariser, a router, and injected failures."""
    main = PricedModel(model="main", script=steps(*MAIN), spent=spent, failures=(1,), before=before)
    ours, route = budgeted(ledger, **options), router(spent, main)
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False)
    around = [ours, route] if routed == "inside" else [route, ours]
    agent = create_agent(
        main,
        tools_of(spent, before=before),
        middleware=[*around, summariser(spent, before=before), retry],
        checkpointer=checkpointer,
    )
    return agent, ours


async def run(agent, how, given, config=None):
    match how:
        case "invoke":
            return agent.invoke(given, config)
        case "ainvoke":
            return await agent.ainvoke(given, config)
        case "stream":
            return list(agent.stream(given, config, stream_mode=["messages", "values"]))[-1][1]
        case "astream":
            seen = [part async for part in agent.astream(given, config, stream_mode=["messages", "values"])]
            return seen[-1][1]


HOW = ("invoke", "ainvoke", "stream", "astream")


def settled(ledger, spent):
    """The ledger's total is the stub's price, to a billionth of a dollar, and nothing is left open."""
    snapshot = ledger.snapshot()
    assert snapshot.spent == pytest.approx(spent.dollars, abs=1e-9 * len(spent.calls))
    assert abs(snapshot.spent - sum(round(cost, 9) for _, cost in spent.calls)) < 1e-12
    assert snapshot.in_flight == 0
    return snapshot


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("routed", ["inside", "outside"])
@pytest.mark.parametrize("action", ["single_pass", "vote_3"])
async def test_everything_that_a_run_spends_is_on_its_bill_once(how, routed, action):
    spent = Spent()
    agent, ours = everything(spent, routed=routed, action=action)
    state = await run(agent, how, ASKED)
    assert state["messages"][-1].text == "Here is all of it."
    made = {name: spent.count(name) for name in ("search", "researcher", "writer", "router")}
    assert made == {"search": 2, "researcher": 2, "writer": 2, "router": 1}
    assert spent.count("summariser") > 0
    assert spent.count("main") >= 3 * (2 if action == "vote_3" else 1)
    assert settled(ours.ledger, spent).questions == 1


@pytest.mark.parametrize("how", HOW)
async def test_the_bill_goes_on_after_an_interrupt(how):
    spent = Spent()
    asked = []

    def approve(who):
        if who == "search" and not asked:
            asked.append(who)
            interrupt("search?")

    agent, ours = everything(spent, checkpointer=InMemorySaver(), before=approve)
    config = {"configurable": {"thread_id": "1"}}
    await run(agent, how, ASKED, config)
    assert agent.get_state(config).next == ("tools",)
    state = await run(agent, how, Command(resume=True), config)
    assert state["messages"][-1].text == "Here is all of it."
    assert settled(ours.ledger, spent).questions == 1


async def test_runs_side_by_side_do_not_mix():
    spents, ledgers = [], []

    async def one(ledger_number):
        spent, ledger = Spent(), open_ledger("memory://", cost_unit="usd")
        agent, _ = everything(spent, ledger, routed="inside" if ledger_number % 2 else "outside")
        await agent.ainvoke(ASKED)
        spents.append(spent)
        ledgers.append(ledger)

    await asyncio.gather(*(one(number) for number in range(6)))
    for spent, ledger in zip(spents, ledgers, strict=True):
        settled(ledger, spent)
