"""Does the smaller encoder of a policy folder decide as the one that the policy was trained with?

    python benchmarks/shipped_encoder.py --tables FOLDER [--questions 500] [--out FILE]

For each table a policy is trained on half of the questions and saved. Questions of the other half are
decided twice, at the same prices and by the same draws: by the folder as it is, and with the vectors of the
encoder of the training. `equal` is the share of equal decisions; accuracies and costs are means of the
recorded outcomes.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from provenance import made_with

from adaptive_reasoner.kit.backtesting.loading import load
from adaptive_reasoner.kit.learning.encoders import VectorCache, open_encoder
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.kit.tables.splits import split_by_text
from adaptive_reasoner.policy.learned import LearnedPolicy

ROOT = Path(__file__).resolve().parents[1]
TABLES = {
    "bbh_direct_cot.outcomes.parquet": (10.0, 25.0, 50.0, 75.0),
    "alpaca_reward.outcomes.parquet": (0.034, 0.056, 0.092),
    "exams_a_gpt.samples.parquet": (1.7, 3.9, 9.0),
}
PACKAGES = ("adaptive-reasoner", "numpy", "scikit-learn", "onnxruntime")


def compared(path, budgets, questions):
    """Rows of one table, one a budget, and the sizes of the folder's files in megabytes."""
    table, _ = load(path, None)
    fit, held_out = split_by_text(table.questions, seed=0)
    asked = np.random.default_rng(0).permutation(held_out)[:questions]
    encoder = open_encoder()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        trained = train(table.select(fit), budget=budgets[-1], encoder=encoder)
        folder = trained.save(Path(scratch) / "policy")
        sizes = {each.name: round(each.stat().st_size / 1e6, 1) for each in sorted(folder.iterdir())}
        before = round((encoder.folder / "encoder.onnx").stat().st_size / 1e6, 1)
        texts = table.questions[asked].tolist()
        vectors, shipped = VectorCache(encoder).vectors(texts), LearnedPolicy.load(folder)
        smaller = shipped.encoder.encode(texts)
        for budget in budgets:
            policy = shipped.at(budget=budget)
            chosen = [
                np.array(
                    [policy.decide(text, vector=each).action for text, each in zip(texts, of, strict=True)]
                )
                for of in (vectors, smaller)
            ]
            places = [[table.actions.index(action) for action in each] for each in chosen]
            rows.append(
                {
                    "budget": budget,
                    "equal": round(float((chosen[0] == chosen[1]).mean()), 4),
                    "accuracy": [round(float(table.accuracy[asked, each].mean()), 4) for each in places],
                    "cost": [round(float(table.cost[asked, each].mean()), 4) for each in places],
                }
            )
    alike = (vectors * smaller).sum(axis=1)
    return {
        "questions": len(asked),
        "cosine": {"mean": round(float(alike.mean()), 4), "least": round(float(alike.min()), 4)},
        "encoder_megabytes": {"training": before, "shipped": sizes["encoder.onnx"]},
        "rows": rows,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "shipped_encoder.json")
    options = parser.parse_args()
    result = {
        "command": f"python benchmarks/shipped_encoder.py --questions {options.questions}",
        **made_with(*PACKAGES, machine="1 thread"),
        "order": ["by the encoder of the training", "by the encoder as shipped"],
        "tables": {},
    }
    for name, budgets in TABLES.items():
        result["tables"][name] = compared(options.tables / name, budgets, options.questions)
        print(name, json.dumps(result["tables"][name]), flush=True)
        text = json.dumps(result, indent=1)
        for row in (row for each in result["tables"].values() for row in each["rows"]):
            text = text.replace(json.dumps(row, indent=1).replace("\n", "\n     "), json.dumps(row))
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
