"""What collected samples say of votes: which leaders are right, and where the next samples go.

The state of a vote is (drawn, top, second). Two things are learned of each state: how likely its leader is
right, and how likely the next sample joins the leader or lifts the runner-up. From them `prospects.plan`
finds by backward induction when a vote is best ended, at any price; so nothing here depends on a price.

Many states are seen by few questions. There the estimate leans on a logistic model of all states (whose
first feature is the Beta posterior's own confidence), as if that were `_PRIOR` questions of evidence; the
number of questions, not of orders, is the evidence on the other side. And what was learned has to prove
itself: by cross-validation over questions it is compared with the Beta posterior at equal mean samples,
which stands in where the samples taught nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from adaptive_reasoner.kit.courses import by_state
from adaptive_reasoner.kit.dealing import Deals, Pack, draws_allowed, packs_of
from adaptive_reasoner.kit.learning.graph import INPUT, Graph
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.prospects import Prospects, beta_prospects, plan

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

COSTS = np.geomspace(2e-4, 0.3, 30)
"""What a sample may have to be worth, in accuracy: the prices that a rule is tried at."""

_PRIOR = 10.0  # questions that the model of all states counts for
_FOLDS = 5
_BAND = (1.5, 0.7)  # mean samples over which rules are compared: from this many to this share of the limit


@dataclass(frozen=True, eq=False)
class FittedStop:
    """A priced stop as fitted.

    Attributes:
        prospects: What is known of each state.
        learned: Whether the samples taught more than the Beta posterior knows.
        gain: Accuracy gained over the Beta posterior at equal mean samples, cross-validated.
        accuracy: Out of fold, by question and cost of a sample (`COSTS`), shape (n, costs).
        cost: Likewise.
        draws: Likewise.
    """

    prospects: Prospects
    learned: bool
    gain: float
    accuracy: Floats
    cost: Floats
    draws: Floats

    def as_card(self) -> dict[str, Any]:
        """What a policy says of it, as plain JSON values."""
        known = self.prospects
        return {
            "limit": known.limit,
            "cost": known.cost,
            "seconds": known.seconds,
            "accepted": None if known.accepted is None else known.accepted.tolist(),
            "learned": self.learned,
            "gain": self.gain,
        }


def fit_stops(samples: Samples, *, seed: int = 0) -> dict[str, FittedStop]:
    """When votes on each source are best ended, as far as its questions have several samples.

    Args:
        samples: Single replies.
        seed: Of orders and folds.
    """
    stops = {}
    for source in samples.sources:
        sampled = [name for name in samples.question_ids if len(samples.votes(name, source)) > 1]
        if len(sampled) < _FOLDS:
            continue
        packs = packs_of(samples, source, sampled)
        deals = Deals.of(packs, draws_allowed(packs), seed=seed)
        fitted = fit_stop(deals, seed=seed)
        known = replace(fitted.prospects, accepted=chances_of_success(packs, deals.limit))
        stops[source] = replace(fitted, prospects=known)
    return stops


def chances_of_success(packs: Sequence[Pack], limit: int) -> Floats:
    """Probability that the next sample is right after 0, 1, ... were wrong, exactly, shape (limit,).

    With c of n samples right, the first m drawn are all wrong in C(n - c, m) of C(n, m) cases. The more
    have failed, the likelier the question is one that never succeeds.
    """
    still_wrong = np.zeros(limit + 1)
    for pack in packs:
        n, right = pack.correct.shape[1], np.rint(pack.correct.sum(axis=1)).astype(int)
        for m in range(limit + 1):
            ways = np.array([math.comb(n - wins, m) for wins in range(n + 1)], dtype=np.float64)
            still_wrong[m] += (ways[right] / math.comb(n, m)).sum()
    before, after = still_wrong[:-1], still_wrong[1:]
    chances: Floats = np.where(before > 0, (before - after) / np.maximum(before, 1e-300), 0.0)
    return chances


def stopping_graph(stops: Mapping[str, FittedStop]) -> ModelProto:
    """What was learned of votes, as ONNX.

    From `features` (source by its position, samples drawn, votes of the first two), shape (m, 4), to
    `chances` (right, top, second), shape (m, 3).
    """
    size = 1 + max(stop.prospects.limit for stop in stops.values())
    tables = np.zeros((len(stops), size, size, size, 3))
    for number, stop in enumerate(stops.values()):
        own = slice(stop.prospects.limit + 1)
        known = stop.prospects
        tables[number, own, own, own] = np.stack([known.right, known.top, known.second], axis=-1)
    graph = Graph(width=4)
    place = graph.node("MatMul", INPUT, graph.constant(size ** np.array([[3.0], [2.0], [1.0], [0.0]])))
    index = graph.node("Reshape", graph.node("Cast", place, to=TensorProto.INT64), graph.constant([-1]))
    chances = graph.node("Gather", graph.constant(tables.reshape(-1, 3)), index)
    return graph.model({"chances": chances})


def fit_stop(deals: Deals, *, folds: int = _FOLDS, seed: int = 0) -> FittedStop:
    """Learn when votes are best ended.

    Args:
        deals: Votes of many questions.
        folds: Of the cross-validation; questions are dealt into them.
        seed: Of the folds.
    """
    counts = StateCounts.of(deals)
    prior = beta_prospects(deals.limit)
    fold = np.random.default_rng(seed).permutation(deals.questions) % min(folds, deals.questions)
    learned, plain = np.empty((2, 4, deals.questions, len(COSTS)))
    for number in range(int(fold.max()) + 1):
        out = np.flatnonzero(fold == number)
        held_out = deals.select(out)
        there = counts.select(np.flatnonzero(fold != number)) if fold.max() else counts
        learned[:, out], plain[:, out] = (
            replayed(held_out, prospects) for prospects in (there.prospects(), prior)
        )
    gain = _gain(learned, plain, deals.limit)
    best, prospects = (learned, counts.prospects()) if gain >= 0 else (plain, prior)
    accuracy, cost, _, draws = best
    mean_cost = float(deals.cost[-1].mean() / deals.limit)
    seconds = float(deals.seconds.mean())
    prospects = replace(prospects, cost=mean_cost, seconds=None if np.isnan(seconds) else seconds)
    return FittedStop(prospects, gain >= 0, gain, accuracy, cost, draws)


def replayed(deals: Deals, prospects: Prospects, costs: Sequence[float] | Floats = COSTS) -> Floats:
    """Mean accuracy, cost, tokens and draws of each question under the best plan at each cost of a sample.

    Returns:
        Shape (4, n, costs).
    """
    drawn = np.arange(deals.limit + 1)[:, None]
    plans = [plan(prospects, float(cost)).wave for cost in costs]
    return np.stack(
        [deals.ended(wave[drawn, deals.top, deals.second] == 0, by_state(wave)) for wave in plans], axis=2
    )


@dataclass(frozen=True, eq=False)
class StateCounts:
    """How often the orders of each question come through each state, and what happens there.

    One row a question and state; `weight` is the share of the question's orders.

    Attributes:
        limit: The most draws.
        question, state, weight: Shape (rows,); a state is its index in the flattened table.
        right, top, second: Share of the orders whose leader is right, or whose next sample joins the leader
            or lifts the runner-up, shape (rows,).
    """

    limit: int
    question: Ints
    state: Ints
    weight: Floats
    right: Floats
    top: Floats
    second: Floats

    @classmethod
    def of(cls, deals: Deals) -> Self:
        """Count."""
        size = deals.limit + 1
        orders = np.bincount(deals.question)
        state = (np.arange(size)[:, None] * size + deals.top) * size + deals.second
        key = (deals.question * size**3 + state).ravel()
        joins, lifts = np.zeros((2, *deals.top.shape))
        joins[:-1] = np.diff(deals.top, axis=0) > 0
        lifts[:-1] = (np.diff(deals.second, axis=0) > 0) & (joins[:-1] == 0)
        seen, row = np.unique(key, return_inverse=True)
        question = seen // size**3
        columns = (np.ones(len(key)), deals.right.ravel(), joins.ravel(), lifts.ravel())
        weight, right, top, second = (
            np.bincount(row, weights=values) / orders[question] for values in columns
        )
        return cls(deals.limit, question, seen % size**3, weight, right, top, second)

    def select(self, questions: Ints) -> Self:
        """Those of some questions."""
        kept = np.isin(self.question, questions)
        names = ("question", "state", "weight", "right", "top", "second")
        return type(self)(self.limit, **{name: getattr(self, name)[kept] for name in names})

    def prospects(self) -> Prospects:
        """What these questions say of every state."""
        drawn, top, _ = np.indices((self.limit + 1,) * 3)
        going_on = drawn < self.limit
        right, joins, lifts = (
            self._share_of(column, where)
            for column, where in ((self.right, True), (self.top, going_on), (self.second, going_on))
        )
        right[top == 0] = 0.0
        joins[0, 0, 0] = self._summed(self.top)[0, 0, 0] / self._summed(self.weight)[0, 0, 0]
        lifts[0, 0, 0] = 0.0
        whole = np.maximum(1.0, joins + lifts)
        return Prospects(right, joins / whole, lifts / whole)

    def expected(self, of_question: Floats) -> Floats:
        """What is to be expected in every state of something in [0, 1] that each question has, shape (n,)."""
        table = self._share_of(self.weight * of_question[self.question], np.True_)
        table[0, 0, 0] = of_question.mean()
        return table

    def _share_of(self, happened: Floats, where: NDArray[np.bool_] | np.bool_ | bool) -> Floats:
        """How often something happens in each state: as counted, leaning on the model of all states."""
        size = self.limit + 1
        drawn, top, second = np.indices((size,) * 3)
        can_be = (second <= top) & (top + second <= drawn) & (drawn > 0)
        weight, squared = self._summed(self.weight)[can_be], self._summed(self.weight**2)[can_be]
        evidence = np.where(squared > 0, weight**2 / np.maximum(squared, 1e-12), 0.0)
        counted = np.where(np.broadcast_to(where, can_be.shape)[can_be], weight, 0.0)
        times = self._summed(happened)[can_be]
        share = times / np.maximum(counted, 1e-12)
        modelled = _logistic(_features(drawn[can_be], top[can_be], second[can_be]), times, counted)
        table = np.zeros(can_be.shape)
        table[can_be] = np.where(
            counted > 0, (evidence * share + _PRIOR * modelled) / (evidence + _PRIOR), modelled
        )
        return table

    def _summed(self, values: Floats) -> Floats:
        size = self.limit + 1
        summed = np.bincount(self.state, weights=values, minlength=size**3)
        return summed.astype(np.float64).reshape((size,) * 3)


def _features(drawn: Ints, top: Ints, second: Ints) -> Floats:
    """What the model of all states sees of one, shape (states, 11), centred and scaled."""
    right = beta_prospects(int(drawn.max())).right
    confidence = np.clip(right[drawn, top, second], 0.5, 1 - 1e-12)
    log_odds, others = np.log(confidence / (1 - confidence)), drawn - top - second
    columns = np.stack(
        [
            log_odds,
            log_odds / drawn,
            np.log(drawn),
            1 / drawn,
            top / drawn,
            second / drawn,
            others / drawn,
            np.sqrt(top),
            np.sqrt(second),
            np.sqrt(others),
            top == 0,
        ],
        axis=1,
    )
    spread = columns.std(axis=0)
    scaled: Floats = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def _logistic(features: Floats, happened: Floats, counted: Floats) -> Floats:
    """Probabilities by a ridge-penalised logistic regression on shares."""
    from sklearn.linear_model import LogisticRegression

    seen = counted > 0
    yes, no = happened[seen], np.maximum(counted[seen] - happened[seen], 0.0)
    if min(yes.sum(), no.sum()) <= 0:
        return np.full(len(features), float(yes.sum() > 0))
    rows, labels = np.tile(features[seen], (2, 1)), np.repeat([1, 0], seen.sum())
    model = LogisticRegression(C=1.0, max_iter=1000).fit(rows, labels, np.concatenate([yes, no]))
    chances: Floats = model.predict_proba(features)[:, 1]
    return chances


def _gain(learned: Floats, plain: Floats, limit: int) -> float:
    """Accuracy of the first over the second at equal mean draws, averaged over a band of them."""
    at = np.linspace(_BAND[0], max(_BAND[0], _BAND[1] * limit), 20)
    one, other = (_curve(rule)(at) for rule in (learned, plain))
    return float((one - other).mean())


def _curve(rule: Floats) -> Callable[[Floats], Floats]:
    """Mean accuracy against mean draws, straight between neighbouring prices."""
    accuracy, _, _, draws = rule.mean(axis=1)[:, ::-1]
    rising = np.maximum.accumulate(draws)
    return lambda at: np.interp(at, rising, accuracy)
