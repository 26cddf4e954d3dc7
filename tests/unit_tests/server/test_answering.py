"""Streams of answers end with their readers."""

import asyncio
import gc

from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGenerationChunk

from adaptive_reasoner import AdaptiveReasoner, SampleMeter
from adaptive_reasoner.integrations.context import Tenants
from adaptive_reasoner.server.answering import Answerer, ServedAction
from adaptive_reasoner.server.asked import Asked, OwnTerms
from adaptive_reasoner.server.bill import Bill
from adaptive_reasoner.strategies.voting import single_pass


class Silent(FakeListChatModel):
    """A model whose stream begins, and brings nothing."""

    async def _astream(self, *asked, **settings):
        ASKED.append(asked)
        await asyncio.sleep(60)
        yield ChatGenerationChunk(message=AIMessageChunk("late"))


ASKED = []


async def test_a_reader_that_is_cancelled_while_it_waits_leaves_no_task():
    reasoner = AdaptiveReasoner(Silent(responses=[""]), budget=3.0, meter=SampleMeter())
    answerer = Answerer(reasoner, {"once": ServedAction(single_pass(), 1)}, Tenants(reasoner.ledger))
    asked = Asked(model="once", messages=[HumanMessage("What is 3 + 4?")], settings={})
    options = await answerer.options(asked, OwnTerms(), Bill("samples"), scope="", key=None)
    lost = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context["message"]))

    async def read():
        async for _ in answerer.stream(asked, options):
            pass

    reading = asyncio.ensure_future(read())
    while not ASKED:
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait({reading})
    assert reading.cancelled()
    del reading  # and with it the frames that its error holds
    gc.collect()
    assert lost == []  # as of a task that was destroyed while it was pending
    assert reasoner.ledger.snapshot().in_flight == 0
