"""Learns from collected samples when to stop a vote.

The state of a vote is (drawn, top, second). Two things are learned of each state: how likely its leader is
right, and how likely the next sample joins the leader or lifts the runner-up. From them
`optimal_stopping.plan` finds by backward induction when a vote is best ended, at any price; so nothing here
depends on a price.

Cross-validation over questions compares what was learned with the Beta posterior at equal mean samples; where
the samples taught nothing, the posterior is used. How likely an answer is after samples that gave none is
counted either way. What is expected of a question before its votes shifts the log-odds of all states, as a
prior shifts a posterior. It is used where that gains more than a standard error over the better of both.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.kit.estimating.estimation import SampleGroup
from adaptive_reasoner.kit.onnx_graph import INPUT, Graph
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.votes.permutations import (
    ReplayedVotes,
    Schedule,
    by_state,
    draws_allowed,
    sample_groups,
)
from adaptive_reasoner.kit.votes.state_counts import StateCounts
from adaptive_reasoner.strategies.optimal_stopping import VoteModel, beta_vote_model, plan

COSTS = np.geomspace(2e-4, 0.3, 30)
"""The accuracies that a sample must be worth: the prices that a rule is tried at."""

_FOLDS = 5
_DRAWS = 200  # of the bootstrap over questions
_CARD = ("limit", "cost", "seconds", "prompt_cost", "samples_per_request")
_BAND = (1.5, 0.7)  # mean samples over which rules are compared: from this many to this share of the limit


@dataclass(frozen=True, eq=False)
class FittedStop:
    """A fitted rule that stops a vote when no further sample is worth its price.

    Attributes:
        model: What is known of each state.
        learned: Whether the samples taught more than the Beta posterior knows.
        gain: Accuracy gained over the Beta posterior at equal mean samples, cross-validated.
        question_gain: What knowing the question adds to the better of both, or would add, likewise.
        accuracy: Out of fold, by question and cost of a sample (`COSTS`), shape (n, costs).
        cost: Likewise.
        draws: Likewise.
    """

    model: VoteModel
    learned: bool
    gain: float
    accuracy: Floats
    cost: Floats
    draws: Floats
    question_gain: float = 0.0

    def as_card(self) -> dict[str, Any]:
        """Its entry in a policy's card, as plain JSON values."""
        known = self.model
        return {
            **{name: getattr(known, name) for name in _CARD},
            "accepted": None if known.accepted is None else known.accepted.tolist(),
            "learned": self.learned,
            "gain": self.gain,
            "tilt": None if known.tilt is None else list(known.tilt),
            "question_gain": self.question_gain,
            "unanswered": 1.0 - float(known.top[0, 0, 0]),
        }


def fit_stops(
    samples: Samples, *, beyond: Mapping[str, Mapping[str, float]] | None = None, seed: int = 0
) -> dict[str, FittedStop]:
    """The stop rule of each source, if its questions have several samples.

    Args:
        samples: Single replies.
        beyond: By source and question_id, the accuracy expected of the question beyond the mean, by a model
            that has not seen its samples.
        seed: Of orders and folds.
    """
    stops = {}
    for source in samples.sources:
        sampled = [name for name in samples.question_ids if len(samples.votes(name, source)) > 1]
        if len(sampled) < _FOLDS:
            continue
        groups = sample_groups(samples, source, sampled)
        votes = ReplayedVotes.of(groups, draws_allowed(groups), seed=seed)
        expected = (beyond or {}).get(source, {})
        known = np.array([expected.get(name, 0.0) for name in sampled]) if expected else None
        fitted = fit_stop(votes, beyond=known, seed=seed)
        model = replace(fitted.model, accepted=chances_of_success(groups, votes.limit))
        stops[source] = replace(fitted, model=model)
    return stops


def chances_of_success(groups: Sequence[SampleGroup], limit: int) -> Floats:
    """Probability that the next sample is right after 0, 1, ... were wrong, exactly, shape (limit,).

    With c of n samples right, the first m drawn are all wrong in C(n - c, m) of C(n, m) cases. The more
    have failed, the likelier the question is one that never succeeds.
    """
    still_wrong = np.zeros(limit + 1)
    for group in groups:
        n, right = group.correct.shape[1], np.rint(group.correct.sum(axis=1)).astype(int)
        for m in range(limit + 1):
            ways = np.array([math.comb(n - wins, m) for wins in range(n + 1)], dtype=np.float64)
            still_wrong[m] += (ways[right] / math.comb(n, m)).sum()
    before, after = still_wrong[:-1], still_wrong[1:]
    chances: Floats = np.where(before > 0, (before - after) / np.maximum(before, 1e-300), 0.0)
    return chances


def stopping_graph(stops: Mapping[str, FittedStop]) -> ModelProto:
    """The learned chances of votes, as ONNX.

    From `features` (source by its position, samples drawn, votes of the first two), shape (m, 4), to
    `chances` (right, top, second), shape (m, 3).
    """
    size = 1 + max(stop.model.limit for stop in stops.values())
    tables = np.zeros((len(stops), size, size, size, 3))
    for number, stop in enumerate(stops.values()):
        own = slice(stop.model.limit + 1)
        known = stop.model
        tables[number, own, own, own] = np.stack([known.right, known.top, known.second], axis=-1)
    graph = Graph(width=4)
    place = graph.node("MatMul", INPUT, graph.constant(size ** np.array([[3.0], [2.0], [1.0], [0.0]])))
    index = graph.node("Reshape", graph.node("Cast", place, to=TensorProto.INT64), graph.constant([-1]))
    chances = graph.node("Gather", graph.constant(tables.reshape(-1, 3)), index)
    return graph.model({"chances": chances})


