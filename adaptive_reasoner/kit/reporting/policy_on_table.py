"""What a shipped policy chooses on the questions of a table, at its own price and at all others."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats
from adaptive_reasoner.errors import PolicyFormatError, UnknownActionError
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.learning.cost_response import Moves
from adaptive_reasoner.kit.learning.encoders import feature_matrix
from adaptive_reasoner.kit.learning.policy_card import digest_of
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.learned import LearnedPolicy


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
        moves, actions = Moves.of(self.predictions), len(self.table.actions)
        chosen = [moves.chosen(np.tile(each, (len(self.table), 1)), price) for each in np.eye(actions)]
        return np.where(self.familiar[:, None], np.stack(chosen, axis=1), self._mixed(price))

    def shipped(self) -> Floats:
        """Probability of each action at the policy's own price, as the policy really decides."""
        if self.ships:
            return self.shares(self.policy.price)
        return np.tile(self._mixed(self.policy.price), (len(self.table), 1))

    def _mixed(self, price: float) -> Floats:
        """The mixture of fixed actions that costs what the policy's curve expects at a price, shape (k,)."""
        return self.policy.mixture.shares(self.policy.curve.cost_at(price))
