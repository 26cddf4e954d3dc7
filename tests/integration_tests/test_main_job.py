"""The main job: from recorded samples to a budget that holds, and on the real local model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from adaptive_reasoner.demo.problems import problems
from adaptive_reasoner.demo.run import answer
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.recorded_model import recorded_sources
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.learned import LearnedPolicy

PROJECT = Path(__file__).resolve().parents[2]
RECORDED = PROJECT / "cookbook" / "data" / "smollm2_arithmetic.samples.parquet"
BUDGET = 12.0


@pytest.fixture(scope="module")
def recorded():
    return Samples.read(RECORDED)


@pytest.fixture(scope="module")
def split(recorded):
    return estimate(recorded, votes=(1, 3, 5)).split(test_size=1 / 3, seed=0)


@pytest.fixture(scope="module")
def policy(split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "policy"
    train(split[0], budget=BUDGET).save(folder)
    return LearnedPolicy.load(folder)


@pytest.mark.slow
@pytest.mark.parametrize("gated", [True, False])
def test_the_budget_holds_on_two_thousand_held_out_questions(recorded, split, policy, gated, tmp_path):
    """Also for the imitator where the gate would have shipped the mixture."""
    fit, held_out = split
    if not gated:
        train(fit, budget=BUDGET, gated=False).save(tmp_path / "policy")
        policy = LearnedPolicy.load(tmp_path / "policy")
    golds = {question_id: recorded.of(question_id, "direct")[0].gold for question_id in held_out.question_ids}
    texts = dict(zip(held_out.question_ids, held_out.questions, strict=True))
    groups = dict(zip(held_out.question_ids, held_out.groups, strict=True))
    ids = list(held_out.question_ids)
    stream = [
        Question(
            ids[draw % len(ids)],
            texts[ids[draw % len(ids)]],
            golds[ids[draw % len(ids)]],
            groups[ids[draw % len(ids)]],
        )
        for draw in range(2_000)
    ]
    run = answer(
        stream, recorded_sources(recorded), policy, held_out, budget=BUDGET, on_progress=lambda done: None
    )
    assert abs(run.mean_cost / BUDGET - 1) <= 0.05
    assert run.accuracy >= run.uniform_at_cost


@pytest.mark.slow
def test_the_demo_runs_on_the_real_model_and_again_from_its_samples(tmp_path):
    def demo():
        command = [Path(sys.executable).with_name("adaptive-reasoner"), "demo", "--json", "--questions", "18"]
        done = subprocess.run([*command, "--folder", tmp_path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    first = demo()
    names = [row["policy"] for row in first["rows"]]
    assert names[:6] == ["direct", "direct_vote_3", "direct_vote_5", "cot", "cot_vote_3", "cot_vote_5"]
    assert names[6:] == ["uniform", "adaptive", "oracle"]
    rows = {row["policy"]: row for row in first["rows"]}
    dearest = max(row["mean_cost"] for row in first["rows"])
    assert abs(rows["adaptive"]["mean_cost"] - rows["adaptive"]["target"]) <= dearest
    assert "<svg" in (tmp_path / "report.html").read_text()
    samples = (tmp_path / "samples.jsonl").read_bytes()
    assert samples.count(b"\n") == 18 * 5 * 2
    again = demo()
    assert (tmp_path / "samples.jsonl").read_bytes() == samples
    assert again["rows"][:6] == first["rows"][:6]


def test_the_graph_that_langgraph_serves_answers_with_the_local_model():
    """In a process of its own, with which the model stops."""
    program = f"""
import json
from graphs.math_qa import graph
print(json.dumps(graph.invoke({{"question": {problems(4, seed=3)[0].question!r}}})))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    state = json.loads(done.stdout)
    assert state["decision"]["action"] == "cot"
    assert 0 < state["decision"]["cost"] <= 64
    assert state["reply"]