def fit_stop(votes: ReplayedVotes, *, beyond: Floats | None = None, seed: int = 0) -> FittedStop:
    """Learn when to stop votes.

    Args:
        votes: Votes of many questions.
        beyond: The accuracy expected of each question beyond the mean, by a model that has not seen its
            samples, shape (n,); None where there is no such model.
        seed: Of the folds of a cross-validation over questions.
    """
    paid, counts = _paid(votes), StateCounts.of(votes)
    fold = np.random.default_rng(seed).permutation(votes.questions) % min(_FOLDS, votes.questions)
    held_out = [np.flatnonzero(fold == number) for number in range(int(fold.max()) + 1)]
    others = [
        counts.select(np.flatnonzero(fold != n)) if fold.max() else counts for n in range(len(held_out))
    ]

    def out_of_fold(known: Sequence[VoteModel]) -> Floats:
        played = np.empty((4, votes.questions, len(COSTS)))
        for rows, each in zip(held_out, known, strict=True):
            own = None if beyond is None else beyond[rows]
            played[:, rows] = replayed(votes.select(rows), each, beyond=own)
        return played

    known = [replace(part.vote_model(), **paid) for part in others]
    shared = replace(counts.vote_model(), **paid)
    learned, plain = out_of_fold(known), out_of_fold([_unlearned(each) for each in known])
    gain = _gain(learned, plain, votes.limit)
    best, model = (learned, shared) if gain >= 0 else (plain, _unlearned(shared))
    question_gain = 0.0
    if beyond is not None and beyond.any():
        tilted = [part.tilted(each, beyond) for part, each in zip(others, known, strict=True)]
        asked = out_of_fold(tilted)
        question_gain = _gain(asked, best, votes.limit)
        if question_gain > _gain_error(asked, best, votes.limit, seed):
            best, model = asked, counts.tilted(shared, beyond)
    accuracy, cost, _, draws = best
    learned_from = gain >= 0 or model.tilt is not None
    return FittedStop(model, learned_from, gain, accuracy, cost, draws, question_gain)


def replayed(
    votes: ReplayedVotes,
    model: VoteModel,
    costs: Sequence[float] | Floats = COSTS,
    *,
    beyond: Floats | None = None,
) -> Floats:
    """Mean accuracy, cost, tokens and draws of each question under the best plan at each cost of a sample.

    Returns:
        Shape (4, n, costs).
    """
    return np.stack(
        [votes.played(schedule) for schedule in priced_schedules(model, costs, beyond=beyond)], axis=2
    )


def priced_schedules(
    model: VoteModel, costs: Sequence[float] | Floats = COSTS, *, beyond: Floats | None = None
) -> list[Schedule]:
    """The best plan at each cost of a sample, for questions of which more or less is expected."""
    if beyond is None:
        return [by_state(_waves(model, float(cost))) for cost in costs]
    each = [model.of_question(float(more)) for more in beyond]
    kinds = list(dict.fromkeys(each))
    kind = np.array([kinds.index(known) for known in each])
    return [by_state(np.stack([_waves(k, float(cost)) for k in kinds]), kind) for cost in costs]


def _unlearned(known: VoteModel) -> VoteModel:
    """The Beta posterior, with what was learned of replies without an answer."""
    beta = beta_vote_model(known.limit)
    top = beta.top.copy()
    top[:, 0] = known.top[:, 0]
    return replace(known, right=beta.right, top=top, second=beta.second)


def _waves(known: VoteModel, cost: float) -> Ints:
    """The best plan where a sample that is asked for alone must be worth `cost`."""
    shared = cost * min(1.0, known.prompt_cost / known.cost) if known.cost else 0.0
    together = known.samples_per_request
    return plan(known, cost - shared, request_cost=shared, samples_per_request=together).wave


def _paid(votes: ReplayedVotes) -> dict[str, Any]:
    """What samples cost and how long they take, on average."""
    seconds, shared = float(votes.seconds.mean()), votes.shared
    return {
        "cost": float(votes.cost[-1].mean() / votes.limit),
        "seconds": None if np.isnan(seconds) else seconds,
        "prompt_cost": float(shared.prompt.mean()),
        "samples_per_request": int(shared.by.max()),
    }


def _gain(learned: Floats, plain: Floats, limit: int) -> float:
    """Accuracy of the first over the second at equal mean draws, averaged over a band of them."""
    at = np.linspace(_BAND[0], max(_BAND[0], _BAND[1] * limit), 20)
    one, other = (_curve(rule)(at) for rule in (learned, plain))
    return float((one - other).mean())


def _gain_error(one: Floats, other: Floats, limit: int, seed: int) -> float:
    """Its standard error, by a bootstrap over questions."""
    rng, questions = np.random.default_rng(seed), one.shape[1]
    drawn = (rng.integers(0, questions, questions) for _ in range(_DRAWS))
    return float(np.std([_gain(one[:, rows], other[:, rows], limit) for rows in drawn]))


def _curve(rule: Floats) -> Callable[[Floats], Floats]:
    """Mean accuracy against mean draws, straight between neighbouring prices."""
    accuracy, _, _, draws = rule.mean(axis=1)[:, ::-1]
    rising = np.maximum.accumulate(draws)
    return lambda at: np.interp(at, rising, accuracy)
