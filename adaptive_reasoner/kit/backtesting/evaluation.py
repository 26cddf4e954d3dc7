"""What a policy would have done on questions it has not seen, beside every baseline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.errors import InfeasibleBudgetError, OutcomesError
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.backtesting.cascades import escalation_rules
from adaptive_reasoner.kit.backtesting.imitators import Mistakes
from adaptive_reasoner.kit.backtesting.latency import of_stop_rules
from adaptive_reasoner.kit.backtesting.learning_curve import Point, learning_curve
from adaptive_reasoner.kit.backtesting.lift import Gain, Key, measure
from adaptive_reasoner.kit.backtesting.rules import Rule
from adaptive_reasoner.kit.backtesting.split_runner import SplitRunner
from adaptive_reasoner.kit.backtesting.stop_rules import replay_rules
from adaptive_reasoner.kit.backtesting.unseen_groups import play_unseen_groups
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.encoders import Encoder, feature_matrix, open_encoder
from adaptive_reasoner.kit.learning.first_sample import look_first
from adaptive_reasoner.kit.learning.gate import ROUNDING, Answer, answer_to, detectable_lift
from adaptive_reasoner.kit.learning.imitator import Observed
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.bootstrap import Interval
from adaptive_reasoner.kit.tables.files import read_rows
from adaptive_reasoner.pages.tables import html_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Path = str | PathLike[str]

_VOTES = (1, 3, 5, 9, 15, 25, 39)


@dataclass(frozen=True)
class BacktestRow:
    """A policy at a budget: means over the splits, 95% intervals over questions.

    Attributes:
        policy: An action, a baseline, an oracle, a stop rule, or an imitator; `imitator` is what would be
            shipped, `imitator_ungated` the same where the gate would have shipped a mixture instead, and
            `imitator_first_sample`, where samples allow it, decides after one cheap answer that it pays for
            (`first_sample_ungated`: gate or not).
        budget: The mean cost it was asked to keep.
        realised_cost: The mean cost it came to.
        accuracy: Its mean accuracy.
        uniform_at_cost: Accuracy of the best random mixture of fixed actions at the realised cost.
        lift: `accuracy - uniform_at_cost`.
        lift_low, lift_high: Its interval.
        lift_relative: Lift by `uniform_at_cost`.
        lift_relative_low, lift_relative_high: Its interval.
        lift_within_groups: The lift that is left when each group is compared with its own best mixture.
        lift_within_low, lift_within_high: Its interval.
        compute_saved: Times the realised cost that a mixture as accurate would need, at least.
        compute_saved_low, compute_saved_high: Its interval.
        gap_closed: Share of the cross-fitted oracle's lift (of the in-sample oracle's, where there is one
            sample a cell only); None where that lift cannot be told from zero.
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
class Backtest:
    """The result of a backtest.

    Attributes:
        file: What was tested, by name.
        n_questions: How many questions there were.
        cost_unit: What a cost counts.
        rows: One a policy and budget.
        verdict: On `imitator_ungated`, over all budgets, by the rules of the gate: its lift is above zero, is
            too small to be worth it, or cannot be told.
        lift: That lift, mean over the budgets, with its interval.
        observe: What is worth deciding by: the question alone, unless looking at a first answer is better.
        look: How much better, mean lift over the budgets with its interval; None without samples to look at.
        learning_curve: What the imitator comes to when trained on fewer samples a question, where there are
            several: how many calls are worth buying.
        mistakes: By imitator and budget, its choices against the oracle's.
        source: What the stop rules were replayed on.
        splits, test_size, seed: As asked for.
    """

    file: str
    n_questions: int
    cost_unit: str
    rows: tuple[BacktestRow, ...]
    verdict: Answer
    lift: Interval
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
        said = f"{self.verdict}: lift {self.lift.mean:+.3f} ({self.lift.low:+.3f} to {self.lift.high:+.3f})"
        table = html_table(rows, f"{said}, {self.n_questions:,} questions", most=100)
        stop_rules = of_stop_rules(map(asdict, self.rows))
        if not stop_rules:
            return table
        return table + html_table(stop_rules, f"How long stop rules take, on {self.source}", most=100)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            "file": self.file,
            "n_questions": self.n_questions,
            "cost_unit": self.cost_unit,
            "rows": [asdict(row) for row in self.rows],
            "verdict": self.verdict,
            "lift": asdict(self.lift),
            "observe": self.observe,
            "look": None if self.look is None else asdict(self.look),
            "learning_curve": [asdict(point) for point in self.learning_curve],
            "mistakes": [
                {"policy": policy, "budget": budget, **asdict(mistakes)}
                for (policy, budget), mistakes in self.mistakes.items()
            ],
            "source": self.source,
            "splits": self.splits,
            "test_size": self.test_size,
            "seed": self.seed,
        }


