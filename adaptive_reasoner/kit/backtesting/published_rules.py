"""Rules that other papers publish on how many samples a question gets, replayed and tuned like ours.

Each is a family of parameters of which a budget gets the best mixture, chosen on the questions to fit on.
"""

from dataclasses import dataclass

import numpy as np

from adaptive_reasoner.arrays import Ints
from adaptive_reasoner.kit.votes.permutations import ReplayedVotes, Schedule, after_probe
from adaptive_reasoner.strategies.stop_rules import Lossless, SamplePrice
from adaptive_reasoner.strategies.vote_state import VoteState

_SHARPNESS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
_GAINS = np.geomspace(1e-4, 0.3, 16)
_UNLOGGED = 2  # samples of the probe where log-probabilities are unknown


def budget_allocation(votes: ReplayedVotes) -> list[Schedule]:
    """Uncertainty-aware budget allocation (UAB), at every sharpness and price that differ.

    A probe tells how likely a further sample is right, p = exp(-s / sharpness). Samples are then given out
    greedily where p (1 - p)^c is highest, for c samples drawn, until a total is spent. To stop at a total is
    to stop at a gain, so that each gain is one allocation, and the questions can come one by one.

    The paper's s is the mean negative log-likelihood of a first sample. Where samples bring no `logprob` it
    is how few of two first samples agree, with one dissenting vote added: 1 - top / 3.

    Source:
        arXiv:2605.26849, section 3. The paper fixes the sharpness; here it is tuned with the gain.

    Args:
        votes: Of all questions.

    Returns:
        Schedules for these votes, and for those of any selection of their questions.
    """
    logged = not np.isnan(votes.logprob).any()
    found: dict[bytes, Schedule] = {}
    for sharpness in _SHARPNESS:
        for least in _GAINS:
            given = _Allocation(sharpness, float(least), logged)
            found.setdefault(given.samples(votes).tobytes(), given)
    return list(found.values())


@dataclass(frozen=True)
class _Allocation:
    """One allocation, as a schedule: the probe at once, and then all other samples at once."""

    sharpness: float
    least: float
    logged: bool

    def __call__(self, votes: ReplayedVotes, drawn: Ints) -> Ints:
        return after_probe(self.samples(votes), self._probe(votes))(votes, drawn)

    def samples(self, votes: ReplayedVotes) -> Ints:
        """How many samples each order gets, shape (columns,)."""
        probe = self._probe(votes)
        uncertainty = -votes.logprob if self.logged else 1.0 - votes.top[probe] / (probe + 1.0)
        right = np.exp(-uncertainty / self.sharpness)[:, None]
        gains = right * (1.0 - right) ** np.arange(probe, votes.limit)
        given: Ints = probe + (gains >= self.least).sum(axis=1)
        return given

    def _probe(self, votes: ReplayedVotes) -> int:
        return 1 if self.logged else min(_UNLOGGED, votes.limit)


@dataclass(frozen=True)
class SequentialTest:
    """A Bayesian sequential probability ratio test of the leader against the runner-up.

    Either is the consensus, and a sample names the consensus with a probability p: the odds of the leader are
    (p / (1 - p)) to the power of its lead. Every p and every confidence at which to stop so come to one
    number, the lead in votes, which is what is tuned.

    Source:
        OptPO, arXiv:2512.02882, for its votes only. Which likelihood an answer beyond the first two has is
        left open here: it is in neither hypothesis.

    Attributes:
        lead: Votes by which the leader must be ahead.

    Example:
        >>> test = SequentialTest(2)
        >>> [test.wave(VoteState(top, 1, top + 1, 9), SamplePrice()) for top in (1, 2, 3)]
        [2, 1, 0]
    """

    lead: int

    def wave(self, state: VoteState, terms: SamplePrice) -> int:
        """The fewest samples after which the test may end."""
        return min(Lossless().wave(state, terms), max(0, self.lead - (state.top - state.second)))
