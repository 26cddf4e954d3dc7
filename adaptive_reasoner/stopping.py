"""The state of a vote, and the rules that end it."""

from collections import Counter
from collections.abc import Iterable


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

    Example:
        >>> votes = Votes(limit=5)
        >>> votes.needed
        3
        >>> votes.add(["7", None, "7"])
        >>> votes.winner, votes.needed
        ('7', 1)
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.drawn = 0
        self._counts: Counter[str] = Counter()

    def add(self, answers: Iterable[str | None]) -> None:
        """Count `answers`; None (no answer found) is drawn but never votes."""
        for answer in answers:
            self.drawn += 1
            if answer is not None:
                self._counts[answer] += 1

    @property
    def leaders(self) -> tuple[int, int]:
        """Votes of the first two answers."""
        first, second, *_ = [*(votes for _, votes in self._counts.most_common(2)), 0, 0]
        return first, second

    @property
    def needed(self) -> int:
        """Samples to draw next; 0 when the vote is over."""
        return samples_needed(*self.leaders, self.drawn, self.limit)

    @property
    def winner(self) -> str | None:
        """The leading answer, the first seen among equals; None when no sample gave one."""
        return self._counts.most_common(1)[0][0] if self._counts else None

    @property
    def agreement(self) -> float:
        """Share of all drawn samples that voted for the winner."""
        return self.leaders[0] / self.drawn if self.drawn else 0.0
