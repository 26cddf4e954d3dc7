"""The decisions in a log of live traffic: one action a question, how likely it was, what came of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isnan, nan
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from adaptive_reasoner.action_names import is_choice
from adaptive_reasoner.arrays import Bools, Floats, Ints, Texts
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.estimating.voting import best_of_k, vote_accuracy
from adaptive_reasoner.kit.samples import Sample, Samples
from adaptive_reasoner.kit.tables.files import PathLike


@dataclass(frozen=True, eq=False)
class Decisions:
    """Questions of live traffic that were answered by one action each, in the order of the log.

    Attributes:
        question_ids: Unique names, shape (n,).
        questions: Texts, shape (n,).
        actions: The actions that were taken, by name, k of them.
        taken: Position in `actions` of the action that each question got, -1 where the log does not say;
            shape (n,).
        propensity: How likely it was to get it, in (0, 1]; NaN where the log does not say, shape (n,).
        score: How right its answer was, in [0, 1]; NaN where it is not graded, shape (n,).
        cost: What it cost, failed calls included, shape (n,).
        cost_unit: Of the costs.
        chosen: Which questions were labelled because their replies differ, shape (n,): they are not like the
            others, so that accuracy is estimated without them.
        policies: Questions that each policy chose for, by its id.
    """

    question_ids: Texts = field(repr=False)
    questions: Texts = field(repr=False)
    actions: tuple[str, ...]
    taken: Ints = field(repr=False)
    propensity: Floats = field(repr=False)
    score: Floats = field(repr=False)
    cost: Floats = field(repr=False)
    cost_unit: str
    chosen: Bools = field(repr=False)
    policies: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.question_ids)

    @classmethod
    def read(cls, path: PathLike) -> Self:
        """Read the log that a node or middleware has written, or its graded copy.

        Raises:
            OutcomesError: As for `Samples.read`.
        """
        return cls.of(Samples.read(path))

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """The decisions behind the replies of a log.

        The replies to one question are one action: a vote is right as its most frequent answer is, a choice
        among scored replies as the best scored one, and where all calls failed there is no answer.

        Example:
            >>> row = dict(question="6 * 7?", source="cot", gold="42", cost=9, cost_unit="tokens")
            >>> log = Samples.from_rows(
            ...     dict(row, question_id=name, sample=0, answer="42", correct=1, action=action, propensity=p)
            ...     for name, action, p in (("a", "cot", 0.99), ("b", "direct", 0.01))
            ... )
            >>> decisions = Decisions.of(log)
            >>> decisions.actions, decisions.propensity.tolist(), decisions.score.tolist()
            (('cot', 'direct'), [0.99, 0.01], [1.0, 1.0])
        """
        check_argument(samples, "Samples", "Decisions.of")
        by_question: dict[str, list[Sample]] = {name: [] for name in samples.question_ids}
        for (name, _), several in samples.replies.items():
            by_question[name].extend(several)
        replies = list(by_question.values())
        took = [_decided(own) for own in replies]
        actions = tuple(dict.fromkeys(action for action, *_ in took if action is not None))
        return cls(
            question_ids=np.array(samples.question_ids, dtype=object),
            questions=np.array(samples.questions, dtype=object),
            actions=actions,
            taken=np.array([-1 if action is None else actions.index(action) for action, *_ in took]),
            propensity=np.array([chance for _, chance, _ in took]),
            score=np.array([_score(action, own) for (action, *_), own in zip(took, replies, strict=True)]),
            cost=np.array([sum(reply.cost for reply in own) for own in replies]),
            cost_unit=samples.cost_unit,
            chosen=np.array([any(reply.label_drawn == "chosen" for reply in own) for own in replies]),
            policies=dict(Counter(policy for *_, policy in took if policy is not None)),
        )

    @cached_property
    def explored(self) -> Bools:
        """Which questions could get another action than they got, and say how likely theirs was, (n,)."""
        return (self.taken >= 0) & (self.propensity < 1)

    @cached_property
    def graded(self) -> Bools:
        """Which questions measure accuracy, shape (n,): graded, and not chosen for a label."""
        return np.isfinite(self.score) & ~self.chosen

    def counts(self) -> dict[str, int]:
        """How many questions each action was taken on."""
        return {name: int((self.taken == at).sum()) for at, name in enumerate(self.actions)}

    def among(self, actions: Sequence[str]) -> Ints:
        """Position among actions of what each question got, -1 where it is none of them, shape (n,)."""
        found = [actions.index(name) if name in actions else -1 for name in self.actions]
        return np.array([*found, -1], dtype=np.intp)[self.taken]

    def select(self, index: ArrayLike) -> Self:
        """The decisions at `index` (positions, or a mask)."""
        rows = np.asarray(index)
        columns = ("question_ids", "questions", "taken", "propensity", "score", "cost", "chosen")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})


def _decided(replies: Sequence[Sample]) -> tuple[str | None, float, str | None]:
    """Action, propensity and policy of a question; none where its rows do not say or do not agree."""
    said = {(reply.action, reply.propensity, reply.policy_id) for reply in replies}
    action, propensity, policy = next(iter(said))
    if len(said) > 1 or action is None:
        return None, nan, None
    return action, nan if propensity is None else propensity, policy


def _score(action: str | None, replies: Sequence[Sample]) -> float:
    """How right the answer that an action makes of its replies is; NaN where one of them is not graded."""
    usable = [reply for reply in replies if reply.error is None]
    if not usable:
        return 0.0
    correct = [reply.correct for reply in usable]
    if any(isnan(each) for each in correct):
        return nan
    if len(usable) == 1:
        return correct[0]
    scores = [reply.score for reply in usable if reply.score is not None]
    if action is not None and is_choice(action) and len(scores) == len(usable):
        return float(best_of_k(correct, scores, [len(usable)])[0])
    return float(vote_accuracy([reply.answer for reply in usable], correct, [len(usable)], as_run=True)[0])
