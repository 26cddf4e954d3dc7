"""What stands around a model, retries, fallbacks, middleware, does its work, and each call made is billed."""

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ModelFallbackMiddleware,
    ModelResponse,
    ModelRetryMiddleware,
    wrap_model_call,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.models.observed_calls import ModelCalls
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel, StatusError

ASKED = {"messages": [HumanMessage("2 + 3?")]}
ONE = {"max_concurrency": 1}
WORST = 50.0


def scripted(**fields):
    return ScriptedModel(answers=("Answer: 5",), **fields)


def asked_agent(model, *inside, flow=None, asynchronous=False):
    """The last message of an agent with a budget, its record and its ledger."""
    made = AdaptiveComputeMiddleware(
        policy=FixedPolicy("a", expected_cost=15.0), actions={"a": flow or self_consistency(3)}
    )
    agent = create_agent(
        model.model_copy(update={"profile": {"max_output_tokens": 50}}), [], middleware=[made, *inside]
    )
    state = asyncio.run(agent.ainvoke(ASKED, ONE)) if asynchronous else agent.invoke(ASKED, ONE)
    message = state["messages"][-1]
    return message, message.response_metadata["adaptive_reasoner"], made.ledger.snapshot()


def retries(**options):
    return ModelRetryMiddleware(initial_delay=0, jitter=False, **options)


both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@both
def test_a_sample_that_retries_gave_up_on_does_not_vote_and_all_its_calls_are_billed(asynchronous):
    model = scripted(failures={1: TimeoutError("slow"), 2: TimeoutError("slow")})
    message, record, ledger = asked_agent(model, retries(max_retries=1), asynchronous=asynchronous)
    assert (message.text, record["votes"]) == ("Answer: 5", {"5": 2})
    assert record["failed"] == ["TimeoutError: slow"] * 2
    assert (record["cost"], record["estimated"], record["samples"]) == (2 * 2.0 + 2 * WORST, True, 4)
    assert ledger.spent == record["cost"]


@both
@pytest.mark.parametrize(
    ("error", "cost"), [(TimeoutError("slow"), WORST), (StatusError(429), 0.0), (StatusError(503), 0.0)]
)
def test_an_attempt_before_a_retry_is_billed_when_lost_and_free_when_refused(error, cost, asynchronous):
    message, record, _ = asked_agent(
        scripted(failures={0: error}), retries(), flow=single_pass(), asynchronous=asynchronous
    )
    assert (message.text, record["answer"]) == ("Answer: 5", "5")
    assert (record["cost"], record["estimated"]) == (2.0 + cost, cost > 0)
    assert message.usage_metadata["output_tokens"] == 2


@both
def test_a_model_before_a_fallback_is_billed_too(asynchronous):
    first = scripted(failures={0: TimeoutError("slow")})
    second = ScriptedModel(answers=("I think the Answer: 6",))
    message, record, _ = asked_agent(
        first, ModelFallbackMiddleware(second), flow=single_pass(), asynchronous=asynchronous
    )
    assert (message.text, record["cost"]) == ("I think the Answer: 6", WORST + 5.0)


@both
def test_where_every_call_fails_the_agent_ends_as_its_middleware_has_it(asynchronous):
    model = scripted(failures={number: TimeoutError("slow 42") for number in range(9)})
    bare = create_agent(model.model_copy(), [], middleware=[retries(max_retries=0)]).invoke(ASKED)[
        "messages"
    ][-1]
    message, record, ledger = asked_agent(
        model, retries(max_retries=0), flow=self_consistency(2), asynchronous=asynchronous
    )
    assert message.text == bare.text == "Model call failed after 1 attempt with TimeoutError: slow 42"
    assert (record["answer"], record["votes"], record["agreement"]) == (
        None,
        {},
        0.0,
    )
    assert record["cost"] == ledger.spent == 2 * WORST


def test_where_a_middleware_raises_the_error_is_raised_as_it_came():
    model = scripted(failures={number: TimeoutError("slow") for number in range(9)})
    with pytest.raises(TimeoutError, match="slow"):
        asked_agent(model, retries(max_retries=0, on_failure="error"))


@both
def test_a_reply_that_a_middleware_wrote_anew_costs_what_the_model_s_did(asynchronous):
    def shouted(response):
        return ModelResponse(result=[AIMessage(response.result[0].text.upper())])

    @wrap_model_call
    def shout(request, handler):
        return shouted(handler(request))

    @wrap_model_call
    async def ashout(request, handler):
        return shouted(await handler(request))

    message, record, _ = asked_agent(
        scripted(), ashout if asynchronous else shout, flow=single_pass(), asynchronous=asynchronous
    )
    assert (message.text, record["answer"], record["cost"]) == ("ANSWER: 5", "5", 2.0)
    assert record["estimated"] is False


def test_a_middleware_that_answers_without_the_model_costs_nothing():
    @wrap_model_call
    def remembered(request, handler):
        return ModelResponse(result=[AIMessage("Answer: 7")])

    message, record, ledger = asked_agent(scripted(), remembered, flow=single_pass())
    assert (message.text, record["answer"], record["cost"], ledger.spent) == ("Answer: 7", "7", 0.0, 0.0)


@pytest.mark.parametrize("left", [[], [HumanMessage("Ask me later.")]])
def test_a_middleware_that_leaves_no_reply_ends_the_run_as_in_a_bare_agent(left):
    @wrap_model_call
    def taken(request, handler):
        handler(request)
        return ModelResponse(result=left)

    made = AdaptiveComputeMiddleware(
        policy=FixedPolicy("a", expected_cost=15.0), actions={"a": single_pass()}
    )
    bare = create_agent(scripted(), [], middleware=[taken]).invoke(ASKED)
    ours = create_agent(scripted(), [], middleware=[made, taken]).invoke(ASKED)
    assert [each.text for each in ours["messages"]] == [each.text for each in bare["messages"]]
    assert made.ledger.snapshot().spent == 2.0


