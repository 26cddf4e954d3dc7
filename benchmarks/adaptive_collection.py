"""What does adaptive collection save, and what does it cost in the value of the policy trained on it?

    python benchmarks/adaptive_collection.py [--samples FILE] [--budget 12] [--splits 8] [--out FILE]

Recorded samples are collected again, in full and with each confidence, on half of the questions; an imitator
is trained on each collection, and scored on the other half by all recorded samples. What is compared is
accuracy less the accuracy of the uniform hull at the cost really spent.
"""

import argparse
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
from provenance import made_with

from adaptive_reasoner.answers import exact
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.collecting.early_stopping import Adaptive
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.encoders import feature_matrix, open_encoder
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.menu.recipes import Recipe
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.recorded_model import recorded_sources
from adaptive_reasoner.kit.samples import Samples

ROOT = Path(__file__).resolve().parents[1]
VOTES = (1, 3)
CONFIDENCES = (0.7, 0.8, 0.9, 0.95)


def collected(samples, n_samples, adaptive, seed):
    """Collect from the record; the table and the summary."""
    sources = recorded_sources(samples, seed=seed)
    recipes = {}
    for name in sources:
        recipes[name] = Recipe(name)
        recipes[f"{name}_vote_3"] = Recipe(name, "self_consistency", {"samples": 3})
    menu = Menu(sources, samples=n_samples, recipes=recipes, grader=exact)
    golds = {question_id: replies[0].gold for (question_id, _), replies in samples.replies.items()}
    questions = [
        Question(question_id, text, golds[question_id])
        for question_id, text in zip(samples.question_ids, samples.questions, strict=True)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "samples.jsonl"
        done = collect(questions, menu, out, adaptive=adaptive)
        return Samples.read(out), done


def lift(X, fit, test, budget, table, held_out, seed):
    imitator = Imitator(seed=seed).fit(X[fit], table)
    choice = imitator.choose(X[test], budget=budget)[:, None]
    accuracy, cost = (
        float(np.take_along_axis(cells, choice, axis=1).mean())
        for cells in (held_out.accuracy, held_out.cost)
    )
    return accuracy - uniform_hull(held_out).accuracy_at(cost)


def saved(rows, full, what):
    return round(1 - sum(row[what] for row in rows) / sum(row[what] for row in full), 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--samples", type=Path, default=ROOT / "cookbook" / "data" / "smollm2_arithmetic.samples.parquet"
    )
    parser.add_argument("--budget", type=float, default=12.0)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results" / "adaptive_collection.json"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    samples = Samples.read(options.samples)
    n_samples = min(len(replies) for replies in samples.replies.values())
    X = feature_matrix(list(samples.questions), open_encoder())
    whole = estimate(samples, votes=VOTES)
    rows = {name: [] for name in ("full", *CONFIDENCES)}
    for split in range(options.splits):
        order = np.random.default_rng([options.seed, split]).permutation(len(samples))
        fit, test = np.sort(order[::2]), np.sort(order[1::2])
        held_out = whole.select(test)
        for name in rows:
            adaptive = None if name == "full" else Adaptive(options.budget, confidence=name, seed=split)
            table, done = collected(samples.select(fit), n_samples, adaptive, split)
            trained = estimate(table, votes=VOTES)
            gained = lift(X, fit, test, options.budget, trained, held_out, options.seed)
            rows[name].append({"calls": done.there, "saved": done.saved, "cost": done.cost, "lift": gained})
            print(split, name, rows[name][-1], flush=True)
    full = rows["full"]
    shown = []
    for name, each in rows.items():
        lost = np.array([a["lift"] - b["lift"] for a, b in zip(each, full, strict=True)])
        shown.append(
            {
                "collection": "full" if name == "full" else f"confidence {name}",
                "calls": round(float(np.mean([row["calls"] for row in each])), 1),
                "calls_saved": saved(each, full, "calls"),
                "cost_saved": saved(each, full, "cost"),
                "lift": round(float(np.mean([row["lift"] for row in each])), 4),
                "lift_against_full": round(float(lost.mean()), 4),
                "standard_error_over_splits": round(float(lost.std(ddof=1) / np.sqrt(len(lost))), 4),
            }
        )
    result = {
        "command": f"python benchmarks/adaptive_collection.py --budget {options.budget:g} "
        f"--splits {options.splits} --seed {options.seed}",
        **made_with("adaptive-reasoner", "numpy", "scikit-learn", machine="1 thread"),
        "seed": options.seed,
        "samples": options.samples.name,
        "samples_a_question_and_source": n_samples,
        "votes": VOTES,
        "budget": options.budget,
        "splits": options.splits,
        "rows": shown,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
