"""Policies that delegate each decision to a version, which may change between two questions."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, Self, cast, runtime_checkable

from adaptive_reasoner.policy.alarm import KeepsAlarms
from adaptive_reasoner.policy.base import (
    Decision,
    Looks,
    Policy,
    ReachesAccuracy,
    check_one_aim,
    never_blocks,
)
from adaptive_reasoner.strategies.flow import Answer, may_vote

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class VersionedPolicy(ABC):
    """A policy that has a version of itself decide each question, wholly."""

    @property
    @abstractmethod
    def version(self) -> Policy:
        """The policy that decides now, by itself: it chooses no looks."""

    @abstractmethod
    def version_for(self, actions: Collection[str]) -> Policy:
        """The policy that decides a question, for a caller that runs its actions and its looks.

        Args:
            actions: The actions, by name, that can be run.

        Raises:
            UnknownActionError: Every version can choose another action.
        """

    @property
    def actions(self) -> tuple[str, ...]:
        """The names it chooses among."""
        return self.version.actions

    @property
    def cost_unit(self) -> str:
        """The unit of every cost it speaks of."""
        return self.version.cost_unit

    @property
    def counts(self) -> str | None:
        """Which tokens its costs count, where it says so."""
        return getattr(self.version, "counts", None)

    @property
    def price(self) -> float:
        """The price at which the mean cost is expected to be `budget`."""
        return self.version.price

    @property
    def budget(self) -> float | None:
        """Allowed mean cost per question; None when it was never given one."""
        return self.version.budget

    @property
    def slope(self) -> float | None:
        """`|d mean cost / d log price|` at `price`; None if unknown."""
        return self.version.slope

    @property
    def policy_id(self) -> str:
        """That of the version."""
        return self.version.policy_id

    @property
    def non_blocking(self) -> bool:
        """Whether it decides without computing anything."""
        return never_blocks(self.version)

    def decide(
        self,
        question: str,
        *,
        price: float | None = None,
        max_cost: float = inf,
        key: str | None = None,
        vector: "ArrayLike | None" = None,
    ) -> Decision:
        """Choose an action for `question`; see `Policy.decide`."""
        known: Mapping[str, Any] = {} if vector is None else {"vector": vector}
        return self.version.decide(question, price=price, max_cost=max_cost, key=key, **known)

    def decide_batch(
        self,
        questions: Sequence[str],
        *,
        budget: float | None = None,
        target_accuracy: float | None = None,
    ) -> list[Decision]:
        """Choose for all `questions` at once; see `Policy.decide_batch` and `ReachesAccuracy`."""
        check_one_aim(budget, target_accuracy)
        if budget is not None:
            return self.version.decide_batch(questions, budget=budget)
        return cast("ReachesAccuracy", self.version).decide_batch(
            questions, target_accuracy=target_accuracy or 0.0
        )


def version_of(policy: Policy, actions: Collection[str] | None = None) -> Policy:
    """The policy that decides in place of `policy`: itself, where it has no versions.

    Args:
        policy: Any policy.
        actions: The actions that can be run, by a caller that also runs its looks; None asks for no looks.
    """
    if not isinstance(policy, VersionedPolicy):
        return policy
    return policy.version if actions is None else policy.version_for(actions)


def with_its_looks(policy: Policy) -> Policy:
    """The policy, which also decides for looks where it knows any."""
    return policy.with_looks() if isinstance(policy, Looks) and policy.looks else policy


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a decision.

    Attributes:
        decision: The decision.
        question: The question in the ledger's sense: `run_id` of its record, by which it is graded.
        cost: What its calls cost.
        agreement: Share of the samples that gave the answer; None where there was no vote.
        comparable: Whether the answer offers something to compare; None where it has neither text nor value.
        ledger: The ledger it was charged to, if that keeps alarms and grades.
    """

    decision: Decision
    question: str
    cost: float
    agreement: float | None = None
    comparable: bool | None = None
    ledger: KeepsAlarms | None = None

    @classmethod
    def of(
        cls,
        decision: Decision,
        answer: Answer,
        *,
        question: str,
        cost: float,
        ledger: KeepsAlarms | None = None,
    ) -> Self:
        """The outcome of a decision that came to an answer."""
        voted = sum(answer.votes.values()) > 1
        return cls(
            decision=decision,
            question=question,
            cost=cost,
            agreement=float(answer.agreement) if voted else None,
            comparable=comparable(answer),
            ledger=ledger,
        )


def comparable(answer: Answer) -> bool | None:
    """Whether an answer offers something to compare; None where it has neither a value nor a text."""
    if answer.value is not None:
        return True
    return False if may_vote(answer.message) and answer.message.text.strip() else None


@runtime_checkable
class HearsOutcomes(Protocol):
    """A policy that receives the outcome of each of its decisions."""

    def hear(self, outcome: Outcome) -> Sequence[Mapping[str, Any]]:
        """Take note of an outcome.

        Returns:
            Events to send, as plain dicts.
        """


@runtime_checkable
class HasMixture(Protocol):
    """A policy that knows the best mixture of fixed actions."""

    def by_mixture(self) -> Policy:
        """The same policy, where the mixture decides every question."""
