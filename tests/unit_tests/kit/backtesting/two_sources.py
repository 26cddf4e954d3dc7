"""Samples of two sources of which one knows what the other does not."""

import numpy as np

from adaptive_reasoner.kit.samples import Samples

FIT, HELD_OUT = np.arange(0, 200, 2), np.arange(1, 200, 2)
CHEAP, DEAR = 1.0, 10.0


def two_sources(*, cheap_samples, questions=200, seed=0):
    """Half the questions are easy. On the others the cheap source guesses, and the dear one is right."""
    rng = np.random.default_rng(seed)
    rows = []
    for question in range(questions):
        easy = question % 4 < 2
        asked = {
            "question_id": f"q{question}",
            "question": f"question {question} {'easy' if easy else 'hard'}",
            "gold": "right",
            "cost_unit": "tokens",
        }
        for number in range(cheap_samples):
            answer = "right" if easy else f"wrong {rng.integers(9)}"
            rows.append(
                {**asked, "source": "cheap", "sample": number, "answer": answer, "cost": CHEAP}
                | {"correct": float(answer == "right")}
            )
        rows += [
            {**asked, "source": "dear", "sample": n, "answer": "right", "cost": DEAR, "correct": 0.9}
            for n in range(2)
        ]
    return Samples.from_rows(rows)


def features(informative):
    easy = np.arange(200) % 4 < 2
    noise = np.random.default_rng(1).normal(size=(200, 3))
    return np.column_stack([easy if informative else noise[:, 0], noise])
