"""What a shipped policy chooses on the questions of a table whose outcomes are known."""

from dataclasses import dataclass
from typing import Self

from adaptive_reasoner.errors import PolicyFormatError, UnknownActionError
from adaptive_reasoner.kit.learning.policy_card import digest_of
from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.learned import LearnedPolicy


@dataclass(frozen=True, eq=False)
class Playing(PolicyChoices):
    """What a policy expects of each question of a table, and what it therefore plays.

    Attributes:
        table: The questions, with the policy's actions alone, in its order.
        trained_on: Whether it was trained on this very table, so that its predictions are too good here.
    """

    table: Outcomes
    trained_on: bool

    @classmethod
    def on(cls, policy: LearnedPolicy, outcomes: Outcomes) -> Self:
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
        choices = PolicyChoices.of(policy, table.questions.tolist())
        trained_on = policy.card["data"]["digest"] == digest_of(outcomes)
        return cls(**vars(choices), table=table, trained_on=trained_on)
