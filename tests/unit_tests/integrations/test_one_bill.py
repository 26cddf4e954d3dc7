"""One run, one bill: whoever makes a call, the ledger's total is what the stub charged."""

import asyncio
import warnings

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelChoice, ModelRetryMiddleware, ModelRouterMiddleware
from langchain_core._api import LangChainBetaWarning
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from adaptive_reasoner.ledger import open_ledger
from tests.priced_agents import (
    HOW,
    MAIN,
    PricedModel,
    PricedRouter,
    Spent,
    run,
    settled,
    steps,
    summariser,
    tools_of,
)
from tests.unit_tests.integrations.billed_agents import ASKED, budgeted


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
    assert len(spents) == 6
    for spent, ledger in zip(spents, ledgers, strict=True):
        settled(ledger, spent)


@pytest.mark.parametrize("how", HOW)
async def test_a_ledger_in_a_database_is_charged_the_same(how, tmp_path):
    spent = Spent()
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", cost_unit="usd") as ledger:
        agent, _ = everything(spent, ledger, action="vote_3")
        await run(agent, how, ASKED)
        assert settled(ledger, spent).questions == 1
