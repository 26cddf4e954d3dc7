"""What retries, fallbacks and middleware call again is held before it is made, within a hard cap."""

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    dynamic_prompt,
    wrap_model_call,
)
from pydantic import Field

from adaptive_reasoner import (
    AdaptiveChatModel,
    AdaptiveComputeMiddleware,
    AdaptiveReasoner,
    FixedPolicy,
    Source,
    open_ledger,
)
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.strategies.modifiers import on
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel, StatusError

ASKED = {"messages": [("user", "2 + 3?")]}
WORST = 50.0

both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


class Billing(ScriptedModel):
    """Works its most tokens on each call, also on one that is lost, and notes what the ledger held then."""

    answers: tuple[str, ...] = ("Answer: " + 48 * "so " + "5",)
    max_tokens: int = 50
    ledger: Any = None
    held: list[float] = Field(default_factory=list)  # shared by the copies that are made of a model

    def _reply(self, messages, kwargs):
        if self.ledger is not None:
            self.held.append(self.ledger.snapshot().held)
        return super()._reply(messages, kwargs)

    @property
    def bill(self):
        refused = [n for n, error in self.failures.items() if isinstance(error, StatusError)]
        return sum(self.max_tokens for number in range(len(self.requests)) if number not in refused)


def losing(*numbers, **fields):
    return Billing(failures=dict.fromkeys(numbers, TimeoutError("slow")), **fields)


def capped(cap):
    return open_ledger("memory://", hard_cap=cap, cost_unit="tokens")


def parts(ledger, flow):
    return {"policy": FixedPolicy("a", expected_cost=15.0), "actions": {"a": flow}, "ledger": ledger}


def asked_agent(model, inside, cap, *, flow=None, asynchronous=False, **terms):
    """What an agent answers under a hard cap, and its ledger."""
    ledger = capped(cap)
    budgeted = AdaptiveComputeMiddleware(**{**parts(ledger, flow or single_pass()), **terms})
    agent = create_agent(model, [], middleware=[budgeted, inside])
    state = asyncio.run(agent.ainvoke(ASKED)) if asynchronous else agent.invoke(ASKED)
    return state["messages"][-1], ledger.snapshot()


def retries(most):
    return ModelRetryMiddleware(max_retries=most, initial_delay=0, jitter=False)


@both
def test_a_retry_after_a_lost_attempt_is_held_and_its_answer_kept(asynchronous):
    model = losing(0)
    message, ledger = asked_agent(model, retries(2), cap=100.0, asynchronous=asynchronous)
    assert message.text.endswith("5")
    assert (ledger.spent, ledger.held, ledger.cap_closed) == (model.bill, 0.0, False) == (100.0, 0.0, False)


@both
def test_a_retry_that_the_cap_has_no_room_for_is_not_made(asynchronous):
    model = losing(0)
    _, ledger = asked_agent(model, retries(2), cap=99.0, asynchronous=asynchronous)
    assert len(model.requests) == 1
    assert (ledger.spent, ledger.held, ledger.cap_closed) == (WORST, 0.0, False)


@both
def test_retries_of_samples_side_by_side_share_what_the_cap_has_left(asynchronous):
    model = losing(0, 1, 2, 3)
    message, ledger = asked_agent(
        model, retries(3), cap=260.0, flow=self_consistency(3), asynchronous=asynchronous
    )
    assert message.text.endswith("5") == (len(model.requests) > 4)
    assert ledger.spent == model.bill <= 260.0
    assert (ledger.in_flight, ledger.cap_closed) == (0, False)


@both
def test_an_attempt_that_was_refused_leaves_its_hold_to_the_next(asynchronous):
    model = Billing(failures={0: StatusError(429), 1: StatusError(503)})
    message, ledger = asked_agent(model, retries(2), cap=WORST, asynchronous=asynchronous)
    assert message.text.endswith("5")
    assert (ledger.spent, len(model.requests)) == (WORST, 3)


@both
def test_a_fallback_with_more_room_is_held_at_its_own_worst_case(asynchronous):
    large = Billing(max_tokens=500)
    _, ledger = asked_agent(losing(0), ModelFallbackMiddleware(large), 549.0, asynchronous=asynchronous)
    assert (large.requests, ledger.spent, ledger.cap_closed) == ([], WORST, False)
    lost = losing(0, max_tokens=500)
    with pytest.raises(TimeoutError):
        asked_agent(losing(0), ModelFallbackMiddleware(lost), 550.0, asynchronous=asynchronous)


