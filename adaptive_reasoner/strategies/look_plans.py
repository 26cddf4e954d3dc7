"""What to do in every state of a vote that may be left: sample again, stop, or hand the question over."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Ints
from adaptive_reasoner.strategies.vote_state import VoteState

AGAIN, STOP = -2, -1
"""What a plan says of a state beside handing over: sample again, or stop."""


@dataclass(frozen=True, eq=False)
class VoteStates:
    """The states that a vote of at most `limit` samples can be in, in the order of samples drawn.

    Attributes:
        limit: The most samples.
        drawn: Samples drawn in each of the z states, shape (z,).
        top: Votes of the leader, shape (z,).
        second: Votes of the runner-up, shape (z,).
        after: The state after a sample that joins the leader, that lifts the runner-up, and that does
            neither, shape (z, 3); the state itself where no sample is left.

    Example:
        >>> states = VoteStates.of(2)
        >>> list(zip(states.drawn.tolist(), states.top.tolist(), states.second.tolist()))
        [(0, 0, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0), (2, 1, 0), (2, 1, 1), (2, 2, 0)]
    """

    limit: int
    drawn: Ints
    top: Ints
    second: Ints
    after: Ints
    _place: Ints

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, limit: int) -> Self:
        """Those of votes of at most `limit` samples."""
        can_be = [
            (drawn, top, second)
            for drawn in range(limit + 1)
            for top in range(drawn + 1)
            for second in range(min(top, drawn - top) + 1)
        ]
        drawn, top, second = np.array(can_be, dtype=np.intp).reshape(-1, 3).T
        place = np.full((limit + 1,) * 3, -1)
        place[drawn, top, second] = np.arange(len(drawn))
        then, above = np.minimum(drawn + 1, limit), np.minimum(top + 1, limit)
        overtakes = second >= top
        after = [
            place[then, above, second],
            place[then, np.where(overtakes, above, top), second + ~overtakes],
            place[then, top, second],
        ]
        over = drawn == limit
        last = np.arange(len(drawn))
        return cls(limit, drawn, top, second, np.stack([np.where(over, last, a) for a in after], 1), place)

    def at(self, drawn: Ints, top: Ints, second: Ints) -> Ints:
        """The positions of states."""
        found: Ints = self._place[drawn, top, second]
        return found


@dataclass(frozen=True, eq=False)
class LookPlan:
    """What to do in every state of a vote that may be left.

    Attributes:
        limit: The most samples of the vote.
        course: In each of the states of `VoteStates.of(limit)`: `AGAIN`, `STOP`, or the position in
            `actions` of the action that takes over, shape (z,).
        sample: The action that makes one sample of the vote.
        actions: The actions that may take over.
    """

    limit: int
    course: Ints
    sample: str
    actions: tuple[str, ...] = ()

    @property
    def states(self) -> VoteStates:
        """The states the course is about."""
        return VoteStates.of(self.limit)

    def wave(self, state: VoteState) -> int:
        """The samples that are drawn whatever they say, so that they may be started at once; 0 to end."""
        states, ahead, wave = self.states, {self._position(state)}, 0
        while all(self.course[position] == AGAIN for position in ahead):
            ahead = {int(after) for position in ahead for after in states.after[position]}
            wave += 1
        return wave

    def successor(self, state: VoteState) -> str | None:
        """The action that takes over in a state; None where the leading answer stands."""
        chosen = int(self.course[self._position(state)])
        return self.actions[chosen] if chosen >= 0 else None

    def _position(self, state: VoteState) -> int:
        drawn = min(state.drawn, self.limit)
        return int(self.states.at(np.array(drawn), np.array(state.top), np.array(state.second)))
