"""What a policy decides, what every policy can do, and the one that always decides the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from inspect import signature
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, runtime_checkable

from adaptive_reasoner.amounts import given, written
from adaptive_reasoner.errors import BudgetExceededError, InfeasibleAccuracyError, InfeasibleBudgetError
from adaptive_reasoner.models.metering import is_amount
from adaptive_reasoner.pages.tables import field_table
from adaptive_reasoner.policy.expectations import AskedFor

if TYPE_CHECKING:
    from adaptive_reasoner.strategies.look_plans import LookPlan
    from adaptive_reasoner.strategies.optimal_stopping import VoteModel

Reason = Literal["policy", "nothing to compare", "mixture", "budget", "fallback", "explored"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy chose for one question, and what it expects of it.

    Args:
        action: The chosen action, by name.
        expected_cost: What the action is expected to cost, in the policy's unit.
        worst_cost: The most it can cost; infinite without a declared limit.
        expected_accuracy: Expected score in [0, 1]; NaN when unknown.
        price: The price of compute at which the choice was made, in accuracy per unit of cost.
        reason: `"policy"` (predicted for this question), `"nothing to compare"` (replies are expected to be
            free text, so that no vote is begun), `"mixture"` (drawn from a mixture of fixed actions),
            `"budget"` (the preferred action did not fit under `max_cost`), `"fallback"` (the question is
            unlike the training questions, so the mixture was used), or `"explored"` (drawn to learn what
            another action does; see `explore` of the reasoner).
        policy_id: The policy that decided, by the digest of its folder.
        propensity: How likely the action was, over the draws of exploration, given what the policy chose; 1
            without exploration.
        plan: What to do after each sample, where the action is a look; it is no part of the state.
    """

    action: str
    expected_cost: float
    worst_cost: float
    expected_accuracy: float
    price: float
    reason: Reason
    policy_id: str
    propensity: float = 1.0
    plan: "LookPlan | None" = field(default=None, compare=False, repr=False)

    def as_state(self) -> dict[str, str | float]:
        """The decision as a plain dict of strings and floats, fit for graph state.

        A policy may think in numpy; a checkpoint does not.
        """
        values = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "plan"}
        return {
            name: str(value) if isinstance(value, str) else float(value) for name, value in values.items()
        }

    def _repr_html_(self) -> str:
        return field_table(self.as_state(), "Decision")


@runtime_checkable
class Policy(Protocol):
    """Anything that chooses an action for a question at a price of compute."""

    @property
    def actions(self) -> tuple[str, ...]:
        """The names it chooses among."""

    @property
    def cost_unit(self) -> str:
        """The unit of every cost it speaks of."""

    @property
    def price(self) -> float:
        """The price at which the mean cost is expected to be `budget`."""

    @property
    def budget(self) -> float | None:
        """Allowed mean cost per question; None when it was never given one."""

    @property
    def slope(self) -> float | None:
        """`|d mean cost / d log price|` at `price`, which sets a ledger's gain; None if unknown."""

    @property
    def policy_id(self) -> str:
        """What tells this policy from others, for logs and ledgers."""

    def decide(
        self, question: str, *, price: float | None = None, max_cost: float = inf, key: str | None = None
    ) -> Decision:
        """Choose an action for `question`.

        Args:
            question: The text to decide on.
            price: Accuracy given up per unit of cost; the policy's own price when None.
            max_cost: Only actions whose worst cost is at most this may be chosen.
            key: The identity of the question; equal keys draw equally from a mixture. The text when None.

        Raises:
            BudgetExceededError: No action fits under `max_cost`.
        """

    def decide_batch(self, questions: Sequence[str], *, budget: float) -> list[Decision]:
        """Choose for all `questions` at once, so that the mean expected cost is at most `budget`.

        Raises:
            InfeasibleBudgetError: The cheapest actions cost more than `budget`.
        """


@runtime_checkable
class ReachesAccuracy(Protocol):
    """A policy that also decides a batch for a mean accuracy."""

    def decide_batch(self, questions: Sequence[str], *, target_accuracy: float) -> list[Decision]:
        """Choose for all `questions` at once the least cost whose mean expected accuracy reaches a target.

        Raises:
            InfeasibleAccuracyError: The most accurate actions do not reach `target_accuracy`.
        """


@runtime_checkable
class MovesToBudget(Protocol):
    """A policy that knows its price at other budgets."""

    def at(self, *, budget: float) -> Policy:
        """The same policy at another mean cost per question."""


@runtime_checkable
class KnowsCheapest(Protocol):
    """A policy that knows below which mean cost no price takes it."""

    @property
    def cheapest(self) -> float:
        """The mean cost per question of its cheapest choices."""


@runtime_checkable
class HasVoteModel(Protocol):
    """A policy that also knows when votes are best ended."""

    def prospects(self, action: str, expected_accuracy: float) -> "VoteModel | None":
        """What is known of votes of `action`; None if nothing is.

        Args:
            action: The action, by name.
            expected_accuracy: Of the action on the question, as decided.
        """


@runtime_checkable
class Looks(Protocol):
    """A policy that may also decide for a look: a vote that may be left, on the plan of its decision."""

    @property
    def looks(self) -> tuple[str, ...]:
        """The looks it knows, by name. They are no `actions`: whoever runs them makes them of those."""

    def with_looks(self) -> Policy:
        """The same policy, which also decides for looks."""


