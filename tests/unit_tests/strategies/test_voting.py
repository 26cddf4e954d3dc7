import asyncio
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.replies import EmptyReplyError, LostReplyError
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.flow import Task, arun, run, sample_price
from adaptive_reasoner.strategies.modifiers import extended_thinking, on, switch_model
from adaptive_reasoner.strategies.priced_stops import Priced
from adaptive_reasoner.strategies.stop_rules import Beta, Lossless, Window
from adaptive_reasoner.strategies.verification import Checker, best_of_n
from adaptive_reasoner.strategies.vote_state import samples_needed
from adaptive_reasoner.strategies.voting import adaptive_consistency, self_consistency, single_pass
from tests.fakes import IN_TURN, ScriptedModel, StatusError
from tests.waiting import PATIENCE, await_until

TASK = Task([HumanMessage("What is 5 + 9?")])


def caller(*answers, max_tokens=50, config=None, **fields):
    source = Source(ScriptedModel(answers=answers or ("Answer: 42",), **fields), max_tokens=max_tokens)
    return CallExecutor(source, TokenMeter(), config or IN_TURN)


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


@pytest.mark.parametrize("samples", [0, -1, 2.5, "3"])
def test_a_number_of_samples_that_is_none_is_refused_at_construction(samples):
    with pytest.raises(ValueError, match="a whole number of at least 1 sample"):
        self_consistency(samples)


def test_the_error_of_a_failed_answer_keeps_what_caused_it(drive):
    refused = ConnectionError("no connection")
    refused.__cause__ = ConnectionRefusedError("nobody listens")
    with pytest.raises(ConnectionError) as raised:
        drive(single_pass(), caller(failures={0: refused}))
    assert raised.value.__cause__ is refused.__cause__


def test_a_cut_reply_is_a_failure_that_is_paid_for(drive):
    made = caller(finish=None)
    with pytest.raises(LostReplyError):
        drive(single_pass(), made)
    assert len(made.bill) == 1


def test_an_empty_reply_is_the_answer_where_nothing_else_came_and_has_no_value(drive):
    made = caller("")
    answer = drive(single_pass(), made)
    assert (answer.message.text, answer.value, answer.agreement) == ("", None, 0.0)
    assert [(type(reply.error), reply.estimated) for reply in made.bill] == [(EmptyReplyError, False)]


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
    await await_until(lambda: len(made.source.runnable.requests) == 2)
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
        run(single_pass(), TASK, CallExecutor(source, TokenMeter()))
    assert next(calls) == 2


def test_a_vote_needs_a_sample():
    with pytest.raises(ValueError, match="not 0"):
        self_consistency(0)


@pytest.mark.parametrize(
    ("stop", "calls"),
    [(Lossless(), 5), (Beta(0.9), 3), (Window(2), 2), (Priced(), 2)],
    ids=lambda value: type(value).__name__,
)
def test_each_rule_ends_an_agreeing_vote_in_its_own_time(drive, stop, calls):
    made = caller("Answer: 1")
    answer = drive(adaptive_consistency(9, stop), made, Task(TASK.messages, price=0.015))
    assert (answer.value, len(made.bill)) == ("1", calls)
    assert answer.votes == {"1": calls}


def test_a_higher_price_buys_fewer_samples():
    answers = ["Answer: 1", "Answer: 2", "Answer: 1", "Answer: 3", "Answer: 1", "Answer: 2"]
    drawn = []
    for price in (0.0, 0.002, 0.02, 1.0):
        made = caller(*answers)
        run(adaptive_consistency(12, Priced()), Task(TASK.messages, price=price), made)
        drawn.append(len(made.bill))
    assert drawn == sorted(drawn, reverse=True)
    assert drawn[0] > drawn[-1] == 1


