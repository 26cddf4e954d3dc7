"""Bills and faults of single calls, over real HTTP where a client has a say."""

import asyncio
import socket
from email.message import Message
from urllib.error import HTTPError

import httpx
import pytest
import requests
from aiohttp import ClientResponseError, RequestInfo
from aiohttp.http_exceptions import BadStatusLine, ContentLengthError
from google.genai.errors import ClientError
from huggingface_hub.errors import HfHubHTTPError
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import BaseModel
from yarl import URL

from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.kit.menu.retries import refuses_all
from adaptive_reasoner.models.api_errors import status_of
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import (
    UNDECLARED_MAX_TOKENS,
    PriceMeter,
    PriceTable,
    SampleMeter,
    TokenMeter,
)
from adaptive_reasoner.models.replies import LostReplyError
from adaptive_reasoner.models.source import Request, Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.verification import Judge, best_of_n
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel, StatusError
from tests.stub_server import StubServer
from tests.waiting import await_until

QUESTION = [HumanMessage("What is 5 + 9?")]
TOKENS = {"input_tokens": 10, "output_tokens": 7, "total_tokens": 17}


class Total(BaseModel):
    """The sum."""

    value: int


def model_at(stub, name="stub"):
    return ChatOpenAI(model=name, base_url=stub.base_url, api_key="none", max_retries=0)


async def test_replies_that_came_before_a_cancellation_are_billed_at_what_they_cost():
    model = ScriptedModel(answers=("the Answer: 14",), endless_from=2)
    made = CallExecutor(Source(model, max_tokens=50), TokenMeter(), {"max_concurrency": 1})
    wave = asyncio.create_task(made.arun_round([Request(QUESTION, hidden_sample=True)] * 4))
    await await_until(lambda: len(model.requests) == 3)
    wave.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wave
    assert [(reply.cost, reply.estimated) for reply in made.bill] == [(3, False), (3, False), (50, True)]


