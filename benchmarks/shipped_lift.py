"""What does the gate let through: the lift that ships beside the lift of following every prediction?

    python benchmarks/shipped_lift.py --tables FOLDER [--only NAME ...] [--splits 5] [--out FILE]

For each table, mean over splits in halves: lift over the mixture of fixed actions chosen in training.
Beside it, over 20 splits, how far that mixture lies below the hull that hindsight fits on the held-out half
(`mixture`), and how often a policy ships when the outcomes of 250 questions are permuted, so that nothing
can be learnt (`permuted`). A result is written after each table; a table that is there is not run again.
The tables are of other models and not part of the project.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from provenance import made_with

from adaptive_reasoner.kit.allocation.mixtures import fixed_mixture, mixture_accuracy
from adaptive_reasoner.kit.backtesting.imitators import Split, fitted_imitator, value_shares
from adaptive_reasoner.kit.backtesting.lift import measure
from adaptive_reasoner.kit.backtesting.loading import load
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from adaptive_reasoner.kit.learning.encoders import feature_matrix, open_encoder
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.tables.splits import split_by_text

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = {
    "bfcl_tools.outcomes.parquet": (0.04, 0.07, 0.5),
    "alpaca_reward.outcomes.parquet": (0.034, 0.056, 0.092),
    "reasoning_gym_hard.outcomes.parquet": (0.23, 0.33, 0.48),
    "reasoning_gym_easy.outcomes.parquet": (0.118, 0.2, 1.0),
    "mmlu_pro_models.outcomes.parquet": (0.0265, 0.067, 0.17),
    "math500_ladder.outcomes.parquet": (4, 8, 16),
    "gsm8k_models.outcomes.parquet": (0.03, 0.1, 0.5),
    "maths_qwen3b_pair.outcomes.parquet": (330, 350, 370),
    "letters_gpt35.samples.parquet": (2, 3, 5, 8, 12),
    "exams_a_gpt.samples.parquet": (1.7, 3.9, 9),
    "math_l5_models.outcomes.parquet": (0.144, 0.4),
    "crux_code_models.outcomes.parquet": (0.03, 0.3),
    "bbh_direct_cot.outcomes.parquet": (10, 25, 50, 75, 100),
    "two_models_mmlu_gsm8k.outcomes.parquet": (3, 5, 8, 12),
}
MIXTURES = (
    "math_l5_models",
    "crux_code_models",
    "bfcl_tools",
    "alpaca_reward",
    "mmlu_pro_models",
    "exams_a_gpt",
)
PERMUTED = ("bbh_direct_cot.outcomes.parquet", 25), ("alpaca_reward.outcomes.parquet", 0.056)
PERMUTED_QUESTIONS, PERMUTATIONS, MIXTURE_SPLITS = 250, 50, 20
PACKAGES = ("adaptive-reasoner", "numpy", "scikit-learn", "onnxruntime")
_DIGITS = 4


def features_of(table):
    return feature_matrix(table.questions.tolist(), open_encoder())


def lifts_of(table, budgets, splits):
    """Rows of the lift that ships and that of following every prediction, one a budget."""
    features, trials, trust = features_of(table), [], {budget: [] for budget in budgets}
    for seed in range(splits):
        fit, held_out = split_by_text(table.questions, seed=seed)
        split = Split.of(table, features, fit, held_out)
        plays = {}
        values = value_shares(fitted_imitator(split, budgets, seed=seed), split, budgets)
        for budget, played in zip(budgets, values, strict=True):
            plays["shipped", budget] = Performance.of(split.held_out, played.shipped)
            plays["ungated", budget] = Performance.of(split.held_out, played.ungated)
            trust[budget].append(played.trust)
        trials.append(SplitResult(held_out, plays, fixed_mixture(split.fit).vertices))
    gains = measure(table, trials, draws=500)
    rows = []
    for budget in budgets:
        shipped, ungated = gains["shipped", budget], gains["ungated", budget]
        rows.append(
            {
                "budget": budget,
                "trust": rounded(np.mean(trust[budget])),
                "lift": rounded(shipped.lift.mean),
                "lift_low": rounded(shipped.lift.low),
                "lift_high": rounded(shipped.lift.high),
                "lift_hindsight": rounded(shipped.lift_hindsight.mean),
                "realised_cost": rounded(shipped.realised_cost),
                "ungated_lift": rounded(ungated.lift.mean),
                "ungated_cost": rounded(ungated.realised_cost),
            }
        )
    return rows


def mixture_below_hindsight(table):
    """How far the mixture chosen in training lies below the hull of the held-out half, along the hull."""
    vertices = fixed_mixture(table).vertices
    ends = table.cost.mean(axis=0)[vertices[[0, -1]]]
    budgets = np.geomspace(1.05 * ends[0], 0.97 * ends[1], 9)
    gaps = []
    for seed in range(MIXTURE_SPLITS):
        fit, held_out = (table.select(rows) for rows in split_by_text(table.questions, seed=seed))
        mixture = fixed_mixture(fit)
        shares = np.stack([mixture.shares(float(budget)) for budget in budgets])
        accuracy, cost = held_out.accuracy.mean(axis=0), held_out.cost.mean(axis=0)
        hull = mixture_accuracy(accuracy[None], cost[None], (shares @ cost)[None])[0]
        gaps.append(hull - shares @ accuracy)
    return [
        {"budget": rounded(budget), "below": rounded(gap)}
        for budget, gap in zip(budgets, np.mean(gaps, axis=0), strict=True)
    ]


def permuted(table, budget):
    """How many of the policies that were trained on permuted outcomes ship, in full or in part."""
    features, ships = features_of(table), []
    for seed in range(PERMUTATIONS):
        rng = np.random.default_rng(seed)
        rows = rng.permutation(len(table))[:PERMUTED_QUESTIONS]
        imitator = Imitator(seed=seed).fit(features[rng.permutation(rows)], table.select(rows), budget)
        ships.append(imitator.gate(draws=200).ships)
    return {"budget": budget, "permutations": PERMUTATIONS, "shipped": int(np.sum(ships))}


def rounded(value):
    return round(float(value), _DIGITS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--only", action="append", choices=[*BUDGETS, "mixture", "permuted"])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "shipped_lift.json")
    options = parser.parse_args()
    result = {
        "command": f"python benchmarks/shipped_lift.py --splits {options.splits}",
        **made_with(*PACKAGES, machine="1 thread"),
        "tables": {},
        "mixture": {},
        "permuted": {},
    }
    if options.out.exists():
        before = json.loads(options.out.read_text())
        result |= {name: before[name] for name in ("tables", "mixture", "permuted")}

    def done(part, name, found, start):
        result[part][name] = found
        text = json.dumps(result, indent=1)
        for row in (
            row for rows in (*result["tables"].values(), *result["mixture"].values()) for row in rows
        ):
            text = text.replace(json.dumps(row, indent=1).replace("\n", "\n   "), json.dumps(row))
        options.out.write_text(text + "\n")
        print(f"{part} {name}: {time.perf_counter() - start:.0f} s", flush=True)

    wanted = options.only or [*BUDGETS, "mixture", "permuted"]
    for name, budgets in BUDGETS.items():
        if name in wanted and name not in result["tables"] and (options.tables / name).exists():
            start = time.perf_counter()
            table, _ = load(options.tables / name, None)
            done("tables", name, lifts_of(table, budgets, options.splits), start)
    for name in MIXTURES if "mixture" in wanted else ():
        for path in sorted(options.tables.glob(f"{name}.*.parquet")):
            start = time.perf_counter()
            done("mixture", path.name, mixture_below_hindsight(load(path, None)[0]), start)
    for name, budget in PERMUTED if "permuted" in wanted else ():
        if name not in result["permuted"]:
            start = time.perf_counter()
            done("permuted", name, permuted(load(options.tables / name, None)[0], budget), start)


if __name__ == "__main__":
    main()
