"""A run whose budget is used up asks for more, and goes on with what it is allowed."""

import subprocess
import sys

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from adaptive_reasoner.ledger import open_ledger
from tests.fakes import StatusError
from tests.priced_agents import HOW, SEARCH, Searches, Spent, run, settled
from tests.unit_tests.integrations.exhausted_agents import (
    ASKED,
    THREAD,
    agent_of,
    budgeted,
    search,
    searches_once,
)


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
