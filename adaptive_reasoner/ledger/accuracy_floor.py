"""The accuracy floor: how the price of compute follows graded answers, so that the mean accuracy holds.

The mirror of the price law, which follows what was spent. The law is pure: sums in, price out.
"""

import math
from dataclasses import dataclass
from typing import Literal

from adaptive_reasoner.ledger.price_controller import NANO, NORMAL, REACH, Totals

PRIOR = 80  # grades that the offline price counts as: a grade varies by .2, the price's error by .05 squared
MEMORY = 2_000  # grades after which the oldest are forgotten, so that a change of questions is followed
BOLDNESS = 1.5  # times the gain that would do if the slope were right: where it is less, that learns in time
MOST_OWED = 20 * NANO  # wrong answers too many, or right ones, that are made up for
SENSITIVITY = 0.05  # fall of the mean accuracy as the log of the price rises by one, where it is not known
ENOUGH = 50  # grades before their mean is believed
QUIET = 10.0  # times as many questions without a grade as lie between two of them: nobody grades any more
LULL = 1_000  # questions without a grade that are always allowed
BEYOND = 1.0  # log of the price by which a floor may ask for more than the budget pays for, or actions can do
MARGIN = 0.5  # log of the price: so near its lowest, nothing more is to be had

Limit = Literal["budget", "actions"]


