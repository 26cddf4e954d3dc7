"""What a report measures: what a policy gains over mixtures of fixed actions, and what the oracles gain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.allocation.solver import Frontier, Hull, uniform_hull
from adaptive_reasoner.kit.backtesting.baselines import oracle_crossfit, oracle_in_sample
from adaptive_reasoner.kit.backtesting.lift import Gain, measure
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from adaptive_reasoner.kit.estimating.correction import rectified
from adaptive_reasoner.kit.learning.gate import SHIPS
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.reporting.policy_on_table import Playing
from adaptive_reasoner.kit.tables.bootstrap import Interval

_BUDGETS = 14  # along the curve of a policy
_DRAWS = 1_000


@dataclass(frozen=True)
class PolicySummary:
    """What a policy spends and gains at its budget.

    Attributes:
        cost: Realised mean cost.
        accuracy: Mean accuracy.
        uniform: Accuracy of the best random mixture of fixed actions at that cost.
        lift: What it gains over that, with a 95% interval over questions.
        within_groups: The lift that is not merely knowing the group, where there are groups.
        source: How it was measured, in words.
        anew: Whether that was on other questions than the policy's gate has judged.
    """

    cost: float
    accuracy: float
    uniform: float
    lift: Interval
    within_groups: float | None
    source: str
    anew: bool = False


@dataclass(frozen=True)
class Saving:
    """What a policy saves a question against the cheapest mixture that is as accurate.

    Attributes:
        cost: In cost units.
        low, high: Its interval.
        at_least: No mixture is as accurate: the saving is taken against the most accurate one.
    """

    cost: float
    low: float
    high: float
    at_least: bool

    @classmethod
    def of(cls, measured: PolicySummary, hull: Hull) -> "Saving":
        """The saving at the accuracy that was measured, and at both ends of its interval."""
        lifts = np.array([measured.lift.mean, measured.lift.low, measured.lift.high])
        accuracy = measured.uniform + lifts
        needed = np.minimum(hull.cost_at(accuracy), hull.costs[-1])
        # A policy that only breaks even saves nothing, also where the hull is flat at its cost.
        saved = np.where(lifts > 0, needed - measured.cost, np.minimum(needed - measured.cost, 0.0))
        cost, low, high = (float(value) for value in saved)
        return cls(cost, low, high, at_least=bool(accuracy[0] > hull.accuracies[-1]))


def along_budgets(playing: Playing, outcomes: Outcomes) -> dict[float, Gain]:
    """What the policy gains, by budget: over its whole curve, its own budget included."""
    policy = playing.policy
    curve = policy.curve
    budgets = set(np.geomspace(max(curve.cheapest, 1e-9), curve.cost[0], _BUDGETS).tolist())
    budgets = {min(max(budget, curve.cheapest), float(curve.cost[0])) for budget in budgets}
    judged = rectified(playing.table)
    plays = {
        ("policy", budget): Performance.of(judged, playing.shipped(curve.price_at(budget)))
        for budget in sorted(budgets)
    }
    plays["policy", own_budget(playing)] = Performance.of(judged, playing.shipped())
    trial = SplitResult(np.arange(len(outcomes)), plays)
    return {budget: gain for (_, budget), gain in measure(rectified(outcomes), [trial], draws=_DRAWS).items()}


def own_budget(playing: Playing) -> float:
    """The policy's budget; the expected cost at its price if it has only a price."""
    policy = playing.policy
    return policy.curve.cost_at(policy.price) if policy.budget is None else policy.budget


def from_card(card: Mapping[str, Any], hull: Hull) -> PolicySummary:
    """What training measured on held-out folds: the cost and accuracy at the budget, the gate's interval."""
    held_out, gate = card["report"]["held_out"], card["report"]["gate"]
    uniform = float(hull.accuracy_at(held_out["cost"]))
    lift = held_out["accuracy"] - uniform
    spread = gate["low"] - gate["lift"], gate["high"] - gate["lift"]
    return PolicySummary(
        cost=held_out["cost"],
        accuracy=held_out["accuracy"],
        uniform=uniform,
        lift=Interval(lift, lift + spread[0], lift + spread[1]),
        within_groups=None,
        source="by the policy's own training, on folds held out from it",
    )


