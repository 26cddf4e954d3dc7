"""Stopping rules of a vote, replayed on collected samples: what each would score and pay on average."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol, Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints, Matrix
from adaptive_reasoner.kit.allocation.mixtures import shares_at
from adaptive_reasoner.kit.allocation.solver import uniform_hull
from adaptive_reasoner.kit.backtesting.fitted_rule import PRICES, Fitted, FittedRule, as_table
from adaptive_reasoner.kit.backtesting.latency import Waits, waits
from adaptive_reasoner.kit.backtesting.lift import Performance
from adaptive_reasoner.kit.estimating.voting import vote_accuracy, vote_cost
from adaptive_reasoner.kit.learning.forecasts import beyond_mean
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.votes.fitting import FittedStop, courses, fit_stop
from adaptive_reasoner.kit.votes.permutations import (
    ReplayedVotes,
    SampleGroup,
    Schedule,
    draws_allowed,
    packs_of,
)
from adaptive_reasoner.kit.votes.schedules import after_first, at_once, by_state, by_window
from adaptive_reasoner.strategies.optimal_stopping import beta_confidence
from adaptive_reasoner.strategies.stop_rules import Beta, Lossless, SamplePrice, VoteState
from adaptive_reasoner.strategies.stop_rules import StopRule as OnlineRule

_TERCILES = (1 / 3, 2 / 3)
_KINDS = 2 * (len(_TERCILES) + 1)  # of first samples: answered or not, by length
_THRESHOLDS = (0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999)


class StopRule(Protocol):
    """A family of stopping rules on the same questions."""

    def play(self, fit: Ints, held_out: Ints, budget: float) -> Performance:
        """What is best at `budget` on the questions `fit`, played on those held out."""


@dataclass(frozen=True, eq=False)
class GivenRule:
    """A family that is not fitted; the best mixture of its parameters is.

    Attributes:
        table: Accuracy and cost by question and parameter.
        tokens: Tokens generated, shape (n, parameters), where known.
        waits: How long some questions take at a mixture of the parameters, where known.
    """

    table: Outcomes
    tokens: Floats | None = None
    waits: Callable[[Ints, Floats], Waits] | None = None

    @classmethod
    def of(
        cls, name: str, table: Outcomes, values: Floats, waits: Callable[[Ints, Floats], Waits] | None = None
    ) -> Self:
        """From accuracy, cost and tokens (NaN: unknown), shape (3, n, parameters)."""
        accuracy, cost, tokens = values
        return cls(as_table(name, table, accuracy, cost), None if np.isnan(tokens).any() else tokens, waits)

    def play(self, fit: Ints, held_out: Ints, budget: float) -> Performance:
        """The mixture of parameters that is best at `budget` on the questions `fit`, on those held out."""
        shares = shares_at(uniform_hull(self.table.select(fit)), budget, self.table.actions)
        tokens = None if self.tokens is None else self.tokens[held_out] @ shares
        rounds, seconds = (None, None) if self.waits is None else self.waits(held_out, shares)
        played = Performance.of(self.table.select(held_out), shares)
        return replace(played, tokens=tokens, rounds=rounds, p95_seconds=seconds)


class PricedRule:
    """The priced stop: what is known of votes is learned on the questions `fit`, and so is the price.

    Args:
        deals: Votes of all questions.
        table: The questions.
        expected: What is expected of questions beyond the mean accuracy by an imitator of `fit`, for those
            out of fold and for those held out; None where nothing is.
    """

    def __init__(self, deals: ReplayedVotes, table: Outcomes, expected: "Expected | None" = None) -> None:
        self._deals, self._table, self._expected = deals, table, expected
        self._played = cache(self._on)

    def play(self, fit: Ints, held_out: Ints, budget: float) -> Performance:
        """The mixture of prices that is best at `budget` out of fold on `fit`, on the questions held out."""
        fitted, plans, played = self._played(tuple(fit.tolist()), tuple(held_out.tolist()))
        accuracy, cost, tokens, _ = played
        offered = as_table("priced_stop", self._table.select(fit), fitted.accuracy, fitted.cost)
        shares = shares_at(uniform_hull(offered), budget, offered.actions)
        known_tokens = None if np.isnan(tokens).any() else tokens @ shares
        waited = waits(self._deals.select(held_out), plans, shares)
        return Performance(accuracy @ shares, cost @ shares, known_tokens, *waited)

    def _on(self, fit: Sequence[int], held_out: Sequence[int]) -> tuple[FittedStop, list[Schedule], Floats]:
        rows, others = np.array(fit), np.array(held_out)
        seen, unseen = (None, None) if self._expected is None else self._expected(rows, others)
        fitted, deals = fit_stop(self._deals.select(rows), beyond=seen), self._deals.select(others)
        plans = courses(fitted.prospects, beyond=unseen)
        return fitted, plans, np.stack([deals.played(course) for course in plans], axis=2)


Expected = Callable[[Ints, Ints], tuple[Floats, Floats]]


def expected_by_imitators(
    table: Outcomes, features: Matrix, source: str, sources: Sequence[str], *, seed: int
) -> Expected:
    """What imitators expect of questions: of those they are fitted on out of fold, of others as online."""

    def expected(fit: Ints, held_out: Ints) -> tuple[Floats, Floats]:
        imitator = Imitator(seed=seed).fit(features[fit], table.select(fit))
        foresight = imitator.predict(features[held_out])
        seen, unseen = (
            beyond_mean(each, imitator.mixture_, source=source, sources=sources, menu={})
            for each in (imitator.held_out_, foresight)
        )
        return seen, np.where(imitator.foresee(features[held_out]).unlike, 0.0, unseen)

    return expected


@dataclass(frozen=True, eq=False)
class AfterFirstSample:
    """How many samples to draw, chosen when the first is there.

    Attributes:
        deals: Votes of all questions.
    """

    deals: ReplayedVotes

    def fit(self, rows: Ints) -> Fitted:
        """Learn what further samples bring after first samples of each kind."""
        deals = self.deals.select(rows)
        edges = np.quantile(_length(deals), _TERCILES)
        kinds = _kind(deals, edges)
        curves = np.array(
            [
                deals.right[1:, kinds == kind].mean(axis=1)
                if (kinds == kind).any()
                else deals.right[1:, :].mean(axis=1)
                for kind in range(_KINDS)
            ]
        )
        worth = np.geomspace(1e-4, 0.3, PRICES)[:, None, None] * np.arange(1, deals.limit + 1)
        size = 1 + (curves - worth).argmax(axis=2)

        def play(others: Ints) -> Floats:
            held_out, drawn = self.deals.select(others), np.arange(deals.limit + 1)[:, None]
            kinds = _kind(held_out, edges)
            played = np.stack(
                [held_out.ended(drawn >= most[kinds], after_first(most[kinds]))[:3] for most in size], axis=2
            )
            return played[:, np.argsort(np.argsort(others))]

        def waited(others: Ints, shares: Floats) -> Waits:
            held_out = self.deals.select(others)
            kinds = _kind(held_out, edges)
            return waits(held_out, [after_first(most[kinds]) for most in size], shares)

        return Fitted(play, waited)


def _length(deals: ReplayedVotes) -> Floats:
    """How long each order's first sample is, or what it cost where that is not known."""
    length: Floats = deals.cost[1] if np.isnan(deals.tokens[1]).any() else deals.tokens[1]
    return length