def backtest(
    table: Outcomes | Samples | Path,
    *,
    budgets: Sequence[float],
    samples: Samples | Path | None = None,
    source: str | None = None,
    splits: int = 5,
    test_size: float = 0.5,
    seed: int = 0,
    draws: int = 2000,
    encoder: Encoder | Path | None = None,
) -> Backtest:
    """Train on a part of the questions, play the rest, several times, and compare at equal cost.

    Args:
        table: Outcomes, or samples to estimate them from, or a file of either.
        budgets: Mean costs allowed.
        samples: The samples behind the outcomes, to replay stop rules on.
        source: Which source of the samples to replay; by default the one with most samples.
        splits: How many random splits to average over.
        test_size: Share of the questions held out.
        seed: Of splits, folds and bootstrap.
        draws: Of the bootstrap.
        encoder: What the imitator sees questions through: an encoder, or its name or folder.

    Raises:
        OutcomesError: The table cannot be used as it is.
        ValueError: A budget is not finite, or `test_size` does not lie between 0 and 1.
        InfeasibleBudgetError: Even the cheapest actions cost more than a budget.
    """
    name = str(table) if isinstance(table, str | PathLike) else ""
    outcomes, replies = _load(table, samples)
    _check(outcomes, budgets, splits)
    if encoder is None or isinstance(encoder, str | PathLike):
        encoder = open_encoder(encoder)
    features = feature_matrix(outcomes.questions.tolist(), encoder)
    if replies is not None and source is None:
        source = _best_sampled(replies)
    rules: dict[str, Rule] = {}
    if replies is not None and source is not None:
        rules |= replay_rules(replies, source, outcomes, features, seed=seed)
        rules |= escalation_rules(replies, outcomes, features, seed=seed)
    look = None if replies is None else look_first(replies, outcomes, features, encoder)
    field = SplitRunner(outcomes, features, tuple(dict.fromkeys(budgets)), rules, look)
    played = [field.play(seed + number, test_size=test_size) for number in range(splits)]
    unseen = play_unseen_groups(field.table, field.features, field.budgets, folds=max(2, splits), seed=seed)
    trials = [one.trial for one in played] + ([] if unseen is None else [unseen])
    gains = measure(outcomes, trials, draws=draws, seed=seed)
    curve: tuple[Point, ...] = ()
    if replies is not None:
        votes = {name: _sizes(replies, name) for name in replies.sources}
        curve = learning_curve(
            replies,
            outcomes,
            features,
            field.budgets,
            votes=votes,
            splits=splits,
            test_size=test_size,
            seed=seed,
            draws=draws,
        )
    lifts = _mean_lifts(gains, "imitator_ungated", field.budgets)
    lift = Interval.of(lifts)
    costs = np.array([gains["imitator_ungated", budget].realised_cost for budget in field.budgets])
    better = None
    if look is not None:
        better = Interval.of(_mean_lifts(gains, "first_sample_ungated", field.budgets) - lifts)
    return Backtest(
        file=name,
        n_questions=len(outcomes),
        cost_unit=outcomes.cost_unit,
        rows=tuple(_rows(gains)),
        verdict=answer_to(lift.low, lift.high, detectable_lift(lifts[1:], costs, outcomes), outcomes),
        lift=lift,
        observe="first_sample" if better is not None and better.low > ROUNDING else "question",
        look=better,
        learning_curve=curve,
        mistakes={key: Mistakes.mean([one.mistakes[key] for one in played]) for key in played[0].mistakes},
        source=source if rules else None,
        splits=splits,
        test_size=test_size,
        seed=seed,
    )


