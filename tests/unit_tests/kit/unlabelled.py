"""Samples of generated questions, of which some or all right answers are hidden."""

import numpy as np

from adaptive_reasoner.kit.samples import Samples

ACCURACY = {"cheap": (0.95, 0.35), "strong": (0.95, 0.9)}  # on easy and on hard questions
COST = {"cheap": 1.0, "strong": 20.0}


def generated(questions=200, *, samples=3, seed=0, labelled=None):
    """Easy and hard questions in turn, told apart by a word; of `labelled` ones the right answer is known."""
    rng, rows = np.random.default_rng(seed), []
    for number in range(questions):
        hard = number % 2
        for source, accuracy in ACCURACY.items():
            for sample in range(samples):
                right = rng.random() < accuracy[hard]
                answer = f"right {number}" if right else f"wrong {rng.integers(6)}"
                known = labelled is None or number in labelled
                rows.append(
                    {
                        "question_id": f"q{number:03}",
                        "question": f"how many {'apples now' if hard else 'tom has'} {number}",
                        "source": source,
                        "sample": sample,
                        "answer": answer,
                        "gold": f"right {number}" if known else None,
                        "correct": float(right) if known else None,
                        "cost": COST[source],
                        "cost_unit": "tokens",
                    }
                )
    return Samples.from_rows(rows)
