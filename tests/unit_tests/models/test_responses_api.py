"""OpenAI's Responses API, over real HTTP, beside chat completions: one contract for both."""

import asyncio

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI

from adaptive_reasoner.answers import final_answer
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import PriceMeter, PriceTable, TokenMeter
from adaptive_reasoner.models.replies import EmptyReplyError, LostReplyError, refused
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.flow import vote_of
from adaptive_reasoner.strategies.modifiers import extended_thinking
from adaptive_reasoner.strategies.voting import self_consistency
from tests.stub_server import THINKING_TOKENS, StubServer

QUESTION = [HumanMessage("What is 5 + 9?")]
DOLLARS = PriceTable({"stub": PriceMeter(prompt=1e6, completion=1e6, cached=0.0)})


def answer(prompt, number):
    return "so the Answer: 14"


def model_at(stub, **fields):
    return ChatOpenAI(model="stub", base_url=stub.base_url, api_key="none", max_retries=0, **fields)


def calls(source, meter, request, way):
    """The reply to a request, called, awaited or streamed."""
    made = CallExecutor(source, meter)

    async def read():
        return [chunk async for chunk in made.astream(request)]

    if way == "streamed":
        list(made.stream(request))
    elif way == "streamed asynchronously":
        asyncio.run(read())
    elif way == "awaited":
        asyncio.run(made.arun_round([request]))
    else:
        made.run_round([request])
    (reply,) = made.bill
    return reply


WAYS = pytest.mark.parametrize("way", ["called", "awaited", "streamed", "streamed asynchronously"])
APIS = pytest.mark.parametrize("responses", [False, True], ids=["chat completions", "responses"])


@WAYS
@APIS
def test_a_reply_is_billed_with_its_reasoning_and_votes(responses, way):
    with StubServer(answer) as stub:
        source = Source(model_at(stub, use_responses_api=responses, stream_usage=True), max_tokens=99)
        reply = calls(source, TokenMeter(), Request(QUESTION, thinking="low"), way)
    assert (reply.cost, reply.estimated, reply.error) == (5 + THINKING_TOKENS["low"], False, None)
    assert vote_of(reply.message, final_answer) == "14"


@WAYS
def test_cached_tokens_of_a_response_have_their_price(way):
    with StubServer(answer) as stub:
        reply = calls(Source(model_at(stub, use_responses_api=True)), DOLLARS, Request(QUESTION), way)
    assert reply.cost == pytest.approx(5 + 3)  # 2 of 5 tokens of the prompt are cached


@WAYS
def test_an_incomplete_response_is_billed_by_its_usage_and_never_votes(way):
    with StubServer(lambda prompt, number: "5 and 9 and more") as stub:
        source = Source(model_at(stub, use_responses_api=True), max_tokens=3)
        reply = calls(source, TokenMeter(), Request(QUESTION), way)
    assert (reply.cost, reply.estimated, reply.error) == (4.0, False, None)
    assert (reply.message.response_metadata["status"], vote_of(reply.message, final_answer)) == (
        "incomplete",
        None,
    )


@WAYS
def test_a_refusal_is_kept_and_never_votes(way):
    with StubServer(answer, faults={0: "refusal"}) as stub:
        reply = calls(Source(model_at(stub, use_responses_api=True)), TokenMeter(), Request(QUESTION), way)
    assert (reply.error, refused(reply.message), vote_of(reply.message, final_answer)) == (None, True, None)


@pytest.mark.parametrize("way", ["called", "awaited"])
@pytest.mark.parametrize(("fault", "cost"), [("429", 0.0), ("503", 0.0), ("bad json", 50.0), ("cut", 50.0)])
@APIS
def test_only_refusals_are_free(responses, fault, cost, way):
    with StubServer(answer, faults={0: fault}) as stub:
        source = Source(model_at(stub, use_responses_api=responses), max_tokens=50)
        reply = calls(source, TokenMeter(), Request(QUESTION), way)
    assert (reply.message, reply.cost, reply.estimated) == (None, cost, cost > 0)


@pytest.mark.parametrize("way", ["streamed", "streamed asynchronously"])
def test_a_response_whose_stream_was_cut_is_lost(way):
    with StubServer(answer, faults={0: "cut"}) as stub:
        source = Source(model_at(stub, use_responses_api=True), max_tokens=50)
        reply = calls(source, TokenMeter(), Request(QUESTION), way)
    assert isinstance(reply.error, LostReplyError)
    assert not isinstance(reply.error, EmptyReplyError)
    assert (reply.cost, reply.estimated) == (50.0, True)


def test_thinking_is_set_by_what_the_model_holds():
    with StubServer(answer) as stub:
        for model, thinking, sent in (
            (model_at(stub, reasoning={"effort": "low", "summary": "auto"}), "high", {"summary": "auto"}),
            (model_at(stub, use_responses_api=True), "high", {}),
            (model_at(stub, use_responses_api=True, reasoning_effort="low"), "high", {}),
        ):
            made = AdaptiveReasoner(
                Source(model, max_tokens=500),
                policy=FixedPolicy("think", expected_cost=300.0),
                actions={"think": extended_thinking(thinking)},
            )
            assert made.answer(QUESTION).answer == "14"
            assert stub.bodies[-1]["reasoning"] == {**sent, "effort": thinking}
            assert made.ledger.snapshot().spent == 5 + THINKING_TOKENS[thinking]


@pytest.mark.parametrize(
    "made", [lambda model: model, lambda model: lambda: model], ids=["made", "to be made"]
)
def test_samples_at_once_are_refused_before_any_call(made):
    with StubServer(answer) as stub:
        model = made(model_at(stub, use_responses_api=True))
        with pytest.raises(ValueError, match="Responses API draws one sample per request; leave samples_per"):
            AdaptiveReasoner(
                Source(model, samples_per_request=3),
                policy=FixedPolicy("vote", expected_cost=9.0),
                actions={"vote": self_consistency(3)},
            ).answer(QUESTION)
        assert stub.bodies == []


def test_a_vote_over_responses_counts_every_sample():
    with StubServer(answer) as stub:
        made = AdaptiveReasoner(
            Source(model_at(stub, use_responses_api=True), max_tokens=50),
            policy=FixedPolicy("vote", expected_cost=15.0),
            actions={"vote": self_consistency(3)},
        )
        assert made.answer(QUESTION).answer == "14"
        assert made.ledger.snapshot().spent == stub.billed
        chunks = list(made.stream(QUESTION))
    assert isinstance(chunks[-1], AIMessageChunk)
    assert made.ledger.snapshot().spent == stub.billed


@pytest.mark.parametrize("where", ["source", "call", "bound"])
def test_a_shorter_reply_than_the_model_declares_is_what_is_sent(where):
    with StubServer(answer) as stub:
        model = model_at(stub, use_responses_api=True, max_tokens=30_000)
        source = {
            "source": Source(model, max_tokens=50),
            "call": Source(model, settings={"max_output_tokens": 50}),
            "bound": Source(model.bind(max_tokens=50)),
        }[where]
        CallExecutor(source, TokenMeter()).run_round([Request(QUESTION)])
        assert [body["max_output_tokens"] for body in stub.bodies] == [50]


def test_samples_at_once_are_refused_before_any_call_where_only_a_chat_model_could_draw_them():
    asked = []
    made = CallExecutor(Source(RunnableLambda(asked.append), samples_per_request=3), TokenMeter())
    request = Request(QUESTION, hidden_sample=True)
    with pytest.raises(TypeError, match="leave samples_per_request at 1"):
        made.run_round([request] * 3)
    assert (asked, made.bill) == ([], [])
