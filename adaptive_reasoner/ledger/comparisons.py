"""What a second answer to some questions shows: the quality and the cost of both, and what was saved.

The intervals are anytime-valid: they hold at all numbers of questions at once, so that looking at them again
and again, as a page does, and stopping when they please makes them no less likely to hold. They are the
asymptotic confidence sequences of Waudby-Smith et al. (arXiv:2103.06476, theorem 2.2).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

Outcome = Literal["open", "judged", "unjudged", "failed", "dropped", "refused"]

LEVEL = 0.05  # how often an interval may miss, at any number of questions
FEWEST = 10  # questions from which on there is an interval
_TUNED_TO = 200  # questions at which the intervals are narrowest
_RATE = (-2.0 * math.log(LEVEL) + math.log(1.0 - 2.0 * math.log(LEVEL))) / _TUNED_TO


@dataclass(frozen=True, slots=True)
class ComparedAnswer:
    """One answer and the second one that it was compared with; costs in the ledger's unit.

    Attributes:
        key: Names the charge of the answer.
        question: The question it counts for.
        outcome: `"open"` (under way, or lost with its process), `"judged"`, `"unjudged"` (the judge did not
            say which is better), `"failed"` (a call failed), `"dropped"` (too many were waiting) or
            `"refused"` (the cap had no room).
        action: What answered.
        against: What answered the second time.
        share: Of the questions that are answered twice.
        cost: Of the answer.
        against_cost: Of the second answer; None where there is none.
        preferred: How likely the judge prefers the answer to the second one, over both orders; None where it
            did not say.
        judge_accuracy: How often one verdict of the judge names the better of two, where that is known.
        at: When it was noted, in seconds of the ledger's clock.
    """

    key: str
    question: str
    outcome: Outcome
    action: str
    against: str
    share: float
    cost: float
    against_cost: float | None = None
    preferred: float | None = None
    judge_accuracy: float | None = None
    at: float = 0.0

    @property
    def difference(self) -> float | None:
        """Quality of the answer less that of the second one, in [-1, 1] but for the error of the judge.

        A judge who names the better of two with probability a, and else the other, shows 2a - 1 of the
        difference; so much is undone.
        """
        if self.preferred is None:
            return None
        return (2.0 * self.preferred - 1.0) / self._shown

    @property
    def _shown(self) -> float:
        return 1.0 if self.judge_accuracy is None else 2.0 * self.judge_accuracy - 1.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions with its 95% anytime-valid interval; the ends are None for too few questions."""

    mean: float
    low: float | None = None
    high: float | None = None

    def scaled(self, by: float, *, plus: float = 0.0) -> "Estimate":
        """The estimate of `by` times the mean `plus` something; `by` is not 0."""
        ends = [None if end is None else by * end + plus for end in (self.low, self.high)]
        low, high = ends if by > 0 else ends[::-1]
        return Estimate(by * self.mean + plus, low, high)

    def within(self, low: float, high: float) -> "Estimate":
        """The estimate, cut to a range that the truth is in."""
        ends = [None if end is None else min(max(end, low), high) for end in (self.low, self.high)]
        return Estimate(min(max(self.mean, low), high), *ends)


