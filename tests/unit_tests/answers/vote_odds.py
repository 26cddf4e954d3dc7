"""How often a vote is wrong, computed exactly from how often each reply is drawn."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from math import factorial, fsum, prod

Label = Hashable


def heaviest(labels: Sequence[Label], weights: Sequence[float]) -> Label:
    """The label drawn most often; the first of those that tie."""
    drawn: Counter[Label] = Counter()
    for label, weight in zip(labels, weights, strict=True):
        drawn[label] += weight
    return max(drawn, key=lambda label: drawn[label])


def wrong_call(labels: Sequence[Label], weights: Sequence[float]) -> float:
    """The probability that one call gives another label than the heaviest one."""
    return 1 - _share_of(heaviest(labels, weights), labels, weights)


def wrong_vote(
    groups: Sequence[int | None], labels: Sequence[Label], weights: Sequence[float], samples: int
) -> float:
    """The probability that a vote of `samples` calls gives another label than the heaviest one.

    The largest group wins and its first reply is given. A tie goes to the group seen first. A reply without
    a group has no vote; where no reply has one, the first reply is given.

    Draws are independent, so every order of the same replies is equally likely. Hence it is enough to count
    the replies of a vote: among the replies of the winning groups each is equally likely to be the first.
    """
    right = heaviest(labels, weights)
    total = sum(weights)
    faces: Counter[tuple[int | None, bool]] = Counter()
    for group, label, weight in zip(groups, labels, weights, strict=True):
        faces[group, label == right] += weight / total
    (kinds, shares) = zip(*faces.items(), strict=True)
    return fsum(
        factorial(samples)
        / prod(map(factorial, counts))
        * prod(share**count for share, count in zip(shares, counts, strict=True))
        * (1 - _right_first(kinds, counts))
        for counts in _counts(len(kinds), samples)
    )


def _right_first(kinds: Sequence[tuple[int | None, bool]], counts: Sequence[int]) -> float:
    """The share of right replies among those that may be the first one of a winning group."""
    votes: Counter[int] = Counter()
    for (group, _), count in zip(kinds, counts, strict=True):
        if group is not None:
            votes[group] += count
    most = max(votes.values(), default=0)
    leaders = {group for group, count in votes.items() if count == most} if most else {None}
    standing = [
        (is_right, count)
        for (group, is_right), count in zip(kinds, counts, strict=True)
        if group in leaders and count
    ]
    return sum(count for is_right, count in standing if is_right) / sum(count for _, count in standing)


def _counts(kinds: int, samples: int) -> Iterator[tuple[int, ...]]:
    """Every way to draw `samples` replies of `kinds` kinds, their order left aside."""
    if kinds == 1:
        yield (samples,)
        return
    for first in range(samples + 1):
        for rest in _counts(kinds - 1, samples - first):
            yield (first, *rest)


def _share_of(wanted: Label, labels: Sequence[Label], weights: Sequence[float]) -> float:
    return fsum(w for label, w in zip(labels, weights, strict=True) if label == wanted) / sum(weights)
