"""The main job: from recorded samples to a budget that holds, and on the real local model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from adaptive_reasoner.demo.answering import gains, one_by_one
from adaptive_reasoner.demo.arithmetic import problems
from adaptive_reasoner.demo.record import recorded
from adaptive_reasoner.demo.run import LIVE_FAST
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.recorded_model import recorded_sources
from adaptive_reasoner.policy.learned import LearnedPolicy

PROJECT = Path(__file__).resolve().parents[2]
BUDGET = 12.0


@pytest.fixture(scope="module")
def record():
    return recorded()


@pytest.fixture(scope="module")
def split(record):
    return estimate(record, votes=(1, 3, 5)).split(test_size=0.5, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("gated", [True, False])
def test_the_budget_holds_on_two_thousand_held_out_questions(record, split, gated, tmp_path):
    """Also for the imitator where the gate would have shipped the mixture."""
    fit, held_out = split
    train(fit, budget=BUDGET, gated=gated).save(tmp_path / "policy")
    policy = LearnedPolicy.load(tmp_path / "policy")
    asked = [
        Question(question_id, text, record.of(question_id, "direct")[0].gold, group)
        for question_id, text, group in zip(
            held_out.question_ids, held_out.questions, held_out.groups, strict=True
        )
    ]
    stream = [asked[draw % len(asked)] for draw in range(2_000)]
    answers = list(one_by_one(stream, recorded_sources(record), policy, budget=BUDGET))
    gain = gains({"adaptive": answers}, fit, held_out)["adaptive"]
    assert abs(sum(each.cost for each in answers) / 2_000 / BUDGET - 1) <= 0.05
    assert gain.accuracy >= gain.uniform_at_cost


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo as the command runs it, on fewer questions, and where it wrote."""
    folder = tmp_path_factory.mktemp("demo")
    return _demo(folder, "--fast"), folder


def _demo(folder, *options):
    command = [
        Path(sys.executable).with_name("adaptive-reasoner"),
        "demo",
        "--json",
        "--folder",
        folder,
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"stderr": done.stderr}


@pytest.mark.slow
def test_the_demo_trains_on_the_record_and_answers_new_questions_live(demo):
    result, folder = demo
    names = [row["policy"] for row in result["rows"]]
    assert names[:6] == ["direct", "direct_vote_3", "direct_vote_5", "cot", "cot_vote_3", "cot_vote_5"]
    assert names[6:] == ["uniform", "adaptive", "adaptive_looks", "adaptive_checked", "oracle"]
    told = [each for each in result["stderr"].splitlines() if " | average " in each]
    assert len(told) == result["live"]["questions"] == LIVE_FAST
    assert sum("  right  " in each for each in told) == round(LIVE_FAST * result["live"]["accuracy"])
    assert f"average {result['live']['mean_cost']:.1f} of 12" in told[-1]
    assert not (folder / "samples.jsonl").exists()


@pytest.mark.slow
def test_table_report_and_policy_of_the_demo_tell_one_story(demo):
    result, folder = demo
    rows, replay = {row["policy"]: row for row in result["rows"]}, result["replay"]
    assert (rows["adaptive"]["accuracy"], rows["adaptive"]["mean_cost"]) == (
        replay["accuracy"],
        pytest.approx(replay["mean_cost"]),
    )
    assert rows["uniform"]["accuracy"] == replay["uniform_at_cost"]
    assert replay["lift"] == pytest.approx(replay["accuracy"] - replay["uniform_at_cost"])
    assert result["verdict"] == LearnedPolicy.load(folder / "policy").verdict
    report = (folder / "report.html").read_text()
    assert "<svg" in report
    word, _, sentence = result["conclusion"].partition(": ")
    assert f"{word}:" in report
    assert sentence in report
    assert f"{replay['accuracy']:.1%}" in report
    assert f"the gate said: {result['verdict']}" in report


@pytest.mark.slow
def test_a_fresh_demo_collects_once(tmp_path):
    options = ("--fresh", "--questions", "18")
    first = _demo(tmp_path, *options)
    samples = (tmp_path / "samples.jsonl").read_bytes()
    assert samples.count(b"\n") == 18 * 5 * 2
    again = _demo(tmp_path, *options)
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
    assert 0 < state["decision"]["cost"] <= 32
    assert state["reply"]
