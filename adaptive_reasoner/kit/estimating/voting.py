"""What a vote of k, or the best of k, would score and cost: estimated from n >= k samples without bias."""

import functools
import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.strategies.vote_state import samples_needed

_ORDERS = 120  # orders of the samples a vote's cost is averaged over, at least
_ORDERS_AT_ONCE = 50_000  # bounds memory, not precision


def vote_accuracy(
    answers: Sequence[str | None], correct: ArrayLike, votes: Sequence[int], *, as_run: bool = False
) -> Floats:
    """Expected accuracy of a plurality vote of k, exactly: the mean over all k-subsets of the samples.

    That mean is the unbiased estimate (none exists for k > n). Ties are broken uniformly; a sample without
    an answer is drawn but never votes; where none votes, the reply scores what replies without an answer do.
    A vote that stops once it is decided has the same winner, but as it runs it also ends where its first
    samples have no answer; see `as_run`.

    Subsets are counted by generating functions. Answer i is drawn u times in C(c_i, u) ways. For the winner
    to have t votes, the others have fewer, or tie with it: a tie between e + 1 answers is won with
    probability 1 / (e + 1), the integral of s^e over [0, 1], so each tie is marked by s and the
    integral is taken by Gauss-Legendre quadrature, exact for polynomials.

    Args:
        answers: What each sample answered, None for no answer, n of them.
        correct: How right each sample was, shape (n,). Samples of one answer count with their mean.
        votes: Sizes k of the votes.
        as_run: The vote ends, as online, where its first wave and one sample more have no answer. What
            cannot be compared was cut or filtered, as far as a table of samples tells.

    Returns:
        Expected accuracy of each vote, shape (len(votes),).

    Raises:
        OutcomesError: A vote is larger than the number of samples.

    Example:
        >>> vote_accuracy(["42", "42", "13"], [1, 1, 0], votes=(1, 2, 3)).round(3).tolist()
        [0.667, 0.667, 1.0]
    """
    n, correct = len(answers), np.asarray(correct, dtype=np.float64)
    subsets = _subsets(n, votes)
    codes = answer_codes(answers)
    counts = np.bincount(codes[codes >= 0])
    right = np.bincount(codes[codes >= 0], weights=correct[codes >= 0]) / counts
    silent = correct[codes < 0]
    ballot = sorted(zip(counts.tolist(), right.tolist(), strict=True), reverse=True)
    wins = _winning_ways(tuple(ballot), len(silent), max(votes), as_run)
    without = np.array([_ways_without_answer(len(silent), n, k, as_run) for k in votes])
    unanswered = without * (silent.mean() if len(silent) else 0.0)
    return np.clip(
        (wins[list(votes)] + unanswered) / subsets, correct.min(), correct.max()
    )  # against rounding