def _mean_lifts(gains: Mapping[Key, Gain], policy: str, budgets: Sequence[float]) -> Floats:
    """Mean over the budgets of a policy's lift, then of its bootstrap draws, which all policies share."""
    lifts: Floats = np.mean([gains[policy, budget].lifts for budget in budgets], axis=0)
    return lifts


def _load(
    table: Outcomes | Samples | Path, samples: Samples | Path | None
) -> tuple[Outcomes, Samples | None]:
    if isinstance(samples, str | PathLike):
        samples = Samples.read(samples)
    if isinstance(table, str | PathLike):
        table = Samples.read(table) if _holds_samples(table) else Outcomes.read(table)
    if samples is not None:
        check_argument(samples, "Samples", "backtest(samples=...)")
    if isinstance(table, Outcomes):
        return table, samples
    check_argument(table, "Samples", "backtest")
    return estimate(
        table, votes={source: _sizes(table, source) for source in table.sources}
    ), samples or table


def _holds_samples(path: Path) -> bool:
    first = next(read_rows(path, drop_cut_line=True), None)
    if first is None:
        raise OutcomesError("the table is empty", file=path)
    return "action" not in first and "sample" in first


def _sizes(samples: Samples, source: str) -> list[int]:
    """Votes that every question has samples for; at least single replies."""
    counts = [len(samples.votes(question_id, source)) for question_id in samples.question_ids]
    fewest = min((count for count in counts if count), default=1)
    return [size for size in _VOTES if size <= fewest]


def _best_sampled(samples: Samples) -> str:
    """The source with most replies, the first among equals."""
    return max(
        samples.sources,
        key=lambda source: sum(
            len(samples.votes(question_id, source)) for question_id in samples.question_ids
        ),
    )


def _check(outcomes: Outcomes, budgets: Sequence[float], splits: int) -> None:
    if not budgets or splits < 1:
        raise ValueError(f"a backtest needs a budget and a split, not {len(budgets)} and {splits}")
    cheapest = float(outcomes.cost.min(axis=1).mean())
    for budget in budgets:
        if not isfinite(budget):
            raise ValueError(f"a backtest needs finite budgets, not {budget}")
        if budget < cheapest * (1 - 1e-12):
            raise InfeasibleBudgetError(budget, cheapest, outcomes.cost_unit)


def _rows(gains: Mapping[Key, Gain]) -> Iterator[BacktestRow]:
    for (policy, budget), gain in sorted(gains.items(), key=lambda item: item[0][1]):
        in_sample = gains["oracle_in_sample", budget]
        oracle = gains.get(("oracle_crossfit", budget), in_sample)
        within = gain.lift_within_groups
        yield BacktestRow(
            policy=policy,
            budget=budget,
            realised_cost=gain.realised_cost,
            accuracy=gain.accuracy,
            uniform_at_cost=gain.uniform_at_cost,
            lift=gain.lift.mean,
            lift_low=gain.lift.low,
            lift_high=gain.lift.high,
            lift_relative=_known(gain.lift_relative.mean),
            lift_relative_low=_known(gain.lift_relative.low),
            lift_relative_high=_known(gain.lift_relative.high),
            lift_within_groups=None if within is None else within.mean,
            lift_within_low=None if within is None else within.low,
            lift_within_high=None if within is None else within.high,
            compute_saved=_known(gain.compute_saved.mean),
            compute_saved_low=_known(gain.compute_saved.low),
            compute_saved_high=_known(gain.compute_saved.high),
            gap_closed=_share_closed(gain, oracle),
            gap_closed_in_sample=_share_closed(gain, in_sample),
            realised_tokens=gain.realised_tokens,
            realised_rounds=gain.realised_rounds,
            p95_seconds=gain.p95_seconds,
        )


def _share_closed(gain: Gain, oracle: Gain) -> float | None:
    return gain.lift.mean / oracle.lift.mean if oracle.lift.low > ROUNDING else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
