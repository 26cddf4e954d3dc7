"""How good a judge is: against right answers where there are some, and by what it favours."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isnan
from typing import Any, Literal, Self

import numpy as np

from adaptive_reasoner.amounts import written
from adaptive_reasoner.arrays import Bools, Floats
from adaptive_reasoner.kit.estimating.consensus import graded_by
from adaptive_reasoner.kit.estimating.preferences import (
    ReplyKey,
    comparisons,
    consistency,
    keyed_replies,
    position_bias,
)
from adaptive_reasoner.kit.samples import Sample, Samples


@dataclass(frozen=True)
class JudgeQuality:
    """What is known of a judge.

    A bias is how much more it gives than the right answers do, in [-1, 1]: a verdict less the grade, or a
    chance to be preferred less what the two grades say (1, 0.5 or 0).

    Attributes:
        judges: Its names in the rows.
        gives: `"verdicts"` on single replies, or `"preferences"` between two.
        given: How many.
        checked: How many of these on replies with right answers.
        questions: On how many questions those are.
        accuracy: How often it is right on them: a verdict on the right side of 0.5, or the better reply
            preferred. None where there is nothing to check.
        consensus: How often the agreement of the replies is right on the same.
        lenience: Its bias in the mean; None for preferences, which have none.
        by_source: Its bias towards the replies of each source.
        by_length: Its bias towards longer replies: that on the longer half less that on the shorter, or that
            towards the longer of two. None where there is nothing to check.
        by_position: How much likelier a reply is preferred because it is shown first. It cancels where both
            orders are asked. None for verdicts.
        cost: What its calls cost.
        cost_unit: What a cost counts.
        consistent: How often it prefers the same of two replies in both orders; a coin does half of the time.
            A preference that turns with the order is a tie. None for verdicts.
    """

    judges: Sequence[str]
    gives: Literal["verdicts", "preferences"]
    given: int
    checked: int
    questions: int
    accuracy: float | None
    consensus: float | None
    lenience: float | None
    by_source: Mapping[str, float]
    by_length: float | None
    by_position: float | None
    cost: float
    cost_unit: str
    consistent: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """Read what `as_dict` gave; what a later version added is left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in kept.items() if name in known})

    def __str__(self) -> str:
        parts = [f"{self.given} {self.gives}"]
        if self.accuracy is None or self.consensus is None:
            parts.append("none checked against right answers")
        else:
            parts.append(
                f"{self.checked} checked on {self.questions} questions: {self.accuracy:.0%} right, the "
                f"consensus {self.consensus:.0%}"
            )
        biases = {"longer replies": self.by_length, "the first place": self.by_position}
        biases |= {"all replies": self.lenience, **self.by_source}
        if self.consistent is not None:
            parts.append(f"both orders agree on {self.consistent:.0%} of the pairs")
        favours = [f"{name} {bias:+.2f}" for name, bias in biases.items() if bias is not None]
        if favours:
            parts.append(f"bias towards {', '.join(favours)}")
        return "; ".join([*parts, f"cost {written(self.cost)} {self.cost_unit}"])


def measure_judge(samples: Samples) -> JudgeQuality | None:
    """Measure the judge behind the preferences or, without any, the verdicts in a table.

    Args:
        samples: Replies. Those with a grade of their own check the judge.

    Returns:
        None where no judge has said anything.

    Example:
        >>> row = dict(question_id="q", question="6 * 7", source="cot", cost=9, cost_unit="tokens", gold="42")
        >>> samples = Samples.from_rows(
        ...     dict(row, sample=at, answer=answer, correct=float(answer == "42"), verdict=verdict)
        ...     for at, (answer, verdict) in enumerate([("42", 0.9), ("42", 0.8), ("13", 0.6)])
        ... )
        >>> print(measure_judge(samples))
        3 verdicts; 3 checked on 1 questions: 67% right, the consensus 100%; bias towards all replies +0.10, \
cot +0.10; cost 0 tokens
    """
    replies = dict(keyed_replies(samples))
    names = {
        reply.judged_by or reply.graded_by
        for reply in replies.values()
        if reply.verdict is not None or reply.preferred_over is not None
    }
    paid = sum(reply.grading_cost or 0.0 for several in samples.replies.values() for reply in several)
    if not names:
        return None
    known = {key for key, reply in replies.items() if not isnan(reply.correct)}
    believed = {key: reply.correct for key, reply in keyed_replies(graded_by(samples, "consensus"))}
    common = {
        "judges": sorted(name for name in names if name is not None),
        "cost": paid,
        "cost_unit": samples.cost_unit,
    }
    if any(reply.preferred_over is not None for reply in replies.values()):
        return _of_preferences(samples, replies, known, believed, common)
    return _of_verdicts(replies, known, believed, common)


