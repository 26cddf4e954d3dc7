"""The policy that may look, on held-out questions: replayed on recorded samples as it would be shipped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from adaptive_reasoner.arrays import Bools, Ints
from adaptive_reasoner.errors import InfeasibleBudgetError
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.backtesting.imitators import Split
from adaptive_reasoner.kit.backtesting.performance import Performance
from adaptive_reasoner.kit.learning.fitted_looks import Chooser, FittedLooks, expectations
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples


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
        fitted: dict[tuple[str, bytes], tuple[Chooser, FittedLooks]] = {}
        for budget in budgets:
            moved = imitator.around(budget)
            learned = moved.gate().ships
            kind = moved.learner_, moved.trust_.share.tobytes() if learned else b""
            if kind not in fitted:
                fitted[kind] = self.fitted(moved, fit, learned=learned)
            yield self.play(moved, *fitted[kind], split, held_out, budget, learned=learned)[0]

    def fitted(self, imitator: Imitator, fit: Ints, *, learned: bool) -> tuple[Chooser, FittedLooks]:
        """The looks that pay on top of an imitator or, where that decides, of a mixture."""
        table, among = self.table.only(imitator.columns_), None if learned else imitator.mixture_.vertices
        chooser = Chooser.of(self.samples, table, among=among, seed=self.seed)
        expected = expectations(imitator, imitator.held_out_, learned=learned)
        found = chooser.fit(fit, expected, imitator.cross_fit_.fold)
        if not found.looks:  # nothing changes
            found = replace(found, curve=expected.curve)
        return chooser, found

    def play(
        self,
        imitator: Imitator,
        chooser: Chooser,
        fitted: FittedLooks,
        split: Split,
        held_out: Ints,
        budget: float,
        *,
        learned: bool,
    ) -> tuple[Performance, Bools]:
        """What a policy with looks does on the questions held out at a budget, and which it looks at."""
        foreseen = imitator.foresee(split.held_out_features)
        predicted = Predictions(imitator.actions_, foreseen.accuracy, foreseen.cost, self.table.cost_unit)
        try:
            price = fitted.curve.price_at(budget)
        except InfeasibleBudgetError:  # in this part even its cheapest choices cost more
            price = float(fitted.curve.price[-1])
        expected = expectations(imitator, predicted, learned=learned)
        played, looked_at = chooser.play(fitted.looks, held_out, expected, np.array([price]))
        accuracy, cost, looked_at = played.accuracy[:, 0], played.cost[:, 0], looked_at[:, 0]
        if learned and foreseen.unlike.any():  # they get the mixture, as online
            shares = foreseen.mixture.shares(foreseen.curve.cost_at(price))
            accuracy, cost = (
                np.where(foreseen.unlike, table[held_out] @ shares, of_policy)
                for table, of_policy in zip(chooser.truth, (accuracy, cost), strict=True)
            )
            looked_at &= ~foreseen.unlike
        return Performance(accuracy, cost), looked_at
