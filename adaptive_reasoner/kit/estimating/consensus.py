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
from adaptive_reasoner.kit.estimating.preferences import ReplyKey, keyed_replies, win_rates
from adaptive_reasoner.kit.samples import Sample, Samples

Evidence = Literal["consensus", "both", "verdicts", "preferences"]
Labels = Literal["gold", "consensus", "judge", "auto"]

_ROUNDS = 10  # of weighing sources by their agreement; the weights settle within five
_SHARPNESS = 1.5  # the likelier answer is likelier still than its share of the weight says
_COST_WEIGHT = 2.0  # what a source e times as expensive weighs more, before any reply was seen
_FREE = 0.1  # what a source without cost is taken to cost, of the cheapest that has one
_TRUST = (0.02, 0.98)  # no source is taken to be always wrong or always right
_CHOICES = 4.0  # answers a wrong source may give instead of the right one, about
_LEAST_WEIGHT = 0.1
_DOUBT = 0.02  # a judge is never certain


def right_answers(samples: Samples, *, by: Literal["consensus", "both"] = "both") -> list[dict[str, float]]:
    """Probability that each answer is right, question by question, without any right answer.

    Every source votes with the shares of its answers. A source weighs the more, the more expensive it is
    (people pay for models and prompts that are better) and the more often the weighted vote agrees with it;
    both are found together, in a few rounds. Verdicts of a judge, where the samples have them, multiply the
    odds (`by="both"`).

    Args:
        samples: Replies, of one source or several.
        by: What is believed: the agreement of the replies, or a judge's verdicts too.

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
    chances = _weighed(shares, _prior(samples))
    if by == "consensus":
        return chances
    return [
        _judged(chance, _verdicts(samples, question_id))
        for chance, question_id in zip(chances, samples.question_ids, strict=True)
    ]


def evidence_for(samples: Samples, labels: Labels) -> Evidence:
    """What to believe: what was asked for or, for `"auto"`, what predicts the known right answers best.

    A judge that is no better than the consensus is not used, and a warning says so. Without enough labelled
    replies that the judge has seen, it is believed: its preferences alone, its verdicts beside the consensus.

    Raises:
        OutcomesError: `labels="judge"`, and no reply has a verdict or preference.
        ValueError: There is no such way.
    """
    if labels not in get_args(Labels):
        raise ValueError(f"labels is one of {', '.join(get_args(Labels))}, not {labels!r}")
    replies = list(keyed_replies(samples))
    judged: dict[Evidence, list[ReplyKey]] = {
        "preferences": [key for key, reply in replies if reply.preferred_over is not None],
        "verdicts": [key for key, reply in replies if reply.verdict is not None],
    }
    seen = next((by for by, keys in judged.items() if keys), None)
    if labels == "judge" and seen is None:
        raise OutcomesError(
            "labels='judge' needs verdicts, and no reply has one; "
            "`adaptive-reasoner regrade` asks the judge of a menu, labels='consensus' needs none"
        )
    if labels == "judge" and seen is not None:
        return seen
    if labels == "consensus" or seen is None:
        return "consensus"
    believed: Evidence = seen if seen == "preferences" or is_free_text(samples) else "both"
    truth = {key: reply.correct for key, reply in replies if not isnan(reply.correct)}
    checked = [key for key in judged[seen] if key in truth]
    if len({question_id for question_id, *_ in checked}) < FEWEST_LABELS:
        return believed
    right = np.array([truth[key] for key in checked])
    loss = {}
    for by in ("consensus", believed):
        found = {key: reply.correct for key, reply in keyed_replies(graded_by(samples, by))}
        guess = np.array([found[key] for key in checked])
        if seen == "preferences":  # to win is not to be right: only what they tell of it counts
            guess = _regressed(guess, right)
        loss[by] = float(((guess - right) ** 2).mean())
    if loss[believed] < loss["consensus"]:
        return believed
    warnings.warn(
        f"the judge is not used: with it the mean squared error of the estimates is {loss[believed]:.3f} on "
        f"{len(checked)} replies with right answers, with the consensus alone {loss['consensus']:.3f}",
        stacklevel=4,
    )
    return "consensus"


def with_estimated_grades(samples: Samples, labels: Labels = "auto") -> Samples:
    """The samples, in which replies without a right answer are graded by how likely they are right."""
    if not samples.ungraded:
        return samples
    return samples.filled(graded_by(samples, evidence_for(samples, labels)))


def graded_by(samples: Samples, evidence: Evidence) -> Samples:
    """The samples with every reply graded by what is believed; failed calls score 0.

    Answers that agree have one grade. A reply without an answer to compare has the grade of its own verdict,
    if that is believed, and else 0. What a judge has not seen gets the mean of its source.
    """
    if evidence == "preferences":
        own = win_rates(samples)
        return _graded(samples, own, _means_by_source(own))
    replies = list(keyed_replies(samples))
    verdicts = {key: reply.verdict for key, reply in replies if reply.verdict is not None}
    if evidence == "verdicts":
        shared = {at: _verdicts(samples, at) for at in samples.question_ids}
        of_answer = {key: shared[key[0]].get(r.answer or "", verdicts.get(key)) for key, r in replies}
        return _graded(samples, of_answer, _means_by_source(verdicts))
    chance_of = dict(zip(samples.question_ids, right_answers(samples, by=evidence), strict=True))
    silent = verdicts if evidence == "both" else {}
    own = {
        key: silent.get(key, 0.0) if reply.answer is None else chance_of[key[0]].get(reply.answer, 0.0)
        for key, reply in replies
    }
    return _graded(samples, own, {})


def _graded(
    samples: Samples, grades: Mapping[ReplyKey, float | None], of_source: Mapping[str, float]
) -> Samples:
    def graded(question_id: str, source: str, reply: Sample) -> Sample:
        grade = grades.get((question_id, source, reply.sample))
        right = of_source.get(source, 0.0) if grade is None else grade
        return replace(reply, correct=0.0 if reply.error else right)

    replies = {
        (question_id, source): tuple(graded(question_id, source, reply) for reply in several)
        for (question_id, source), several in samples.replies.items()
    }
    return replace(samples, replies=replies)


def _means_by_source(grades: Mapping[ReplyKey, float]) -> dict[str, float]:
    """The mean grade of each source."""
    by_source: dict[str, list[float]] = {}
    for (_, source, _), grade in grades.items():
        by_source.setdefault(source, []).append(grade)
    return {source: sum(each) / len(each) for source, each in by_source.items()}


def is_free_text(samples: Samples) -> bool:
    """Whether most replies have no answer that could be compared."""
    counted = [samples.nothing_to_compare(source) for source in samples.sources]
    return sum(silent for silent, _ in counted) > sum(total for _, total in counted) / 2


def _regressed(guess: Floats, right: Floats) -> Floats:
    """The least-squares prediction of grades from guesses in other terms."""
    spread = guess - guess.mean()
    size = float((spread**2).sum())
    slope = float((spread * (right - right.mean())).sum()) / size if size > 0 else 0.0
    return np.asarray(right.mean() + slope * spread)


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
    paid = cost > 0
    if not paid.any():
        return np.ones(len(cost))
    cost[~paid] = _FREE * cost[paid].min()
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
