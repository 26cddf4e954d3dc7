"""Asynchronous questions never block the event loop, and take a thread only where something could."""

import asyncio
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from blockbuster import BlockingError, blockbuster_ctx
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import grouping, math_equivalence
from adaptive_reasoner.answers.grouping import fields
from adaptive_reasoner.answers.values import dates, units
from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.modifiers import extended_thinking, on, switch_model
from adaptive_reasoner.strategies.priced_stops import Priced
from adaptive_reasoner.strategies.verification import Checker, best_of_n
from adaptive_reasoner.strategies.voting import adaptive_consistency, self_consistency, single_pass
from tests.fakes import ScriptedModel

CALL = AIMessage("", tool_calls=[{"name": "add", "args": {"a": 5, "b": 9, "note": "5 km"}, "id": "1"}])
UNREADABLE = AIMessage(
    "It is 5 km.", invalid_tool_calls=[{"name": "add", "args": "{", "id": "1", "error": "no JSON"}]
)


def slow(message):
    time.sleep(0)
    return message.text


def is_right(question, message):
    time.sleep(0)
    return True


def checked_once(task):
    answer = yield from single_pass()(task)
    time.sleep(0)
    return answer


class SlowComparison:
    """A comparison of a user's own."""

    name = "slow"

    def keys(self, messages, *, question=""):
        time.sleep(0)
        return [message.text for message in messages]

    def steps(self, messages, *, question=""):
        yield from ()
        return self.keys(messages, question=question)

    def grade(self, answer, gold):
        return float(answer == gold)


class CountedThreads(ThreadPoolExecutor):
    """The threads of a loop; it counts what they are given."""

    given = 0

    def submit(self, *work, **terms):
        self.given += 1
        return super().submit(*work, **terms)


class HalfPriced(ScriptedModel):
    """Every second reply reports no usage."""

    def _reply(self, messages, kwargs):
        message = super()._reply(messages, kwargs)
        return message.model_copy(update={"usage_metadata": None}) if len(self.requests) % 2 == 0 else message


def replying(*replies, kind=ScriptedModel):
    texts = tuple(reply if isinstance(reply, str) else "7" for reply in replies)
    messages = {at: each for at, each in enumerate(replies * 3) if isinstance(each, AIMessage)}
    return kind(answers=texts, replies=messages)


def reasoner(flow, *replies, key="auto", ledger=None, kind=ScriptedModel, max_tokens=50):
    return AdaptiveReasoner(
        Source(replying(*(replies or ("It is 5 km.",)), kind=kind), max_tokens=max_tokens),
        policy=FixedPolicy("chosen", expected_cost=6.0),
        actions={"chosen": flow},
        ledger=ledger or open_ledger("memory://", target=20.0),
        key=key,
    )


def threads_taken(made):
    threads = CountedThreads()

    async def asked():
        asyncio.get_running_loop().set_default_executor(threads)
        await made.aanswer("What is 5 + 9?")

    asyncio.run(asked())
    return threads.given


class OwnRule:
    """A stop rule of a user's own."""

    def wave(self, state, terms):
        time.sleep(0)
        return int(not state.drawn)


class OneByOne:
    """Draws all samples, one after the other."""

    non_blocking = True

    def wave(self, state, terms):
        return int(state.drawn < state.limit)


LONG = "It is so. " * 1000
OTHER = Source(replying(CALL), max_tokens=50)


@pytest.mark.parametrize("key", ["auto", "exact", "numeric", "math", "choice", "json", fields("a")], ids=str)
def test_one_pass_that_calls_a_tool_takes_no_thread_however_replies_are_compared(key):
    assert threads_taken(reasoner(single_pass(), CALL, key=key)) == 0


@pytest.mark.parametrize(
    "flow",
    [on(OTHER), switch_model(OTHER.model), extended_thinking("low"), single_pass(key="json")],
    ids=["another source", "another model", "thinking", "a key of its own"],
)
def test_one_pass_elsewhere_that_calls_a_tool_takes_no_thread(flow):
    assert threads_taken(reasoner(flow, CALL)) == 0


@pytest.mark.parametrize(
    "made",
    [
        reasoner(single_pass(), LONG),
        reasoner(single_pass(), CALL, key=slow),
        reasoner(single_pass(key=slow), CALL),
        reasoner(self_consistency(17), CALL),
        reasoner(adaptive_consistency(2, OwnRule()), CALL),
        reasoner(best_of_n(1, Checker(is_right)), CALL),
        reasoner(checked_once, CALL),
    ],
    ids=[
        *("a long text", "a function compares", "the strategy's does", "a vote of many", "a user's rule"),
        *("a check", "a user's strategy"),
    ],
)
def test_what_may_wait_or_compute_takes_a_thread(made):
    assert threads_taken(made) > 0


@pytest.mark.parametrize("text", ["It is 5 km.", "Answer: (x+31)^2", "It was on 5. März 2024."])
def test_a_thread_is_taken_once_to_load_what_replies_are_read_with(text):
    for loaded in (units.unit, units._registry, dates._names, math_equivalence._found, grouping._read):
        loaded.cache_clear()
    made = reasoner(single_pass(), text)
    assert [threads_taken(made), threads_taken(made)] == [1, 0]


