"""What is gained by a vote at the plan, after failures and at the end, next to votes spent evenly?

    python benchmarks/agent_steps.py [--runs 2000]

A stub agent is recorded: runs of 3 to 8 steps, of which a quarter follow a tool that failed, with nine
samples at every step, each right with the chance of its step. The policies are then replayed on the
recording: the preset `think_at_turns(5)`, one pass everywhere, a vote everywhere, and the mixture of both at
random that costs what the preset costs, which is what it has to beat. The preset knows of the end what the
middleware knows: the mean length of the runs so far.

The recording is made up, so the result says when the preset pays and not whether it does for you: `turns`
makes the steps hard that the preset takes for hard, `alike` makes all steps alike, `routine` makes the other
ones hard. `steps_right` is the share of steps that are right, `runs_right` that of runs without a wrong step.
"""

import argparse
import json
import random
from collections import Counter
from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from provenance import made_with

from adaptive_reasoner.integrations.agent_step import AgentStep
from adaptive_reasoner.integrations.run_lengths import RunLengths
from adaptive_reasoner.integrations.step_presets import think_at_turns

ROOT = Path(__file__).resolve().parents[1]
SAMPLES, VOTE = 9, 5
CHANCES = {"turns": (0.65, 0.95), "alike": (0.83, 0.83), "routine": (0.95, 0.65)}
"""By world, the chance of a sample at a turn of the run, and at a routine step."""


def recorded(world, runs, seed):
    """The recording: by run and step, what the agent saw and whether each sample was right."""
    chance, table = random.Random(seed), []
    at_turn, at_routine = CHANCES[world]
    for _ in range(runs):
        length, messages, steps = chance.randint(3, 8), [HumanMessage("What is it?")], []
        for number in range(length):
            failed = number > 0 and chance.random() < 0.25
            if number:
                status = "error" if failed else "success"
                result = ToolMessage("found", tool_call_id=f"{number}", status=status)
                messages = [*messages, AIMessage(f"step {number}"), result]
            turn = failed or number in (0, length - 1)
            right = min(1.0, max(0.0, chance.gauss(at_turn if turn else at_routine, 0.1)))
            # A wrong sample is one of three wrong answers.
            answers = [0 if chance.random() < right else chance.randint(1, 3) for _ in range(SAMPLES)]
            steps.append((messages, answers))
        table.append(steps)
    return table


def right_after(answers, samples):
    """Whether the vote of the first samples is right, and how many it draws until it cannot be overtaken."""
    for drawn in range(1, samples + 1):
        (top, votes), *others = Counter(answers[:drawn]).most_common()
        second = others[0][1] if others else 0
        if votes - second > samples - drawn or drawn == samples:
            return top == 0, drawn
    raise AssertionError("a vote draws at least one sample")


def replayed(table, samples_of):
    """What the steps and runs come to, and what they cost in samples a run."""
    lengths, right, runs_right, drawn, total = RunLengths(), 0, 0, 0, 0
    for steps in table:
        outcomes = []
        for number, (messages, answers) in enumerate(steps):
            ends = number + 1 >= lengths.mean
            step = AgentStep.of(messages, question="What is it?", number=number, ends=ends)
            outcomes.append(right_after(answers, samples_of(step)))
        lengths.learn(len(steps))
        right, drawn = right + sum(ok for ok, _ in outcomes), drawn + sum(cost for _, cost in outcomes)
        runs_right, total = runs_right + all(ok for ok, _ in outcomes), total + len(steps)
    return {
        "samples_a_run": round(drawn / len(table), 3),
        "steps_right": round(right / total, 4),
        "runs_right": round(runs_right / len(table), 4),
    }


def row(world, runs, seed=0):
    table, chance = recorded(world, runs, seed), random.Random(seed + 1)
    policy = think_at_turns(VOTE)["policy"]
    preset = replayed(table, lambda step: policy(step).samples)
    once, vote = (replayed(table, lambda _, samples=samples: samples) for samples in (1, VOTE))
    share = (preset["samples_a_run"] - once["samples_a_run"]) / (
        vote["samples_a_run"] - once["samples_a_run"]
    )
    mixture = replayed(table, lambda _: VOTE if chance.random() < share else 1)
    return {"world": world, "preset": preset, "one_pass": once, "vote": vote, "mixture": mixture}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    packages = ("adaptive-reasoner", "langchain-core")
    result = {
        "command": f"python benchmarks/agent_steps.py --runs {runs}",
        **made_with(*packages),
        "runs": runs,
        "rows": [row(world, runs) for world in CHANCES],
    }
    print(json.dumps(result, indent=1))
    (ROOT / "benchmarks" / "results" / "agent_steps.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
