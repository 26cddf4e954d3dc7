"""What the model of an agent is sent with a budget is what it is sent without one, bit by bit."""

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.modifiers import extended_thinking
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.stub_server import StubServer

ASKED = {
    "messages": [
        HumanMessage([{"type": "text", "text": "What is 5 + 9?"}, {"type": "text", "text": "Think of it."}])
    ]
}
ACTIONS = {
    "single_pass": single_pass(),
    "vote_3": self_consistency(3),
    "thinking_low": extended_thinking("low"),
}


class Sum(BaseModel):
    """The sum of two numbers."""

    total: int


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


AGENTS = {
    "tools": {"tools": [add]},
    "tools_and_prompt": {"tools": [add], "system_prompt": SystemMessage("You add. 'Never' subtract.\n")},
    "tool_strategy": {"response_format": ToolStrategy(Sum)},
    "provider_strategy": {"response_format": ProviderStrategy(Sum)},
    "tools_and_tool_strategy": {"tools": [add], "response_format": ToolStrategy(Sum)},
    "tools_and_provider_strategy": {"tools": [add], "response_format": ProviderStrategy(Sum)},
}


@pytest.fixture
def server():
    with StubServer(answer=lambda prompt, number: "The answer is 14") as running:
        yield running


def model_of(server, api):
    return ChatOpenAI(
        model="stub",
        base_url=server.base_url,
        api_key="none",
        max_retries=0,
        max_tokens=300,
        temperature=0.3,
        use_responses_api=api == "responses",
    )


_BY_CHAT = [(kind, "chat") for kind in AGENTS]
_BY_RESPONSES = [(kind, "responses") for kind in ("tools", "tools_and_prompt")]
CASES = pytest.mark.parametrize(("kind", "api"), [*_BY_CHAT, *_BY_RESPONSES])
"""Each kind of agent, those without structured output by both interfaces."""


def plain(body):
    """A request without the numbers that the stub gives to tool calls, which count its calls."""
    numbers = {}

    def renamed(value):
        if isinstance(value, dict):
            return {name: renamed(each) for name, each in value.items()}
        if isinstance(value, list):
            return [renamed(each) for each in value]
        if isinstance(value, str) and value.startswith(("call_", "msg_", "fc_", "resp_")):
            return numbers.setdefault(value, f"id {len(numbers)}")
        return value

    return renamed(body)


async def sent(ask, server, kind, api, *middleware):
    before = len(server.bodies)
    model = model_of(server, api)
    await ask(create_agent(model, middleware=list(middleware), **AGENTS[kind]), ASKED)
    return [plain(body) for body in server.bodies[before:]]


def budgeted(action, **options):
    return AdaptiveComputeMiddleware(
        policy=FixedPolicy(action, expected_cost=100.0, worst_cost=1_000.0),
        actions=ACTIONS,
        ledger=open_ledger("memory://", target=500.0),
        run_budget=100_000.0,
        **options,
    )


@CASES
async def test_one_pass_sends_what_the_agent_sends(ask, server, kind, api):
    without = await sent(ask, server, kind, api)
    assert await sent(ask, server, kind, api, budgeted("single_pass")) == without


@CASES
async def test_each_sample_of_a_vote_is_sent_what_the_agent_sends(ask, server, kind, api):
    without = await sent(ask, server, kind, api)
    voted = await sent(ask, server, kind, api, budgeted("vote_3"))
    assert len(voted) >= 2 * len(without)
    assert [body for body in voted if body not in without] == []


@CASES
async def test_thinking_adds_its_effort_and_nothing_else(ask, server, kind, api):
    without = await sent(ask, server, kind, api)
    thought = await sent(ask, server, kind, api, budgeted("thinking_low"))
    assert without
    for body, bare in zip(thought, without, strict=True):
        changed = {name for name in {*body, *bare} if body.get(name) != bare.get(name)}
        assert changed <= {
            *("reasoning_effort", "reasoning", "temperature"),
            *("max_tokens", "max_completion_tokens", "max_output_tokens"),
        }
        assert body.get("reasoning_effort", (body.get("reasoning") or {}).get("effort")) == "low"


@CASES
async def test_a_budget_far_from_its_end_adds_no_line(ask, server, kind, api):
    without = await sent(ask, server, kind, api)
    assert await sent(ask, server, kind, api, budgeted("single_pass", tell_model=True)) == without
