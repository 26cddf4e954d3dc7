"""How the imitator's lift grows with the samples per question that it is trained on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from adaptive_reasoner.arrays import Matrix
from adaptive_reasoner.kit.backtesting.imitators import Split, fitted_imitator, value_shares
from adaptive_reasoner.kit.backtesting.lift import measure
from adaptive_reasoner.kit.backtesting.parallel_tasks import Tell, side_by_side
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.splits import split_by_text

_AMOUNTS = (2, 4, 8, 16)


@dataclass(frozen=True)
class Point:
    """The result of an imitator trained on so many samples of each question and source.

    Attributes:
        samples: How many; votes of more cannot be estimated from them, and are not played.
        calls: What they come to for the questions trained on.
        budget: The mean cost it was asked to keep.
        realised_cost: The mean cost it came to.
        accuracy: Its mean accuracy.
        lift: Over the best mixture of all fixed actions at that cost, ungated.
        lift_low, lift_high: Its 95% interval.
    """

    samples: int
    calls: int
    budget: float
    realised_cost: float
    accuracy: float
    lift: float
    lift_low: float
    lift_high: float


def measure_learning_curve(
    samples: Samples,
    table: Outcomes,
    features: Matrix,
    budgets: Sequence[float],
    *,
    votes: Mapping[str, Sequence[int]],
    splits: int,
    test_size: float,
    seed: int = 0,
    draws: int = 2000,
    n_jobs: int = 1,
    on_progress: Tell | None = None,
) -> tuple[Point, ...]:
    """Train on 2, 4, 8, 16 and all samples per question; play and score on all samples.

    Args:
        samples: The replies behind `table`.
        table: The questions, with actions named as `estimate` names them.
        features: Of the questions, shape (n, width).
        budgets: Mean costs allowed.
        votes: Sizes of the votes of each source that all samples can tell.
        splits: As for the backtest, as are the next three.
        test_size: Share of the questions held out.
        seed: Of splits and learners.
        draws: Of the bootstrap.
        n_jobs: How many splits are trained on at once, as for the backtest.
        on_progress: Gets a line after each split.

    Returns:
        One point per amount and budget, in this order; none where there is but one sample per question.
    """
    trained = dict(_trained_on(samples, table, votes))
    if not trained:
        return ()
    parts = [
        split_by_text(table.questions, test_size=test_size, seed=seed + number) for number in range(splits)
    ]

    def play(number: int) -> SplitResult:
        fit, held_out = parts[number]
        plays = {}
        for amount, seen in trained.items():
            split = replace(Split.of(table, features, fit, held_out), fit=seen.select(fit))
            columns = [table.actions.index(action) for action in seen.actions]
            imitator = fitted_imitator(split, budgets, seed=seed + number)
            played = value_shares(imitator, split, budgets)
            for budget, each in zip(budgets, played, strict=True):
                shares = np.zeros(split.held_out.accuracy.shape)
                shares[:, columns] = each.ungated
                plays[str(amount), budget] = Performance.of(split.held_out, shares)
        return SplitResult(held_out, plays)

    trials = side_by_side(play, splits, n_jobs=n_jobs, name="learning curve, split", tell=on_progress)
    asked = float(np.mean([len(fit) for fit, _ in parts]))
    gains = measure(table, trials, draws=draws, seed=seed)
    return tuple(
        Point(
            samples=amount,
            calls=round(asked * amount * len(samples.sources)),
            budget=budget,
            realised_cost=gain.realised_cost,
            accuracy=gain.accuracy,
            lift=gain.lift.mean,
            lift_low=gain.lift.low,
            lift_high=gain.lift.high,
        )
        for amount in trained
        for budget in budgets
        for gain in [gains[str(amount), budget]]
    )


def _trained_on(
    samples: Samples, table: Outcomes, votes: Mapping[str, Sequence[int]]
) -> Iterator[tuple[int, Outcomes]]:
    """For each amount the table estimated from so many samples, in the order of `table`."""
    most = min(
        len(samples.votes(question_id, source))
        for question_id in table.question_ids
        for source in samples.sources
    )
    for amount in (*(amount for amount in _AMOUNTS if amount < most), most):
        if amount < 2:
            return
        sizes = {source: [size for size in known if size <= amount] for source, known in votes.items()}
        seen = estimate(samples.first(amount), votes=sizes)
        place = {question_id: at for at, question_id in enumerate(seen.question_ids)}
        both = [at for at, action in enumerate(seen.actions) if action in table.actions]
        if both and place.keys() >= set(table.question_ids):
            rows = np.array([place[question_id] for question_id in table.question_ids])
            yield amount, seen.select(rows).only(both)
