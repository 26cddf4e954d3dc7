"""How likely each answer is right, judged by the replies themselves, where no right answer is known."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan
from typing import Literal, get_args

import numpy as np

from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.estimating.correction import FEWEST_LABELS
from adaptive_reasoner.kit.samples import Sample, Samples

Evidence = Literal["consensus", "judge", "both"]
Labels = Literal["gold", "consensus", "judge", "auto"]

_ROUNDS = 10  # of weighing sources by their agreement; the weights settle within five
_SHARPNESS = 1.5  # the likelier answer is likelier still than its share of the weight says
_COST_WEIGHT = 2.0  # what a source e times as expensive weighs more, before any reply was seen
_TRUST = (0.02, 0.98)  # no source is taken to be always wrong or always right
_CHOICES = 4.0  # answers a wrong source may give instead of the right one, about
_LEAST_WEIGHT = 0.1
_DOUBT = 0.02  # a judge is never certain


def right_answers(samples: Samples, *, by: Evidence = "both") -> list[dict[str, float]]:
    """Probability that each answer is right, question by question, without any right answer.

    Every source votes with the shares of its answers. A source weighs the more, the more expensive it is
    (people pay for models and prompts that are better) and the more often the weighted vote agrees with it;
    both are found together, in a few rounds. Verdicts of a judge, where the samples have them, multiply the
    odds (`by="both"`) or take the place of the vote (`by="judge"`).

    Args:
        samples: Replies, of one source or several.
        by: What is believed: the agreement of the replies, a judge's verdicts, or both.

    Returns:
        For each question its answers and their probabilities, which sum to at most 1.

    Source:
        Sources that are weighed by their agreement: Dawid and Skene, Applied Statistics 28 (1979).

    Example:
        >>> row = dict(question_id="q", question="6 * 7", cost_unit="tokens")
        >>> replies = [("direct", "42", 1), ("cot", "42", 30), ("cot", "42", 30), ("cot", "13", 30)]
        >>> samples = Samples.from_rows(
        ...     {**row, "source": source, "sample": at, "answer": answer, "cost": cost}
        ...     for at, (source, answer, cost) in enumerate(replies)
        ... )
        >>> {answer: round(chance, 2) for answer, chance in right_answers(samples)[0].items()}
        {'42': 0.81, '13': 0.19}
    """
    shares = [_shares(samples, question_id) for question_id in samples.question_ids]
    chances = _weighed(shares, _prior(samples)) if by != "judge" else [_even(each) for each in shares]
    if by == "consensus":
        return chances
    return [
        _judged(chance, _verdicts(samples, question_id))
        for chance, question_id in zip(chances, samples.question_ids, strict=True)
    ]


def evidence_for(samples: Samples, labels: Labels) -> Evidence:
    """What to believe: what was asked for or, for `"auto"`, what predicts the known right answers best.

    A judge that is no better than the consensus is not used, and a warning says so. Without enough labelled
    replies that the judge has seen, both are believed.

    Raises:
        OutcomesError: `labels="judge"`, and no reply has a verdict.
        ValueError: There is no such way.
    """
    if labels not in get_args(Labels):
        raise ValueError(f"labels is one of {', '.join(get_args(Labels))}, not {labels!r}")
    seen = [
        (at, reply)
        for at, question_id in enumerate(samples.question_ids)
        for source in samples.sources
        for reply in samples.votes(question_id, source)
        if reply.verdict is not None and reply.answer is not None
    ]
    if labels == "judge" and not seen:
        raise OutcomesError(
            "labels='judge' needs verdicts, and no reply has one; "
            "`adaptive-reasoner regrade` asks the judge of a menu, labels='consensus' needs none"
        )
    if labels == "judge":
        return "judge"
    if labels == "consensus" or not seen:
        return "consensus"
    graded = [(at, reply) for at, reply in seen if not isnan(reply.correct)]
    if len({at for at, _ in graded}) < FEWEST_LABELS:
        return "both"
    loss = {}
    for by in ("consensus", "both"):
        chances = right_answers(samples, by=by)
        missed = [(chances[at].get(reply.answer or "", 0.0) - reply.correct) ** 2 for at, reply in graded]
        loss[by] = sum(missed) / len(missed)
    if loss["both"] < loss["consensus"]:
        return "both"
    warnings.warn(
        f"the judge is not used: with it the mean squared error of the estimates is {loss['both']:.3f} on "
        f"{len(graded)} replies with right answers, with the consensus alone {loss['consensus']:.3f}",
        stacklevel=4,
    )
    return "consensus"


def with_estimated_grades(samples: Samples, labels: Labels = "auto") -> Samples:
    """The samples, in which replies without a right answer are graded by how likely they are right."""
    if not samples.ungraded:
        return samples
    chances = right_answers(samples, by=evidence_for(samples, labels))
    return samples.filled(graded_by_chance(samples, chances))


def graded_by_chance(samples: Samples, chances: Sequence[Mapping[str, float]]) -> Samples:
    """The samples with every reply graded by how likely its answer is right; failed calls score 0."""
    chance_of = dict(zip(samples.question_ids, chances, strict=True))

    def graded(question_id: str, reply: Sample) -> Sample:
        right = 0.0 if reply.error else chance_of[question_id].get(reply.answer or "", 0.0)
        return replace(reply, correct=right)

    replies = {
        (question_id, source): tuple(graded(question_id, reply) for reply in several)
        for (question_id, source), several in samples.replies.items()
    }
    return replace(samples, replies=replies)


def _shares(samples: Samples, question_id: str) -> dict[str, Floats]:
    """For each answer its share of the replies of each source, shape (sources,)."""
    shares: dict[str, Floats] = {}
    for at, source in enumerate(samples.sources):
        replies = samples.votes(question_id, source)
        for reply in replies:
            if reply.answer is not None:
                shares.setdefault(reply.answer, np.zeros(len(samples.sources)))[at] += 1 / len(replies)
    return shares


def _prior(samples: Samples) -> Floats:
    """The weight of each source by its mean cost, 1 for the cheapest, shape (sources,)."""
    costs = []
    for source in samples.sources:
        own = [r.cost for question_id in samples.question_ids for r in samples.votes(question_id, source)]
        costs.append(sum(own) / len(own) if own else 0.0)
    cost = np.array(costs)
    if not (cost > 0).all():
        return np.ones(len(cost))
    weights: Floats = 1 + _COST_WEIGHT * np.log(cost / cost.min())
    return weights


def _weighed(shares: Sequence[Mapping[str, Floats]], prior: Floats) -> list[dict[str, float]]:
    weight, answered = prior, max(1, sum(bool(each) for each in shares))
    chances: list[dict[str, float]] = []
    for _ in range(_ROUNDS):
        chances, agreement = [], np.zeros(len(prior))
        for each in shares:
            by_source = np.array(list(each.values())).reshape(-1, len(prior))
            vote = (by_source @ weight / weight.sum()) ** _SHARPNESS
            chance = vote / vote.sum() if vote.sum() > 0 else vote
            agreement += chance @ by_source
            chances.append(dict(zip(each, chance.tolist(), strict=True)))
        trust = np.clip(agreement / answered, *_TRUST)
        weight = prior * np.maximum(np.log(trust / (1 - trust) * (_CHOICES - 1)), _LEAST_WEIGHT)
    return chances


def _even(shares: Mapping[str, Floats]) -> dict[str, float]:
    return {answer: 1 / len(shares) for answer in shares}


def _verdicts(samples: Samples, question_id: str) -> dict[str, float]:
    """The mean verdict on each answer that a judge has seen."""
    verdicts: dict[str, list[float]] = {}
    for source in samples.sources:
        for reply in samples.votes(question_id, source):
            if reply.answer is not None and reply.verdict is not None:
                verdicts.setdefault(reply.answer, []).append(reply.verdict)
    return {answer: sum(seen) / len(seen) for answer, seen in verdicts.items()}


def _judged(chances: Mapping[str, float], verdicts: Mapping[str, float]) -> dict[str, float]:
    """Chances after a judge has seen some of the answers; the answers exclude each other."""
    if not verdicts:
        return dict(chances)
    odds = {}
    for answer, chance in chances.items():
        verdict = min(max(verdicts.get(answer, 0.5), _DOUBT), 1 - _DOUBT)
        odds[answer] = chance * verdict / (1 - verdict)
    none = max(0.0, 1 - sum(chances.values()))
    total = sum(odds.values()) + none
    return {answer: each / total for answer, each in odds.items()}
