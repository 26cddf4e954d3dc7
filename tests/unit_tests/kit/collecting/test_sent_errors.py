"""Errors of calls keep what decides on retries when they are sent to another process."""

import pytest

from adaptive_reasoner.kit.collecting.http_clients import Connections
from adaptive_reasoner.kit.collecting.sampler import made_here
from adaptive_reasoner.kit.collecting.sent_errors import packed, unpacked
from adaptive_reasoner.kit.menu.retries import refuses_all, worth_another
from adaptive_reasoner.models.api_errors import causes, is_unreachable, retry_after, status_of
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.replies import EmptyReplyError
from adaptive_reasoner.models.source import Source
from tests.stub_server import StubServer

openai = pytest.importorskip("langchain_openai")


def judged(error):
    """What collection asks of an error."""
    return {
        "type": type(error).__name__,
        "text": str(error),
        "status": status_of(error),
        "worth another": worth_another(error),
        "refuses all": refuses_all(error),
        "pause": retry_after(error),
        "unreachable": is_unreachable(error),
        "last cause": str(list(causes(error))[-1]),
    }


async def error_of(base_url):
    model = openai.ChatOpenAI(base_url=base_url, api_key="none", model="m")
    async with Connections({"ask": Source(model, prompt="{question}", max_tokens=8, timeout=0.5)}) as ways:
        reply = await made_here(ways.sources["ask"], TokenMeter(), [openai_message()])
    return reply.error


def openai_message():
    from langchain_core.messages import HumanMessage

    return HumanMessage("How many?")


@pytest.mark.parametrize(
    "fault", ["400", "401", "404", "429", "500", "503", "bad json", "cut", "reset", "hang", "empty"]
)
async def test_an_error_of_a_call_is_judged_the_same_on_the_other_side(fault):
    with StubServer(faults={0: fault}, asks_pause="retry-after: 7.5") as stub:
        error = await error_of(stub.base_url)
    assert judged(unpacked(packed(error))) == judged(error)


async def test_an_address_where_nothing_listens_is_unreachable_on_the_other_side_too():
    with StubServer() as stub:
        base_url = stub.base_url
    error = await error_of(base_url)
    assert is_unreachable(unpacked(packed(error)))
    assert judged(unpacked(packed(error))) == judged(error)


class OddError(LookupError):
    """An error that no pickle can hold."""

    def __init__(self, *, lock):
        super().__init__("odd")
        self.lock, self.code = lock, "insufficient_quota"


def test_an_error_that_cannot_be_pickled_keeps_its_name_its_code_and_the_builtin_type_it_is():
    from threading import Lock

    error = OddError(lock=Lock())
    sent = unpacked(packed(error))
    assert (type(sent).__name__, str(sent)) == ("OddError", str(error))
    assert isinstance(sent, LookupError)
    assert refuses_all(sent)
    assert not worth_another(sent)


def test_an_error_of_this_library_arrives_as_itself_with_its_causes():
    error = EmptyReplyError("nothing")
    error.__cause__ = TimeoutError("late")
    sent = unpacked(packed(error))
    assert type(sent) is EmptyReplyError
    assert isinstance(sent.__cause__, TimeoutError)
