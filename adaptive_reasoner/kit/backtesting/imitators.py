"""The imitators on held-out questions, gated as they would be shipped, and what their mistakes cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from adaptive_reasoner.arrays import Floats, Ints, Matrix
from adaptive_reasoner.errors import InfeasibleBudgetError
from adaptive_reasoner.kit.allocation.concave_hull import best_at
from adaptive_reasoner.kit.allocation.mixtures import fixed_mixture
from adaptive_reasoner.kit.allocation.solver import solve
from adaptive_reasoner.kit.backtesting.performance import Key, Performance, affordable
from adaptive_reasoner.kit.learning.first_sample import FirstLook
from adaptive_reasoner.kit.learning.forecasts import PredictedOutcomes
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.trust import Trust


@dataclass(frozen=True, eq=False)
class Split:
    """A table divided into questions to fit on and questions held out, with their features.

    Attributes:
        fit: Outcomes to learn from.
        held_out: Outcomes to play.
        fit_features: Shape (len(fit), width).
        held_out_features: Shape (len(held_out), width).
    """

    fit: Outcomes
    held_out: Outcomes
    fit_features: Matrix
    held_out_features: Matrix

    @classmethod
    def of(cls, table: Outcomes, features: Matrix, fit: Ints, held_out: Ints) -> Self:
        """Divide `table` at positions."""
        return cls(table.select(fit), table.select(held_out), features[fit], features[held_out])


def fitted_imitator(split: Split, budgets: Sequence[float], *, seed: int) -> Imitator:
    """The imitator of the questions to fit on. One cross-validation serves all budgets."""
    return Imitator(seed=seed).fit(split.fit_features, split.fit, budget=budgets[0])


@dataclass(frozen=True, eq=False)
class Shares:
    """What an imitator plays at a budget: probabilities of the actions.

    Attributes:
        shipped: As far as its predictions are trusted, and the mixture of fixed actions beyond, shape (m, k).
        ungated: Following its predictions everywhere, shape (m, k).
        trust: How far they are trusted at the budget, in [0, 1].
    """

    shipped: Floats
    ungated: Floats
    trust: float


def play_imitators(
    imitator: Imitator, split: Split, budgets: Sequence[float], *, seed: int
) -> tuple[dict[Key, Floats], dict[float, float]]:
    """Shares of the imitators that decide by the question, and the trust in the default one, by budget."""
    values, labels = value_shares(imitator, split, budgets), label_shares(split, budgets, seed=seed)
    shares: dict[Key, Floats] = {}
    for budget, value, labelled in zip(budgets, values, labels, strict=True):
        shares["imitator", budget] = value.shipped
        shares["imitator_ungated", budget] = value.ungated
        shares["imitator_labels", budget] = labelled
    return shares, {budget: value.trust for budget, value in zip(budgets, values, strict=True)}


def value_shares(imitator: Imitator, split: Split, budgets: Sequence[float]) -> list[Shares]:
    """What the imitator plays at each budget.

    The learner and the trust in its predictions are chosen there, on questions of the fit alone.
    """
    mixture, played = fixed_mixture(split.fit), []
    for budget in budgets:
        mixed = np.tile(mixture.shares(budget), (len(split.held_out), 1))
        foreseen = _foreseen(imitator, split.held_out_features, budget)
        if foreseen is None:
            played.append(Shares(mixed, mixed, 0.0))
            continue
        shipped, ungated, price = foreseen
        trust = shipped.trust.at(budget)
        played.append(Shares(shipped.shares(price) if trust else mixed, ungated.shares(price), trust))
    return played


def look_plays(
    look: FirstLook, split: Split, fit: Ints, held_out: Ints, budgets: Sequence[float], *, seed: int
) -> list[tuple[Performance, Performance]]:
    """What an imitator plays that sees a first answer, at what it costs with that answer.

    Where its predictions are not trusted the mixture of fixed actions is played, and no first answer is paid
    for.

    Returns:
        For each budget what would be shipped, and what it plays ungated.
    """
    after = Split.of(look.outcomes, look.features, fit, held_out)
    imitator = Imitator(observe="first_sample", seed=seed)
    imitator.fit(after.fit_features, after.fit, budget=budgets[0], fixed=split.fit)
    mixture = fixed_mixture(split.fit)
    played = []
    for budget in budgets:
        mixed = Performance.of(split.held_out, mixture.shares(budget))
        foreseen = _foreseen(imitator, after.held_out_features, budget)
        if foreseen is None:
            played.append((mixed, mixed))
            continue
        shipped, ungated, price = foreseen
        followed = shipped.followed(price)
        looked, without = Performance.of(after.held_out, followed), 1 - followed.sum(axis=1)
        played.append(
            (
                Performance(looked.accuracy + without * mixed.accuracy, looked.cost + without * mixed.cost),
                Performance.of(after.held_out, ungated.shares(price)),
            )
        )
    return played


def label_shares(split: Split, budgets: Sequence[float], *, seed: int) -> list[Floats]:
    """What imitating the oracle's labels plays at each budget, as in arXiv:2604.14853, section 4."""
    played = []
    for budget in budgets:
        imitator = Imitator("labels", seed=seed)
        imitator.fit(split.fit_features, split.fit, budget=affordable(split.fit, budget))
        played.append(np.eye(len(split.fit.actions))[imitator.choose(split.held_out_features)])
    return played


