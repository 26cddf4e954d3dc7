"""Samples of generated free text, compared by a stub judge of known accuracy and bias."""

import numpy as np

from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.preferences import preferences_cell

QUALITY = {
    "cheap": (0.7, 0.2),
    "strong": (0.75, 0.9),
}  # how often a reply is good, on easy and on hard questions
COST = {"cheap": 1.0, "strong": 20.0}


def compared(questions=200, *, accuracy=0.9, first=0.0, long=0.0, labelled=(), both=True, seed=0):
    """Poems of two sources, each pair compared by a judge.

    Args:
        questions: How many; easy and hard ones in turn.
        accuracy: How often the judge sees which of two replies is better.
        first: How often it takes the first one, whatever it sees.
        long: How often it takes the longer one, whatever it sees; half of the replies are long.
        labelled: Positions of the questions whose replies a person has graded.
        both: Whether pairs are shown in both orders; otherwise in one at random.
        seed: Of everything.
    """
    rng, rows = np.random.default_rng(seed), []
    for number in range(questions):
        good = {name: float(rng.random() < chances[number % 2]) for name, chances in QUALITY.items()}
        tokens = {name: int(rng.choice([20, 200])) for name in QUALITY}
        shown_first = rng.choice(list(QUALITY))
        for name, (other,) in (("cheap", ("strong",)), ("strong", ("cheap",))):
            better = 0.5 + (good[name] - good[other]) / 2
            sees = better if rng.random() < accuracy else 1 - better
            luck = rng.random()
            if luck < first:
                sees = 1.0
            elif luck < first + long:
                sees = 0.5 + np.sign(tokens[name] - tokens[other]) / 2
            known = number in labelled
            asked = both or name == shown_first
            rows.append(
                {
                    "question_id": f"q{number:03}",
                    "question": f"a {'sonnet' if number % 2 else 'rhyme'} of {number}",
                    "source": name,
                    "sample": 0,
                    "answer": f"{name} poem {number}",
                    "gold": "a good poem" if known else None,
                    "correct": good[name] if known else None,
                    "cost": COST[name],
                    "cost_unit": "tokens",
                    "completion_tokens": tokens[name],
                    "preferred_over": preferences_cell({(other, 0): float(sees)}) if asked else None,
                    "judged_by": "judge referee 12ab",
                    "grading_cost": 2.0 * asked,
                }
            )
    return Samples.from_rows(rows)
