"""Stopping rules of a vote, replayed on collected samples: what each would score and pay on average."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints, Matrix
from adaptive_reasoner.kit.backtesting.latency import waits
from adaptive_reasoner.kit.backtesting.published_rules import SequentialTest, budget_allocation
from adaptive_reasoner.kit.backtesting.rules import PRICES, FittedRule, Played, Rule, cross_fitted
from adaptive_reasoner.kit.estimating.estimation import SampleGroup
from adaptive_reasoner.kit.estimating.voting import vote_cost
from adaptive_reasoner.kit.learning.forecasts import beyond_mean
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.votes.fitting import fit_stop, priced_schedules
from adaptive_reasoner.kit.votes.permutations import (
    ReplayedVotes,
    Schedule,
    after_probe,
    at_once,
    by_state,
    by_window,
    draws_allowed,
    sample_groups,
)
from adaptive_reasoner.strategies.stop_rules import Beta, Lossless, SamplePrice, StopRule
from adaptive_reasoner.strategies.vote_state import VoteState, beta_confidence

_TERCILES = (1 / 3, 2 / 3)
_KINDS = 2 * (len(_TERCILES) + 1)  # of first samples: answered or not, by length
_THRESHOLDS = (0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999)


def given_rule(
    values: Floats, votes: ReplayedVotes | None = None, schedules: Sequence[Schedule] = ()
) -> Rule:
    """A rule that learns nothing from the questions.

    Args:
        values: Accuracy, cost and tokens (NaN where unknown) of each question, shape (3, n, parameters).
        votes: The votes of all questions, to measure how long the rule takes.
        schedules: In what rounds each parameter draws its samples.
    """

    def fit(rows: Ints, held_out: Ints) -> FittedRule:
        waiting = None if votes is None else partial(waits, votes.select(held_out), schedules)
        return FittedRule(values[:2, rows], Played(values[:, held_out], waiting))

    return Rule(fit, values)


Expected = Callable[[Ints, Ints], tuple[Floats, Floats]]
"""What is expected of questions beyond the mean accuracy: of those to fit on, and of those held out."""


def priced_stop(votes: ReplayedVotes, expected: Expected | None = None) -> Rule:
    """The priced stop, which learns the vote's chances from the questions to fit on.

    Args:
        votes: Votes of all questions.
        expected: What imitators of the questions to fit on expect; None to expect the same of all.
    """

    def fit(rows: Ints, held_out: Ints) -> FittedRule:
        seen, unseen = (None, None) if expected is None else expected(rows, held_out)
        fitted = fit_stop(votes.select(rows), beyond=seen)
        schedules = priced_schedules(fitted.model, beyond=unseen)
        return FittedRule(
            np.stack([fitted.accuracy, fitted.cost]), _replayed(votes.select(held_out), schedules)
        )

    return Rule(fit)


def expected_by_imitators(
    table: Outcomes, features: Matrix, source: str, sources: Sequence[str], *, seed: int
) -> Expected:
    """Predictions of imitators: out of fold for the questions they are fitted on, as online for others."""

    def expected(fit: Ints, held_out: Ints) -> tuple[Floats, Floats]:
        imitator = Imitator(seed=seed).fit(features[fit], table.select(fit))
        seen, unseen = (
            beyond_mean(each, imitator.mixture_, source=source, sources=sources, menu={})
            for each in (imitator.held_out_, imitator.predict(features[held_out]))
        )
        return seen, np.where(imitator.foresee(features[held_out]).unlike, 0.0, unseen)

    return expected


def after_first_sample(votes: ReplayedVotes, rows: Ints) -> Callable[[Ints], Played]:
    """Learn from some questions what further samples bring after first samples of each kind."""
    known = votes.select(rows)
    edges = np.quantile(_length(known), _TERCILES)
    kinds = _kind(known, edges)
    curves = np.array(
        [
            known.right[1:, kinds == kind if (kinds == kind).any() else slice(None)].mean(axis=1)
            for kind in range(_KINDS)
        ]
    )
    worth = np.geomspace(1e-4, 0.3, PRICES)[:, None, None] * np.arange(1, votes.limit + 1)
    sizes = 1 + (curves - worth).argmax(axis=2)

    def play(others: Ints) -> Played:
        held_out = votes.select(others)
        kinds = _kind(held_out, edges)
        return _replayed(held_out, [after_probe(size[kinds]) for size in sizes])

    return play


def _length(votes: ReplayedVotes) -> Floats:
    """Tokens of each order's first sample, or its cost if they are unknown."""
    length: Floats = votes.cost[1] if np.isnan(votes.tokens[1]).any() else votes.tokens[1]
    return length


