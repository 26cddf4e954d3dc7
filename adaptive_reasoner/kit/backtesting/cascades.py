"""Cascades of sources, replayed on samples: a cheap source first, an expensive one if it pays.

Two ways to decide are compared with the policy that may look (`kit.backtesting.look_replay`).
`cascade_threshold` accepts the cheap answer from a confidence upward, and `cascade_routing` chooses at each
step what has the highest estimated quality less its price (Dekoninck et al., arXiv:2410.10347).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints, Matrix
from adaptive_reasoner.kit.backtesting.rules import PRICES, Played, Rule, cross_fitted
from adaptive_reasoner.kit.backtesting.stop_rules import given_rule
from adaptive_reasoner.kit.estimating.estimation import SampleGroup
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.votes.permutations import (
    ReplayedVotes,
    at_once,
    draws_allowed,
    sample_groups,
)

_MOST_FREQUENT = 20  # answers that get a column each
_RIDGES = (1.0, 10.0, 100.0, 1000.0)
_SHARES = (0.0, 0.26, 0.34, 0.51, 0.61, 0.67, 0.76, 0.81, 0.99)
_FEWEST_VOTES = 4  # samples of the cheap source from which its votes are informative


class Exits(NamedTuple):
    """What one call to each more expensive source would bring each question: shape (n, sources)."""

    accuracy: Floats
    cost: Floats

    def at(self, rows: Ints) -> "Exits":
        """Those of some questions."""
        return Exits(self.accuracy[rows], self.cost[rows])


def escalation_rules(
    samples: Samples, table: Outcomes, features: Matrix, *, seed: int = 0
) -> dict[str, Rule]:
    """The rules `cascade_threshold` and `cascade_routing`.

    Args:
        samples: Single replies of at least two sources.
        table: The questions, in the order wanted.
        features: What is known of each question before any call, shape (n, width).
        seed: Of orders and folds.

    Returns:
        By name; empty if there is only one source, or a question lacks samples of a source.
    """
    names = table.question_ids.tolist()
    complete = all(samples.votes(name, source) for name in names for source in samples.sources)
    if len(samples.sources) < 2 or not complete:
        return {}
    groups = {source: sample_groups(samples, source, names) for source in samples.sources}
    means = {source: _means(own, len(table)) for source, own in groups.items()}
    cheap, *expensive = sorted(means, key=lambda source: means[source].cost.mean())
    exits = Exits(*(np.column_stack(columns) for columns in zip(*(means[s] for s in expensive), strict=True)))
    first = [samples.votes(name, cheap)[0] for name in names]
    cost = np.array([reply.cost for reply in first])
    seen = _seen([reply.answer for reply in first], cost)
    right = np.array([reply.correct for reply in first])
    routing = Routing(features.astype(np.float64), seen, right, cost, exits)
    rules: dict[str, Rule] = {"cascade_routing": Rule(partial(cross_fitted, routing.fit, seed))}
    if min(group.size for group in groups[cheap]) < _FEWEST_VOTES:
        threshold = replace(routing, by_threshold=True)
        return {**rules, "cascade_threshold": Rule(partial(cross_fitted, threshold.fit, seed))}
    votes = ReplayedVotes.of(groups[cheap], draws_allowed(groups[cheap]), seed=seed)
    return {**rules, "cascade_threshold": given_rule(np.stack(list(_vote_cascades(votes, exits)), axis=2))}


@dataclass(frozen=True, eq=False)
class Routing:
    """Each step by estimated quality less its price: before any call, and again with the cheap answer there.

    Attributes:
        before: What is known before any call, shape (n, width).
        seen: What the cheap reply adds, shape (n, more).
        right: Whether the cheap reply is right, shape (n,).
        cost: What it cost, shape (n,).
        exits: What the more expensive sources would bring.
        by_threshold: Always begin with the cheap source, and go by its own estimated quality alone.
    """

    before: Floats
    seen: Floats
    right: Floats
    cost: Floats
    exits: Exits
    by_threshold: bool = False

    def fit(self, rows: Ints) -> Callable[[Ints], Played]:
        """Learn qualities and costs by ridge regression."""
        after = np.hstack([self.before, self.seen])
        targets = np.column_stack([self.right, self.cost, *self.exits])
        guess_before = _ridge(self.before[rows], targets[rows])
        guess_after = _ridge(after[rows], targets[rows])
        prices = _prices(self.cost[rows], self.exits.cost[rows])
        bars = np.quantile(guess_after(after[rows])[:, 0], np.linspace(0, 1, PRICES))
        best = int(self.exits.accuracy[rows].mean(axis=0).argmax())

        def play(others: Ints) -> Played:
            early, late = guess_before(self.before[others]), guess_after(after[others])
            if self.by_threshold:
                played = [self._played(others, np.where(late[:, 0] < bar, best, -1)) for bar in bars]
            else:
                played = [self._routed(others, early, late, price) for price in prices]
            return Played(np.stack(played, axis=2))

        return play

    def _routed(self, rows: Ints, early: Floats, late: Floats, price: float) -> Floats:
        width = self.exits.cost.shape[1]

        def values(guess: Floats) -> Floats:
            """Of the more expensive sources, less their price."""
            return guess[:, 2 : 2 + width] - price * np.maximum(guess[:, 2 + width :], 0.0)

        begin = np.maximum(early[:, 0], values(early).max(axis=1)) - price * np.maximum(early[:, 1], 0.0)
        direct = values(early).max(axis=1) > begin
        escalate = np.where(values(late).max(axis=1) > late[:, 0], values(late).argmax(axis=1), -1)
        chosen = np.where(direct, values(early).argmax(axis=1), escalate)
        return self._played(rows, chosen, direct)

    def _played(self, rows: Ints, chosen: Ints, direct: Bools | None = None) -> Floats:
        """Accuracy and cost where the answer is that of a more expensive source, or (-1) of the cheap one."""
        exits, each = self.exits.at(rows), np.arange(len(rows))
        first = self.cost[rows] if direct is None else np.where(direct, 0.0, self.cost[rows])
        return np.stack(
            [
                np.where(chosen < 0, self.right[rows], exits.accuracy[each, chosen]),
                first + np.where(chosen < 0, 0.0, exits.cost[each, chosen]),
                np.full(len(rows), np.nan),
            ]
        )


def _escalated(votes: ReplayedVotes, exits: Exits, leave: Ints) -> ReplayedVotes:
    """The votes where stopping in a state asks a more expensive source, or (-1) keeps the vote's answer."""
    accuracy, cost = (
        np.take_along_axis(part[votes.question], np.maximum(leave, 0).T, axis=1).T for part in exits
    )
    return replace(
        votes,
        right=np.where(leave < 0, votes.right, accuracy),
        cost=votes.cost + np.where(leave < 0, 0.0, cost),
        tokens=np.full(votes.cost.shape, np.nan),  # the costs of two sources need not be in tokens
    )


