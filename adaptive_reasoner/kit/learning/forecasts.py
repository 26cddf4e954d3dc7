"""The accuracy and cost that an imitator expects of questions, and its choices at any price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.allocation.concave_hull import best_at
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.learning.cost_response import SPREAD
from adaptive_reasoner.policy.mixture import CostCurve, Mixture
from adaptive_reasoner.policy.vote_tables import source_of


@dataclass(frozen=True, eq=False)
class PredictedOutcomes:
    """The predictions of an imitator for m questions.

    Attributes:
        accuracy: Expected accuracy of every action, shape (m, k).
        cost: Expected cost of every action, shape (m, k).
        unlike: Whether a question is unlike all training questions, shape (m,).
        draws: By which prices are jittered and mixtures drawn, in [0, 1), shape (m,).
        curve: Mean cost against price, as fitted in training.
        mixture: What unlike questions get, at the cost that the curve expects.
    """

    accuracy: Floats
    cost: Floats
    unlike: Bools
    draws: Floats
    curve: CostCurve
    mixture: Mixture

    def choose(self, price: float) -> Ints:
        """The position of the action to take for each question, shape (m,)."""
        jitter = np.exp(SPREAD * (2 * self.draws - 1))[:, None]
        chosen = best_at(self.accuracy, self.cost * jitter, price)
        expected = self.curve.cost_at(price)
        for row in np.flatnonzero(self.unlike):
            chosen[row] = self.mixture.choose_for(expected, float(self.draws[row]))
        return chosen


def beyond_mean(
    expected: Predictions,
    mean: Mixture,
    *,
    source: str,
    sources: Sequence[str],
    menu: Mapping[str, Any],
) -> Floats:
    """Accuracy that is expected of each question beyond the mean one's, where `source` is sampled.

    Args:
        expected: Of m questions.
        mean: Of all questions.
        source: Whose actions count; all alike.
        sources: All there are.
        menu: The menu of the actions, for names that do not tell their source.

    Returns:
        Shape (m,); 0 where no action samples the source.
    """
    named = dict.fromkeys(sources)
    own = [source_of(action, menu, named) == source for action in expected.actions]
    if not any(own):
        return np.zeros(len(expected.accuracy))
    beyond: Floats = (expected.accuracy - mean.accuracy)[:, own].mean(axis=1)
    return beyond
