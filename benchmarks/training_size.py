"""Would more questions help? Lift, and lift within groups, by the number of questions trained on.

    python benchmarks/training_size.py --tables FOLDER [--splits 5] [--seed 0] [--out FILE]

Half of the questions are held out, and the imitator is fitted on an eighth, a quarter, a half and all of the
rest, ungated. These tables have one sample an action, so that nobody can say how much of the difference
between two questions is the sample's luck; whether the lift within groups still grows with the questions is
what can be told. The tables are of other models and not part of the project.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from provenance import made_with

from adaptive_reasoner.kit.backtesting.imitators import Split, fitted_imitator, value_shares
from adaptive_reasoner.kit.backtesting.lift import measure
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from adaptive_reasoner.kit.learning.encoders import feature_matrix, open_encoder
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import split_by_text

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = {"bbh_direct_cot.outcomes.parquet": 75, "two_models_mmlu_gsm8k.outcomes.parquet": 12}
PARTS = (8, 4, 2, 1)
PACKAGES = ("adaptive-reasoner", "numpy", "scikit-learn", "onnxruntime")


def trial_of(table, features, budget, seed):
    """One split: the imitator of each part of the questions to train on, on those held out."""
    fit, held_out = split_by_text(table.questions, test_size=0.5, seed=seed)
    shuffled = np.random.default_rng(seed).permutation(fit)
    plays = {}
    for part in PARTS:
        few = np.sort(shuffled[: len(fit) // part])
        split = Split.of(table, features, few, held_out)
        (played,) = value_shares(fitted_imitator(split, [budget], seed=seed), split, [budget])
        plays[f"1/{part}", budget] = Performance.of(split.held_out, played.ungated)
    return SplitResult(held_out, plays)


def rows_of(table, trials, budget):
    gains = measure(table, trials)
    for part in PARTS:
        gain = gains[f"1/{part}", budget]
        yield {
            "questions": (len(table) - len(trials[0].held_out)) // part,
            "realised_cost": round(gain.realised_cost, 3),
            "lift": round(gain.lift.mean, 4),
            "lift_low": round(gain.lift.low, 4),
            "lift_high": round(gain.lift.high, 4),
            "within": round(gain.lift_within_groups.mean, 4),
            "within_low": round(gain.lift_within_groups.low, 4),
            "within_high": round(gain.lift_within_groups.high, 4),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "training_size.json")
    options = parser.parse_args()
    result = {
        "command": f"python benchmarks/training_size.py --splits {options.splits} --seed {options.seed}",
        **made_with(*PACKAGES, machine="1 thread"),
        "tables": {},
    }
    encoder = open_encoder()
    for name, budget in BUDGETS.items():
        table = Outcomes.read(options.tables / name)
        features = feature_matrix(list(table.questions), encoder)
        seeds = range(options.seed, options.seed + options.splits)
        trials = [trial_of(table, features, budget, seed) for seed in seeds]
        rows = list(rows_of(table, trials, budget))
        result["tables"][name] = {"budget": budget, "cost_unit": table.cost_unit, "rows": rows}
        print(name, *rows, sep="\n", flush=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
