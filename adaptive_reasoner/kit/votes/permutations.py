"""Collected samples drawn in many orders and waves: what a vote would have seen, draw by draw.

Samples are drawn without replacement, so the mean over the orders is unbiased for any rule that is given. At
most half of a question's samples are drawn: other orders of the same samples are not new samples, and a rule
that is chosen on all of them would be chosen by their luck.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.estimating.estimation import Replies, SampleGroup, groups_of
from adaptive_reasoner.kit.estimating.voting import Shared, Tally, running_sums, sample_orders
from adaptive_reasoner.kit.samples import Samples

Schedule = Callable[["ReplayedVotes", Ints], Ints]
"""How many samples to start next in each order of the votes, given how many it has; 0 to stop."""

_COLUMNS = 300_000  # orders in all, as far as each question gets its samples in every place


@dataclass(frozen=True, eq=False)
class ReplayedVotes:
    """Votes after 0, 1, .. draws; tables of shape (draws + 1, columns), each column one order of a question.

    Attributes:
        question: The question of each column, numbered 0 .. n - 1, shape (columns,).
        top: Votes of the leading answer.
        second: Votes of the runner-up.
        run: How many of the latest draws gave one and the same answer.
        right: How right the leader is.
        cost: Paid so far.
        tokens: Generated so far, NaN where unknown.
        seconds: How long each draw took from request to reply, NaN where unknown, shape (draws, columns).
        logprob: Mean log-probability of the tokens of the first draw, NaN where unknown, shape (columns,).
        shared: The prompts that samples of one wave share, by column.
    """

    question: Ints
    top: Ints
    second: Ints
    run: Ints
    right: Floats
    cost: Floats
    tokens: Floats
    seconds: Floats
    logprob: Floats
    shared: Shared

    @classmethod
    def of(cls, groups: Sequence[SampleGroup], limit: int, *, seed: int = 0) -> Self:
        """Draw up to `limit` samples of every question, in many orders."""
        rng = np.random.default_rng(seed)
        questions = sum(len(group.rows) for group in groups)
        return cls._joined([_in_orders(group, limit, questions, rng) for group in groups])

    @property
    def limit(self) -> int:
        """The most draws."""
        return len(self.top) - 1

    @property
    def questions(self) -> int:
        """How many questions there are."""
        return int(self.question.max()) + 1

    def select(self, rows: Ints) -> Self:
        """The votes of some questions, numbered anew in the order of `rows`."""
        number = np.full(self.questions, -1)
        number[rows] = np.arange(len(rows))
        kept = np.flatnonzero(number[self.question] >= 0)
        return replace(self.columns(kept), question=number[self.question[kept]])

    def columns(self, kept: Ints) -> Self:
        """Some of the orders."""
        tables = {name: getattr(self, name)[..., kept] for name in _TABLES}
        return type(self)(self.question[kept], **tables, shared=self.shared.at(kept))

    def waves(self, schedule: Schedule) -> Iterator[tuple[Ints, Ints]]:
        """A vote wave by wave, in all orders: how many samples each has, and how many are started."""
        drawn = np.zeros(len(self.question), dtype=np.intp)
        while (wave := schedule(self, drawn)).any():
            yield drawn, wave
            drawn = drawn + wave

    def mean(self, values: Floats) -> Floats:
        """Mean of each question over its orders, shape (n,)."""
        return np.bincount(self.question, weights=values) / np.bincount(self.question)

    def played(self, schedule: Schedule, *, over: Bools | None = None) -> Floats:
        """Mean accuracy, cost, tokens and draws of each question on a schedule, shape (4, n).

        Args:
            schedule: In what waves samples are drawn; samples of one wave share prompts where they can.
            over: Where a vote ends before its schedule does, shape (draws + 1, columns); the first draw is
                always made. None where the schedule says when to stop.
        """
        column = np.arange(len(self.question))
        drawn, saved = np.zeros(len(column), dtype=np.intp), np.zeros(len(column))
        for before, wave in self.waves(schedule):
            drawn = before + wave
            saved += self.shared.saved(wave)
        if over is not None:
            drawn = 1 + np.where(over[1:].any(axis=0), over[1:].argmax(axis=0), self.limit - 1)
        right, cost, tokens = (table[drawn, column] for table in (self.right, self.cost, self.tokens))
        ends = right, cost - saved, tokens, drawn.astype(np.float64)
        return np.stack([self.mean(values) for values in ends])

    @classmethod
    def _joined(cls, parts: "Sequence[ReplayedVotes]") -> Self:
        question = np.concatenate([part.question for part in parts])
        order = np.argsort(question, kind="stable")
        tables = {
            name: np.concatenate([getattr(part, name) for part in parts], axis=-1)[..., order]
            for name in _TABLES
        }
        prompt, by = (
            np.concatenate([getattr(part.shared, name) for part in parts])[order] for name in ("prompt", "by")
        )
        return cls(question[order], **tables, shared=Shared(prompt, by))


_TABLES = ("top", "second", "run", "right", "cost", "tokens", "seconds", "logprob")


def at_once(samples: int) -> Schedule:
    """All samples in one wave."""
    return lambda _, drawn: np.where(drawn == 0, samples, 0)


def by_state(wave: Ints, kind: Ints | None = None) -> Schedule:
    """As many as a table says, by samples drawn and votes of the first two.

    Args:
        wave: One table or, first by kind of question, several.
        kind: Of each question, shape (n,), where there are several.
    """

    def schedule(votes: ReplayedVotes, drawn: Ints) -> Ints:
        column = np.arange(len(drawn))
        state = drawn, votes.top[drawn, column], votes.second[drawn, column]
        following: Ints = wave[state] if kind is None else wave[kind[votes.question], *state]
        return following

    return schedule


def by_window(size: int) -> Schedule:
    """`size` samples at once until all answers of one wave agree.

    Where the first wave has no answer one sample more is drawn, and then none: as online, where
    `strategies.vote_state.VoteState.needed` says so.
    """

    def schedule(votes: ReplayedVotes, drawn: Ints) -> Ints:
        column = np.arange(len(drawn))
        agree, silent = votes.run[drawn, column] >= size, (votes.top[drawn, column] == 0) & (drawn > 0)
        most = np.where(silent, drawn == size, size)
        return np.where(agree, 0, np.minimum(most, votes.limit - drawn))

    return schedule


def after_probe(most: Ints, probe: int = 1) -> Schedule:
    """`probe` samples, then all up to `most`, which has shape (columns,); without an answer, one more."""

    def schedule(votes: ReplayedVotes, drawn: Ints) -> Ints:
        others = np.where(votes.top[probe] > 0, most - probe, np.minimum(most - probe, 1))
        return np.where(drawn == 0, probe, np.where(drawn == probe, others, 0))

    return schedule


def sample_groups(samples: Samples, source: str, question_ids: Sequence[str]) -> list[SampleGroup]:
    """The samples of one source, in groups of questions that have equally many.

    Raises:
        OutcomesError: There is no such source, or a question has no usable sample of it.
    """
    single = samples.of_source(source)
    return groups_of([Replies.of(single, question_id, source) for question_id in question_ids])


def draws_allowed(groups: Sequence[SampleGroup]) -> int:
    """The most samples a replayed vote may draw: half of what every question has; all where that is few."""
    fewest: int = min(group.size for group in groups)
    return fewest // 2 if fewest >= 4 else fewest


def _in_orders(group: SampleGroup, limit: int, questions: int, rng: np.random.Generator) -> ReplayedVotes:
    q, n = group.codes.shape
    orders = sample_orders(q, n, rng)[:limit, :, : max(n, _COLUMNS // questions // n * n)]
    question, own = np.arange(q)[:, None], np.repeat(np.arange(q), orders.shape[2])
    codes = group.codes[question, orders].reshape(limit, -1)
    tally = Tally.of(codes)
    return ReplayedVotes(
        question=group.rows[own],
        top=tally.top,
        second=tally.second,
        run=_runs(codes),
        right=group.right()[own, tally.leader],
        cost=running_sums(group.cost[question, orders].reshape(limit, -1)),
        tokens=running_sums(group.tokens[question, orders].reshape(limit, -1)),
        seconds=group.seconds[question, orders].reshape(limit, -1),
        logprob=group.logprob[question, orders].reshape(limit, -1)[0],
        shared=group.shared.at(own),
    )


def _runs(codes: Ints) -> Ints:
    runs = np.zeros((len(codes) + 1, codes.shape[1]), dtype=np.intp)
    for draw, code in enumerate(codes):
        same = code == codes[draw - 1] if draw else np.ones_like(code, dtype=bool)
        runs[draw + 1] = np.where(code < 0, 0, np.where(same, runs[draw], 0) + 1)
    return runs