@runtime_checkable
class DescribesActions(Protocol):
    """A policy that tells of each of its actions what a decision for it would be."""

    def decision_for(self, action: str, *, price: float) -> Decision:
        """The decision for an action of the policy's, with what is expected of it on the mean question.

        Args:
            action: The action, by name.
            price: Of compute.
        """


CallBound = Callable[[str], float]
"""The most that one call of an action, by name, can cost on the question at hand."""


@runtime_checkable
class BoundedByQuestion(Protocol):
    """A policy whose worst costs depend on the question, because its prompt is billed too."""

    def with_worst_case_of(self, call: CallBound) -> Policy:
        """The same policy, for one question.

        Args:
            call: The most that one call of an action, by name, can cost on this question.
        """


@runtime_checkable
class ExpectsReplies(Protocol):
    """A policy that goes by what a reply is expected to offer for comparison, and learns what it did."""

    def expecting(self, asked: AskedFor) -> Self:
        """The same policy, for one reply that is asked for."""

    def learn(self, *, offered: bool) -> None:
        """Take note of whether that reply offered something to compare."""


def never_blocks(part: object) -> bool:
    """Whether a policy or a ledger says, by `non_blocking`, that it answers without computing or waiting."""
    return bool(getattr(part, "non_blocking", False))


def takes_vector(policy: Policy) -> bool:
    """Whether a policy can be given the question's embedding: an argument of `decide` tells."""
    return "vector" in signature(policy.decide).parameters


class FixedPolicy:
    """The same action for every question.

    Args:
        action: The action, by name.
        expected_cost: What it is expected to cost, in `cost_unit`.
        worst_cost: The most it can cost.
        expected_accuracy: Its expected score in [0, 1]; NaN when unknown.
        cost_unit: The unit of both costs.

    Example:
        >>> FixedPolicy("vote_5", expected_cost=40.0).decide("What is 2 + 2?").action
        'vote_5'
    """

    non_blocking = True  # decides without computing anything, so it needs no thread

    def __init__(
        self,
        action: str,
        *,
        expected_cost: float = 0.0,
        worst_cost: float = inf,
        expected_accuracy: float = nan,
        cost_unit: str = "tokens",
    ) -> None:
        if not (is_amount(expected_cost) and is_amount(worst_cost) and expected_cost <= worst_cost):
            raise ValueError(
                f"expected_cost {given(expected_cost)} is not between 0 and worst_cost {given(worst_cost)}"
            )
        self.action, self.cost_unit = action, cost_unit
        self.expected_cost, self.worst_cost = expected_cost, worst_cost
        self.expected_accuracy = expected_accuracy
        self.actions: tuple[str, ...] = (action,)
        self.price = 0.0
        self.budget: float | None = None
        self.slope: float | None = None
        self.policy_id = f"fixed:{action}"

    @property
    def cheapest(self) -> float:
        """What the action is expected to cost."""
        return self.expected_cost

    def __repr__(self) -> str:
        return f"FixedPolicy({self.action!r}, expected_cost={written(self.expected_cost)} {self.cost_unit})"

    def decide(
        self, question: str, *, price: float | None = None, max_cost: float = inf, key: str | None = None
    ) -> Decision:
        """The fixed action; see `Policy.decide`."""
        del question, key  # the same for all
        if self.worst_cost > max_cost:
            raise BudgetExceededError(self.worst_cost, max_cost, self.cost_unit)
        return Decision(
            action=self.action,
            expected_cost=self.expected_cost,
            worst_cost=self.worst_cost,
            expected_accuracy=self.expected_accuracy,
            price=self.price if price is None else price,
            reason="policy",
            policy_id=self.policy_id,
        )

    def decide_batch(
        self,
        questions: Sequence[str],
        *,
        budget: float | None = None,
        target_accuracy: float | None = None,
    ) -> list[Decision]:
        """The fixed action for each; see `Policy.decide_batch`."""
        check_one_aim(budget, target_accuracy)
        if budget is not None and self.expected_cost > budget:
            raise InfeasibleBudgetError(budget, self.expected_cost, self.cost_unit)
        if target_accuracy is not None and isfinite(self.expected_accuracy):
            if self.expected_accuracy < target_accuracy:
                raise InfeasibleAccuracyError(target_accuracy, self.expected_accuracy)
        elif target_accuracy is not None:
            raise ValueError(
                f"the accuracy of {self.action} is not known, so that no target can be promised: "
                "give expected_accuracy"
            )
        return [self.decide(question) for question in questions]


def check_one_aim(budget: float | None, target_accuracy: float | None) -> None:
    """Refuse a batch without an aim, or with two.

    Raises:
        ValueError: Neither is given, or both.
    """
    if (budget is None) == (target_accuracy is None):
        raise ValueError(
            f"give either a budget or a target_accuracy, not budget={given(budget)} and "
            f"target_accuracy={given(target_accuracy)}"
        )


def as_json(decision: Decision) -> dict[str, Any]:
    """A decision as JSON has it, which knows neither NaN nor infinity."""
    return {
        name: None if isinstance(value, float) and not isfinite(value) else value
        for name, value in decision.as_state().items()
    }
