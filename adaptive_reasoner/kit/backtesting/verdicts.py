"""The verdict of a backtest: whether what was tested should ship, at all budgets and at each."""

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
from adaptive_reasoner.kit.tables.bootstrap import Interval

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

    def verdict(self, *budgets: float) -> Answer:
        """On what ships at some of the budgets."""
        ungated = self.lifts("imitator_ungated", budgets)
        costs = np.array([self.gains["imitator_ungated", budget].realised_cost for budget in budgets])
        trusted = [self.trust[budget] if self.trust[budget] >= _MOSTLY else 0.0 for budget in budgets]
        detectable = detectable_lift(ungated[1:], costs, self.judged)
        lift = Interval.of(self.lifts("imitator", budgets) if any(trusted) else ungated)
        by_labels = None if self.labels is None else lift  # the labels judge, estimates do not help
        trust_of_all = min(trusted), max(trusted)
        return answer_to(trust_of_all, lift, detectable, self.judged, labels=self.labels, estimated=by_labels)
