"""The benchmarks' own arithmetic: one way to meet a budget for all, and tables that say what was measured."""

import json
import re
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from adaptive_reasoner.kit.outcomes import Outcomes

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name):
    """A benchmark as a module; like a script, it imports what stands beside it."""
    spec = spec_from_file_location(f"benchmark_{Path(name).stem}", BENCHMARKS / name)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str((BENCHMARKS / name).parent))
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.path[0]
    return module


@pytest.fixture(scope="module")
def tuning():
    return load("peers/tuning.py")


def outcomes(accuracy, cost):
    n, k = np.shape(accuracy)
    return Outcomes(
        question_ids=np.array([f"q{number}" for number in range(n)], dtype=object),
        questions=np.array([f"question {number}" for number in range(n)], dtype=object),
        actions=tuple(f"action {number}" for number in range(k)),
        accuracy=np.array(accuracy, dtype=float),
        cost=np.array(cost, dtype=float),
        cost_unit="tokens",
        samples=np.ones((n, k), dtype=int),
    )


@pytest.fixture
def halves():
    """Of both parts the first half needs the dear action, the second half does not."""
    hard = np.arange(40) < 20
    table = outcomes(np.column_stack([~hard, np.ones(40)]), np.tile([1.0, 11.0], (40, 1)))
    return table, table, hard


@pytest.mark.parametrize("budget", [1.0, 3.3, 6.0, 8.7, 11.0])
def test_a_dial_is_mixed_so_that_the_validation_part_costs_the_budget(tuning, halves, budget):
    validation, test, hard = halves
    settings = np.array([np.zeros(40), hard, np.ones(40)], dtype=np.uint8)
    play, _ = tuning.play_at(budget, {"only": np.hstack([settings, settings])}, validation, test)
    assert play.cost.mean() == pytest.approx(budget)


def test_a_policy_of_one_setting_is_mixed_with_fixed_actions(tuning, halves):
    validation, test, hard = halves
    play, _ = tuning.play_at(8.5, {"only": np.tile(hard, (1, 2)).astype(np.uint8)}, validation, test)
    assert play.cost.mean() == pytest.approx(8.5)
    assert play.accuracy.mean() == 1.0


def test_the_variant_that_is_best_on_the_validation_part_is_taken(tuning, halves):
    validation, test, hard = halves
    variants = {
        "wrong way round": np.tile(~hard, (1, 2)).astype(np.uint8),
        "right": np.tile(hard, (1, 2)).astype(np.uint8),
    }
    play, variant = tuning.play_at(6.0, variants, validation, test)
    assert variant == "right"
    assert play.accuracy.mean() == 1.0


def test_the_thresholds_of_a_dial_reach_from_all_cheap_to_all_dear():
    choices = load("peers/drivers/job.py").by_threshold(
        np.random.default_rng(0).normal(size=200), settings=32
    )
    dear = choices.mean(axis=1)
    assert dear[0] == 1.0
    assert dear[-1] == 0.0
    assert (np.diff(dear) <= 0).all()


DRIVER = """
import numpy as np
from job import Answer, Job
job, answer = Job.given(), Answer()
assert np.isnan(job.accuracy[job.test]).all() and np.isnan(job.cost[job.test]).all()
assert np.isfinite(job.accuracy[np.concatenate([job.train, job.validation])]).all()
answer.add("always dear", "as it is", np.ones((1, len(job.asked))))
answer.hand_back()
"""


def test_a_driver_runs_on_its_own_and_sees_no_outcome_of_the_test_part(tmp_path, monkeypatch):
    contest = load("peers/contest.py")
    shutil.copy(contest.DRIVERS / "job.py", tmp_path)
    (tmp_path / "driver.py").write_text(DRIVER)
    monkeypatch.setattr(contest, "DRIVERS", tmp_path)
    rng = np.random.default_rng(0)
    table = outcomes(rng.random((60, 2)).round(), np.tile([1.0, 5.0], (60, 1)))
    parts = contest.Parts.of(table, rng.random((60, 6)).astype(np.float32), 4, (2.0,), seed=0)
    every = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(every.tolist()) == list(range(60))
    for _ in ("run", "taken from where it was kept"):
        policies, _ = contest.choices_of("driver.py", sys.executable, parts, tmp_path, {})
        assert policies["always dear"]["as it is"].shape == (1, len(parts.asked))


