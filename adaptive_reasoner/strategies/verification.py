"""Ways to answer that judge replies: the best of several, and a cascade from a cheap flow to a strong one."""

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isnan
from typing import Any, Protocol, runtime_checkable

from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.answers.base import Comparison
from adaptive_reasoner.answers.extraction import final_answer, last_match
from adaptive_reasoner.answers.grouping import Key
from adaptive_reasoner.lazy_pattern import pattern
from adaptive_reasoner.models.replies import Reply, refused
from adaptive_reasoner.models.source import ChatModel, Request, Source, chat_model, question_of
from adaptive_reasoner.strategies.flow import (
    Answer,
    Flow,
    NothingArrivedError,
    Steps,
    Task,
    check_flow,
    check_samples,
    checked_key,
    each_request,
    gives_up,
    sample_price,
    usable_messages,
    votes_of,
)
from adaptive_reasoner.strategies.stop_rules import Persistent, RetryRule

_NUMBER = pattern(r"-?\d+(?:\.\d+)?")
_SCORE = pattern(rf"\bscore\b(?:\s+(?:of|is))?[\s:=*_]*({_NUMBER.pattern})", re.IGNORECASE)

Score = Callable[[str, AIMessage], float]
"""From the question and a reply to how good it is; more is better."""


def _judge_prompt(question: str, reply: str) -> str:
    return (
        f"Question:\n{question}\n\nProposed answer:\n{reply}\n\n"
        "How likely is the proposed answer to be right? Check it, then end with a line `Score: N`, "
        "where N is a number from 0 (certainly wrong) to 10 (certainly right)."
    )


def _last_score(message: AIMessage) -> float | None:
    """The last `Score: N`, also where it reads `8/10`; without one the last number."""
    score = last_match(message.text, _SCORE, _NUMBER)
    return None if score is None else float(score)


@dataclass(frozen=True)
class Judge:
    """A chat model that scores replies; its calls are billed like all others.

    Args:
        model: The judge or its name, or a `Source` that says how to call it.
        prompt: Makes the judge's prompt from question and reply; by default one that asks for 0 to 10.
        read: Finds the score in what the judge says; by default N of its last `Score: N`, or its
            last number. None for no score.
    """

    model: Source | ChatModel | str
    prompt: Callable[[str, str], str] = _judge_prompt
    read: Callable[[AIMessage], float | None] = _last_score

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", chat_model(self.model))

    def scores(self, question: str, messages: Sequence[AIMessage]) -> "_Scores":
        """Ask for a score of each message; minus infinity where the judge gives none."""
        source = self.model if isinstance(self.model, Source) else Source(self.model)
        replies = yield [
            Request(
                [HumanMessage(self.prompt(question, message.text or final_answer(message) or ""))],
                source=source,
                hidden_sample=True,
                auxiliary=True,
            )
            for message in messages
        ]
        read = [None if reply.message is None else self.read(reply.message) for reply in replies]
        unasked = [None] * (len(messages) - len(read))  # no time was left for these
        return [-inf if score is None else score for score in [*read, *unasked]]


@dataclass(frozen=True)
class Checker:
    """A test that says whether a reply is right: the first it accepts ends the search.

    Args:
        accepts: From the question and a reply to whether it is right.
        retries: Whether another try is worth its price; by default all are made.
    """

    accepts: Callable[[str, AIMessage], bool]
    retries: RetryRule = field(default_factory=Persistent)


_Scores = Generator[Sequence[Request], Sequence[Reply], list[float]]


@runtime_checkable
class RepliesScorer(Protocol):
    """A scorer that sees all replies at once, and may ask a model."""

    def scores(self, question: str, messages: Sequence[AIMessage]) -> _Scores:
        """Yield what to ask, and return a score of each message; minus infinity for none."""


Scorer = Score | RepliesScorer


