"""How often a reply is preferred to those of other sources, from a judge's comparisons in both orders."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from adaptive_reasoner.kit.samples import Sample, Samples

ReplyKey = tuple[str, str, int]
"""Question, source and sample."""


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """What a judge said of two replies to one question.

    Attributes:
        first: The reply that was shown first.
        second: The other one.
        chance: How likely the first is preferred.
    """

    first: ReplyKey
    second: ReplyKey
    chance: float


def comparisons(samples: Samples) -> Iterator[JudgedPair]:
    """All comparisons of replies that are in the table."""
    there = {key for key, _ in keyed_replies(samples)}
    for key, reply in keyed_replies(samples):
        for (source, sample), chance in (reply.preferred_over or {}).items():
            other = key[0], source, sample
            if other in there and source != key[1]:
                yield JudgedPair(key, other, chance)


def keyed_replies(samples: Samples) -> Iterator[tuple[ReplyKey, Sample]]:
    """The replies that did not fail, each with its key."""
    for question_id in samples.question_ids:
        for source in samples.sources:
            for reply in samples.votes(question_id, source):
                yield (question_id, source, reply.sample), reply


def consistency(samples: Samples) -> float | None:
    """How often the same of two replies is preferred in both orders; a tie in one of them counts half.

    None without pairs that were shown in both.
    """
    chances = {(each.first, each.second): each.chance for each in comparisons(samples)}
    same = [
        1 - abs(np.sign(chance - 0.5) - np.sign(0.5 - chances[second, first])) / 2
        for (first, second), chance in chances.items()
        if (second, first) in chances
    ]
    return float(np.mean(same)) if same else None


def position_bias(samples: Samples) -> float:
    """How much likelier a reply is preferred because it is shown first; 0.5 at most, 0 without comparisons.

    Pairs that were shown in both orders count, since in these the replies are the same in either place.
    """
    chances = {(each.first, each.second): each.chance for each in comparisons(samples)}
    swapped = [chance for (first, second), chance in chances.items() if (second, first) in chances]
    return float(np.mean(swapped)) - 0.5 if swapped else 0.0


def win_rates(samples: Samples) -> dict[ReplyKey, float]:
    """How likely each reply is preferred to a reply of another source to the same question.

    That is the mean over the other sources of the mean over the comparisons with them, in which either order
    counts alike. A comparison in one order only is corrected by the judge's liking for the first place.

    Returns:
        For each reply that was compared; all in [0, 1].

    Example:
        >>> row = dict(question_id="q", question="A poem?", gold=None, correct=None, cost=1, cost_unit="usd")
        >>> samples = Samples.from_rows(
        ...     [
        ...         dict(row, source="short", sample=0, answer="x", preferred_over='[["long", 0, 0.5]]'),
        ...         dict(row, source="long", sample=0, answer="y", preferred_over='[["short", 0, 1.0]]'),
        ...     ]
        ... )
        >>> win_rates(samples)
        {('q', 'short', 0): 0.25, ('q', 'long', 0): 0.75}
    """
    leaning = position_bias(samples)
    chances = {(each.first, each.second): each.chance for each in comparisons(samples)}
    against: dict[ReplyKey, dict[str, list[float]]] = {}
    for (first, second), chance in chances.items():
        both = (second, first) in chances
        fair = chance if both else min(max(chance - leaning, 0.0), 1.0)
        against.setdefault(first, {}).setdefault(second[1], []).append(fair)
        against.setdefault(second, {}).setdefault(first[1], []).append(1 - fair)
    return {key: _mean_of_means(by_source) for key, by_source in against.items()}


def _mean_of_means(by_source: Mapping[str, list[float]]) -> float:
    return float(np.mean([np.mean(chances) for chances in by_source.values()]))
