"""Stopping rules of a vote, replayed on collected samples: what each would score and pay on average.

A replay deals a question's samples in many orders without replacement, so every figure is unbiased for a
rule that is given. At most half the samples are dealt: re-orderings of one pack are not new packs, and a rule
that is chosen on them would be chosen on their luck.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from adaptive_reasoner.kit.allocation import uniform_hull
from adaptive_reasoner.kit.backtesting.lift import Play
from adaptive_reasoner.kit.estimation import Replies
from adaptive_reasoner.kit.mixing import shares_at
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Sample, Samples
from adaptive_reasoner.kit.voting import (
    Tally,
    answer_codes,
    running_sums,
    sample_orders,
    vote_accuracy,
    vote_cost,
)
from adaptive_reasoner.prospects import beta_confidence

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_THRESHOLDS = (0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999)
_AT_ONCE = 400  # questions replayed at a time; bounds memory


@dataclass(frozen=True, eq=False)
class StopRule:
    """A family of stopping rules on the same questions, one column a parameter.

    Attributes:
        table: Accuracy and cost by question and parameter.
        tokens: Tokens generated, shape (n, parameters), where known.
    """

    table: Outcomes
    tokens: Floats | None

    def play(self, fit: Ints, held_out: Ints, budget: float) -> Play:
        """The mixture of parameters that is best at `budget` on the questions `fit`, on those held out."""
        shares = shares_at(uniform_hull(self.table.select(fit)), budget, self.table.actions)
        played = Play.of(self.table.select(held_out), shares)
        return played if self.tokens is None else replace(played, tokens=self.tokens[held_out] @ shares)


def replay_rules(samples: Samples, source: str, table: Outcomes, *, seed: int = 0) -> dict[str, StopRule]:
    """The rules `vote_k`, `lossless`, `beta_stop` and `esc` on the samples of one source.

    * `vote_k` draws k samples whatever they say.
    * `lossless` stops when the leader of up to k cannot be caught, drawing in waves as online.
    * `beta_stop` draws one by one until the leader is ahead for good with probability tau, by a Beta
      posterior (Adaptive-Consistency, arXiv:2305.11860).
    * `esc` draws windows of w until all answers of one agree (Early-stopping SC, arXiv:2401.10480).

    Args:
        samples: Single replies.
        source: Which source to replay.
        table: The questions, in the order wanted.
        seed: Of the orders.

    Returns:
        The rules by name; none where a question has one sample only, which leaves nothing to stop.

    Raises:
        OutcomesError: There is no such source, or a question has no usable sample of it.
    """
    single, question_ids = samples.of_source(source), table.question_ids.tolist()
    replies = [Replies.of(single, question_id, source) for question_id in question_ids]
    tokens = [_tokens(single.votes(question_id, source)) for question_id in question_ids]
    fewest = min(len(several) for several in replies)
    if fewest < 2:
        return {}
    limit = fewest // 2 if fewest >= 4 else fewest
    rng = np.random.default_rng(seed)
    found: dict[str, Floats] = {}
    for rows in _blocks([len(several) for several in replies]):
        pack = _Pack.of([replies[row] for row in rows], [tokens[row] for row in rows])
        deal = _Deal.of(pack, limit, rng)
        measured = {
            "vote_k": pack.votes(limit),
            "lossless": pack.lossless_votes(limit, seed),
            "beta_stop": np.stack([deal.stopped(deal.beta(tau)) for tau in _THRESHOLDS], axis=2),
            "esc": np.stack([deal.stopped(deal.agreed(w)) for w in range(1, limit + 1)], axis=2),
        }
        for name, values in measured.items():
            shape = (3, len(replies), values.shape[2])
            found.setdefault(name, np.empty(shape))[:, rows] = values
    return {name: _rule(name, table, values) for name, values in found.items()}


def _rule(name: str, table: Outcomes, values: Floats) -> StopRule:
    accuracy, cost, tokens = values
    rule = replace(
        table,
        actions=tuple(f"{name}_{parameter}" for parameter in range(accuracy.shape[1])),
        accuracy=np.clip(accuracy, 0.0, 1.0),
        cost=cost,
        samples=np.ones(accuracy.shape, dtype=np.intp),
        halves=None,
        accuracy_unit=None,
    )
    return StopRule(rule, None if np.isnan(tokens).any() else tokens)


def _tokens(replies: Sequence[Sample]) -> Floats:
    return np.array([np.nan if r.completion_tokens is None else r.completion_tokens for r in replies])


def _blocks(counts: Sequence[int]) -> Iterator[Ints]:
    """Positions of questions with equally many replies, some at a time."""
    for count in sorted(set(counts)):
        rows = np.flatnonzero(np.array(counts) == count)
        yield from np.array_split(rows, math.ceil(len(rows) / _AT_ONCE))


@dataclass(frozen=True, eq=False)
class _Pack:
    """The replies to q questions, n each: answers as numbers (-1 for none), and columns of shape (q, n)."""

    replies: Sequence[Replies]
    codes: Ints
    correct: Floats
    cost: Floats
    tokens: Floats

    @classmethod
    def of(cls, replies: Sequence[Replies], tokens: Sequence[Floats]) -> Self:
        return cls(
            replies=replies,
            codes=np.stack([answer_codes(several.answers) for several in replies]),
            correct=np.stack([several.correct for several in replies]),
            cost=np.stack([several.cost for several in replies]),
            tokens=np.stack(tokens),
        )

    def votes(self, limit: int) -> Floats:
        """Accuracy, cost and tokens of votes of 1 to `limit`, shape (3, q, limit)."""
        sizes = np.arange(1, limit + 1)
        cost, tokens = (column.mean(axis=1, keepdims=True) * sizes for column in (self.cost, self.tokens))
        return np.stack([self._vote_accuracy(limit), cost, tokens])

    def lossless_votes(self, limit: int, seed: int) -> Floats:
        """The same where a vote stops once it is decided."""
        sizes = range(1, limit + 1)
        cost, tokens = (
            vote_cost(self.codes, column, sizes, seed=seed) for column in (self.cost, self.tokens)
        )
        return np.stack([self._vote_accuracy(limit), cost, tokens])

    def _vote_accuracy(self, limit: int) -> Floats:
        sizes = range(1, limit + 1)
        return np.array([vote_accuracy(several.answers, several.correct, sizes) for several in self.replies])

    def right(self) -> Floats:
        """How right each answer is, that of no answer last, shape (q, answers + 1)."""
        table = np.zeros((len(self.codes), int(self.codes.max(initial=0)) + 2))
        for row, (codes, correct) in enumerate(zip(self.codes, self.correct, strict=True)):
            for code in set(codes.tolist()):
                table[row, code] = correct[codes == code].mean()
        return table


@dataclass(frozen=True, eq=False)
class _Deal:
    """A pack dealt in many orders; every column of shape (draws + 1, q * orders)."""

    questions: int
    tally: Tally
    run: Ints
    accuracy: Floats
    cost: Floats
    tokens: Floats

    @classmethod
    def of(cls, pack: _Pack, limit: int, rng: np.random.Generator) -> Self:
        questions, n = pack.codes.shape
        orders = sample_orders(questions, n, rng)[:limit]
        question = np.arange(questions)[:, None]
        codes = pack.codes[question, orders].reshape(limit, -1)
        tally = Tally.of(codes)
        per_question = orders.shape[2]
        return cls(
            questions=questions,
            tally=tally,
            run=_runs(codes),
            accuracy=pack.right()[np.repeat(np.arange(questions), per_question), tally.leader],
            cost=running_sums(pack.cost[question, orders].reshape(limit, -1)),
            tokens=running_sums(pack.tokens[question, orders].reshape(limit, -1)),
        )

    def beta(self, tau: float) -> Ints:
        """Draws until the leader is ahead for good with probability `tau`."""
        most = len(self.run)
        confidence = np.array(
            [[beta_confidence(top, second) for second in range(most)] for top in range(most)]
        )
        return self._first((confidence[self.tally.top, self.tally.second] >= tau) & (self.tally.top > 0))

    def agreed(self, window: int) -> Ints:
        """Draws until all answers of one window agree."""
        ends = np.arange(len(self.run)) % window == 0
        return self._first((self.run >= window) & ends[:, None])

    def stopped(self, draws: Ints) -> Floats:
        """Mean accuracy, cost and tokens a question when each order stops after `draws`, shape (3, q)."""
        column = np.arange(len(draws))
        ends = np.stack([values[draws, column] for values in (self.accuracy, self.cost, self.tokens)])
        means: Floats = ends.reshape(3, self.questions, -1).mean(axis=2)
        return means

    def _first(self, over: NDArray[np.bool_]) -> Ints:
        """The first draw at which it is over; the last one where it never is."""
        return np.where(over.any(axis=0), over.argmax(axis=0), len(over) - 1)


def _runs(codes: Ints) -> Ints:
    """How many of the latest draws gave one and the same answer, shape (draws + 1, columns)."""
    runs = np.zeros((len(codes) + 1, codes.shape[1]), dtype=np.intp)
    for draw, code in enumerate(codes):
        same = code == codes[draw - 1] if draw else np.ones_like(code, dtype=bool)
        runs[draw + 1] = np.where(code < 0, 0, np.where(same, runs[draw], 0) + 1)
    return runs
