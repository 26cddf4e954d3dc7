"""The realised accuracy and cost of choosing by predictions, at every price of compute."""

from dataclasses import dataclass

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.kit.allocation.concave_hull import best_at, edges_between
from adaptive_reasoner.kit.allocation.solver import Priced
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.accuracy_curve import AccuracyCurve
from adaptive_reasoner.policy.mixture import CostCurve, Mixture

SPREAD = 0.1
"""Half-width, in log price, by which each question's price is jittered when deciding.

Where many questions are predicted alike they would all change their action at one price, and no price would
meet a budget in between; spread over a tenth of the price they change one by one, at no measurable loss.
"""

_EVENLY = (5**0.5 - 1) / 2  # multiples of the golden ratio, less the whole part, fill [0, 1) evenly

BAND = 1.5
"""A policy is compared at mean costs from budget / BAND to budget * BAND, as its price will vary online."""

_BAND_PRICES = 9
_DIGITS = 6  # of log prices: closer ones are one
_GRID = 48  # prices at which a curve is first looked at; three times as many are used


@dataclass(frozen=True, eq=False)
class Moves:
    """Every change of action that falling prices bring about, one entry a question and change.

    Attributes:
        start: Action of each question at the highest price, shape (n,).
        row: The question, shape (m,).
        before: Its action above the slope, shape (m,).
        after: Its action below the slope, shape (m,).
        log_slope: Log of the price at which it changes, shape (m,).
    """

    start: Ints
    row: Ints
    before: Ints
    after: Ints
    log_slope: Floats

    @classmethod
    def of(cls, predictions: Priced) -> "Moves":
        """The moves that predictions lead to."""
        start = best_at(predictions.accuracy, predictions.cost, np.inf)
        edges = edges_between(predictions.accuracy, predictions.cost, start, 0.0)
        order = np.argsort(edges.row, kind="stable")
        row, after = edges.row[order], edges.action[order]
        first = np.diff(row, prepend=-1) != 0
        before = np.where(first, start[row], np.roll(after, 1))
        return cls(start, row, before, after, np.log(edges.slope[order]))

    def made(self, price: float) -> Floats:
        """Probability, over the jitter of the price, that each move has been made at `price`; shape (m,)."""
        if price <= 0:
            return np.ones(len(self.row))
        made: Floats = np.clip((self.log_slope - np.log(price)) / (2 * SPREAD) + 0.5, 0.0, 1.0)
        return made

    def chosen(self, table: Floats, price: float) -> Floats:
        """Expected entry of `table`, shape (n, k), for each question at `price`; shape (n,)."""
        return self.along(table, np.array([price]))[:, 0]

    def along(self, table: Floats, prices: Floats) -> Floats:
        """The same for several prices, shape (n, len(prices))."""
        first = table[np.arange(len(table)), self.start]
        step = table[self.row, self.after] - table[self.row, self.before]
        changes = (
            np.bincount(self.row, weights=step * self.made(float(price)), minlength=len(table))
            for price in prices
        )
        return np.stack([first + change for change in changes], axis=1)

    def means(self, table: Floats, prices: Floats) -> Floats:
        """The means of `along` over the questions, shape (len(prices),)."""
        first = table[np.arange(len(table)), self.start]
        step = table[self.row, self.after] - table[self.row, self.before]
        made = (self.log_slope - np.log(prices)[:, None]) / (2 * SPREAD) + 0.5
        means: Floats = first.mean() + np.clip(made, 0.0, 1.0, out=made) @ step / len(table)
        return means

    def taken(self, actions: int) -> Bools:
        """Which of so many actions each question takes at some price, shape (n, actions)."""
        taken = np.zeros((len(self.start), actions), dtype=bool)
        taken[np.arange(len(self.start)), self.start] = True
        taken[self.row, self.after] = True
        return taken

    def prices(self) -> Floats:
        """Rising prices between which little happens: quantiles of the slopes, and their jitter."""
        if not len(self.row):
            return np.ones(1)
        knots = np.quantile(self.log_slope, np.linspace(0, 1, _GRID))
        around = np.concatenate([knots - SPREAD, knots, knots + SPREAD])
        around = np.unique(around.round(_DIGITS))
        edge = 0.1**_DIGITS
        around[[0, -1]] += (-edge, edge)  # beyond all moves, whichever way they were rounded
        return np.asarray(np.exp(around))


