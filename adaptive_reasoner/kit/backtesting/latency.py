"""How long people wait for votes on collected samples: in waves of calls, and in seconds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.votes.permutations import ReplayedVotes, Schedule

_SLOWEST = 0.95


class Waits(NamedTuple):
    """How long a rule takes.

    Attributes:
        rounds: Mean waves of calls of each question, shape (m,).
        p95_seconds: Within which 95% of the questions are answered; None where samples took nobody knows how
            long.
    """

    rounds: Floats
    p95_seconds: float | None


def of_stop_rules(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the rows of a backtest say of stop rules: what each spends, and how long people wait."""
    measured = ("realised_tokens", "realised_rounds", "p95_seconds")
    columns = ("policy", "budget", "realised_cost", "accuracy", *measured)
    return [
        {column: row.get(column) for column in columns}
        for row in rows
        if any(row.get(column) is not None for column in measured)
    ]


def waits(deals: ReplayedVotes, courses: Sequence[Schedule], shares: Floats) -> Waits:
    """What a mixture of courses makes people wait. A wave takes as long as its slowest sample.

    Args:
        deals: Votes of the questions asked.
        courses: What may be played.
        shares: How often each is, shape (courses,).
    """
    played = [(course, share) for course, share in zip(courses, shares, strict=True) if share > 0]
    rounds = np.sum([share * deals.mean(_rounds(deals, course)) for course, share in played], axis=0)
    if np.isnan(deals.seconds).any():
        return Waits(rounds, None)
    each = 1.0 / np.bincount(deals.question)[deals.question]  # the orders of a question make one question
    seconds = np.concatenate([_seconds(deals, course) for course, _ in played])
    weight = np.concatenate([share * each for _, share in played])
    order = np.argsort(seconds)
    reached = np.cumsum(weight[order])
    return Waits(rounds, float(seconds[order][np.searchsorted(reached, _SLOWEST * reached[-1])]))


def _rounds(deals: ReplayedVotes, course: Schedule) -> Floats:
    rounds = np.zeros(len(deals.question))
    for _, wave in deals.waves(course):
        rounds += wave > 0
    return rounds


def _seconds(deals: ReplayedVotes, course: Schedule) -> Floats:
    column, seconds = np.arange(len(deals.question)), np.zeros(len(deals.question))
    for drawn, wave in deals.waves(course):
        slowest = np.zeros(len(column))
        for ahead in range(wave.max()):
            started = np.flatnonzero(ahead < wave)
            took = deals.seconds[drawn[started] + ahead, column[started]]
            slowest[started] = np.maximum(slowest[started], took)
        seconds += slowest
    return seconds
