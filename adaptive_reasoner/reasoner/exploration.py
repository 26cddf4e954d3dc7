"""Exploration: a share of the questions takes a drawn action, so that logs tell what each action does."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from adaptive_reasoner.models.metering import is_amount
from adaptive_reasoner.policy.base import Decision
from adaptive_reasoner.policy.draws import uniform_from_key

MOST = 0.5


@dataclass(frozen=True)
class Exploration:
    """Draws the action of a share of the questions uniformly among those that are admissible.

    The draws go by the key of the question: the same question, asked again after a crash, takes the same
    action. Each action has a rank of its own in the draw of a question, and the first admissible one is
    taken, so that the draw stays uniform where an action turns out not to fit.

    Args:
        share: Of the questions, from 0 (none) to 0.5.

    Raises:
        ValueError: The share is no such number.
    """

    share: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.share, bool) or not (is_amount(self.share) and self.share <= MOST):
            raise ValueError(f"explore is a share of the questions from 0 to {MOST:g}, not {self.share!r}")

    @classmethod
    def of(cls, explore: float | None) -> "Exploration":
        """The exploration that a user asks for; None asks for none."""
        return NONE if explore is None else cls(explore)

    def decide(self, own: Decision, others: Iterable[Decision], *, key: str) -> Decision:
        """The decision for a question, with the probability that its action had.

        Args:
            own: What the policy chose.
            others: The decisions for the other admissible actions.
            key: The identity of the question.

        Example:
            >>> vote = Decision("vote_5", 40.0, 90.0, 0.8, 0.0, "policy", "p")
            >>> other = replace(vote, action="single_pass", reason="explored")
            >>> drawn = [Exploration(0.5).decide(vote, [other], key=str(key)) for key in range(1000)]
            >>> sum(decision.reason == "explored" for decision in drawn) in range(200, 300)
            True
            >>> sorted({decision.propensity for decision in drawn})
            [0.25, 0.75]
        """
        if not self.share:
            return own
        admissible = [own, *others]
        each = self.share / len(admissible)
        chosen = own
        if uniform_from_key(key, draw="explore") < self.share:
            chosen = min(admissible, key=lambda one: uniform_from_key(f"{key}\x1f{one.action}", draw="rank"))
        return replace(chosen, propensity=each + (1.0 - self.share if chosen is own else 0.0))


NONE = Exploration()
"""The policy decides all questions."""
