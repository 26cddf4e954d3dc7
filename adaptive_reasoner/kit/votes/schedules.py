"""In what waves a vote is drawn, written so that many votes on collected samples are played at once."""

import numpy as np

from adaptive_reasoner.arrays import Ints
from adaptive_reasoner.kit.votes.permutations import ReplayedVotes, Schedule


def at_once(samples: int) -> Schedule:
    """All samples in one wave."""
    return lambda _, drawn: np.where(drawn == 0, samples, 0)


def by_state(wave: Ints, kind: Ints | None = None) -> Schedule:
    """As a table says, by samples drawn and votes of the first two.

    Args:
        wave: One table or, first by kind of question, several.
        kind: Of each question, shape (n,), where there are several.
    """

    def course(deals: ReplayedVotes, drawn: Ints) -> Ints:
        column = np.arange(len(drawn))
        state = drawn, deals.top[drawn, column], deals.second[drawn, column]
        following: Ints = wave[state] if kind is None else wave[kind[deals.question], *state]
        return following

    return course


def by_window(size: int) -> Schedule:
    """So many at once until all answers of one wave agree."""

    def course(deals: ReplayedVotes, drawn: Ints) -> Ints:
        agree = deals.run[drawn, np.arange(len(drawn))] >= size
        return np.where(agree, 0, np.minimum(size, deals.limit - drawn))

    return course


def after_first(most: Ints) -> Schedule:
    """One sample, then all others up to `most`, which has shape (columns,)."""
    return lambda _, drawn: np.where(drawn == 0, 1, np.where(drawn == 1, most - 1, 0))
