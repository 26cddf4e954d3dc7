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
from adaptive_reasoner.policy.trust import Trust
from adaptive_reasoner.policy.vote_tables import source_of


@dataclass(frozen=True, eq=False)
class PredictedOutcomes:
    """The predictions of an imitator for m questions.

    Attributes:
        accuracy: Expected accuracy of every action, shape (m, k).
        cost: Expected cost of every action, shape (m, k).
        unlike: Whether a question is unlike all training questions, shape (m,).
        draws: By which prices are jittered, mixtures and levels of trust drawn, in [0, 1), shape (m,).
        curve: Mean cost against price, as fitted in training.
        mixture: What unlike and untrusted questions get, at the cost that the curve expects.
        trust: How far predictions are followed.
        columns: Positions of the k actions among those of the table, shape (k,).
        width: How many actions the table has.
    """

    accuracy: Floats
    cost: Floats
    unlike: Bools
    draws: Floats
    curve: CostCurve
    mixture: Mixture
    trust: Trust
    columns: Ints
    width: int

    def choose(self, price: float) -> Ints:
        """The position of the action to take for each question, in the table, shape (m,)."""
        expected = self.curve.cost_at(price)
        drawn = np.where(self.unlike, 0, self.trust.draw(expected, self.draws))
        chosen = np.zeros(len(drawn), dtype=np.intp)
        for row in np.flatnonzero(drawn == 0):
            chosen[row] = self.mixture.choose_for(expected, float(self.draws[row]))
        for step in range(1, len(self.trust.steps)):
            rows = drawn == step
            if rows.any():
                chosen[rows] = self._followed(step, price, rows)
        return self.columns[chosen]

    def followed(self, price: float) -> Floats:
        """Probability of each action of the table by the predictions; the mixture's share is missing."""
        weights = self.trust.weights(self.curve.cost_at(price))
        followed = np.zeros((len(self.accuracy), self.width))
        rows = np.flatnonzero(~self.unlike)
        for step, weight in enumerate(weights):
            if step and weight:
                followed[rows, self.columns[self._followed(step, price, rows)]] += weight
        return followed

    def shares(self, price: float) -> Floats:
        """Probability of each action of the table over the draws of trust and mixture, shape (m, width)."""
        followed, mixed = self.followed(price), np.zeros(self.width)
        mixed[self.columns] = self.mixture.shares(self.curve.cost_at(price))
        shares: Floats = followed + (1 - followed.sum(axis=1, keepdims=True)) * mixed
        return shares

    def _followed(self, step: int, price: float, rows: Bools | Ints) -> Ints:
        """What some of the questions get at a level of trust."""
        accuracy = self.trust.shrunk(step, self.accuracy[rows], self.mixture.accuracy)
        cost = self.trust.shrunk(step, self.cost[rows], self.mixture.cost)
        jitter = np.exp(SPREAD * (2 * self.draws[rows] - 1))[:, None]
        return best_at(accuracy, cost * jitter, self.trust.price_at(step, price, self.curve))


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
