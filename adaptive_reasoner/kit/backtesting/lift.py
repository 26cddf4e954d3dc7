"""The gain of a policy over random mixtures of fixed actions at the same cost, with intervals.

The mixtures are those chosen where the policy was trained, played on the held-out questions. Beside them
stands the hull that hindsight fits on the held-out questions, which of many actions takes the luckiest.

The question is the unit of the bootstrap; several splits share its draws, so that a question counts once
however often it was held out. The hull of hindsight is fitted again in every draw. The intervals hold for the
policies and mixtures as trained: no draw trains again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.allocation.mixtures import mixture_accuracy, mixture_cost, path_accuracy
from adaptive_reasoner.kit.backtesting.performance import Key, SplitResult
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.bootstrap import Interval, bootstrap_means

_SMALLEST_GROUP = 10  # held-out questions; in smaller groups the group's own best mixture would be hindsight


@dataclass(frozen=True, eq=False)
class Gain:
    """What a policy gained at a budget, mean over the trials that played it: see `BacktestRow`.

    Attributes:
        accuracy, realised_cost, uniform_at_cost: Means over the questions.
        lift, lift_relative: Over the mixture of fixed actions that training chose, at that cost.
        lift_hindsight: Over the best mixture of fixed actions on the held-out questions, at that cost.
        compute_saved: Cost of the cheapest mixture that is as accurate, by `realised_cost`. Where no mixture
            is, the most accurate one's cost is taken: the true figure is higher.
        lift_within_groups: Lift over the best mixture of each group at the cost realised in that group, mean
            over questions. Its interval draws questions group by group. None without groups large enough.
        realised_tokens, realised_rounds, p95_seconds: Means, where known.
        lifts: The lift, then its bootstrap draws.
    """

    accuracy: float
    realised_cost: float
    uniform_at_cost: float
    lift: Interval
    lift_hindsight: Interval
    lift_relative: Interval
    compute_saved: Interval
    lift_within_groups: Interval | None
    realised_tokens: float | None
    realised_rounds: float | None
    p95_seconds: float | None
    lifts: Floats

    @property
    def within_groups(self) -> float | None:
        """The lift within groups without its interval."""
        return None if self.lift_within_groups is None else self.lift_within_groups.mean


def measure(
    table: Outcomes, trials: Sequence[SplitResult], *, draws: int = 2000, seed: int = 0
) -> dict[Key, Gain]:
    """Compare every play with the mixtures of fixed actions on the same held-out questions.

    Args:
        table: All questions.
        trials: Splits of them. A policy is averaged over the trials that have it.
        draws: Of the bootstrap; questions of equal text are drawn together.
        seed: Of the draws, which all policies and trials share.
    """
    stacked = np.hstack([_columns(table, trial) for trial in trials])
    means = _means(table, trials, stacked, draws=draws, seed=seed)
    within = _within_groups(table, trials, stacked, draws=draws, seed=seed)
    gains = {}
    for key in dict.fromkeys(key for trial in trials for key in trial.plays):
        mine = [(trial, mean) for trial, mean in zip(trials, means, strict=True) if key in trial.plays]
        accuracy, cost, uniform, equal, hindsight = (
            np.mean([mean[key][part] for _, mean in mine], axis=0) for part in range(5)
        )
        inside = [lifts[key] for trial, lifts in zip(trials, within, strict=True) if key in trial.plays]
        plays = [trial.plays[key] for trial, _ in mine]
        gains[key] = Gain(
            accuracy=float(accuracy[0]),
            realised_cost=float(cost[0]),
            uniform_at_cost=float(uniform[0]),
            lift=Interval.of(accuracy - uniform),
            lift_hindsight=Interval.of(accuracy - hindsight),
            lift_relative=Interval.of(_ratio(accuracy - uniform, uniform)),
            compute_saved=Interval.of(_ratio(equal, cost)),
            lift_within_groups=_mean_interval(inside),
            realised_tokens=_mean_of_known([play.tokens for play in plays]),
            realised_rounds=_mean_of_known([play.rounds for play in plays]),
            p95_seconds=_mean_of_known([play.p95_seconds for play in plays]),
            lifts=accuracy - uniform,
        )
    return gains


def _means(
    table: Outcomes, trials: Sequence[SplitResult], stacked: Floats, *, draws: int, seed: int
) -> list[dict[Key, tuple[Floats, ...]]]:
    """For each trial what `_compared` returns for its part of the stacked columns."""
    drawn = np.vstack([stacked.mean(axis=0), bootstrap_means(stacked, table.questions, draws, seed)])
    ends = np.cumsum([_width(table, trial) for trial in trials])[:-1]
    parts = np.split(drawn, ends, axis=1)
    return [_compared(table, trial, part) for trial, part in zip(trials, parts, strict=True)]


def _width(table: Outcomes, trial: SplitResult) -> int:
    return 1 + 2 * len(table.actions) + 2 * len(trial.plays)


def _columns(table: Outcomes, trial: SplitResult) -> Floats:
    """What is averaged over the questions of a trial, and 0 for all others; the first column counts them."""
    held_out, plays = table.select(trial.held_out), trial.plays.values()
    columns = np.zeros((len(table), _width(table, trial)))
    columns[trial.held_out] = np.column_stack(
        [
            np.ones(len(held_out)),
            held_out.accuracy,
            held_out.cost,
            *(play.accuracy for play in plays),
            *(play.cost for play in plays),
        ]
    )
    return columns


def _compared(table: Outcomes, trial: SplitResult, means: Floats) -> dict[Key, tuple[Floats, ...]]:
    """Of each play its accuracy and cost, and what mixtures of fixed actions do instead.

    These are the accuracy of the mixture chosen in training at that cost, then the cost at that accuracy and
    the accuracy at that cost of the best mixture of the held-out questions. Each has shape (1 + draws,), as
    the means of `_columns` have: the estimate, then its draws.
    """
    k, p = len(table.actions), len(trial.plays)
    # NaN where no held-out question was drawn, as can happen in a small group.
    known = np.divide(means, means[:, :1], out=np.full_like(means, np.nan), where=means[:, :1] > 0)
    fixed_accuracy, fixed_cost, accuracy, cost = np.split(known[:, 1:], np.cumsum([k, k, p]), axis=1)
    uniform = hindsight = mixture_accuracy(fixed_accuracy, fixed_cost, cost)
    if trial.path is not None:
        uniform = path_accuracy(fixed_accuracy[:, trial.path], fixed_cost[:, trial.path], cost)
    equal = mixture_cost(fixed_accuracy, fixed_cost, accuracy)
    return {
        key: (accuracy[:, at], cost[:, at], uniform[:, at], equal[:, at], hindsight[:, at])
        for at, key in enumerate(trial.plays)
    }


def _within_groups(
    table: Outcomes, trials: Sequence[SplitResult], stacked: Floats, *, draws: int, seed: int
) -> list[dict[Key, Floats | None]]:
    """For each trial and play its lift within groups, then its draws; None where no group is large enough."""
    if table.groups is None:
        return [dict.fromkeys(trial.plays) for trial in trials]
    compared: list[list[tuple[int, dict[Key, tuple[Floats, ...]]]]] = [[] for _ in trials]
    for number, group in enumerate(dict.fromkeys(table.groups.tolist())):
        rows = np.flatnonzero(table.groups == group)
        sizes = [int(np.isin(trial.held_out, rows).sum()) for trial in trials]
        if max(sizes) < _SMALLEST_GROUP:
            continue
        means = _means(table.select(rows), trials, stacked[rows], draws=draws, seed=seed + number)
        for known, size, mean in zip(compared, sizes, means, strict=True):
            if size >= _SMALLEST_GROUP:
                known.append((size, mean))
    return [
        {key: _weighted_lift(known, key) for key in trial.plays}
        for trial, known in zip(trials, compared, strict=True)
    ]


def _weighted_lift(groups: Sequence[tuple[int, Mapping[Key, tuple[Floats, ...]]]], key: Key) -> Floats | None:
    """Mean of a play's lifts over groups of these sizes, by what `_compared` returns of each."""
    if not groups:
        return None
    lifts = [size * (means[key][0] - means[key][4]) for size, means in groups]
    total: Floats = np.sum(lifts, axis=0) / sum(size for size, _ in groups)
    return total


def _mean_interval(several: Sequence[Floats | None]) -> Interval | None:
    known = [values for values in several if values is not None]
    if not known:
        return None
    mean = np.mean(known, axis=0)
    return Interval.of(mean[np.isfinite(mean)])


def _ratio(above: Floats, below: Floats) -> Floats:
    """NaN where the lower one is not positive: of a reward below zero, a share would have the wrong sign."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _mean_of_known(values: Sequence[Floats | float | None]) -> float | None:
    known = [float(np.mean(value)) for value in values if value is not None]
    return float(np.mean(known)) if known else None
