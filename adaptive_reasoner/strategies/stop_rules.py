"""The state of a vote, and the rules that end it.

A rule is a small value that says how many samples to start next. `Lossless`, `Beta` and `Window` go by the
counts alone; `Priced` weighs what a sample may still change against what it costs.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from adaptive_reasoner.strategies.optimal_stopping import (
    VoteModel,
    beta_confidence,
    beta_vote_model,
    plan,
    retries_worth,
)


@dataclass(frozen=True)
class VoteState:
    """Where a vote stands.

    Attributes:
        top: Votes of the leading answer.
        second: Votes of the runner-up.
        drawn: Samples drawn so far, those that gave no answer included.
        limit: The most samples the vote may draw.
        run: How many of the latest samples gave one and the same answer.
        nothing: Samples that came whole and offer nothing to compare, such as free text.
        failed: Samples that brought no reply at all.
        waves: In how many waves the replies came; by default one by one.
    """

    top: int
    second: int
    drawn: int
    limit: int
    run: int = 0
    nothing: int = 0
    failed: int = 0
    waves: int | None = None

    @property
    def unanswered(self) -> bool:
        """Whether replies have come, and none can be compared."""
        return self.top == 0 and self.drawn > self.failed

    @property
    def needed(self) -> int:
        """The fewest further samples that can decide the vote; 0 when it is decided.

        A vote in which nothing can be compared is over, at whatever price. Only where all replies of its
        first wave were empty, filtered or cut, one more is drawn.

        Example:
            >>> VoteState(0, 0, drawn=1, limit=9).needed, VoteState(0, 0, drawn=1, limit=9, nothing=1).needed
            (1, 0)
        """
        if self.unanswered:
            waves = self.drawn - self.failed if self.waves is None else self.waves
            return int(waves == 1 and not self.nothing and self.drawn < self.limit)
        return samples_needed(self.top, self.second, self.drawn, self.limit)


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
    prospects: VoteModel | None = None

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


@dataclass(frozen=True)
class Priced:
    """Stop when no further samples are worth their price, in money and in waiting.

    Goes by what collected samples say of such votes, where the policy brings it; without, by the two leading
    answers under a Beta posterior, which needs no labels. One price steers the choice of the action and every
    further sample.

    Example:
        >>> state = VoteState(top=2, second=0, drawn=2, limit=9)
        >>> [Priced().wave(state, SamplePrice(price=price, cost=1.0)) for price in (0.0001, 0.05)]
        [3, 0]
    """

    def wave(self, state: VoteState, terms: SamplePrice) -> int:
        """The wave that is worth most, at the task's price and what a sample of this vote costs."""
        if state.drawn and not (terms.in_time and state.needed):
            return 0
        known = terms.prospects or beta_vote_model(state.limit)
        if state.drawn >= min(known.limit, state.limit):
            return 0
        paid = terms.cost, terms.prompt_cost, terms.samples_per_request
        if terms.cost is None and known.cost is not None:
            paid = max(0.0, known.cost - known.prompt_cost), known.prompt_cost, known.samples_per_request
        cost, prompt_cost, together = paid
        if cost is None or 0 < state.failed == state.drawn:
            return 1  # to learn what one costs, and whether there is anything to compare
        seconds = terms.seconds or known.seconds or 0.0
        best = plan(
            known.within(state.limit),
            terms.price * cost,
            round_cost=terms.second_price * seconds,
            request_cost=terms.price * prompt_cost,
            samples_per_request=together,
            last=0 < terms.seconds_left < 2 * seconds,
        )
        drawn = state.drawn if state.top else state.drawn - state.failed  # failures tell nothing of a reply
        return min(int(best.wave[drawn, state.top, state.second]), state.limit - state.drawn)


class Retries(Protocol):
    """Says whether a checker is given another reply to look at."""

    def wave(self, rejected: int, limit: int, terms: SamplePrice) -> int:
        """Replies to draw next; 0 to give up. At least 1 while nothing was drawn."""


@dataclass(frozen=True)
class Persistent:
    """Try again, one by one, until `limit`."""

    def wave(self, rejected: int, limit: int, terms: SamplePrice) -> int:
        """1, while there is room and time."""
        return int(rejected < limit and (rejected == 0 or terms.in_time))


