"""What every provider package reports, and what it comes to: one reader, one table."""

import json

import pytest
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

from adaptive_reasoner.errors import ImpossibleUsageError, UnpricedUsageError
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.messages import tokens_of, usage_of
from adaptive_reasoner.models.metering import PriceMeter, PriceTable, SampleMeter, TokenMeter, prompt_cost
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.models.usage import Usage, readable_usage
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel, joined

QUESTION = [HumanMessage("What is 5 + 9?")]
PRICES = PriceMeter(prompt=1.0, completion=10.0, cached=0.1, written=1.25, written_hourly=2.0)


def counts(given, answered, total, **details):
    usage = {"input_tokens": given, "output_tokens": answered, "total_tokens": total}
    for name in ("input", "output"):
        if name in details:
            usage[f"{name}_token_details"] = details[name]
    return usage


def message(usage, text="Answer: 14"):
    """A reply with usage as a package assigns it, unchecked."""
    made = AIMessage(text, response_metadata={"finish_reason": "stop"})
    made.usage_metadata = usage
    return made


def openai_chat(raw, tier=None):
    from langchain_openai.chat_models.base import _create_usage_metadata

    return message(_create_usage_metadata(raw, tier))


def openai_responses(raw):
    from langchain_openai.chat_models.base import _create_usage_metadata_responses

    return message(_create_usage_metadata_responses(raw))


def anthropic(raw):
    from anthropic.types import Usage as Reported
    from langchain_anthropic.chat_models import _create_usage_metadata

    return message(_create_usage_metadata(Reported.model_validate(raw)))


def groq(raw):
    from langchain_groq.chat_models import _create_usage_metadata

    return message(_create_usage_metadata(raw))


def ollama(raw):
    from langchain_ollama.chat_models import _get_usage_metadata_from_generation_info

    return message(_get_usage_metadata_from_generation_info(raw))


def completion(raw):
    from openai.types.chat import ChatCompletion

    said = {"index": 0, "message": {"role": "assistant", "content": "Answer: 14"}, "finish_reason": "stop"}
    whole = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [said],
        "usage": raw,
    }
    return ChatCompletion.model_validate(whole)


def xai(raw):
    from langchain_xai import ChatXAI

    made = ChatXAI(model="grok-4", api_key="none")._create_chat_result(completion(raw))
    return made.generations[0].message


def deepseek(raw):
    from langchain_deepseek import ChatDeepSeek

    made = ChatDeepSeek(model="deepseek-chat", api_key="none")._create_chat_result(completion(raw))
    return made.generations[0].message


def gemini(*raw):
    """A reply or, of several, the chunks of a stream: Gemini's counts grow from chunk to chunk."""
    from google.genai.types import GenerateContentResponse
    from langchain_core.messages.ai import add_usage
    from langchain_google_genai.chat_models import _response_to_result

    before, chunks = None, []
    for at, usage in enumerate(raw):
        last = at == len(raw) - 1
        part = {"content": {"role": "model", "parts": [{"text": "Answer: 14" if last else "So "}]}}
        candidate = {**part, "finish_reason": "STOP"} if last else part
        response = GenerateContentResponse.model_validate(
            {"candidates": [candidate], "usage_metadata": usage}
        )
        result = _response_to_result(response, stream=len(raw) > 1, prev_usage=before)
        chunks.append(result.generations[0].message)
        before = add_usage(before, chunks[-1].usage_metadata)
    return joined(chunks)


def openai_stream(*raw):
    """Content without usage, then chunks with nothing but usage."""
    from langchain_openai.chat_models.base import _create_usage_metadata

    told = [AIMessageChunk("", usage_metadata=_create_usage_metadata(usage)) for usage in raw]
    return joined([AIMessageChunk("Answer: "), AIMessageChunk("14"), *told])


