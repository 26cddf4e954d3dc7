"""The policy that may look, on held-out questions: replayed on recorded samples as it would be shipped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from adaptive_reasoner.arrays import Bools, Ints
from adaptive_reasoner.errors import InfeasibleBudgetError
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.backtesting.imitators import Split
from adaptive_reasoner.kit.backtesting.performance import Performance
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.learning.looking import Chooser, FittedLooks, expectations
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.mixture import Mixture


@dataclass(frozen=True, eq=False)
class LookReplay:
    """The samples behind a table, for looks at its questions.

    Attributes:
        samples: Single replies, graded.
        table: The outcomes estimated from them.
        seed: Of the orders of samples.
    """

    samples: Samples
    table: Outcomes
    seed: int = 0

    def plays(
        self, imitator: Imitator, split: Split, fit: Ints, held_out: Ints, budgets: Sequence[float]
    ) -> Iterator[Performance]:
        """What an imitator with looks does on the questions held out, at each budget.

        Where the gate ships the mixture of fixed actions, looks are bought on top of that.

        Args:
            imitator: Fitted on the questions to fit on.
            split: The table, divided.
            fit: Positions of the questions to fit on.
            held_out: Positions of those held out.
            budgets: Mean costs allowed.
        """
        fitted: dict[tuple[str, bool], tuple[Chooser, FittedLooks]] = {}
        for budget in budgets:
            moved = imitator.around(budget)
            mixture = None if moved.gate().ships else moved.mixture_
            kind = moved.learner_, mixture is None
            if kind not in fitted:
                fitted[kind] = self.fitted(moved, mixture, fit)
            yield self.play(moved, mixture, *fitted[kind], split, held_out, budget)[0]

    def fitted(self, imitator: Imitator, mixture: Mixture | None, fit: Ints) -> tuple[Chooser, FittedLooks]:
        """The looks that pay on top of an imitator or, where that decides, of a mixture."""
        table = self.table.only(imitator.columns_)
        chooser = Chooser.of(self.samples, table, mixture=mixture, seed=self.seed)
        expected = expectations(imitator.held_out_, mixture)
        found = chooser.fit(fit, expected, imitator.cross_fit_.fold)
        if not found.looks:  # nothing changes
            found = replace(found, curve=imitator.curve_ if mixture is None else mixture.curve)
        return chooser, found

    def play(
        self,
        imitator: Imitator,
        mixture: Mixture | None,
        chooser: Chooser,
        fitted: FittedLooks,
        split: Split,
        held_out: Ints,
        budget: float,
    ) -> tuple[Performance, Bools]:
        """What a policy with looks does on the questions held out at a budget, and which it looks at."""
        foreseen = imitator.foresee(split.held_out_features)
        predicted = Predictions(imitator.actions_, foreseen.accuracy, foreseen.cost, self.table.cost_unit)
        try:
            price = fitted.curve.price_at(budget)
        except InfeasibleBudgetError:  # in this part even its cheapest choices cost more
            price = float(fitted.curve.price[-1])
        expected = expectations(predicted, mixture)
        played, looked_at = chooser.play(fitted.looks, held_out, expected, np.array([price]))
        accuracy, cost, looked_at = played.accuracy[:, 0], played.cost[:, 0], looked_at[:, 0]
        if mixture is None and foreseen.unlike.any():  # they get the mixture, as online
            shares = foreseen.mixture.shares(foreseen.curve.cost_at(price))
            accuracy, cost = (
                np.where(foreseen.unlike, table[held_out] @ shares, of_policy)
                for table, of_policy in zip(chooser.truth, (accuracy, cost), strict=True)
            )
            looked_at &= ~foreseen.unlike
        return Performance(accuracy, cost), looked_at