def _vote_cascades(votes: ReplayedVotes, exits: Exits) -> Iterator[Floats]:
    """Votes of k whose answer is accepted above a share; below it a more expensive source is called."""
    for size in range(1, votes.limit + 1):
        for share in _SHARES:
            for source in range(exits.cost.shape[1]):
                leave = np.where(votes.top <= share * size, source, -1)
                yield _escalated(votes, exits, leave).played(at_once(size))[:3]


def _means(groups: Sequence[SampleGroup], questions: int) -> Exits:
    accuracy, cost = np.empty((2, questions))
    for group in groups:
        accuracy[group.rows], cost[group.rows] = group.correct.mean(axis=1), group.cost.mean(axis=1)
    return Exits(accuracy, cost)


def _seen(answers: Sequence[str | None], cost: Floats) -> Floats:
    """Features of a first reply: whether it answers, its cost, and which of the frequent answers it gives."""
    names, counts = np.unique([answer for answer in answers if answer is not None], return_counts=True)
    frequent = names[np.argsort(-counts)[:_MOST_FREQUENT]]
    given = np.array([[answer == name for name in frequent] for answer in answers], dtype=np.float64)
    return np.column_stack([[answer is not None for answer in answers], np.log1p(cost), given])


def _prices(cheap: Floats, expensive: Floats) -> Floats:
    """From where the most expensive source is almost free to where even the cheap one is not worth a call."""
    return np.geomspace(1e-3 / expensive.mean(axis=0).max(), 1.0 / cheap.mean(), PRICES)


def _ridge(known: Floats, targets: Floats) -> Callable[[Floats], Floats]:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeCV(_RIDGES)).fit(known, targets)
    return lambda rows: np.asarray(model.predict(rows), dtype=np.float64)
