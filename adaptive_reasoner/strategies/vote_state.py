"""The state of a vote: who leads, how sure that is, and how many samples can still decide it."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache


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
        first wave were empty, filtered or cut, one more is drawn; so say the counts alone.

        Example:
            >>> VoteState(0, 0, drawn=1, limit=9).needed, VoteState(0, 0, drawn=1, limit=9, nothing=1).needed
            (1, 0)
        """
        if self.unanswered:
            waves = self.drawn - self.failed if self.waves is None else self.waves
            return int(waves == 1 and not self.nothing and self.drawn < self.limit)
        return samples_needed(self.top, self.second, self.drawn, self.limit)


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


@cache
def beta_confidence(top: int, second: int) -> float:
    """Probability that the leader of two answers is the likelier one, after `top` and `second` votes.

    Under a uniform prior on the leader's chance p of beating the runner-up: P(p > 1/2) = 1 - I_{1/2}(top + 1,
    second + 1), for whole votes a binomial tail (arXiv:2305.11860, section 3).

    Example:
        >>> beta_confidence(1, 0), beta_confidence(2, 2)
        (0.75, 0.5)
    """
    draws = top + second + 1
    return float(sum(math.comb(draws, votes) for votes in range(top + 1)) / 2**draws)
