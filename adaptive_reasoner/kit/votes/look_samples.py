"""Looks, fitted on recorded samples and replayed on them.

A look draws samples of one source and may hand the question over to any other action. Whatever it hands over
to is estimated from other samples than those drawn, so that given the question both are independent, and what
the draws tell of the action they tell through the question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.kit.estimating.estimation import SampleGroup
from adaptive_reasoner.kit.votes.permutations import ReplayedVotes
from adaptive_reasoner.kit.votes.state_counts import StateCounts
from adaptive_reasoner.policy.looks import Look, room
from adaptive_reasoner.strategies.look_plans import AGAIN, VoteStates

_ORDERS = 60  # of each question's samples, at least as many as it has samples
_STATES = 10.0  # questions that the model of all states counts for
_ACTIONS = 200.0  # questions that what is seen of all actions counts for, where one of them is concerned


class Truth(NamedTuple):
    """What each action scores and costs on each of n questions, shape (n, k)."""

    accuracy: Floats
    cost: Floats

    def at(self, rows: Ints) -> "Truth":
        """Those of some questions."""
        return Truth(self.accuracy[rows], self.cost[rows])


@dataclass(frozen=True, eq=False)
class LookSamples:
    """The samples of a source as looks see them.

    Attributes:
        name: Of the look, as an action.
        sample: Position of the action that makes one sample.
        others: Positions of the actions that may take over, shape (o,).
        votes: Its votes in many orders.
        state: Of each order after 0, 1, .. draws, shape (draws + 1, columns).
        counts: How often the votes of a question come through each state.
    """

    name: str
    sample: int
    others: Ints
    votes: ReplayedVotes
    state: Ints
    counts: StateCounts

    @property
    def states(self) -> VoteStates:
        """The states of the votes."""
        return VoteStates.of(self.votes.limit)

    @classmethod
    def of(
        cls, groups: Sequence[SampleGroup], limit: int, *, name: str, sample: int, others: Ints, seed: int = 0
    ) -> Self:
        """Looks of at most `limit` samples."""
        every = ReplayedVotes.of(groups, limit, seed=seed)
        orders = max(_ORDERS, *(group.size for group in groups))
        first = np.searchsorted(every.question, np.arange(every.questions))
        few = np.flatnonzero(np.arange(len(every.question)) - first[every.question] < orders)
        votes = every.columns(few)
        drawn = np.arange(limit + 1)[:, None]
        state = VoteStates.of(limit).at(drawn, votes.top, votes.second)
        return cls(name, sample, others, votes, state, StateCounts.of(votes))

    def fit(self, rows: Ints, truth: Truth, expected: Floats) -> Look:
        """Learn from the questions at `rows` what the samples tell.

        Args:
            rows: Positions of m questions.
            truth: Of all questions.
            expected: Accuracy that is expected of every action on the m questions, by a model that has not
                seen them, shape (m, k).
        """
        known = self.counts.select(rows)
        number = np.full(len(truth.cost), -1)
        number[rows] = np.arange(len(rows))
        known = replace(known, question=number[known.question])
        mean = float(expected[:, self.sample].mean())
        beyond = expected[:, self.sample] - mean
        model = known.vote_model()
        tilt = known.tilted(model, beyond).tilt if beyond.any() else None
        at = self.states.drawn, self.states.top, self.states.second
        return Look(
            name=self.name,
            sample=self.sample,
            others=self.others,
            limit=self.votes.limit,
            right=model.right[at],
            top=model.top[at],
            second=model.second[at],
            tilt=tilt or (0.0, 0.0, 0.0),
            mean=mean,
            shift=self._shift(known, truth.accuracy[rows][:, self.others], expected[:, self.others]),
        )

    def _shift(self, known: StateCounts, accuracy: Floats, expected: Floats) -> Floats:
        """By how much actions are better in each state than expected; see `Look.shift`.

        A state tells of all actions together, as a model of all states tells of a state: what is seen of one
        leans on the other. The more there are to choose among, the more the luck of one of them would count.
        """
        states, scale = self.states, room(expected)
        place = states.at(*np.unravel_index(known.state, (states.limit + 1,) * 3))
        weight = np.zeros((len(expected), len(states.drawn)))
        np.add.at(weight, (known.question, place), known.weight)
        more, told = weight.T @ (scale * (accuracy - expected)), weight.T @ scale**2
        one = float((scale**2).mean()) if scale.size else 0.0  # what a question tells
        of_all, told_of_all = more.sum(axis=1), told.sum(axis=1)
        modelled = _ridge(_features(states), of_all, told_of_all, penalty=_STATES * one)
        common = _leaning(of_all, told_of_all, modelled, _STATES * one * max(1, more.shape[1]))
        shift = _leaning(more, told, common[:, None], _ACTIONS * one)
        shift[0] = 0.0  # nothing is seen yet
        return shift

    def play(self, rows: Ints, course: Ints, truth: Truth) -> tuple[Floats, Floats]:
        """Mean accuracy and cost of the questions at `rows` on courses of their own, shape (m, z) each."""
        number = np.full(len(truth.cost), -1)
        number[rows] = np.arange(len(rows))
        mine = np.flatnonzero(number[self.votes.question] >= 0)
        own = number[self.votes.question[mine]]
        drawn = np.zeros(len(mine), dtype=np.intp)
        for draws in range(self.votes.limit):
            going = (drawn == draws) & (course[own, self.state[draws, mine]] == AGAIN)
            drawn[going] += 1
        chosen = course[own, self.state[drawn, mine]]
        accuracy, cost = self.votes.right[drawn, mine], self.votes.cost[drawn, mine]
        if len(self.others):
            to = self.others[np.maximum(chosen, 0)]
            question = self.votes.question[mine]
            accuracy = np.where(chosen >= 0, truth.accuracy[question, to], accuracy)
            cost = cost + np.where(chosen >= 0, truth.cost[question, to], 0.0)
        times = np.bincount(own, minlength=len(rows))
        return np.bincount(own, weights=accuracy) / times, np.bincount(own, weights=cost) / times


def _features(states: VoteStates) -> Floats:
    """What the model of all states sees of one, shape (z, f)."""
    drawn = np.maximum(states.drawn, 1)
    shares = states.top / drawn, states.second / drawn
    columns = (np.ones(len(drawn)), *shares, states.top == states.drawn, states.top == 0)
    return np.stack([*columns, np.log(drawn), np.log(drawn) * shares[0]], axis=1).astype(np.float64)


def _ridge(features: Floats, more: Floats, told: Floats, *, penalty: float) -> Floats:
    """The shift of each state by a regression on its features, weighted by what is told of it, shape (z,)."""
    gram = features.T @ (told[:, None] * features) + (penalty + 1e-12) * np.eye(features.shape[1])
    return np.asarray(features @ np.linalg.solve(gram, features.T @ more))


def _leaning(more: Floats, told: Floats, on: Floats, evidence: float) -> Floats:
    """Observed shifts, shrunk towards a known shift that counts as `evidence`."""
    return np.asarray((more + evidence * on) / np.maximum(told + evidence, 1e-12))
