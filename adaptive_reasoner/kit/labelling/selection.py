"""Which questions to label first: those whose right answer says most, and some drawn at random.

A label tells two actions apart where their replies differ. With `W_a(v)` the share of action a that says v,
and `q(v)` how likely v is right by what all replies say, the difference of the two accuracies on a question
is `W_a(v) - W_b(v)`, and its variance over q is what a label resolves. Questions are chosen by it, in turn
from their groups.

Chosen questions are not like the others, so an estimate for all of them needs labels that were drawn at
random. A share of the questions is set apart for this by a hash of seed and question_id, and is labelled in
the order of the hash, however many rounds there are: at any time the labels of it that are there are a
random sample of all questions.
"""

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import islice
from math import isnan

import numpy as np

from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.samples import Samples

RANDOM_SHARE = 0.25
"""The share of the labels that are drawn at random."""


@dataclass(frozen=True, slots=True)
class DistinctAnswer:
    """A distinct answer to a question.

    Attributes:
        answer: Its text.
        counts: How many replies gave it, by source; sources that never gave it are absent.
    """

    answer: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """A question whose right answer is not known.

    Attributes:
        question_id, question, group: As in the samples.
        answers: Its distinct answers, in an order that does not tell which are frequent.
        replies: How many replies each source gave that did not fail.
        drawn: `"random"` or `"chosen"`.
        variance: Of the difference of two actions' accuracy on the question, in the mean over their pairs.
    """

    question_id: str
    question: str
    group: str | None
    answers: tuple[DistinctAnswer, ...]
    replies: Mapping[str, int]
    drawn: str
    variance: float


def questions_to_label(
    samples: Samples, count: int | None = None, *, seed: int = 0, random_share: float = RANDOM_SHARE
) -> tuple[Unlabelled, ...]:
    """The questions whose labels are most informative, in this order.

    Args:
        samples: The replies; questions whose replies are graded count as labelled.
        count: How many; all of them by default.
        seed: Draws the random ones. Keep it from round to round.
        random_share: The share of the questions that are drawn at random.

    Raises:
        ValueError: A share outside [0, 1], or a count below 1.

    Example:
        >>> row = dict(question="?", gold=None, correct=None, cost=1, cost_unit="tokens", sample=0)
        >>> said = {"a": ("1", "1"), "b": ("1", "2"), "c": ("3", "3")}
        >>> samples = Samples.from_rows(
        ...     {**row, "question_id": name, "source": source, "answer": answer}
        ...     for name, answers in said.items()
        ...     for source, answer in zip(("direct", "cot"), answers)
        ... )
        >>> [each.question_id for each in questions_to_label(samples, 1, random_share=0.0)]
        ['b']
    """
    check_argument(samples, "Samples", "questions_to_label")
    if not 0 <= random_share <= 1:
        raise ValueError(f"a share must be between 0 and 1, not {random_share}")
    if count is not None and count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    draws = {name: draw(name, seed) for name in samples.question_ids}
    groups = samples.groups or (None,) * len(samples)
    apart: list[_Candidate] = []
    others: list[_Candidate] = []
    labelled: Counter[str] = Counter()
    labelled_kinds: Counter[str] = Counter()
    for name, text, group in zip(samples.question_ids, samples.questions, groups, strict=True):
        given, replies = answers_of(samples, name)
        variance, pair = _variance(given, replies)
        kind = pair if group is None else group
        how = _how_labelled(samples, name)
        if how is not None:
            labelled[how] += 1
            labelled_kinds[kind] += how == "chosen"
            continue
        drawn = "random" if draws[name] < random_share else "chosen"
        question = Unlabelled(name, text, group, given, replies, drawn, variance)
        (apart if drawn == "random" else others).append(_Candidate(question, draws[name], kind))
    at_random = deque(sorted(apart, key=lambda each: each.draw))
    chosen = _in_turn(others, labelled_kinds)
    order = _mixed(at_random, chosen, labelled["random"], labelled["chosen"], random_share)
    return tuple(islice(order, count))