def fit_cost_curve(moves: Moves, cost: Floats) -> CostCurve:
    """Realised mean cost against the price, from predictions for questions the predictor has not seen.

    Fitted on realised cost, never on predicted or oracle cost, which miss a budget widely. With more than two
    actions the realised cost need not fall everywhere as the price rises: the curve is the closest one that
    does (isotonic regression).

    Args:
        moves: Of held-out predictions, n questions by k actions.
        cost: True cost, shape (n, k).

    Returns:
        The curve, with a 95% interval of the mean at each point.
    """
    prices = moves.prices()
    return curve_through(prices, moves.along(cost, prices))


def curve_through(prices: Floats, spent: Floats) -> CostCurve:
    """The curve closest to what n questions cost at rising prices, shape (n, len(prices)); see above."""
    spread = 1.96 * spent.std(axis=0) / np.sqrt(len(spent))
    mean = spent.mean(axis=0)
    curve, low, high = (_falling(level) for level in (mean, mean - spread, mean + spread))
    return CostCurve.of(prices, curve, np.maximum(low, 0.0), high)


def fit_accuracy_curve(moves: Moves, accuracy: Floats, prices: Floats) -> AccuracyCurve:
    """Realised mean accuracy against the price, from predictions for questions the predictor has not seen.

    Args:
        moves: Of held-out predictions, n questions by k actions.
        accuracy: True accuracy, shape (n, k).
        prices: Where to look, rising, shape (m,).
    """
    return AccuracyCurve.of(prices, _falling(moves.means(accuracy, prices)))


def _falling(levels: Floats) -> Floats:
    """The levels closest to these that never rise."""
    from sklearn.isotonic import isotonic_regression

    return np.asarray(isotonic_regression(levels, increasing=False))


@dataclass(frozen=True, eq=False)
class Response:
    """The result of choosing by predictions for unseen questions, at any price.

    Attributes:
        moves: What falling prices change.
        curve: Realised mean cost against the price, without its interval.
        outcomes: The truth.
    """

    moves: Moves
    curve: CostCurve
    outcomes: Outcomes

    @classmethod
    def of(cls, predictions: Priced, outcomes: Outcomes) -> "Response":
        """Play the predictions on the questions they are for."""
        moves = Moves.of(predictions)
        prices = moves.prices()
        curve = CostCurve.of(prices, _falling(moves.means(outcomes.cost, prices)))
        return cls(moves, curve, outcomes)

    def band(self, budget: float | None) -> Floats:
        """The mean costs at which predictors are compared around a budget; over the whole curve if None."""
        low, high = self.curve.cheapest, float(self.curve.cost[0])
        if budget is None:
            return np.linspace(low, high, _BAND_PRICES + 2)[1:-1]
        return np.clip(budget * np.geomspace(1 / BAND, BAND, _BAND_PRICES), low, None)

    def at(self, budgets: Floats) -> tuple[Floats, Floats]:
        """Realised accuracy and cost at mean costs, each of shape (n, budgets).

        Every predictor gets its own prices: at one price for all, a predictor that buys nothing would look as
        good as one that breaks even, although at the same budget it is far behind.
        """
        prices = np.array([self.curve.price_at(max(float(each), self.curve.cheapest)) for each in budgets])
        return self.moves.along(self.outcomes.accuracy, prices), self.moves.along(self.outcomes.cost, prices)

    def around(self, budget: float | None) -> tuple[Floats, Floats]:
        """The same over the band around a budget."""
        return self.at(self.band(budget))


def lift_by_question(accuracy: Floats, cost: Floats, outcomes: Outcomes) -> Floats:
    """What each question adds to the lift over the uniform hull, averaged over prices.

    Each question is compared with the mixture of fixed actions that costs as much on average. What it costs
    more or less than that itself is charged at the slope of the hull, so that the mean is the lift and the
    spread is that of the lift.

    Args:
        accuracy: Realised accuracy at m prices, shape (n, m).
        cost: Realised cost, likewise.
        outcomes: The table of the same n questions.

    Returns:
        Shape (n,).
    """
    mixture = Mixture(outcomes.accuracy.mean(axis=0), outcomes.cost.mean(axis=0))
    lifts = np.zeros(len(outcomes))
    for gained, spent in zip(accuracy.T, cost.T, strict=True):
        shares, slope = mixture.shares(float(spent.mean())), mixture.slope(float(spent.mean()))
        lifts += gained - slope * spent - (outcomes.accuracy - slope * outcomes.cost) @ shares
    return np.asarray(lifts / accuracy.shape[1])


def even_draws(questions: int) -> Floats:
    """Draws in [0, 1) that fill it evenly, one a question, in place of those of the questions' keys."""
    draws: Floats = _EVENLY * np.arange(questions, dtype=np.float64) % 1
    return draws
