"""The result of a backtest: a row for every policy and budget, and a verdict on the imitator."""

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adaptive_reasoner.amounts import written
from adaptive_reasoner.kit.backtesting.imitators import Mistakes
from adaptive_reasoner.kit.backtesting.latency import of_stop_rules
from adaptive_reasoner.kit.backtesting.learning_curve import Point
from adaptive_reasoner.kit.backtesting.lift import Gain
from adaptive_reasoner.kit.backtesting.performance import Key
from adaptive_reasoner.kit.learning.dominated import dropped_in_words
from adaptive_reasoner.kit.learning.gate import Answer
from adaptive_reasoner.kit.learning.held_out_trust import ROUNDING
from adaptive_reasoner.kit.learning.imitator import Observed
from adaptive_reasoner.kit.tables.bootstrap import Interval
from adaptive_reasoner.pages.tables import html_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Fields that a row takes from a gain as they are.
_AS_MEASURED = (
    "realised_cost",
    "accuracy",
    "uniform_at_cost",
    "realised_tokens",
    "realised_rounds",
    "p95_seconds",
)


@dataclass(frozen=True)
class BacktestRow:
    """A policy at a budget: means over the splits, 95% intervals over questions.

    Attributes:
        policy: An action, a baseline, an oracle, a stop rule, or an imitator; `imitator` is what would be
            shipped, `imitator_ungated` the same with predictions followed everywhere, and
            `imitator_first_sample`, where samples allow it, decides after one cheap answer that it pays for
            (`first_sample_ungated`: gate or not).
        budget: The mean cost it was asked to keep.
        realised_cost: The mean cost it came to.
        accuracy: Its mean accuracy.
        uniform_at_cost: Accuracy, at the realised cost, of the random mixture of fixed actions that was
            chosen in training.
        lift: `accuracy - uniform_at_cost`.
        lift_low, lift_high: Its interval.
        lift_hindsight: The lift over the best random mixture on the held-out questions themselves, which of
            many actions takes the luckiest.
        lift_hindsight_low, lift_hindsight_high: Its interval.
        lift_relative: Lift by `uniform_at_cost`; None where that is not positive.
        lift_relative_low, lift_relative_high: Its interval.
        lift_within_groups: The lift that is left when each group is compared with its own best mixture.
        lift_within_low, lift_within_high: Its interval.
        compute_saved: Times the realised cost that a mixture as accurate would need, at least.
        compute_saved_low, compute_saved_high: Its interval.
        gap_closed: Share of the cross-fitted oracle's lift (of the in-sample oracle's, if cells have one
            sample only); None where that lift cannot be distinguished from zero.
        gap_closed_in_sample: Share of the in-sample oracle's lift: the true share lies between the two.
        realised_tokens: Mean tokens generated, of stop rules, where known.
        realised_rounds: Mean waves of calls that have to be waited for, of stop rules.
        p95_seconds: Within which they answer 95% of the questions, where samples say how long they took. A
            wave takes as long as its slowest sample.
    """

    policy: str
    budget: float
    realised_cost: float
    accuracy: float
    uniform_at_cost: float
    lift: float
    lift_low: float
    lift_high: float
    lift_hindsight: float
    lift_hindsight_low: float
    lift_hindsight_high: float
    lift_relative: float | None
    lift_relative_low: float | None
    lift_relative_high: float | None
    lift_within_groups: float | None
    lift_within_low: float | None
    lift_within_high: float | None
    compute_saved: float | None
    compute_saved_low: float | None
    compute_saved_high: float | None
    gap_closed: float | None
    gap_closed_in_sample: float | None
    realised_tokens: float | None
    realised_rounds: float | None
    p95_seconds: float | None


@dataclass(frozen=True)
class BudgetVerdict:
    """The verdict on the imitator at one budget.

    Attributes:
        budget: The mean cost it was asked to keep.
        verdict: Whether its predictions are followed there.
        trust: How far, in [0, 1], mean over the splits.
    """

    budget: float
    verdict: Answer
    trust: float

    def __str__(self) -> str:
        return f"at {written(self.budget)}: {self.verdict}, predictions are trusted {self.trust:.0%}"