def _of_verdicts(
    replies: Mapping[ReplyKey, Sample],
    known: set[ReplyKey],
    believed: Mapping[ReplyKey, float],
    common: Mapping[str, Any],
) -> JudgeQuality:
    verdicts = {key: reply.verdict for key, reply in replies.items() if reply.verdict is not None}
    checked = [key for key in verdicts if key in known]
    given = np.array([verdicts[key] for key in checked])
    right = np.array([replies[key].correct for key in checked])
    guess = np.array([believed[key] for key in checked])
    bias, length = given - right, np.array([_length(replies[key]) for key in checked])
    longer = length > np.median(length) if checked else np.zeros(0, dtype=bool)
    return JudgeQuality(
        gives="verdicts",
        given=len(verdicts),
        checked=len(checked),
        questions=len({question_id for question_id, *_ in checked}),
        accuracy=_share(_same_side(given, right)),
        consensus=_share(_same_side(guess, right)),
        lenience=_share(bias),
        by_source=_by_source([source for _, source, _ in checked], bias),
        by_length=_difference(bias, longer),
        by_position=None,
        **common,
    )


def _of_preferences(
    samples: Samples,
    replies: Mapping[ReplyKey, Sample],
    known: set[ReplyKey],
    believed: Mapping[ReplyKey, float],
    common: Mapping[str, Any],
) -> JudgeQuality:
    given = list(comparisons(samples))
    checked = [each for each in given if each.first in known and each.second in known]
    chance = np.array([each.chance for each in checked])
    grades, guesses, lengths = (
        np.array([[of(each.first), of(each.second)] for each in checked]).reshape(-1, 2)
        for of in (lambda key: replies[key].correct, believed.__getitem__, lambda key: _length(replies[key]))
    )
    better, guessed = (0.5 + np.sign(each[:, 0] - each[:, 1]) / 2 for each in (grades, guesses))
    bias, differ = chance - better, better != 0.5
    longer = np.sign(lengths[:, 0] - lengths[:, 1])
    sources = [source for each in checked for source in (each.first[1], each.second[1])]
    return JudgeQuality(
        gives="preferences",
        given=len(given),
        checked=int(differ.sum()),
        questions=len({each.first[0] for each, does in zip(checked, differ, strict=True) if does}),
        accuracy=_share(_same_side(chance, better)[differ]),
        consensus=_share(_same_side(guessed, better)[differ]),
        lenience=None,
        by_source=_by_source(sources, np.stack([bias, -bias], axis=1).ravel()),
        by_length=_share((bias * longer)[longer != 0]),
        by_position=position_bias(samples),
        consistent=consistency(samples),
        **common,
    )


def _length(reply: Sample) -> float:
    """The length of a reply: in tokens where they are known, else in characters of its answer."""
    return float(len(reply.answer or "")) if reply.completion_tokens is None else reply.completion_tokens


def _same_side(given: Floats, right: Floats) -> Floats:
    """1 where both are on one side of 0.5, 0 where they are not, 0.5 where one says nothing."""
    return np.asarray(0.5 + np.sign(given - 0.5) * np.sign(right - 0.5) / 2)


def _share(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _difference(values: Floats, some: Bools) -> float | None:
    """The mean of some values less that of the others."""
    return float(values[some].mean() - values[~some].mean()) if some.any() and not some.all() else None


def _by_source(sources: Sequence[str], bias: Floats) -> dict[str, float]:
    names = np.array(sources, dtype=object)
    return {name: float(bias[names == name].mean()) for name in dict.fromkeys(sources)}
