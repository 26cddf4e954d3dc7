"""Do the intervals of values from a log of live traffic hold?

A policy is trained on a part of a table. Questions of another part come as traffic that it answers; 2% of
them take an action at random. From logs of 10,000 questions, the accuracy and cost of other policies and of
fixed actions are estimated, and compared with the truth, as their outcomes are known.

    python benchmarks/log_values.py --tables FOLDER [--only bbh] [--logs 1000]

FOLDER holds `bbh_direct_cot.samples.parquet` and `exams_a_gpt.samples.parquet`.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from provenance import made_with
from recorded_traffic import EXPLORE, RESULTS, TABLES, Stream, Traffic, saved

from adaptive_reasoner.kit import Samples, estimate, train
from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.off_policy.estimators import interval_of_mean
from adaptive_reasoner.kit.off_policy.evidence import Evidence
from adaptive_reasoner.kit.tables.splits import split_by_text

LOGGED = 10_000


def coverage(traffic, policy, others, replays, progress):
    """How often the intervals of values from logs hold the truth."""
    texts, actions = traffic.table.questions.tolist(), traffic.table.actions
    k, choices = len(actions), PolicyChoices.of(policy, texts)
    own, spread = choices.shipped(), policy.card["report"]["calibration"]["cost_spread"]
    plays = {
        "policy at 0.6 of the budget": choices.shipped(policy.at(budget=0.6 * policy.budget).price),
        "policy at 1.5 of the budget": choices.shipped(policy.at(budget=1.5 * policy.budget).price),
        "another policy": PolicyChoices.of(others, texts).shipped(),
        **{f"always {action}": np.tile(np.eye(k)[at], (len(texts), 1)) for at, action in enumerate(actions)},
    }
    truth = {"accuracy": traffic.table.accuracy, "cost": traffic.table.cost}
    means = {
        name: {what: float((shares * cells).sum(axis=1).mean()) for what, cells in truth.items()}
        for name, shares in plays.items()
    }
    logging = (1 - EXPLORE) * own + EXPLORE / k
    logged = {what: float((logging * cells).sum(axis=1).mean()) for what, cells in truth.items()}
    counts: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    sizes: dict[str, list[float]] = {}
    for seed in range(replays):
        stream = Stream.of(traffic, LOGGED, seed)
        taken, chance = stream.taken(own)
        log = stream.log(traffic, taken, chance, *stream.outcomes(traffic, taken))
        seen = replace(
            choices.predictions,
            accuracy=choices.predictions.accuracy[stream.rows],
            cost=choices.predictions.cost[stream.rows],
        )
        evidence = Evidence.of(log, seen, actions, taken, seed, spread)
        for name, shares in plays.items():
            value = evidence.value(name, shares[stream.rows])
            sizes.setdefault(name, []).append(value.effective_size)
            for what in truth:
                true = means[name][what]
                estimates = {
                    what: (getattr(value, what), true),
                    f"{what} over the logged policy": (value.over_logged[what], true - logged[what]),
                    f"{what}, inverse propensity": (value.inverse_propensity[what], true),
                    f"{what}, self-normalised": (value.self_normalised[what], true),
                    f"{what}, without expectations": (interval_of_mean(value.added[what].values), true),
                    f"{what}, normal interval": (_normal(value.added[what].values), true),
                }
                for kind, (interval, wanted) in estimates.items():
                    counts.setdefault((name, kind), []).append(
                        (interval.low <= wanted <= interval.high, (interval.high - interval.low) / 2)
                    )
        if seed % 100 == 99:
            progress(f"coverage: {seed + 1} logs")
    rows = {}
    for (name, kind), found in counts.items():
        held, half = np.array(found, dtype=float).mean(axis=0)
        row = rows.setdefault(name, {"effective_sample_size": round(float(np.mean(sizes[name])), 1)})
        row[kind] = {"covered": round(float(held), 3), "half_width": round(float(half), 4)}
    return {"logs": replays, "questions": LOGGED, "explore": EXPLORE, "policies": rows}


def _normal(values):
    """The interval that takes the deviation as known."""
    interval = interval_of_mean(values)
    half = 1.96 * float(values.std()) / len(values) ** 0.5
    return replace(interval, low=interval.mean - half, high=interval.mean + half)


def run(name, tables, logs, progress):
    """How often the intervals hold on one table."""
    file, budget, fitted = TABLES[name]
    samples = Samples.read(tables / f"{file}.samples.parquet")
    table = estimate(samples, votes=(1,))
    fit, rest = split_by_text(table.questions, test_size=1 - fitted / len(table), seed=0)
    traffic, known = Traffic.of(samples, table, rest), table.select(fit)
    with TemporaryDirectory() as scratch:
        policy = saved(train(known, budget=budget), Path(scratch, "policy"))
        progress(f"{name}: trained, verdict {policy.verdict}")
        few = known.select(np.arange(len(known)) < len(known) // 3)
        others = saved(train(few, budget=1.2 * budget, gated=False), Path(scratch, "others"))
        found = coverage(traffic, policy, others, logs, progress)
    about = {"file": file, "budget": budget, "trained_on": len(fit), "traffic": len(rest)}
    return {**about, "verdict": policy.verdict, **found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--only", action="append", choices=list(TABLES), help="may be repeated")
    parser.add_argument("--logs", type=int, default=1_000, help="logs of each table")
    parser.add_argument("--out", type=Path, default=RESULTS / "log_values.json")
    options = parser.parse_args()
    found = json.loads(options.out.read_text())["tables"] if options.out.exists() else {}
    for name in options.only or TABLES:
        began = time.process_time()
        done = run(name, options.tables, options.logs, lambda text: print(text, file=sys.stderr, flush=True))
        command = f"python benchmarks/log_values.py --tables FOLDER --only {name} --logs {options.logs}"
        found[name] = {"command": command, "cpu_seconds": round(time.process_time() - began), **done}
        made = made_with("adaptive-reasoner", "numpy", "scikit-learn", machine="1 thread")
        options.out.write_text(json.dumps({**made, "tables": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
