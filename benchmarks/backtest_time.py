"""How much processor time does a backtest take, beside another checkout, and are its figures the same?

    python benchmarks/backtest_time.py --against CHECKOUT --table FILE [--budget 25] [--splits 1] [--rounds 3]

Both checkouts run the same backtest in processes of their own, in turn and with one thread, so that what else
the machine does falls on both. The vectors of the questions are computed beforehand. Then every number of the
two results is compared: those that differ by more than 1e-6 are listed.
"""

import argparse
import hashlib
import json
from pathlib import Path

from provenance import made_with
from side_by_side import RESULTS, commits, compared, pair

PACKAGES = ("numpy", "scikit-learn", "onnxruntime")
CLOSE = 1e-6
RUN = """
import json, sys, time
table, budgets, splits = json.loads(sys.argv[1])
import adaptive_reasoner
from adaptive_reasoner.kit.backtesting.evaluation import backtest
result = backtest(table, budgets=budgets, splits=splits).as_dict()
print(json.dumps([adaptive_reasoner.__file__, time.process_time(), result]))
"""


def measured(checkout, job):
    """Processor seconds of one process, its start included, and what it found."""
    process = checkout.start("-c", RUN, json.dumps(job))
    printed, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the backtest failed in {checkout.root}")
    file, seconds, result = json.loads(printed.splitlines()[-1])
    checkout.holds(file)
    return seconds, result


def numbers(value, path=""):
    """Every number of a JSON value by its place; rows are named by policy and budget."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        named = [isinstance(each, dict) and "policy" in each for each in value]
        names = (
            [f"{each['policy']} at {each['budget']:g}" for each in value] if all(named) else range(len(value))
        )
        items = zip(names, value, strict=True)
    else:
        return {path: value}
    return {place: each for name, part in items for place, each in numbers(part, f"{path}/{name}").items()}


def differences(here, against):
    """Places at which two results differ, with both values."""
    ours, theirs = numbers(here), numbers(against)
    places = sorted(ours.keys() | theirs.keys())
    found = {place: (ours.get(place), theirs.get(place)) for place in places}
    return len(places), {place: both for place, both in found.items() if not is_close(*both)}


def is_close(one, other):
    """Whether two values are the same, numbers to 1e-6 of their size."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= CLOSE * max(1.0, abs(other))
    return one == other


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, required=True, help="the other checkout")
    parser.add_argument("--table", type=Path, required=True, help="outcomes or samples")
    parser.add_argument("--budget", type=float, action="append", help="may be repeated; 25 if left out")
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "backtest_time.json")
    options = parser.parse_args()
    checkouts, budgets = pair(options.against), options.budget or [25.0]
    job = [str(options.table.resolve()), budgets, options.splits]
    seconds, results = {"here": [], "against": []}, {}
    measured(checkouts["here"], job)  # vectors of the questions, and compiled modules
    for _ in range(options.rounds):
        for name, checkout in checkouts.items():
            taken, results[name] = measured(checkout, job)
            seconds[name].append(taken)
            print(f"{name}: {taken:.1f} s", flush=True)
    count, different = differences(results["here"], results["against"])
    rows = sorted({place.split("/")[2] for place in different if place.startswith("/rows/")})
    result = {
        "command": f"python benchmarks/backtest_time.py --splits {options.splits} --rounds {options.rounds}",
        **made_with(*PACKAGES, machine="1 thread"),
        "commits": commits(checkouts),
        "table": options.table.name,
        "sha256": hashlib.sha256(options.table.read_bytes()).hexdigest(),
        "budgets": budgets,
        "processor_seconds": compared(seconds["here"], seconds["against"], digits=2),
        "numbers": count,
        "rows_that_differ": rows,
        "differences": different,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["processor_seconds"]), count, len(different), rows)


if __name__ == "__main__":
    main()
