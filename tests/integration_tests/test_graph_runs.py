"""Graphs under load and under fire: many runs on one ledger, a process killed in the middle, a real model."""

import asyncio
import json
import signal
import subprocess
import sys
from math import inf, nan
from pathlib import Path

import pytest
from langgraph.graph import END, START, StateGraph

from adaptive_reasoner.demo.arithmetic import problems
from adaptive_reasoner.demo.local_model import LocalModelServer
from adaptive_reasoner.demo.math_qa import MathState, math_sources
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import Decision
from adaptive_reasoner.policy.draws import uniform_from_key
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel

PROJECT = Path(__file__).resolve().parents[2]
KEYS = {"input_key": "question", "output_key": "reply", "answer_key": "answer", "decision_key": "decision"}
ACTIONS = {"single_pass": single_pass(), "vote_9": self_consistency(9)}
COST = {"single_pass": 2.0, "vote_9": 10.0}


class KnowsTheGain:
    """A vote brings up to .4 in accuracy, by the question's own draw; it is taken where it is worth it."""

    actions = tuple(ACTIONS)
    cost_unit, price, budget, slope, policy_id = "tokens", 0.025, None, None, "test"

    def decide(self, question, *, price=None, max_cost=inf, key=None):
        gain = 0.4 * uniform_from_key(question)
        action = "vote_9" if gain > price * (COST["vote_9"] - COST["single_pass"]) else "single_pass"
        return Decision(action, COST[action], 9 * 50.0, nan, price, "policy", self.policy_id)

    def decide_batch(self, questions, *, budget):
        raise NotImplementedError


@pytest.mark.slow
async def test_fifty_runs_at_once_on_one_sqlite_ledger_hold_the_average(tmp_path):
    target, questions = 5.0, 1_500
    with open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", target=target, policy=KnowsTheGain()) as ledger:
        source = Source(ScriptedModel(answers=("Answer: 14",)), max_tokens=50)
        node = AdaptiveComputeNode(source, policy=KnowsTheGain(), actions=ACTIONS, ledger=ledger, **KEYS)
        graph = node.attach(StateGraph(MathState)).add_edge(START, node.name).compile()
        waiting = iter(range(questions))

        async def ask():
            for number in waiting:
                await graph.ainvoke({"question": f"question {number}"})

        await asyncio.gather(*(ask() for _ in range(50)))
        snapshot = ledger.snapshot()
    assert (snapshot.questions, snapshot.in_flight, snapshot.reserved) == (questions, 0, 0.0)
    assert snapshot.average == pytest.approx(target, rel=0.01)


KILLED = """
import json, os, signal, sqlite3, sys
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.demo.math_qa import MathState
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency
from tests.fakes import ScriptedModel
from tests.waiting import wait_until

folder, durable, dies_at = sys.argv[1], sys.argv[2] == "durable", int(sys.argv[3])

class Dies(ScriptedModel):
    def _generate(self, *args, **kwargs):
        if len(self.requests) == dies_at:
            if durable:
                wait_until(lambda: samples_in_checkpoint() == dies_at)
            os.kill(os.getpid(), signal.SIGKILL)
        with open(f"{folder}/calls", "a") as calls:
            calls.write("call\\n")
        return super()._generate(*args, **kwargs)

def samples_in_checkpoint():
    with sqlite3.connect(f"{folder}/graph.sqlite", timeout=60) as checkpoints:
        return checkpoints.execute("select count(*) from writes where channel = '__return__'").fetchone()[0]

# Two waves: after the first, three of five, the vote is open.
model = Dies(answers=("Answer: 1", "Answer: 2", "Answer: 2", "Answer: 2"))
ledger = open_ledger(f"sqlite:///{folder}/ledger.sqlite", target=9.0, cost_unit="tokens")
node = AdaptiveComputeNode(
    Source(model, max_tokens=50),
    policy=FixedPolicy("vote_5", expected_cost=8.0, worst_cost=250.0),
    actions={"vote_5": self_consistency(5)},
    ledger=ledger, durable=durable,
    input_key="question", output_key="reply", answer_key="answer", decision_key="decision",
)
config = {"configurable": {"thread_id": "1"}}
with SqliteSaver.from_conn_string(f"{folder}/graph.sqlite") as saver:
    graph = node.attach(StateGraph(MathState)).add_edge(START, node.name).compile(checkpointer=saver)
    begun = graph.get_state(config).next
    state = graph.invoke(None if begun else {"question": "5 + 9?"}, config, durability="sync")
seen = ledger.snapshot()
print(json.dumps([state["answer"], state["decision"]["cost"], seen.questions, seen.spent, seen.in_flight]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("durable", ["durable", "plain"])
def test_a_node_killed_between_reserve_and_settle_is_billed_and_pays_its_own_when_it_is_resumed(
    tmp_path, durable
):
    def process(dies_at):
        command = [sys.executable, "-c", KILLED, str(tmp_path), durable, str(dies_at)]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    killed = process(dies_at=3)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite") as ledger:
        assert (ledger.snapshot().in_flight, ledger.snapshot().spent) == (1, 0.0)
    resumed = process(dies_at=-1)
    assert resumed.returncode == 0, resumed.stderr
    answer, cost, questions, spent, in_flight = json.loads(resumed.stdout)
    calls = (tmp_path / "calls").read_text().count("call")
    assert calls == 3 + cost / 2.0
    # The dead process may have spent all it held, less what its samples in the checkpoint did not cost.
    dead = 250.0 - (3 * (50.0 - 2.0) if durable == "durable" else 0.0)
    assert (questions, spent, in_flight) == (1, dead + cost, 0)
    assert answer in ("1", "2")


@pytest.mark.slow
@pytest.mark.parametrize("is_async", [False, True])
async def test_on_day_one_the_real_model_votes_under_a_budget_and_leaves_samples(tmp_path, is_async):
    asked = problems(6, seed=1)
    with LocalModelServer() as server:
        source = math_sources(server.chat_model())["direct"]
        node = AdaptiveComputeNode(source, budget=12.0, log=tmp_path / "samples.jsonl", **KEYS)
        graph = (
            node.attach(StateGraph(MathState)).add_edge(START, node.name).add_edge(node.name, END).compile()
        )
        for problem in asked:
            state = {"question": problem.question}
            state = await graph.ainvoke(state) if is_async else graph.invoke(state)
            assert state["decision"]["action"] == "adaptive_vote"
    snapshot = node.reasoner.ledger.snapshot()
    assert (snapshot.questions, snapshot.in_flight) == (6, 0)
    samples = Samples.read(tmp_path / "samples.jsonl")
    assert sum(row["cost"] for row in samples.bill()) == snapshot.spent
    graded = samples.graded({problem.question: problem.gold for problem in asked})
    assert graded.ungraded == 0
