"""How often a vote is wrong, computed exactly from how often each reply is drawn."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence, Set
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
    groups: Sequence[int | None],
    labels: Sequence[Label],
    weights: Sequence[float],
    samples: int,
    *,
    first_may_end: bool = False,
) -> float:
    """The probability that a vote of `samples` calls gives another label than the heaviest one.

    The largest group wins and its first reply is given. A tie goes to the group seen first. A reply without
    a group has no vote; where no reply has one, the first reply is given.

    Draws are independent, so every order of the same replies is equally likely. Hence it is enough to count
    the replies of a vote: each is equally likely to be the first of all, and each of the winning groups to be
    the first of those.

    Args:
        groups: The group of each reply, None for a reply that offers nothing to compare.
        labels: What each reply says.
        weights: How often each reply is drawn.
        samples: Calls of a vote.
        first_may_end: Whether a first reply without a group ends the vote and is given.
    """
    right = heaviest(labels, weights)
    total = sum(weights)
    faces: Counter[tuple[int | None, bool]] = Counter()
    for group, label, weight in zip(groups, labels, weights, strict=True):
        faces[group, label == right] += weight / total
    kinds, shares = list(faces), list(faces.values())
    return fsum(
        factorial(samples)
        / prod(map(factorial, counts))
        * prod(share**count for share, count in zip(shares, counts, strict=True))
        * (1 - _right(kinds, counts, first_may_end))
        for counts in _counts(len(kinds), samples)
    )


def _right(kinds: Sequence[tuple[int | None, bool]], counts: Sequence[int], first_may_end: bool) -> float:
    """The probability that the right label is given, once it is known how many replies of each kind came."""
    votes: Counter[int] = Counter()
    for (group, _), count in zip(kinds, counts, strict=True):
        if group is not None:
            votes[group] += count
    most = max(votes.values(), default=0)
    leaders = {group for group, count in votes.items() if count == most} if most else {None}
    given_if_first = leaders | {None} if first_may_end else leaders
    leading = _right_and_all(kinds, counts, leaders)
    kept = _right_and_all(kinds, counts, given_if_first)
    others = sum(counts) - kept[1]
    return (kept[0] + others * leading[0] / leading[1]) / sum(counts)


def _right_and_all(
    kinds: Sequence[tuple[int | None, bool]], counts: Sequence[int], groups: Set[int | None]
) -> tuple[int, int]:
    """How many replies of these groups are right, and how many there are."""
    inside = [(right, count) for (group, right), count in zip(kinds, counts, strict=True) if group in groups]
    return sum(count for right, count in inside if right), sum(count for _, count in inside)


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
