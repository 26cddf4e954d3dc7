from typing import get_type_hints

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware, wrap_model_call
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.channels.binop import BinaryOperatorAggregate
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from adaptive_reasoner.errors import UnknownActionError
from adaptive_reasoner.integrations.context import AdaptiveContext
from adaptive_reasoner.integrations.middleware import AdaptiveAgentState, AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.modifiers import on
from tests.fakes import StatusError
from tests.unit_tests.integrations.agents import ACTIONS, ASKED, Sum, Under, budgeted


async def test_a_whole_run_votes_over_tool_calls_and_runs_each_tool_once(ask, server, model, adder):
    middleware = budgeted()
    agent = create_agent(model, [adder], middleware=[middleware])
    state = await ask(agent, ASKED)
    assert adder.metadata["runs"] == [(5, 9)]
    assert [type(message).__name__ for message in state["messages"]] == [
        "HumanMessage",
        "AIMessage",
        "ToolMessage",
        "AIMessage",
    ]
    assert state["messages"][-1].text == "The answer is 14"
    assert set(state) == {"messages"}
    assert len(server.bodies) == 4  # two of three agreed, twice
    snapshot = middleware.ledger.snapshot()
    assert (snapshot.spent, snapshot.questions, snapshot.in_flight) == (server.billed, 1, 0)
    usage = [message.usage_metadata["output_tokens"] for message in state["messages"][1::2]]
    assert sum(usage) == server.billed


async def test_a_losing_tool_call_never_runs(ask, server, model, adder):
    server.fills = iter([1, 2, 2])

    class Sampled(ChatOpenAI):
        def _create_chat_result(self, response, generation_info=None):
            result = super()._create_chat_result(response, generation_info)
            message = result.generations[0].message
            for call in message.tool_calls:
                call["args"]["a"] = next(server.fills)
            return result

    sampled = Sampled(model="stub", base_url=server.base_url, api_key="none", max_retries=0)
    await ask(create_agent(sampled, [adder], middleware=[budgeted()]), ASKED)
    assert adder.metadata["runs"] == [(2, 9)]


async def test_the_steps_of_a_run_are_one_question(ask, model, adder):
    ledger = open_ledger("memory://", target=30.0)
    agent = create_agent(model, [adder], middleware=[budgeted("single_pass", ledger=ledger)])
    for _ in range(3):
        await ask(agent, ASKED)
    snapshot = ledger.snapshot()
    assert (snapshot.questions, snapshot.average) == (3, 5 + 5)


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
async def test_structured_output_comes_whole_from_the_winner(ask, model, strategy):
    agent = create_agent(model, response_format=strategy(Sum), middleware=[budgeted()])
    state = await ask(agent, ASKED)
    assert state["structured_response"] == Sum(total=5)
    assert state["messages"][1].response_metadata["adaptive_reasoner"]["samples"] == 2


async def test_structured_output_that_does_not_parse_costs_what_it_cost(ask, server, model):
    class Strict(BaseModel):
        total: bytes

    middleware = budgeted("single_pass")
    strategy = ToolStrategy(Strict, handle_errors=False)
    server.answer = None
    with pytest.raises(Exception, match="Strict"):
        await ask(create_agent(_broken(model), response_format=strategy, middleware=[middleware]), ASKED)
    snapshot = middleware.ledger.snapshot()
    assert (snapshot.spent, snapshot.in_flight) == (server.billed, 0)


def _broken(model):
    class Broken(ChatOpenAI):
        def _create_chat_result(self, response, generation_info=None):
            result = super()._create_chat_result(response, generation_info)
            for call in result.generations[0].message.tool_calls:
                call["args"] = {"total": {"no": "bytes"}}
            return result

    return Broken(model="stub", base_url=model.openai_api_base, api_key="none", max_retries=0)


