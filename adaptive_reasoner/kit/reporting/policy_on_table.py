"""A shipped policy at play on a table: what it chooses, at its own price and along all others."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats
from adaptive_reasoner.errors import PolicyFormatError, UnknownActionError
from adaptive_reasoner.kit.learning.cost_response import Moves
from adaptive_reasoner.kit.learning.crossfit import Predictions
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
        table = with_actions(outcomes, policy.actions)
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
        played = np.stack(
            [
                moves.chosen(np.tile(np.eye(actions)[action], (len(self.table), 1)), price)
                for action in range(actions)
            ],
            axis=1,
        )
        as_dear = self.policy.mixture.shares(self.policy.curve.cost_at(price))
        return np.where(self.familiar[:, None], played, as_dear)

    def shipped(self) -> Floats:
        """Probability of each action at the policy's own price, as the policy really decides."""
        if self.ships:
            return self.shares(self.policy.price)
        mixed = self.policy.mixture.shares(self.policy.curve.cost_at(self.policy.price))
        return np.tile(mixed, (len(self.table), 1))


def with_actions(outcomes: Outcomes, actions: tuple[str, ...]) -> Outcomes:
    """The same questions with some of the actions, in the order asked for."""
    if actions == outcomes.actions:
        return outcomes
    at = [outcomes.actions.index(action) for action in actions]
    halves = outcomes.halves
    return replace(
        outcomes,
        actions=actions,
        accuracy=outcomes.accuracy[:, at],
        cost=outcomes.cost[:, at],
        samples=outcomes.samples[:, at],
        halves=None
        if halves is None
        else replace(halves, **{name: cells[:, at] for name, cells in vars(halves).items()}),
    )
