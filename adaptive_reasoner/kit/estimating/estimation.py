"""From single samples to outcomes: what a call, a vote or a best-of-k would score and cost, unbiased."""

import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np

from adaptive_reasoner.action_names import choice_action, vote_action
from adaptive_reasoner.arrays import Floats, Ints
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.estimating.consensus import Labels
from adaptive_reasoner.kit.estimating.judge_quality import measure_judge
from adaptive_reasoner.kit.estimating.unlabelled import estimated_by_scores, estimated_without_labels
from adaptive_reasoner.kit.estimating.votes_allowed import Sizes, check_comparable, sizes_allowed
from adaptive_reasoner.kit.estimating.voting import Shared, answer_codes, best_of_k, vote_accuracy, vote_cost
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.kit.tables.outcome_parts import Halves

_STACKED = ("correct", "cost", "tokens", "seconds", "logprob")
_COLUMNS = (*_STACKED, "score")


def estimate(
    samples: Samples,
    *,
    votes: Sizes | None = None,
    best_of: Sizes = (),
    labels: Labels = "auto",
    reward: str | None = None,
    seed: int = 0,
) -> Outcomes:
    """Accuracy and cost of every action that can be estimated from the samples.

    A source `cot` gives the actions `cot` (a vote of one), `cot_vote_3`, .. and `cot_best_of_3`, .. A vote
    costs what it costs online, where it stops once it is decided; a best-of-k costs k samples. Where one
    request pays its prompt for several samples (`samples_per_request`), those that start together share it.
    Failed calls are no samples, but were paid for: their cost is spread over the question's other replies. A
    question that has too few usable replies, because calls failed, is left out with a warning.

    Where there are two samples or more, each action is also estimated on two halves of them, drawn at random
    once a question and source, so that an oracle can choose on one half and be scored on the other.

    Args:
        samples: Single replies.
        votes: Sizes of the plurality votes; a mapping gives each source its own. By default those of 1, 3
            and 5 for which every question has samples; only 1 where replies are free text.
        best_of: Sizes k of the choices by `score`; a mapping gives each source its own.
        labels: What stands in for right answers where they are missing: the `"consensus"` of the replies,
            what a `"judge"` said (how often it prefers a reply to those of other sources, or else its
            verdicts), or the better of those that are there (`"auto"`). Known right answers are used in any
            case; they also correct the estimates of the other questions, action by action. `"gold"` refuses
            samples without them.
        reward: Take the `score` of replies instead, as a reward model or users gave it. This is the name of
            what it counts, such as `"stars"`: accuracies, gains and prices are then in that unit.
        seed: Of the halves, and of the orders over which the cost of votes is averaged.

    Raises:
        OutcomesError: A size is larger than some question's number of samples (no unbiased estimate
            exists), a score is missing, a source is unknown, or no question has replies from all sources. Or
            more than half of the samples that are to vote are free text, which offers nothing to compare.

    Example:
        >>> row = dict(question_id="q", question="6 * 7", source="cot", cost=10, cost_unit="tokens")
        >>> outcomes = estimate(
        ...     Samples.from_rows(
        ...         {**row, "sample": i, "answer": answer, "correct": float(answer == "42")}
        ...         for i, answer in enumerate(["42", "13", "42"])
        ...     ),
        ...     votes=(1, 3),
        ... )
        >>> outcomes.actions, outcomes.accuracy.round(3).tolist(), outcomes.cost.round(3).tolist()
        (('cot', 'cot_vote_3'), [[0.667, 1.0]], [[10.0, 26.667]])
    """
    check_argument(samples, "Samples", "estimate")
    left_out: list[str] = []
    if votes is None:
        votes, left_out = sizes_allowed(samples)
    measure = partial(_of_graded, votes=votes, best_of=best_of, seed=seed)
    if reward is not None:
        outcomes = estimated_by_scores(samples, measure, reward)
    elif samples.ungraded:
        outcomes = estimated_without_labels(samples, labels, partial(measure, halved=False))
    else:
        outcomes = measure(samples)
    for note in left_out:
        warnings.warn(note, stacklevel=2)
    judge = measure_judge(samples) if reward is None else None
    return outcomes if judge is None else replace(outcomes, judge_quality=judge.as_dict())


