"""What do looks add to the policy that decides by the question alone, and does it keep its budget?

    python benchmarks/looking.py --tables FOLDER [--only NAME ...] [--splits 5] [--misses] [--out FILE]

On half of the questions the policy is trained, with looks (`kit.learning.fitted_looks`) and without; both
play the other half at each budget, replayed on the recorded samples. `lift` is over the mixture of fixed
actions that was chosen in training, at the realised cost; `ungated` follows the imitator everywhere,
`shipped` where the gate lets it go. `steered` is the mean cost when a ledger with the budget as its target
sets the price, over 2,000 questions drawn from those held out: that is how it runs online. `miss` is the
mean cost at the price that training set, by the budget, less 1. Its error is that over the splits, in each
of which the questions held out differ by chance from those to learn from; `--misses` plays many splits of
the question alone, to tell chance from a lean. Also the cascades that know nothing of the question.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
from provenance import made_with

from adaptive_reasoner import FixedPolicy
from adaptive_reasoner.errors import InfeasibleBudgetError
from adaptive_reasoner.kit import Samples, estimate
from adaptive_reasoner.kit.allocation.mixtures import path_accuracy
from adaptive_reasoner.kit.allocation.solver import Predictions, uniform_hull
from adaptive_reasoner.kit.backtesting.cascades import escalation_rules
from adaptive_reasoner.kit.backtesting.imitators import Split, fitted_imitator, value_shares
from adaptive_reasoner.kit.backtesting.loading import vote_sizes
from adaptive_reasoner.kit.backtesting.look_replay import LookReplay
from adaptive_reasoner.kit.learning.encoders import feature_matrix, open_encoder
from adaptive_reasoner.kit.learning.fitted_looks import FittedLooks, expectations
from adaptive_reasoner.kit.tables.splits import split_by_text
from adaptive_reasoner.ledger import open_ledger

ROOT = Path(__file__).resolve().parents[1]
TABLES = {
    "exams": ("exams_a_gpt", (1,), (1.7, 3.9, 9.0)),
    "exams, votes": ("exams_a_gpt", (1, 3, 5), (1.7, 3.9, 9.0)),
    "amc_aime": ("amc_aime_llama3b", (1, 3, 5, 9, 15), (800.0, 2000.0, 4000.0)),
    "bbh": ("bbh_direct_cot", (1,), (25.0, 50.0, 75.0)),
    "letters": ("letters_gpt35", (1, 3, 5, 9), (2.0, 3.0, 5.0)),
    "addsub": ("addsub_codex002", (1, 3, 5, 9), (2.0, 3.0, 5.0)),
    "game24": ("game24_gpt4", (1, 3, 5, 9), (2.0, 4.0, 8.0)),
    "otis": ("otis_effort", (1,), (20.0, 40.0, 80.0)),
}
"""Tables, the sizes of the votes that are actions, and the budgets."""

PACKAGES = ("adaptive-reasoner", "numpy", "scikit-learn", "onnxruntime")
STREAM, GRID = 2000, 60
PARTS = "tables", "misses"


def steered(replay, imitator, learned, chooser, fitted, split, held_out, budget, seed):
    """Mean cost over a stream of the questions held out, the price set by a ledger."""
    low, high = np.log(fitted.curve.price[[0, -1]])
    prices = np.exp(np.linspace(low - 0.2, high + 0.2, GRID))
    foreseen = imitator.foresee(split.held_out_features)
    predicted = Predictions(imitator.actions_, foreseen.accuracy, foreseen.cost, replay.table.cost_unit)
    expected = expectations(imitator, predicted, learned=learned)
    played, _ = chooser.play(fitted.looks, held_out, expected, prices)
    policy = FixedPolicy("stream", cost_unit="any")
    try:
        policy.price = fitted.curve.price_at(budget)
    except InfeasibleBudgetError:
        policy.price = float(fitted.curve.price[-1])
    policy.slope = fitted.curve.slope_at(policy.price)
    ledger = open_ledger("memory://", target=budget, cost_unit="any", policy=policy)
    rng = np.random.default_rng(seed)
    for number, row in enumerate(rng.integers(0, len(held_out), STREAM)):
        price = ledger.price
        at = int(np.abs(np.log(prices) - np.log(max(price, 1e-300))).argmin())
        held = ledger.reserve(fitted.curve.cost_at(price), f"question {number}")
        ledger.settle(held, float(played.cost[row, at]))
    return float(ledger.snapshot().average)


def read(name, folder):
    """Samples of a table, what is estimated from them, and the features of its questions."""
    file, votes, _ = TABLES[name]
    samples = Samples.read(folder / f"{file}.samples.parquet")
    sizes = {source: [v for v in vote_sizes(samples, source) if v in votes] for source in samples.sources}
    table = estimate(samples, votes=sizes)
    return samples, table, feature_matrix(table.questions.tolist(), open_encoder(None))


def misses_of(name, splits, seed, folder):
    """How far the question alone misses each budget at the price of training: mean, error, one split's."""
    budgets = TABLES[name][2]
    _, table, features = read(name, folder)
    missed = []
    for number in range(splits):
        fit, held_out = split_by_text(table.questions, test_size=0.5, seed=seed + number)
        split = Split.of(table, features, fit, held_out)
        imitator = fitted_imitator(split, budgets, seed=seed + number)
        plays = [value_shares(imitator, split, (budget,))[0].ungated for budget in budgets]
        costs = [(shares * split.held_out.cost).sum(axis=1).mean() for shares in plays]
        missed.append(np.array(costs) / budgets - 1)
    return {
        "command": f"python benchmarks/looking.py --misses --splits {splits} --seed {seed}",
        "splits": splits,
        "rows": [
            {
                "budget": budget,
                "miss": round(float(each.mean()), 4),
                "miss_error": round(float(each.std(ddof=1) / np.sqrt(splits)), 4),
                "deviation": round(float(each.std(ddof=1)), 4),
            }
            for budget, each in zip(budgets, np.transpose(missed), strict=True)
        ],
    }


