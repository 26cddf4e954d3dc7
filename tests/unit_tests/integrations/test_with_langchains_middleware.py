"""The middleware beside those of LangChain, in both orders: the agent works, and its bill is right."""

import warnings

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AutoModeMiddleware,
    HumanInTheLoopMiddleware,
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    ModelChoice,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    ModelRouterMiddleware,
    PIIMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
)
from langchain_core._api import LangChainBetaWarning
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import StatusError
from tests.priced_agents import (
    METER,
    SEARCH,
    PricedModel,
    PricedRouter,
    Spent,
    calls,
    settled,
    steps,
    summariser,
)

ASKED = {"messages": [HumanMessage("What is it? Write to me@example.org.")]}
ACTIONS = {"single_pass": single_pass(), "vote_3": self_consistency(3)}
FOUND = steps(calls(("search", {"query": "x"})), AIMessage("It is so."))

pytestmark = pytest.mark.parametrize("order", ["inside", "outside"])


def budgeted(action="vote_3", **options):
    return AdaptiveComputeMiddleware(
        policy=FixedPolicy(action, expected_cost=0.001, worst_cost=0.004, cost_unit="usd"),
        actions=ACTIONS,
        ledger=open_ledger("memory://", cost_unit="usd"),
        meter=METER,
        tool_costs={"search": SEARCH},
        **options,
    )


def paid_search(spent, failures=()):
    made = []

    @tool
    def search(query: str) -> str:
        """Search, for half a cent."""
        made.append(query)
        spent.add("search", SEARCH)
        if len(made) - 1 in failures:
            raise ConnectionError("the index is down")
        return f"found {query}"

    return search


def agent_with(theirs, order, spent, *, ours=None, script=FOUND, tools=None, failures=(), **options):
    """An agent that searches and answers, with a middleware of LangChain inside or outside of ours."""
    ours = ours or budgeted()
    around = [ours, theirs] if order == "inside" else [theirs, ours]
    model = PricedModel(model="main", script=script, spent=spent, failures=failures)
    return create_agent(model, tools or [paid_search(spent)], middleware=around, **options), ours


def without_warning(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        return make()


async def test_model_call_limit_counts_steps_and_not_the_samples_of_a_vote(order, ask):
    spent = Spent()
    agent, ours = agent_with(ModelCallLimitMiddleware(run_limit=1), order, spent)
    state = await ask(agent, ASKED)
    assert "limit" in state["messages"][-1].text
    assert (spent.count("main"), spent.count("search")) == (2, 1)
    assert settled(ours.ledger, spent).questions == 1


async def test_tool_call_limit_refuses_a_tool_that_is_then_not_billed(order, ask):
    spent = Spent()
    again = steps(calls(("search", {"query": "x"}), ("search", {"query": "y"})), AIMessage("It is so."))
    limit = ToolCallLimitMiddleware(tool_name="search", run_limit=1)
    agent, ours = agent_with(limit, order, spent, script=again)
    state = await ask(agent, ASKED)
    assert state["messages"][-1].text == "It is so."
    assert spent.count("search") == 1
    settled(ours.ledger, spent)


async def test_model_retry_bills_every_call_that_was_answered(order, ask):
    spent = Spent()
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False)
    agent, ours = agent_with(retry, order, spent, ours=budgeted("single_pass"), failures=(0,))
    state = await ask(agent, ASKED)
    assert state["messages"][-1].text == "It is so."
    assert spent.count("main") == 2
    assert settled(ours.ledger, spent).questions == 1


async def test_tool_retry_bills_every_attempt(order, ask):
    spent = Spent()
    retry = ToolRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False)
    agent, ours = agent_with(retry, order, spent, tools=[paid_search(spent, failures=(0,))])
    state = await ask(agent, ASKED)
    assert state["messages"][-1].text == "It is so."
    assert spent.count("search") == 2
    settled(ours.ledger, spent)


async def test_a_fallback_is_billed_at_its_own_price(order, ask):
    spent = Spent()
    fallback = ModelFallbackMiddleware(PricedModel(model="researcher", script=FOUND, spent=spent))
    agent, ours = agent_with(fallback, order, spent, ours=budgeted("single_pass"), failures=tuple(range(99)))
    state = await ask(agent, ASKED)
    assert state["messages"][-1].text == "It is so."
    assert (spent.count("main"), spent.count("researcher")) == (0, 2)
    settled(ours.ledger, spent)


