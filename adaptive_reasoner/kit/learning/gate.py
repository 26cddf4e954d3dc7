"""The test that decides whether a policy is shipped: its lift over mixtures of fixed actions."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.allocation.mixtures import mixture_accuracy
from adaptive_reasoner.kit.estimating.correction import FEWEST_LABELS
from adaptive_reasoner.kit.learning.cost_response import lift_by_question
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.bootstrap import bootstrap_means
from adaptive_reasoner.kit.tables.splits import text_index
from adaptive_reasoner.policy.mixture import hull

Answer = Literal["ship", "unverified", "do not ship", "not enough questions"]

SHIPS: tuple[Answer, ...] = ("ship", "unverified")
"""With which answers a policy goes out."""

WORTHWHILE = 0.01
"""A lift in accuracy below which a policy is not worth its upkeep."""

ROUNDING = 1e-9
"""A lift in accuracy that is only the rounding of long sums."""

_BLIND = 5 * WORTHWHILE  # data that cannot show even this lift cannot say that there is none
_TAIL = 0.025  # chance of shipping a policy that gains nothing
_DETECTS = 1.96 + 0.84  # standard errors of a lift that is shown four times in five
_FEWEST = 20  # different questions; fewer say nothing about how much they vary
_RARELY = 0.1  # at the ends of the hull, too, a policy would change some actions


@dataclass(frozen=True)
class Gate:
    """The verdict on a policy, with the numbers it rests on.

    Attributes:
        answer: `"ship"`: the interval of the lift is above zero. `"do not ship"`: any lift is too small to be
            worth it. `"not enough questions"`: the data cannot tell. `"unverified"`: the interval is above
            zero by estimates alone, as fewer than 20 right answers are known.
        lift: Mean lift over the uniform hull at the realised cost, over the band of prices.
        low: Lower end of its 95% interval, by bootstrap over questions, the hull fitted again in each draw.
        high: Upper end.
        detectable: Smallest lift these questions would show four times in five.
        questions: How many there were.
        needed: About how many questions would tell, where these do not.
        costs: Lowest and highest realised mean cost of the band.
        labels: How many questions have a right answer; None where all have.
        needed_labels: At least how many labels at random would verify the lift, where it is unverified.
    """

    answer: Answer
    lift: float
    low: float
    high: float
    detectable: float
    questions: int
    needed: int | None
    costs: tuple[float, float]
    labels: int | None = None
    needed_labels: int | None = None

    @property
    def ships(self) -> bool:
        """Whether the policy goes out, verified or not."""
        return self.answer in SHIPS

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {**asdict(self), "costs": list(self.costs)}

    def __str__(self) -> str:
        measured = (
            f"lift {self.lift:+.3f} ({self.low:+.3f} to {self.high:+.3f}) on {self.questions} questions"
        )
        more = "" if self.needed is None else f"; about {self.needed} questions would tell"
        labels = "" if self.labels is None else f"; {checked(self.labels)}"
        if self.needed_labels is not None:
            more = f"; label {self.needed_labels} questions at least to verify it"
        return f"{self.answer}: {measured}{labels}{more}"


def checked(labels: int) -> str:
    """How many right answers a verdict rests on, in words.

    Example:
        >>> checked(0), checked(12)
        ('no answer was checked', 'the answers of 12 were checked')
    """
    return f"the answers of {labels} were checked" if labels else "no answer was checked"


def judge(
    accuracy: Floats,
    cost: Floats,
    outcomes: Outcomes,
    *,
    labels: int | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Gate:
    """Test whether a policy beats the best mixtures of fixed actions over a band of prices.

    Args:
        accuracy: Realised accuracy under the policy at each of m prices, on questions it was not trained on
            (the choice of its learner included), shape (n, m).
        cost: Realised cost, likewise.
        outcomes: The table of the same questions, for the mixtures.
        labels: How many of the questions have a right answer; None where all have.
        draws: Bootstrap draws over the questions; equal texts are drawn together.
        seed: Of the draws.
    """
    questions = len(outcomes)
    columns = np.hstack([accuracy, cost, outcomes.accuracy, outcomes.cost])
    parts = np.cumsum([accuracy.shape[1], cost.shape[1], len(outcomes.actions)])
    means = np.vstack([columns.mean(0), bootstrap_means(columns, outcomes.questions, draws, seed)])
    lifts = _lifts(*np.split(means, parts, axis=1))
    mean, drawn = float(lifts[0]), lifts[1:]
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    detectable = detectable_lift(drawn, cost.mean(0), outcomes)
    answer = answer_to(float(low), float(high), detectable, outcomes, labels=labels)
    needed = int(np.ceil(questions * (detectable / max(mean, WORTHWHILE)) ** 2))
    return Gate(
        answer=answer,
        lift=mean,
        low=float(low),
        high=float(high),
        detectable=detectable,
        questions=questions,
        needed=max(needed, questions + 1, _FEWEST) if answer == "not enough questions" else None,
        costs=(float(cost.mean(0).min()), float(cost.mean(0).max())),
        labels=labels,
        needed_labels=_labels_needed(accuracy, cost, outcomes, mean) if answer == "unverified" else None,
    )


def _labels_needed(accuracy: Floats, cost: Floats, outcomes: Outcomes, lift: float) -> int:
    """Labels that would show a lift four times in five, if right answers vary no more than the estimates."""
    spread = float(lift_by_question(accuracy, cost, outcomes).std())
    return max(FEWEST_LABELS, int(np.ceil((_DETECTS * spread / lift) ** 2)))


def answer_to(
    low: float, high: float, detectable: float, outcomes: Outcomes, *, labels: int | None = None
) -> Answer:
    """The answer for an interval of a lift, if these questions would show a lift of `detectable`."""
    if text_index(outcomes.questions).max() + 1 < _FEWEST:
        return "not enough questions"
    if low > ROUNDING:
        return "ship" if labels is None or labels >= FEWEST_LABELS else "unverified"
    return "do not ship" if high < WORTHWHILE and detectable < _BLIND else "not enough questions"


def detectable_lift(drawn: Floats, costs: Floats, outcomes: Outcomes) -> float:
    """The smallest lift that these questions would show four times in five.

    Args:
        drawn: The lift in bootstrap draws.
        costs: The mean costs at which the policy was measured.
        outcomes: The table of the questions.
    """
    return _DETECTS * max(float(np.std(drawn)), _chance(costs, outcomes))


def _lifts(accuracy: Floats, cost: Floats, fixed_accuracy: Floats, fixed_cost: Floats) -> Floats:
    """Mean over prices of accuracy less that of the best mixture at the same cost, by draw, shape (d,)."""
    lifts: Floats = (accuracy - mixture_accuracy(fixed_accuracy, fixed_cost, cost)).mean(axis=1)
    return lifts


def _chance(cost: Floats, outcomes: Outcomes) -> float:
    """Standard error of the lift that drawing actions at random would show at these mean costs.

    A policy that stays close to the mixture hardly varies against it, so its own error would overstate what
    the questions can show.
    """
    vertices = hull(outcomes.accuracy.mean(0), outcomes.cost.mean(0))
    along, n = outcomes.cost.mean(0)[vertices], len(outcomes)
    if len(vertices) < 2:
        return 0.0
    errors = []
    for spent in cost:
        right = int(np.clip(np.searchsorted(along, spent), 1, len(along) - 1))
        ends = vertices[[right - 1, right]]
        gain, extra = (np.diff(cells[:, ends], axis=1)[:, 0] for cells in (outcomes.accuracy, outcomes.cost))
        share = float(np.clip((spent - along[right - 1]) / extra.mean(), _RARELY, 1 - _RARELY))
        worth = gain - gain.mean() / extra.mean() * extra
        errors.append(np.sqrt(share * (1 - share) * worth.var() / n))
    return float(np.mean(errors))
