"""How does the accuracy lost by holding an average fall with the number of questions?

Regret is the accuracy of the best static price chosen in hindsight for the same stream, less the law's, a
question: at the target, and at what the law really spent. As a curve over 500 to 32,000 questions, with 1 to
128 in flight, for traffic that stays as it is, shifts half-way, comes in bursts, turns from easy to hard
(where hindsight saves up for the hard ones, which a finite credit forbids), and for heavy-tailed thinking
tokens.

    python benchmarks/ledger_regret.py DATA [--out FILE]

DATA holds `bbh_direct_cot.outcomes.parquet` and `gpqa_thinking_opus45.samples.parquet`.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from ledger_adherence import rows_of
from ledger_traffic import bbh, gpqa
from provenance import made_with

ROOT = Path(__file__).resolve().parents[1]
CURVE = {500: 16, 2_000: 8, 8_000: 3, 32_000: 1}  # questions: streams
LAWS = "static_price", "dual_ascent", "ledger_without_reservations", "ledger"
FIGURES = "error", "accuracy_against_best_static", "regret_at_own_cost"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "ledger_regret.json")
    arguments = parser.parse_args()
    plain, heavy = bbh(arguments.data), gpqa(arguments.data)
    traffic = [
        (name, table, kind, flight)
        for name, table, kind in (
            ("stationary", plain, "stationary"),
            ("shifted", plain, "shifted"),
            ("easy_to_hard", plain, "easy_to_hard"),
            ("heavy_tailed", heavy, "stationary"),
        )
        for flight in (1, 8, 32, 128)
    ]
    traffic.append(("bursts", plain, "stationary", "bursts"))
    curves = []
    for name, table, kind, flight in traffic:
        curve = {law: {figure: {} for figure in FIGURES} for law in LAWS}
        for n, seeds in CURVE.items():
            for row in rows_of(table, kind, n, flight, seeds, LAWS):
                for figure in FIGURES if row["law"] in LAWS else ():
                    curve[row["law"]][figure][n] = row[figure]
        curves.append({"traffic": name, "table": table.name, "in_flight": flight, "laws": curve})
        print(json.dumps(curves[-1]), file=sys.stderr)
    results = {
        "command": "python benchmarks/ledger_regret.py DATA",
        **made_with("adaptive-reasoner", "numpy", "scikit-learn"),
        "cpu_seconds": round(time.process_time()),
        "streams": CURVE,
        "curves": curves,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
