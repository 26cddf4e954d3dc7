"""The verdicts of a backtest: whether what was tested should ship, at each budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.backtesting.lift import Gain, measure
from adaptive_reasoner.kit.backtesting.performance import Key
from adaptive_reasoner.kit.backtesting.split_runner import PlayedSplit, SplitRunner
from adaptive_reasoner.kit.learning.gate import Answer, answer_to, detectable_lift
from adaptive_reasoner.kit.outcomes import Outcomes

_MOSTLY = 0.5  # mean trust over the splits, below which a budget counts as not shipped


@dataclass(frozen=True, eq=False)
class TestedPolicies:
    """What all splits together show of the policies.

    Attributes:
        judged: The questions, as policies are judged.
        gains: What each policy gains at each budget.
        trust: How far the imitator is followed at each budget, on average over the splits.
        labels: Questions with right answers, where some have only estimates; else None.
    """

    judged: Outcomes
    gains: Mapping[Key, Gain]
    trust: Mapping[float, float]
    labels: int | None

    @classmethod
    def of(cls, runner: SplitRunner, played: Sequence[PlayedSplit], *, draws: int) -> Self:
        """Measure what was played."""
        trials = [each.result for each in played]
        if runner.groups is not None:
            parts = [part for each in played for part in each.unseen]
            unseen = runner.groups.joined(parts, runner.budgets)
            trials += [] if unseen is None else [unseen]
        estimated = runner.table.estimated
        return cls(
            judged=runner.judged,
            gains=measure(runner.judged, trials, draws=draws, seed=runner.seed),
            trust={
                budget: float(np.mean([each.result.trust[budget] for each in played]))
                for budget in runner.budgets
            },
            labels=None if estimated is None else int(estimated.at_random.sum()),
        )

    def lifts(self, policy: str, budgets: Sequence[float]) -> Floats:
        """Mean over the budgets of a policy's lift, then of its bootstrap draws, which all policies share."""
        return np.asarray(np.mean([self.gains[policy, budget].lifts for budget in budgets], axis=0))

    def verdict(self, budget: float) -> Answer:
        """On what ships at a budget."""
        ungated, trust = self.gains["imitator_ungated", budget], self.trust[budget]
        trust = trust if trust >= _MOSTLY else 0.0
        detectable = detectable_lift(ungated.lifts[1:], np.array([ungated.realised_cost]), self.judged)
        lift = (self.gains["imitator", budget] if trust else ungated).lift
        by_labels = None if self.labels is None else lift  # the labels judge, estimates do not help
        return answer_to(
            (trust, trust), lift, detectable, self.judged, labels=self.labels, estimated=by_labels
        )