def _kind(votes: ReplayedVotes, edges: Floats) -> Ints:
    answers = (votes.top[1] > 0).astype(np.intp)
    kind: Ints = answers * (_KINDS // 2) + np.searchsorted(edges, _length(votes))
    return kind


def replay_rules(
    samples: Samples, source: str, table: Outcomes, features: Matrix | None = None, *, seed: int = 0
) -> dict[str, Rule]:
    """Stop rules on the samples of one source.

    * `vote_k` draws k samples whatever they say.
    * `lossless` stops when the leader of up to k cannot be caught, drawing in rounds as online.
    * `beta_stop` stops when the leader is ahead for good with probability tau, by a Beta posterior
      (Adaptive-Consistency, arXiv:2305.11860).
    * `esc` draws windows of w until all answers of one agree (Early-stopping SC, arXiv:2401.10480).
    * `uab` gives samples where an uncertainty of the first one says they pay (arXiv:2605.26849), and `optpo`
      stops at a lead in votes, by a sequential test (arXiv:2512.02882); see `neighbours`.
    * `after_first_sample` chooses how many to draw once it has seen the first: whether it answers, and how
      long it is. (A choice from the question alone is what the imitator makes among votes.)
    * `priced_stop` stops when no further sample is worth its price, as learned from the questions it is
      fitted on (`kit.votes.fitting`); with `features`, also as an imitator of these expects of the question.

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
    groups = sample_groups(samples, source, table.question_ids.tolist())
    limit = draws_allowed(groups)
    if limit < 2:
        return {}
    votes = ReplayedVotes.of(groups, limit, seed=seed)
    sizes = range(1, limit + 1)
    whole, decided = _exact_votes(groups, len(table), limit, seed)
    by_confidence = [by_state(rounds_of(Beta(tau), limit)) for tau in _THRESHOLDS]
    confident = [
        votes.played(schedule, over=beta_stop(votes, tau))[:3]
        for schedule, tau in zip(by_confidence, _THRESHOLDS, strict=True)
    ]
    decisive = [by_state(rounds_of(Lossless(), limit, size)) for size in sizes]
    expected = (
        None
        if features is None
        else expected_by_imitators(table, features, source, samples.sources, seed=seed)
    )
    return {
        "vote_k": given_rule(whole, votes, [at_once(size) for size in sizes]),
        "lossless": given_rule(decided, votes, decisive),
        "beta_stop": given_rule(np.stack(confident, axis=2), votes, by_confidence),
        "esc": _family(votes, [by_window(size) for size in sizes]),
        "uab": _family(votes, budget_allocation(votes)),
        "optpo": _family(votes, [by_state(rounds_of(SequentialTest(lead), limit)) for lead in sizes]),
        "after_first_sample": Rule(partial(cross_fitted, partial(after_first_sample, votes), seed)),
        "priced_stop": priced_stop(votes, expected),
    }


def beta_stop(votes: ReplayedVotes, confidence: float) -> Bools:
    """Where the leader stays ahead with probability `confidence`, shape (draws + 1, columns).

    Or where the first wave and one sample more have no answer.
    """
    most = range(votes.limit + 1)
    known = np.array([[beta_confidence(top, second) for second in most] for top in most])
    first = Beta(confidence).wave(VoteState(0, 0, 0, votes.limit), SamplePrice())
    silent = (votes.top == 0) & (np.arange(votes.limit + 1)[:, None] > first)
    over: Bools = (known[votes.top, votes.second] >= confidence) & (votes.top > 0) | silent
    return over


def rounds_of(rule: StopRule, limit: int, most: int | None = None) -> Ints:
    """How many samples an online rule starts next in every state of a vote of at most `most` samples."""
    wave = np.zeros((limit + 1,) * 3, dtype=np.intp)
    for drawn in range(limit):
        for top in range(drawn + 1):
            for second in range(min(top, drawn - top) + 1):
                waves = 1 + (drawn > wave[0, 0, 0])  # without an answer: the first, and one sample more
                state = VoteState(top, second, drawn, most or limit, waves=waves)
                wave[drawn, top, second] = rule.wave(state, SamplePrice())
    return wave


def _family(votes: ReplayedVotes, schedules: Sequence[Schedule]) -> Rule:
    return given_rule(_replayed(votes, schedules).values, votes, schedules)


def _replayed(votes: ReplayedVotes, schedules: Sequence[Schedule]) -> Played:
    values = np.stack([votes.played(schedule)[:3] for schedule in schedules], axis=2)
    return Played(values, partial(waits, votes, schedules))


def _exact_votes(
    groups: Sequence[SampleGroup], questions: int, limit: int, seed: int
) -> tuple[Floats, Floats]:
    """Accuracy, cost and tokens of votes of 1 to `limit`: run to their end, and stopped once decided.

    Both have shape (3, questions, limit). The accuracy is exact, and the same but for votes that end because
    nothing can be compared.
    """
    whole, decided = np.empty((2, 3, questions, limit))
    sizes = range(1, limit + 1)
    for group in groups:
        to_the_end, as_run = (group.vote_accuracy(sizes, as_run=ends) for ends in (False, True))
        cost, tokens = (paid.mean(axis=1, keepdims=True) * sizes for paid in (group.cost, group.tokens))
        whole[:, group.rows] = to_the_end, cost - group.shared.saved_at_once(sizes), tokens
        cost = vote_cost(group.codes, group.cost, sizes, shared=group.shared, seed=seed)
        decided[:, group.rows] = as_run, cost, vote_cost(group.codes, group.tokens, sizes, seed=seed)
    return whole, decided