def test_both_readmes_show_what_was_measured():
    check = [sys.executable, str(BENCHMARKS / "tables"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_two_checkouts_are_compared_round_by_round():
    """What slows both in a round, such as another program, is no difference between them."""
    compared = load("side_by_side.py").compared
    slowed = np.array([1.0, 3.0, 9.0, 1.0])
    row = compared(2.0 * slowed, slowed)
    assert row["here"] == {"minimum": 2.0, "median": 4.0}
    assert row["ratio"] == {"of_minima": 2.0, "of_medians": 2.0, "of_a_round": 2.0, "low": 2.0, "high": 2.0}
    unsure = compared([1.0, 1.2, 0.9, 1.1, 1.0], [1.0] * 5)["ratio"]
    assert unsure["low"] < unsure["of_a_round"] == 1.0 < unsure["high"]


TIMED = """
import json, pathlib, sys
job = json.loads(sys.stdin.readline())
print(json.dumps({"file": str(pathlib.Path.cwd() / "adaptive_reasoner.py")}), flush=True)
for number, name in enumerate(map(str.strip, sys.stdin)):
    with open(job["asked"], "a") as asked:
        print(pathlib.Path.cwd().name, name, file=asked)
    print(json.dumps({"wall": 10.0 + number, "processor": float(number)}), flush=True)
"""


def test_checkouts_take_turns_and_the_median_of_their_blocks_counts(tmp_path):
    side_by_side, asked = load("side_by_side.py"), tmp_path / "asked"
    (tmp_path / "worker.py").write_text(TIMED)
    for name in ("here", "against"):
        (tmp_path / name).mkdir()
    checkouts = {name: side_by_side.Checkout(tmp_path / name) for name in ("here", "against")}
    job = {"asked": str(asked)}
    found = side_by_side.blocks(checkouts, tmp_path / "worker.py", ["a", "b"], number=3, job=job)
    assert asked.read_text().split("\n")[:8] == [
        *("against a", "here a", "against b", "here b"),
        *("here a", "against a", "here b", "against b"),
    ]
    assert found["a"]["here"] == found["a"]["against"] == {"wall": 12.0, "processor": 2.0}
    assert found["b"]["here"] == {"wall": 13.0, "processor": 3.0}
    rows = side_by_side.compared_by_clock([found], checkouts)
    assert rows["b_wall_milliseconds"] == side_by_side.compared([13.0], [13.0])


def test_a_result_file_keeps_what_other_runs_wrote(tmp_path):
    write = load("side_by_side.py").write
    write(tmp_path / "result.json", {"alone": 1, "side_by_side": 2})
    write(tmp_path / "result.json", {"side_by_side": 3})
    assert json.loads((tmp_path / "result.json").read_text()) == {"alone": 1, "side_by_side": 3}


def test_only_the_checkout_that_is_named_is_measured(tmp_path):
    checkout = load("side_by_side.py").Checkout(tmp_path)
    checkout.holds(tmp_path / "adaptive_reasoner" / "__init__.py")
    with pytest.raises(RuntimeError, match="which is not in"):
        checkout.holds(BENCHMARKS / "import_time.py")


def test_the_page_on_free_text_shows_what_was_measured():
    page = (BENCHMARKS.parent / "docs" / "how-to" / "free-text-and-code.md").read_text()
    measured = json.loads((BENCHMARKS / "results" / "similar_answers.json").read_text())
    shown = re.findall(
        r"^\| (0\.\d) \| \**(\.\d\d)\** \| \**(\.\d\d)\** \| (\.\d\d) \| (\.\d\d) \|$", page, re.M
    )
    assert len(shown) == 5
    for threshold, *figures in shown:
        rates = [measured["by_threshold"][name][threshold] for name in ("guarded", "vectors_alone")]
        expected = [rate[what] for rate in rates for what in ("precision", "recall")]
        assert [float(figure) for figure in figures] == pytest.approx(expected, abs=0.0051)
    second = measured["default_on_each_half"]["second"]
    assert f"reaches .{second['precision'] * 100:.0f}, at a recall of .{second['recall'] * 100:.0f}" in page
    contradictions = measured["default_on_the_second_set"]["guarded"]["precision"]
    assert f"precision at the default is .{contradictions * 100:.0f}." in page
    others = [row for name, row in measured["by_language"].items() if name != "en" and "-" not in name]
    joined, same = (sum(row[what] for row in others) for what in ("same_taken", "same"))
    assert f"{joined} of {same} paraphrases are joined" in page


def test_the_page_on_agent_runs_shows_what_presets_gained():
    page = (BENCHMARKS.parent / "docs" / "how-to" / "agent-runs.md").read_text()
    rows = json.loads((BENCHMARKS / "results" / "agent_steps.json").read_text())["rows"]
    gained = {
        row["world"]: 100 * (row["preset"]["steps_right"] - row["mixture"]["steps_right"]) for row in rows
    }
    shown = re.search(
        r"gains (\S+) points over .*? gains (\S+) points .*? loses (\S+) points", page, re.DOTALL
    )
    assert [float(points) for points in shown.groups()] == pytest.approx(
        [gained["turns"], gained["alike"], -gained["routine"]], abs=0.051
    )


def test_concepts_say_how_close_the_average_comes_by_their_own_formula():
    page = (BENCHMARKS.parent / "docs" / "concepts.md").read_text()
    said = re.search(r"2,000 questions and a variance of (\S+) this is (\S+)%, and (\S+)% with\s32", page)
    variance, *percents = map(float, said.groups())
    within = [196 * (variance * (37.5 + in_flight / 2)) ** 0.5 / 2_000 for in_flight in (1, 32)]
    assert percents == pytest.approx(within, abs=0.051)


@pytest.mark.slow
@pytest.mark.parametrize("steps", ["1", "4", "1 to 30"])
def test_the_average_of_agent_runs_holds_whatever_their_length(steps):
    row = load("agent_runs.py").row(steps, 0.7, "steps", 2)
    assert row["first_10"] <= 1.5
    assert row["first_100"] <= 1.1
    assert row["first_500"] == pytest.approx(1.0, abs=0.02)
