"""Runs and threads of an agent have a budget, and end where it is used up."""

import numpy as np
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware.types import ModelRequest
from langchain.agents.structured_output import ToolStrategy
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.agent_end import fitting
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.policy.base import FixedPolicy
from tests.unit_tests.integrations.agents import ASKED, Sum, Under, budgeted


async def test_as_the_budget_of_a_run_shrinks_the_price_rises_and_dear_actions_fall_away(ask, model, adder):
    policy = Under()
    middleware = budgeted(policy=policy, run_budget=21.0, ledger=open_ledger("memory://"))
    middleware.ledger.settle(middleware.ledger.reserve(1.0, "before"), 1.0)
    state = await ask(create_agent(model, [adder], middleware=[middleware]), ASKED)
    actions = [
        message.response_metadata["adaptive_reasoner"]["action"] for message in state["messages"][1::2]
    ]
    assert actions == ["vote_3", "single_pass"]
    assert [most for _, _, most in policy.seen] == [21.0, 11.0]


@pytest.mark.parametrize("amount", ["20", -1.0, float("nan")])
def test_a_budget_of_a_run_that_is_no_amount_is_refused(amount):
    with pytest.raises(ValueError, match="run_budget must be above 0, got"):
        AdaptiveComputeMiddleware(run_budget=amount)


def test_the_price_follows_what_is_left(model, adder):
    policy = Under()
    middleware = budgeted(policy=policy, run_budget=40.0)
    create_agent(model, [adder], middleware=[middleware]).invoke(ASKED)
    (_, first, _), (_, second, _) = policy.seen
    assert second / first == pytest.approx(40 / 30, rel=0.2)


async def test_a_used_up_run_ends_with_a_clear_message(ask, server, model, adder):
    agent = create_agent(model, [adder], middleware=[budgeted(policy=Under(), run_budget=8.0)])
    state = await ask(agent, ASKED)
    last = state["messages"][-1]
    assert last.text == (
        "I stop here: the budget is used up. This run has spent 5 tokens; "
        "the next step can cost 6, and 3 are left."
    )
    assert last.response_metadata["adaptive_reasoner"]["event"] == "exhausted"
    assert len(server.bodies) == 1


async def test_what_a_used_up_run_is_told_of_is_plain_data_also_of_a_policy_in_numpy(ask, model):
    policy = FixedPolicy("vote_3", expected_cost=np.float32(5), worst_cost=np.float64(60))
    agent = create_agent(model, middleware=[budgeted(policy=policy, run_budget=10.0)])
    told = (await ask(agent, ASKED))["messages"][-1].response_metadata["adaptive_reasoner"]
    assert {type(value) for value in told.values()} == {str, float}
    assert (told["wanted"], told["left"]) == (60.0, 10.0)


async def test_a_used_up_run_ends_also_where_structured_output_is_still_owed(ask, model):
    agent = create_agent(model, middleware=[budgeted(run_budget=5.0)], response_format=ToolStrategy(Sum))
    state = await ask(agent, ASKED)
    assert state["messages"][-1].text.startswith("I stop here: the budget is used up.")
    assert state.get("structured_response") is None


async def test_a_used_up_run_raises_where_asked_to(ask, model, adder):
    middleware = budgeted(policy=Under(), run_budget=8.0, on_exhausted="raise")
    with pytest.raises(BudgetExceededError, match="spent 5 tokens; the next step can cost 6, and 3 are left"):
        await ask(create_agent(model, [adder], middleware=[middleware]), ASKED)
    assert middleware.ledger.snapshot().in_flight == 0


async def test_a_hard_cap_of_the_ledger_ends_a_run_too(ask, model, adder):
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=8.0)
    model = model.model_copy(update={"max_tokens": 6})
    agent = create_agent(model, [adder], middleware=[budgeted(policy=Under(), ledger=ledger)])
    assert "the budget is used up" in (await ask(agent, ASKED))["messages"][-1].text
    assert ledger.snapshot().spent <= 8.0


