"""What a shipped policy chooses on the questions of a table, at its own price and at all others."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats
from adaptive_reasoner.errors import PolicyFormatError, UnknownActionError
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.learning.encoders import feature_matrix
from adaptive_reasoner.kit.learning.held_out_trust import trusted_shares
from adaptive_reasoner.kit.learning.policy_card import digest_of
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.policy.trust import Trust


@dataclass(frozen=True, eq=False)
class Playing:
    """What a policy expects of each question of a table, and what it therefore plays.

    Attributes:
        policy: The policy.
        table: The questions, with the policy's actions alone, in its order.
        predictions: What the policy expects.
        familiar: Whether a question is like those it was trained on, shape (n,); others get the mixture.
        trained_on: Whether it was trained on this very table, so that its predictions are too good here.
    """

    policy: LearnedPolicy
    table: Outcomes
    predictions: Predictions
    familiar: Bools
    trained_on: bool

    @classmethod
    def of(cls, policy: LearnedPolicy, outcomes: Outcomes) -> Self:
        """Ask the policy about every question of a table.

        Raises:
            UnknownActionError: It chooses among other actions than the table has.
            PolicyFormatError: Its card does not say what it was trained on, or how well it did there.
        """
        for name in ("data", "report"):
            if name not in policy.card:
                raise PolicyFormatError(f"{policy.folder}: {name} is missing in policy.json; train again")
        missing = set(policy.actions) - set(outcomes.actions)
        if missing:
            raise UnknownActionError(min(missing), outcomes.actions)
        table = outcomes.only([outcomes.actions.index(action) for action in policy.actions])
        features = feature_matrix(table.questions.tolist(), policy.encoder)
        accuracy, cost, familiarity = policy.predict(features)
        return cls(
            policy=policy,
            table=table,
            predictions=Predictions(policy.actions, accuracy, cost, policy.cost_unit),
            familiar=familiarity >= float(policy.card["familiarity"]["at_least"]),
            trained_on=policy.card["data"]["digest"] == digest_of(outcomes),
        )

    @property
    def ships(self) -> bool:
        """Whether its predictions decide; where the gate found no gain, a mixture does."""
        return bool(self.policy.card["ships"] == "imitator")

    def shares(self, price: float) -> Floats:
        """Probability of each action at a price, by the predictions, shape (n, k)."""
        policy = self.policy
        shares = trusted_shares(self.predictions, self.trust, policy.mixture, policy.curve, price)
        return np.where(self.familiar[:, None], shares, self._mixed(price))

    @property
    def trust(self) -> Trust:
        """How far its predictions are followed; in full to show what they would do where they do not ship."""
        return self.policy.trust if self.ships else Trust.full()

    def shipped(self) -> Floats:
        """Probability of each action at the policy's own price, as the policy really decides."""
        if self.ships:
            return self.shares(self.policy.price)
        return np.tile(self._mixed(self.policy.price), (len(self.table), 1))

    def _mixed(self, price: float) -> Floats:
        """The mixture of fixed actions that costs what the policy's curve expects at a price, shape (k,)."""
        return self.policy.mixture.shares(self.policy.curve.cost_at(price))
