"""The test that decides whether a policy is shipped: its lift over mixtures of fixed actions."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.kit.estimating.correction import FEWEST_LABELS
from adaptive_reasoner.kit.learning.cost_response import lift_by_question
from adaptive_reasoner.kit.learning.held_out_trust import FEWEST, LIKELY, ROUNDING
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.bootstrap import Interval, bootstrap_means
from adaptive_reasoner.kit.tables.splits import text_index
from adaptive_reasoner.policy.mixture import hull

Answer = Literal["ship", "ship in part", "unverified", "do not ship", "not enough questions"]

SHIPS: tuple[Answer, ...] = ("ship", "ship in part", "unverified")
"""With which answers a policy goes out."""

WORTHWHILE = 0.01
"""A lift, as a share of how far accuracies lie apart, below which a policy is not worth its upkeep."""

_NEARLY_FULL = 0.85  # trust at which nothing but the noise of its choice is missing
_BLIND = 5.0  # times as much: data that cannot show even this lift cannot say that there is none
_DETECTS = 1.96 + 0.84  # standard errors of a lift that is shown four times in five
_RARELY = 0.1  # at the ends of the hull, too, a policy would change some actions


def worthwhile(outcomes: Outcomes) -> float:
    """The least lift that is worth a policy's upkeep, in the unit of a table's accuracies.

    Example:
        >>> row = dict(action="direct", cost=1, cost_unit="usd", accuracy_unit="stars")
        >>> rows = [{**row, "question_id": f"q{n}", "question": f"q{n}", "accuracy": n} for n in (1, 5)]
        >>> round(worthwhile(Outcomes.from_rows(rows)), 4)
        0.0392
    """
    return WORTHWHILE * outcomes.scale


@dataclass(frozen=True)
class Gate:
    """The verdict on a policy, with the numbers it rests on.

    Attributes:
        answer: `"ship"`: its predictions are followed, to 85% at least, over the whole band, and the
            interval of the lift is above zero. `"ship in part"`: they are followed at some of its costs, or
            with less trust, or their lift is likely but not yet clear. `"do not ship"`: they are not, and
            any lift is too small to be worth it. `"not enough questions"`: they are not, and the data cannot
            tell. `"unverified"`: they are by estimates alone, as fewer than 20 right answers are known, and
            the interval is above zero by these.
        lift: Mean lift over the band, of what ships; if nothing does, of following the predictions all the
            same. It is over the same policy without trust: the best mixture by the same means, at equal cost.
        low: Lower end of its 95% interval, by bootstrap over questions.
        high: Upper end.
        detectable: Smallest lift these questions would show four times in five.
        questions: How many there were.
        needed: About how many questions would tell, where the interval of these is not clear.
        costs: Lowest and highest realised mean cost of the band.
        labels: How many questions have a right answer; None where all have.
        needed_labels: At least how many labels at random would verify the lift, where it is unverified.
        trust: Lowest and highest trust in the predictions over the band, in [0, 1].
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
    trust: tuple[float, float] = (0.0, 0.0)

    @property
    def ships(self) -> bool:
        """Whether the policy goes out, verified or not."""
        return self.answer in SHIPS

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {**asdict(self), "costs": list(self.costs), "trust": list(self.trust)}

    def __str__(self) -> str:
        measured = (
            f"lift {self.lift:+.3f} ({self.low:+.3f} to {self.high:+.3f}) on {self.questions} questions"
        )
        more = "" if self.needed is None else f"; about {self.needed} questions would tell"
        labels = "" if self.labels is None else f"; {checked(self.labels)}"
        if self.needed_labels is not None:
            more = f"; label {self.needed_labels} questions at least to verify it, drawn at random"
        part = ""
        if self.ships and min(self.trust) < 1:
            least, most = (f"{trust:.0%}" for trust in self.trust)
            part = f"; predictions are trusted {least if least == most else f'{least} to {most}'}"
        return f"{self.answer}: {measured}{part}{labels}{more}"


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
    trusted: ArrayLike | None = None,
    labels: int | None = None,
    estimated: Floats | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Gate:
    """Test whether a policy beats the best mixtures of fixed actions over a band of mean costs.

    Args:
        accuracy: Realised accuracy under the policy at each of m mean costs, on questions it was not trained
            on (the choice of learner and trust included), shape (n, m).
        cost: Realised cost, likewise.
        outcomes: The table of the same questions, for the mixtures.
        trusted: The trust that the policy ships with at each, in [0, 1], shape (m,); where None, it ships in
            full if the interval of its lift is above zero.
        labels: How many of the questions have a right answer; None where all have.
        estimated: What each question adds to the lift by estimates alone, shape (n,); None where all have a
            right answer.
        draws: Bootstrap draws over the questions; equal texts are drawn together.
        seed: Of the draws.
    """
    questions = len(outcomes)
    lifts = lift_by_question(accuracy, cost, outcomes)

    def draw(each: Floats) -> Floats:
        return bootstrap_means(each[:, None], outcomes.questions, draws, seed)[:, 0]

    drawn = draw(lifts)
    lift = Interval.of(np.append(lifts.mean(), drawn))
    guess = None if estimated is None else Interval.of(np.append(estimated.mean(), draw(estimated)))
    if trusted is None:
        trusted = float(lift.low > ROUNDING * outcomes.scale)
    trust = float(np.min(trusted)), float(np.max(trusted))
    detectable = detectable_lift(drawn, cost.mean(0), outcomes)
    answer = answer_to(trust, lift, detectable, outcomes, labels=labels, estimated=guess)
    unclear = answer == "not enough questions" or (
        answer == "ship in part" and lift.low <= ROUNDING * outcomes.scale
    )
    least = worthwhile(outcomes)
    needed = int(np.ceil(questions * (detectable / max(lift.mean, least)) ** 2))
    return Gate(
        answer=answer,
        lift=lift.mean,
        low=lift.low,
        high=lift.high,
        detectable=detectable,
        questions=questions,
        needed=max(needed, questions + 1, FEWEST) if unclear else None,
        costs=(float(cost.mean(0).min()), float(cost.mean(0).max())),
        labels=labels,
        needed_labels=_labels_needed(lifts, least) if answer == "unverified" else None,
        trust=trust,
    )


