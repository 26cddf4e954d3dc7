"""Collected samples dealt in many orders: what a vote would have seen, draw by draw.

Orders are dealt without replacement, so the mean over them is unbiased for any rule that is given. At most
half of a question's samples are dealt: re-orderings of one pack are not new packs, and a rule that is chosen
on them would be chosen on their luck.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.estimating.estimation import Replies, prompts_of
from adaptive_reasoner.kit.estimating.voting import Shared, Tally, answer_codes, running_sums, sample_orders
from adaptive_reasoner.kit.samples import Sample, Samples

Schedule = Callable[["ReplayedVotes", Ints], Ints]
"""How many samples to start next in each order of the deals, given how many it has; 0 to stop."""

_COLUMNS = 300_000  # orders dealt in all, as far as each question gets its samples in every place


@dataclass(frozen=True, eq=False)
class SampleGroup:
    """The replies to some questions, n each, that did not fail.

    Attributes:
        rows: Positions of the q questions in their table, shape (q,).
        replies: By question.
        codes: Answers as numbers, -1 for none, shape (q, n).
        correct: How right each was, shape (q, n).
        cost: In the table's unit, shape (q, n).
        tokens: Tokens generated, NaN where unknown, shape (q, n).
        seconds: From request to reply, NaN where unknown, shape (q, n).
        shared: The prompts that samples of one wave share, where they do.
    """

    rows: Ints
    replies: Sequence[Replies]
    codes: Ints
    correct: Floats
    cost: Floats
    tokens: Floats
    seconds: Floats
    shared: Shared | None = None

    def right(self) -> Floats:
        """How right each answer is, that of no answer last, shape (q, answers + 1)."""
        table = np.zeros((len(self.codes), int(self.codes.max(initial=0)) + 2))
        for row, (codes, correct) in enumerate(zip(self.codes, self.correct, strict=True)):
            for code in set(codes.tolist()):
                table[row, code] = correct[codes == code].mean()
        return table


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
        shared: The prompts that samples of one wave share, by column, where they do.
    """

    question: Ints
    top: Ints
    second: Ints
    run: Ints
    right: Floats
    cost: Floats
    tokens: Floats
    seconds: Floats
    shared: Shared | None = None

    @classmethod
    def of(cls, packs: Sequence[SampleGroup], limit: int, *, seed: int = 0) -> Self:
        """Deal up to `limit` samples of every question."""
        rng = np.random.default_rng(seed)
        questions = sum(len(pack.rows) for pack in packs)
        return cls._joined([_dealt(pack, limit, questions, rng) for pack in packs])

    @property
    def limit(self) -> int:
        """The most draws."""
        return len(self.top) - 1

    @property
    def questions(self) -> int:
        """How many questions there are."""
        return int(self.question[-1]) + 1

    def select(self, rows: Ints) -> Self:
        """The deals of some questions, which are numbered anew in their order."""
        number = np.full(self.questions, -1)
        number[np.sort(rows)] = np.arange(len(rows))
        kept = np.flatnonzero(number[self.question] >= 0)
        tables = {name: getattr(self, name)[..., kept] for name in _TABLES}
        shared = None if self.shared is None else self.shared.at(kept)
        return type(self)(number[self.question[kept]], **tables, shared=shared)

    def waves(self, course: Schedule) -> Iterator[tuple[Ints, Ints]]:
        """A vote wave by wave, in all orders: how many samples each has, and how many are started."""
        drawn = np.zeros(len(self.question), dtype=np.intp)
        while (wave := course(self, drawn)).any():
            yield drawn, wave
            drawn = drawn + wave

    def mean(self, values: Floats) -> Floats:
        """Mean of each question over its orders, shape (n,)."""
        return np.bincount(self.question, weights=values) / np.bincount(self.question)

    def ended(self, over: Bools, course: Schedule | None = None) -> Floats:
        """Mean accuracy, cost, tokens and draws of each question, when an order ends where it is first over.

        Args:
            over: Whether to stop there, shape (draws + 1, columns); the first draw is always made.
            course: In what waves the draws are made, which share prompts where they can; one by one if None.

        Returns:
            Shape (4, n).
        """
        first = 1 + np.where(over[1:].any(axis=0), over[1:].argmax(axis=0), self.limit - 1)
        saved = np.zeros(len(first))
        if self.shared is not None and course is not None:
            for _, wave in self.waves(course):
                saved += self.shared.saved(wave)
        return self._at(first, saved)

    def played(self, course: Schedule) -> Floats:
        """Mean accuracy, cost, tokens and draws of each question on a course, shape (4, n)."""
        drawn, saved = np.zeros(len(self.question), dtype=np.intp), np.zeros(len(self.question))
        for before, wave in self.waves(course):
            drawn = before + wave
            if self.shared is not None:
                saved += self.shared.saved(wave)
        return self._at(drawn, saved)

    def _at(self, drawn: Ints, saved: Floats) -> Floats:
        column = np.arange(len(drawn))
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
        shared = Shared.joined([part.shared for part in parts], [len(part.question) for part in parts])
        return cls(question[order], **tables, shared=None if shared is None else shared.at(order))


