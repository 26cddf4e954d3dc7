"""How far predictions are trusted at each mean cost, by what they gain on questions they have not seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.allocation.solver import Predictions, Priced
from adaptive_reasoner.kit.learning.cost_response import Moves, Response, fit_cost_curve, lift_by_question
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.splits import text_index
from adaptive_reasoner.policy.mixture import CostCurve, Mixture
from adaptive_reasoner.policy.trust import Trust, toward_mean, weights_of

LEVELS = (0.25, 0.5)
"""The levels of trust between none and full."""

ROUNDING = 1e-9
"""A lift, as a share of how far accuracies lie apart, that is only the rounding of long sums."""

LIKELY = 0.67
"""Standard errors by which a lift is above zero with three chances in four."""

FEWEST = 20
"""Different questions; fewer say nothing about how much they vary."""

_KNOTS = 12  # mean costs at which trust is chosen
_NEAR = 0.8  # deviation, in log cost, of the weights by which lifts at neighbouring costs are averaged
_LOWEST = 1e-3  # of the highest mean cost: the costs below are one
_PROVED = 2.24  # standard errors; that one of two signs is so clear by chance has a probability of 2.5%
_SLIGHT = 0.1  # of a lift, by which less trust must lead, too
_AHEAD = 1.28  # by so many less trust must lead more: nine chances in ten


@dataclass(frozen=True, eq=False)
class HeldOutTrust:
    """The trust chosen along the mean costs of a policy, and without each fold of the questions.

    First the predictions have to prove that they tell actions apart at all, on all questions. Then, at each
    mean cost, they are followed as far as their lift there is likely above zero, pooled over neighbouring
    costs; which level that is, is chosen without each fold. The lift is over
    the same policy at a trust of zero, which is the best mixture by the same means: a policy that predicts
    the same for every question has none. Below the cost of the cheapest fixed action, which choices can reach
    where it is not the cheapest of all questions, there is no mixture to compare with.

    Where most right answers are missing, the estimates say first what is gained. Labels move that by what
    they show beyond chance: see `_Evidence`.

    Attributes:
        responses: Choosing by predictions at each of `LEVELS`, then as they are.
        rivals: The fixed actions of the same questions.
        columns: Positions of the actions that the policy chooses among, shape (c,).
        fold: The fold of each question, shape (n,).
        cost: Mean costs at which trust is chosen, rising, shape (m,).
        without: Trust there, chosen without each fold, shape (folds, m).
    """

    responses: tuple[Response, ...]
    rivals: Outcomes
    columns: Ints
    fold: Ints
    cost: Floats
    without: Floats

    @classmethod
    def fit(
        cls,
        predictions: Predictions,
        truth: Outcomes,
        rivals: Outcomes,
        fold: Ints,
        *,
        estimates: Outcomes | None = None,
        columns: Ints | None = None,
    ) -> Self:
        """Choose the trust in predictions.

        Args:
            predictions: Of n questions, by learners that had not seen them.
            truth: What came of the same questions.
            rivals: The same with what fixed actions cost, where deciding is paid for.
            fold: Of each question, equal texts in the same one, shape (n,).
            estimates: What is estimated of them, where few have right answers and `truth` is rectified.
            columns: Positions of the actions that the policy chooses among; of all where None. All have a
                part in the proof.
        """
        columns = np.arange(len(truth.actions)) if columns is None else columns
        offered = predictions.only(columns)
        known = (truth if estimates is None else estimates).only(columns)
        responses = tuple(Response.of(shrunk(offered, known, level), known) for level in (*LEVELS, 1.0))
        curve = responses[-1].curve
        high, cheapest = float(curve.cost[0]), float(rivals.cost.mean(axis=0).min())
        low = min(max(curve.cheapest, cheapest, _LOWEST * high), high)
        cost = np.geomspace(low, high, _KNOTS) if low < high * (1 - ROUNDING) else np.array([high])
        text = text_index(truth.questions)
        tables = [(truth, rivals)] if estimates is None else [(estimates, estimates), (truth, rivals)]
        gains = [
            np.stack([_lifts(replace(each, outcomes=part), cost, fixed) for each in responses], axis=2)
            for part, fixed in ((table.only(columns), fixed) for table, fixed in tables)
        ]
        signs = [
            np.column_stack([_agreement(predictions, table) / truth.scale, lifts[:, :, -1].mean(axis=1)])
            for (table, _), lifts in zip(tables, gains, strict=True)
        ]
        evidence = _Evidence(
            cost, _added(gains, text) / truth.scale, _added(signs, text) / truth.scale, np.bincount(text)
        )
        of_text = np.zeros(len(evidence.size), dtype=fold.dtype)
        of_text[text] = fold
        folds = np.unique(fold)
        without = np.zeros((len(folds), len(cost)))
        if evidence.proves(np.ones(len(of_text), dtype=bool)):
            without[:] = [evidence.share(of_text != number) for number in folds]
        shown = tuple(replace(response, outcomes=truth.only(columns)) for response in responses)
        return cls(shown, rivals, columns, fold, cost, without)

    def by(self, table: Outcomes) -> Self:
        """The same trust, for what comes of it by another table of the questions."""
        part = table.only(self.columns)
        responses = tuple(replace(response, outcomes=part) for response in self.responses)
        return replace(self, responses=responses, rivals=table)

    @property
    def share(self) -> Floats:
        """The trust at each cost: the mean of those chosen without a fold."""
        return np.asarray(self.without.mean(axis=0))

    def along(self, predictions: Predictions, truth: Priced) -> Trust:
        """The trust for predictions by all questions; `truth` is what came of those that are predicted."""
        if not self.share.any():
            return Trust.none()
        moves = (Moves.of(shrunk(predictions, truth, level)) for level in LEVELS)
        curves = tuple(fit_cost_curve(each, truth.cost) for each in moves)
        return Trust(self.cost, self.share, LEVELS, curves)

    def over(self, budget: float | None) -> Floats:
        """The trust over the band of mean costs around a budget, or along the whole curve, shape (p,)."""
        return np.interp(self._band(budget), self.cost, self.share)

    def _band(self, budget: float | None) -> Floats:
        return np.asarray(np.maximum(self.responses[-1].band(budget), self.cost[0]))

    def around(self, budget: float | None) -> tuple[Floats, Floats]:
        """What comes of the policy over a band of mean costs, by the trust chosen without a question's fold.

        Args:
            budget: Mean cost at the middle of the band; along the whole curve when None.

        Returns:
            Accuracy and cost of each question, each of shape (n, p). Where there is no trust throughout, what
            would come of full trust.
        """
        budgets = self._band(budget)
        if not self.over(budget).any():
            return self.responses[-1].at(budgets)
        levels = [response.at(budgets) for response in self.responses]
        mixture = Mixture(self.rivals.accuracy.mean(axis=0), self.rivals.cost.mean(axis=0))
        shares = np.stack([mixture.shares(float(each)) for each in budgets], axis=1)
        levels = [(self.rivals.accuracy @ shares, self.rivals.cost @ shares), *levels]
        played = np.zeros((2, len(self.fold), len(budgets)))
        for number, share in zip(np.unique(self.fold), self.without, strict=True):
            rows = self.fold == number
            trust = np.interp(budgets, self.cost, share)
            weights = np.stack([weights_of(float(each), (0.0, *LEVELS, 1.0)) for each in trust])
            for level, weight in zip(levels, weights.T, strict=True):
                played[:, rows] += weight * np.stack(level)[:, rows]
        return played[0], played[1]


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What each different text adds to the sums that trust is chosen by.

    Each sum is one by the estimates, then what right answers add to it; by right answers alone where there
    are no estimates. What few labels add varies far more than what they correct, so it counts only as far as
    it exceeds chance (positive-part James-Stein): otherwise a few labels would refuse a policy that none, or
    many, would let pass.

    Attributes:
        cost: Mean costs, shape (m,).
        lifts: Sums of lifts at each cost and level, shape (1 or 2, texts, m, levels), as the signs are: in
            units of how far accuracies lie apart.
        signs: Sums of what shows whether predictions tell actions apart, shape (1 or 2, texts, 2).
        size: Questions of each text, shape (texts,).
    """

    cost: Floats
    lifts: Floats
    signs: Floats
    size: Ints

    def proves(self, rows: Bools) -> bool:
        """Whether predictions agree with the truth, or lift accuracy along all costs, beyond chance."""
        if rows.sum() < FEWEST:
            return False
        mean, error = self._mean_and_error(self.signs, rows)
        return bool(np.any(mean > np.maximum(_PROVED * error, ROUNDING)))

    def share(self, rows: Bools) -> Floats:
        """The trust at each cost by some of the texts, once it is proved, shape (m,)."""
        apart = np.log(self.cost[:, None] / self.cost) / _NEAR
        near = np.exp(-(apart**2) / 2)
        pooled = np.einsum("jk,stkl->stjl", near / near.sum(axis=1, keepdims=True), self.lifts)
        mean, error = self._mean_and_error(pooled, rows)
        likely = mean > np.maximum(LIKELY * error, ROUNDING)
        share = np.zeros(len(self.cost))
        for at, level in enumerate((*LEVELS, 1.0)):
            ahead, doubt = self._mean_and_error(pooled[..., :at] - pooled[..., at : at + 1], rows)
            enough = np.maximum(_AHEAD * doubt, _SLIGHT * mean[:, at : at + 1])
            beaten = np.any(likely[:, :at] & (ahead > enough), axis=1)
            share[likely[:, at] & ~beaten] = level
        return share

    def _mean_and_error(self, sums: Floats, rows: Bools) -> tuple[Floats, Floats]:
        """Mean over the questions of some texts, and its standard error."""
        known, *added = sums[:, rows]
        for more in added:
            mean, error = self._moments(more, rows)
            chance = np.divide(error, mean, out=np.ones_like(mean), where=mean != 0) ** 2
            known = known + np.maximum(1 - chance, 0.0) * more
        return self._moments(known, rows)

    def _moments(self, sums: Floats, rows: Bools) -> tuple[Floats, Floats]:
        size = self.size[rows].reshape(-1, *(1,) * (sums.ndim - 1))
        mean = sums.sum(axis=0) / size.sum()
        return mean, np.sqrt(((sums - mean * size) ** 2).sum(axis=0)) / size.sum()