@pytest.mark.parametrize("meter", [TokenMeter(), SampleMeter()], ids=["tokens", "samples"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_that_was_cut_is_no_answer(meter, asynchronous):
    with StubServer(faults={0: "cut"}) as stub:
        policy = FixedPolicy("once", expected_cost=1, cost_unit=meter.cost_unit)
        source = Source(model_at(stub), max_tokens=50)
        made = AdaptiveReasoner(source, policy=policy, actions={"once": single_pass()}, meter=meter)

        async def read():
            return [chunk async for chunk in made.astream("What is 5 + 9?")]

        with pytest.raises(LostReplyError, match="cut off"):
            asyncio.run(read()) if asynchronous else list(made.stream("What is 5 + 9?"))
    assert made.ledger.snapshot().spent == (1 if meter.cost_unit == "samples" else 50)


def google_error():
    error = RuntimeError("Error calling model")  # as langchain_google_genai wraps it
    error.__cause__ = ClientError(429, {"error": {"status": "RESOURCE_EXHAUSTED", "message": "slow down"}})
    return error


def unknown_host():
    error = httpx.ConnectError("no address")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")
    return error


def unreadable_reply():
    error = RuntimeError("Connection error.")
    error.__cause__ = ContentLengthError("not enough data")  # its `code` is 400
    return error


@pytest.mark.parametrize(
    ("error", "cost"),
    [
        (StatusError(429), 0.0),
        (google_error(), 0.0),
        (unknown_host(), 0.0),
        (StatusError(200), 50.0),  # Anthropic's status of an error inside a stream: the model has worked
        (StatusError(-1), 50.0),  # Ollama's
        (unreadable_reply(), 50.0),
        (TimeoutError(), 50.0),
    ],
    ids=["429", "429 of Google", "no such host", "in a stream", "without a status", "unreadable", "timeout"],
)
def test_only_what_was_refused_costs_nothing(error, cost):
    made = CallExecutor(Source(ScriptedModel(failures={0: error}), max_tokens=50), TokenMeter())
    (reply,) = made.run_round([Request(QUESTION)])
    assert (reply.cost, reply.estimated) == (cost, cost > 0)


class BotoError(Exception):
    """As botocore raises it: `response` is a dict."""

    def __init__(self, status):
        super().__init__(f"status {status}")
        self.response = {"Error": {"Code": "Told"}, "ResponseMetadata": {"HTTPStatusCode": status}}


class EventStreamError(BotoError):
    """As botocore raises it in the middle of a reply."""


def httpx_error(status):
    request = httpx.Request("POST", "https://example.org")
    return httpx.HTTPStatusError("told", request=request, response=httpx.Response(status, request=request))


def requests_error(status):
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("told", response=response)


def hub_error(status):
    request = httpx.Request("POST", "https://example.org")
    return HfHubHTTPError("told", response=httpx.Response(status, request=request))


def urllib_error(status):
    return HTTPError("https://example.org", status, "told", Message(), None)


def aiohttp_error(status):
    url = URL("https://example.org")
    request = RequestInfo(url, "POST", CIMultiDictProxy(CIMultiDict()), url)
    return ClientResponseError(request, (), status=status)


@pytest.mark.parametrize(
    "made", [httpx_error, requests_error, hub_error, BotoError, urllib_error, aiohttp_error]
)
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(("status", "cost"), [(400, 0.0), (401, 0.0), (429, 0.0), (503, 0.0), (200, 50.0)])
def test_a_refusal_whose_status_stands_on_its_response_costs_nothing(made, status, cost, wrapped):
    error = made(status)
    if wrapped:
        error, error.__cause__ = RuntimeError("wrapped"), error
    (reply,) = CallExecutor(
        Source(ScriptedModel(failures={0: error}), max_tokens=50), TokenMeter()
    ).run_round([Request(QUESTION)])
    assert (reply.cost, reply.estimated) == (cost, cost > 0)
    assert refuses_all(error) == (status == 401)


def unreadable():
    """As aiohttp raises it for a reply that is not HTTP."""
    error = aiohttp_error(400)
    error.__cause__ = BadStatusLine("nonsense")
    return error


@pytest.mark.parametrize(
    "error", [EventStreamError(400), requests.ConnectionError("reset"), BotoError(None), unreadable()]
)
def test_what_broke_on_the_way_is_no_refusal(error):
    assert status_of(error) is None


def test_what_was_never_sent_costs_nothing():
    from langchain_anthropic import ChatAnthropic

    with StubServer() as stub:
        model = model_at(stub)
        auxiliary = [SystemMessage("a"), *QUESTION, SystemMessage("b")]  # which Anthropic does not take
        for source, messages in (
            (Source(model, settings={"nonsense": 1}, max_tokens=50), QUESTION),
            (Source(model.bind(nonsense=1), max_tokens=50), QUESTION),
            (Source(ChatAnthropic(model="claude-haiku-4-5", api_key="none"), max_tokens=50), auxiliary),
        ):
            (reply,) = CallExecutor(source, TokenMeter()).run_round([Request(messages)])
            assert isinstance(reply.error, (TypeError, ValueError))
            assert (reply.cost, reply.estimated, stub.bodies) == (0.0, False, [])


AFTERWARDS = "Parser.parse() got an unexpected keyword argument 'strict'"


@pytest.mark.parametrize(
    "error", [TypeError("None"), TypeError(AFTERWARDS), ValueError("choices"), KeyError("x")]
)
def test_an_error_that_may_have_come_after_the_reply_costs_the_worst_case(error):
    (reply,) = CallExecutor(
        Source(ScriptedModel(failures={0: error}), max_tokens=50), TokenMeter()
    ).run_round([Request(QUESTION)])
    assert (reply.cost, reply.estimated) == (50.0, True)


def test_the_status_of_a_refusal_is_found_on_any_providers_error():
    assert (status_of(StatusError(503)), status_of(google_error()), status_of(ValueError())) == (
        503,
        429,
        None,
    )


def test_a_reply_inside_an_error_whose_price_is_unknown_is_billed_at_the_worst_case():
    error = ValueError("no such schema")
    error.ai_message = AIMessage("{}", usage_metadata=TOKENS, response_metadata={"model_name": "other"})
    source = Source(ScriptedModel(failures={0: error}), max_tokens=50)
    table = PriceTable({"scripted": PriceMeter(prompt=0.0, completion=1e6)})
    with pytest.raises(UnpricedUsageError):
        table.cost(error.ai_message, 0.0)
    (reply,) = CallExecutor(source, table).run_round([Request(QUESTION)])
    assert (reply.cost, reply.estimated, reply.error) == (50.0, True, error)


def through_chat_model(model, parts):
    return AdaptiveChatModel(model, **parts).with_structured_output(Total).invoke("What is 5?").value


def through_agent(model, parts):
    agent = create_agent(
        model, [Total], middleware=[AdaptiveComputeMiddleware(**parts)], system_prompt="Add."
    )
    (call,) = agent.invoke({"messages": QUESTION})["messages"][1].tool_calls
    return call["args"]["value"]


@pytest.mark.parametrize("through", [through_chat_model, through_agent])
def test_a_judge_is_asked_without_the_tools_and_formats_of_what_it_judges(through):
    with StubServer(lambda prompt, number: "Score: 7") as stub:
        flow = best_of_n(2, Judge(model_at(stub, "judge")))
        parts = {"policy": FixedPolicy("best", expected_cost=9), "actions": {"best": flow}}
        assert through(model_at(stub), parts) == 5
    first, judged = (
        next(body for body in stub.bodies if body["model"] == name) for name in ("stub", "judge")
    )
    assert {"tools", "response_format"} & set(first)
    assert set(judged) == {"messages", "model", "stream"}
    assert [message["role"] for message in judged["messages"]] == ["user"]


USED = {"usage_metadata": TOKENS}


@pytest.mark.parametrize(
    ("made", "whole"),
    [
        ({"response_metadata": {"model_provider": "openai", "finish_reason": "stop"}, **USED}, True),
        ({"response_metadata": {"model_provider": "openai", "status": "completed"}, **USED}, True),
        ({"response_metadata": {"model_provider": "anthropic", "stop_reason": "end_turn"}, **USED}, True),
        ({"response_metadata": {"model_provider": "anthropic"}}, True),  # stream_usage=False
        ({"response_metadata": {"model_provider": "ollama"}, **USED}, True),
        ({"response_metadata": {}, **USED}, True),
        ({"response_metadata": {"model_provider": "openai"}}, False),
        ({"response_metadata": {"model_provider": "anthropic"}, **USED}, False),
        ({"response_metadata": {"model_provider": "google_genai"}, **USED}, False),
        ({"response_metadata": {"finish_reason": None}, **USED}, False),
    ],
)
def test_a_reply_is_whole_where_it_says_why_it_ended_or_its_provider_never_does(made, whole):
    class Given(ScriptedModel):
        def _reply(self, messages, kwargs):
            return AIMessage("14", **made)

    (reply,) = CallExecutor(Source(Given()), SampleMeter()).run_round([Request(QUESTION)])
    assert (reply.message is not None) == whole


async def test_a_call_that_was_given_up_says_after_how_long():
    made = CallExecutor(Source(ScriptedModel(latency=5.0), max_tokens=50, timeout=0.05), TokenMeter())
    (reply,) = await made.arun_round([Request(QUESTION)])
    assert isinstance(reply.error, TimeoutError)
    assert str(reply.error) == "there was no reply within 0.05 seconds"


@pytest.mark.parametrize(("declared", "worst"), [(None, UNDECLARED_MAX_TOKENS + 24_576), (100, 100 + 24_576)])
def test_a_lost_call_that_was_to_think_is_billed_with_its_thoughts(declared, worst):
    made = CallExecutor(
        Source(ScriptedModel(failures={0: TimeoutError()}), max_tokens=declared), TokenMeter()
    )
    (reply,) = made.run_round([Request(QUESTION, thinking="high")])
    assert reply.cost == worst
