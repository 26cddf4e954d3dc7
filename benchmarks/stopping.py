"""When to stop a vote: the priced stop against Beta, ESC and lossless votes, on samples it has not seen.

    python benchmarks/stopping.py FOLDER [--splits 10] [--draws 1000] [--seed 0] [--out FILE]

FOLDER holds samples files of other models, which are not part of the project. Beside them stand tables that
are generated here: easy and hard questions, whose wrong answers are many. Half the questions are held out.
The rules to beat are taken together, as the best time-shared mixture of all their parameters, and in
hindsight: on the held-out questions themselves. The priced stop is fitted on the other half. Intervals are
bootstrapped over questions, the mixture found again in every draw.
"""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np

from adaptive_reasoner.kit import Samples
from adaptive_reasoner.kit.backtesting.stop_rules import beta_stops, windows_agree
from adaptive_reasoner.kit.dealing import Deals, draws_allowed, packs_of
from adaptive_reasoner.kit.splits import split_by_text
from adaptive_reasoner.kit.stop_fitting import fit_stop, replayed
from adaptive_reasoner.pricing import hull

ROOT = Path(__file__).resolve().parents[1]
AT = np.arange(2.0, 12.01, 0.5)
THRESHOLDS = (0.7, 0.76, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999)
GENERATED = {  # right answers' Beta, number of wrong ones, how even they are
    "generated_easy": ((3.0, 0.6), (2, 8), (0.5,)),
    "generated_medium": ((1.5, 1.5), (3, 30), (0.3,)),
    "generated_hard": ((0.8, 1.6), (5, 60), (0.1, 0.3, 1.0)),
    "generated_hardest": ((0.5, 2.5), (10, 100), (0.05, 0.2, 0.5)),
}


def generated(kind, rng, questions, samples):
    """Samples of questions that differ in how likely right they are, and in how their wrong answers lie."""
    (a, b), (fewest, most), evenness = GENERATED[kind]
    rows = []
    for question in range(questions):
        right = rng.beta(a, b)
        wrong = rng.dirichlet(np.full(rng.integers(fewest, most), rng.choice(evenness)))
        answers = rng.choice(1 + len(wrong), samples, p=np.append(right, (1 - right) * wrong))
        rows += [
            {
                "question_id": f"q{question}",
                "question": f"question {question}",
                "source": kind,
                "sample": number,
                "answer": str(answer),
                "gold": "0",
                "correct": float(answer == 0),
                "cost": 1.0,
                "cost_unit": "samples",
            }
            for number, answer in enumerate(answers)
        ]
    return Samples.from_rows(rows)


def to_beat(deals):
    """Accuracy and draws of every parameter of the three rules, shape (2, n, parameters)."""
    draws = np.arange(deals.limit + 1)[:, None]
    lossless = [
        (deals.top - deals.second > most - draws) | (draws >= most) for most in range(1, deals.limit + 1)
    ]
    rules = [*beta_stops(deals, THRESHOLDS), *windows_agree(deals), *lossless]
    return np.stack([deals.ended(over)[[0, 3]] for over in rules], axis=2)


def best_mixture(accuracy, draws, at):
    vertices = hull(accuracy, draws)
    return np.interp(at, draws[vertices], accuracy[vertices])


def along_prices(accuracy, draws, at):
    """The priced stop at each mean number of draws: between neighbouring prices, whether they pay or not."""
    return np.interp(at, np.maximum.accumulate(draws[::-1]), accuracy[::-1])


def compared(name, samples, source, *, splits, draws, seed):
    packs = packs_of(samples, source, samples.question_ids)
    deals = Deals.of(packs, draws_allowed(packs), seed=seed)
    at = AT[deals.limit * 0.9 >= AT]
    rivals = to_beat(deals)
    tests = []
    for split in range(splits):
        fit, held_out = split_by_text(samples.questions, seed=seed + split)
        fitted = fit_stop(deals.select(fit))
        tests.append((held_out, replayed(deals.select(held_out), fitted.prospects)[[0, 3]], fitted.learned))
    rng, difference = np.random.default_rng(seed), np.empty((draws + 1, len(at)))
    for draw in range(draws + 1):
        weight = np.bincount(rng.integers(0, len(samples), len(samples)), minlength=len(samples))
        weight = weight if draw else np.ones(len(samples))
        each = []
        for held_out, priced, _ in tests:
            share = weight[held_out] / weight[held_out].sum()
            ours, theirs = (np.tensordot(share, table, ([0], [1])) for table in (priced, rivals[:, held_out]))
            each.append(along_prices(*ours, at) - best_mixture(*theirs, at))
        difference[draw] = np.mean(each, axis=0)
    means = difference.mean(axis=1)
    low, high = np.quantile(means[1:], [0.025, 0.975])
    return {
        "table": name,
        "questions": len(samples),
        "samples": 2 * deals.limit,
        "single": round(float(deals.right[1].mean()), 4),
        "learned": sum(learned for _, _, learned in tests),
        "mean_difference": round(float(means[0]), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "worst": round(float(difference[0].min()), 4),
        "best": round(float(difference[0].max()), 4),
        "by_mean_samples": {
            f"{n:g}": round(float(gain), 4) for n, gain in zip(at, difference[0], strict=True)
        },
    }


def tables(folder, seed):
    for name in ("letters_gpt35", "addsub_codex002"):
        samples = Samples.read(folder / f"{name}.samples.parquet")
        yield name, samples, samples.sources[0]
    rng = np.random.default_rng(seed)
    for kind in GENERATED:
        yield kind, generated(kind, rng, 300, 40), kind
    yield "generated_hard, few of both", generated("generated_hard", rng, 100, 20), "generated_hard"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "stopping.json")
    arguments = parser.parse_args()
    options = {name: getattr(arguments, name) for name in ("splits", "draws", "seed")}
    results = {
        "command": "python benchmarks/stopping.py FOLDER "
        + " ".join(f"--{name} {value}" for name, value in options.items()),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("adaptive-reasoner", "numpy", "scikit-learn")},
        "votes": [
            compared(name, samples, source, **options)
            for name, samples, source in tables(arguments.folder, arguments.seed)
        ],
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