@dataclass(frozen=True)
class PricedRetries:
    """Try again while the chance of success is worth the price.

    The chance falls with every failure: as collected samples say or, without any, as 1 / (failures + 2),
    the posterior mean under a uniform prior.

    Example:
        >>> [PricedRetries().wave(rejected, 20, SamplePrice(price=0.1, cost=1.0)) for rejected in (0, 5, 12)]
        [1, 1, 0]
    """

    def wave(self, rejected: int, limit: int, terms: SamplePrice) -> int:
        """1 while a further try is worth it."""
        known = terms.prospects if terms.prospects and terms.prospects.accepted is not None else None
        accepted = (known or beta_vote_model(limit)).accepted
        assert accepted is not None
        if not rejected or not Persistent().wave(rejected, min(limit, len(accepted)), terms):
            return int(not rejected)
        cost = terms.price * ((terms.cost or 0.0) + terms.prompt_cost) + terms.second_price * terms.seconds
        return int(retries_worth(accepted[:limit], cost)[rejected] > 0)


def samples_needed(top: int, second: int, drawn: int, limit: int) -> int:
    """The fewest further samples that can decide a vote of at most `limit`.

    A vote is decided once no answer can draw level with the leader any more; sampling on would cost
    and change nothing ("lossless" stopping). The next wave is as small as it can be: were it to agree
    with the leader throughout, the vote would be over.

    Args:
        top: Votes of the leading answer.
        second: Votes of the runner-up.
        drawn: Samples drawn so far, those that gave no answer included.
        limit: The most samples the vote may draw.

    Returns:
        Samples to draw next; 0 when the vote is decided or `limit` is reached.

    Example:
        >>> samples_needed(top=0, second=0, drawn=0, limit=5)
        3
        >>> samples_needed(top=3, second=0, drawn=3, limit=5)
        0
        >>> samples_needed(top=1, second=1, drawn=3, limit=5)  # one of three had no answer
        2
    """
    left = limit - drawn
    if left <= 0 or top > second + left:
        return 0
    return min(left, (second + left - top) // 2 + 1)


class Votes:
    """Answers as they come in: who leads, and whether the vote is still open.

    Ties go to the answer that was seen first. Samples are exchangeable, so this is the uniform
    tie-break that `estimate` assumes, and it needs no randomness.

    Args:
        limit: The most samples the vote may draw.
        waves: In how many waves the replies came; by default each `add` is one.

    Example:
        >>> votes = Votes(limit=5)
        >>> votes.needed
        3
        >>> votes.add(["7", None, "7"])
        >>> votes.winner, votes.needed
        ('7', 1)
    """

    def __init__(self, limit: int, *, waves: int | None = None) -> None:
        self.limit, self._waves, self._added = limit, waves, 0
        self.drawn = self._run = self._nothing = self._failed = 0
        self._latest: str | None = None
        self._counts: Counter[str] = Counter()

    def add(self, answers: Iterable[str | None], *, whole: bool = False, failed: bool = False) -> None:
        """Count the `answers` of a wave; None (no answer found) is drawn but never votes.

        Args:
            answers: What replies answer.
            whole: Those that answer None came whole and offer nothing to compare; else they were empty,
                filtered or cut.
            failed: They are no replies at all.
        """
        self._added += not failed
        for answer in answers:
            self.drawn += 1
            self._nothing += whole and answer is None
            self._failed += failed
            self._run = 0 if answer is None else 1 + (self._run if answer == self._latest else 0)
            self._latest = answer
            if answer is not None:
                self._counts[answer] += 1

    @property
    def counts(self) -> dict[str, int]:
        """Votes of each answer, most first."""
        return dict(self._counts.most_common())

    @property
    def leaders(self) -> tuple[int, int]:
        """Votes of the first two answers."""
        first, second, *_ = [*(votes for _, votes in self._counts.most_common(2)), 0, 0]
        return first, second

    @property
    def state(self) -> VoteState:
        """Where the vote stands."""
        return VoteState(
            *self.leaders,
            drawn=self.drawn,
            limit=self.limit,
            run=self._run,
            nothing=self._nothing,
            failed=self._failed,
            waves=self._added if self._waves is None else self._waves,
        )

    @property
    def needed(self) -> int:
        """The fewest further samples that can decide the vote; 0 when it is decided."""
        return self.state.needed

    @property
    def winner(self) -> str | None:
        """The leading answer, the first seen among equals; None when no sample gave one."""
        return self._counts.most_common(1)[0][0] if self._counts else None

    @property
    def agreement(self) -> float:
        """Share of all drawn samples that voted for the winner."""
        return self.leaders[0] / self.drawn if self.drawn else 0.0
