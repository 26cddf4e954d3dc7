"""What a policy expects of questions at each price: predictions, as far as they are trusted there."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.learning.cost_response import SPREAD, even_draws
from adaptive_reasoner.policy.mixture import CostCurve, Mixture
from adaptive_reasoner.policy.trust import Trust, toward_mean


@dataclass(frozen=True, eq=False)
class Trusted:
    """Predictions for n questions, as a policy follows them: the same as it does online.

    At a price each question draws a level of trust. At level 0 nothing is left of the predictions, and the
    mixture of fixed actions decides.

    Attributes:
        predicted: Accuracy and cost of the k actions.
        mixture: The fixed actions.
        trust: How far predictions are followed at each mean cost.
        curve: Mean cost against price.
        draws: By which levels are drawn and prices are jittered, in [0, 1), shape (n,).
    """

    predicted: Predictions
    mixture: Mixture
    trust: Trust
    curve: CostCurve
    draws: Floats

    @classmethod
    def of(cls, predicted: Predictions, mixture: Mixture, trust: Trust, curve: CostCurve) -> Self:
        """With draws that fill the range evenly, and costs that are never negative."""
        cost = np.maximum(predicted.cost, 0.0)
        predicted = Predictions(predicted.actions, predicted.accuracy, cost, predicted.cost_unit)
        return cls(predicted, mixture, trust, curve, even_draws(len(cost)))

    def __len__(self) -> int:
        return len(self.draws)

    def only(self, rows: Bools | slice) -> Self:
        """The same of some questions."""
        known = self.predicted
        kept = Predictions(known.actions, known.accuracy[rows], known.cost[rows], known.cost_unit)
        return type(self)(kept, self.mixture, self.trust, self.curve, self.draws[rows])

    def steps(self, prices: Floats) -> Ints:
        """The level of trust of each question at each price, as a position in `Trust.steps`, shape (n, p)."""
        costs = (self.curve.cost_at(float(price)) for price in prices)
        return np.stack([self.trust.draw(cost, self.draws) for cost in costs], axis=1)

    def at_step(self, step: int) -> tuple[Floats, Floats]:
        """Accuracy and cost of every action as they are trusted at a level, shape (n, k) each."""
        known, mean = self.predicted, self.mixture
        if step == 0:
            shape = known.cost.shape
            return np.broadcast_to(mean.accuracy, shape), np.broadcast_to(mean.cost, shape)
        accuracy = self.trust.shrunk(step, known.accuracy, mean.accuracy)
        return accuracy, self.trust.shrunk(step, known.cost, mean.cost)

    def asked(self, prices: Floats) -> Floats:
        """Prices as each question meets them, over the jitter, shape (n, p)."""
        spread: Floats = prices * np.exp(SPREAD * (2 * self.draws - 1))[:, None]
        return spread

    def paid(self, prices: Floats, steps: Ints) -> Floats:
        """The same as each question chooses by them at its level of trust, shape (n, p)."""
        paid = self.asked(prices)
        for step in range(1, len(self.trust.steps) - 1):
            for at, price in enumerate(prices.tolist()):
                drawn = steps[:, at] == step
                if drawn.any() and price > 0:
                    paid[drawn, at] *= self.trust.price_at(step, price, self.curve) / price
        return paid

    def mean_accuracy(self, prices: Floats) -> Floats:
        """Expected accuracy of every action at the mean trust over some prices, shape (n, k)."""
        kept = np.mean([self.trust.at(self.curve.cost_at(float(price))) for price in prices])
        return toward_mean(self.predicted.accuracy, self.mixture.accuracy, float(kept))