@pytest.mark.parametrize("key", ["auto", "exact", "numeric", "choice", "json"])
@pytest.mark.parametrize(
    "flow",
    [single_pass(), self_consistency(3), adaptive_consistency(3, Priced())],
    ids=["one pass", "a vote", "a priced vote"],
)
def test_plain_replies_are_compared_without_a_thread(key, flow):
    assert threads_taken(reasoner(flow, "Let me think.\nAnswer: 14", key=key)) == 0


async def test_a_vote_that_took_a_thread_takes_one_for_later_replies_too(guarded):
    """The winner may be a reply of an earlier wave, which is read for the record at the end."""
    for loaded in (units.unit, units._registry, grouping._read):
        loaded.cache_clear()
    made = reasoner(
        adaptive_consistency(3, OneByOne()), "It is 5 km.", "It is 5 km.", "Answer: 7", key="exact"
    )
    assert (await made.aanswer("How far is it?")).message.text == "It is 5 km."


@pytest.fixture
def guarded():
    """Nothing that this library calls may block the loop."""
    with blockbuster_ctx("adaptive_reasoner"):
        yield


async def test_the_guard_sees_a_flow_that_blocks_the_loop(guarded):
    with pytest.raises(BlockingError):
        reasoner(checked_once).answer("How far is it?")


@pytest.mark.parametrize("told", [None, []], ids=["nobody told", "told"])
@pytest.mark.parametrize(
    "made",
    [
        lambda: reasoner(single_pass(), CALL),
        lambda: reasoner(single_pass(key=slow)),
        lambda: reasoner(single_pass(), CALL, key=slow),
        lambda: reasoner(self_consistency(3)),
        lambda: reasoner(best_of_n(2, is_right)),
        lambda: reasoner(best_of_n(2, Checker(is_right)), CALL),
        lambda: reasoner(checked_once, CALL),
        lambda: reasoner(
            self_consistency(3),
            *("It is 5 km.", "It is 6 km."),
            key=SlowComparison(),
            ledger=open_ledger("memory://", target=20.0, hard_cap=10.0),
            max_tokens=4,
        ),
    ],
    ids=[
        *("a tool call", "a function compares", "a function tells the answer", "a vote", "a score"),
        *("a check", "a user's strategy", "a vote that the hard cap ends"),
    ],
)
async def test_no_question_blocks_the_loop(guarded, made, told):
    listener = {} if told is None else {"on_event": told.append}
    result = await made().aanswer("How far is it?", **listener)
    chunks = [chunk async for chunk in made().astream_answer("How far is it?", **listener)]
    assert chunks[-1].response_metadata["adaptive_reasoner"]["cost"] == result.record["cost"]


@pytest.mark.parametrize(
    "made",
    [
        lambda: reasoner(single_pass()),
        lambda: reasoner(single_pass(), UNREADABLE),
        lambda: reasoner(single_pass(key=slow)),
    ],
    ids=["text", "no readable call", "a function compares"],
)
async def test_units_are_loaded_in_a_thread(guarded, made):
    units.unit.cache_clear()
    units._registry.cache_clear()
    assert await made().aanswer("How far is it?")


async def test_replies_beside_one_that_cannot_be_priced_are_told_of_without_blocking_the_loop(guarded):
    told = []
    made = reasoner(self_consistency(3), key=slow, kind=HalfPriced)
    with pytest.raises(UnpricedUsageError):
        await made.aanswer("How far is it?", on_event=told.append)
    assert [event["event"] for event in told] == ["decision", "sample", "sample", "failed"]
    assert {event.get("answer") for event in told} == {None, "It is 5 km."}


def test_comparing_tool_calls_loads_neither_units_nor_names_and_starts_no_process():
    program = """
import sys
from langchain_core.messages import AIMessage
from adaptive_reasoner.answers import math_equivalence
from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.answers.grouping import auto, choice, exact, fields, json, math, numeric

texts = ["5 km/h", "3. May 2024", "next Tuesday at noon", "x^2 + 1", "sqrt(2)/2", "twelve", "$5.00",
         "5 + 9 =", "(B) Paris", "Bring me the weather in Paris today", "one hundred", "2024-05-03", "[0, 1)"]
names = ["value", "distance", "date", "query", "expression", "unit", "comment", "code"]
values = [*texts, 5, 5.5, True, None, texts, {"a": texts}]
for value in values:
    calls = [{"name": "do", "args": {name: value for name in names}, "id": "1"},
             {"name": "do", "args": {"x": value}, "id": "2"}]
    message = AIMessage("It is 5 km.", tool_calls=calls)
    for key in (auto, choice, exact, fields("x"), json, math, numeric):
        assert key.never_blocks_on(message)
        key.keys([message], question="How many km, and when?")
    final_answer(message)
print([name for name in ("pint", "babel", "sympy") if name in sys.modules])
print(math_equivalence._WORKING._process)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["[]", "None"], done.stdout + done.stderr