def shrunk(predictions: Predictions, truth: Priced, level: float) -> Predictions:
    """Predictions that keep a share of their distance from the actions' means."""
    accuracy, cost = (
        predicted if level == 1 else toward_mean(predicted, true.mean(axis=0), level)
        for predicted, true in ((predictions.accuracy, truth.accuracy), (predictions.cost, truth.cost))
    )
    return Predictions(predictions.actions, accuracy, cost, predictions.cost_unit)


def trusted_shares(
    predictions: Predictions, trust: Trust, mixture: Mixture, curve: CostCurve, price: float
) -> Floats:
    """Probability of each action at a price, over the jitter of the price and all other draws, shape (n, k).

    Args:
        predictions: Of n questions.
        trust: How far they are followed.
        mixture: The fixed actions, which decide elsewhere.
        curve: Mean cost against price.
        price: Accuracy given up per unit of cost.
    """
    spent, questions = curve.cost_at(price), len(predictions.accuracy)
    weights = trust.weights(spent)
    shares: Floats = np.tile(weights[0] * mixture.shares(spent), (questions, 1))
    for step in (np.flatnonzero(weights[1:]) + 1).tolist():
        accuracy = trust.shrunk(step, predictions.accuracy, mixture.accuracy)
        cost = trust.shrunk(step, predictions.cost, mixture.cost)
        moves = Moves.of(Predictions(predictions.actions, accuracy, cost, predictions.cost_unit))
        at = trust.price_at(step, price, curve)
        for action, each in enumerate(np.eye(len(predictions.actions))):
            shares[:, action] += weights[step] * moves.chosen(np.tile(each, (questions, 1)), at)
    return shares


def _lifts(response: Response, costs: Floats, rivals: Outcomes) -> Floats:
    """What each question adds to the lift at each mean cost, shape (n, m)."""
    accuracy, cost = response.at(costs)
    each = zip(accuracy.T[:, :, None], cost.T[:, :, None], strict=True)
    return np.stack([lift_by_question(gained, spent, rivals) for gained, spent in each], axis=1)


def _agreement(predictions: Predictions, truth: Outcomes) -> Floats:
    """Of each question the product of predicted and true contrasts between actions, shape (n,)."""
    apart = (
        table - mean - (table - mean).mean(axis=1, keepdims=True)
        for table, mean in ((each.accuracy, truth.accuracy.mean(axis=0)) for each in (predictions, truth))
    )
    predicted, true = apart
    return np.asarray((predicted * true).sum(axis=1))


def _added(values: Sequence[Floats], text: Ints) -> Floats:
    """Sums over the questions of each text, each less the one before, shape (len(values), texts, ...)."""
    sums = np.zeros((len(values), int(text.max()) + 1, *values[0].shape[1:]))
    for total, each in zip(sums, values, strict=True):
        np.add.at(total, text, each)
    return np.diff(sums, axis=0, prepend=0.0)