@functools.lru_cache(maxsize=4096)  # many questions share one pattern of votes
def _winning_ways(ballot: tuple[tuple[int, float], ...], silent: int, most: int, as_run: bool) -> Floats:
    """Number of k-subsets, each weighted with the accuracy of its winner, for k = 0 .. most.

    Args:
        ballot: How many samples gave each answer, and how right it is.
        silent: How many gave none.
        most: The largest k.
        as_run: Those that end without an answer have no winner.
    """
    total = np.zeros(most + 1)
    if not ballot:
        return total
    counts = [count for count, _ in ballot]
    levels = range(1, min(max(counts), most) + 1)  # votes of the winner
    nodes = [_nodes(min(sum(c >= t for c in counts), most // t) - 1) for t in levels]
    first = np.cumsum([0] + [len(s) for s, _ in nodes])  # rows of level t: first[t - 1] to first[t]
    tie, weight = (np.concatenate(column) for column in zip(*nodes, strict=True))
    # ways[0]: polynomials in the number drawn, no winner named yet; ways[1]: winner named and weighted.
    ways = np.zeros((2, len(tie), most + 1))
    ways[0, :, 0] = 1.0
    for count, accuracy in ballot:
        longer = np.zeros_like(ways)
        for drawn in range(min(count, most) + 1):
            before, combinations = ways[:, :, : most + 1 - drawn], float(math.comb(count, drawn))
            below = first[drawn] if drawn < len(first) else first[-1]  # levels above `drawn`: fewer votes
            longer[:, below:, drawn:] += combinations * before[:, below:]
            if 0 < drawn <= len(levels):
                at = slice(first[drawn - 1], first[drawn])  # level `drawn`: it ties, or is the winner
                longer[:, at, drawn:] += combinations * tie[at, None] * before[:, at]
                longer[1, at, drawn:] += combinations * accuracy * before[0, at]
        ways = longer
    won = weight @ ways[1]
    for drawn in range(min(silent, most) + 1):
        goes_on = np.array([1.0 - as_run * _ends(k, drawn) for k in range(drawn, most + 1)])
        total[drawn:] += math.comb(silent, drawn) * goes_on * won[: most + 1 - drawn]
    return total


def _ways_without_answer(silent: int, n: int, k: int, as_run: bool) -> float:
    """Number of k-subsets of n samples of which no answer comes, since none has one or the vote ends."""
    ended = sum(
        math.comb(silent, drawn) * math.comb(n - silent, k - drawn) * _ends(k, drawn)
        for drawn in range(k if as_run else 0)
    )
    return math.comb(silent, k) + ended


@functools.cache
def _ends(k: int, silent: int) -> float:
    """How likely a vote of k, of which so many have no answer, draws just these first, and ends."""
    seen = samples_needed(0, 0, 0, k) + 1  # the first wave, and one sample more
    return math.comb(silent, seen) / math.comb(k, seen) if seen <= k else 0.0


@functools.cache
def _nodes(degree: int) -> tuple[Floats, Floats]:
    """Nodes and weights on [0, 1] that integrate polynomials of `degree` exactly."""
    node, weight = np.polynomial.legendre.leggauss(degree // 2 + 1)
    return (node + 1) / 2, weight / 2


@dataclass(frozen=True, eq=False)
class Shared:
    """Prompts that are part of every sample's cost, and that one request pays once for several samples.

    Attributes:
        prompt: What one costs, shape (q,).
        by: Samples that a request may ask for, shape (q,).

    Example:
        >>> Shared(np.array([3.0]), np.array([4])).saved(np.array([1, 4, 5, 9])).tolist()
        [0.0, 9.0, 9.0, 18.0]
    """

    prompt: Floats
    by: Ints

    @classmethod
    def nothing(cls, questions: int) -> Self:
        """For questions whose samples share no prompt."""
        return cls(np.zeros(questions), np.ones(questions, np.intp))

    def saved(self, wave: Ints) -> Floats:
        """What samples that are started together do not pay."""
        saved: Floats = (wave - np.ceil(wave / self.by)) * self.prompt
        return saved

    def saved_at_once(self, sizes: Sequence[int]) -> Floats:
        """What each question saves where so many are started in one wave, shape (q, len(sizes))."""
        return np.stack([self.saved(np.full(len(self.by), size)) for size in sizes], axis=1)

    def at(self, rows: Ints | slice) -> Self:
        """Those of some questions."""
        return type(self)(self.prompt[rows], self.by[rows])


def vote_cost(
    codes: Ints, cost: Floats, votes: Sequence[int], *, shared: Shared | None = None, seed: int = 0
) -> Floats:
    """Expected cost of a vote of at most k as it runs: wave by wave, each the fewest that can still decide.

    The rule is `vote_state.VoteState.needed`, the one that runs online. Where a vote stops depends on the
    whole vector of counts, whose states are too many to enumerate for many samples and answers; so the
    cost is averaged over orders of the samples. Up to five samples those are all orders, which is exact.
    Beyond, they are random orders, each taken in all its rotations: unbiased, every sample equally often
    in every place (so that what cannot stop early is priced exactly), and the same orders for every k, so
    that the difference of two votes is not noise. The error that is left, one or two percent of a
    question's cost, is far below that of having n samples only, and averages out over questions.

    Args:
        codes: Answers as numbers, -1 for none, shape (q, n): see `answer_codes`.
        cost: Of each sample, shape (q, n).
        votes: Sizes k of the votes.
        shared: The part of the costs that the samples of one wave share.
        seed: Of the orders.

    Returns:
        Expected cost, shape (q, len(votes)).

    Raises:
        OutcomesError: A vote is larger than the number of samples.
    """
    questions, n = codes.shape
    _subsets(n, votes)
    rng = np.random.default_rng([seed, n])
    step = max(1, _ORDERS_AT_ONCE // max(_ORDERS, n))
    shared = shared or Shared.nothing(questions)
    parts = [slice(at, at + step) for at in range(0, questions, step)]
    return np.concatenate(
        [_mean_cost(codes[part], cost[part], shared.at(part), votes, rng) for part in parts]
    )


def _mean_cost(
    codes: Ints, cost: Floats, shared: Shared, votes: Sequence[int], rng: np.random.Generator
) -> Floats:
    questions, n = codes.shape
    orders = sample_orders(questions, n, rng)[: max(votes)]
    question = np.arange(questions)[:, None]
    tally = Tally.of(codes[question, orders].reshape(len(orders), -1))
    lead = tally.top - tally.second
    spent = running_sums(cost[question, orders].reshape(len(orders), -1))
    column = np.arange(lead.shape[1])
    each = shared.at(np.repeat(np.arange(questions), len(column) // questions))
    means = []
    for limit in votes:
        drawn, saved = np.zeros(len(column), dtype=np.intp), np.zeros(len(column))
        needed = _needed(limit)
        for number in itertools.count():
            wave = needed[lead[drawn, column], limit - drawn]
            if number:
                one_more = (drawn < limit) & (number == 1)
                wave = np.where(tally.top[drawn, column] == 0, one_more, wave)
            if not wave.any():
                break
            drawn = drawn + wave
            saved += each.saved(wave)
        means.append((spent[drawn, column] - saved).reshape(questions, -1).mean(axis=1))
    return np.stack(means, axis=1)


@functools.cache
def _needed(limit: int) -> Ints:
    """`samples_needed` by lead and draws left: it depends on nothing else."""
    counts = range(limit + 1)
    return np.array([[samples_needed(lead, 0, limit - left, limit) for left in counts] for lead in counts])


def sample_orders(questions: int, n: int, rng: np.random.Generator) -> Ints:
    """Orders in which n samples may come, all of them or many at random, shape (n, questions, orders)."""
    if math.factorial(n) <= _ORDERS:
        every = np.array(list(itertools.permutations(range(n))), dtype=np.intp).T
        return np.repeat(every[:, None], questions, axis=1)
    starts = math.ceil(_ORDERS / n)
    shuffled = rng.permuted(np.broadcast_to(np.arange(n), (questions * starts, n)), axis=1)
    rotation = (np.arange(n)[:, None] + np.arange(n)) % n
    rotated: Ints = shuffled.T[rotation].transpose(0, 2, 1).reshape(n, questions, starts * n)
    return rotated


def running_sums(values: Floats) -> Floats:
    """Sums of the first 0, 1, .. rows, shape (rows + 1, columns)."""
    return np.vstack([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])


@dataclass(frozen=True, eq=False)
class Tally:
    """The state of many votes after 0, 1, .. draws, each of shape (draws + 1, columns).

    Attributes:
        top: Votes of the leading answer.
        second: Votes of the runner-up.
        leader: The leading answer, the first to get there among equals; -1 while nothing was answered.
    """

    top: Ints
    second: Ints
    leader: Ints

    @classmethod
    def of(cls, codes: Ints) -> Self:
        """Count answers in the order they are drawn, -1 for none, shape (draws, columns)."""
        draws, columns = codes.shape
        answers = int(codes.max(initial=0)) + 1
        votes = np.zeros(columns * (answers + 1), dtype=np.intp)
        first = np.arange(columns) * (answers + 1) + 1  # after the place of those without an answer
        top, second = np.zeros((draws + 1, columns), np.intp), np.zeros((draws + 1, columns), np.intp)
        leader = np.full((draws + 1, columns), -1)
        for draw, code in enumerate(codes):
            votes[first + code] += 1
            now = np.where(code < 0, 0, votes[first + code])
            before = top[draw]
            overtaken = np.maximum(second[draw], np.minimum(now, before))
            second[draw + 1] = np.where(code == leader[draw], second[draw], overtaken)
            leader[draw + 1] = np.where(now > before, code, leader[draw])
            top[draw + 1] = np.maximum(before, now)
        return cls(top, second, leader)


def best_of_k(correct: ArrayLike, score: ArrayLike, votes: Sequence[int]) -> Floats:
    """Expected accuracy of the reply that a scorer likes best among k: the mean over all k-subsets.

    In ascending order of score the i-th reply is the best of C(i - 1, k - 1) subsets; equal scores share.

    Args:
        correct: How right each sample was (or its reward), shape (n,).
        score: What the scorer gave it, shape (n,).
        votes: Sizes k.

    Returns:
        Shape (len(votes),).

    Raises:
        OutcomesError: A k is larger than the number of samples, or a score is not a number.

    Example:
        >>> best_of_k([0, 1, 0], [0.1, 0.9, 0.5], votes=(1, 3)).round(3).tolist()
        [0.333, 1.0]
    """
    correct, score = np.asarray(correct, dtype=np.float64), np.asarray(score, dtype=np.float64)
    subsets = _subsets(len(correct), votes)
    if np.isnan(score).any():
        raise OutcomesError(f"sample {int(np.isnan(score).argmax())} has no score to choose by")
    _, tied = np.unique(score, return_inverse=True)
    shared = (np.bincount(tied, weights=correct) / np.bincount(tied))[tied]
    ascending = shared[np.argsort(score, kind="stable")]
    ways = np.array([[float(math.comb(i, k - 1)) for i in range(len(correct))] for k in votes])
    return np.clip(ways @ ascending / subsets, correct.min(), correct.max())  # against rounding


def answer_codes(answers: Sequence[str | None]) -> Ints:
    """Answers as numbers in order of first appearance, -1 for none; shape (n,).

    >>> answer_codes(["42", None, "13", "42"]).tolist()
    [0, -1, 1, 0]
    """
    known: dict[str, int] = {}
    return np.array([-1 if a is None else known.setdefault(a, len(known)) for a in answers], dtype=np.intp)


def _subsets(n: int, votes: Sequence[int]) -> Floats:
    """How many k-subsets n samples have, for each k."""
    for k in votes:
        if not 1 <= k <= n:
            raise OutcomesError(f"k = {k} cannot be estimated from {n} samples: 1 to {n} can")
        if math.comb(n, k) > sys.float_info.max:
            raise OutcomesError(f"{n} samples have too many subsets of {k} to count: take fewer samples")
    return np.array([float(math.comb(n, k)) for k in votes])
