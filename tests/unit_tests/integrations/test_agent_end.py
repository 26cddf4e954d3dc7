"""How an agent's run ends when its budget is nearly, or all, used up."""

import subprocess
import sys

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import StatusError
from tests.priced_agents import HOW, METER, SEARCH, PricedModel, Searches, Spent, calls, look, run, settled
from tests.stub_server import StubServer

ASKED = {"messages": [HumanMessage("What is it?")]}
THREAD = {"configurable": {"thread_id": "1"}}
ACTIONS = {"single_pass": single_pass(), "vote_3": self_consistency(3)}


@tool
def search(query: str) -> str:
    """Search, for half a cent."""
    return f"found {query}"


def searches_once(messages):
    """Searches, and answers then."""
    if isinstance(messages[-1], ToolMessage):
        return AIMessage("It is.")
    return calls(("search", {"query": "x"}))


def budgeted(ledger=None, *, worst=0.01, **options):
    return AdaptiveComputeMiddleware(
        policy=FixedPolicy("single_pass", expected_cost=worst / 2, worst_cost=worst, cost_unit="usd"),
        actions=ACTIONS,
        ledger=ledger or open_ledger("memory://", cost_unit="usd"),
        meter=METER,
        **options,
    )


def agent_of(spent, middleware, *, script=None, tools=(look,), **options):
    """An agent that looks things up: a step costs a twentieth of a cent and more."""
    model = PricedModel(model="main", script=script or Searches(), spent=spent, max_tokens=200)
    return create_agent(model, list(tools), middleware=[middleware], **options)


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


def asked_by(state):
    (asked,) = state["__interrupt__"]
    return asked.value


async def interrupted(agent, how, given, config=THREAD):
    """Run until it asks, and give what it asks."""
    state = await run(agent, how, given, config)
    if "__interrupt__" in state:
        return asked_by(state)
    (task,) = (await agent.aget_state(config)).tasks
    return task.interrupts[0].value


@pytest.mark.parametrize("how", HOW)
async def test_a_run_asks_for_more_and_goes_on_with_it(how):
    spent, ours = Spent(), budgeted(run_budget=0.0125, on_exhausted="ask")
    agent = agent_of(spent, ours, script=Searches(12), checkpointer=InMemorySaver())
    asked = await interrupted(agent, how, ASKED)
    before = len(spent.calls)
    assert asked["type"] == "adaptive_reasoner"
    assert asked["event"] == "ask"
    assert asked["spent"] == pytest.approx(spent.dollars)
    assert (asked["wanted"], asked["cost_unit"]) == (0.01, "usd")
    assert asked["left"] == pytest.approx(0.0125 - spent.dollars)
    assert asked["left"] + asked["missing"] >= asked["wanted"]
    assert "has spent" in asked["message"]
    assert "Command(resume={'more':" in asked["message"]
    again = await interrupted(agent, how, Command(resume={"more": asked["missing"]}))
    assert len(spent.calls) == before + 1
    assert again["spent"] > asked["spent"]
    state = await run(agent, how, Command(resume={"more": 0.05}), THREAD)
    assert state["messages"][-1].text == "So far: it."
    assert "exhausted" not in state["messages"][-1].response_metadata["adaptive_reasoner"]
    assert spent.count("main") == 13
    assert settled(ours.ledger, spent).questions == 1


@pytest.mark.parametrize("how", HOW)
async def test_a_run_that_is_allowed_no_more_ends(how):
    spent, ours = Spent(), budgeted(run_budget=0.0125, on_exhausted="ask")
    agent = agent_of(spent, ours, checkpointer=InMemorySaver())
    await interrupted(agent, how, ASKED)
    before = len(spent.calls)
    state = await run(agent, how, Command(resume={"more": 0}), THREAD)
    assert state["messages"][-1].text == "So far: it."
    assert len(spent.calls) == before + 1
    assert settled(ours.ledger, spent).spent <= 0.0125


@pytest.mark.parametrize(
    "answer",
    ["yes", 0.05, {"more": -1}, {"more": float("nan")}, {"more": "0.05"}, {"more": True}, [], {"much": 1}],
)
async def test_a_malformed_answer_is_refused_and_a_good_one_still_counts(answer, ask):
    spent, ours = Spent(), budgeted(run_budget=0.0125, on_exhausted="ask")
    agent = agent_of(spent, ours, script=Searches(7), checkpointer=InMemorySaver())
    await ask(agent, ASKED, THREAD)
    before = len(spent.calls)
    for _ in range(2):
        with pytest.raises(
            ValueError, match=r"resume .* with \{'more': amount\}, a finite number of at least 0 usd"
        ):
            await ask(agent, Command(resume=answer), THREAD)
    assert len(spent.calls) == before
    state = await ask(agent, Command(resume={"more": 0.05}), THREAD)
    assert state["messages"][-1].text == "So far: it."
    settled(ours.ledger, spent)