def _of_graded(samples: Samples, *, votes: Sizes, best_of: Sizes, seed: int, halved: bool = True) -> Outcomes:
    """Outcomes of samples that are graded throughout, with halves or without them; see `estimate`."""
    for sizes in (votes, best_of):
        unknown = set(sizes) - set(samples.sources) if isinstance(sizes, Mapping) else set()
        if unknown:
            raise OutcomesError(f"no source {min(unknown)!r}; there are {', '.join(samples.sources)}")
    plans = [plan for source in samples.sources for plan in _plans(source, votes, best_of)]
    if not plans:
        raise OutcomesError("no sizes: give `votes` or `best_of` at least one")
    sources = tuple(dict.fromkeys(plan.source for plan in plans))
    check_comparable(samples, dict.fromkeys(plan.source for plan in plans if plan.votes))
    largest = {source: max(plan.size for plan in plans if plan.source == source) for source in sources}
    samples = _complete(samples, largest)
    parts: list[list[Floats]] = [[], [], []] if halved else [[]]  # of all replies, and of either half of them
    counts = []
    for source in sources:
        own = [plan for plan in plans if plan.source == source]
        replies = [Replies.of(samples, question_id, source) for question_id in samples.question_ids]
        _check(own, replies, samples.question_ids)
        rng = np.random.default_rng([seed, zlib.crc32(source.encode())])
        halves = zip(*(several.halves(rng) for several in replies), strict=True) if halved else ()
        for part, taken in zip(parts, (replies, *halves), strict=True):
            part.append(_measured(own, taken, seed))
        counts.append(np.array([[len(several)] * len(own) for several in replies]))
    (accuracy, cost), *either = (np.concatenate(part, axis=2) for part in parts)
    known = any(np.isfinite(measured).any() for measured, _ in either)
    return Outcomes(
        question_ids=np.array(samples.question_ids, dtype=object),
        questions=np.array(samples.questions, dtype=object),
        actions=tuple(plan.action for plan in plans),
        accuracy=accuracy,
        cost=cost,
        cost_unit=samples.cost_unit,
        samples=np.concatenate(counts, axis=1),
        groups=None if samples.groups is None else np.array(samples.groups, dtype=object),
        halves=Halves(*(half[at] for at in (0, 1) for half in either)) if known else None,
        counts=samples.counts,
    )


@dataclass(frozen=True)
class _Plan:
    """An action to estimate: `size` samples of `source`, joined by a vote or by a scorer."""

    source: str
    size: int
    scored: bool

    @property
    def votes(self) -> bool:
        """Whether several samples are compared with each other."""
        return self.size > 1 and not self.scored

    @property
    def action(self) -> str:
        return (choice_action if self.scored else vote_action)(self.source, self.size)


def _plans(source: str, votes: Sizes, best_of: Sizes) -> list[_Plan]:
    plans = []
    for sizes, scored in ((votes, False), (best_of, True)):
        own = sizes.get(source, ()) if isinstance(sizes, Mapping) else sizes
        for size in sorted(set(own)):
            if size < 1:
                raise OutcomesError(f"a vote or choice among {size} samples: at least 1 is needed")
            plans.append(_Plan(source, size, scored))
    return plans


def _complete(samples: Samples, sizes: Mapping[str, int]) -> Samples:
    """The questions with enough replies for the largest vote of each source, despite failed calls."""
    lacking = {
        at: source
        for at, question_id in enumerate(samples.question_ids)
        for source, size in sizes.items()
        if _lacks(samples, question_id, source, size)
    }
    if not lacking:
        return samples
    at, source = next(iter(lacking.items()))
    usable = len(samples.votes(samples.question_ids[at], source))
    reason = (
        f"question {samples.question_ids[at]!r} has {usable} usable samples of source {source!r}, "
        f"where {sizes[source]} are needed"
    )
    if len(lacking) == len(samples):
        raise OutcomesError(f"no question is complete: {reason}{_way_out(samples, sizes)}")
    warnings.warn(f"left out {len(lacking)} of {len(samples)} questions: {reason}", stacklevel=4)
    return samples.select([at for at in range(len(samples)) if at not in lacking])