async def test_effort_and_model_can_differ_by_step(ask, server, model, adder):
    strong = model.model_copy(update={"model_name": "strong"})
    actions = {**ACTIONS, "strong": on(Source(strong))}
    steps = []

    def policy(step):
        steps.append((step.number, step.question, round(step.spent)))
        return FixedPolicy("thinking_low" if step.number == 0 else "strong", expected_cost=9, worst_cost=99)

    middleware = budgeted(policy=policy, actions=actions)
    await ask(create_agent(model, [adder], middleware=[middleware]), ASKED)
    assert [(body["model"], body.get("reasoning_effort")) for body in server.bodies] == [
        ("stub", "low"),
        ("strong", None),
    ]
    assert steps[1:] == [(0, "5 + 9?", 0), (1, "5 + 9?", 25)]


def test_the_account_is_private_and_its_reducer_adds(model, adder):
    agent = create_agent(model, [adder], middleware=[budgeted()])
    assert isinstance(agent.channels["adaptive_account"], BinaryOperatorAggregate)
    assert "adaptive_account" not in agent.get_output_jsonschema()["properties"]
    assert "adaptive_account" not in agent.get_input_jsonschema()["properties"]
    assert "adaptive_account" in get_type_hints(AdaptiveAgentState)


@pytest.mark.parametrize("action", ["single_pass", "vote_3"])
def test_what_the_user_reads_is_streamed_and_the_samples_of_a_vote_are_not(model, adder, action):
    agent = create_agent(model, [adder], middleware=[budgeted(action)])
    chunks = [
        chunk
        for chunk, _ in agent.stream(ASKED, stream_mode="messages")
        if isinstance(chunk, AIMessage) and chunk.text
    ]
    assert "".join(chunk.text for chunk in chunks) == "The answer is 14"
    assert len({chunk.id for chunk in chunks}) == 1
    assert (len(chunks) > 1) == (action == "single_pass")


async def test_retries_inside_are_billed_and_counted_once(ask, server, model, adder):
    server.faults = {0: "500"}
    middleware = budgeted("single_pass")
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False)
    await ask(create_agent(model, [adder], middleware=[middleware, retry]), ASKED)
    assert len(server.bodies) == 3
    assert (middleware.ledger.spent, middleware.ledger.snapshot().questions) == (server.billed, 1)


async def test_retries_outside_bill_every_call_that_was_answered(ask, server, model, adder):
    server.faults = {0: "500"}
    middleware = budgeted("single_pass")
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False)
    await ask(create_agent(model, [adder], middleware=[retry, middleware]), ASKED)
    assert (middleware.ledger.spent, middleware.ledger.snapshot().in_flight) == (server.billed, 0)


async def test_a_step_that_is_interrupted_and_resumed_stays_the_same_question(ask, model, adder):
    middleware = budgeted("single_pass")
    agent = create_agent(
        model, [adder], middleware=[middleware], checkpointer=InMemorySaver(), interrupt_before=["tools"]
    )
    config = {"configurable": {"thread_id": "1"}}
    await ask(agent, ASKED, config)
    await ask(agent, None, config)
    assert (middleware.ledger.snapshot().questions, middleware.ledger.average) == (1, 10.0)


async def test_an_action_that_a_policy_of_a_step_names_and_nobody_supplied(ask, model, adder):
    middleware = budgeted(
        policy=lambda step: FixedPolicy("single_pass" if not step.messages else "vote_9", expected_cost=1)
    )
    with pytest.raises(UnknownActionError, match="'vote_9'; known are single_pass"):
        await ask(create_agent(model, [adder], middleware=[middleware]), ASKED)
    assert middleware.ledger.snapshot().in_flight == 0


async def test_a_refused_step_leaves_nothing_in_flight(ask, server, model):
    server.faults = lambda number: "500"
    middleware = budgeted()
    with pytest.raises(Exception, match="500"):
        await ask(create_agent(model, middleware=[middleware]), ASKED)
    assert (middleware.ledger.snapshot().in_flight, middleware.ledger.spent) == (0, 0.0)
    assert StatusError(500).status_code == 500


