"""Streams of answers end with their readers."""

import asyncio

from langchain_core.messages import HumanMessage

from adaptive_reasoner import AdaptiveReasoner, SampleMeter
from adaptive_reasoner.integrations.context import Tenants
from adaptive_reasoner.server.answering import Answerer, ServedAction
from adaptive_reasoner.server.asked import Asked, OwnTerms
from adaptive_reasoner.server.bill import Bill
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel


async def test_a_reader_that_is_cancelled_while_it_waits_leaves_no_task():
    reasoner = AdaptiveReasoner(ScriptedModel(endless_from=0), budget=3.0, meter=SampleMeter())
    answerer = Answerer(reasoner, {"once": ServedAction(single_pass(), 1)}, Tenants(reasoner.ledger))
    asked = Asked(model="once", messages=[HumanMessage("What is 3 + 4?")], settings={})
    options = await answerer.options(asked, OwnTerms(), Bill("samples"), scope="", key=None)
    before = asyncio.all_tasks()

    async def read():
        async for _ in answerer.stream(asked, options):
            pass

    reading = asyncio.ensure_future(read())
    while reasoner.ledger.snapshot().in_flight == 0:
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait({reading})
    assert reading.cancelled()
    assert asyncio.all_tasks() == before
    assert reasoner.ledger.snapshot().in_flight == 0