@dataclass(frozen=True, slots=True)
class Savings:
    """What the comparisons of a ledger say; questions are the unit, and intervals are anytime-valid at 95%.

    Attributes:
        cost_unit: The unit of every cost.
        against: What answered the second time.
        judged: Questions on which the judge has said which answer is better.
        open: Comparisons under way, or lost with their process.
        unjudged: Comparisons that the judge gave no verdict.
        failed: Comparisons of which a call failed.
        dropped: Comparisons that were left out, as too many were waiting.
        refused: Comparisons that `max_cost` had no room for.
        questions: About how many questions the compared ones were drawn from: each of them stands for one
            over its share.
        quality: How often the answers are preferred, a tie counting half.
        against_quality: The same of the second answers; with `quality` it adds up to 1.
        difference: `quality` less `against_quality`.
        cost: Of an answer.
        against_cost: Of a second answer.
        saved: What an answer costs less than a second one.
        saved_total: `saved` on all `questions`.
        spent: What was spent on second answers and on the judge, that which is under way at its worst.
        max_cost: The most that may be spent on them; None where it is not known.
    """

    cost_unit: str
    against: str
    judged: int
    open: int
    unjudged: int
    failed: int
    dropped: int
    refused: int
    questions: int
    quality: Estimate | None
    against_quality: Estimate | None
    difference: Estimate | None
    cost: Estimate | None
    against_cost: Estimate | None
    saved: Estimate | None
    saved_total: Estimate | None
    spent: float = 0.0
    max_cost: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)

    def paid(self, spent: float, max_cost: float | None) -> Self:
        """The same with what the comparisons have cost."""
        return replace(self, spent=spent, max_cost=max_cost)


def savings_of(comparisons: Sequence[ComparedAnswer], cost_unit: str) -> Savings:
    """What comparisons say.

    Example:
        >>> row = ComparedAnswer("", "", "judged", "vote_3", "strong", 0.1, 2.0, 9.0, 0.5)
        >>> found = savings_of([replace(row, key=str(at), question=str(at)) for at in range(20)], "usd")
        >>> found.questions, found.saved, found.difference.mean, found.difference.low > -0.5
        (200, Estimate(mean=7.0, low=7.0, high=7.0), 0.0, True)
    """
    counted = dict.fromkeys(("judged", "open", "unjudged", "failed", "dropped", "refused"), 0)
    by_question: dict[str, list[ComparedAnswer]] = {}
    for each in comparisons:
        counted[each.outcome] += 1
        by_question.setdefault(each.question, []).append(each)
    differences, shown, costs, against = [], 0.0, [], []
    for several in by_question.values():
        known = [each.difference for each in several if each.difference is not None]
        if known:
            differences.append(statistics.fmean(known))
            shown = max(shown, *(1.0 / each._shown for each in several))
        paired = [each for each in several if each.against_cost is not None]
        if paired:
            costs.append(math.fsum(each.cost for each in paired))
            against.append(math.fsum(each.against_cost or 0.0 for each in paired))
    questions = round(math.fsum(1.0 / several[0].share for several in by_question.values()))
    difference = estimate(differences, unseen=shown)
    difference = None if difference is None else difference.within(-1.0, 1.0)
    saved = estimate([second - own for own, second in zip(costs, against, strict=True)])
    return Savings(
        cost_unit=cost_unit,
        against=", ".join(dict.fromkeys(each.against for each in comparisons)),
        **{**counted, "judged": len(differences)},
        questions=questions,
        quality=difference and difference.scaled(0.5, plus=0.5),
        against_quality=difference and difference.scaled(-0.5, plus=0.5),
        difference=difference,
        cost=estimate(costs),
        against_cost=estimate(against),
        saved=saved,
        saved_total=saved and saved.scaled(questions),
    )


def estimate(values: Sequence[float], *, unseen: float | None = None) -> Estimate | None:
    """The mean of independent values with its interval; None of none.

    Args:
        values: One a question.
        unseen: Half the range of the values, where that is known: one more value at each of its ends counts
            towards their variance, so that values which are all the same are not taken for certain.
    """
    number = len(values)
    if not number:
        return None
    mean = statistics.fmean(values)
    if number < FEWEST:
        return Estimate(mean)
    spread = values if unseen is None else [*values, mean - unseen, mean + unseen]
    grown = number * _RATE + 1.0
    width = math.sqrt(2.0 * grown / (number**2 * _RATE) * math.log(math.sqrt(grown) / LEVEL))
    variance = math.fsum((value - mean) ** 2 for value in spread) / len(spread)
    half = math.sqrt(variance) * width
    return Estimate(mean, mean - half, mean + half)