def from_backtest(
    backtest: Mapping[str, Any], budget: float | None, answer: str | None = None
) -> tuple[float, PolicySummary, str]:
    """What a backtest found at the budget nearest to one: that budget, the imitator's row, and the verdict.

    The row is of what ships, or, where that is the mixture alone, of following every prediction.

    Args:
        backtest: Its result, as plain JSON values.
        budget: The one to look at; a middle one of the backtest when None.
        answer: The verdict on the policy that is shown; when None, that of the backtest at the budget.

    Raises:
        ValueError: The backtest has no imitator.
    """
    mine = {row["budget"]: row for row in backtest["rows"] if row["policy"] == "imitator"}
    if not mine:
        raise ValueError("the backtest has no row of the imitator")
    middle = [*mine][len(mine) // 2] if budget is None else budget
    nearest = min(mine, key=lambda each: abs(each - middle))
    if answer is None:
        verdicts = {each["budget"]: each["verdict"] for each in backtest.get("verdicts", ())}
        answer = str(verdicts.get(nearest, backtest["verdict"]))
    if answer not in SHIPS:
        mine |= {row["budget"]: row for row in backtest["rows"] if row["policy"] == "imitator_ungated"}
    return nearest, from_row(mine[nearest]), answer


def from_row(row: Mapping[str, Any]) -> PolicySummary:
    """The summary of a row of a backtest."""
    return PolicySummary(
        cost=row["realised_cost"],
        accuracy=row["accuracy"],
        uniform=row["uniform_at_cost"],
        lift=Interval(row["lift"], row["lift_low"], row["lift_high"]),
        within_groups=row.get("lift_within_groups"),
        source="by the backtest, on questions held out in turn",
    )


@dataclass(frozen=True, eq=False)
class OracleCurves:
    """The cross-fitted oracle beside the in-sample one, along budgets.

    Attributes:
        curve: Cost and accuracy of the cross-fitted oracle, shape (m,) each; None with one sample a cell.
        gains: By oracle, at the budget asked for.
    """

    curve: tuple[Floats, Floats] | None
    gains: Mapping[str, Gain]

    @classmethod
    def of(cls, outcomes: Outcomes, budget: float) -> "OracleCurves":
        """Both oracles; their gains are measured at `budget`."""
        hull = uniform_hull(outcomes)
        cheapest = float(outcomes.cost.min(axis=1).mean())
        top = max(float(hull.costs[-1]), budget, cheapest * 1.01)
        budgets = np.geomspace(max(cheapest, top * 1e-3, 1e-9), max(top, 1e-9), 24)
        plays = {("oracle_in_sample", budget): oracle_in_sample(outcomes, budget)}
        at_budget = oracle_crossfit(outcomes, budget)
        if at_budget is not None:
            plays["oracle_crossfit", budget] = at_budget
        gains = measure(outcomes, [SplitResult(np.arange(len(outcomes)), plays)], draws=_DRAWS)
        crossfit = [play for each in budgets if (play := oracle_crossfit(outcomes, float(each))) is not None]
        points = np.array([(play.cost.mean(), play.accuracy.mean()) for play in crossfit])
        curve = (points[:, 0], points[:, 1]) if crossfit else None
        return cls(curve, {name: gain for (name, _), gain in gains.items()})

    def closed(self, lift: float) -> dict[str, float]:
        """Share of each oracle's own lift that `lift` is, where that can be distinguished from zero."""
        return {name: lift / gain.lift.mean for name, gain in self.gains.items() if gain.lift.low > 0}


def most_to_gain(outcomes: Outcomes) -> float:
    """The mean cost at which hindsight gains most over mixtures: where to look, with no budget stated."""
    hull = uniform_hull(outcomes)
    low, high = float(outcomes.cost.min(axis=1).mean()), float(hull.costs[-1])
    budgets = np.linspace(low, max(high, low), 25)[1:-1]
    gained = [
        oracle_in_sample(outcomes, float(budget)).accuracy.mean() - hull.accuracy_at(float(budget))
        for budget in budgets
    ]
    return float(budgets[int(np.argmax(gained))])


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything the sections of a report are made of.

    Attributes:
        outcomes: The table.
        budget: The mean cost that is looked at.
        hull: The best random mixtures of fixed actions.
        best: The exact optimum for every budget.
        oracles: Both oracles.
        playing: The policy on this table; None for a report without a policy.
        gains: What it gains, by budget.
        summary: What was measured of it at its budget; None if nothing was.
        answer: The gate's verdict on that; None likewise.
        rows: Of a backtest of the same table.
    """

    outcomes: Outcomes
    budget: float
    hull: Hull
    best: Frontier
    oracles: OracleCurves
    playing: Playing | None
    gains: Mapping[float, Gain]
    summary: PolicySummary | None
    answer: str | None
    rows: Sequence[Mapping[str, Any]]

    @property
    def unit(self) -> str:
        """What a cost counts."""
        return self.outcomes.cost_unit

    @property
    def accuracy_unit(self) -> str | None:
        """The unit of the accuracies, if they are rewards."""
        return self.outcomes.accuracy_unit

    @property
    def curve(self) -> list[Gain]:
        """The policy's gains by rising cost; none on questions that it was trained on."""
        if self.playing is None or self.playing.trained_on:
            return []
        return sorted(self.gains.values(), key=lambda gain: gain.realised_cost)
