import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import HumanMessage

from adaptive_reasoner.calls import Caller, LostReplyError, Source
from adaptive_reasoner.costs import TokenMeter
from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.stopping import samples_needed
from adaptive_reasoner.strategies import Task, arun, extended_thinking, on, run, self_consistency, single_pass
from tests.fakes import ScriptedModel, StatusError

TASK = Task([HumanMessage("What is 5 + 9?")])


@pytest.fixture(params=["sync", "async"])
def drive(request):
    """Run a flow to its answer, through either driver."""
    if request.param == "sync":
        return lambda flow, caller: run(flow, TASK, caller)
    return lambda flow, caller: asyncio.run(arun(flow, TASK, caller))


def caller(*answers, max_tokens=50, config=None, **fields):
    source = Source(ScriptedModel(answers=answers or ("Answer: 42",), **fields), max_tokens=max_tokens)
    return Caller(source, TokenMeter(), config)


def test_single_pass_is_one_call_at_its_metered_cost(drive):
    made = caller("the Answer: 14")
    answer = drive(single_pass(), made)
    assert (answer.value, made.cost, len(made.bill)) == ("14", 3, 1)


def test_a_vote_stops_when_the_leader_cannot_be_overtaken(drive):
    made = caller("Answer: 1", "Answer: 1", "Answer: 1", "Answer: 2", "Answer: 2")
    answer = drive(self_consistency(5), made)
    assert (answer.value, answer.agreement, len(made.bill)) == ("1", 1.0, 3)


def test_a_contested_vote_draws_all_its_samples_and_ties_go_to_the_first_seen():
    made = caller("Answer: 1", "Answer: 2", "Answer: 2", "Answer: 1", "no idea")
    answer = run(self_consistency(5), TASK, made)
    assert len(made.bill) == 5
    assert answer.value in ("1", "2")
    assert answer.agreement == 0.4


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=9, max_size=9), st.integers(1, 9))
def test_stopping_early_never_changes_the_winner(answers, limit):
    def tally(seen):
        counts = {}
        for answer in seen:
            if answer is not None:
                counts[answer] = counts.get(answer, 0) + 1
        return sorted(counts.values(), reverse=True), max(counts, key=counts.get, default=None)

    drawn = 0
    while True:
        votes, leader = tally(answers[:drawn])
        first, second = [*votes, 0, 0][:2]
        wave = samples_needed(first, second, drawn, limit)
        if not wave:
            break
        drawn += wave
    assert drawn <= limit
    assert leader == tally(answers[:limit])[1]


def test_a_vote_answers_from_what_arrived_and_bills_what_was_lost(drive):
    made = caller("Answer: 7", failures={0: TimeoutError("read timed out"), 1: StatusError(429)})
    answer = drive(self_consistency(3), made)
    assert answer.value == "7"
    costs = sorted((reply.cost, reply.estimated) for reply in made.bill)
    # The refused call is free, the lost one costs its worst case, the good one what it used.
    assert costs == [(0.0, False), (2.0, False), (50.0, True)]


def test_when_every_sample_fails_the_first_error_is_raised_as_it_came(drive):
    made = caller(failures={number: StatusError(503) for number in range(9)})
    with pytest.raises(StatusError, match="503"):
        drive(self_consistency(3), made)
    assert made.cost == 0


@pytest.mark.parametrize("defect", [{"answers": ("",)}, {"finish": None}])
def test_an_empty_or_cut_reply_is_a_failure_that_is_paid_for(drive, defect):
    made = caller(**defect) if "answers" not in defect else caller(*defect["answers"])
    with pytest.raises(LostReplyError):
        drive(single_pass(), made)
    assert len(made.bill) == 1


def test_a_cut_reply_without_usage_costs_its_worst_case(drive):
    made = caller(finish=None, usage=False)
    with pytest.raises(LostReplyError, match="cut off"):
        drive(single_pass(), made)
    assert [(reply.cost, reply.estimated) for reply in made.bill] == [(50, True)]


def test_a_good_reply_without_usage_raises_and_is_billed_at_its_worst_case(drive):
    made = caller(usage=False)
    with pytest.raises(UnpricedUsageError):
        drive(self_consistency(3), made)
    assert made.cost == 2 * 50


def test_a_reply_nobody_bounded_is_not_free_when_lost(drive):
    made = caller(max_tokens=None, failures={0: ConnectionResetError()})
    with pytest.raises(ConnectionResetError):
        drive(single_pass(), made)
    assert made.cost > 1000


def test_thinking_composes_with_votes_and_with_sources():
    strong = ScriptedModel(answers=("Answer: 9",))
    flow = on(Source(strong, prompt="Q: {}".format), extended_thinking("low", self_consistency(3)))
    made = caller()
    answer = run(flow, TASK, made)
    assert answer.value == "9"
    assert made.cost == 2 * (2 + 20)
    assert {(r["prompt"], r["reasoning_effort"]) for r in strong.requests} == {("Q: What is 5 + 9?", "low")}


def test_samples_are_independent_also_under_a_global_cache():
    set_llm_cache(InMemoryCache())
    try:
        made = caller(*(f"Answer: {n}" for n in range(5)))
        run(self_consistency(5), TASK, made)
    finally:
        set_llm_cache(None)
    assert len({reply.message.text for reply in made.bill}) == 5


async def test_cancellation_bills_what_had_started_and_nothing_else():
    made = caller(latency=60.0, config={"max_concurrency": 2})
    task = asyncio.create_task(arun(self_consistency(9), TASK, made))
    while len(made.source.runnable.requests) < 2:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(reply.cost, reply.estimated) for reply in made.bill] == [(50, True), (50, True)]


def test_a_model_factory_is_called_once_and_only_when_needed():
    calls = itertools.count()

    def factory():
        next(calls)
        return ScriptedModel()

    source = Source(factory, max_tokens=9)
    assert next(calls) == 0
    for _ in range(2):
        run(single_pass(), TASK, Caller(source, TokenMeter()))
    assert next(calls) == 2


def test_a_vote_needs_a_sample():
    with pytest.raises(ValueError, match="not 0"):
        self_consistency(0)
