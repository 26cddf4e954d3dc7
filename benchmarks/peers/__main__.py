"""What do other routers gain on the same splits, from the same vectors, at the same cost?

    python benchmarks/peers --table OUTCOMES --budgets 3,5,8,12 [--splits 5] [--slow-splits 2] \
        [--environments FOLDER] [--kept FOLDER] [--out FILE]

Half of the questions are held out, split after split. Each peer is installed by pip into an environment of
its own, trains on a part of the other half, is tuned on the rest of it, and is scored as we are: lift over
the best mixture of fixed actions at the realised cost, and the difference to ours by a bootstrap over
questions that all share. Tables have two actions, which is what most peers take. They are of other models and
not part of the project. The result keeps one entry a table.
"""

import argparse
import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from contest import LOOKUP, OURS, OURS_TUNED, Parts, choices_of, our_choices, read_table
from environments import PEERS, python_of, versions_of
from tuning import play_at

from adaptive_reasoner.kit.allocation.mixtures import mixture_accuracy
from adaptive_reasoner.kit.backtesting.baselines import group_lookup
from adaptive_reasoner.kit.backtesting.lift import measure
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from adaptive_reasoner.kit.learning.encoders import feature_matrix, open_encoder
from adaptive_reasoner.kit.tables.bootstrap import Interval

ROOT = Path(__file__).resolve().parents[2]
DRIVEN = {  # driver: its environment, None for ours; and what it must find in the shell
    "plain_learners.py": (None, {}),
    "argrouter_class.py": ("argrouter", {}),
    "ucci_cascade.py": ("ucci", {}),
    "paretobandit_router.py": ("paretobandit", {}),
    "cre_clusters.py": ("cre", {}),
    "routellm_factorisation.py": ("routellm", {"OPENAI_API_KEY": "none, but its import asks for one"}),
    "llmrouter_classifiers.py": ("llmrouter", {}),
}
SLOW = ("routellm_factorisation.py", "llmrouter_classifiers.py")
NOT_RUN = {
    "RouteLLM bert, causal_llm, sw_ranking": "weights or embeddings from a model hub or a hosted service",
    "llmrouter-lib's own encoder": "a Longformer from a model hub; its classifiers are run on our vectors",
    "argrouter's trained router": "training and weights are not published; its class is run, filled by us",
    "ucci-router on log-probabilities": "the tables have none; it is run on a learner's P(weak model wrong)",
    "paretobandit's exploration and online learning": "all train on the same part; its pacer is a law of "
    "ledger_adherence.py",
    "langchain-model-router, LiteLLM complexity router": "fixed rules without a dial for a budget",
    "optillm router": "weights from a model hub",
    "Not Diamond, OpenRouter auto": "hosted services",
}
PACKAGES = ("adaptive-reasoner", "numpy", "scikit-learn", "onnxruntime")
DRAWS = 2000


def trial_of(parts, kept, pythons):
    """Everybody's play at every budget on one split, with the variant that tuning took.

    Args:
        parts: The split.
        kept: Where the answers of drivers are kept.
        pythons: The interpreter of each driver that takes part.
    """
    held_out, validation = parts.table.select(parts.test), parts.table.select(parts.validation)
    played, policies = our_choices(parts, kept)
    plays = {key: Performance.of(held_out, np.eye(2)[choice]) for key, choice in played.items()}
    for budget in parts.budgets:
        plays[LOOKUP, budget] = group_lookup(parts.table.select(parts.fit), held_out, budget)
    variants, seconds = {}, {}
    for driver, python in pythons.items():
        chosen, seconds[driver] = choices_of(driver, python, parts, kept, DRIVEN[driver][1])
        policies |= chosen
    for policy, dials in policies.items():
        for budget in parts.budgets:
            plays[policy, budget], variants[policy, budget] = play_at(budget, dials, validation, held_out)
    return SplitResult(parts.test, plays), variants, seconds


