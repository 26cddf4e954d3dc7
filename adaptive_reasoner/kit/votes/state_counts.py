"""Counts how often votes pass through each state, and what happens there, over questions and orders.

Many states are seen by few questions. There the estimate leans on a logistic model of all states with an
answer (whose first feature is the Beta posterior's own confidence), as if that were `_PRIOR` questions of
evidence; the number of questions, not of orders, is the evidence on the other side.

How likely an answer is after k samples that gave none is counted by itself. That leans on 1 / (k + 1), which
`optimal_stopping.beta_vote_model` says of it, as on one question: such questions are few and much alike.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.votes.permutations import ReplayedVotes
from adaptive_reasoner.strategies.optimal_stopping import VoteModel, beta_vote_model

_PRIOR = 10.0  # questions that the model of all states counts for
_NEWTON = 12  # steps; a dozen is plenty for one weight


@dataclass(frozen=True, eq=False)
class StateCounts:
    """How often the orders of each question pass through each state, and what happens there.

    One row per question and state; `weight` is the share of the question's orders.

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
    def of(cls, votes: ReplayedVotes) -> Self:
        """Count the states of votes, and what happens in each."""
        size = votes.limit + 1
        orders = np.bincount(votes.question)
        state = (np.arange(size)[:, None] * size + votes.top) * size + votes.second
        key = (votes.question * size**3 + state).ravel()
        joins, lifts = np.zeros((2, *votes.top.shape))
        joins[:-1] = np.diff(votes.top, axis=0) > 0
        lifts[:-1] = (np.diff(votes.second, axis=0) > 0) & (joins[:-1] == 0)
        seen, row = np.unique(key, return_inverse=True)
        question = seen // size**3
        columns = (np.ones(len(key)), votes.right.ravel(), joins.ravel(), lifts.ravel())
        weight, right, top, second = (
            np.bincount(row, weights=values) / orders[question] for values in columns
        )
        return cls(votes.limit, question, seen % size**3, weight, right, top, second)

    def select(self, questions: Ints) -> Self:
        """Those of some questions."""
        kept = np.isin(self.question, questions)
        names = ("question", "state", "weight", "right", "top", "second")
        return type(self)(self.limit, **{name: getattr(self, name)[kept] for name in names})

    def vote_model(self) -> VoteModel:
        """The chances in every state, as these questions show them."""
        drawn, _, _ = np.indices((self.limit + 1,) * 3)
        going_on = drawn < self.limit
        right, joins, lifts = (
            self._share_of(column, where)
            for column, where in ((self.right, True), (self.top, going_on), (self.second, going_on))
        )
        joins[:, 0, 0] = self._first_answers()
        whole = np.maximum(1.0, joins + lifts)
        return VoteModel(right, joins / whole, lifts / whole)

    def tilted(self, model: VoteModel, beyond: Floats) -> VoteModel:
        """The same chances, shifted by what is expected of each question.

        Args:
            model: What is known of every state without that.
            beyond: By question, as these counts number them, shape (n,).
        """
        more, going_on = beyond[self.question], self.state < self.limit * (self.limit + 1) ** 2
        tables = (
            (model.right, self.right, True),
            (model.top, self.top, going_on),
            (model.second, self.second, going_on),
        )
        right, top, second = (
            self._slope(known.ravel()[self.state], happened, more, self.weight * counted)
            for known, happened, counted in tables
        )
        return replace(model, tilt=(right, top, second))

    def _slope(self, known: Floats, happened: Floats, more: Floats, weight: Floats) -> float:
        """By how much log-odds rise with `more`: a logistic regression with an offset, by Newton's steps.

        Each question counts once, however many states it comes through; and the penalty is that of a slope
        of 1 where `more` has a deviation of 1.
        """
        odds = known / np.maximum(1.0 - known, 1e-300)
        slope, penalty = 0.0, self.limit * float(more.var())
        for _ in range(_NEWTON):
            shifted = odds * np.exp(slope * more)
            chance = shifted / (1.0 + shifted)
            steepness = float((weight * chance * (1.0 - chance) * more**2).sum()) + penalty
            if steepness <= 0:
                return 0.0
            surplus = np.where(weight > 0, happened - weight * chance, 0.0)
            slope += (float((surplus * more).sum()) - penalty * slope) / steepness
        return slope

    def _first_answers(self) -> Floats:
        """Probability that the next sample answers after 0, 1, ... that did not, shape (limit + 1,)."""
        weight, squared, answered = (
            self._summed(values)[:, 0, 0] for values in (self.weight, self.weight**2, self.top)
        )
        evidence = weight**2 / np.maximum(squared, 1e-12)
        share = answered / np.maximum(weight, 1e-12)
        blind = 1.0 / (np.arange(self.limit + 1) + 1)
        chances: Floats = (evidence * share + blind) / (evidence + 1.0)
        return chances

    def _share_of(self, happened: Floats, where: Bools | np.bool_ | bool) -> Floats:
        """How often something happens in each state with an answer: as counted, leaning on their model."""
        size = self.limit + 1
        drawn, top, second = np.indices((size,) * 3)
        can_be = (second <= top) & (top + second <= drawn) & (top > 0)
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
    """What the model of all states sees of one, shape (states, 10), centred and scaled."""
    right = beta_vote_model(int(drawn.max())).right
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
        ],
        axis=1,
    )
    spread = columns.std(axis=0)
    scaled: Floats = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def _logistic(features: Floats, happened: Floats, counted: Floats) -> Floats:
    """Probabilities by a ridge-penalised logistic regression on shares."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    seen = counted > 0
    yes, no = happened[seen], np.maximum(counted[seen] - happened[seen], 0.0)
    if min(yes.sum(), no.sum()) <= 0:
        return np.full(len(features), float(yes.sum() > 0))
    rows, labels = np.tile(features[seen], (2, 1)), np.repeat([1, 0], seen.sum())
    with threadpool_limits(1, user_api="blas"):  # so few columns: threads would only wait for each other
        model = LogisticRegression(C=1.0, max_iter=1000).fit(rows, labels, np.concatenate([yes, no]))
    chances: Floats = model.predict_proba(features)[:, 1]
    return chances
