"""The first section: what fixed actions, mixtures, the policy and hindsight reach at each mean cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.allocation.solver import Frontier, Hull, solve
from adaptive_reasoner.kit.backtesting.lift import Gain
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.reporting import figures
from adaptive_reasoner.kit.reporting.html_page import Dial, Section, Table
from adaptive_reasoner.kit.reporting.policy_on_table import Playing
from adaptive_reasoner.kit.reporting.summary import OracleCurves, PolicySummary, standing_of

_VERTICES = 200  # of a curve that are drawn
_STEPS = 120  # of the dial
_LEAST = 1e-9  # where a logarithmic scale begins


def frontier_section(
    outcomes: Outcomes,
    hull: Hull,
    best: Frontier,
    hindsight: OracleCurves,
    gains: Mapping[float, Gain],
    playing: Playing | None,
    stands: PolicySummary | None,
    rows: Sequence[Mapping[str, Any]],
    budget: float,
) -> Section:
    """The frontier: the figure, and the numbers behind each of its curves."""
    unit, accuracy_unit = outcomes.cost_unit, outcomes.accuracy_unit
    fixed: list[dict[str, Any]] = [
        {"name": name, "cost": float(cost), "accuracy": float(accuracy), "named": name in hull.actions}
        for name, accuracy, cost in zip(
            outcomes.actions, outcomes.accuracy.mean(axis=0), outcomes.cost.mean(axis=0), strict=True
        )
    ]
    dearest = max([budget, *(row["cost"] for row in fixed)])
    lines = [*_hull_line(hull, dearest), *_bound_line(best, dearest)]
    if hindsight.cost is not None and hindsight.accuracy is not None:
        costs, accuracies = hindsight.cost.tolist(), hindsight.accuracy.tolist()
        lines += [
            {"series": figures.ORACLE, "cost": cost, "accuracy": accuracy}
            for cost, accuracy in zip([*costs, dearest], [*accuracies, accuracies[-1]], strict=True)
        ]
    band = []
    if playing is not None and not playing.trained_on:
        for _, gain in sorted(gains.items(), key=lambda item: item[1].realised_cost):
            lines.append({"series": figures.POLICY, "cost": gain.realised_cost, "accuracy": gain.accuracy})
            ends = gain.uniform_at_cost + np.array([gain.lift.low, gain.lift.high])
            band.append({"cost": gain.realised_cost, "low": float(ends[0]), "high": float(ends[1])})
    points = [
        _point(f"imitator at {row['budget']:g}, backtest", standing_of(row))
        for row in rows
        if row["policy"] == "imitator" and not band
    ]
    if stands is not None:
        points.append(_point("policy at its budget", stands))
    figure = figures.frontier_figure(
        fixed=fixed,
        lines=lines,
        band=band,
        points=points,
        budget=budget,
        unit=unit,
        accuracy_unit=accuracy_unit,
    )
    text = (
        "Up is better, left is cheaper. Above the dashed line it pays to look at the question: the line is "
        "what fixed actions reach when mixed blindly."
    )
    drawn = (
        f"Accuracy against mean cost in {unit}: fixed actions, their best random mixture, "
        + ("the policy, " if points else "")
        + "and hindsight. The numbers are in the tables below."
    )
    percent = dict.fromkeys(("accuracy", "mixture", "value", "bound"), ".1%") if accuracy_unit is None else {}
    own = (
        []
        if stands is None
        else [
            {
                "action": "policy",
                "mean_cost": stands.cost,
                "accuracy": stands.accuracy,
                "mixture": stands.uniform,
            }
        ]
    )
    tables = [
        Table(
            f"Accuracy and mean cost in {unit}; mixture: the best random one at that cost",
            [
                *(
                    {
                        "action": row["name"],
                        "mean_cost": row["cost"],
                        "accuracy": row["accuracy"],
                        "mixture": float(hull.accuracy_at(row["cost"])),
                    }
                    for row in fixed
                ),
                *own,
            ],
            percent,
            marked=("policy",),
        ),
        Table(
            "Hindsight by budget, exact: value, and the dual bound that certifies it",
            _bounds(outcomes, best, budget, dearest),
            {**percent, "gap": ".1g", "price": ".3g"},
        ),
    ]
    if band:
        tables.insert(
            1,
            Table(
                "The policy along its budgets",
                _gains(gains),
                {**percent, "lift": "+.3f", "low": "+.3f", "high": "+.3f"},
            ),
        )
    return Section("frontier", "Accuracy against cost", text, [(drawn, figure)], tables)


def _point(name: str, stands: PolicySummary) -> dict[str, Any]:
    ends = stands.uniform + np.array([stands.lift.low, stands.lift.high])
    return {
        "name": name,
        "cost": stands.cost,
        "accuracy": stands.accuracy,
        "low": float(ends[0]),
        "high": float(ends[1]),
    }


def _hull_line(hull: Hull, dearest: float) -> list[dict[str, Any]]:
    """Drawn through many points, as it bends on a logarithmic axis."""
    costs = np.unique(np.append(_spread(hull.costs[0], dearest, 60), hull.costs))
    return [
        {"series": figures.MIXTURE, "cost": float(cost), "accuracy": float(hull.accuracy_at(cost))}
        for cost in costs
    ]


def _bound_line(best: Frontier, dearest: float) -> list[dict[str, Any]]:
    at = np.unique(np.linspace(0, len(best.costs) - 1, _VERTICES).astype(int))
    costs, accuracies = best.costs[at].tolist(), best.accuracies[at].tolist()
    if dearest > costs[-1]:  # beyond its last vertex hindsight buys nothing more
        costs, accuracies = [*costs, dearest], [*accuracies, accuracies[-1]]
    return [
        {"series": figures.BOUND, "cost": c, "accuracy": a} for c, a in zip(costs, accuracies, strict=True)
    ]


def _bounds(outcomes: Outcomes, best: Frontier, budget: float, dearest: float) -> list[dict[str, object]]:
    low = float(best.costs[0])
    budgets = {*_spread(low, dearest, 7)[1:].tolist(), max(budget, low)}
    solved = [solve(outcomes, each) for each in sorted(budgets)]
    return [
        {
            "budget": each.budget,
            "mean_cost": each.cost,
            "value": each.accuracy,
            "bound": each.bound,
            "gap": each.gap,
            "price": each.price,
        }
        for each in solved
    ]


def _gains(gains: Mapping[float, Gain]) -> list[dict[str, object]]:
    return [
        {
            "budget": budget,
            "mean_cost": gain.realised_cost,
            "accuracy": gain.accuracy,
            "mixture": gain.uniform_at_cost,
            "lift": gain.lift.mean,
            "low": gain.lift.low,
            "high": gain.lift.high,
            "within_groups": gain.within_groups,
        }
        for budget, gain in sorted(gains.items())
    ]


def dial_of(
    outcomes: Outcomes,
    hull: Hull,
    best: Frontier,
    hindsight: OracleCurves,
    gains: Mapping[float, Gain],
    playing: Playing | None,
    budget: float,
) -> Dial:
    """What each curve reaches at any budget."""
    low, high = float(best.costs[0]), max(float(outcomes.cost.mean(axis=0).max()), budget)
    budgets = np.unique(np.append(_spread(low, max(high, low * 1.01), _STEPS), max(budget, low)))
    curves: dict[str, Sequence[float | None]] = {"the mixture gets": _floats(hull.accuracy_at(budgets))}
    if playing is not None and not playing.trained_on:
        along = sorted(gains.values(), key=lambda gain: gain.realised_cost)
        reached = np.interp(
            budgets, [gain.realised_cost for gain in along], [gain.accuracy for gain in along]
        )
        curves["the policy"] = [
            float(a) if b >= along[0].realised_cost else None for a, b in zip(reached, budgets, strict=True)
        ]
    if hindsight.cost is not None and hindsight.accuracy is not None:
        order = np.argsort(hindsight.cost)
        curves["hindsight, cross-fitted,"] = _floats(
            np.interp(budgets, hindsight.cost[order], hindsight.accuracy[order])
        )
    curves["hindsight at most"] = _floats(np.interp(budgets, best.costs, best.accuracies))
    return Dial(outcomes.cost_unit, budget, _floats(budgets), curves, outcomes.accuracy_unit)


def _spread(low: float, high: float, steps: int) -> Floats:
    """So many costs from low to high, at equal ratios; an action may cost nothing."""
    return np.geomspace(max(low, _LEAST), max(high, low, _LEAST), steps)


def _floats(values: Any) -> list[float]:
    return [float(value) for value in np.asarray(values)]