@dataclass(frozen=True, slots=True)
class Quality:
    """What grades say of the answers, and whether the floor under their accuracy can be held.

    Attributes:
        target: The mean accuracy to hold, None where grades are only counted.
        feedbacks: Graded questions.
        accuracy: Their mean score, None before the first.
        low: Lower end of the 95% interval of the mean accuracy (Wilson's, which holds for any scores in
            [0, 1]); it takes graded questions as a fair sample of all.
        high: Its upper end.
        blind: There are too few grades to steer by, or none came lately: the price rests on predictions.
        limit: Why the floor cannot be held: the `"budget"` asks for a higher price, or even the lowest price
            buys too little (`"actions"`); None where nothing is in the way.
    """

    target: float | None
    feedbacks: int
    accuracy: float | None
    low: float | None
    high: float | None
    blind: bool
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class AccuracyLaw:
    """Price of compute from the sums of a ledger's grades.

    Each grade moves the log of the price by a share of what it is above or below the aim. With gain
    1.5 / (n + n0) at the n-th grade, of which 1 would do if the slope were right, this is Newton's form of
    stochastic approximation (Robbins and Monro, 1951): the accuracy comes as near the target as the mean of
    n grades is to its own, however wrong the offline price was, which counts as n0 grades. The aim is the
    target and the mean of what is owed by the grades so far: what was lost while the price was learned is
    made up for, in as many grades again. Debt and credit are limited and fade, so that neither a floor that
    could not be held nor an easy time is made up for at length.

    Attributes:
        target: Mean accuracy to hold.
        price: The offline price at which it is expected, per cost unit.
        slope: Fall of the mean accuracy as the log of the price rises by one.
        lowest: Price below which more is not expected of any question, 0 where unknown.

    >>> law = AccuracyLaw(target=0.8, price=0.002)
    >>> law.price_at(Totals())
    0.002
    >>> law.price_at(Totals(floor_drift=law.step(Totals(), NANO))) > 0.002
    True
    """

    target: float
    price: float
    slope: float = SENSITIVITY
    lowest: float = 0.0

    def price_at(self, totals: Totals) -> float:
        """The price to decide the next question at, per cost unit."""
        return self.price * math.exp(min(max(totals.floor_drift / NANO, -REACH), REACH))

    def step(self, totals: Totals, score: int, *, before: int | None = None, least: float = 0.0) -> int:
        """How far a grade moves the log of the price, in 1e-9.

        The price goes no further out than its reach, and no further below what the budget asks for than may
        soon be made up: what cannot be had is not asked for more and more.

        Args:
            totals: The sums without it.
            score: The grade, in 1e-9.
            before: The grade that it replaces.
            least: The price that the budget asks for, 0 without one.
        """
        known = min(totals.floor_steps, MEMORY) + PRIOR
        aim = self.target + totals.floor_debt / NANO / known
        off = score / NANO - (aim if before is None else before / NANO)
        gain = BOLDNESS / known
        drift = totals.floor_drift / NANO
        lowest = self._lowest
        if least > 0.0:
            lowest = max(lowest, math.log(least / self.price) - BEYOND)
        moved = drift + off * gain / self.slope
        moved = max(moved, min(drift, lowest)) if off < 0.0 else min(moved, max(drift, REACH))
        return round((moved - drift) * NANO)

    def owed(self, totals: Totals, score: int, *, before: int | None = None) -> int:
        """What a grade changes the debt by, in 1e-9: a little of it fades, and it stays within its limits."""
        missed = (round(self.target * NANO) if before is None else before) - score
        left = totals.floor_debt - (0 if before is not None else totals.floor_debt // MEMORY)
        return min(max(left + missed, -MOST_OWED), MOST_OWED) - totals.floor_debt

    def limit(self, totals: Totals, budget_price: float) -> Limit | None:
        """What keeps the price above the one that the floor asks for."""
        if budget_price > self.price_at(totals):
            return "budget"
        reached = totals.floor_drift / NANO <= self._lowest + MARGIN
        return "actions" if reached and totals.floor_steps >= ENOUGH else None

    @property
    def _lowest(self) -> float:
        """How far down the log of the price may be moved."""
        return max(-REACH, math.log(self.lowest / self.price) - BEYOND) if self.lowest > 0.0 else -REACH


def grading(totals: Totals, law: AccuracyLaw | None, score: int, before: int | None, least: float) -> Totals:
    """What a grade changes the sums by.

    Args:
        totals: The sums without it.
        law: The ledger's, None where grades are only counted.
        score: The grade, in 1e-9.
        before: The grade of the same question that it replaces, None for a first one.
        least: The price that the budget asks for, 0 without one.
    """
    first = before is None
    return Totals(
        feedbacks=int(first),
        scores=score - (before or 0),
        floor_drift=0 if law is None else law.step(totals, score, before=before, least=least),
        floor_debt=0 if law is None else law.owed(totals, score, before=before),
        floor_steps=int(first and law is not None),
        unheard=-totals.unheard,
    )


def quality(totals: Totals, law: AccuracyLaw | None, budget_price: float) -> Quality | None:
    """What the sums say of the answers; None where there is neither a floor nor a grade.

    >>> found = quality(Totals(feedbacks=100, scores=80 * NANO, admitted=400), None, 0.0)
    >>> found.accuracy, round(found.low, 3), round(found.high, 3), found.blind
    (0.8, 0.711, 0.867, False)
    """
    graded = totals.feedbacks
    if law is None and not graded:
        return None
    mean = low = high = None
    if graded:
        mean = totals.scores / NANO / graded
        low, high = wilson(mean, graded)
    quiet = totals.unheard > max(LULL, QUIET * totals.admitted / graded) if graded else True
    return Quality(
        target=None if law is None else law.target,
        feedbacks=graded,
        accuracy=mean,
        low=low,
        high=high,
        blind=graded < ENOUGH or quiet,
        limit=None if law is None else law.limit(totals, budget_price),
    )


def wilson(mean: float, number: int) -> tuple[float, float]:
    """The 95% score interval of a mean of so many values in [0, 1].

    >>> tuple(round(end, 3) for end in wilson(1.0, 10))
    (0.722, 1.0)
    """
    squared = NORMAL**2 / number
    middle = (mean + squared / 2.0) / (1.0 + squared)
    half = math.sqrt(max(0.0, mean * (1.0 - mean)) * squared + squared**2 / 4.0) / (1.0 + squared)
    return max(0.0, middle - half), min(1.0, middle + half)
