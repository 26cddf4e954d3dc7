"""The first section: what fixed actions, mixtures, the policy and hindsight reach at each mean cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adaptive_reasoner.amounts import written
from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.allocation.solver import Frontier, Hull, solve
from adaptive_reasoner.kit.backtesting.lift import Gain
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.reporting import figures
from adaptive_reasoner.kit.reporting.html_page import Dial, Section, Table
from adaptive_reasoner.kit.reporting.summary import Findings, PolicySummary, from_row

_VERTICES = 200  # of a curve that are drawn
_STEPS = 120  # of the dial
_LEAST = 1e-9  # where a logarithmic scale begins


def frontier_section(found: Findings) -> Section:
    """The frontier: the figure, and the numbers behind each of its curves."""
    means = zip(
        found.outcomes.cost.mean(axis=0).tolist(), found.outcomes.accuracy.mean(axis=0).tolist(), strict=True
    )
    fixed: list[dict[str, Any]] = [
        {"name": name, "cost": cost, "accuracy": accuracy, "named": name in found.hull.actions}
        for name, (cost, accuracy) in zip(found.outcomes.actions, means, strict=True)
    ]
    highest = max([found.budget, *(row["cost"] for row in fixed)])
    points = _points(found)
    figure = figures.frontier_figure(
        fixed=fixed,
        lines=_lines(found, highest),
        band=_band(found.curve),
        points=points,
        budget=found.budget,
        unit=found.unit,
        accuracy_unit=found.accuracy_unit,
    )
    text = (
        "Up is better, left is cheaper. Above the dashed line it pays to look at the question: the line is "
        "what fixed actions reach when mixed blindly."
    )
    drawn = (
        f"Accuracy against mean cost in {found.unit}: fixed actions, their best random mixture, "
        + ("the policy, " if points else "")
        + "and hindsight. The numbers are in the tables below."
    )
    tables = _tables(found, fixed, highest)
    return Section("frontier", "Accuracy against cost", text, [(drawn, figure)], tables)


def _lines(found: Findings, highest: float) -> list[dict[str, Any]]:
    """The curves, each drawn to the highest cost of an action."""
    lines = [*_hull_line(found.hull, highest), *_bound_line(found.best, highest)]
    if found.oracles.curve is not None:
        costs, accuracies = (column.tolist() for column in found.oracles.curve)
        lines += _line(figures.ORACLE, [*costs, highest], [*accuracies, accuracies[-1]])
    return lines + _line(
        figures.POLICY, [gain.realised_cost for gain in found.curve], [gain.accuracy for gain in found.curve]
    )


def _band(curve: Sequence[Gain]) -> list[dict[str, Any]]:
    """The interval of the policy's accuracy along its curve."""
    return [
        {
            "cost": gain.realised_cost,
            "low": gain.uniform_at_cost + gain.lift.low,
            "high": gain.uniform_at_cost + gain.lift.high,
        }
        for gain in curve
    ]


def _points(found: Findings) -> list[dict[str, Any]]:
    """The policy at its budget, and at those of a backtest where it has no curve."""
    points = [
        _point(f"imitator at {written(row['budget'])}, backtest", from_row(row))
        for row in found.rows
        if row["policy"] == "imitator" and not found.curve
    ]
    if found.summary is not None:
        points.append(_point("policy at its budget", found.summary))
    return points


def _tables(found: Findings, fixed: Sequence[Mapping[str, Any]], highest: float) -> list[Table]:
    """The actions, the policy along its budgets, and hindsight by budget."""
    in_percent = found.accuracy_unit is None
    percent = dict.fromkeys(("accuracy", "mixture", "value", "bound"), ".1%") if in_percent else {}
    known = [
        (row["name"], row["cost"], row["accuracy"], float(found.hull.accuracy_at(row["cost"])))
        for row in fixed
    ]
    if found.summary is not None:
        known.append(("policy", found.summary.cost, found.summary.accuracy, found.summary.uniform))
    actions = Table(
        f"Accuracy and mean cost in {found.unit}; mixture: the best random one at that cost",
        [dict(zip(("action", "mean_cost", "accuracy", "mixture"), row, strict=True)) for row in known],
        percent,
        marked=("policy",),
    )
    hindsight = Table(
        "Hindsight by budget, exact: value, and the dual bound that certifies it",
        _bounds(found.outcomes, found.best, found.budget, highest),
        {**percent, "gap": ".1g", "price": ".3g"},
    )
    if not found.curve:
        return [actions, hindsight]
    formats = {**percent, "lift": "+.3f", "low": "+.3f", "high": "+.3f"}
    return [actions, Table("The policy along its budgets", _gains(found.gains), formats), hindsight]