def best_of_n(samples: int, scorer: Scorer | Checker, *, key: Key | None = None) -> Flow:
    """Draw up to `samples` replies and answer with the one that is judged best.

    A scorer sees all of them, drawn side by side; a checker sees one after another, and stops at the first
    it accepts. Refusals are never the best while anything else arrived; equal scores go to the first.

    Args:
        samples: The most replies to draw.
        scorer: A function of question and reply, a `Judge`, a scorer over all replies such as
            `central(encoder)`, or a `Checker`.
        key: Finds the answer in the reply; by default that of the question.
    """
    check_samples(samples, f"the best of {samples}")
    own = checked_key(key)
    _check_scorer(scorer)
    if isinstance(scorer, Checker):
        return _first_accepted(samples, scorer, own)

    def flow(task: Task) -> Steps:
        replies = yield [Request(task.messages, hidden_sample=samples > 1)] * samples
        messages = usable_messages(replies)
        scores = yield from _scored(scorer, question_of(task.messages), messages)
        best = max(range(len(messages)), key=lambda at: (not refused(messages[at]), scores[at]))
        (value,) = yield from votes_of([messages[best]], own, task)
        return Answer(messages[best], value, score=scores[best] if scores[best] > -inf else None)

    return flow


def cascade(
    cheap: Flow, strong: Flow, accept: float | Callable[[Answer], bool], *, scorer: Scorer | None = None
) -> Flow:
    """Answer with `cheap` if its answer is accepted, else with `strong`.

    Where one of the two fails, the answer is the other's.

    Args:
        cheap: Tried first: a vote, for its agreement to tell something.
        strong: Tried where the cheap answer is not accepted.
        accept: A function of the cheap answer; or the least agreement, or with a `scorer` the least score,
            that is accepted.
        scorer: A function of question and reply, or a `Judge`, that scores the cheap answer.

    Example:
        >>> from adaptive_reasoner import self_consistency, single_pass
        >>> flow = cascade(self_consistency(3), single_pass(), accept=0.6)
    """
    if not callable(accept) and scorer is None and not 0 <= accept <= 1:
        raise ValueError(f"accept must be in [0, 1], not {accept}")

    check_flow(strong, "the strong strategy")
    if scorer is not None:
        _check_scorer(scorer)
    tried = each_request(cheap, lambda request: replace(request, hidden_sample=True))

    def flow(task: Task) -> Steps:
        try:
            first = yield from tried(task)
        except NothingArrivedError:
            return (yield from strong(task))
        if scorer is not None:
            (score,) = yield from _scored(scorer, question_of(task.messages), [first.message])
            first = Answer(first.message, first.value, first.agreement, first.votes, score)
        if _accepted(first, accept, scored=scorer is not None):
            return first
        try:
            return (yield from strong(task))
        except NothingArrivedError:
            return first

    return flow


def _first_accepted(samples: int, checker: Checker, key: Comparison | None) -> Flow:
    def flow(task: Task) -> Steps:
        question, replies = question_of(task.messages), list[Reply]()
        while wave := checker.retries.wave(len(replies), samples, sample_price(task, replies)):
            drawn = yield [Request(task.messages, hidden_sample=samples > 1)] * wave
            replies += drawn
            if gives_up(replies, drawn):
                break
            for reply in drawn:
                if reply.message is not None and checker.accepts(question, reply.message):
                    (value,) = yield from votes_of([reply.message], key, task)
                    return Answer(reply.message, value, score=1.0)
        first = usable_messages(replies)[0]
        (value,) = yield from votes_of([first], key, task)
        return Answer(first, value, agreement=0.0, score=0.0)

    return flow


def _check_scorer(scorer: Any) -> None:
    """Refuse what scores nothing, before replies are paid that it should score.

    Raises:
        TypeError: It is something else.
    """
    scores = scorer.accepts if isinstance(scorer, Checker) else scorer
    if not (callable(scores) or isinstance(scores, RepliesScorer)):
        raise TypeError(
            "a scorer is a function of question and reply, a Judge, central(encoder) or a Checker of such a "
            f"function, not {scorer!r}"
        )


def _scored(scorer: Scorer, question: str, messages: Sequence[AIMessage]) -> _Scores:
    if isinstance(scorer, RepliesScorer):
        return (yield from scorer.scores(question, messages))
    scores = [float(scorer(question, message)) for message in messages]
    return [-inf if isnan(score) else score for score in scores]


def _accepted(answer: Answer, accept: float | Callable[[Answer], bool], *, scored: bool) -> bool:
    if callable(accept):
        return accept(answer)
    found = answer.score if scored else (answer.agreement if answer.value is not None else 0.0)
    return found is not None and found >= accept
