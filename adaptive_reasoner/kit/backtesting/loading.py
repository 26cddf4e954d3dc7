"""Loads outcomes and samples for a backtest, and checks them before anything is trained."""

from collections.abc import Sequence
from math import isfinite
from os import PathLike

from adaptive_reasoner.errors import InfeasibleBudgetError, OutcomesError
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.estimating.consensus import with_estimated_grades
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.estimating.votes_allowed import can_vote
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.files import read_rows

Path = str | PathLike[str]

_VOTES = (1, 3, 5, 9, 15, 25, 39)


def load(table: Outcomes | Samples | Path, samples: Samples | Path | None) -> tuple[Outcomes, Samples | None]:
    """Outcomes, read or estimated, and their samples if given, with estimated grades where none are known.

    Raises:
        OutcomesError: A file cannot be used as it is.
    """
    if isinstance(samples, str | PathLike):
        samples = Samples.read(samples)
    if isinstance(table, str | PathLike):
        table = Samples.read(table) if _holds_samples(table) else Outcomes.read(table)
    if samples is not None:
        check_argument(samples, "Samples", "backtest(samples=...)")
    if not isinstance(table, Outcomes):
        check_argument(table, "Samples", "backtest")
        samples = samples or table
        table = estimate(table, votes={source: vote_sizes(table, source) for source in table.sources})
    return table, None if samples is None else with_estimated_grades(samples)


def _holds_samples(path: Path) -> bool:
    first = next(read_rows(path, drop_cut_line=True), None)
    if first is None:
        raise OutcomesError("the table is empty", file=path)
    return "action" not in first and "sample" in first


def vote_sizes(samples: Samples, source: str) -> list[int]:
    """Sizes of votes for which every question has enough samples that can vote; at least single replies."""
    if not can_vote(samples, source):
        return [1]
    counts = [len(samples.votes(question_id, source)) for question_id in samples.question_ids]
    fewest = min((count for count in counts if count), default=1)
    return [size for size in _VOTES if size <= fewest]


def replayed_source(samples: Samples, source: str | None) -> str | None:
    """The source whose votes are replayed: the one asked for, or that with most replies that can vote.

    Returns:
        The first among equals; None where the replies of all sources are free text.

    Raises:
        OutcomesError: Those of the one asked for are.
    """

    def replies(source: str) -> int:
        return sum(len(samples.votes(question_id, source)) for question_id in samples.question_ids)

    if source is None:
        voting = [each for each in samples.sources if can_vote(samples, each)]
        return max(voting, key=replies, default=None)
    if not can_vote(samples, source):
        raise OutcomesError(
            f"most samples of source {source!r} offer nothing to compare, so there are no votes of it to "
            "replay: leave the source out, or name another"
        )
    return source


def check(outcomes: Outcomes, budgets: Sequence[float], splits: int, n_jobs: int) -> None:
    """Refuse arguments that cannot be tested.

    Raises:
        ValueError: There is no budget, no split or no job, or a budget is not finite.
        InfeasibleBudgetError: Even the cheapest actions cost more than a budget.
    """
    if not budgets or splits < 1:
        raise ValueError(f"a backtest needs a budget and a split, not {len(budgets)} and {splits}")
    if n_jobs < 1:
        raise ValueError(f"n_jobs is {n_jobs}; at least 1 split is played at once")
    cheapest = float(outcomes.cost.min(axis=1).mean())
    for budget in budgets:
        if not isfinite(budget):
            raise ValueError(f"a backtest needs finite budgets, not {budget}")
        if budget < cheapest * (1 - 1e-12):
            raise InfeasibleBudgetError(budget, cheapest, outcomes.cost_unit)
