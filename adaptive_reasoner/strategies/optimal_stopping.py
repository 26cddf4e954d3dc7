"""What a vote may still become, and when at a price it is best ended: optimal stopping on its counts.

The state of a vote is (drawn, top, second): samples drawn, votes of the leader and of the runner-up. What is
known of votes is held in tables over these states, by nobody's labels (`beta_vote_model`) or from collected
samples (`adaptive_reasoner.kit.votes.fitting`). Prices enter only when a vote is planned, so one table serves
every price.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from adaptive_reasoner.amounts import given
from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.strategies.vote_state import beta_confidence

_ACCURACY_STEP = 0.05  # what is expected of a question is rounded to this, for plans to be used again
_SURE = 50.0  # log-odds beyond which nothing is more certain
_STEPS = 50  # prices are rounded to 1/50 of a factor e, for plans to be used again


@dataclass(frozen=True, eq=False)
class VoteModel:
    """What is known of a vote in each state, for up to `limit` samples.

    The tables have shape (limit + 1, limit + 1, limit + 1), by samples drawn and votes of the first two; what
    they say of states that cannot be is of no account.

    Attributes:
        right: Probability that the leader is right; 0 where nothing was answered.
        top: Probability that the next sample votes for the leader.
        second: Probability that it lifts the runner-up: votes for it, or for one level with it.
        accepted: Where there is a checker, the probability that the next sample is accepted after 0, 1, ...
            were not, shape (limit,).
        cost: Mean cost of a sample, where known.
        seconds: Mean seconds that a sample takes, if known.
        prompt_cost: The part of `cost` that the prompt makes, where one request pays it for several samples.
        samples_per_request: For how many.
        tilt: By how much the log-odds of `right`, `top` and `second` rise with the accuracy that is expected
            of a question beyond the mean; None where the question has nothing to add to its votes.
    """

    right: Floats
    top: Floats
    second: Floats
    accepted: Floats | None = None
    cost: float | None = None
    seconds: float | None = None
    prompt_cost: float = 0.0
    samples_per_request: int = 1
    tilt: tuple[float, float, float] | None = None

    @property
    def limit(self) -> int:
        """The most samples that something is known of."""
        return len(self.right) - 1

    @cached_property
    def decided(self) -> Bools:
        """States in which a vote of `limit` is over: no answer can catch the leader."""
        drawn, top, second = np.indices(self.right.shape)
        return np.asarray(top > second + self.limit - drawn)

    @cached_property
    def answers_late(self) -> bool:
        """Whether an answer may still come after two samples without one; in version 0.1.0 the vote ended."""
        return bool(self.top[2:, 0, 0].any())

    def within(self, limit: int) -> "VoteModel":
        """The same for votes of at most `limit` samples."""
        if limit >= self.limit:
            return self
        return self._within(limit)

    @lru_cache(maxsize=64)  # noqa: B019 - prospects live as long as their policy
    def _within(self, limit: int) -> "VoteModel":
        cut = (slice(limit + 1),) * 3
        accepted = None if self.accepted is None else self.accepted[:limit]
        return replace(
            self, right=self.right[cut], top=self.top[cut], second=self.second[cut], accepted=accepted
        )

    def of_question(self, beyond: float) -> "VoteModel":
        """The same for one question.

        Args:
            beyond: Accuracy that is expected of it, less that of the mean question.
        """
        steps = round(beyond / _ACCURACY_STEP) if self.tilt else 0
        return self._of_question(steps) if steps else self

    @lru_cache(maxsize=64)  # noqa: B019 - as above
    def _of_question(self, steps: int) -> "VoteModel":
        right, top, second = (
            _shifted(table, slope * steps * _ACCURACY_STEP)
            for table, slope in zip((self.right, self.top, self.second), self.tilt or (), strict=True)
        )
        whole = np.maximum(1.0, top + second)
        return replace(self, right=right, top=top / whole, second=second / whole, tilt=None)


@lru_cache(maxsize=16)
def beta_vote_model(limit: int) -> VoteModel:
    """What can be said without labels: the two leading answers under a Beta posterior.

    The leader is right with `beta_confidence`, and the next vote goes to it with the posterior mean
    (top + 1) / (top + second + 2), else to the runner-up. Right means "what many samples would agree on",
    which is all that unlabelled samples can tell. A first sample is expected to answer; after k that did not,
    the next one does with probability 1 / (k + 1).
    """
    drawn, top, second = np.indices((limit + 1,) * 3)
    confidence = np.array(
        [[beta_confidence(t, s) if t >= s else 0.0 for s in range(limit + 1)] for t in range(limit + 1)]
    )
    right = np.where(top > 0, confidence[top, second], 0.0)
    joins = np.where(top > 0, (top + 1) / (top + second + 2), 1.0 / (drawn + 1))
    lifts = np.where(top > 0, 1.0 - joins, 0.0)
    return VoteModel(right, joins, lifts, accepted=1.0 / (np.arange(limit) + 2))


@dataclass(frozen=True, eq=False)
class Plan:
    """The best course of a vote at a price.

    Attributes:
        wave: Samples to start next in each state, shape as the tables of `VoteModel`; 0 to stop.
        worth: Expected accuracy less all that is still paid, in each state.
    """

    wave: Ints
    worth: Floats


def plan(
    prospects: VoteModel,
    cost: float,
    *,
    round_cost: float = 0.0,
    request_cost: float = 0.0,
    samples_per_request: int = 1,
    last: bool = False,
) -> Plan:
    """End every vote where accuracy less cost is expected to be highest, by backward induction.

    Maximises E[right - cost * samples - request_cost * requests - round_cost * rounds], where a round of m
    samples makes ceil(m / samples_per_request) requests. Where rounds and requests are free, samples are best
    drawn one by one; as many are started at once as must be drawn before any state to stop in can be reached,
    which changes nothing but the waiting.

    Args:
        prospects: What is known of the vote.
        cost: Accuracy that a sample must be worth.
        round_cost: Accuracy that a round of waiting must be worth.
        request_cost: Accuracy that a request must be worth, beside the samples it brings: its prompt.
        samples_per_request: The most samples that one request brings.
        last: Only one more round can be waited for.

    Example:
        >>> course = plan(beta_vote_model(5), cost=0.001)
        >>> int(course.wave[0, 0, 0]), int(course.wave[2, 2, 0]), int(course.wave[3, 3, 0])
        (3, 1, 0)
    """
    if min(cost, round_cost, request_cost) < 0 or samples_per_request < 1:
        raise ValueError(
            f"a sample costs {given(cost)}, a round {given(round_cost)} and a "
            f"request {given(request_cost)}, for "
            f"{samples_per_request} samples; costs are at least 0, and samples at least 1"
        )
    if samples_per_request == 1:
        cost, request_cost = cost + request_cost, 0.0
    together = samples_per_request if request_cost else 1
    return _planned(prospects, _rounded(cost), _rounded(round_cost), _rounded(request_cost), together, last)


def retries_worth(accepted: Sequence[float] | Floats, cost: float) -> Floats:
    """What further tries under a checker are worth after 0, 1, ... rejections; 0 where it is best to give up.

    Args:
        accepted: Probability that the next try is accepted, after 0, 1, ... rejections, shape (limit,).
        cost: Accuracy that a try must be worth.

    Example:
        >>> retries_worth([0.5, 0.1], cost=0.2).tolist()
        [0.3, 0.0]
    """
    worth = np.zeros(len(accepted) + 1)
    for rejected in range(len(accepted) - 1, -1, -1):
        chance = float(accepted[rejected])
        worth[rejected] = max(0.0, chance - cost + (1 - chance) * worth[rejected + 1])
    return worth[:-1]


@lru_cache(maxsize=128)
def _planned(
    prospects: VoteModel, cost: float, round_cost: float, request_cost: float, together: int, last: bool
) -> Plan:
    limit, right, decided = prospects.limit, prospects.right, prospects.decided
    wave = np.zeros(right.shape, dtype=np.intp)
    worth = right.copy()
    in_waves = bool(last or round_cost or request_cost)
    # ahead[w]: what w further samples are expected to lead to, at the level above.
    ahead = right[limit][None]
    fewest = np.zeros(right[limit].shape, dtype=np.intp)
    for drawn in range(limit - 1, -1, -1):
        step = _Step(prospects, drawn)
        ahead = np.concatenate([right[drawn][None], step.mean(ahead)])
        sizes = np.arange(1, len(ahead))
        if not in_waves:
            ahead, sizes = ahead[:2], sizes[:1]
        paid = cost * sizes + request_cost * np.ceil(sizes / together) + round_cost
        net = ahead[1:] - paid[:, None, None]
        best = net.argmax(axis=0)
        gain = np.take_along_axis(net, best[None], axis=0)[0]
        go = (gain > right[drawn]) & ~decided[drawn]
        go[0, 0] |= drawn == 0  # every question gets a sample
        fewest = np.where(go, 1 + step.least(fewest), 0)
        wave[drawn] = np.where(go, sizes[best] if in_waves else fewest, 0)
        worth[drawn] = np.where(go, gain, right[drawn])
        if not last:
            ahead[0] = worth[drawn]
    return Plan(wave, worth)


class _Step:
    """One sample more, from all states with `drawn` samples."""

    def __init__(self, prospects: VoteModel, drawn: int) -> None:
        size = prospects.limit + 1
        top, second = np.indices((size, size))
        above, beside = np.minimum(top + 1, size - 1), np.minimum(second + 1, size - 1)
        overtakes = second >= top
        self._up = above, second
        self._lifted = np.where(overtakes, above, top), np.where(overtakes, second, beside)
        self._joins, self._lifts = prospects.top[drawn], prospects.second[drawn]
        self._stays = np.clip(1.0 - self._joins - self._lifts, 0.0, 1.0)

    def mean(self, values: Floats) -> Floats:
        """Expected value after the sample; `values` of shape (m, size, size)."""
        expected: Floats = (
            self._joins * values[:, *self._up] + self._lifts * values[:, *self._lifted] + self._stays * values
        )
        return expected

    def least(self, values: Ints) -> Ints:
        """The least value that the sample can lead to."""
        least = values[self._up]
        for chance, reached in ((self._lifts, values[self._lifted]), (self._stays, values)):
            least = np.where(chance > 0, np.minimum(least, reached), least)
        return least


def _shifted(chances: Floats, by: float) -> Floats:
    """Probabilities whose log-odds are so much higher; 0 and 1 stay."""
    odds: Floats = chances * math.exp(min(max(by, -_SURE), _SURE))
    return odds / (1.0 - chances + odds)


def _rounded(cost: float) -> float:
    return math.exp(round(math.log(cost) * _STEPS) / _STEPS) if cost > 0 else 0.0
