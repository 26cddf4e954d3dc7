"""Usage that cannot be: the reply is kept, and costs its worst case."""

import json

import pytest
from langchain_core.language_models import FakeMessagesListChatModel

from adaptive_reasoner.errors import ImpossibleUsageError, UnpricedUsageError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.messages import tokens_of, usage_of
from adaptive_reasoner.models.metering import PriceTable, SampleMeter, TokenMeter, prompt_cost
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.models.usage import readable_usage
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel
from tests.unit_tests.models.usages import PRICES, QUESTION, counts, message

NAN = float("nan")
IMPOSSIBLE = {
    "a negative output": counts(10, -5, 5),
    "a negative input": counts(-10, 5, 15),
    "a negative total": counts(10, 5, -15),
    "no number": counts(10, NAN, 15),
    "text": counts("10", "5", "15"),
    "no output beside a text": counts(10, 0, 10),
    "nothing at all beside a text": counts(0, 0, 0),
    "an absurd size": counts(10, 1e30, 15),
    "another absurd size": counts(10**30, 5, 10**30 + 5),
    "an infinite count": counts(10, float("inf"), 15),
    "half a token": counts(10, 5.5, 15.5),
    "an output of null": counts(10, None, 15),
    "an input of null": counts(None, 5, 15),
    "a truth value": counts(True, True, True),
    "a missing count": {"input_tokens": 10, "total_tokens": 15},
    "a negative number of cached tokens": counts(10, 5, 15, input={"cache_read": -7}),
    "cached tokens that are no number": counts(10, 5, 15, input={"cache_read": NAN}),
    "negative reasoning": counts(10, 5, 15, output={"reasoning": -3}),
    "details that are none": counts(10, 5, 15, input=[1, 2]),
}


@pytest.mark.parametrize("usage", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_meter_refuses_usage_that_cannot_be(usage):
    for meter in (TokenMeter(), TokenMeter("total"), PRICES, PriceTable({"m": PRICES})):
        made = message(usage).model_copy(update={"response_metadata": {"model_name": "m"}})
        with pytest.raises(ImpossibleUsageError, match="which cannot be, so its cost is unknown"):
            meter.cost(made, 0.0)
    assert (tokens_of(made), readable_usage(made), prompt_cost(PRICES, made, 0.0)) == ({}, None, 0.0)
    assert SampleMeter().cost(made, 0.0) == 1.0


@pytest.mark.parametrize("usage", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
@pytest.mark.parametrize("meter", [TokenMeter(), PRICES], ids=["tokens", "dollars"])
def test_a_reply_whose_usage_cannot_be_is_kept_and_costs_its_worst_case(usage, meter):
    source = Source(FakeMessagesListChatModel(responses=[message(usage)]), max_tokens=50)
    worst = meter.worst_cost(QUESTION, 50)
    made = AdaptiveReasoner(
        source,
        policy=FixedPolicy("o", expected_cost=worst, cost_unit=meter.cost_unit),
        actions={"o": single_pass()},
        meter=meter,
    )
    result, snapshot = made.answer(QUESTION), made.ledger.snapshot()
    assert (result.answer, result.record["estimated"], result.record["failed"]) == ("14", True, [])
    assert result.message.usage_metadata is None
    assert (snapshot.spent, snapshot.in_flight) == (pytest.approx(worst), 0)


async def test_one_sample_whose_usage_cannot_be_does_not_take_the_others_along():
    good, bad = message(counts(10, 5, 15)), message(counts(10, -5, 5))
    made = CallExecutor(
        Source(FakeMessagesListChatModel(responses=[good, bad, good]), max_tokens=50), TokenMeter()
    )
    replies = await made.arun_round([Request(QUESTION)] * 3)
    assert sorted((reply.cost, reply.estimated) for reply in replies) == [(5, False), (5, False), (50, True)]
    assert all(reply.message is not None for reply in replies)
    assert usage_of(replies) == counts(20, 10, 30)


def test_a_collection_keeps_an_answer_whose_usage_cannot_be(tmp_path):
    out = tmp_path / "samples.jsonl"
    model = FakeMessagesListChatModel(responses=[message(counts(10, -5, 5))])
    done = collect([Question("q", "5 + 9?", "14")], Menu({"a": Source(model, max_tokens=50)}, samples=2), out)
    assert (done.failed, done.cost) == (0, 100.0)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["answer"], row["correct"], row["cost"], row["estimated"]) for row in rows] == [
        ("14", 1.0, 50.0, True)
    ] * 2
    assert Samples.read(out).bill()


class Odd:
    """A meter of a user's own, which believes what it reads."""

    cost_unit = "tokens"

    def __init__(self, cost):
        self._cost = cost

    def cost(self, reply, seconds):
        return self._cost

    def worst_cost(self, messages, max_tokens):
        return float(max_tokens)


@pytest.mark.parametrize("cost", [-5.0, NAN, float("inf")])
def test_what_no_meter_can_mean_is_booked_at_the_worst_case(cost):
    (reply,) = CallExecutor(Source(ScriptedModel(), max_tokens=50), Odd(cost)).run_round([Request(QUESTION)])
    assert (reply.cost, reply.estimated, reply.message.text) == (50.0, True, "Answer: 42")


def test_absent_usage_still_ends_the_call_with_its_worst_case_booked():
    made = AdaptiveReasoner(
        Source(FakeMessagesListChatModel(responses=[message(None)]), max_tokens=50),
        policy=FixedPolicy("v", expected_cost=1.0),
        actions={"v": single_pass()},
    )
    with pytest.raises(UnpricedUsageError, match="carries no token usage"):
        made.answer(QUESTION)
    assert (made.ledger.snapshot().spent, made.ledger.snapshot().in_flight) == (50.0, 0)


def test_a_stream_whose_usage_is_negative_keeps_its_text_and_costs_its_worst_case():
    class Streamed(ScriptedModel):
        def _reply(self, messages, kwargs):
            return message(counts(10, -5, 5))

    made = CallExecutor(Source(Streamed(), max_tokens=50), TokenMeter())
    assert "".join(chunk.text for chunk in made.stream(Request(QUESTION))) == "Answer: 14"
    assert [(reply.cost, reply.estimated, reply.error) for reply in made.bill] == [(50, True, None)]


def test_a_model_named_by_every_chunk_of_a_stream_has_its_price():
    table = PriceTable({"gpt-5-mini": PRICES})
    for name in ("gpt-5-mini-2025-08-07", "gpt-5-mini", "gpt-5-mini" * 2, "gpt-5-mini-2025-08-07" * 3):
        said = message(counts(10, 5, 15)).model_copy(update={"response_metadata": {"model_name": name}})
        assert table.cost(said, 0.0) == pytest.approx(60 / 1e6)
    said = said.model_copy(update={"response_metadata": {"model_name": "otherother"}})
    with pytest.raises(UnpricedUsageError, match="model 'other' has no price"):
        table.cost(said, 0.0)