@both
def test_a_larger_model_that_a_middleware_puts_in_is_not_called_without_room_and_costs_nothing(asynchronous):
    large = Billing(max_tokens=500)

    @wrap_model_call
    def larger(request, handler):
        return handler(request.override(model=large))

    @wrap_model_call
    async def alarger(request, handler):
        return await handler(request.override(model=large))

    inside = alarger if asynchronous else larger
    _, ledger = asked_agent(losing(), inside, cap=200.0, asynchronous=asynchronous)
    assert (large.requests, ledger.spent, ledger.cap_closed) == ([], 0.0, False)
    _, ledger = asked_agent(losing(), inside, cap=500.0, asynchronous=asynchronous)
    assert (len(large.requests), ledger.cap_closed) == (1, False)


@pytest.mark.parametrize("named", [{}, {"ls_max_tokens": 5_000}])
def test_a_model_that_names_its_own_most_tokens_is_held_at_those_it_is_called_with(named):
    class Naming(Billing):
        def _get_ls_params(self, stop=None, **kwargs):
            return {**super()._get_ls_params(stop, **kwargs), **named}

    ledger = capped(WORST)
    model = Naming(max_tokens=5_000)
    budgeted = AdaptiveComputeMiddleware(
        **parts(ledger, on(Source(model, max_tokens=int(WORST)), single_pass()))
    )
    assert create_agent(losing(), [], middleware=[budgeted]).invoke(ASKED)["messages"][-1].text.endswith("5")
    assert ledger.snapshot().spent == WORST


@both
@pytest.mark.parametrize(("cap", "calls"), [(1_000.0, 0), (10_000.0, 1)])
def test_a_prompt_that_a_middleware_makes_longer_is_held_as_it_is_sent(cap, calls, asynchronous):
    class Reading(Billing):
        def _reply(self, messages, kwargs):
            tokens = sum(len(message.text) for message in messages)
            usage = {"input_tokens": tokens, "output_tokens": 50, "total_tokens": tokens + 50}
            return super()._reply(messages, kwargs).model_copy(update={"usage_metadata": usage})

    @dynamic_prompt
    def long(request):
        return 3_000 * "x"

    model = Reading()
    message, ledger = asked_agent(model, long, cap, asynchronous=asynchronous, meter=TokenMeter("total"))
    assert len(model.requests) == calls
    assert message.text.endswith("5") == bool(calls)
    assert (ledger.spent > 3_000, ledger.cap_closed) == (bool(calls), False)


@both
@pytest.mark.parametrize(("run_budget", "calls"), [(99.0, 1), (100.0, 2)])
def test_a_retry_keeps_within_the_budget_of_its_run(run_budget, calls, asynchronous):
    model = losing(0)
    policy = FixedPolicy("a", expected_cost=15.0, worst_cost=WORST)
    _, ledger = asked_agent(
        model, retries(1), 1_000.0, asynchronous=asynchronous, policy=policy, run_budget=run_budget
    )
    assert (len(model.requests), ledger.spent) == (calls, model.bill)


WRAPPERS = {
    "retry": lambda model: model.with_retry(wait_exponential_jitter=False),
    "fallbacks": lambda model: model.with_fallbacks([model]),
}


@both
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("kind", [AdaptiveReasoner, AdaptiveChatModel])
@pytest.mark.parametrize("cap", [99.0, 100.0])
def test_attempts_inside_a_wrapped_model_are_held(cap, kind, wrap, asynchronous):
    ledger = capped(cap)
    model = losing(0)
    made = kind(wrap(model), **parts(ledger, single_pass()))

    def ask():
        return asyncio.run(made.ainvoke("2 + 3?")) if asynchronous else made.invoke("2 + 3?")

    if cap == 100.0:
        assert ask().text.endswith("5")
    else:
        with pytest.raises((TimeoutError, BudgetExceededError)):
            ask()
    seen = ledger.snapshot()
    assert (seen.spent, seen.held, seen.cap_closed) == (model.bill, 0.0, False)


@both
@pytest.mark.parametrize("kind", [AdaptiveReasoner, AdaptiveChatModel])
def test_a_stream_that_falls_back_holds_and_bills_both(kind, asynchronous):
    ledger = capped(100.0)
    model = losing(0)
    made = kind(model.with_fallbacks([model]), **parts(ledger, single_pass()))

    async def later():
        return [chunk async for chunk in made.astream("2 + 3?")]

    chunks = asyncio.run(later()) if asynchronous else list(made.stream("2 + 3?"))
    assert "".join(chunk.text for chunk in chunks).endswith("5")
    assert (ledger.snapshot().spent, ledger.snapshot().cap_closed) == (model.bill, False) == (100.0, False)


@both
def test_what_is_held_while_an_attempt_is_under_way_covers_all_of_them(asynchronous):
    ledger = open_ledger("memory://", target=40.0)
    model = losing(0, 1, ledger=ledger)
    made = AdaptiveReasoner(Source(WRAPPERS["retry"](model)), **parts(ledger, single_pass()))
    assert asyncio.run(made.aanswer("2 + 3?")) if asynchronous else made.answer("2 + 3?")
    assert model.held == [WORST, 2 * WORST, 3 * WORST]