def _labels_needed(lifts: Floats, least: float) -> int:
    """Labels that would show a lift four times in five, if right answers vary no more than the estimates."""
    lift = max(float(lifts.mean()), least)
    return max(FEWEST_LABELS, int(np.ceil((_DETECTS * float(lifts.std()) / lift) ** 2)))


def answer_to(
    trust: tuple[float, float],
    lift: Interval,
    detectable: float,
    outcomes: Outcomes,
    *,
    labels: int | None = None,
    estimated: Interval | None = None,
) -> Answer:
    """The verdict on a policy.

    Args:
        trust: The lowest and highest trust with which its predictions are followed.
        lift: What it gains, with its interval.
        detectable: The lift that these questions would show.
        outcomes: The table of the questions.
        labels: How many of them have a right answer; None where all have.
        estimated: What it gains by estimates alone, with its interval. Where labels do not make the lift
            likely, these have to make it clear.
    """
    if text_index(outcomes.questions).max() + 1 < FEWEST:
        return "not enough questions"
    if max(trust) > 0:
        clear = lift.low > ROUNDING * outcomes.scale
        if labels is not None and labels < FEWEST_LABELS:
            return "unverified" if clear else "not enough questions"
        if estimated is not None and not (_is_likely(lift) or estimated.low > ROUNDING * outcomes.scale):
            return "not enough questions"
        return "ship" if min(trust) >= _NEARLY_FULL and clear else "ship in part"
    least = worthwhile(outcomes)
    none = lift.high < least and detectable < _BLIND * least
    return "do not ship" if none else "not enough questions"


def over_budgets(answers: Iterable[Answer]) -> Answer:
    """The one verdict on a policy, from the verdicts at its budgets.

    It is the verdict that all share. Otherwise the policy ships in part if it ships at some budget, and is
    unverified if it is so there; if it ships at none, one with too few questions leaves it open.

    Example:
        >>> over_budgets(["ship", "do not ship"]), over_budgets(["do not ship", "not enough questions"])
        ('ship in part', 'not enough questions')
    """
    found = set(answers)
    if len(found) == 1:
        return found.pop()
    if "unverified" in found:
        return "unverified"
    return "ship in part" if found.intersection(SHIPS) else "not enough questions"


def _is_likely(lift: Interval) -> bool:
    """Whether a lift is above zero with three chances in four."""
    return lift.mean > LIKELY * (lift.high - lift.low) / (2 * 1.96)


def detectable_lift(drawn: Floats, costs: Floats, outcomes: Outcomes) -> float:
    """The smallest lift that these questions would show four times in five.

    Args:
        drawn: The lift in bootstrap draws.
        costs: The mean costs at which the policy was measured.
        outcomes: The table of the questions.
    """
    return _DETECTS * max(float(np.std(drawn)), _chance(costs, outcomes))


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
