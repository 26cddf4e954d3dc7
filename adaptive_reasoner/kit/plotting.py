"""Pictures for notebooks and papers, by matplotlib; the report has the living ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adaptive_reasoner.kit.allocation import Allocation, Frontier, uniform_hull
from adaptive_reasoner.pages import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from adaptive_reasoner.kit.evaluation import Backtest

_WIDE = 12  # a cost axis is logarithmic where the dearest is so many times the cheapest
_FIRST = (
    "imitator",
    "imitator_ungated",
    "imitator_unseen_groups",
    "group_lookup",
    "length_rule",
    "imitator_labels",
    "oracle_crossfit",
)
_STYLES = {  # a colour of the theme and a mark for what is drawn first
    "imitator": ("policy", "o"),
    "imitator_ungated": ("bound", "d"),
    "imitator_unseen_groups": ("policy", "^"),
    "group_lookup": ("budget", "s"),
    "length_rule": ("mixture", "v"),
    "imitator_labels": ("muted", "D"),
    "oracle_crossfit": ("oracle", "P"),
    "priced_stop": ("bound", "X"),
}


def plot_allocation(allocation: Allocation, ax: "Axes | None" = None) -> "Axes":
    """Share of the questions each action gets, as bars."""
    ax = _axes(ax, height=0.7 + 0.42 * len(allocation.actions))
    shares = allocation.shares()
    names = list(shares)[::-1]
    bars = ax.barh(names, [100 * shares[name] for name in names], color=colours()["policy"], height=0.62)
    ax.bar_label(bars, fmt="%.1f%%", padding=4, color=colours()["muted"])
    ax.set_xlim(0, 112 * max(shares.values()))
    ax.set_xlabel("share of the questions (%)")
    ax.set_title(
        f"accuracy {allocation.accuracy:.3f} at a mean cost of {allocation.cost:.4g}", loc="left", fontsize=11
    )
    return _plain(ax, grid="x")


def plot_frontier(frontier: Frontier, ax: "Axes | None" = None) -> "Axes":
    """Hindsight's accuracy against mean cost, above the fixed actions and their best random mixture."""
    ax, table = _axes(ax), frontier.table
    hull = uniform_hull(table)
    accuracy, cost = np.asarray(table.accuracy).mean(axis=0), np.asarray(table.cost).mean(axis=0)
    dearest = max(float(cost.max()), float(frontier.costs[-1]))
    mixed = np.unique(np.append(np.geomspace(max(hull.costs[0], 1e-9), dearest, 100), hull.costs))
    ax.plot(
        np.append(frontier.costs, dearest),
        np.append(frontier.accuracies, frontier.accuracies[-1]),
        color=colours()["bound"],
        label="hindsight",
    )
    ax.plot(
        mixed,
        hull.accuracy_at(mixed),
        "--",
        color=colours()["mixture"],
        label="random mixture of fixed actions",
    )
    ax.plot(cost, accuracy, "o", color=colours()["mixture"], label="fixed actions")
    fixed = zip(cost, accuracy, table.actions, strict=True)
    for at, (x, y, name) in enumerate(sorted(one for one in fixed if one[2] in hull.actions)):
        beside = {"xytext": (6, -13)} if at % 2 == 0 else {"xytext": (-6, 5), "ha": "right"}  # in turn: free
        ax.annotate(name, (x, y), textcoords="offset points", color=colours()["muted"], fontsize=9, **beside)
    _cost_axis(ax, [float(cost.min()), dearest], table.cost_unit)
    ax.set_ylabel("accuracy")
    ax.legend(frameon=False, fontsize=9)
    return _plain(ax)


def plot_backtest(
    backtest: "Backtest", ax: "Axes | None" = None, *, policies: Sequence[str] = _FIRST
) -> "Axes":
    """Lift over the best random mixture, the line at 0, against realised cost, with 95% intervals.

    Args:
        backtest: What was measured.
        ax: Where to draw; a new figure where not given.
        policies: Which rows to draw, as far as the backtest has them.
    """
    ax = _axes(ax)
    drawn = [name for name in policies if any(row.policy == name for row in backtest.rows)]
    costs: list[float] = []
    for at, name in enumerate(drawn):
        rows = sorted((row for row in backtest.rows if row.policy == name), key=lambda row: row.realised_cost)
        gained, low, high = 100 * np.array([[row.lift, row.lift_low, row.lift_high] for row in rows]).T
        shade, mark = _STYLES.get(name, ("muted", "o"))
        costs += (spent := [row.realised_cost for row in rows])
        ax.errorbar(
            spent,
            gained,
            yerr=np.clip([gained - low, high - gained], 0, None),
            marker=mark,
            color=colours()[shade],
            label=name,
            capsize=2,
            linewidth=1.6 if name == "imitator" else 1.0,
            alpha=1.0 if name == "imitator" else 0.8,
            zorder=10 - at,
        )
    ax.axhline(0, color=colours()["muted"], linestyle="--", linewidth=1)
    _cost_axis(ax, costs, backtest.cost_unit)
    ax.set_ylabel("lift over the random mixture (points)")
    lift = backtest.lift
    measured = f"{100 * lift.mean:+.1f} points ({100 * lift.low:.1f} to {100 * lift.high:.1f})"
    ax.set_title(f"{backtest.verdict}: {measured}", loc="left", fontsize=11)
    ax.legend(frameon=False, fontsize=9)
    return _plain(ax)


def _axes(ax: "Axes | None", *, height: float = 4.0) -> "Axes":
    """The axes given, or those of a new figure."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot as plt
    except ModuleNotFoundError as error:
        raise ImportError('pictures need matplotlib: pip install "adaptive-reasoner[kit]"') from error
    return plt.subplots(figsize=(7.2, height), layout="constrained")[1]


def _cost_axis(ax: "Axes", costs: Sequence[float], unit: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if min(costs) > 0 and max(costs) > _WIDE * min(costs):
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(f"mean cost a question ({unit})")


def _plain(ax: "Axes", grid: Any = "both") -> "Axes":
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis=grid, color=colours()["line"], linewidth=0.7)
    ax.set_axisbelow(True)
    return ax
