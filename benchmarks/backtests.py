"""What does the policy gain on real tables of outcomes, beside every baseline?

    python benchmarks/backtests.py --tables FOLDER [--only NAME ...] [--splits 5] [--out FILE]

Runs `adaptive_reasoner.kit.backtest` over the tables of `BUDGETS`, half held out, and keeps the rows as they
are. A table takes minutes, so the result is written after each: a table whose file, options and code have not
changed since is not run again. The tables are of other models and not part of the project.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

from provenance import made_with

import adaptive_reasoner
from adaptive_reasoner.kit.backtesting.evaluation import backtest

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = {
    "math500_ladder.outcomes.parquet": (4, 8, 16),
    "letters_gpt35.samples.parquet": (2, 3, 5, 8, 12),
    "addsub_codex002.samples.parquet": (2, 3, 5, 8, 12),
    "game24_gpt4.samples.parquet": (2, 5, 10, 20),
    "gpqa_thinking_opus45.samples.parquet": (1500, 2200, 4000, 6000),
    "bbh_direct_cot.outcomes.parquet": (10, 25, 50, 75, 100),
    "bbh_direct_cot.samples.parquet": (10, 25, 50, 75, 100),
    "two_models_mmlu_gsm8k.outcomes.parquet": (3, 5, 8, 12),
}
PACKAGES = ("adaptive-reasoner", "numpy", "scikit-learn", "onnxruntime")
_DIGITS = 5


def digest_of(*paths):
    """One digest of the contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def code_digest():
    """Of the part of the library that a backtest runs."""
    package = Path(adaptive_reasoner.__file__).parent
    parts = ("answers", "strategies", "policy", "kit")
    return digest_of(*(path for part in parts for path in sorted((package / part).rglob("*.py"))))[:16]


def rounded(value):
    """Floats of a JSON value to a few digits."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, _DIGITS) if isinstance(value, float) else value


def written(result):
    """JSON with one row a line, which a diff can show."""
    text = json.dumps(result, indent=1)
    for table in result["tables"].values():
        for row in (*table["rows"], *table["mistakes"]):
            text = text.replace(json.dumps(row, indent=1).replace("\n", "\n    "), json.dumps(row))
    return text + "\n"


def run(path, budgets, splits, seed):
    start = time.perf_counter()
    result = backtest(path, budgets=budgets, splits=splits, seed=seed).as_dict()
    return rounded(result | {"file": path.name, "seconds": time.perf_counter() - start})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--only", action="append", choices=list(BUDGETS), help="may be repeated")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "backtests.json")
    options = parser.parse_args()
    result = {
        "command": f"python benchmarks/backtests.py --splits {options.splits} --seed {options.seed}",
        **made_with(*PACKAGES, machine="1 thread"),
        "tables": json.loads(options.out.read_text())["tables"] if options.out.exists() else {},
    }
    for name in options.only or BUDGETS:
        path = options.tables / name
        if not path.exists():
            print(f"{name}: not there")
            continue
        key = {
            "budgets": list(BUDGETS[name]),
            "sha256": digest_of(path),
            "code": code_digest(),
            "splits": options.splits,
            "seed": options.seed,
        }
        before = result["tables"].get(name, {})
        if {field: before.get(field) for field in key} == key:
            print(f"{name}: as before")
            continue
        table = key | run(path, BUDGETS[name], options.splits, options.seed)
        result["tables"][name] = table
        options.out.write_text(written(result))
        print(f"{name}: {table['verdict']}, {table['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
