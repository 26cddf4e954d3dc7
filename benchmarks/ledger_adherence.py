"""Does the ledger hold the average, and what does holding it cost in accuracy?

Every law is judged on the same streams, against the best static price chosen in hindsight for that stream;
`bound` is a law that knows every planned cost and holds settled plus planned spend at the target exactly:
what questions in flight cost beyond their plan is left to chance, and bounds what any law can do.

`robustness` is the ledger alone where what it is told is wrong: plans off by a factor (the policy decides by
them too), an offline price off by a factor of 100, costs of a heavy tail (Pareto, 1.3), a thousand plans
reserved at full credit and released. Runs are judged one by one, on the same streams.

    python benchmarks/ledger_adherence.py DATA [--seeds 20] [--runs 40] [--out FILE]
    python benchmarks/ledger_adherence.py DATA --pacers [--seeds 8] [--out FILE]

`--pacers` compares the ledger with the pacer of the package paretobandit (`pip install paretobandit`), on the
same streams, and nothing else.

DATA holds `bbh_direct_cot.outcomes.parquet` and `gpqa_thinking_opus45.samples.parquet`.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from ledger_traffic import LAWS, Ledger, Renamed, Stream, bbh, gpqa, heavy_tailed, replay, stream_of
from provenance import made_with

RESULTS = Path(__file__).resolve().parent / "results"
OURS = tuple(name for name in LAWS if not name.startswith("paretobandit"))
EVERY = 1, 32, 128, "bursts"
TRAFFIC = {"stationary": EVERY, "shifted": EVERY, "shifted_back": (32,)}  # kind: in flight
PACKAGES = "adaptive-reasoner", "numpy", "scikit-learn"
PACERS = "paretobandit_pacer", "paretobandit_pacer_warm", "ledger"
FIRST, TOLERANCE = 500, 0.02  # every prefix from here on is to be this close to the target


def rows_of(table, kind, n, flight, seeds, laws=OURS):
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


def robustness_rows(table, runs, n=2_000, flight=32):
    """Wrong plans, wrong prices and heavy tails: how each run ends, not only their mean."""
    cases = {
        "as predicted": table,
        "plans twice too high": replace(table, planned_cost=table.planned_cost * 2.0),
        "plans twice too low": replace(table, planned_cost=table.planned_cost / 2.0),
        "plans ten times too high": replace(table, planned_cost=table.planned_cost * 10.0),
        "plans ten times too low": replace(table, planned_cost=table.planned_cost / 10.0),
        "plans of one action ten times too low": replace(
            table, planned_cost=table.planned_cost * np.array([1.0, 0.1])
        ),
        "price a hundred times too high": replace(table, price=table.price * 100.0),
        "price a hundred times too low": replace(table, price=table.price / 100.0),
        "Pareto costs": heavy_tailed(table),
    }
    for kind in ("stationary", "shifted"):
        streams = [stream_of(table, kind, n, seed) for seed in range(runs)]
        for name, wrong in cases.items():
            for at in (1, flight) if name == "Pareto costs" else (flight,):
                yield {"case": name, "stream": kind, "in_flight": at} | robustness(wrong, streams, at)


def robustness(table, streams, flight):
    """What each of some runs came to."""
    errors, early, later, scores, variances, held, slack = [], [], [], [], [], [], []
    for stream in streams:
        law = Ledger(table)
        costs, accuracies, _ = replay(table, stream, law, flight)
        seen = law.ledger.snapshot()
        errors.append(costs.mean() / table.target - 1.0)
        early.append(costs[:FIRST].mean() / table.target - 1.0)
        later.append(costs[FIRST:].mean() / table.target - 1.0)
        scores.append(accuracies.mean())
        variances.append((costs / table.target).var())
        held.append(seen.average_low <= table.target <= seen.average_high)
        slack.append(seen.slack)
    sizes = np.abs(errors)
    return {
        "runs": len(streams),
        "questions": len(streams[0].rows),
        "error": round(float(sizes.mean()), 5),
        "bias": round(float(np.mean(errors)), 5),
        "error_95_percent_of_runs_stay_within": round(float(np.quantile(sizes, 0.95)), 5),
        **{
            f"share_of_runs_within_{100 * tolerance:g}_percent": round(float(np.mean(sizes <= tolerance)), 3)
            for tolerance in (0.005, 0.01, 0.02, 0.03)
        },
        "bias_of_the_first_500": round(float(np.mean(early)), 5),
        "bias_after_the_first_500": round(float(np.mean(later)), 5),
        "accuracy": round(float(np.mean(scores)), 4),
        "variance_of_cost_in_squared_targets": round(float(np.median(variances)), 2),
        "share_of_runs_with_the_target_in_the_snapshots_interval": round(float(np.mean(held)), 3),
        "share_of_runs_that_say_slack": round(float(np.mean(slack)), 3),
    }


def released_row(table, runs, plans=1_000, n=FIRST, flight=32):
    """How far plans that were reserved at full credit and released move the questions after them."""
    differences, balances = [], []
    for seed in range(runs):
        easy = stream_of(table, "easy_to_hard", 6_000, seed)
        easy = Stream(easy.rows[:2_000], easy.draws[:2_000], easy.seconds[:2_000])
        then, means = stream_of(table, "stationary", n, seed), []
        for released in (0, plans):
            law = Ledger(table)
            replay(table, easy, law, flight)
            for i in range(released):
                law.ledger.reserve(0.1 * table.target, f"plan {i}")
            for i in range(released):
                law.ledger.release(f"plan {i}")
            balances.append(law.ledger.snapshot().credit)
            costs, _, _ = replay(table, then, Renamed(law, "then"), flight)
            means.append(costs.mean())
        differences.append(means[1] / means[0] - 1.0)
    return {
        "case": "plans released at full credit",
        "plans": plans,
        "runs": runs,
        "questions": n,
        "in_flight": flight,
        "credit_at_least": round(float(min(balances)), 2),
        "mean_cost_moved_by": round(float(np.abs(differences).max()), 5),
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


def compare_pacers(tables, arguments):
    """The ledger and paretobandit's pacer on the same streams."""
    rows = []
    for table in tables:
        for kind, flights in TRAFFIC.items():
            for flight in flights:
                for row in rows_of(table, kind, 2_000, flight, arguments.seeds, PACERS):
                    rows.append(row)
                    print(json.dumps(row), file=sys.stderr)
    results = {
        "command": f"python benchmarks/ledger_adherence.py DATA --pacers --seeds {arguments.seeds}",
        **made_with(*PACKAGES, "paretobandit"),
        "cpu_seconds": round(time.process_time()),
        "adherence": rows,
    }
    out = arguments.out or RESULTS / "ledger_pacers.json"
    out.write_text(json.dumps(results, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--runs", type=int, default=40, help="of each wrong input, judged one by one")
    parser.add_argument("--pacers", action="store_true", help="the ledger and paretobandit's pacer alone")
    arguments = parser.parse_args()
    rows, credit_rows = [], []
    tables = [bbh(arguments.data), gpqa(arguments.data)]
    if arguments.pacers:
        compare_pacers(tables, arguments)
        return
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
    robustness_found = []
    for row in (*robustness_rows(tables[0], arguments.runs), released_row(tables[0], arguments.runs)):
        robustness_found.append({"table": tables[0].name, **row})
        print(json.dumps(robustness_found[-1]), file=sys.stderr)
    results = {
        "command": "python benchmarks/ledger_adherence.py DATA "
        f"--seeds {arguments.seeds} --runs {arguments.runs}",
        **made_with("adaptive-reasoner", "numpy", "scikit-learn", "paretobandit"),
        "cpu_seconds": round(time.process_time()),
        "tables": [{"name": table.name, "target": table.target, "price": table.price} for table in tables],
        "adherence": rows,
        "credit": credit_rows,
        "robustness": robustness_found,
    }
    out = arguments.out or RESULTS / "ledger_adherence.json"
    out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
