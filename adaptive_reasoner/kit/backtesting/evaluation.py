"""Backtest policies and baselines on held-out questions."""

from collections.abc import Sequence
from os import PathLike

from adaptive_reasoner.kit.backtesting.cascades import escalation_rules
from adaptive_reasoner.kit.backtesting.imitators import Mistakes
from adaptive_reasoner.kit.backtesting.learning_curve import Point, measure_learning_curve
from adaptive_reasoner.kit.backtesting.loading import Path, check, load, replayed_source, vote_sizes
from adaptive_reasoner.kit.backtesting.look_replay import LookReplay
from adaptive_reasoner.kit.backtesting.parallel_tasks import Tell, side_by_side
from adaptive_reasoner.kit.backtesting.results import Backtest, BudgetVerdict, rows_of
from adaptive_reasoner.kit.backtesting.rules import Rule
from adaptive_reasoner.kit.backtesting.split_runner import SplitRunner
from adaptive_reasoner.kit.backtesting.stop_rules import replay_rules
from adaptive_reasoner.kit.backtesting.unseen_groups import UnseenGroups
from adaptive_reasoner.kit.backtesting.verdicts import TestedPolicies
from adaptive_reasoner.kit.estimating.correction import rectified
from adaptive_reasoner.kit.learning.encoders import DeferredEncoder, Encoder, feature_matrix
from adaptive_reasoner.kit.learning.first_sample import look_first
from adaptive_reasoner.kit.learning.gate import SHIPS, over_budgets
from adaptive_reasoner.kit.learning.held_out_trust import ROUNDING
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.bootstrap import Interval


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
    n_jobs: int = 1,
    on_progress: Tell | None = None,
) -> Backtest:
    """Train on a part of the questions, test on the rest, several times, and compare at equal cost.

    Args:
        table: Outcomes, or samples to estimate them from, or a file of either.
        budgets: Mean costs allowed.
        samples: The samples behind the outcomes, to replay stop rules on.
        source: Which source of the samples to replay; by default the one with most samples, of those whose
            answers can be compared.
        splits: How many random splits to average over.
        test_size: Share of the questions held out.
        seed: Of splits, folds and bootstrap.
        draws: Of the bootstrap.
        encoder: The encoder of the questions, or its name or folder.
        n_jobs: How many splits are run at once, each in a process with one thread; the result is the same.
        on_progress: Gets a line after each step: which split, how long it took, and how long the rest may.

    Raises:
        OutcomesError: The table cannot be used as it is.
        ValueError: A budget is not finite, `test_size` does not lie between 0 and 1, or `n_jobs` is below 1.
        InfeasibleBudgetError: Even the cheapest actions cost more than a budget.
    """
    name = str(table) if isinstance(table, str | PathLike) else ""
    outcomes, replies = load(table, samples)
    check(outcomes, budgets, splits, n_jobs)
    budgets = tuple(dict.fromkeys(budgets))
    encoded_by = DeferredEncoder.of(encoder)
    features = feature_matrix(outcomes.questions.tolist(), encoded_by)
    if replies is not None:
        source = replayed_source(replies, source)
    rules: dict[str, Rule] = {}
    if replies is not None and source is not None:
        rules |= replay_rules(replies, source, outcomes, features, seed=seed)
        rules |= escalation_rules(replies, outcomes, features, seed=seed)
    look = None if replies is None else look_first(replies, outcomes, features, encoded_by)
    runner = SplitRunner(
        outcomes,
        rectified(outcomes),
        features,
        budgets,
        rules,
        look,
        None if replies is None else LookReplay(replies, outcomes, seed=seed),
        UnseenGroups.of(outcomes, features, folds=max(2, splits), seed=seed),
        splits=splits,
        test_size=test_size,
        seed=seed,
    )
    played = side_by_side(runner.play, splits, n_jobs=n_jobs, name="split", tell=on_progress)
    tested = TestedPolicies.of(runner, played, draws=draws)
    curve: tuple[Point, ...] = ()
    if replies is not None and outcomes.estimated is None:
        votes = {name: vote_sizes(replies, name) for name in replies.sources}
        curve = measure_learning_curve(
            replies,
            outcomes,
            features,
            budgets,
            votes=votes,
            splits=splits,
            test_size=test_size,
            seed=seed,
            draws=draws,
            n_jobs=n_jobs,
            on_progress=on_progress,
        )
    verdicts = tuple(
        BudgetVerdict(budget, tested.verdict(budget), tested.trust[budget]) for budget in budgets
    )
    verdict = over_budgets(each.verdict for each in verdicts)
    ungated = tested.lifts("imitator_ungated", budgets)
    better, least = None, ROUNDING * outcomes.scale
    if look is not None:
        better = Interval.of(tested.lifts("first_sample_ungated", budgets) - ungated)
    return Backtest(
        file=name,
        n_questions=len(outcomes),
        n_labelled=int(outcomes.labelled.sum()),
        cost_unit=outcomes.cost_unit,
        verdict=verdict,
        verdicts=verdicts,
        lift=Interval.of(tested.lifts("imitator", budgets) if verdict in SHIPS else ungated),
        rows=rows_of(tested.gains),
        actions=outcomes.actions,
        dropped=tuple(
            action for action in outcomes.actions if all(action in each.dropped for each in played)
        ),
        observe="question" if better is None or better.low <= least else "first_sample",
        look=better,
        learning_curve=curve,
        mistakes={key: Mistakes.mean([each.mistakes[key] for each in played]) for key in played[0].mistakes},
        source=source if rules else None,
        splits=splits,
        test_size=test_size,
        seed=seed,
    )
