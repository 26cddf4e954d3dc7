"""What does solving a table cost that does not fit in memory?

    python benchmarks/large_tables.py FOLDER [--questions 500000 5000000 50000000] [--out FILE]

Each table is generated in FOLDER (8 actions, accuracies of up to eight samples, whole costs; about 45 bytes
a question), solved at a budget half-way between the cheapest actions and all that money can buy, in a process
of its own, and deleted. The first table is also solved in memory, for the same figures.
"""

import argparse
import json
import math
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

ROOT = Path(__file__).resolve().parents[1]
COSTS = np.array([1.0, 2, 3, 5, 8, 13, 21, 34]) * 20
AT_ONCE = 125_000  # questions generated at a time
SOLVE = """
import json, resource, sys, time
from adaptive_reasoner.kit import Outcomes, OutcomesFile, solve
start = time.perf_counter()
table = (OutcomesFile if sys.argv[2] == "file" else Outcomes.read)(sys.argv[1])
read = time.perf_counter() - start
best = solve(table, float(sys.argv[3]))
print(json.dumps({
    "seconds": round(time.perf_counter() - start, 1), "of_these_checking": round(read, 1),
    "peak_memory_mb":
    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    "accuracy": best.accuracy, "cost": best.cost, "price": best.price, "gap": best.gap,
    "shares": best.shares(),
}))
"""


def generate(path: Path, questions: int, seed: int) -> None:
    """Write outcomes whose accuracies rise along the actions, more for some questions than for others."""
    rng = np.random.default_rng(seed)
    actions = pa.array([f"action_{at}" for at in range(len(COSTS))])
    writer = None
    for first in range(0, questions, AT_ONCE):
        n = min(AT_ONCE, questions - first)
        hard, gain = rng.beta(0.7, 0.7, (n, 1)), rng.beta(0.5, 1.5, (n, 1))
        chance = np.clip(1 - hard * (1 - gain) ** np.arange(len(COSTS)), 0, 1)
        accuracy = rng.binomial(8, chance) / 8
        cost = np.ceil(COSTS * rng.lognormal(0, 0.5, (n, len(COSTS))))
        ids = pa.array([f"q{number}" for number in range(first, first + n)])
        each = pa.array(np.repeat(np.arange(n, dtype=np.int32), len(COSTS)))
        table = pa.table(
            {
                "question_id": ids.take(each),
                "question": ids.take(each),
                "action": pa.DictionaryArray.from_arrays(
                    np.tile(np.arange(len(COSTS), dtype=np.int8), n), actions
                ),
                "accuracy": accuracy.ravel(),
                "cost": cost.ravel(),
                "cost_unit": pa.DictionaryArray.from_arrays(np.zeros(n * len(COSTS), np.int8), ["tokens"]),
            }
        )
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def solved(path: Path, how: str, budget: float) -> dict[str, object]:
    """The solution and what it took, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", SOLVE, str(path), how, str(budget)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    """Generate, solve, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=int, nargs="+", default=[500_000, 5_000_000, 50_000_000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    budget, rows = 150.0, []
    for questions in args.questions:
        path = args.folder / f"outcomes_{questions}.parquet"
        start = time.perf_counter()
        generate(path, questions, args.seed)
        generated = time.perf_counter() - start
        row = {"questions": questions, "actions": len(COSTS), "file_mb": path.stat().st_size >> 20}
        row |= {"seconds_to_generate": round(generated, 1), "budget": budget, **solved(path, "file", budget)}
        row["microseconds_per_question_and_log2"] = round(
            1e6 * float(row["seconds"]) / (questions * math.log2(questions)), 4
        )
        if not rows:
            row["in_memory"] = solved(path, "memory", budget)
        path.unlink()
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
    result = {
        "command": " ".join(
            ["python benchmarks/large_tables.py FOLDER --questions", *map(str, args.questions)]
        ),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("adaptive-reasoner", "numpy", "pyarrow")},
        "tables": rows,
    }
    text = json.dumps(result, indent=1)
    if args.out:
        args.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