_TABLES = ("top", "second", "run", "right", "cost", "tokens", "seconds")


def packs_of(samples: Samples, source: str, question_ids: Sequence[str]) -> list[SampleGroup]:
    """The samples of one source, in packs of questions that have equally many.

    Raises:
        OutcomesError: There is no such source, or a question has no usable sample of it.
    """
    single = samples.of_source(source)
    replies = [Replies.of(single, question_id, source) for question_id in question_ids]
    used = [single.votes(question_id, source) for question_id in question_ids]
    return [
        SampleGroup(
            rows=rows,
            replies=[replies[row] for row in rows],
            codes=np.stack([answer_codes(replies[row].answers) for row in rows]),
            correct=np.stack([replies[row].correct for row in rows]),
            cost=np.stack([replies[row].cost for row in rows]),
            tokens=np.stack([_known(used[row], "completion_tokens") for row in rows]),
            seconds=np.stack([_known(used[row], "seconds") for row in rows]),
            shared=prompts_of([replies[row] for row in rows]),
        )
        for rows in _of_equal_size([len(several) for several in replies])
    ]


def draws_allowed(packs: Sequence[SampleGroup]) -> int:
    """The most samples a replayed vote may draw: half of what every question has; all where that is few."""
    fewest: int = min(pack.codes.shape[1] for pack in packs)
    return fewest // 2 if fewest >= 4 else fewest


def _dealt(pack: SampleGroup, limit: int, questions: int, rng: np.random.Generator) -> ReplayedVotes:
    q, n = pack.codes.shape
    orders = sample_orders(q, n, rng)[:limit, :, : max(n, _COLUMNS // questions // n * n)]
    question, own = np.arange(q)[:, None], np.repeat(np.arange(q), orders.shape[2])
    codes = pack.codes[question, orders].reshape(limit, -1)
    tally = Tally.of(codes)
    return ReplayedVotes(
        question=pack.rows[own],
        top=tally.top,
        second=tally.second,
        run=_runs(codes),
        right=pack.right()[own, tally.leader],
        cost=running_sums(pack.cost[question, orders].reshape(limit, -1)),
        tokens=running_sums(pack.tokens[question, orders].reshape(limit, -1)),
        seconds=pack.seconds[question, orders].reshape(limit, -1),
        shared=None if pack.shared is None else pack.shared.at(own),
    )


def _runs(codes: Ints) -> Ints:
    runs = np.zeros((len(codes) + 1, codes.shape[1]), dtype=np.intp)
    for draw, code in enumerate(codes):
        same = code == codes[draw - 1] if draw else np.ones_like(code, dtype=bool)
        runs[draw + 1] = np.where(code < 0, 0, np.where(same, runs[draw], 0) + 1)
    return runs


def _known(replies: Sequence[Sample], name: str) -> Floats:
    values = [getattr(reply, name) for reply in replies]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _of_equal_size(counts: Sequence[int]) -> Iterator[Ints]:
    for count in sorted(set(counts)):
        yield np.flatnonzero(np.array(counts) == count)