def run(name, splits, seed, folder, progress):
    """The rows of one table."""
    file, votes, budgets = TABLES[name]
    samples, table, features = read(name, folder)
    replay = LookReplay(samples, table, seed=seed)
    cascades = escalation_rules(samples, table, features, seed=seed) if len(table) < 2000 else {}
    found = {}
    for number in range(splits):
        fit, held_out = split_by_text(table.questions, test_size=0.5, seed=seed + number)
        split = Split.of(table, features, fit, held_out)
        imitator = fitted_imitator(split, budgets, seed=seed + number)
        path = [table.actions.index(action) for action in uniform_hull(split.fit).actions]
        means = split.held_out.accuracy.mean(0)[None, path], split.held_out.cost.mean(0)[None, path]

        def lift(accuracy, cost, means=means):
            return float(accuracy.mean() - path_accuracy(*means, np.array([[cost.mean()]]))[0, 0])

        for rule_name, rule in cascades.items():
            fitted_rule = rule.fit(fit, held_out)
            for budget in budgets:
                play = fitted_rule.at(budget)
                row = {"lift": lift(play.accuracy, play.cost), "cost": float(play.cost.mean())}
                found.setdefault((rule_name, budget), []).append(row)
        known = {}
        for budget in budgets:
            gated = imitator.around(budget)
            ships = gated.gate().ships
            for kind, moved, learned in (("ungated", gated.ungated(), True), ("shipped", gated, ships)):
                key = moved.learner_, moved.trust_.share.tobytes() if learned else b""
                if key not in known:
                    known[key] = replay.fitted(moved, fit, learned=learned)
                chooser, looks = known[key]
                curve = moved.curve_ if learned else moved.mixture_.curve
                without = FittedLooks((), curve, looks.prices)
                terms = {"split": split, "held_out": held_out, "budget": budget, "learned": learned}
                play = partial(replay.play, moved, chooser, **terms)
                plain, _ = play(fitted=without)
                looked, at = play(fitted=looks)
                row = {
                    "lift": lift(looked.accuracy, looked.cost),
                    "lift_question": lift(plain.accuracy, plain.cost),
                    "cost": float(looked.cost.mean()),
                    "cost_question": float(plain.cost.mean()),
                    "looked_at": float(at.mean()),
                    "steered": steered(
                        replay, moved, learned, chooser, looks, split, held_out, budget, seed + number
                    ),
                }
                found.setdefault((f"looks, {kind}", budget), []).append(row)
        progress(f"{name}: split {number + 1} of {splits}")
    rows = []
    for (policy, budget), each in found.items():
        mean = {field: round(float(np.mean([row[field] for row in each])), 5) for field in each[0]}
        if "lift_question" in mean:
            gains = np.array([row["lift"] - row["lift_question"] for row in each])
            mean |= {"gain": round(float(gains.mean()), 5), "gain_by_split": gains.round(4).tolist()}
            for miss, cost in (
                ("miss", "cost"),
                ("miss_question", "cost_question"),
                ("steered_miss", "steered"),
            ):
                missed = np.array([row[cost] for row in each]) / budget - 1
                mean[miss] = round(float(missed.mean()), 4)
                mean[f"{miss}_error"] = round(float(missed.std() / np.sqrt(max(len(missed) - 1, 1))), 4)
        rows.append({"policy": policy, "budget": budget, **mean})
    return {"file": file, "votes": list(votes), "questions": len(table), "splits": splits, "rows": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--only", action="append", choices=list(TABLES), help="may be repeated")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--misses", action="store_true", help="only of budgets, without looks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "looking.json")
    options = parser.parse_args()
    before = json.loads(options.out.read_text()) if options.out.exists() else {}
    part = "misses" if options.misses else "tables"
    found = {name: before.get(name, {}) for name in PARTS}
    arguments = options.splits, options.seed, options.tables
    for name in options.only or (("exams",) if options.misses else TABLES):
        if options.misses:
            found[part][name] = misses_of(name, *arguments)
        else:
            found[part][name] = run(name, *arguments, lambda text: print(text, flush=True))
        result = {
            "command": f"python benchmarks/looking.py --splits {options.splits} --seed {options.seed}",
            **made_with(*PACKAGES, machine="1 thread"),
            **found,
        }
        text = json.dumps(result, indent=1)
        for row in (row for parts in PARTS for table in found[parts].values() for row in table["rows"]):
            text = text.replace(json.dumps(row, indent=1).replace("\n", "\n    "), json.dumps(row))
        options.out.write_text(text + "\n")
        for row in found[part][name]["rows"]:
            print(row, flush=True)


if __name__ == "__main__":
    main()
