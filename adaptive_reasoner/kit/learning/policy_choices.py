"""What a shipped policy chooses for questions, at its own price and at all others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.learning.encoders import feature_matrix
from adaptive_reasoner.kit.learning.held_out_trust import trusted_shares
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.policy.trust import Trust


@dataclass(frozen=True, eq=False)
class PolicyChoices:
    """What a policy expects of each of n questions, and how likely it takes each of its k actions.

    Attributes:
        policy: The policy.
        predictions: What the policy expects.
        familiar: Whether a question is like those it was trained on, shape (n,); others get the mixture.
    """

    policy: LearnedPolicy
    predictions: Predictions
    familiar: Bools

    @classmethod
    def of(cls, policy: LearnedPolicy, questions: Sequence[str]) -> Self:
        """Ask the policy about every question."""
        accuracy, cost, familiarity = policy.predict(feature_matrix(questions, policy.encoder))
        return cls(
            policy=policy,
            predictions=Predictions(policy.actions, accuracy, cost, policy.cost_unit),
            familiar=familiarity >= float(policy.card["familiarity"]["at_least"]),
        )

    @property
    def ships(self) -> bool:
        """Whether its predictions decide; where the gate found no gain, a mixture does."""
        return bool(self.policy.card["ships"] == "imitator")

    @property
    def trust(self) -> Trust:
        """How far its predictions are followed; in full to show what they would do where they do not ship."""
        return self.policy.trust if self.ships else Trust.full()

    def shares(self, price: float) -> Floats:
        """Probability of each action at a price, by the predictions, shape (n, k)."""
        policy = self.policy
        shares = trusted_shares(self.predictions, self.trust, policy.mixture, policy.curve, price)
        return np.where(self.familiar[:, None], shares, self._mixed(price))

    def shipped(self, price: float | None = None) -> Floats:
        """Probability of each action as the policy really decides, shape (n, k).

        Args:
            price: Accuracy given up per unit of cost; the policy's own when None.
        """
        price = self.policy.price if price is None else price
        return self.shares(price) if self.ships else np.tile(self._mixed(price), (len(self.familiar), 1))

    def _mixed(self, price: float) -> Floats:
        """The mixture of fixed actions that costs what the policy's curve expects at a price, shape (k,)."""
        return self.policy.mixture.shares(self.policy.curve.cost_at(price))
