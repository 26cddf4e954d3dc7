"""What a policy would have scored and cost on the questions of a log that another policy answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.off_policy.evidence import EXPLORE, Evidence, Value, flat, gains_of
from adaptive_reasoner.kit.tables.bootstrap import Interval
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.redaction import is_digest


@dataclass(frozen=True)
class OffPolicyValues:
    """The values of several policies on the questions of one log.

    Attributes:
        cost_unit: Of all costs.
        n_questions: Questions that were explored, on which all estimates rest.
        n_graded: Those of them that are graded.
        unlogged: Questions left out because the log does not say what they got, or how likely that was.
        unexplored: Questions left out because they could get one action only.
        rows: The policy, by budget; then the logged one, and each action for all questions.
        against: What the first policy gains over each action, by its name; see `Value.over_logged`.
        unknown: Why an action has no row, by its name.
    """

    cost_unit: str
    n_questions: int
    n_graded: int
    unlogged: int
    unexplored: int
    rows: tuple[Value, ...]
    against: Mapping[str, Mapping[str, Interval]]
    unknown: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            "n_questions": self.n_questions,
            "n_graded": self.n_graded,
            "left_out": {"unlogged": self.unlogged, "unexplored": self.unexplored},
            "cost_unit": self.cost_unit,
            "rows": [row.as_dict() for row in self.rows],
            "policy_over_actions": {name: flat(gains) for name, gains in self.against.items()},
            "unknown": dict(self.unknown),
        }


def off_policy_values(
    log: Decisions, policy: LearnedPolicy, *, budgets: Sequence[float] = (), seed: int = 0
) -> OffPolicyValues:
    """Estimate from a log what a policy would have scored and cost on the same questions.

    The questions are taken as independent draws of the traffic. Those that could get one action only, as
    where nothing was explored, are left out. Accuracy is estimated from the questions that are graded, as if
    these were drawn at random.

    Args:
        log: The decisions, with an explored share of the questions.
        policy: The policy to value; its predictions narrow the intervals.
        budgets: Mean costs per question that set its price; by default its own price.
        seed: Of the folds in which predictions are set right by the log.

    Raises:
        OutcomesError: Too little tells what the policy's choices would have come to; it names the action,
            and how many questions lack it. Or costs are in another unit.
        InfeasibleBudgetError: The policy's cheapest choices cost more than a budget.

    Source:
        Dudik, Langford and Li, "Doubly Robust Policy Evaluation and Learning", arXiv:1103.4601.
    """
    check_argument(log, "Decisions", "off_policy_values")
    check_argument(policy, "LearnedPolicy", "off_policy_values")
    if log.cost_unit != policy.cost_unit:
        raise OutcomesError(f"the log has costs in {log.cost_unit}, the policy in {policy.cost_unit}")
    _check_texts(log)
    priced = [policy.at(budget=budget) for budget in budgets] or [policy]
    actions = (*policy.actions, *(name for name in log.actions if name not in policy.actions))
    choices = PolicyChoices.of(policy, log.questions.tolist())
    beyond = np.zeros((len(log), len(actions) - len(policy.actions)))
    shares = [np.hstack([choices.shipped(each.price), beyond]) for each in priced]
    taken = log.among(actions)
    explored = log.explored
    if not explored.any():
        raise OutcomesError(_no_chance(shares[0], taken, actions))
    known = policy.card.get("report", {}).get("calibration", {}).get("cost_spread", {})
    evidence = Evidence.of(log, choices.predictions, actions, taken, seed, known)
    for each in shares:
        evidence.check(each[explored])
    rows = [
        evidence.value("policy", each[explored], budget=moved.budget, price=moved.price)
        for moved, each in zip(priced, shares, strict=True)
    ]
    fixed, unknown = [], {}
    for at, action in enumerate(actions):
        always = np.zeros((evidence.n, len(actions)))
        always[:, at] = 1.0
        try:
            evidence.check(always)
        except OutcomesError as error:
            unknown[action] = str(error)
        else:
            fixed.append(evidence.value(action, always))
    against = {row.policy: gains_of(rows[0], row) for row in fixed}
    return OffPolicyValues(
        cost_unit=log.cost_unit,
        n_questions=evidence.n,
        n_graded=int(evidence.graded.sum()),
        unlogged=int((~np.isfinite(log.propensity)).sum()),
        unexplored=int((log.propensity == 1).sum()),
        rows=(*rows, evidence.logged(), *fixed),
        against=against,
        unknown=unknown,
    )


def _no_chance(shares: Floats, taken: Ints, actions: tuple[str, ...]) -> str:
    """Why a log without exploration tells nothing of a policy."""
    others = shares * (np.arange(len(actions)) != taken[:, None])
    at = int(others.sum(axis=0).argmax())
    return (
        f"{actions[at]!r} would be chosen on {others[:, at].sum():.0f} of {len(shares)} questions that got "
        f"another action, or whose action the log does not name; none was explored: {EXPLORE}"
    )


def _check_texts(log: Decisions) -> None:
    digests = sum(map(is_digest, log.questions))
    if digests > len(log) / 2:
        raise OutcomesError(
            f"{digests} of {len(log)} questions of the log are digests, of which no policy can decide: keep "
            "their texts (`SampleLog(path)`, without texts=False)"
        )
