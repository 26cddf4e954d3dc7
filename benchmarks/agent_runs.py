"""How soon does the label-free price hold the average of agent runs that have many steps?

    python benchmarks/agent_runs.py [--seeds 40]

A stub agent without latency and without LangGraph: a run is one question to a ledger in memory, and each of
its steps is a vote under `Priced` at the price of `LabelFreePolicy`, with as many calls a run as `RunLengths`
expects. `share` says what one pass at every step costs of the budget. Steps differ in difficulty (of the
answers, a share from Beta(2, 1.2) is right) and a sample's cost varies by 30%. `one_question` is the same
agent at the price of one question, as if each run had a single step. Prices are rounded to 2% for the table
of stops. Means over seeds, in budgets.
"""

import argparse
import json
import math
import random
import statistics
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

from provenance import made_with

from adaptive_reasoner.integrations.run_lengths import RunLengths
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.label_free import SAMPLES
from adaptive_reasoner.strategies.priced_stops import Priced
from adaptive_reasoner.strategies.stop_rules import SamplePrice
from adaptive_reasoner.strategies.vote_state import VoteState

ROOT = Path(__file__).resolve().parents[1]
BUDGET, RUNS = 150.0, (1, 10, 100, 500)
STEPS = {"1": (1, 1), "4": (4, 4), "12": (12, 12), "30": (30, 30), "1 to 30": (1, 30)}


@lru_cache(maxsize=200_000)
def wave(top, second, drawn, percent):
    """Samples to draw next, at a price of 1.02 to the power of `percent` a sample."""
    return Priced().wave(VoteState(top, second, drawn, SAMPLES), SamplePrice(price=1.02**percent, cost=1.0))


def samples(chance, price, right):
    """How many samples a vote draws."""
    percent, votes, drawn, more = round(math.log(price, 1.02)), {}, 0, 1
    while more:
        for _ in range(more):
            answer = 0 if chance.random() < right else chance.randint(1, 6)
            votes[answer] = votes.get(answer, 0) + 1
        drawn += more
        top, second, *_ = [*sorted(votes.values(), reverse=True), 0]
        more = wave(top, second, drawn, percent)
    return drawn


class OneStep(RunLengths):
    """Takes every run for one question."""

    def expected(self, _made):
        """One."""
        return 1.0


def run_costs(seed, fewest, most, share, lengths, runs=RUNS[-1]):
    """What each run costs."""
    chance, ledger = random.Random(seed), open_ledger("memory://", target=BUDGET)
    once, costs = share * BUDGET / ((fewest + most) / 2), []
    for number in range(runs):
        steps, spent = chance.randint(fewest, most), 0.0
        for step in range(steps):
            calls = lengths.expected(step)
            drawn = samples(chance, ledger.price * calls * once, chance.betavariate(2.0, 1.2))
            cost = drawn * once * chance.uniform(0.7, 1.3)
            ledger.settle(ledger.reserve(BUDGET / calls, f"{number}:{step}", question=str(number)), cost)
            spent += cost
        lengths.learn(steps)
        costs.append(spent)
    return costs


def row(name, share, price, seeds):
    lengths = {"steps": RunLengths, "one_question": OneStep}[price]
    runs = RUNS[-1] if price == "steps" else RUNS[-2]
    costs = [run_costs(seed, *STEPS[name], share, lengths(), runs) for seed in range(seeds)]
    means = {
        f"first_{first}": round(statistics.fmean(sum(each[:first]) / first for each in costs) / BUDGET, 3)
        for first in RUNS
        if first <= runs
    }
    return {"steps": name, "share": share, "price": price, **means}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    seeds = parser.parse_args().seeds
    asked = [(name, 0.7, "steps") for name in reversed(STEPS)]
    asked += [(name, 0.4, "steps") for name in ("4", "1")]
    asked += [(name, 0.7, "one_question") for name in ("12", "4")]
    with ProcessPoolExecutor(2) as pool:
        rows = list(pool.map(row, *zip(*asked, strict=True), [seeds] * len(asked)))
    packages = ("adaptive-reasoner", "langchain-core")
    result = {
        "command": f"python benchmarks/agent_runs.py --seeds {seeds}",
        **made_with(*packages),
        "budget": BUDGET,
        "rows": rows,
    }
    print(json.dumps(result, indent=1))
    (ROOT / "benchmarks" / "results" / "agent_runs.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
