"""The first answer of the cheapest action: features of a question, and what each action then costs.

It is bought for every question, so it is measured by backtests and not shipped; the looks that are bought
where they pay are those of `kit.learning.fitted_looks`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from adaptive_reasoner.action_names import vote_of_action
from adaptive_reasoner.arrays import Floats, Matrix
from adaptive_reasoner.kit.estimating.estimation import Replies
from adaptive_reasoner.kit.estimating.voting import vote_accuracy
from adaptive_reasoner.kit.learning.encoders import Encoder, VectorCache
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Sample, Samples
from adaptive_reasoner.policy.features import SURFACE_FEATURES, surface_features

SEEN = (
    "likeness",  # cosine of answer and question
    "repeated",  # 1 where the question contains the answer
    "unanswered",  # 1 where no answer could be read, or the call failed
    "cost",  # log of what the look cost
    "reply_tokens",  # log of their number, where known
    "score",  # a scorer's or the log-probability, where known
    "scored",  # 1 where it is known
)
"""What is seen of an answer besides its vector and its surface, in this order."""


@dataclass(frozen=True, eq=False)
class FirstLook:
    """Questions with the first answer of the cheapest action, whose cost is included.

    Attributes:
        source: What was sampled.
        outcomes: What each action still to be chosen scores, and costs together with the look, shape (n, k).
            Keeping that answer costs nothing more; a vote of the same source counts it.
        features: Vectors of question and answer, together of length 1, then surface features of both,
            then `SEEN`; shape (n, width).
        vector: How many of them are the vectors.
    """

    source: str
    outcomes: Outcomes
    features: Matrix
    vector: int


def look_first(
    samples: Samples,
    outcomes: Outcomes,
    features: Matrix,
    encoder: Encoder,
    *,
    cache: VectorCache | None = None,
) -> FirstLook | None:
    """Look at the first answer of the cheapest action to each question.

    Args:
        samples: The replies behind `outcomes`.
        outcomes: A table whose actions are named as `estimate` names them.
        features: Of the questions, as `feature_matrix` makes them.
        encoder: Whose vectors `features` holds.
        cache: Keeps vectors between calls; the user's cache when None.

    Returns:
        None where the cheapest action is not a single reply of a source, or was not sampled for a question.
    """
    cheapest = int(outcomes.cost.mean(axis=0).argmin())
    source = outcomes.actions[cheapest]
    ids = outcomes.question_ids.tolist()
    if source not in samples.sources or not all(samples.votes(question_id, source) for question_id in ids):
        return None
    first = [samples.of(question_id, source)[0] for question_id in ids]
    spent = np.array([reply.cost for reply in first])
    accuracy, cost = outcomes.accuracy.copy(), outcomes.cost + spent[:, None]
    accuracy[:, cheapest], cost[:, cheapest] = [reply.correct for reply in first], spent
    replies = [Replies.of(samples, question_id, source) for question_id in ids]
    for column, action in enumerate(outcomes.actions):
        vote = vote_of_action(action)
        if vote and vote[0] == source:
            accuracy[:, column] = _votes_with_first(replies, first, outcomes.accuracy[:, column], vote[1])
            mean = np.array([several.cost.mean() for several in replies])
            cost[:, column] = np.maximum(outcomes.cost[:, column] + spent - mean, spent)
    seen = _seen(first, outcomes.questions.tolist(), features, cache or VectorCache(encoder), encoder)
    return FirstLook(
        source=source,
        outcomes=replace(outcomes, accuracy=accuracy, cost=cost, halves=None),
        features=seen,
        vector=2 * (features.shape[1] - len(SURFACE_FEATURES)),
    )


def _votes_with_first(
    replies: Sequence[Replies], first: Sequence[Sample], accuracy: Floats, size: int
) -> Floats:
    """Expected accuracy of a vote that the first sample is part of, exactly; shape (n,).

    Of all votes of k among n samples k/n hold the first, and the others are the votes of the n - 1 others:
    what all score is known, what the others score is, and so is the rest. A call that failed is no vote.
    """
    held = accuracy.copy()
    for row, (several, reply) in enumerate(zip(replies, first, strict=True)):
        n = len(several)
        if reply.error is not None or size > n:
            continue
        others = 0.0
        if size < n:
            others = float(vote_accuracy(several.answers[1:], several.correct[1:], (size,), as_run=True)[0])
        with_first = (n * accuracy[row] - (n - size) * others) / size
        held[row] = np.clip(with_first, several.correct.min(), several.correct.max())  # against rounding
    return held


def _seen(
    first: Sequence[Sample], questions: Sequence[str], features: Matrix, cache: VectorCache, encoder: Encoder
) -> Matrix:
    vector = features.shape[1] - len(SURFACE_FEATURES)
    answers = [reply.answer or "" for reply in first]
    answered = [at for at, answer in enumerate(answers) if answer]
    vectors = np.zeros((len(answers), vector), dtype=np.float32)
    vectors[answered] = cache.vectors([answers[at] for at in answered])
    surface = np.stack([surface_features(answer, encoder.count_tokens(answer)) for answer in answers])
    known = [
        (
            float(answered_by @ asked),
            bool(answer) and answer.strip().lower() in question.lower(),
            reply.answer is None,
            np.log1p(reply.cost),
            np.log1p(reply.completion_tokens or 0.0),
            reply.score or 0.0,
            reply.score is not None,
        )
        for reply, answer, question, answered_by, asked in zip(
            first, answers, questions, vectors, features[:, :vector], strict=True
        )
    ]
    both = np.hstack([features[:, :vector], vectors]) / np.sqrt(2)
    return np.hstack([both, features[:, vector:], surface, np.array(known)]).astype(np.float32)