async def test_summaries_are_on_the_bill_and_the_question_stays(order, ask):
    spent = Spent()
    agent, ours = agent_with(summariser(spent), order, spent)
    asked = [
        HumanMessage("One?"),
        AIMessage("One."),
        HumanMessage("Two?"),
        AIMessage("Two."),
        *ASKED["messages"],
    ]
    state = await ask(agent, {"messages": asked})
    assert state["messages"][-1].text == "It is so."
    assert spent.count("summariser") > 0
    assert settled(ours.ledger, spent).questions == 1


async def test_an_approval_bills_nothing_twice(order, ask):
    spent = Spent()
    approval = HumanInTheLoopMiddleware(interrupt_on={"search": True})
    agent, ours = agent_with(approval, order, spent, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    state = await ask(agent, ASKED, config)
    assert "__interrupt__" in state
    before = spent.dollars
    state = await ask(agent, Command(resume={"decisions": [{"type": "approve"}]}), config)
    assert state["messages"][-1].text == "It is so."
    assert spent.count("main") == 4
    assert spent.dollars > before
    assert settled(ours.ledger, spent).questions == 1


async def test_what_pii_hides_no_sample_is_sent(order, ask):
    spent, seen = Spent(), []

    def script(messages):
        seen.extend(message.text for message in messages)
        return FOUND(messages)

    agent, ours = agent_with(PIIMiddleware("email"), order, spent, script=script)
    await ask(agent, ASKED)
    assert any("[REDACTED_EMAIL]" in text for text in seen)
    assert not any("me@example.org" in text for text in seen)
    settled(ours.ledger, spent)


class Selector(PricedModel):
    """Selects the search."""

    def with_structured_output(self, schema, **kwargs):
        return self | RunnableLambda(lambda _: {"tools": ["search"]})


async def test_a_tool_selector_is_asked_once_a_step_outside_and_once_a_sample_inside(order, ask):
    spent = Spent()

    @tool
    def note(text: str) -> str:
        """Note."""
        return "noted"

    model = Selector(model="router", script=lambda _: AIMessage("search"), spent=spent)
    selector = LLMToolSelectorMiddleware(model=model, max_tools=1)
    agent, ours = agent_with(selector, order, spent, tools=[paid_search(spent), note])
    state = await ask(agent, ASKED)
    assert state["messages"][-1].text == "It is so."
    assert spent.count("main") == 4
    assert spent.count("router") == (4 if order == "inside" else 2)
    settled(ours.ledger, spent)


async def test_a_router_chooses_the_model_once_and_is_on_the_bill(order, ask):
    spent = Spent()
    routed = PricedModel(model="writer", script=FOUND, spent=spent)
    router = without_warning(
        lambda: ModelRouterMiddleware(
            choices={"only": ModelChoice(model=routed, criteria="everything")},
            instructions="Choose.",
            classifier=PricedRouter(spent=spent),
        )
    )
    agent, ours = agent_with(router, order, spent)
    state = await ask(agent, ASKED)
    assert state["messages"][-1].text == "It is so."
    assert (spent.count("router"), spent.count("main"), spent.count("writer")) == (1, 0, 4)
    settled(ours.ledger, spent)


@pytest.mark.parametrize("risk", [0.1, 0.9])
async def test_auto_mode_blocks_a_tool_before_it_is_billed(order, ask, risk):
    spent = Spent()
    guard = without_warning(
        lambda: AutoModeMiddleware(tools=["search"], classifier=PricedRouter(spent=spent, risk=risk))
    )
    agent, ours = agent_with(guard, order, spent)
    state = await ask(agent, ASKED)
    assert state["messages"][-1].text == "It is so."
    (told,) = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert ("blocked" in told.text) == (risk > 0.5)
    assert (spent.count("router"), spent.count("search")) == (1, int(risk < 0.5))
    settled(ours.ledger, spent)


async def test_a_model_that_fails_ends_a_run_as_without_a_budget(order, ask):
    spent = Spent()
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False, on_failure="error")
    agent, ours = agent_with(retry, order, spent, ours=budgeted("single_pass"), failures=tuple(range(99)))
    with pytest.raises(StatusError):
        await ask(agent, ASKED)
    assert settled(ours.ledger, spent).spent == 0
