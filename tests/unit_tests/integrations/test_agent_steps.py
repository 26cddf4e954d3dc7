"""What is known of an agent's step, and a preset that goes by it."""

import json

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import ToolException, tool

from adaptive_reasoner.integrations.agent_step import AgentStep
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.step_presets import VotePolicy, think_at_turns
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.sample_log import SampleLog
from adaptive_reasoner.strategies.voting import single_pass
from tests.priced_agents import METER, PricedModel, Spent, calls

ASKED = {"messages": [HumanMessage("What is it?")]}
PHASES = ["plan", "follow_up", "after_failure", "follow_up"]


def four_steps(messages):
    """Looks twice, of which the second look fails, looks again, and answers."""
    done = sum(isinstance(message, ToolMessage) for message in messages)
    return AIMessage("It is so.") if done == 3 else calls(("look", {"at": done}))


@tool
def look(at: int) -> str:
    """Look somewhere."""
    if at == 1:
        raise ToolException("no such place")
    return "found"


look.handle_tool_error = True


def seen_by(policy_of):
    seen = []

    def policy(step):
        seen.append(step)
        return policy_of(step)

    return seen, policy


def agent_of(middleware, spent=None):
    model = PricedModel(model="main", script=four_steps, spent=spent or Spent())
    return create_agent(model, [look], middleware=[middleware])


async def test_a_step_knows_its_phase_its_results_and_its_errors(ask):
    seen, policy = seen_by(lambda step: FixedPolicy("single_pass", expected_cost=0.001, cost_unit="usd"))
    ours = AdaptiveComputeMiddleware(
        policy=policy,
        actions={"single_pass": single_pass()},
        ledger=open_ledger("memory://", cost_unit="usd"),
        meter=METER,
    )
    agent = agent_of(ours)
    await ask(agent, ASKED)
    first = seen[1:]
    assert [step.phase for step in first] == PHASES
    assert [step.number for step in first] == [0, 1, 2, 3]
    assert [(step.results, step.errors) for step in first] == [(0, 0), (1, 0), (2, 1), (3, 1)]
    assert first[-1].spent > first[0].spent == 0
    await ask(agent, ASKED)  # runs have had four steps so far, so the fourth is expected to be the last
    assert [step.phase for step in seen[5:]] == [*PHASES[:3], "final"]


@pytest.mark.parametrize("ends", [False, True])
def test_of_several_turns_only_the_latest_counts(ends):
    old = [HumanMessage("A?"), ToolMessage("x", tool_call_id="1", status="error"), AIMessage("Yes.")]
    step = AgentStep.of([*old, HumanMessage("B?")], question="B?", number=0, ends=ends)
    assert (step.phase, step.results, step.errors) == ("plan", 0, 0)


def test_what_is_known_of_a_step_goes_to_about_the_stream_and_the_log(tmp_path):
    path = tmp_path / "samples.jsonl"
    ours = AdaptiveComputeMiddleware(
        policy=FixedPolicy("single_pass", expected_cost=0.001, worst_cost=0.01, cost_unit="usd"),
        actions={"single_pass": single_pass()},
        ledger=open_ledger("memory://", cost_unit="usd"),
        meter=METER,
        about=AgentStep.described,
        run_budget=1.0,
        log=path,
    )
    streamed = list(agent_of(ours).stream(ASKED, stream_mode="custom"))
    decisions = [event for event in streamed if event["event"] == "decision"]
    assert [event["phase"] for event in decisions] == PHASES
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["phase"] for row in rows] == PHASES
    assert [row["tool_results"] for row in rows] == [0, 1, 2, 3]
    assert [row["tool_errors"] for row in rows] == [0, 0, 1, 1]
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert all(row["run_left"] == pytest.approx(1.0 - row["run_spent"]) for row in rows)
    assert rows[2]["question"] == "[step 2, after_failure, 2 results, 1 error]\nWhat is it?"
    assert len(Samples.read(path)) == 4


async def test_a_log_that_fails_is_a_warning_and_the_answer_stands(ask):
    def broken(text):
        raise RuntimeError("no redaction")

    ours = AdaptiveComputeMiddleware(budget=100.0, log=SampleLog(redact=broken))
    with pytest.warns(UserWarning, match="samples were not logged: RuntimeError: no redaction"):
        state = await ask(agent_of(ours), ASKED)
    assert state["messages"][-1].text == "It is so."


async def test_the_preset_votes_at_turns_and_passes_once_on_routine_steps(ask):
    ours = AdaptiveComputeMiddleware(**think_at_turns(3))
    agent = agent_of(ours)
    for phases in (PHASES, [*PHASES[:3], "final"]):
        state = await ask(agent, ASKED)
        records = [
            message.response_metadata["adaptive_reasoner"]
            for message in state["messages"]
            if isinstance(message, AIMessage)
        ]
        wanted = ["single_pass" if phase == "follow_up" else "vote_3" for phase in phases]
        assert [record["action"] for record in records] == wanted


def test_a_vote_that_does_not_fit_is_one_pass():
    spent = Spent()
    ours = AdaptiveComputeMiddleware(
        **think_at_turns(5, cost_unit="usd"),
        ledger=open_ledger("memory://", cost_unit="usd"),
        meter=METER,
        run_budget=0.003,
    )
    state = agent_of(ours, spent).invoke(ASKED)
    assert state["messages"][-1].text == "It is so."
    assert spent.count("main") == 4
    assert VotePolicy(5).with_worst_case_of(lambda _: 10.0).decide("?", max_cost=49.0).reason == "budget"


def test_a_preset_that_would_never_vote_is_refused():
    with pytest.raises(ValueError, match=r"a whole number of at least 1 sample, not 2\.5"):
        think_at_turns(2.5)
    with pytest.raises(ValueError, match="there is no phase 'plann'; known are plan, follow_up,"):
        think_at_turns(3, phases=["plann"])
