"""Does a ledger hold a mean accuracy by a few graded answers, where its policy expects too much of all?

Questions of three actions, whose true chances are known here and nowhere else: so accuracy is that of the
chances, and only the grades are drawn. The policy's predictions are off by `bias` for every action; its curve
of accuracy against price, by which the ledger starts, is what it predicts. `needed` is the least mean cost at
which these predictions, at one price that hindsight knows, reach the accuracy that a run came to.

    python benchmarks/accuracy_floor.py [--runs 10] [--out FILE]
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from provenance import made_with

from adaptive_reasoner import open_ledger
from adaptive_reasoner.policy.accuracy_curve import AccuracyCurve

ROOT = Path(__file__).resolve().parents[1]
TARGET = 0.66
COSTS = np.array([10.0, 40.0, 120.0])
PRICES = np.geomspace(1e-5, 0.1, 200)
CASES = (  # bias, share of graded questions, questions, delay of a grade in questions
    (0.05, 0.0, 10_000, 0),
    (0.05, 0.05, 10_000, 0),
    (0.05, 0.05, 40_000, 0),
    (0.05, 0.20, 10_000, 0),
    (0.05, 0.20, 40_000, 0),
    (0.05, 0.20, 10_000, 500),
    (-0.05, 0.20, 10_000, 0),
    (0.0, 0.20, 10_000, 0),
)


@dataclass(frozen=True)
class Traffic:
    """Questions with their true chances, and a policy that predicts them badly; the ledger reads it."""

    truth: np.ndarray
    predicted: np.ndarray
    cost_unit: str = "tokens"
    price: float = 0.001
    slope: float | None = None
    budget: float | None = None

    @classmethod
    def of(cls, bias, seed=0, questions=20_000, noise=0.08):
        """Draw the questions; predictions are off by `bias`, and by noise."""
        rng = np.random.default_rng(seed)
        ease, gain = rng.normal(size=(2, questions))
        first = 1 / (1 + np.exp(-(0.3 + 1.1 * ease)))
        second = 1 - (1 - first) * (1 - 0.55 / (1 + np.exp(-gain)))
        third = 1 - (1 - second) * (1 - 0.35 / (1 + np.exp(-0.7 * gain - 0.5)))
        truth = np.stack([first, second, third], axis=1)
        predicted = truth + noise * rng.normal(size=truth.shape) + bias
        return cls(truth, np.clip(predicted, 0.0, 1.0))

    def at(self, price, table):
        """Mean of a table and of the cost where all questions are decided at one price."""
        choice = np.argmax(self.predicted - price * COSTS, axis=1)
        return table[np.arange(len(choice)), choice].mean(), COSTS[choice].mean()

    @property
    def accuracy_curve(self):
        """What the policy expects at each price."""
        expected = [self.at(price, self.predicted)[0] for price in PRICES]
        return AccuracyCurve.of(PRICES, np.minimum.accumulate(expected))

    def needed(self, accuracy):
        """The least mean cost at one price that reaches an accuracy."""
        reached, cost = np.array([self.at(price, self.truth) for price in PRICES[::-1]]).T
        return float(np.interp(accuracy, np.maximum.accumulate(reached), cost))


def run(traffic, share, questions, delay, seed):
    """True mean accuracy and mean cost of one stream, and what the ledger says of it at the end."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(traffic.truth), size=questions)
    graded, draws = rng.random(questions) < share, rng.random(questions)
    ledger = open_ledger("memory://", target_accuracy=TARGET, policy=traffic)
    accuracy, cost, waiting = np.empty(questions), np.empty(questions), []
    for i, row in enumerate(rows):
        action = int(np.argmax(traffic.predicted[row] - ledger.price * COSTS))
        accuracy[i], cost[i] = traffic.truth[row, action], COSTS[action]
        ledger.charge(cost[i], str(i))
        if graded[i]:
            waiting.append(i)
        while waiting and waiting[0] <= i - delay:
            known = waiting.pop(0)
            ledger.feedback(str(known), float(draws[known] < accuracy[known]))
    return accuracy, cost, ledger.snapshot().quality


def row_of(bias, share, questions, delay, runs):
    """One line a case: means over the runs."""
    traffic = Traffic.of(bias)
    found = [run(traffic, share, questions, delay, seed) for seed in range(runs)]
    reached = np.array([accuracy.mean() for accuracy, _, _ in found])
    late = np.array([accuracy[questions // 2 :].mean() for accuracy, _, _ in found])
    dear = [cost.mean() / traffic.needed(accuracy.mean()) - 1.0 for accuracy, cost, _ in found]
    return {
        "bias": bias,
        "graded": share,
        "questions": questions,
        "delay": delay,
        "runs": runs,
        "accuracy": round(float(reached.mean()), 4),
        "accuracy_sd": round(float(reached.std(ddof=1)), 4),
        "accuracy_of_second_half": round(float(late.mean()), 4),
        "cost_above_needed": round(float(np.mean(dear)), 4),
        "share_with_target_in_interval": round(
            float(np.mean([q.low is not None and q.low <= TARGET <= q.high for _, _, q in found])), 2
        ),
        "says_blind": round(float(np.mean([q.blind for _, _, q in found])), 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "accuracy_floor.json")
    arguments = parser.parse_args()
    rows = []
    for case in CASES:
        rows.append(row_of(*case, arguments.runs))
        print(json.dumps(rows[-1]), file=sys.stderr)
    results = {
        "command": f"python benchmarks/accuracy_floor.py --runs {arguments.runs}",
        **made_with("adaptive-reasoner", "numpy"),
        "cpu_seconds": round(time.process_time()),
        "target_accuracy": TARGET,
        "rows": rows,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
