"""The imitator on groups of questions that were left out of its training."""

from collections.abc import Sequence
from math import exp

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints, Matrix
from adaptive_reasoner.kit.allocation.mixtures import steady_mixture
from adaptive_reasoner.kit.backtesting.performance import Performance, SplitResult
from adaptive_reasoner.kit.learning.forecasts import PredictedOutcomes
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes

_FARTHEST = 3.0  # how far a ledger may lead prices, in logarithms
_HALVINGS = 30


def play_unseen_groups(
    table: Outcomes, features: Matrix, budgets: Sequence[float], *, folds: int, seed: int
) -> SplitResult | None:
    """Every question played by an imitator that was trained without the question's group.

    Groups are put into folds of about equal size, and each fold is played by an imitator of the others. On
    questions of a new kind a price that was fitted in training misses the budget; online a ledger observes
    their cost and moves the price. Here all prices are moved together until the questions cost the budget.

    Returns:
        One trial of all questions; None with fewer than two groups.
    """
    if table.groups is None or len(set(table.groups)) < 2:
        return None
    fold = _folds_of(table.groups.tolist(), folds, seed)
    shares = {budget: np.empty(table.accuracy.shape) for budget in budgets}
    predicted: dict[float, list[tuple[Ints, PredictedOutcomes]]] = {budget: [] for budget in budgets}
    for number in range(fold.max() + 1):
        held_out = np.flatnonzero(fold == number)
        seen = set(table.questions[held_out])  # a text may be in two groups
        fit = np.array([at for at in np.flatnonzero(fold != number) if table.questions[at] not in seen], int)
        if not len(fit):
            return None
        known = table.select(fit)
        imitator = Imitator(seed=seed).fit(features[fit], known, budget=budgets[0])
        for budget in budgets:
            moved = imitator.around(budget)
            if moved.gate().ships:
                predicted[budget].append((held_out, moved.foresee(features[held_out])))
            else:
                shares[budget][held_out] = steady_mixture(known).shares(budget)
    for budget, parts in predicted.items():
        _steer(shares[budget], parts, table.cost, budget)
    plays = {("imitator_unseen_groups", budget): Performance.of(table, shares[budget]) for budget in budgets}
    return SplitResult(np.arange(len(table)), plays)


def _steer(
    shares: Floats, parts: Sequence[tuple[Ints, PredictedOutcomes]], cost: Floats, budget: float
) -> None:
    """Fill in the choices of the parts, their prices moved together so that all costs `budget`."""
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        _choose(shares, parts, budget, exp(middle))
        low, high = (low, middle) if (shares * cost).sum(axis=1).mean() <= budget else (middle, high)
    _choose(shares, parts, budget, exp(high))


def _choose(
    shares: Floats, parts: Sequence[tuple[Ints, PredictedOutcomes]], budget: float, factor: float
) -> None:
    for rows, outcomes in parts:
        curve = outcomes.curve
        price = curve.price_at(max(budget, curve.cheapest)) or float(curve.price[0])
        shares[rows] = np.eye(shares.shape[1])[outcomes.choose(price * factor)]


def _folds_of(groups: Sequence[str], folds: int, seed: int) -> Ints:
    """The fold of each question: groups at random, each to the fold that is smallest so far."""
    names, index = np.unique(np.array(groups, dtype=str), return_inverse=True)
    sizes = np.bincount(index)
    filled = np.zeros(min(folds, len(names)))
    fold = np.empty(len(names), dtype=np.intp)
    for name in np.random.default_rng(seed).permutation(len(names)):
        fold[name] = filled.argmin()
        filled[fold[name]] += sizes[name]
    return fold[index]
