"""What callbacks do not tell of is on the bill all the same, where it says so itself."""

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.tools import tool

from adaptive_reasoner import PricedEmbeddings, RunCharge, open_ledger
from tests.calling_agents import agent_of, told

ASKED = {"messages": [("user", "What is it?")]}
HOW = pytest.mark.parametrize("how", ["invoke", "ainvoke"])
ASK = ("ask", {"question": "why"})


def asking(work, awork=None):
    @tool
    async def ask(question: str) -> str:
        """Ask."""
        return await awork() if awork else work()

    def now(question: str) -> str:
        return work()

    ask.func = now
    return ask


async def run(agent, how):
    return agent.invoke(ASKED) if how == "invoke" else await agent.ainvoke(ASKED)


@HOW
@pytest.mark.parametrize("url", ["memory://", "sqlite"])
@pytest.mark.parametrize(("cost", "booked"), [(0.25, 0.25), (None, 2.0), (0.0, 0.0)])
async def test_a_charge_is_reserved_and_then_booked_at_what_it_cost(how, url, cost, booked, tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db" if url == "sqlite" else url
    with open_ledger(url, cost_unit="samples") as ledger:
        held = []

        def work():
            with RunCharge("translation", at_most=2.0) as charge:
                held.append(ledger.snapshot().held)
                charge.cost = cost
            return "done"

        async def awork():
            async with RunCharge("translation", at_most=2.0) as charge:
                held.append(ledger.snapshot().held)
                charge.cost = cost
            return "done"

        agent, _ = agent_of([asking(work, awork)], [ASK], ledger=ledger)
        await run(agent, how)
        snapshot = ledger.snapshot()
        assert (held, snapshot.spent, snapshot.in_flight, snapshot.questions) == ([2.0], 2 + booked, 0, 1)


def test_a_charge_that_does_not_fit_is_refused_before_its_work():
    worked = []

    def work():
        with RunCharge("translation", at_most=9.0):
            worked.append(1)
        return "done"

    agent, ours = agent_of([asking(work)], [ASK], run_budget=5.0)
    state = agent.invoke(ASKED)
    assert "this can cost 9 samples" in told(state)[0].text
    assert (worked, ours.ledger.snapshot().in_flight) == ([], 0)


def test_work_that_fails_costs_what_it_can_have_cost():
    def work():
        with RunCharge("translation", at_most=2.0):
            raise OSError("no route")

    agent, ours = agent_of([asking(work)], [ASK])
    with pytest.raises(OSError, match="no route"):
        agent.invoke(ASKED)
    assert ours.ledger.spent == 1 + 2


@HOW
async def test_embeddings_are_on_the_bill(how):
    embeddings = PricedEmbeddings(DeterministicFakeEmbedding(size=4), cost=0.25)
    counted = PricedEmbeddings(DeterministicFakeEmbedding(size=4), cost=lambda texts: sum(map(len, texts)))

    def work():
        embeddings.embed_documents(["a", "b"])
        return str(len(counted.embed_query("abc")))

    async def awork():
        await embeddings.aembed_documents(["a", "b"])
        return str(len(await counted.aembed_query("abc")))

    agent, ours = agent_of([asking(work, awork)], [ASK])
    await run(agent, how)
    assert ours.ledger.snapshot().spent == 2 + 2 * 0.25 + 3


def test_outside_of_a_run_a_charge_does_nothing():
    with RunCharge("translation", at_most=9.0) as charge:
        charge.cost = 3.0
    with pytest.raises(ValueError, match="translation costs at most"):
        RunCharge("translation", at_most=-1.0)
