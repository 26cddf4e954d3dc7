"""In what waves the samples of a vote are drawn, for many votes on collected samples at once."""

import numpy as np

from adaptive_reasoner.arrays import Ints
from adaptive_reasoner.kit.votes.permutations import ReplayedVotes, Schedule


def at_once(samples: int) -> Schedule:
    """All samples in one wave."""
    return lambda _, drawn: np.where(drawn == 0, samples, 0)


def by_state(wave: Ints, kind: Ints | None = None) -> Schedule:
    """As many as a table says, by samples drawn and votes of the first two.

    Args:
        wave: One table or, first by kind of question, several.
        kind: Of each question, shape (n,), where there are several.
    """

    def schedule(votes: ReplayedVotes, drawn: Ints) -> Ints:
        column = np.arange(len(drawn))
        state = drawn, votes.top[drawn, column], votes.second[drawn, column]
        following: Ints = wave[state] if kind is None else wave[kind[votes.question], *state]
        return following

    return schedule


def by_window(size: int) -> Schedule:
    """`size` samples at once until all answers of one wave agree."""

    def schedule(votes: ReplayedVotes, drawn: Ints) -> Ints:
        agree = votes.run[drawn, np.arange(len(drawn))] >= size
        return np.where(agree, 0, np.minimum(size, votes.limit - drawn))

    return schedule


def after_first(most: Ints) -> Schedule:
    """One sample, then all others up to `most`, which has shape (columns,)."""
    return lambda _, drawn: np.where(drawn == 0, 1, np.where(drawn == 1, most - 1, 0))
