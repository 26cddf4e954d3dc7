"""What is it worth to solve a whole batch exactly? The three procedures of arXiv:2410.04707 on real tables.

    python benchmarks/batch_allocation.py --tables FOLDER [--splits 5] [--out FILE]

Best-of-k with a checker as reranker, votes of k, and a weak or a strong model; half of the questions are held
out. Difficulty is predicted from the question alone; then k, or the model, is dealt out over the batch:

- `batch`: the imitator's predictions for every action, solved exactly over the batch, as `decide_batch` does;
- `price`: the same imitator at the price it fitted beforehand, one question at a time, as it works online;
- `probe`: the paper's recipe. One number a question is predicted: the chance that one sample is right, from
  which 1 - (1 - p)^k follows for k samples; or the chance that the strong model beats the weak one;
- `uniform`: the same k for all, or the best mixture of two.

All are compared with the best mixture of fixed actions at the realised cost.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from provenance import made_with
from sklearn.linear_model import LogisticRegression

from adaptive_reasoner.kit.allocation.solver import solve
from adaptive_reasoner.kit.backtesting import baselines
from adaptive_reasoner.kit.backtesting.lift import measure
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.encoders import feature_matrix, open_encoder
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.bootstrap import Interval
from adaptive_reasoner.kit.tables.splits import split_by_text

ROOT = Path(__file__).resolve().parents[1]
SIZES = (1, 2, 4, 8, 16, 32)
ODD_SIZES = (1, 3, 5, 9, 15, 25)
RUNS = [  # procedure, file, source, budgets as means over the questions
    ("best-of-k", "game24_gpt4.samples.parquet", "io", (3, 6, 12, 24)),
    ("best-of-k", "letters_gpt35.samples.parquet", "cot", (2, 4, 8)),
    ("best-of-k", "addsub_codex002.samples.parquet", "cot", (2, 4, 8)),
    ("vote-of-k", "letters_gpt35.samples.parquet", "cot", (2, 4, 8)),
    ("vote-of-k", "addsub_codex002.samples.parquet", "cot", (2, 4, 8)),
    ("weak-or-strong", "bbh_direct_cot.outcomes.parquet", None, (25, 50, 75)),
    ("weak-or-strong", "two_models_mmlu_gsm8k.outcomes.parquet", None, (3, 5, 8, 12)),
]


def table_of(procedure, path, source):
    """Outcomes with actions from cheap to dear. A checker is a scorer that is always right."""
    if source is None:
        table = Outcomes.read(path)
    else:
        samples = Samples.read(path)
        checked = {
            pair: tuple(replace(reply, score=reply.correct) for reply in replies)
            for pair, replies in samples.replies.items()
            if pair[1] == source
        }
        samples = replace(samples, sources=(source,), replies=checked)
        table = (
            estimate(samples, votes=(), best_of=SIZES)
            if procedure == "best-of-k"
            else estimate(samples, votes=ODD_SIZES)
        )
    order = np.argsort(table.cost.mean(axis=0), kind="stable")
    return replace(
        table,
        actions=tuple(table.actions[at] for at in order),
        accuracy=table.accuracy[:, order],
        cost=table.cost[:, order],
        samples=table.samples[:, order],
        halves=None,
    )


def probed(procedure, foreseen, fit, vectors_fit, vectors_test):
    """What the paper's probe expects of every action, accuracy and cost, each of shape (m, k)."""
    mean_cost = np.tile(fit.cost.mean(axis=0), (len(vectors_test), 1))
    if procedure == "weak-or-strong":
        wins = fit.accuracy[:, 1] > fit.accuracy[:, 0]
        chance = LogisticRegression(max_iter=1000).fit(vectors_fit, wins).predict_proba(vectors_test)[:, 1]
        return np.column_stack([np.zeros(len(chance)), chance]), mean_cost
    one = np.clip(foreseen.accuracy[:, :1], 0.0, 1.0)
    sizes = np.array([1 if "_" not in name else int(name.rsplit("_", 1)[1]) for name in fit.actions])
    return 1 - (1 - one) ** sizes, mean_cost


def plays_of(procedure, table, features, width, parts, budgets, seed):
    """Everybody's play on the held-out part of one split."""
    fit, held_out = (table.select(part) for part in parts)
    X, asked = (features[part] for part in parts)
    imitator = Imitator(seed=seed).fit(X, fit)
    foreseen = imitator.predict(asked)
    accuracy, cost = probed(procedure, foreseen, fit, X[:, :width], asked[:, :width])
    probe = SimpleNamespace(actions=table.actions, accuracy=accuracy, cost=cost, cost_unit=table.cost_unit)
    for budget in budgets:
        within = max(budget, float(foreseen.cost.min(axis=1).mean()))
        yield ("batch", budget), Performance.of(held_out, solve(foreseen, within).probabilities())
        chosen = imitator.choose(asked, budget=budget)
        yield ("price", budget), Performance.of(held_out, np.eye(len(table.actions))[chosen])
        if procedure != "vote-of-k":
            yield ("probe", budget), Performance.of(held_out, solve(probe, budget).probabilities())
        yield ("uniform", budget), baselines.uniform(fit, held_out, budget)
        yield ("oracle in sample", budget), baselines.oracle_in_sample(held_out, budget)


def run(procedure, path, source, budgets, splits, seed):
    table, encoder = table_of(procedure, path, source), open_encoder()
    features = feature_matrix(table.questions.tolist(), encoder)
    trials = []
    for number in range(seed, seed + splits):
        parts = split_by_text(table.questions, test_size=0.5, seed=number)
        plays = dict(plays_of(procedure, table, features, encoder.dimension, parts, budgets, number))
        trials.append(SplitResult(parts[1], plays))
    gains = measure(table, trials, seed=seed)
    rows = []
    for (policy, budget), gain in sorted(gains.items(), key=lambda item: item[0][1]):
        ahead = Interval.of(gains["batch", budget].lifts - gain.lifts)
        rows.append(
            {
                "policy": policy,
                "budget": budget,
                **{
                    name: round(float(value), 5)
                    for name, value in {
                        "realised_cost": gain.realised_cost,
                        "accuracy": gain.accuracy,
                        "lift": gain.lift.mean,
                        "lift_low": gain.lift.low,
                        "lift_high": gain.lift.high,
                        "batch_ahead": ahead.mean,
                        "batch_ahead_low": ahead.low,
                        "batch_ahead_high": ahead.high,
                    }.items()
                },
            }
        )
    return {
        "procedure": procedure,
        "table": path.name,
        "source": source,
        "n_questions": len(table),
        "actions": list(table.actions),
        "cost_unit": table.cost_unit,
        "rows": rows,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "batch_allocation.json")
    options = parser.parse_args()
    runs = []
    shown = f"--splits {options.splits} --seed {options.seed}"
    for procedure, name, source, budgets in RUNS:
        runs.append(run(procedure, options.tables / name, source, budgets, options.splits, options.seed))
        print(procedure, name, flush=True)
        result = {
            "command": f"python benchmarks/batch_allocation.py {shown}",
            **made_with("adaptive-reasoner", "numpy", "scikit-learn", machine="1 thread"),
            "seed": options.seed,
            "splits": options.splits,
            "runs": runs,
        }
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
