"""How an agent's run ends when its budget is nearly, or all, used up."""

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.policy.base import FixedPolicy
from tests.priced_agents import HOW, SEARCH, Searches, Spent, calls, run, settled
from tests.stub_server import StubServer
from tests.unit_tests.integrations.exhausted_agents import (
    ACTIONS,
    ASKED,
    THREAD,
    agent_of,
    budgeted,
    search,
    searches_once,
)


class Heard(BaseCallbackHandler):
    def __init__(self):
        self.events = []

    def on_custom_event(self, name, data, **kwargs):
        self.events.append(data)

    def of(self, event):
        return [data for data in self.events if data["event"] == event]


@pytest.mark.parametrize("how", ["stream", "astream"])
async def test_a_run_says_once_that_its_budget_is_nearly_used_up(how):
    spent, heard, streamed = Spent(), Heard(), []
    agent = agent_of(spent, budgeted(run_budget=0.06), script=Searches())
    config = {"callbacks": [heard]}
    if how == "stream":
        streamed += agent.stream(ASKED, config, stream_mode="custom")
    else:
        streamed += [part async for part in agent.astream(ASKED, config, stream_mode="custom")]
    (told,) = [part for part in streamed if part["event"] == "nearly_exhausted"]
    assert heard.of("nearly_exhausted") == [{name: told[name] for name in told if name != "type"}]
    assert (told["budget"], told["cost_unit"]) == ("run_budget", "usd")
    assert told["share"] == pytest.approx(told["spent"] / 0.06)
    assert told["share"] >= 0.8
    assert told["left"] == pytest.approx(0.06 - told["spent"])
    assert len(heard.of("exhausted")) == 1


def test_a_tool_can_use_the_budget_nearly_up():
    heard, spent = Heard(), Spent()
    ours = budgeted(worst=0.002, run_budget=0.006, tool_costs={"search": SEARCH})

    def script(messages):
        return (
            AIMessage("It is.")
            if isinstance(messages[-1], ToolMessage)
            else calls(("search", {"query": "x"}))
        )

    agent_of(spent, ours, script=searches_once, tools=[search]).invoke(ASKED, {"callbacks": [heard]})
    (told,) = heard.of("nearly_exhausted")
    assert told["spent"] >= SEARCH


def test_a_thread_that_is_nearly_used_up_says_so_in_a_later_run():
    heard, spent = Heard(), Spent()
    script = Searches(0)
    agent = agent_of(spent, budgeted(thread_budget=0.06), script=script, checkpointer=InMemorySaver())
    for _ in range(99):
        agent.invoke({"messages": [HumanMessage("why " * 900)]}, {**THREAD, "callbacks": [heard]})
        if heard.of("nearly_exhausted"):
            break
    (told,) = heard.of("nearly_exhausted")
    assert told["budget"] == "thread_budget"
    assert told["left"] == pytest.approx(0.06 - spent.dollars)
    assert len(spent.calls) > 1


@pytest.mark.parametrize("tells", [True, False])
def test_the_model_is_told_where_that_is_wanted_and_the_state_does_not_keep_it(tells):
    spent, script = Spent(), Searches()
    state = agent_of(spent, budgeted(worst=0.004, run_budget=0.06, tell_model=tells), script=script).invoke(
        ASKED
    )
    told = [seen[-1].text for seen in script.seen if "Of the budget of this run" in seen[-1].text]
    assert bool(told) == tells
    assert all("usd are spent" in text and "are left" in text for text in told)
    assert [message.text for message in state["messages"] if isinstance(message, HumanMessage)] == [
        "What is it?"
    ]
    noticed = [seen for seen in script.seen if seen[-1].text in told]
    assert all(isinstance(seen[-2], ToolMessage) for seen in noticed)


@pytest.mark.parametrize("how", HOW)
async def test_a_run_ends_with_a_last_step_without_tools(how):
    spent, script = Spent(), Searches()
    ours = budgeted(run_budget=0.0125)
    state = await run(agent_of(spent, ours, script=script), how, ASKED)
    last = state["messages"][-1]
    assert last.text == "So far: it."
    record = last.response_metadata["adaptive_reasoner"]
    assert record["exhausted"]["event"] == "exhausted"
    assert record["exhausted"]["ends_with"] == "answer"
    assert not any(isinstance(message, ToolMessage) for message in script.seen[-1])
    assert "Result of the tool look:\nfound 0" in [message.text for message in script.seen[-1]]
    assert settled(ours.ledger, spent).spent <= 0.0125


def test_a_last_step_is_sent_no_tools_and_a_reply_of_what_is_left():
    with StubServer(answer=lambda prompt, number: "The answer is 14") as server:
        model = ChatOpenAI(model="stub", base_url=server.base_url, api_key="none", max_retries=0)
        policy = FixedPolicy("single_pass", expected_cost=5.0, worst_cost=300.0)
        ours = AdaptiveComputeMiddleware(policy=policy, actions=ACTIONS, run_budget=302.0)

        @tool
        def add(a: int, b: int) -> int:
            """Add."""
            return a + b

        state = create_agent(model, [add], middleware=[ours]).invoke(ASKED)
        first, last = server.bodies
    assert "tools" in first
    assert "tools" not in last
    assert "tool_choice" not in last
    assert last.get("max_completion_tokens", last.get("max_tokens")) == 297
    assert state["messages"][-1].text == "The answer is 14"


def test_a_last_step_in_dollars_is_priced_by_the_model_that_it_calls():
    with StubServer(answer=lambda prompt, number: "The answer is 14") as server:
        model = ChatOpenAI(model="gpt-5-mini", max_tokens=2_000, base_url=server.base_url, api_key="none")
        ours = AdaptiveComputeMiddleware(
            budget=0.02, run_budget=0.0065, meter="usd", tool_costs={"search": 0.005}
        )
        state = create_agent(model, [search], middleware=[ours]).invoke(ASKED)
        last = server.bodies[-1]
    assert "tools" not in last
    assert 256 <= last["max_completion_tokens"] < 2_000
    assert state["messages"][-1].text == "The answer is 14"
    assert 0.005 < ours.ledger.spent <= 0.0065


def test_a_last_step_that_calls_tools_all_the_same_calls_none():
    spent = Spent()
    looked = []

    @tool("look")
    def counted(query: str) -> str:
        """Look."""
        looked.append(query)
        return "found"

    def stubborn(messages):
        return calls(("look", {"query": "x"}))

    ours = budgeted(run_budget=0.0125)
    state = agent_of(spent, ours, script=stubborn, tools=[counted]).invoke(ASKED)
    last = state["messages"][-1]
    assert (last.text, last.tool_calls) == ("I will look.", [])
    assert len(looked) == spent.count("main") - 1


def test_a_last_step_keeps_structured_output():
    class Found(BaseModel):
        what: str

    spent = Spent()

    def script(messages):
        if "no tool can be called" in messages[-1].text:
            return calls(("Found", {"what": "it"}))
        return calls(("look", {"query": "x"}))

    ours = budgeted(run_budget=0.0125)
    state = agent_of(spent, ours, script=script, response_format=ToolStrategy(Found)).invoke(ASKED)
    assert state["structured_response"] == Found(what="it")


def test_raise_raises_before_a_last_step_and_names_the_ways_out():
    spent, ours = Spent(), budgeted(run_budget=0.0125, on_exhausted="raise")
    with pytest.raises(
        BudgetExceededError, match=r"Declare a smaller max_tokens on the model, or allow 0.01"
    ):
        agent_of(spent, ours).invoke(ASKED)
    settled(ours.ledger, spent)