@dataclass(frozen=True)
class Backtest:
    """The result of a backtest.

    Attributes:
        file: What was tested, by name.
        n_questions: How many questions there were.
        cost_unit: What a cost counts.
        rows: One a policy and budget.
        n_labelled: Of how many a right answer is known.
        verdict: On the imitator over all budgets, from `verdicts` by one rule: see `over_budgets`.
        verdicts: Budget by budget, by the rules of the gate: most splits follow its predictions in full, or
            in part; or they do not, and its lift is too small to be worth it or cannot be determined.
        lift: The lift of what ships, mean over the budgets, with its interval; if nothing does, of following
            the predictions all the same (`imitator_ungated`).
        actions: All that were tested.
        dropped: The actions that the policy does without in every split, as they are never worth choosing.
        observe: What is worth deciding by: the question alone, unless looking at a first answer is better.
        look: How much better, mean lift over the budgets with its interval; None without samples to look at.
        learning_curve: What the imitator comes to when trained on fewer samples per question, where there are
            several: how many calls are worth buying.
        mistakes: By imitator and budget, its choices against the oracle's.
        source: What the stop rules were replayed on.
        splits, test_size, seed: As asked for.
    """

    file: str
    n_questions: int
    n_labelled: int
    cost_unit: str
    rows: tuple[BacktestRow, ...]
    verdict: Answer
    verdicts: tuple[BudgetVerdict, ...]
    lift: Interval
    actions: tuple[str, ...]
    dropped: tuple[str, ...]
    observe: Observed
    look: Interval | None
    learning_curve: tuple[Point, ...]
    mistakes: Mapping[Key, Mistakes]
    source: str | None
    splits: int
    test_size: float
    seed: int

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw lift against realised cost, by matplotlib; on new axes where none are given."""
        from adaptive_reasoner.kit.plotting import plot_lifts

        mean, low, high = (100 * end for end in (self.lift.mean, self.lift.low, self.lift.high))
        title = f"{self.verdict}: {mean:+.1f} points ({low:.1f} to {high:.1f})"
        lifts: dict[str, list[list[float]]] = {}
        for row in self.rows:
            lifts.setdefault(row.policy, []).append(
                [row.realised_cost, row.lift, row.lift_low, row.lift_high]
            )
        by_policy = {policy: np.array(points).T for policy, points in lifts.items()}
        return plot_lifts(by_policy, ax, title=title, unit=self.cost_unit)

    def _repr_html_(self) -> str:
        columns = ("policy", "budget", "realised_cost", "accuracy", "lift", "lift_low", "lift_high")
        rows = [{column: getattr(row, column) for column in columns} for row in self.rows]
        verdict = (
            f"{self.verdict}: lift {self.lift.mean:+.3f} ({self.lift.low:+.3f} to {self.lift.high:+.3f})"
        )
        said = [f"{verdict}, {self.n_questions:,} questions"]
        if self.dropped:
            said.append(dropped_in_words(self.dropped, len(self.actions)))
        table = html_table(rows, "; ".join(said), most=100)
        stop_rules = of_stop_rules(map(asdict, self.rows))
        if not stop_rules:
            return table
        return table + html_table(stop_rules, f"How long stop rules take, on {self.source}", most=100)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        values = asdict(self)
        mistakes = [
            {"policy": policy, "budget": budget, **each}
            for (policy, budget), each in values["mistakes"].items()
        ]
        rows, curve = list(values["rows"]), list(values["learning_curve"])
        values |= {"rows": rows, "learning_curve": curve, "mistakes": mistakes}
        return values | {name: list(values[name]) for name in ("verdicts", "actions", "dropped")}


def rows_of(gains: Mapping[Key, Gain]) -> tuple[BacktestRow, ...]:
    """One row per policy and budget, budget by budget."""
    rows = []
    for (policy, budget), gain in sorted(gains.items(), key=lambda item: item[0][1]):
        in_sample = gains.get(("oracle_in_sample", budget))
        oracle = gains.get(("oracle_crossfit", budget), in_sample)
        rows.append(
            BacktestRow(
                policy=policy,
                budget=budget,
                **{name: getattr(gain, name) for name in _AS_MEASURED},
                **_ends(gain.lift, "lift"),
                **_ends(gain.lift_hindsight, "lift_hindsight"),
                **_ends(gain.lift_relative, "lift_relative"),
                **_ends(gain.lift_within_groups, "lift_within_groups", ends="lift_within"),
                **_ends(gain.compute_saved, "compute_saved"),
                gap_closed=_share_closed(gain, oracle),
                gap_closed_in_sample=_share_closed(gain, in_sample),
            )
        )
    return tuple(rows)


def _ends(interval: Interval | None, name: str, *, ends: str | None = None) -> dict[str, Any]:
    """The fields of an interval: its mean under its name, and its ends; None where a number is not known."""
    values = (None,) * 3 if interval is None else (None if np.isnan(v) else v for v in astuple(interval))
    return dict(zip((name, f"{ends or name}_low", f"{ends or name}_high"), values, strict=True))


def _share_closed(gain: Gain, oracle: Gain | None) -> float | None:
    """None where right answers are missing, so that there is no oracle, and where it may gain nothing."""
    if oracle is None or not (oracle.lift.mean > ROUNDING and oracle.lift.low > ROUNDING):
        return None
    return gain.lift.mean / oracle.lift.mean