def _point(name: str, measured: PolicySummary) -> dict[str, Any]:
    return {
        "name": name,
        "cost": measured.cost,
        "accuracy": measured.accuracy,
        "low": measured.uniform + measured.lift.low,
        "high": measured.uniform + measured.lift.high,
    }


def _line(series: str, costs: Sequence[float], accuracies: Sequence[float]) -> list[dict[str, Any]]:
    return [
        {"series": series, "cost": cost, "accuracy": accuracy}
        for cost, accuracy in zip(costs, accuracies, strict=True)
    ]


def _hull_line(hull: Hull, highest: float) -> list[dict[str, Any]]:
    """Drawn through many points, as it bends on a logarithmic axis."""
    costs = np.unique(np.append(_spread(hull.costs[0], highest, 60), hull.costs))
    return _line(figures.MIXTURE, costs.tolist(), hull.accuracy_at(costs).tolist())


def _bound_line(best: Frontier, highest: float) -> list[dict[str, Any]]:
    at = np.unique(np.linspace(0, len(best.costs) - 1, _VERTICES).astype(int))
    costs, accuracies = best.costs[at].tolist(), best.accuracies[at].tolist()
    if highest > costs[-1]:  # beyond its last vertex hindsight buys nothing more
        costs, accuracies = [*costs, highest], [*accuracies, accuracies[-1]]
    return _line(figures.BOUND, costs, accuracies)


def _bounds(outcomes: Outcomes, best: Frontier, budget: float, highest: float) -> list[dict[str, object]]:
    low = float(best.costs[0])
    budgets = {*_spread(low, highest, 7)[1:].tolist(), max(budget, low)}
    solved = [solve(outcomes, each) for each in sorted(budgets)]
    return [
        {
            "budget": each.budget,
            "mean_cost": each.cost,
            "value": each.accuracy,
            **{name: getattr(each, name) for name in ("bound", "gap", "price")},
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


def dial_of(found: Findings) -> Dial:
    """What each curve reaches at any budget."""
    best = found.best
    low, high = float(best.costs[0]), max(float(found.outcomes.cost.mean(axis=0).max()), found.budget)
    budgets = np.unique(np.append(_spread(low, max(high, low * 1.01), _STEPS), max(found.budget, low)))
    mixed = found.hull.accuracy_at(budgets).tolist()
    curves: dict[str, Sequence[float | None]] = {"the mixture gets": mixed}
    if found.curve:
        costs, accuracies = zip(*((gain.realised_cost, gain.accuracy) for gain in found.curve), strict=True)
        reached = np.interp(budgets, costs, accuracies).tolist()
        curves["the policy"] = [
            a if b >= costs[0] else None for a, b in zip(reached, budgets.tolist(), strict=True)
        ]
    if found.oracles.curve is not None:
        cost, accuracy = found.oracles.curve
        order = np.argsort(cost)
        crossfit = np.interp(budgets, cost[order], accuracy[order])
        curves["hindsight, cross-fitted,"] = crossfit.tolist()
    curves["hindsight at most"] = np.interp(budgets, best.costs, best.accuracies).tolist()
    return Dial(found.unit, found.budget, budgets.tolist(), curves, found.accuracy_unit)


def _spread(low: float, high: float, steps: int) -> Floats:
    """So many costs from low to high, at equal ratios; an action may cost nothing."""
    return np.geomspace(max(low, _LEAST), max(high, low, _LEAST), steps)