@dataclass(frozen=True)
class Mistakes:
    """How a policy's choices differ from the oracle's at its price, and what that costs.

    `regret` is exactly the error rate times the mean regret when wrong.

    Attributes:
        imitation_accuracy: Share of the oracle's choices that were met.
        majority_rate: Share that always taking the oracle's commonest choice would meet.
        regret: Mean of accuracy - price * cost lost against the oracle.
        regret_when_wrong: The same over the questions where the choice differs.
        regret_bound: Error rate times the worst gap of any question and action (arXiv:2604.14853).
    """

    imitation_accuracy: float
    majority_rate: float
    regret: float
    regret_when_wrong: float
    regret_bound: float

    @classmethod
    def of(cls, table: Outcomes, shares: Floats, budget: float) -> Self:
        """Compare `shares`, shape (m, k), with the oracle of `table` at `budget`."""
        price = solve(table, affordable(table, budget)).price
        best = best_at(table.accuracy, table.cost, price)
        value = table.accuracy - price * table.cost
        gap = value.max(axis=1, keepdims=True) - value
        error = float(1 - shares[np.arange(len(best)), best].mean())
        regret = float((shares * gap).sum(axis=1).mean())
        return cls(
            imitation_accuracy=1 - error,
            majority_rate=float(np.bincount(best).max() / len(best)),
            regret=regret,
            regret_when_wrong=regret / error if error > 0 else 0.0,
            regret_bound=error * float(gap.max()),
        )

    @classmethod
    def mean(cls, several: Sequence["Mistakes"]) -> Self:
        """Means over splits; the regret when wrong is weighted, so that the product stays exact."""
        means = {name: float(np.mean([getattr(one, name) for one in several])) for name in vars(several[0])}
        error = 1 - means["imitation_accuracy"]
        return cls(**means | {"regret_when_wrong": means["regret"] / error if error > 0 else 0.0})


def _foreseen(
    imitator: Imitator, features: Matrix, budget: float
) -> tuple[PredictedOutcomes, PredictedOutcomes, float] | None:
    """Predictions as they would be shipped at a budget, the same ungated, and the price of the budget.

    None where even the cheapest choices cost more in this part of the questions.
    """
    moved = imitator.around(budget)
    try:
        price = moved.curve_.price_at(budget)
    except InfeasibleBudgetError:
        return None
    shipped = moved.foresee(features)
    if not moved.cross_fit_.held_out_trust.over(budget).any():
        shipped = replace(shipped, trust=Trust.none())
    return shipped, replace(shipped, trust=Trust.full()), price
