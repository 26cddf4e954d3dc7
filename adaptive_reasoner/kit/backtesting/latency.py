"""How long votes on collected samples take: in waves of calls, and in seconds."""

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
        p95_seconds: Within which 95% of the questions are answered; None where a sample's time is unknown.
    """

    rounds: Floats
    p95_seconds: float | None


def of_stop_rules(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The columns of a backtest's rows about stop rules: what each spends, and how long it takes."""
    measured = ("realised_tokens", "realised_rounds", "p95_seconds")
    columns = ("policy", "budget", "realised_cost", "accuracy", *measured)
    return [
        {column: row.get(column) for column in columns}
        for row in rows
        if any(row.get(column) is not None for column in measured)
    ]


def waits(votes: ReplayedVotes, schedules: Sequence[Schedule], shares: Floats) -> Waits:
    """How long a mixture of schedules takes. A wave takes as long as its slowest sample.

    Args:
        votes: Votes of the questions asked.
        schedules: What may be played.
        shares: How often each is, shape (schedules,).
    """
    played = [
        (_waited(votes, schedule), share)
        for schedule, share in zip(schedules, shares, strict=True)
        if share > 0
    ]
    rounds = np.sum([share * votes.mean(own) for (own, _), share in played], axis=0)
    if np.isnan(votes.seconds).any():
        return Waits(rounds, None)
    each = 1.0 / np.bincount(votes.question)[votes.question]  # the orders of a question make one question
    seconds = np.concatenate([own for (_, own), _ in played])
    weight = np.concatenate([share * each for _, share in played])
    order = np.argsort(seconds)
    reached = np.cumsum(weight[order])
    return Waits(rounds, float(seconds[order][np.searchsorted(reached, _SLOWEST * reached[-1])]))


def _waited(votes: ReplayedVotes, schedule: Schedule) -> tuple[Floats, Floats]:
    """How many waves of calls each vote waits for, and how many seconds, shape (columns,) each."""
    column = np.arange(len(votes.question))
    rounds, seconds = np.zeros((2, len(column)))
    for drawn, wave in votes.waves(schedule):
        rounds += wave > 0
        slowest = np.zeros(len(column))
        for ahead in range(wave.max()):
            started = np.flatnonzero(ahead < wave)
            took = votes.seconds[drawn[started] + ahead, column[started]]
            slowest[started] = np.maximum(slowest[started], took)
        seconds += slowest
    return rounds, seconds
