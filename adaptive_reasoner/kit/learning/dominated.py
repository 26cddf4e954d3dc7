"""Finds the actions that cannot matter: mixtures of others beat them, and no question seems to need them."""

from collections.abc import Iterable

import numpy as np

from adaptive_reasoner.arrays import Bools
from adaptive_reasoner.kit.allocation.mixtures import fixed_mixture
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.learning.cost_response import Moves
from adaptive_reasoner.kit.learning.held_out_trust import FEWEST, LEVELS, ROUNDING, shrunk
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import text_index

_PROVED = 2.24  # standard errors by which a mixture is ahead: less than two chances in a hundred
_RARELY = 0.001  # share of the questions to which an action may be the best at some price, by prediction


def dominated_actions(outcomes: Outcomes, predictions: Iterable[Predictions]) -> Bools:
    """Which actions a policy can do without, shape (k,).

    Such an action is less accurate, beyond doubt, than the best mixture of fixed actions of its mean cost,
    and at no price is it the best action for more than one question in a thousand, by any of the predictions
    and as far as these may be trusted.

    Args:
        outcomes: What the actions scored and cost on n questions.
        predictions: Of learners that had not seen the questions, for the same questions.
    """
    if text_index(outcomes.questions).max() + 1 < FEWEST:
        return np.zeros(len(outcomes.actions), dtype=bool)
    kept = np.zeros(len(outcomes.actions), dtype=bool)
    mixture = fixed_mixture(outcomes)
    kept[mixture.vertices] = True
    shares = np.stack([mixture.shares(float(cost)) for cost in mixture.cost], axis=1)
    behind = outcomes.accuracy @ shares - outcomes.accuracy
    error = behind.std(axis=0) / np.sqrt(len(outcomes))
    kept |= behind.mean(axis=0) <= np.maximum(_PROVED * error, ROUNDING)
    for predicted in predictions:
        for level in (*LEVELS, 1.0):
            if kept.all():
                return ~kept
            kept |= Moves.of(shrunk(predicted, outcomes, level)).taken(len(kept)).mean(axis=0) > _RARELY
    return ~kept


def dropped_in_words(dropped: Iterable[str], actions: int) -> str:
    """The actions that are dropped, in a sentence; empty where there are none.

    Args:
        dropped: Their names.
        actions: How many actions the table has.

    Example:
        >>> dropped_in_words(["cot_vote_9"], 4)
        '1 of 4 actions is never worth choosing: cot_vote_9'
    """
    names = list(dropped)
    verb = "is" if len(names) == 1 else "are"
    return (
        f"{len(names)} of {actions} actions {verb} never worth choosing: {', '.join(names)}" if names else ""
    )