def test_waiting_has_its_price_too_and_is_paid_in_rounds():
    messages = TASK.messages
    answers = [f"Answer: {1 + number % 2}" for number in range(4)]
    patient, hurried = caller(*answers, latency=0.02), caller(*answers, latency=0.02)
    run(adaptive_consistency(12, Priced()), Task(messages, price=0.0002), patient)
    run(adaptive_consistency(12, Priced()), Task(messages, price=0.0002, second_price=0.5), hurried)
    assert hurried.rounds < patient.rounds


def test_no_wave_is_started_that_cannot_be_back_by_the_deadline(drive):
    drive(single_pass(), caller("Answer: 1"))  # loads what a first call loads
    made = caller("Answer: 1", "Answer: 2", latency=1.5)
    deadline = time.monotonic() + 2.9
    answer = drive(adaptive_consistency(30, Beta(0.999)), made, Task(TASK.messages, deadline=deadline))
    assert answer.value in ("1", "2")
    assert made.rounds == 1


async def test_a_deadline_ends_the_calls_and_the_vote_answers_from_what_arrived():
    model = ScriptedModel(answers=("Answer: 7",))
    slow = Source(ScriptedModel(answers=("Answer: 8",), latency=30.0), max_tokens=50)
    made = CallExecutor(Source(model, max_tokens=50), TokenMeter())
    in_time = Task(TASK.messages, deadline=time.monotonic() + PATIENCE)
    assert (await arun(single_pass(), in_time, made)).value == "7"
    with pytest.raises(TimeoutError):
        await arun(on(slow), Task(TASK.messages, deadline=time.monotonic() + 1.0), made)
    assert [(reply.cost, reply.estimated) for reply in made.bill] == [(2, False), (50, True)]


async def test_a_sample_that_drips_for_ever_is_ended_by_its_timeout_and_billed_at_its_worst_case():
    source = Source(ScriptedModel(latency=30.0), max_tokens=50, timeout=0.01)
    made = CallExecutor(source, TokenMeter())
    with pytest.raises(TimeoutError):
        await arun(self_consistency(3), TASK, made)
    assert [(reply.cost, reply.estimated) for reply in made.bill] == [(50, True)] * 3


def test_refusals_never_vote_but_are_an_answer_where_there_is_no_other(drive):
    refusal = AIMessage("", additional_kwargs={"refusal": "I cannot help with Answer: 3."})
    made = caller("Answer: 7", replies={0: refusal, 1: refusal})
    assert drive(self_consistency(3), made).votes == {"7": 1}
    alone = caller(replies={0: refusal})
    answer = drive(single_pass(), alone)
    assert (answer.value, answer.message.additional_kwargs["refusal"]) == (
        None,
        "I cannot help with Answer: 3.",
    )


def test_tool_calls_are_counted_by_name_and_arguments_and_structured_output_by_value(drive):
    def asks(**arguments):
        return AIMessage("", tool_calls=[{"name": "add", "args": arguments, "id": str(arguments)}])

    made = caller("unused", replies={0: asks(a=1, b=2), 1: asks(b=2, a=1), 2: asks(a=3, b=2)})
    answer = drive(self_consistency(3), made)
    assert answer.agreement == 1.0
    assert answer.message.tool_calls[0]["args"] == {"a": 1, "b": 2}
    made = caller('{"x": 1, "y": [2]}', '{ "y": [2], "x": 1 }', '{"x": 2}')
    assert list(drive(adaptive_consistency(9, Window(3)), made).votes.values()) == [5, 2]


def test_a_tie_goes_to_the_answer_seen_first_and_silence_to_the_first_that_arrived(drive):
    assert drive(self_consistency(2), caller("Answer: 1", "Answer: 2")).agreement == 0.5
    silent = drive(self_consistency(3), caller("I do not know.\nNor do I\nwant to."))
    assert (silent.value, silent.agreement, silent.votes) == (None, 0.0, {})