XAI = {  # as its API reports, read by its own package and by the one for OpenAI
    "prompt_tokens": 32,
    "completion_tokens": 9,
    "total_tokens": 135,
    "prompt_tokens_details": {"cached_tokens": 6},
    "completion_tokens_details": {"reasoning_tokens": 94},
}
OPENAI = {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140}
REASONED = {
    **OPENAI,
    "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0},
}
SHAPES = {
    "openai chat": (openai_chat(REASONED), (100, 60, 0, 40, 30)),
    "openai chat, flexible tier": (openai_chat(REASONED, "flex"), (100, 60, 0, 40, 30)),
    "openai chat, streamed": (openai_stream(REASONED), (100, 60, 0, 40, 30)),
    "openai responses": (
        openai_responses(
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 60},
                "output_tokens": 40,
                "output_tokens_details": {"reasoning_tokens": 30},
                "total_tokens": 140,
            }
        ),
        (100, 60, 0, 40, 30),
    ),
    "anthropic": (
        anthropic(
            {
                "input_tokens": 30,
                "output_tokens": 40,
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 10,
                "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 0},
                "output_tokens_details": {"thinking_tokens": 30},
            }
        ),
        (100, 60, 10, 40, 30),
    ),
    "anthropic without a cache": (anthropic({"input_tokens": 100, "output_tokens": 40}), (100, 0, 0, 40, 0)),
    "gemini": (
        gemini(
            {
                "prompt_token_count": 100,
                "candidates_token_count": 10,
                "thoughts_token_count": 30,
                "cached_content_token_count": 60,
                "total_token_count": 140,
            }
        ),
        (100, 60, 0, 40, 30),
    ),
    "gemini, streamed": (
        gemini(
            {"prompt_token_count": 100, "thoughts_token_count": 30, "total_token_count": 130},
            {
                "prompt_token_count": 100,
                "thoughts_token_count": 30,
                "candidates_token_count": 10,
                "total_token_count": 140,
            },
        ),
        (100, 0, 0, 40, 30),
    ),
    "gemini behind a gateway": (
        openai_chat({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}),
        (20, 0, 0, 603, 0),
    ),
    "bedrock, cached tokens in the input": (
        message(counts(7520, 5, 7525, input={"cache_read": 7502, "cache_creation": 0})),
        (7520, 7502, 0, 5, 0),
    ),
    "bedrock, cached tokens beside the input": (
        message(counts(18, 5, 7525, input={"cache_read": 7502})),
        (7520, 7502, 0, 5, 0),
    ),
    "bedrock, fewer cached tokens beside the input": (
        message(counts(900, 5, 1005, input={"cache_read": 60, "cache_creation": 40})),
        (1000, 60, 40, 5, 0),
    ),
    "cached tokens that the total leaves out": (
        message(counts(18, 5, 23, input={"cache_read": 7502})),
        (7520, 7502, 0, 5, 0),
    ),
    "mistral": (message(counts(100, 40, 140)), (100, 0, 0, 40, 0)),
    "groq": (
        groq({**OPENAI, "completion_tokens_details": {"reasoning_tokens": 30}}),
        (100, 0, 0, 40, 30),
    ),
    "xai": (
        xai(XAI),
        (32, 6, 0, 103, 94),
    ),
    "xai behind a base_url": (
        openai_chat(XAI),
        (32, 6, 0, 103, 94),
    ),
    "reasoning beside the output, without a total": (
        openai_chat(
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "completion_tokens_details": {"reasoning_tokens": 94},
            }
        ),
        (32, 0, 0, 103, 94),
    ),
    "deepseek": (
        deepseek({**OPENAI, "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40}),
        (100, 60, 0, 40, 0),
    ),
    "ollama": (ollama({"prompt_eval_count": 100, "eval_count": 40}), (100, 0, 0, 40, 0)),
    "litellm": (
        message(
            counts(100, 40, 140, input={"cache_read": 60, "cache_creation": 10}, output={"reasoning": 30})
        ),
        (100, 60, 10, 40, 30),
    ),
    "completion_tokens of null": (
        openai_chat({"prompt_tokens": 21, "completion_tokens": None, "total_tokens": 81}),
        (21, 0, 0, 60, 0),
    ),
    "no completion_tokens": (openai_chat({"prompt_tokens": 10, "total_tokens": 15}), (10, 0, 0, 5, 0)),
}


@pytest.mark.parametrize(("made", "expected"), SHAPES.values(), ids=SHAPES)
def test_what_a_package_reports_comes_to_what_its_provider_bills(made, expected):
    prompt, cached, written, answered, reasoning = expected
    assert Usage.of(made) == Usage(prompt, answered, reasoning, cached, written)
    plain = prompt - cached - written
    dollars = (plain * 1.0 + cached * 0.1 + written * 1.25 + answered * 10.0) / 1e6
    assert PRICES.cost(made, 0.0) == pytest.approx(dollars)
    assert (TokenMeter().cost(made, 0.0), TokenMeter("total").cost(made, 0.0)) == (
        answered,
        prompt + answered,
    )
    read = readable_usage(made)
    assert (read["input_tokens"], read["output_tokens"], read["total_tokens"]) == (
        prompt,
        answered,
        prompt + answered,
    )


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
