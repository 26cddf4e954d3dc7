"""Learns which looks pay: votes that may be left, bought question by question on top of a policy.

The policy that decides by the question alone stays as it is. A look takes its place on a question where it is
worth more at the price, by what samples told on other questions (`kit.votes.look_samples`). At prices where
looks did not clearly gain on questions that neither was learned from, they are not bought; so where no look
pays nothing changes. Of few questions none are learned: what a look loses, it loses on rare questions, and
those may all be missing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from adaptive_reasoner.action_names import look_action
from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.allocation.concave_hull import best_at
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.learning.cost_response import Moves, curve_through
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.learning.trusted import Trusted
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.votes.look_samples import LookSamples, Truth
from adaptive_reasoner.kit.votes.permutations import draws_allowed, sample_groups
from adaptive_reasoner.policy.looks import Look
from adaptive_reasoner.policy.mixture import CostCurve
from adaptive_reasoner.policy.trust import Trust
from adaptive_reasoner.policy.vote_tables import source_of

_SOURCES = 3  # the cheapest, which are looked with
_LONGEST = 9  # samples of a look
_FEWEST = 100  # questions; of n, losses on up to one in n/3 can be missing, and looks gain hardly more
_CLEAR = 1.0  # standard errors by which looks must gain at a price
_NEAR = 0.3  # in log price: deviation of the kernel over which a gain is averaged
_KNOTS = 24  # prices looked at: evenly, and as many where choices change
_BEYOND = 4.0  # factor by which they go beyond the choices of the question alone
_REFINED = 5  # times that prices are added half-way, where the mean cost changes
_FINE = 0.02  # of the range of mean costs, and in log price: what may lie between two prices
_BLOCK = 1000  # questions planned at a time


class Played(NamedTuple):
    """What choices are expected to be worth, and what they score and cost, at p prices, shape (n, p) each."""

    worth: Floats
    accuracy: Floats
    cost: Floats

    def replaced(self, other: "Played", where: Bools) -> "Played":
        """With those of another at some places."""
        return Played(*(np.where(where, new, old) for new, old in zip(other, self, strict=True)))


@dataclass(frozen=True, eq=False)
class FittedLooks:
    """The looks that pay on top of a policy.

    Attributes:
        looks: Those that pay at some price; none where there is no such.
        curve: Realised mean cost against price, with the looks, on questions they were not learned from.
        gains: By look, the accuracy less price that it gained at each of `prices` where it was preferred, and
            the standard error, out of fold, shape (2, p).
        prices: At which looks were tried, shape (p,).
    """

    looks: tuple[Look, ...]
    curve: CostCurve
    prices: Floats
    gains: Mapping[str, Floats] = field(default_factory=dict)

    def as_card(self, budget: float, unit: str) -> dict[str, Any]:
        """The entry in a policy's card, as plain JSON values.

        Raises:
            InfeasibleBudgetError: The cheapest choices cost more than `budget`.
        """
        return {
            "looks": [look.as_card() for look in self.looks],
            "frontier": {name: values.tolist() for name, values in vars(self.curve).items()},
            "price": self.curve.price_at(budget, unit=unit),
        }

    def report(self) -> dict[str, Any]:
        """What each look gained at which price, as plain JSON values."""
        gains = {
            name: {"gain": gain.tolist(), "error": error.tolist()}
            for name, (gain, error) in self.gains.items()
        }
        return {"prices": self.prices.tolist(), "looks": gains}


@dataclass(frozen=True, eq=False)
class Chooser:
    """Replays of a policy with and without looks.

    Attributes:
        truth: What each action scores and costs on each question.
        candidates: The looks, as recorded samples show them.
    """

    truth: Truth
    candidates: Sequence[LookSamples]

    @classmethod
    def of(
        cls,
        samples: Samples,
        outcomes: Outcomes,
        *,
        among: Ints | None = None,
        menu: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> "Chooser":
        """Looks with the cheapest sources that every question was sampled from.

        Args:
            samples: Single replies, graded.
            outcomes: The actions and the questions.
            among: Positions of the actions that the policy chooses among; all where None.
            menu: What is known of the actions, for names that do not tell their source.
            seed: Of the orders of samples.
        """
        truth = Truth(outcomes.accuracy, outcomes.cost)
        offered = np.arange(len(outcomes.actions)) if among is None else among
        return cls(truth, list(_candidates(samples, outcomes, offered, menu or {}, seed)))

    def question_only(self, rows: Ints, expected: Trusted, prices: Floats) -> Played:
        """What the policy does without looks.

        Args:
            rows: Positions of m questions.
            expected: Of them.
            prices: Rising, shape (p,).
        """
        best = self.best_actions(rows, expected, prices)
        costs = [expected.curve.cost_at(float(price)) for price in prices]
        shares = np.stack([expected.mixture.shares(cost) for cost in costs], axis=1)
        mixed = (best.worth, self.truth.accuracy[rows] @ shares, self.truth.cost[rows] @ shares)
        return best.replaced(Played(*mixed), expected.steps(prices) == 0)

    def best_actions(self, rows: Ints, expected: Trusted, prices: Floats) -> Played:
        """What the actions do that are worth most at the price, of those that the policy chooses among."""
        steps, played = expected.steps(prices), np.empty((3, len(rows), len(prices)))
        paid = expected.paid(prices, steps)
        for step in np.unique(steps).tolist():
            accuracy, cost = expected.at_step(step)
            actions = expected.mixture.vertices if step == 0 else np.arange(cost.shape[1])
            accuracy, cost = accuracy[:, actions], cost[:, actions]
            for at in range(len(prices)):
                each = np.flatnonzero(steps[:, at] == step)
                best = best_at(accuracy[each], cost[each] * paid[each, at, None], 1.0)
                played[0, each, at] = accuracy[each, best] - paid[each, at] * cost[each, best]
                played[1:, each, at] = [part[rows[each], actions[best]] for part in self.truth]
        return Played(*played)

    def looked(
        self, look: Look, samples: LookSamples, rows: Ints, expected: Trusted, prices: Floats
    ) -> Played:
        """What it does where every question is looked at, as learned in `look`."""
        steps, played = expected.steps(prices), np.empty((3, len(rows), len(prices)))
        paid = expected.paid(prices, steps)
        for first in range(0, len(rows), _BLOCK):
            own = slice(first, first + _BLOCK)
            block = expected.only(own)
            outlooks = {step: look.outlook(*block.at_step(step)) for step in np.unique(steps[own]).tolist()}
            for at in range(len(prices)):
                worth, course = np.empty(len(block)), np.empty((len(block), len(look.right)), dtype=np.intp)
                for step, outlook in outlooks.items():
                    drawn = np.flatnonzero(steps[own, at] == step)
                    if len(drawn):
                        planned = outlook.of(drawn).planned(paid[own, at][drawn])
                        worth[drawn], course[drawn] = planned.worth, planned.course
                played[0, own, at] = worth
                played[1:, own, at] = samples.play(rows[own], course, self.truth)
        return Played(*played)

    def fit(self, rows: Ints, expected: Trusted, fold: Ints) -> FittedLooks:
        """Learn the looks, and at which prices each of them pays.

        Args:
            rows: Positions of the n questions to learn from.
            expected: Of them, by models that had not seen them.
            fold: Of each, shape (n,).
        """
        if len(rows) < _FEWEST:
            return FittedLooks((), expected.curve, np.empty(0))
        with threadpool_limits(1):
            return self._fitted(rows, expected, fold)

    def _fitted(self, rows: Ints, expected: Trusted, fold: Ints) -> FittedLooks:
        prices = self._prices(expected)
        base = self.best_actions(rows, expected, prices)
        looks, gains = [], {}
        for candidate in self.candidates:
            looked = self._out_of_fold(candidate, rows, expected, fold, prices)
            gains[candidate.name], pays = _gain(base, looked, expected.asked(prices))
            if pays.any():
                look = candidate.fit(rows, self.truth, expected.mean_accuracy(prices))
                looks.append(replace(look, between=_ranges(prices, pays)))

        def spent(prices: Floats) -> Floats:
            """By the looks as they are shipped, since those of a fold may be preferred at another price."""
            return self.play(looks, rows, expected, prices)[0].cost

        return FittedLooks(tuple(looks), _curve(prices, spent), prices, gains)

    def _out_of_fold(
        self, candidate: LookSamples, rows: Ints, expected: Trusted, fold: Ints, prices: Floats
    ) -> Played:
        """What looks do that were learned from the questions of the other folds."""
        unseen, known = np.empty((3, len(rows), len(prices))), expected.mean_accuracy(prices)
        for number in np.unique(fold):
            held = fold == number
            others = ~held if not held.all() else held
            look = candidate.fit(rows[others], self.truth, known[others])
            unseen[:, held] = self.looked(look, candidate, rows[held], expected.only(held), prices)
        return Played(*unseen)

    def play(
        self, looks: Sequence[Look], rows: Ints, expected: Trusted, prices: Floats
    ) -> tuple[Played, Bools]:
        """What the policy with its looks does on m questions, and where it looks, at prices (p,)."""
        played = self.question_only(rows, expected, prices)
        looked_at = np.zeros(played.worth.shape, dtype=bool)
        samples = {candidate.name: candidate for candidate in self.candidates}
        for look in looks:
            looked = self.looked(look, samples[look.name], rows, expected, prices)
            preferred = _preferred(look, looked, played, expected.asked(prices))
            played, looked_at = played.replaced(looked, preferred), looked_at | preferred
        return played, looked_at

    def _prices(self, expected: Trusted) -> Floats:
        """Rising prices, from where little more is bought to where only the cheapest is."""
        trusted = expected.trust.share.any()
        slopes = Moves.of(expected.predicted).log_slope if trusted else np.log(expected.mixture.curve.price)
        if not len(slopes):
            return np.ones(1)
        low, high = slopes.min() - np.log(_BEYOND), slopes.max() + np.log(_BEYOND)
        evenly, where = np.linspace(low, high, _KNOTS), np.quantile(slopes, np.linspace(0.0, 1.0, _KNOTS))
        return np.asarray(np.exp(np.unique(np.concatenate([evenly, where]).round(2))))


def fit_looks(
    samples: Samples,
    outcomes: Outcomes,
    imitator: Imitator,
    *,
    learned: bool = True,
    menu: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> FittedLooks:
    """The looks that pay on top of an imitator.

    Args:
        samples: Single replies, graded.
        outcomes: What the imitator was fitted on.
        imitator: Decides by the question alone.
        learned: Whether it does; else the best mixture of fixed actions decides.
        menu: What is known of the actions.
        seed: Of the orders of samples.
    """
    expected = expectations(imitator, imitator.held_out_, learned=learned)
    among = None if learned else imitator.mixture_.vertices
    chooser = Chooser.of(samples, outcomes, among=among, menu=menu, seed=seed)
    return chooser.fit(np.arange(len(outcomes)), expected, imitator.cross_fit_.fold)


def expectations(imitator: Imitator, predicted: Predictions, *, learned: bool) -> Trusted:
    """What a policy expects of questions: predictions as far as they are trusted, or the mean for each.

    Args:
        imitator: The imitator behind the policy.
        predicted: What it predicts of the questions.
        learned: Whether it decides; else the best mixture of fixed actions does.
    """
    mixture = imitator.mixture_
    if not learned:
        return Trusted.of(predicted, mixture, Trust.none(), mixture.curve)
    return Trusted.of(predicted, mixture, imitator.trust_, imitator.curve_)


def _candidates(
    samples: Samples, outcomes: Outcomes, offered: Ints, menu: Mapping[str, Any], seed: int
) -> Iterator[LookSamples]:
    """Looks with the cheapest sources, where answers can be right or wrong and every question was sampled."""
    names = outcomes.question_ids.tolist()
    if outcomes.accuracy_unit is not None or set(names) - set(samples.question_ids):
        return
    sources = dict.fromkeys(samples.sources)
    of_action = [source_of(action, menu, sources) for action in outcomes.actions]
    mean = outcomes.cost.mean(axis=0)
    sampled = [
        source
        for source in samples.sources
        if source in outcomes.actions and all(samples.votes(name, source) for name in names)
    ]
    sampled.sort(key=lambda source: float(mean[outcomes.actions.index(source)]))
    for source in sampled[:_SOURCES]:
        others = [int(at) for at in offered if of_action[at] not in (None, source)]
        groups = sample_groups(samples, source, names)
        limit = min(draws_allowed(groups), _LONGEST)
        if limit > 1 or others:
            yield LookSamples.of(
                groups,
                limit,
                name=look_action(source, limit),
                sample=outcomes.actions.index(source),
                others=np.array(others, dtype=np.intp),
                seed=seed,
            )


def _preferred(look: Look, looked: Played, played: Played, asked: Floats) -> Bools:
    """Where a look is bought: where it pays at the price, and is worth more than what is played so far."""
    pays = np.any([(low <= asked) & (asked <= high) for low, high in look.between], axis=0)
    return np.asarray(pays & (looked.worth > played.worth))


def _curve(prices: Floats, spent: Callable[[Floats], Floats]) -> CostCurve:
    """Mean cost against price, at more prices where it changes fast.

    Args:
        prices: Where to begin.
        spent: What each question costs at prices, shape (n, p).
    """
    costs = spent(prices)
    for _ in range(_REFINED):
        mean = costs.mean(axis=0)
        falls = np.abs(np.diff(mean)) > _FINE * np.ptp(mean)
        wide = np.diff(np.log(prices)) > _FINE
        between = np.sqrt(prices[:-1] * prices[1:])[falls & wide]
        if not len(between):
            break
        prices = np.append(prices, between)
        costs = np.hstack([costs, spent(between)])
        order = np.argsort(prices)
        prices, costs = prices[order], costs[:, order]
    return curve_through(prices, costs)


def _gain(base: Played, looked: Played, prices: Floats) -> tuple[Floats, Bools]:
    """What looks gain where they are preferred, with its standard error, and at which prices clearly."""
    worth = (looked.accuracy - prices * looked.cost) - (base.accuracy - prices * base.cost)
    gained = np.where(looked.worth > base.worth, worth, 0.0)
    log = np.log(prices.mean(axis=0))
    kernel = np.exp(-0.5 * ((log[:, None] - log) / _NEAR) ** 2)
    near = gained @ (kernel / kernel.sum(axis=0))
    mean, error = near.mean(axis=0), near.std(axis=0) / np.sqrt(len(near))
    pays: Bools = mean > np.maximum(_CLEAR * error, 1e-9)
    return np.stack([mean, error]), pays


def _ranges(prices: Floats, pays: Bools) -> list[tuple[float, float]]:
    """Stretches of prices, each half-way to its neighbours that do not pay."""
    edges = np.sqrt(prices[:-1] * prices[1:])
    low, high = np.append(prices[0] / 2, edges), np.append(edges, prices[-1] * 2)
    starts = np.flatnonzero(pays & ~np.append(False, pays[:-1]))
    ends = np.flatnonzero(pays & ~np.append(pays[1:], False))
    return [(float(low[start]), float(high[end])) for start, end in zip(starts, ends, strict=True)]