def answers_of(samples: Samples, question_id: str) -> tuple[tuple[DistinctAnswer, ...], dict[str, int]]:
    """The distinct answers to a question, in the order of a hash, and how many replies each source gave."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    replies = {}
    for source in samples.sources:
        votes = samples.votes(question_id, source)
        if votes:
            replies[source] = len(votes)
        for answer, times in Counter(reply.answer for reply in votes).items():
            if answer is not None:
                counts[answer][source] = times
    ordered = sorted(counts, key=lambda answer: draw(f"{question_id}\n{answer}", 0))
    return tuple(DistinctAnswer(answer, counts[answer]) for answer in ordered), replies


def draw(name: str, seed: int) -> float:
    """A number in [0, 1) that is the same for a name and a seed in every run.

    Example:
        >>> round(draw("q1", 0), 3), round(draw("q2", 0), 3)
        (0.763, 0.322)
    """
    digest = hashlib.sha256(f"{seed}\n{name}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6]) / 2**48


@dataclass(frozen=True, slots=True)
class _Candidate:
    question: Unlabelled
    draw: float
    kind: str


def _how_labelled(samples: Samples, question_id: str) -> str | None:
    """How a labelled question was picked; `"known"` if its answer came with it, None without a label."""
    replies = [reply for source in samples.sources for reply in samples.of(question_id, source)]
    if any(isnan(reply.correct) for reply in replies):
        return None
    return next((reply.label_drawn for reply in replies if reply.label_drawn is not None), "known")


def _variance(given: tuple[DistinctAnswer, ...], replies: Mapping[str, int]) -> tuple[float, str]:
    """What a label resolves, and the sources that differ most.

    Actions are a single reply of each source and the vote of all its replies. The right answer is taken to be
    one of those given as often as the sources give it, or, as if one more reply had said so, none of them.
    """
    if not given:
        return 0.0, ""
    shares = np.array([[each.counts.get(name, 0) / n for each in given] for name, n in replies.items()])
    best = shares.max(axis=1, keepdims=True)
    winners = (shares == best) & (best > 0)
    votes = winners / np.maximum(winners.sum(axis=1, keepdims=True), 1)
    total = sum(replies.values())
    right = shares.mean(axis=0) * total / (total + 1)
    actions = np.concatenate([shares, votes])
    mean = actions @ right
    covariance = (actions * right) @ actions.T - np.outer(mean, mean)
    spread = np.diag(covariance)[:, None] + np.diag(covariance) - 2 * covariance
    pairs = len(actions) * (len(actions) - 1)
    first, second = np.unravel_index(int(spread.argmax()), spread.shape)
    names = list(replies)
    kind = " ".join(sorted({names[int(at) % len(names)] for at in (first, second)}))
    return round(float(spread.sum()) / pairs, 9), kind


def _in_turn(candidates: Iterable[_Candidate], labelled: Mapping[str, int]) -> Iterator[Unlabelled]:
    """By variance, divided by one more than the labels that the kind of question has."""
    kinds: dict[str, deque[_Candidate]] = defaultdict(deque)
    for each in sorted(candidates, key=lambda each: (-each.question.variance, each.draw)):
        kinds[each.kind].append(each)
    taken = Counter({kind: labelled.get(kind, 0) for kind in kinds})

    def entry(kind: str) -> tuple[float, int, float, str]:
        first = kinds[kind][0]
        return -first.question.variance / (1 + taken[kind]), taken[kind], first.draw, kind

    heap = [entry(kind) for kind in kinds]
    heapify(heap)
    while heap:
        *_, kind = heappop(heap)
        yield kinds[kind].popleft().question
        taken[kind] += 1
        if kinds[kind]:
            heappush(heap, entry(kind))


def _mixed(
    at_random: deque[_Candidate], chosen: Iterator[Unlabelled], random: int, other: int, share: float
) -> Iterator[Unlabelled]:
    """Random and chosen ones, so that the share of the random ones is kept at every place."""
    following = next(chosen, None)
    while at_random or following is not None:
        wants_random = random < share * (random + other + 1)
        if at_random and (wants_random or following is None):
            random += 1
            yield at_random.popleft().question
        elif following is not None:
            other += 1
            yield following
            following = next(chosen, None)
