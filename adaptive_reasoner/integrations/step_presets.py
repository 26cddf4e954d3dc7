"""Ways to spend on the steps of an agent that need no training."""

from collections.abc import Collection
from dataclasses import replace
from math import inf
from typing import Any, get_args

from adaptive_reasoner.integrations.agent_step import AgentStep, Phase
from adaptive_reasoner.policy.base import CallBound, Decision, FixedPolicy, Policy
from adaptive_reasoner.strategies.flow import check_samples
from adaptive_reasoner.strategies.voting import self_consistency, single_pass

TURNS: tuple[Phase, ...] = ("plan", "after_failure", "final")
"""The phases in which a step decides more than a routine one, as the preset takes it."""


class VotePolicy(FixedPolicy):
    """A vote of so many samples, or one pass where a vote does not fit.

    Args:
        samples: The samples of the vote; 1 for one pass always.
        cost_unit: The unit of costs.

    Example:
        >>> policy = VotePolicy(3).with_worst_case_of(lambda action: 100.0)
        >>> policy.decide("Why?").action, policy.decide("Why?", max_cost=299.0).action
        ('vote_3', 'single_pass')
    """

    def __init__(self, samples: int, *, cost_unit: str = "tokens", call: float = inf) -> None:
        check_samples(samples)
        self.samples = samples
        action = "single_pass" if samples == 1 else f"vote_{samples}"
        known = 0.0 if call == inf else samples * call
        super().__init__(action, expected_cost=known, worst_cost=samples * call, cost_unit=cost_unit)
        self.actions = tuple(dict.fromkeys((action, "single_pass")))
        self._call = call

    def with_worst_case_of(self, call: CallBound) -> "VotePolicy":
        """The same policy, whose worst case is that of calls on one very conversation."""
        return VotePolicy(self.samples, cost_unit=self.cost_unit, call=call("single_pass"))

    def decide(
        self, question: str, *, price: float | None = None, max_cost: float = inf, key: str | None = None
    ) -> Decision:
        """The vote, or one pass where that could cost more than `max_cost`; see `Policy.decide`."""
        if self.worst_cost <= max_cost or self.samples == 1:
            return super().decide(question, price=price, max_cost=max_cost, key=key)
        once = VotePolicy(1, cost_unit=self.cost_unit, call=self._call)
        return replace(once.decide(question, price=price, max_cost=max_cost, key=key), reason="budget")


def think_at_turns(
    samples: int = 5, *, phases: Collection[Phase] = TURNS, cost_unit: str = "tokens"
) -> dict[str, Any]:
    """Arguments of the middleware that vote at the plan, after failures and at the end, and else pass once.

    It needs no training, and does not keep an average by itself: the ledger counts, and `run_budget` limits.

    Args:
        samples: The samples of a vote.
        phases: The phases that get one.
        cost_unit: The unit of the ledger, `"usd"` with `meter="usd"`.

    Raises:
        ValueError: `samples` is no number of samples, or there is no such phase.

    Example:
        >>> from adaptive_reasoner import AdaptiveComputeMiddleware
        >>> budgeted = AdaptiveComputeMiddleware(**think_at_turns(3), run_budget=50_000.0)
        >>> sorted(budgeted.reasoner.actions)
        ['single_pass', 'vote_3']
    """
    if unknown := sorted(set(phases) - set(get_args(Phase))):
        raise ValueError(f"there is no phase {unknown[0]!r}; known are {', '.join(get_args(Phase))}")
    vote, once = VotePolicy(samples, cost_unit=cost_unit), VotePolicy(1, cost_unit=cost_unit)

    def policy(step: AgentStep) -> Policy:
        return vote if step.phase in phases else once

    actions = {"single_pass": single_pass(), vote.action: self_consistency(samples)}
    return {"policy": policy, "actions": actions}