@pytest.mark.parametrize("options", [{"on_exhausted": "stop"}, {"run_budget": 0}, {"thread_budget": -1.0}])
def test_bad_arguments_are_refused_at_construction(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        budgeted(**options)


def test_the_folder_of_a_policy_is_no_policy():
    with pytest.raises(TypeError, match=r"LearnedPolicy\.load\('policy/'\)"):
        budgeted(policy="policy/")


def test_a_run_brings_its_own_terms_as_context(model, adder):
    middleware = budgeted(policy=Under())
    agent = create_agent(model, [adder], middleware=[middleware], context_schema=AdaptiveContext)
    context = {"max_cost": 10.0, "price": 0.5, "tenant": "acme"}
    state = agent.invoke(ASKED, context=context)
    records = [message.response_metadata["adaptive_reasoner"] for message in state["messages"][1::2]]
    assert [(record["action"], record["price"]) for record in records] == [("single_pass", 0.5)] * 2
    assert middleware.tenants.ledger_of("acme").snapshot().spent == middleware.ledger.spent == 10.0


async def test_without_a_policy_a_vote_needs_no_labels(ask, model, adder):
    middleware = AdaptiveComputeMiddleware(budget=20.0)
    state = await ask(create_agent(model, [adder], middleware=[middleware]), ASKED)
    record = state["messages"][-1].response_metadata["adaptive_reasoner"]
    assert (record["action"], record["policy_id"]) == ("adaptive_vote", "label_free")
    assert adder.metadata["runs"] == [(5, 9)]


PICTURE = {"messages": [HumanMessage([{"type": "text", "text": ""}])]}


async def test_a_message_without_text_names_the_key_and_can_be_told_about(ask, model):
    with pytest.raises(ValueError, match="state key 'messages': there is no question"):
        await ask(create_agent(model, middleware=[budgeted()]), PICTURE)
    agent = create_agent(model, middleware=[budgeted(about=lambda step: "a picture")])
    assert (await ask(agent, PICTURE))["messages"][-1].text == "The answer is 14"


async def test_without_a_policy_the_worst_case_is_that_of_the_agents_own_model(ask, model):
    bounded = model.model_copy(update={"max_tokens": 100})
    state = await ask(create_agent(bounded, middleware=[AdaptiveComputeMiddleware(budget=20.0)]), ASKED)
    assert state["messages"][-1].response_metadata["adaptive_reasoner"]["worst_cost"] == 9 * 100


async def test_without_a_policy_the_worst_case_heeds_the_settings_of_the_step(ask, server, model):
    @wrap_model_call
    def brief(request, handler):
        return handler(request.override(model_settings={"max_tokens": 50}))

    @wrap_model_call
    async def later(request, handler):
        return await handler(request.override(model_settings={"max_tokens": 50}))

    first = later if ask.__name__ == "later" else brief
    agent = create_agent(model, middleware=[first, AdaptiveComputeMiddleware(budget=30.0)])
    state = await ask(agent, ASKED)
    assert state["messages"][-1].response_metadata["adaptive_reasoner"]["worst_cost"] == 9 * 50
    assert server.bodies[-1]["max_completion_tokens"] == 50


async def test_a_worst_case_in_prompt_tokens_counts_tools_and_system_prompt(ask, model, adder):
    bounded, meter = model.model_copy(update={"max_tokens": 100}), TokenMeter(counts="total")
    worst = []
    for parts in ({}, {"system_prompt": "x" * 1000}, {"tools": [adder]}):
        middleware = AdaptiveComputeMiddleware(budget=20.0, meter=meter)
        state = await ask(create_agent(bounded, middleware=[middleware], **parts), ASKED)
        worst.append(state["messages"][-1].response_metadata["adaptive_reasoner"]["worst_cost"])
    assert worst[1] >= worst[0] + 9 * 1000
    assert worst[2] >= worst[0] + 9 * len(adder.description)