def test_a_model_s_own_reply_without_usage_still_raises():
    with pytest.raises(UnpricedUsageError, match="carries no token usage"):
        asked_agent(scripted(usage=False), retries())


def answered(model, flow=None, **fields):
    return AdaptiveReasoner(
        Source(model, max_tokens=50),
        policy=FixedPolicy("a", expected_cost=15.0),
        actions={"a": flow or single_pass()},
        **fields,
    )


@both
@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model.with_retry(wait_exponential_jitter=False),
        lambda model: model.with_fallbacks([model]),
    ],
)
def test_attempts_inside_a_wrapped_model_are_billed(wrap, asynchronous):
    made = answered(wrap(scripted(failures={0: TimeoutError("slow")})))
    result = asyncio.run(made.aanswer("2 + 3?")) if asynchronous else made.answer("2 + 3?")
    assert (result.answer, result.record["cost"], result.record["estimated"]) == ("5", WORST + 2.0, True)
    assert result.record["failed"] == ["TimeoutError: slow"]


@both
def test_a_stream_that_fell_back_to_another_model_bills_both(asynchronous):
    made = answered(scripted(failures={0: TimeoutError("slow")}).with_fallbacks([scripted()]))

    async def chunks():
        return [chunk async for chunk in made.astream_answer("2 + 3?")]

    streamed = asyncio.run(chunks()) if asynchronous else list(made.stream_answer("2 + 3?"))
    assert "".join(chunk.text for chunk in streamed) == "Answer: 5"
    assert streamed[-1].response_metadata["adaptive_reasoner"]["cost"] == WORST + 2.0


class Around(BaseChatModel):
    """A chat model that calls another one inside its own call, and reports what that took as its own."""

    inner: Any

    @property
    def _llm_type(self):
        return "around"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=self.inner.invoke(messages).model_copy())])

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        message = (await self.inner.ainvoke(messages)).model_copy()
        return ChatResult(generations=[ChatGeneration(message=message)])


@both
def test_a_chat_model_that_calls_another_one_is_one_call(asynchronous):
    made = answered(Around(inner=scripted()), self_consistency(3))
    result = asyncio.run(made.aanswer("2 + 3?")) if asynchronous else made.answer("2 + 3?")
    assert (result.record["samples"], result.record["cost"]) == (2, 4.0)


@both
@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model.with_retry(wait_exponential_jitter=False),
        lambda model: model.with_fallbacks([model]),
        lambda model: Around(inner=model.with_fallbacks([model]), profile={"max_output_tokens": 50}),
    ],
)
def test_attempts_inside_the_model_of_a_chat_model_are_billed(wrap, asynchronous):
    model = scripted(failures={0: TimeoutError("slow")}, profile={"max_output_tokens": 50})
    made = AdaptiveChatModel(
        wrap(model), policy=FixedPolicy("a", expected_cost=15.0), actions={"a": single_pass()}
    )
    message = asyncio.run(made.ainvoke("2 + 3?")) if asynchronous else made.invoke("2 + 3?")
    assert message.response_metadata["adaptive_reasoner"]["cost"] == WORST + 2.0
    assert made.ledger.snapshot().spent == WORST + 2.0


@both
def test_an_error_that_passes_through_two_models_is_one_lost_call(asynchronous):
    made = answered(Around(inner=scripted(failures={0: TimeoutError("slow"), 1: TimeoutError("slow")})))
    with pytest.raises(TimeoutError):
        asyncio.run(made.aanswer("2 + 3?")) if asynchronous else made.answer("2 + 3?")
    assert made.ledger.snapshot().spent == WORST


@both
@pytest.mark.parametrize("first", [StatusError(429), ConnectionRefusedError()])
def test_a_call_that_is_lost_where_a_refusal_is_handled_is_billed(first, asynchronous):
    @wrap_model_call
    def again(request, handler):
        try:
            return handler(request)
        except Exception:  # noqa: BLE001 - as a user writes it
            return handler(request)

    @wrap_model_call
    async def aagain(request, handler):
        try:
            return await handler(request)
        except Exception:  # noqa: BLE001 - as a user writes it
            return await handler(request)

    made = AdaptiveComputeMiddleware(
        policy=FixedPolicy("a", expected_cost=15.0), actions={"a": single_pass()}
    )
    model = scripted(failures={0: first, 1: TimeoutError("slow")}, profile={"max_output_tokens": 50})
    agent = create_agent(model, [], middleware=[made, aagain if asynchronous else again])
    with pytest.raises(TimeoutError):
        asyncio.run(agent.ainvoke(ASKED)) if asynchronous else agent.invoke(ASKED)
    assert made.ledger.snapshot().spent == WORST


class Rephrasing(Around):
    """Raises an error of its own for that of the model inside."""

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        try:
            return super()._generate(messages)
        except StatusError as error:
            raise RuntimeError("refused") from error


def test_a_refusal_that_a_model_passes_on_in_its_own_words_costs_nothing():
    made = answered(Rephrasing(inner=scripted(failures={0: StatusError(429)})))
    with pytest.raises(RuntimeError, match="refused"):
        made.answer("2 + 3?")
    assert made.ledger.snapshot().spent == 0.0


def test_calls_outside_are_not_observed():
    seen = ModelCalls()
    with seen.observing():
        scripted().invoke("in")
    scripted().invoke("out")
    assert [call.message.text for call in seen.made] == ["Answer: 5"]
