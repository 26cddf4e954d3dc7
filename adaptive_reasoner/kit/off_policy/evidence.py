"""Evidence for the value of a policy: the explored questions of a log, and the limits of what they show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.learning.crossfit import folds_of
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.off_policy.estimators import Added, Weighted, interval_of_mean
from adaptive_reasoner.kit.off_policy.log_predictions import recalibrated
from adaptive_reasoner.kit.tables.bootstrap import Interval

EXPLORE = "explore=0.02 on the node or middleware that keeps the log gives every action a chance"
"""The way out where a log cannot tell."""

LOGGED = "logged"
"""The name of the policy, or of the policies, that made the decisions of a log."""

_FEWEST = 20.0  # effective decisions below which no interval can be relied on
_CLEARLY = 4.0  # standard errors by which weights miss what they stand for
_MEASURES = ("accuracy", "cost")


@dataclass(frozen=True)
class Value:
    """The mean accuracy and cost of one policy on the questions of a log, with 95% intervals.

    Attributes:
        policy: `"policy"`, `"logged"` or the name of an action that every question gets.
        budget: The mean cost that its price is set for, where it was asked for.
        price: The price at which it decides; None of other policies.
        accuracy, cost: Doubly robust estimates; of the logged policy what was realised.
        over_logged: The same less what the logged policy reached, by `"accuracy"` and `"cost"`.
        inverse_propensity: Estimates that use no predictions, likewise.
        self_normalised: The same, with weights that add up to the number of questions.
        effective_size: How many decisions of equal weight would tell as much.
        actions: The mean share of each action.
    """

    policy: str
    budget: float | None
    price: float | None
    accuracy: Interval
    cost: Interval
    over_logged: Mapping[str, Interval]
    inverse_propensity: Mapping[str, Interval]
    self_normalised: Mapping[str, Interval]
    effective_size: float
    actions: Mapping[str, float]
    added: Mapping[str, Added] = field(repr=False, compare=False, default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        both = {"accuracy": self.accuracy, "cost": self.cost}
        compared = {f"{name}_over_logged": each for name, each in self.over_logged.items()}
        others = {
            how: flat(each)
            for how, each in (
                ("inverse_propensity", self.inverse_propensity),
                ("self_normalised", self.self_normalised),
            )
        }
        return {
            "policy": self.policy,
            "budget": self.budget,
            "price": self.price,
            **flat(both),
            **flat(compared),
            "effective_sample_size": self.effective_size,
            "actions": dict(self.actions),
            **others,
        }


@dataclass(frozen=True, eq=False)
class Evidence:
    """The explored questions of a log, and what is expected of each action on them.

    Attributes:
        actions: All that are known, k of them.
        weighted: What was taken, by the policy that took it; `under` weighs it for another one.
        values: Score and cost of what was taken, by `"accuracy"` and `"cost"`; NaN where not graded, (n,).
        expected: Of every action, by models that have not seen the question, shape (n, k).
        graded: Which questions tell accuracy, shape (n,).
        spread: Expected square of what each value misses its prediction by, likewise; NaN where not known.
    """

    actions: tuple[str, ...]
    weighted: Weighted
    values: Mapping[str, Floats]
    expected: Mapping[str, Floats]
    graded: Bools
    spread: Mapping[str, Floats]

    @classmethod
    def of(
        cls,
        log: Decisions,
        predictions: Predictions,
        actions: tuple[str, ...],
        taken: Ints,
        seed: int,
        cost_spread: Mapping[str, float] | None = None,
    ) -> Self:
        """The explored questions of a log.

        Args:
            log: The decisions.
            predictions: Of accuracy and cost, for the first of the actions.
            actions: All that are known, by name.
            taken: Position in `actions` of what each question got, -1 where that is not known.
            seed: Of the folds in which predictions are set right.
            cost_spread: By action, how far costs lie from predictions: the mean square of the difference over
                that of the prediction, where it is known.

        Raises:
            OutcomesError: None of the explored questions is graded.
        """
        explored = log.explored
        taken, chance = taken[explored], log.propensity[explored]
        graded = log.graded[explored]
        if not graded.any():
            raise OutcomesError(
                f"none of {len(taken)} explored questions of the log is graded: give right answers by "
                "`adaptive-reasoner regrade` or `adaptive-reasoner label`"
            )
        values = {"accuracy": np.where(graded, log.score[explored], np.nan), "cost": log.cost[explored]}
        fold = folds_of(log.questions[explored], seed)
        expected = {}
        for name, known in (("accuracy", predictions.accuracy), ("cost", predictions.cost)):
            observed = values[name]
            mean = float(np.nanmean(observed))
            predicted = np.full((len(taken), len(actions)), mean)
            predicted[:, : known.shape[1]] = known[explored]
            expected[name] = recalibrated(predicted, observed, taken, chance, fold=fold)
        took = np.eye(len(actions))[taken]
        spread = _spread(values, expected, taken, [(cost_spread or {}).get(each, np.nan) for each in actions])
        return cls(actions, Weighted(took, taken, chance), values, expected, graded, spread)

    @property
    def n(self) -> int:
        """The number of questions."""
        return len(self.weighted.taken)

    def rows_of(self, measure: str) -> Bools:
        """The questions of which this measure is known."""
        return self.graded if measure == "accuracy" else np.ones(self.n, dtype=bool)

    def under(self, shares: Floats, rows: Bools) -> Weighted:
        """Some of the questions, weighted for a policy that takes actions with these probabilities."""
        return Weighted(shares[rows], self.weighted.taken[rows], self.weighted.propensity[rows])

    def check(self, shares: Floats) -> None:
        """Refuse shares that the decisions cannot tell of.

        Raises:
            OutcomesError: It names the action, and the number of questions.
        """
        for rows, what in ((np.ones(self.n, dtype=bool), "questions"), (self.graded, "graded questions")):
            weighted = self.under(shares, rows)
            for at in np.flatnonzero(weighted.shares.sum(axis=0) > 0).tolist():
                self._check_action(at, weighted, what)
            if weighted.effective_size < _FEWEST:
                most = self.actions[int(weighted.shares.sum(axis=0).argmax())]
                raise OutcomesError(
                    f"the log tells too little of {most!r}: its {int(rows.sum())} {what} tell as much as "
                    f"{weighted.effective_size:.1f} on which the policy's choice was taken, and "
                    f"{_FEWEST:.0f} are needed; {EXPLORE}, and a larger share or a longer log tells more"
                )

    def _check_action(self, at: int, weighted: Weighted, what: str) -> None:
        stands = np.where(weighted.taken == at, weighted.weights, 0.0)
        wanted = weighted.shares[:, at]
        wanted_of = f"{self.actions[at]!r} would be chosen on {wanted.sum():.0f} of {len(stands)} {what}"
        if not stands.any():
            raise OutcomesError(f"{wanted_of}, and the log never shows it there: {EXPLORE}")
        short = wanted - stands
        error = float(short.std()) * len(short) ** 0.5
        if float(short.sum()) > _CLEARLY * error:
            raise OutcomesError(
                f"{wanted_of}, and by the propensities of the log it had a chance on about "
                f"{stands.sum():.0f} of them only: {EXPLORE}, within the caps of the ledger"
            )

    def value(
        self, policy: str, shares: Floats, *, budget: float | None = None, price: float | None = None
    ) -> Value:
        """The value of a policy that the decisions tell of."""
        added: dict[str, Added] = {}
        weighed: dict[str, Interval] = {}
        normalised: dict[str, Interval] = {}
        for name in _MEASURES:
            rows = self.rows_of(name)
            weighted, observed = self.under(shares, rows), self.values[name][rows]
            expected, spread = self.expected[name][rows], self.spread[name][rows]
            base = (weighted.shares * expected).sum(axis=1)
            added[name] = Added(weighted.doubly_robust(observed, expected), base, weighted.weights, spread)
            weighed[name] = interval_of_mean(weighted.inverse_propensity(observed))
            normalised[name] = interval_of_mean(weighted.self_normalised(observed))
        return self._value(
            policy,
            added,
            size=self.under(shares, np.ones(self.n, dtype=bool)).effective_size,
            shares=shares,
            budget=budget,
            price=price,
            inverse_propensity=weighed,
            self_normalised=normalised,
        )

    def _realised(self, name: str) -> Added:
        """What came of the decisions that were taken."""
        rows = self.rows_of(name)
        predicted = self.expected[name][rows][np.arange(int(rows.sum())), self.weighted.taken[rows]]
        return Added(self.values[name][rows], predicted, np.ones(len(predicted)), self.spread[name][rows])

    def logged(self) -> Value:
        """The value of the policy that made the decisions."""
        added = {name: self._realised(name) for name in _MEASURES}
        realised = {name: each.interval() for name, each in added.items()}
        return self._value(
            LOGGED,
            added,
            size=float(self.n),
            shares=self.weighted.shares,
            inverse_propensity=realised,
            self_normalised=realised,
        )

    def _value(
        self,
        policy: str,
        added: dict[str, Added],
        *,
        size: float,
        shares: Floats,
        inverse_propensity: Mapping[str, Interval],
        self_normalised: Mapping[str, Interval],
        budget: float | None = None,
        price: float | None = None,
    ) -> Value:
        over = {name: (each - self._realised(name)).interval() for name, each in added.items()}
        return Value(
            policy=policy,
            budget=budget,
            price=price,
            accuracy=added["accuracy"].interval(),
            cost=added["cost"].interval(),
            over_logged=over,
            inverse_propensity=inverse_propensity,
            self_normalised=self_normalised,
            effective_size=size,
            actions=dict(zip(self.actions, shares.mean(axis=0).tolist(), strict=True)),
            added=added,
        )


def _spread(
    values: Mapping[str, Floats], expected: Mapping[str, Floats], taken: Ints, cost: Sequence[float]
) -> dict[str, Floats]:
    """Expected square of what values miss their predictions by, shape (n,).

    A score in [0, 1] that is q on average has a variance of q (1 - q) at most, which right or wrong has.
    """
    at = np.arange(len(taken)), taken
    scores, right = values["accuracy"], expected["accuracy"][at]
    bounded = bool((np.nanmin(scores) >= 0) and (np.nanmax(scores) <= 1))
    varies = right * (1 - right) if bounded else np.full(len(taken), np.nan)
    return {"accuracy": varies, "cost": np.asarray(cost)[taken] * expected["cost"][at] ** 2}


def gains_of(policy: Value, other: Value) -> dict[str, Interval]:
    """What a policy gains over another one, question by question."""
    return {name: (policy.added[name] - other.added[name]).interval() for name in _MEASURES}


def flat(intervals: Mapping[str, Interval]) -> dict[str, float]:
    """Each interval as three fields."""
    return {
        f"{name}{end}": value
        for name, each in intervals.items()
        for end, value in (("", each.mean), ("_low", each.low), ("_high", each.high))
    }
