"""A judge of known error in place of a model, for benchmarks of what is learned from comparisons."""

import numpy as np

from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.preferences import preferences_cell


def compared(rewards, sees, first, *, seed):
    """Outcomes by a stub judge's comparisons of all pairs of replies, in both orders."""
    rng, rows = np.random.default_rng(seed), []
    for at, question_id in enumerate(rewards.question_ids.tolist()):
        for one, source in enumerate(rewards.actions):
            against = {}
            for other, name in enumerate(rewards.actions):
                if other != one:
                    better = float(rewards.accuracy[at, one] > rewards.accuracy[at, other])
                    said = better if rng.random() < sees else 1 - better
                    against[name, 0] = 1.0 if rng.random() < first else said
            rows.append(
                {
                    "question_id": question_id,
                    "question": rewards.questions[at],
                    "source": source,
                    "sample": 0,
                    "answer": f"{source} {at}",
                    "gold": None,
                    "correct": None,
                    "cost": float(rewards.cost[at, one]),
                    "cost_unit": rewards.cost_unit,
                    "preferred_over": preferences_cell(against),
                }
            )
    return estimate(Samples.from_rows(rows), votes=(1,))