def rows_of(table, trials, variants, seed):
    """One row a policy and budget: means over its splits, intervals over questions, and every split.

    What ran on the first few splits is compared with us on those alone.
    """
    counts = {key: sum(key in trial.plays for trial in trials) for key in trials[0].plays}
    gains = {count: measure(table, trials[:count], draws=DRAWS, seed=seed) for count in set(counts.values())}
    for (policy, budget), count in sorted(counts.items(), key=lambda item: item[0][1]):
        theirs = gains[count]
        gain = theirs[policy, budget]
        yield {
            "policy": policy,
            "budget": budget,
            "n_splits": count,
            "realised_cost": gain.realised_cost,
            "accuracy": gain.accuracy,
            **_told("lift", gain.lift),
            "lift_within_groups": gain.within_groups,
            **_told("ours_ahead", Interval.of(theirs[OURS, budget].lifts - gain.lifts)),
            **_told("ours_tuned_ahead", Interval.of(theirs[OURS_TUNED, budget].lifts - gain.lifts)),
            "splits": [_split(table, trial, (policy, budget)) for trial in trials[:count]],
            "variants": [variant.get((policy, budget)) for variant in variants[:count]],
        }


def _told(name, interval):
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _split(table, trial, key):
    held_out, play = table.select(trial.held_out), trial.plays[key]
    fixed = (np.atleast_2d(cells.mean(axis=0)) for cells in (held_out.accuracy, held_out.cost))
    cost = float(play.cost.mean())
    lift = float(play.accuracy.mean() - mixture_accuracy(*fixed, np.array([[cost]]))[0, 0])
    return {"lift": lift, "realised_cost": cost}


def contest(budgets, options, pythons):
    """All splits of the table."""
    table, encoder = read_table(options.table), open_encoder()
    features = feature_matrix(table.questions.tolist(), encoder)
    trials, variants, seconds = [], [], []
    for number in range(options.splits):
        parts = Parts.of(table, features, encoder.dimension, budgets, options.seed + number)
        taking_part = {
            driver: python
            for driver, python in pythons.items()
            if number < options.slow_splits or driver not in SLOW
        }
        trial, variant, took = trial_of(parts, options.kept, taking_part)
        trials.append(trial)
        variants.append(variant)
        seconds.append(took)
        print(f"split {number + 1} of {options.splits}", file=sys.stderr, flush=True)
    return {
        "command": f"python benchmarks/peers --table {options.table.name} --budgets {options.budgets} "
        f"--splits {options.splits} --slow-splits {options.slow_splits} --seed {options.seed}",
        "seed": options.seed,
        "splits": options.splits,
        "n_questions": len(table),
        "actions": list(table.actions),
        "cost_unit": table.cost_unit,
        "train, validation, test": [len(parts.train), len(parts.validation), len(parts.test)],
        "rows": _rounded(list(rows_of(table, trials, variants, options.seed))),
        "driver_seconds_a_split": {
            driver: round(float(np.mean([each[driver] for each in seconds if driver in each])), 1)
            for driver in DRIVEN
        },
    }


def _rounded(value):
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 5) if isinstance(value, float) else value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, required=True, help="outcomes of two actions")
    parser.add_argument("--budgets", required=True, help="separated by commas")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--slow-splits", type=int, default=2, help="for peers that take minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--environments", type=Path, default=Path("peer-environments"))
    parser.add_argument("--kept", type=Path, default=Path("peer-answers"), help="to go on from")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "peers.json")
    options = parser.parse_args()
    options.kept.mkdir(parents=True, exist_ok=True)
    homes = {name: python_of(name, options.environments) for name in PEERS}
    pythons = {driver: homes[peer] if peer else sys.executable for driver, (peer, _) in DRIVEN.items()}
    budgets = tuple(float(budget) for budget in options.budgets.split(","))
    tables = json.loads(options.out.read_text())["tables"] if options.out.exists() else {}
    result = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, 1 thread",
        "versions": {name: version(name) for name in PACKAGES},
        "peer_versions": {name: versions_of(python) for name, python in homes.items()},
        "intervals": "95%, bootstrap over questions, shared by all; lifts are means over the splits",
        "tables": tables | {options.table.name: contest(budgets, options, pythons)},
        "not_run": NOT_RUN,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(map(str, error.cmd[:2]))} failed:\n{(error.stderr or b'').decode()[-3000:]}")