def _kind(deals: ReplayedVotes, edges: Floats) -> Ints:
    answers = (deals.top[1] > 0).astype(np.intp)
    kind: Ints = answers * (_KINDS // 2) + np.searchsorted(edges, _length(deals))
    return kind


def replay_rules(
    samples: Samples, source: str, table: Outcomes, features: Matrix | None = None, *, seed: int = 0
) -> dict[str, StopRule]:
    """Stop rules on the samples of one source.

    * `vote_k` draws k samples whatever they say.
    * `lossless` stops when the leader of up to k cannot be caught, drawing in waves as online.
    * `beta_stop` draws one by one until the leader is ahead for good with probability tau, by a Beta
      posterior (Adaptive-Consistency, arXiv:2305.11860).
    * `esc` draws windows of w until all answers of one agree (Early-stopping SC, arXiv:2401.10480).
    * `after_first_sample` chooses how many to draw once it has seen the first: whether it answers, and how
      long it is. (A choice from the question alone is what the imitator makes among votes.)
    * `priced_stop` stops when no further sample is worth its price, as learned from the questions it is
      fitted on (`kit.stop_fitting`); with `features`, also as an imitator of these expects of the question.

    Args:
        samples: Single replies.
        source: Which source to replay.
        table: The questions, in the order wanted.
        features: What an imitator sees of them, shape (n, width).
        seed: Of the orders, and of the imitator.

    Returns:
        The rules by name; none where a question has one sample only, which leaves nothing to stop.

    Raises:
        OutcomesError: There is no such source, or a question has no usable sample of it.
    """
    packs = packs_of(samples, source, table.question_ids.tolist())
    limit = draws_allowed(packs)
    if limit < 2:
        return {}
    deals = ReplayedVotes.of(packs, limit, seed=seed)
    sizes = range(1, limit + 1)
    given: dict[str, list[Schedule]] = {
        "vote_k": [at_once(size) for size in sizes],
        "lossless": [by_state(_waves(Lossless(), limit, size)) for size in sizes],
        "beta_stop": [by_state(_waves(Beta(tau), limit)) for tau in _THRESHOLDS],
        "esc": [by_window(size) for size in sizes],
    }
    measured = {
        "vote_k": _by_pack(packs, len(table), limit, _whole_votes),
        "lossless": _by_pack(packs, len(table), limit, lambda pack, most: _lossless_votes(pack, most, seed)),
        "beta_stop": _played(deals, beta_stops(deals), given["beta_stop"]),
        "esc": _played(deals, windows_agree(deals), given["esc"]),
    }
    rules: dict[str, StopRule] = {
        name: GivenRule.of(name, table, values, _Waiting(deals, given[name]))
        for name, values in measured.items()
    }
    rules["after_first_sample"] = FittedRule("after_first_sample", table, AfterFirstSample(deals), seed)
    expected = (
        None
        if features is None
        else expected_by_imitators(table, features, source, samples.sources, seed=seed)
    )
    return {**rules, "priced_stop": PricedRule(deals, table, expected)}


def beta_stops(deals: ReplayedVotes, thresholds: Sequence[float] = _THRESHOLDS) -> Iterator[Bools]:
    """Where the leader is ahead for good with each of the probabilities."""
    most = deals.limit + 1
    confidence = np.array([[beta_confidence(top, second) for second in range(most)] for top in range(most)])
    for threshold in thresholds:
        yield (confidence[deals.top, deals.second] >= threshold) & (deals.top > 0)


def windows_agree(deals: ReplayedVotes) -> Iterator[Bools]:
    """Where all answers of one window agree, for windows of 1 to `limit`."""
    for size in range(1, deals.limit + 1):
        ends = np.arange(deals.limit + 1) % size == 0
        yield (deals.run >= size) & ends[:, None]


@dataclass(frozen=True, eq=False)
class _Waiting:
    """How long questions of the deals take at a mixture of courses."""

    deals: ReplayedVotes
    courses: Sequence[Schedule]

    def __call__(self, rows: Ints, shares: Floats) -> Waits:
        return waits(self.deals.select(rows), self.courses, shares)


def _played(deals: ReplayedVotes, over: Iterable[Bools], courses: Sequence[Schedule]) -> Floats:
    """Accuracy, cost and tokens of each question, shape (3, n, courses)."""
    ends = [deals.ended(each, course)[:3] for each, course in zip(over, courses, strict=True)]
    return np.stack(ends, axis=2)


def _waves(rule: OnlineRule, limit: int, most: int | None = None) -> Ints:
    """What an online rule starts next in every state of a vote of at most `most` samples."""
    wave = np.zeros((limit + 1,) * 3, dtype=np.intp)
    for drawn in range(limit):
        for top in range(drawn + 1):
            for second in range(min(top, drawn - top) + 1):
                wave[drawn, top, second] = rule.wave(
                    VoteState(top, second, drawn, most or limit), SamplePrice()
                )
    return wave


def _by_pack(packs: Sequence[SampleGroup], questions: int, limit: int, votes: "_Votes") -> Floats:
    values = np.empty((3, questions, limit))
    for pack in packs:
        values[:, pack.rows] = votes(pack, limit)
    return values


class _Votes(Protocol):
    def __call__(self, pack: SampleGroup, limit: int, /) -> Floats: ...


def _whole_votes(pack: SampleGroup, limit: int) -> Floats:
    """Accuracy, cost and tokens of votes of 1 to `limit`, shape (3, q, limit)."""
    sizes = np.arange(1, limit + 1)
    cost, tokens = (column.mean(axis=1, keepdims=True) * sizes for column in (pack.cost, pack.tokens))
    if pack.shared is not None:
        cost -= pack.shared.saved_at_once(sizes.tolist())
    return np.stack([_vote_accuracy(pack, limit), cost, tokens])


def _lossless_votes(pack: SampleGroup, limit: int, seed: int) -> Floats:
    """The same where a vote stops once it is decided."""
    sizes = range(1, limit + 1)
    cost = vote_cost(pack.codes, pack.cost, sizes, shared=pack.shared, seed=seed)
    tokens = vote_cost(pack.codes, pack.tokens, sizes, seed=seed)
    return np.stack([_vote_accuracy(pack, limit), cost, tokens])


def _vote_accuracy(pack: SampleGroup, limit: int) -> Floats:
    sizes = range(1, limit + 1)
    return np.array([vote_accuracy(several.answers, several.correct, sizes) for several in pack.replies])
