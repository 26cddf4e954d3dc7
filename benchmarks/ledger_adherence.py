"""Does the ledger hold the average, and what does holding it cost in accuracy?

Every law is judged on the same streams, against the best static price chosen in hindsight for that stream;
`bound` is a law that knows every planned cost and holds settled plus planned spend at the target exactly:
what questions in flight cost beyond their plan is left to chance, and bounds what any law can do.

    python benchmarks/ledger_adherence.py DATA [--seeds 20] [--out FILE]

DATA holds `bbh_direct_cot.outcomes.parquet` and `gpqa_thinking_opus45.samples.parquet`.
"""

import argparse
import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ledger_traffic import LAWS, Ledger, bbh, gpqa, replay, stream_of

ROOT = Path(__file__).resolve().parents[1]
EVERY = 1, 32, 128, "bursts"
TRAFFIC = {"stationary": EVERY, "shifted": EVERY, "shifted_back": (32,)}  # kind: in flight
FIRST, TOLERANCE = 500, 0.02  # every prefix from here on is to be this close to the target


def rows_of(table, kind, n, flight, seeds, laws=tuple(LAWS)):
    """One line a law, and the bound: means over the seeds."""
    streams = [stream_of(table, kind, n, seed) for seed in range(seeds)]
    best = [stream.hindsight(table) for stream in streams]
    for name in laws:
        replayed = [replay(table, stream, LAWS[name](table), flight) for stream in streams]
        yield adherence(table, best, replayed) | {
            "table": table.name,
            "stream": kind,
            "questions": n,
            "in_flight": flight,
            "law": name,
            "seeds": seeds,
            "target": table.target,
        }
        if name == "ledger":
            beyond = [unknown / table.target / np.arange(1, n + 1) for _, _, unknown in replayed]
            within = [bool((np.abs(error[FIRST - 1 :]) <= TOLERANCE).all()) for error in beyond]
            yield {
                "table": table.name,
                "stream": kind,
                "questions": n,
                "in_flight": flight,
                "law": "bound",
                "seeds": seeds,
                "unknown_share_of_a_mean_of_500": spread([error[FIRST - 1] for error in beyond]),
                "share_with_every_prefix_within_2_percent": round(float(np.mean(within)), 3),
            }


def adherence(table, best, replayed):
    """How close to the target, and how far from the best static price."""
    errors, gaps, regrets, prefixes = [], [], [], []
    for points, (costs, scores, _) in zip(best, replayed, strict=True):
        errors.append(costs.mean() / table.target - 1.0)
        gaps.append(scores.mean() - np.interp(table.target, *points.T))
        regrets.append(np.interp(costs.mean(), *points.T) - scores.mean())
        averages = np.cumsum(costs) / np.arange(1, len(costs) + 1) / table.target - 1.0
        prefixes.append(np.abs(averages[FIRST - 1 :]).max())
    return {
        "error": round(float(np.abs(errors).mean()), 5),
        "bias": round(float(np.mean(errors)), 5),
        "accuracy_against_best_static": round(float(np.mean(gaps)), 5),
        "accuracy_standard_error": round(float(np.std(gaps) / np.sqrt(max(len(gaps) - 1, 1))), 5),
        "regret_at_own_cost": round(float(np.mean(regrets)), 5),
        "worst_prefix_error": round(float(np.mean(prefixes)), 5),
        "worst_prefix_error_of_all_seeds": round(float(np.max(prefixes)), 5),
        "share_with_every_prefix_within_2_percent": round(float(np.mean(np.array(prefixes) <= TOLERANCE)), 3),
    }


def spread(values):
    """Standard deviation."""
    return round(float(np.std(values)), 5)


def credit_row(table, credit, flight, seeds, n=12_000):
    """What a thousand questions in a row may cost after 8,000 easy ones."""
    easy = 2 * n // 3
    worst, beyond, settled, dashboards = [], [], [], []
    for seed in range(seeds):
        stream = stream_of(table, "easy_to_hard", n, seed)
        costs, _, _ = replay(table, stream, Ledger(table, credit=credit), flight)
        sums = np.concatenate([[0.0], np.cumsum(costs)])
        worst.append((sums[1000:] - sums[:-1000]).max() / 1000 / table.target)
        since = (sums[easy + 500 :] - sums[easy]) / table.target
        beyond.append(float(((since - credit) / np.arange(500, 500 + len(since)) - 1.0).max()))
        settled.append((sums[-1] - sums[-2001]) / 2000 / table.target - 1.0)
        dashboards.append(sums[easy + 1000] / (easy + 1000) / table.target)
    beyond_credit = round(max(beyond), 4) if credit < easy else None
    return {
        "table": table.name,
        "target": table.target,
        "credit": credit,
        "in_flight": flight,
        "seeds": seeds,
        "easy_questions": easy,
        "worst_1000_over_target": round(float(np.max(worst)), 4),
        "prefix_from_500_after_the_change_beyond_the_credit": beyond_credit,
        "last_2000_error": round(float(np.mean(settled)), 4),
        "long_average_over_target_a_thousand_after_the_change": round(float(np.mean(dashboards)), 4),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "ledger_adherence.json")
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    rows, credit_rows = [], []
    tables = [bbh(arguments.data), gpqa(arguments.data)]
    for table in tables:
        for kind, flights in TRAFFIC.items():
            for flight in flights:
                for row in rows_of(table, kind, 2_000, flight, arguments.seeds):
                    rows.append(row)
                    print(json.dumps(row), file=sys.stderr)
    for target in (50.0, 75.0, 100.0):
        table = bbh(arguments.data, target=target)
        for credit in (300.0, 1e6):
            for flight in (1, 32):
                credit_rows.append(credit_row(table, credit, flight, min(5, arguments.seeds)))
                print(json.dumps(credit_rows[-1]), file=sys.stderr)
    results = {
        "command": f"python benchmarks/ledger_adherence.py DATA --seeds {arguments.seeds}",
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("adaptive-reasoner", "numpy", "scikit-learn")},
        "cpu_seconds": round(time.process_time()),
        "tables": [{"name": table.name, "target": table.target, "price": table.price} for table in tables],
        "adherence": rows,
        "credit": credit_rows,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