def test_one_request_draws_several_samples_and_its_usage_counts_once(drive):
    source = Source(ScriptedModel(answers=("Answer: 1",)), max_tokens=50, samples_per_request=4)
    made = CallExecutor(source, TokenMeter(counts="total"), IN_TURN)
    answer = drive(self_consistency(9), made)
    requests = source.runnable.requests
    assert [request.get("n", 1) for request in requests] == [4, 1]  # five are needed at first
    assert answer.votes == {"1": 5}
    assert made.cost == (10 + 4 * 2) + (10 + 2)  # the prompt of four is paid once


def test_what_a_further_request_pays_is_read_from_those_that_were_made(drive):
    source = Source(ScriptedModel(answers=("Answer: 1",)), max_tokens=50, samples_per_request=4)
    made = CallExecutor(source, TokenMeter(counts="total"))
    drive(self_consistency(9), made)
    terms = sample_price(TASK, made.bill)
    assert (terms.cost, terms.prompt_cost, terms.samples_per_request) == (2.0, 10.0, 4)
    alone = CallExecutor(
        Source(ScriptedModel(answers=("Answer: 1",)), max_tokens=50), TokenMeter(counts="total")
    )
    drive(self_consistency(9), alone)
    terms = sample_price(TASK, alone.bill)
    assert (terms.cost, terms.prompt_cost, terms.samples_per_request) == (12.0, 0.0, 1)


def test_a_lost_request_for_several_samples_costs_the_worst_case_of_all():
    source = Source(ScriptedModel(failures={0: ConnectionResetError()}), max_tokens=50, samples_per_request=3)
    made = CallExecutor(source, TokenMeter())
    assert run(self_consistency(5), TASK, made).votes == {"42": 2}
    assert [(reply.cost, reply.estimated) for reply in made.bill[:3]] == [(50, True)] * 3


def test_switching_the_model_keeps_prompt_and_settings():
    other = ScriptedModel(answers=("Answer: 9",))
    made = CallExecutor(
        Source(ScriptedModel(), prompt="Q: {}".format, settings={"seed": 3}, max_tokens=50), TokenMeter()
    )
    assert run(switch_model(other, self_consistency(3)), TASK, made).value == "9"
    assert [(r["prompt"], r["seed"], r["max_tokens"]) for r in other.requests] == [
        ("Q: What is 5 + 9?", 3, 50)
    ] * 2


def test_thinking_gets_room_of_its_own_beside_the_reply():
    made = caller("Answer: 9")
    run(extended_thinking("low"), TASK, made)
    run(extended_thinking(2000), TASK, made)
    run(extended_thinking("low", max_tokens=70), TASK, made)
    assert [r["max_tokens"] for r in made.source.runnable.requests] == [50 + 1024, 50 + 2000, 70]
    with pytest.raises(ValueError, match="no room"):
        extended_thinking(2000, max_tokens=1000)
    with pytest.raises(ValueError, match="no effort 'huge'"):
        extended_thinking("huge")


async def test_calls_that_wait_for_their_turn_past_the_deadline_are_neither_started_nor_billed():
    await arun(single_pass(), TASK, caller("Answer: 7"))  # what it imports takes no time of the next
    made = caller("Answer: 7", endless_from=1, config={"max_concurrency": 1})
    task = Task(TASK.messages, deadline=time.monotonic() + 1.5)
    answer = await arun(self_consistency(9), task, made)
    assert answer.value == "7"
    assert [(reply.cost, reply.estimated) for reply in made.bill] == [(2, False), (50, True)]


@pytest.mark.parametrize("flow", [single_pass(), self_consistency(3), best_of_n(3, Checker(lambda *_: True))])
def test_a_deadline_that_has_passed_is_an_error_that_costs_nothing(drive, flow):
    made = caller()
    with pytest.raises(TimeoutError, match="before a call could start"):
        drive(flow, made, Task(TASK.messages, deadline=time.monotonic() - 1.0))
    assert made.bill == []