def _way_out(samples: Samples, sources: Iterable[str]) -> str:
    """What to do where each question has replies of other sources, as in logs."""
    asked = Counter(source for _, source in samples.replies)
    if all(count == len(samples) for count in asked.values()):
        return ""
    counts = ", ".join(f"{source} {asked[source]}" for source in sources)
    one = next(iter(sources))
    return (
        f". Of {len(samples)} questions each source has replied to these: {counts}. Sample what they lack "
        f"(`adaptive-reasoner import FILE --plan` prices it), or estimate one source (--votes '{one}=1')"
    )


def _lacks(samples: Samples, question_id: str, source: str, size: int) -> bool:
    """Whether failed calls are why there are too few; too few calls are the caller's mistake."""
    usable, made = len(samples.votes(question_id, source)), len(samples.of(question_id, source))
    return usable == 0 or usable < size <= made


@dataclass(frozen=True, eq=False)
class Replies:
    """The replies to one question from one source that did not fail, as columns of length n.

    Attributes:
        answers: What each answered; None for no answer.
        correct: How right each was.
        cost: What each cost, with its share of what the question's failed calls cost.
        score: What a scorer gave it; NaN if there was none.
        tokens: Tokens generated; NaN if unknown.
        seconds: From request to reply; NaN if unknown.
        logprob: Mean log-probability of its tokens; NaN if unknown.
        prompt: The mean part of a cost that samples of one request share; 0 where they do not.
        shared_by: How many do.
    """

    answers: Sequence[str | None]
    correct: Floats
    cost: Floats
    score: Floats
    tokens: Floats
    seconds: Floats
    logprob: Floats
    prompt: float = 0.0
    shared_by: int = 1

    @classmethod
    def of(cls, samples: Samples, question_id: str, source: str) -> Self:
        """The replies in a table of samples.

        Raises:
            OutcomesError: There are none.
        """
        usable = samples.votes(question_id, source)
        if not usable:
            raise OutcomesError(f"question {question_id!r} has no usable sample of source {source!r}")
        failed = sum(reply.cost for reply in samples.of(question_id, source) if reply.error is not None)

        def column(name: str) -> Floats:
            return np.array([getattr(reply, name) for reply in usable], dtype=np.float64)  # None becomes NaN

        prompts = [reply.prompt_cost for reply in usable if reply.prompt_cost is not None]
        return cls(
            answers=[reply.answer for reply in usable],
            correct=column("correct"),
            cost=column("cost") + failed / len(usable),
            score=column("score"),
            tokens=column("completion_tokens"),
            seconds=column("seconds"),
            logprob=column("logprob"),
            prompt=sum(prompts) / len(prompts) if prompts else 0.0,
            shared_by=max(int(reply.samples_per_request or 1) for reply in usable),
        )

    def __len__(self) -> int:
        return len(self.answers)

    def halves(self, rng: np.random.Generator) -> tuple[Self, Self]:
        """Two halves at random, disjoint; both empty when there is only one reply."""
        order, middle = rng.permutation(len(self)), len(self) // 2
        return self._take(order[:middle]), self._take(order[middle:] if middle else order[:0])

    def _take(self, index: Ints) -> Self:
        columns = {name: getattr(self, name)[index] for name in _COLUMNS}
        return replace(self, answers=[self.answers[at] for at in index], **columns)


def _check(plans: Sequence[_Plan], replies: Sequence[Replies], question_ids: Sequence[str]) -> None:
    source, largest = plans[0].source, max(plan.size for plan in plans)
    scored = any(plan.scored for plan in plans)
    for several, question_id in zip(replies, question_ids, strict=True):
        name = f"question {question_id!r}, source {source!r}"
        if len(several) < largest:
            raise OutcomesError(
                f"{name}: {largest} samples are needed to estimate a vote of {largest}, there are "
                f"{len(several)}; ask for smaller votes, or collect more"
            )
        if scored and np.isnan(several.score).any():
            raise OutcomesError(f"{name}: a reply has no score to choose by")