async def test_an_answer_counts_once_also_where_the_step_fails_and_runs_again(ask):
    spent, ours = Spent(), budgeted(run_budget=0.0125, on_exhausted="ask")
    script, fails = Searches(9), []

    def failing(messages):
        if fails and fails.pop():
            raise StatusError(500)
        return script(messages)

    agent = agent_of(spent, ours, script=failing, checkpointer=InMemorySaver())
    await ask(agent, ASKED, THREAD)
    fails.append(True)
    with pytest.raises(StatusError):
        await ask(agent, Command(resume={"more": 0.002}), THREAD)
    state = await ask(agent, None, THREAD)
    assert "__interrupt__" in state
    allowance = ours.bills.of(agent.get_state(THREAD).values["adaptive_account"], None).allowance
    assert allowance.most == pytest.approx(0.0145)


@pytest.mark.parametrize("how", HOW)
async def test_a_paid_tool_that_does_not_fit_asks_before_it_is_called(how):
    spent = Spent()
    ours = budgeted(worst=0.002, run_budget=0.004, tool_costs={"search": SEARCH}, on_exhausted="ask")
    searched = []

    @tool("search")
    def counted(query: str) -> str:
        """Search."""
        searched.append(query)
        return "found"

    agent = agent_of(spent, ours, script=searches_once, tools=[counted], checkpointer=InMemorySaver())
    asked = await interrupted(agent, how, ASKED)
    assert "the tool search can cost 0.005" in asked["message"]
    assert searched == []
    state = await run(agent, how, Command(resume={"more": 0.01}), THREAD)
    assert (searched, state["messages"][-1].text) == (["x"], "It is.")
    assert spent.count("main") == 2


def test_a_paid_tool_that_is_allowed_no_more_is_not_called():
    spent = Spent()
    ours = budgeted(worst=0.002, run_budget=0.004, tool_costs={"search": SEARCH}, on_exhausted="ask")

    agent = agent_of(spent, ours, script=searches_once, tools=[search], checkpointer=InMemorySaver())
    agent.invoke(ASKED, THREAD)
    state = agent.invoke(Command(resume={"more": 0}), THREAD)
    refused = next(message for message in state["messages"] if isinstance(message, ToolMessage))
    assert refused.status == "error"
    assert state["messages"][-1].text == "It is."


def test_what_a_thread_was_allowed_more_it_keeps_in_its_next_run():
    spent, ours = Spent(), budgeted(thread_budget=0.0125, on_exhausted="ask")
    agent = agent_of(spent, ours, script=Searches(9), checkpointer=InMemorySaver())
    assert "__interrupt__" in agent.invoke(ASKED, THREAD)
    state = agent.invoke(Command(resume={"more": 0.05}), THREAD)
    assert state["messages"][-1].text == "So far: it."
    assert "__interrupt__" not in agent.invoke({"messages": [HumanMessage("And this?")]}, THREAD)


def test_a_run_that_was_allowed_more_does_not_pass_it_on():
    spent, ours = Spent(), budgeted(run_budget=0.0125, on_exhausted="ask")
    agent = agent_of(spent, ours, script=Searches(9), checkpointer=InMemorySaver())
    agent.invoke(ASKED, THREAD)
    agent.invoke(Command(resume={"more": 0.05}), THREAD)
    account = agent.get_state(THREAD).values["adaptive_account"]
    assert account["run_budget"] == pytest.approx(0.05)
    agent.invoke({"messages": [HumanMessage("And this?")]}, THREAD)
    assert "run_budget" not in agent.get_state(THREAD).values["adaptive_account"]


def test_no_answer_helps_against_a_hard_cap_so_none_is_asked_for():
    spent = Spent()
    ledger = open_ledger("memory://", cost_unit="usd", hard_cap=0.0125)
    ours = budgeted(ledger, run_budget=0.0125, on_exhausted="ask")
    state = agent_of(spent, ours, checkpointer=InMemorySaver()).invoke(ASKED, THREAD)
    assert "__interrupt__" not in state
    assert settled(ledger, spent).spent <= 0.0125


def process(folder, *arguments):
    module = "tests.unit_tests.integrations.asking_in_a_process"
    command = [sys.executable, "-m", module, str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_a_run_asks_and_goes_on_in_other_processes(tmp_path):
    code, said, error = process(tmp_path, "ask")
    assert (code, said[0]) == (0, "asks"), error
    code, _, error = process(tmp_path, "resume", '"yes"')
    assert code != 0
    assert "ValueError: resume a run that asks for more budget with {'more': amount}" in error
    code, said, error = process(tmp_path, "resume", '{"more": 0.002}')
    assert (code, said[0]) == (0, "asks"), error
    code, said, error = process(tmp_path, "resume", '{"more": 0.05}')
    assert (code, said[0]) == (0, "So far: it."), error
    in_run, added, in_ledger = map(float, said[1].split())
    made = [float(line) for line in (tmp_path / "spent").read_text().splitlines()]
    assert len(made) == 10
    assert in_ledger == pytest.approx(sum(made), abs=1e-8)
    assert in_run == pytest.approx(sum(made), abs=1e-8)
    assert added == pytest.approx(0.052)
