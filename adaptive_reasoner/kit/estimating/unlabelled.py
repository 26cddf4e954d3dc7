"""Outcomes of samples that have no right answers, or not enough: estimated, or by a reward instead."""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite, isnan

import numpy as np

from adaptive_reasoner.arrays import Bools, Floats, Ints
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.estimating.consensus import Labels, evidence_for, graded_by, is_free_text
from adaptive_reasoner.kit.estimating.correction import FEWEST_LABELS, corrected
from adaptive_reasoner.kit.estimating.preferences import keyed_replies
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.outcome_parts import Estimated

Measure = Callable[[Samples], Outcomes]
"""Makes outcomes of samples that are graded throughout; without halves where these are not measured."""


def estimated_without_labels(samples: Samples, labels: Labels, measure: Measure) -> Outcomes:
    """Estimates for questions without right answers, corrected by those that have them.

    Raises:
        OutcomesError: Right answers are asked for, or there is nothing to estimate by.
    """
    if labels == "gold":
        raise OutcomesError(
            f"{samples.ungraded} replies are not graded, because their right answers are not known; "
            "labels='consensus' estimates them, and "
            "`samples.graded({question: right answer, ...})` keeps the questions that are known"
        )
    evidence = evidence_for(samples, labels)
    if evidence == "consensus":
        _check_agreement(samples)
    by_chance = graded_by(samples, evidence)
    guessed = measure(by_chance)
    there = set(guessed.question_ids)
    complete = samples.select(np.array([name in there for name in samples.question_ids]))
    labelled, known = complete.labels > 0, guessed.accuracy.copy()
    at_random = _checked(complete) & ~complete.chosen
    if labelled.any():
        known[labelled] = measure(complete.filled(by_chance).select(labelled)).accuracy
    accuracy = corrected(guessed.accuracy, known, at_random)
    errors = _errors(known, accuracy, labelled, at_random, samples=guessed.samples)
    estimated = Estimated(complete.labels, at_random, accuracy, errors)
    filled = np.where(labelled[:, None], known, accuracy)
    return replace(guessed, accuracy=filled, estimated=estimated)


def estimated_by_scores(samples: Samples, measure: Measure, unit: str) -> Outcomes:
    """Outcomes whose accuracy is the score of the replies, in its own unit.

    Scores are moved to [0, 1] to be measured, and back. That loses nothing, as what is measured are means.

    Raises:
        OutcomesError: A reply has no score.
    """
    scores = []
    for (question_id, source, sample), reply in keyed_replies(samples):
        if reply.score is None or not isfinite(reply.score):
            raise OutcomesError(
                f"a reward of {unit} is the score of every reply, and question {question_id!r}, source "
                f"{source!r}, sample {sample} has {'none' if reply.score is None else reply.score}"
            )
        scores.append(reply.score)
    low = min(scores, default=0.0)
    span = max(scores, default=0.0) - low or 1.0
    replies = {
        pair: tuple(
            replace(reply, correct=0.0 if reply.error else ((reply.score or 0.0) - low) / span)
            for reply in several
        )
        for pair, several in samples.replies.items()
    }
    outcomes = measure(replace(samples, replies=replies))
    halves = outcomes.halves
    if halves is not None:
        back = {f"accuracy_{half}": low + span * getattr(halves, f"accuracy_{half}") for half in "ab"}
        halves = replace(halves, **back)
    return replace(outcomes, accuracy=low + span * outcomes.accuracy, halves=halves, accuracy_unit=unit)


def _check_agreement(samples: Samples) -> None:
    """Refuse a consensus of replies that never agree.

    Raises:
        OutcomesError: Most have no answer to compare, no two are the same, or every question has a single
            reply, and too few have a right answer to tell how often such a reply is right.
    """
    compared, agree = 0, 0
    for question_id in samples.question_ids:
        replies = [reply.answer for source in samples.sources for reply in samples.votes(question_id, source)]
        answers = [answer for answer in replies if answer is not None]
        compared += len(answers) > 1
        agree += len(set(answers)) < len(answers)
    if is_free_text(samples):
        reason = "most replies have no answer that could be compared"
    elif compared >= FEWEST_LABELS and not agree:
        reason = f"no two replies to any of {compared} questions are the same"
    elif not compared and ((samples.labels > 0) & ~samples.chosen).sum() < FEWEST_LABELS:
        raise OutcomesError(
            "no question has two replies with an answer, so there is no consensus to judge them by: collect "
            f"more samples or another source, or label {FEWEST_LABELS} questions drawn at random "
            "(`adaptive-reasoner label --random 1`)"
        )
    else:
        return
    raise OutcomesError(f"{reason}, so their consensus tells nothing: {_instead_of_consensus(samples)}")


def _instead_of_consensus(samples: Samples) -> str:
    """What to do with replies that cannot be compared with each other."""
    replies = [reply for _, reply in keyed_replies(samples)]
    if all(reply.score is not None for reply in replies):
        return "take their scores, with reward='score' (--reward score)"
    judge = 'let a judge compare them (`adaptive-reasoner regrade` with kind = "preference" under [grader])'
    if len(samples.sources) < 2:
        judge = f"all are of source {samples.sources[0]!r}; add those of another, then {judge}"
    elif any(reply.answer is None for reply in replies):
        judge = f'collect them again with kind = "preference", which keeps their texts, then {judge}'
    return f"{judge}, or give each a score and take that with reward='score' (--reward score)"


def _checked(samples: Samples) -> Bools:
    """Of which questions every source has a reply that was graded, shape (n,).

    Of the others some actions rest on estimates alone, which tell nothing of how far estimates are off.
    """
    return np.array(
        [
            all(
                any(not isnan(reply.correct) for reply in samples.votes(question_id, source))
                for source in samples.sources
            )
            for question_id in samples.question_ids
        ]
    )


def _errors(known: Floats, accuracy: Floats, labelled: Bools, at_random: Bools, *, samples: Ints) -> Floats:
    """Standard errors: of the samples where labels are known, else of the estimates as labels show it."""
    sampled = np.sqrt(known * (1 - known) / samples)
    doubt = np.sqrt(accuracy * (1 - accuracy))
    if at_random.sum() >= FEWEST_LABELS:
        missed = (known[at_random] - accuracy[at_random]) ** 2
        doubt = np.broadcast_to(np.sqrt(missed.mean(axis=0)), accuracy.shape)
    return np.where(labelled[:, None], sampled, doubt)