@pytest.mark.parametrize(("budget", "named"), [("run_budget", 100.0), ("thread_budget", 100.0)])
async def test_a_budget_that_no_step_can_fit_in_names_the_ways_out(ask, model, budget, named):
    model = model.model_copy(update={"max_tokens": 128_000})
    agent = create_agent(model, middleware=[AdaptiveComputeMiddleware(**{budget: named})])
    text = (await ask(agent, ASKED))["messages"][-1].text
    assert "has spent 0 tokens; the next step can cost 128000, and 100 are left. " in text
    assert text.endswith(
        f"Declare a smaller max_tokens on the model, or raise the {budget} to 128000 at least."
    )


@pytest.mark.parametrize("declared", [{"profile": {"max_output_tokens": 128_000}}, {"max_tokens": 128_000}])
async def test_a_step_whose_longest_reply_does_not_fit_is_called_with_a_shorter_one(
    ask, server, model, adder, declared
):
    model = model.model_copy(update=declared)
    middleware = AdaptiveComputeMiddleware(budget=500.0, run_budget=10_000.0, tell_model=True)
    state = await ask(create_agent(model, [adder], middleware=[middleware]), ASKED)
    assert state["messages"][-1].text == "The answer is 14"
    allowed = [body["max_completion_tokens"] for body in server.bodies]
    assert allowed[0] == 10_000
    assert all(4_096 <= most < 10_000 for most in allowed[1:])  # what is left by then
    assert middleware.ledger.spent == server.billed


async def test_a_step_in_which_no_long_reply_fits_is_not_called(ask, server, model):
    model = model.model_copy(update={"profile": {"max_output_tokens": 128_000}})
    middleware = AdaptiveComputeMiddleware(budget=500.0, run_budget=4_000.0)
    text = (await ask(create_agent(model, middleware=[middleware]), ASKED))["messages"][-1].text
    assert "the next step can cost 128000, and 4000 are left" in text
    assert server.bodies == []


@pytest.mark.parametrize(
    ("left", "most"), [(30_000.0, 30_000), (16_000.0 + 4_096, 20_096), (16_000.0 + 4_095, None)]
)
@pytest.mark.parametrize("told_by", ["model", "call"])
def test_a_reply_is_made_no_shorter_than_the_thinking_in_it_needs(left, most, told_by):
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 16_000}}
    own, called = (thinking, {}) if told_by == "model" else ({}, thinking)
    model = ChatAnthropic(model="claude-sonnet-4-5", api_key="none", max_tokens=32_000, **own)
    request = ModelRequest(model=model, messages=[HumanMessage("5 + 9?")], model_settings=called)
    shorter = fitting(request, left, TokenMeter(), least=4_096)
    assert (shorter and shorter.source.max_tokens) == most


async def test_under_a_hard_cap_a_model_without_max_tokens_is_refused_before_it_is_asked(ask, server, model):
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=10_000.0)
    agent = create_agent(model, middleware=[budgeted(ledger=ledger)])
    with pytest.raises(BudgetExceededError, match="declare max_tokens"):
        await ask(agent, ASKED)
    assert (server.bodies, ledger.snapshot().in_flight) == ([], 0)


def test_a_budget_without_worst_cases_goes_by_what_the_first_calls_can_cost(model):
    model = model.model_copy(update={"max_tokens": 6})
    for run_budget, ends in ((8.0, True), (12.0, False)):  # the vote begins with two calls
        middleware = budgeted(worst=float("inf"), run_budget=run_budget)
        text = create_agent(model, middleware=[middleware]).invoke(ASKED)["messages"][-1].text
        assert ("the budget is used up" in text) is ends
        assert middleware.ledger.spent <= run_budget


async def test_a_thread_has_a_budget_over_its_runs(ask, model, adder):
    middleware = budgeted("single_pass", expected=5.0, worst=6.0, thread_budget=24.0)
    agent = create_agent(model, [adder], middleware=[middleware], checkpointer=InMemorySaver())
    ends = []
    for thread in ("1", "1", "1", "2"):
        state = await ask(agent, ASKED, {"configurable": {"thread_id": thread}})
        ends.append("the budget is used up" in state["messages"][-1].text)
    assert ends == [False, False, True, False]
    assert middleware.ledger.snapshot().questions == 3
