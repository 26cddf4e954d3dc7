"""A sampler whose calls are made elsewhere."""

from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.kit.collecting.cost_cap import Cap
from adaptive_reasoner.kit.collecting.rate_limit import RateLimit
from adaptive_reasoner.kit.collecting.sample_file import SampleKey
from adaptive_reasoner.kit.collecting.sampler import Drawn, EndpointStatus, Sampler, WorkerLostError
from adaptive_reasoner.kit.collecting.worklist import Attempts
from adaptive_reasoner.kit.menu.retries import Retries
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel

KEY = SampleKey("q", "cot", 0)


class LostAtFirst:
    """Workers of which the first ones end with their call."""

    def __init__(self, lost):
        self.lost, self.calls = lost, []

    async def call(self, source, messages):
        self.calls.append(source)
        if len(self.calls) <= self.lost:
            raise WorkerLostError("it ended")
        return Reply(AIMessage("Answer: 7"), None, 3.0, 0.1)


class Notes:
    """The notes of calls, in memory."""

    def __init__(self):
        self.costs = {}

    def start(self, _key, attempt, worst):
        self.costs[attempt] = worst

    correct = start


def sampler(calls, *, cap=100.0, attempts=1):
    source = Source(ScriptedModel(failures={0: AssertionError()}), max_tokens=8)
    return Sampler(
        "cot",
        source,
        TokenMeter(),
        file=Notes(),
        cap=Cap(cap, "tokens"),
        rate=RateLimit(),
        retries=Retries(attempts),
        status=EndpointStatus(),
        calls=calls,
    )


async def test_a_call_lost_with_its_worker_costs_its_worst_case_and_is_no_attempt_at_the_endpoint():
    drawing = sampler(LostAtFirst(2), attempts=1)
    drawn = await drawing.draw(KEY, [HumanMessage("How many?")], Attempts())
    assert isinstance(drawn, Drawn)
    assert (drawn.reply.error, drawn.spent) == (None, Attempts(3, 8.0 + 8.0 + 3.0, estimated=True))
    assert drawing.cap.spent == 19.0
    assert drawing.file.costs == {1: 8.0, 2: 8.0, 3: 8.0}
    assert drawing.calls.calls == ["cot"] * 3


async def test_a_call_is_not_made_again_where_the_cap_has_no_room_after_a_lost_one():
    drawing = sampler(LostAtFirst(9), cap=17.0)
    left = await drawing.draw(KEY, [HumanMessage("How many?")], Attempts())
    assert left == Attempts(2, 16.0, estimated=True)
