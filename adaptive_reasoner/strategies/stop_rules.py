"""The rules that end a vote by its counts alone.

A rule is a small value that says how many samples to start next; `priced_stops` has those that compute.
"""

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

from adaptive_reasoner.strategies.vote_state import VoteState, beta_confidence

if TYPE_CHECKING:
    from adaptive_reasoner.strategies.optimal_stopping import VoteModel


@dataclass(frozen=True)
class SamplePrice:
    """What a further sample costs, and what is known beyond the votes.

    Attributes:
        price: Accuracy that a unit of cost must be worth.
        cost: Of a sample, by those drawn so far, without what they share; None before the first.
        prompt_cost: Of a further request, where it brings several samples: what these share.
        samples_per_request: How many it may bring.
        second_price: Accuracy that a second of waiting must be worth.
        seconds: That a round takes, by those waited for so far.
        seconds_left: Until the answer must be there.
        prospects: What collected samples say of such votes, where there are any.
    """

    price: float = 0.0
    cost: float | None = None
    prompt_cost: float = 0.0
    samples_per_request: int = 1
    second_price: float = 0.0
    seconds: float = 0.0
    seconds_left: float = inf
    prospects: "VoteModel | None" = None

    @property
    def in_time(self) -> bool:
        """Whether one more round can be back before the deadline."""
        return self.seconds <= self.seconds_left


class StopRule(Protocol):
    """Ends a vote."""

    def wave(self, state: VoteState, terms: SamplePrice) -> int:
        """Samples to start next; 0 to stop. At least 1 while nothing was drawn."""


@dataclass(frozen=True)
class Lossless:
    """Stop when the leader of up to `limit` samples cannot be caught.

    Example:
        >>> Lossless().wave(VoteState(top=2, second=0, drawn=2, limit=5), SamplePrice())
        1
    """

    non_blocking = True  # plans a vote within milliseconds, and so without a thread

    def wave(self, state: VoteState, terms: SamplePrice) -> int:
        """The fewest samples that can decide the vote."""
        return state.needed if state.drawn == 0 or terms.in_time else 0


@dataclass(frozen=True)
class Beta:
    """Stop when the leader stays ahead with probability `confidence`, by a Beta posterior.

    Source:
        Adaptive-Consistency, arXiv:2305.11860. The samples that must come before the confidence can be
        reached are drawn at once.

    Example:
        >>> rule = Beta(0.9)
        >>> rule.wave(VoteState(0, 0, 0, 20), SamplePrice()), rule.wave(VoteState(3, 0, 3, 20), SamplePrice())
        (3, 0)
    """

    non_blocking = True  # plans a vote within milliseconds, and so without a thread

    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"a confidence must be between 0 and 1, not {self.confidence}")

    def wave(self, state: VoteState, terms: SamplePrice) -> int:
        """The fewest samples after which the confidence may be reached."""
        most = Lossless().wave(state, terms)
        for more in range(most):
            if state.top + more and beta_confidence(state.top + more, state.second) >= self.confidence:
                return more
        return most


@dataclass(frozen=True)
class Window:
    """Stop when all answers of one window of `size` samples agree.

    Source:
        Early-stopping self-consistency (ESC), arXiv:2401.10480.

    Example:
        >>> Window(3).wave(VoteState(top=3, second=0, drawn=3, limit=9, run=3), SamplePrice())
        0
    """

    non_blocking = True  # plans a vote within milliseconds, and so without a thread

    size: int = 5

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a window holds at least 1 sample, not {self.size}")

    def wave(self, state: VoteState, terms: SamplePrice) -> int:
        """The rest of the window."""
        full, rest = divmod(state.drawn, self.size)
        if full and not rest and state.run >= self.size:
            return 0
        return min(Lossless().wave(state, terms), self.size - rest)


class RetryRule(Protocol):
    """Says whether a checker is given another reply to look at."""

    def wave(self, rejected: int, limit: int, terms: SamplePrice) -> int:
        """Replies to draw next; 0 to give up. At least 1 while nothing was drawn."""


@dataclass(frozen=True)
class Persistent:
    """Try again, one by one, until `limit`."""

    def wave(self, rejected: int, limit: int, terms: SamplePrice) -> int:
        """1, while there is room and time."""
        return int(rejected < limit and (rejected == 0 or terms.in_time))
