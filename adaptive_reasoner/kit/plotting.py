"""Pictures for notebooks and papers, by matplotlib; those of the report are interactive."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adaptive_reasoner.amounts import written
from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.errors import needs
from adaptive_reasoner.pages import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_WIDE = 12  # a cost axis is logarithmic where the highest cost is so many times the lowest
_STYLES = {  # what is drawn, in this order: a colour of the theme and a mark
    "imitator": ("policy", "o"),
    "imitator_ungated": ("bound", "d"),
    "imitator_unseen_groups": ("policy", "^"),
    "group_lookup": ("budget", "s"),
    "length_rule": ("mixture", "v"),
    "imitator_labels": ("muted", "D"),
    "oracle_crossfit": ("oracle", "P"),
}


def plot_shares(shares: Mapping[str, float], ax: "Axes | None" = None, *, title: str) -> "Axes":
    """Share of the questions each action gets, as bars."""
    ax = _axes(ax, height=0.7 + 0.42 * len(shares))
    names = list(shares)[::-1]
    bars = ax.barh(names, [100 * shares[name] for name in names], color=colours()["policy"], height=0.62)
    ax.bar_label(bars, fmt="%.1f%%", padding=4, color=colours()["muted"])
    ax.set_xlim(0, 112 * max(shares.values()))
    ax.set_xlabel("share of the questions (%)")
    ax.set_title(title, loc="left", fontsize=11)
    return _plain(ax, grid="x")


def plot_frontier(
    costs: Floats,
    accuracies: Floats,
    ax: "Axes | None" = None,
    *,
    fixed: Mapping[str, tuple[float, float]],
    hull: Collection[str],
    mixture: Callable[[Floats], Floats],
    unit: str,
) -> "Axes":
    """The frontier's accuracy against mean cost, above the fixed actions and their best random mixture.

    Args:
        costs: Mean costs of the frontier's vertices, rising.
        accuracies: Mean accuracies there.
        ax: Where to draw; a new figure by default.
        fixed: Mean cost and accuracy of each action.
        hull: The actions that the best mixture is made of.
        mixture: Its accuracy at mean costs.
        unit: Of the costs.
    """
    ax = _axes(ax)
    cost, accuracy = np.array(list(fixed.values())).T
    highest = max(float(cost.max()), float(costs[-1]))
    corners = np.array([fixed[name][0] for name in hull])
    mixed = np.unique(np.append(np.geomspace(max(corners.min(), 1e-9), highest, 100), corners))
    ax.plot(
        np.append(costs, highest),
        np.append(accuracies, accuracies[-1]),
        color=colours()["bound"],
        label="hindsight",
    )
    ax.plot(mixed, mixture(mixed), "--", color=colours()["mixture"], label="random mixture of fixed actions")
    ax.plot(cost, accuracy, "o", color=colours()["mixture"], label="fixed actions")
    for at, name in enumerate(sorted(hull, key=fixed.__getitem__)):
        beside = {"xytext": (6, -13)} if at % 2 == 0 else {"xytext": (-6, 5), "ha": "right"}  # in turn: free
        ax.annotate(
            name, fixed[name], textcoords="offset points", color=colours()["muted"], fontsize=9, **beside
        )
    _cost_axis(ax, [float(cost.min()), highest], unit)
    ax.set_ylabel("accuracy")
    ax.legend(frameon=False, fontsize=9)
    return _plain(ax)


def plot_lifts(lifts: Mapping[str, Floats], ax: "Axes | None" = None, *, title: str, unit: str) -> "Axes":
    """Lift over the best random mixture, the line at 0, against realised cost, with 95% intervals.

    Args:
        lifts: Realised cost, lift and the ends of its interval by policy, shape (4, budgets); those of
            interest here are drawn.
        ax: Where to draw; a new figure by default.
        title: What stands above.
        unit: Of the costs.
    """
    ax = _axes(ax)
    costs: list[float] = []
    for at, name in enumerate(name for name in _STYLES if name in lifts):
        spent, gained, low, high = lifts[name][:, np.argsort(lifts[name][0])] * [[1], [100], [100], [100]]
        shade, mark = _STYLES[name]
        costs += spent.tolist()
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
    _cost_axis(ax, costs, unit)
    ax.set_ylabel("lift over the random mixture (points)")
    ax.set_title(title, loc="left", fontsize=11)
    ax.legend(frameon=False, fontsize=9)
    return _plain(ax)


def _axes(ax: "Axes | None", *, height: float = 4.0) -> "Axes":
    """The axes given, or those of a new figure."""
    if ax is not None:
        return ax
    with needs("pictures need matplotlib", "kit"):
        from matplotlib import pyplot as plt
    return plt.subplots(figsize=(7.2, height), layout="constrained")[1]


def _cost_axis(ax: "Axes", costs: Sequence[float], unit: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if min(costs) > 0 and max(costs) > _WIDE * min(costs):
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(f"mean cost per question ({unit})")


def _plain(ax: "Axes", grid: Any = "both") -> "Axes":
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis=grid, color=colours()["line"], linewidth=0.7)
    ax.set_axisbelow(True)
    return ax