@dataclass(frozen=True, eq=False)
class SampleGroup:
    """The replies to some questions, n each, that did not fail.

    Attributes:
        rows: Positions of the q questions in their table, shape (q,).
        replies: By question.
        codes: Answers as numbers, -1 for none, shape (q, n).
        correct: How right each was, shape (q, n).
        cost: In the table's unit, shape (q, n).
        tokens: Tokens generated, NaN where unknown, shape (q, n).
        seconds: From request to reply, NaN where unknown, shape (q, n).
        logprob: Mean log-probability of its tokens, NaN where unknown, shape (q, n).
        shared: The prompts that samples of one wave share.
    """

    rows: Ints
    replies: Sequence[Replies]
    codes: Ints
    correct: Floats
    cost: Floats
    tokens: Floats
    seconds: Floats
    logprob: Floats
    shared: Shared

    @property
    def size(self) -> int:
        """How many replies each question has."""
        return int(self.codes.shape[1])

    def vote_accuracy(self, sizes: Sequence[int], *, as_run: bool = False) -> Floats:
        """Expected accuracy of votes of these sizes, shape (q, len(sizes)); see `voting.vote_accuracy`."""
        each = [(several.answers, several.correct) for several in self.replies]
        return np.array([vote_accuracy(*ballot, sizes, as_run=as_run) for ballot in each])

    def right(self) -> Floats:
        """How right each answer is, that of no answer last, shape (q, answers + 1)."""
        table = np.zeros((len(self.codes), int(self.codes.max(initial=0)) + 2))
        for row, (codes, correct) in enumerate(zip(self.codes, self.correct, strict=True)):
            for code in set(codes.tolist()):
                table[row, code] = correct[codes == code].mean()
        return table


def groups_of(replies: Sequence[Replies]) -> list[SampleGroup]:
    """The replies to questions, in groups of questions that have equally many; those without any left out."""
    counts, groups = np.array([len(several) for several in replies]), []
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        block = [replies[row] for row in rows.tolist()]
        prompt = np.array([several.prompt for several in block])
        by = np.array([several.shared_by for several in block])
        groups.append(
            SampleGroup(
                rows=rows,
                replies=block,
                codes=np.stack([answer_codes(several.answers) for several in block]),
                **{name: np.stack([getattr(several, name) for several in block]) for name in _STACKED},
                shared=Shared(prompt, by) if ((prompt > 0) & (by > 1)).any() else Shared.nothing(len(block)),
            )
        )
    return groups


def _measured(plans: Sequence[_Plan], replies: Sequence[Replies], seed: int) -> Floats:
    """Accuracy and cost, shape (2, n, plans); NaN where there are fewer replies than a plan needs."""
    table = np.full((2, len(replies), len(plans)), np.nan)
    for group in groups_of(replies):
        for scored, measure in ((False, _votes), (True, _choices)):
            columns = [p for p, plan in enumerate(plans) if plan.scored == scored and plan.size <= group.size]
            if columns:
                table[:, group.rows[:, None], columns] = measure(
                    group, [plans[p].size for p in columns], seed
                )
    return table


def _votes(group: SampleGroup, sizes: Sequence[int], seed: int) -> tuple[Floats, Floats]:
    cost = vote_cost(group.codes, group.cost, sizes, shared=group.shared, seed=seed)
    return group.vote_accuracy(sizes, as_run=True), cost


def _choices(group: SampleGroup, sizes: Sequence[int], _: int) -> tuple[Floats, Floats]:
    accuracy = np.array([best_of_k(several.correct, several.score, sizes) for several in group.replies])
    return accuracy, group.cost.mean(axis=1, keepdims=True) * sizes - group.shared.saved_at_once(sizes)
