"""From a reply to the row of a sample: its answer, and how right that is."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Protocol

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import Comparison, Grader
from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.answers.grouping import auto
from adaptive_reasoner.answers.math_equivalence import check_installed
from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.kit.collecting.same_answers import SameAnswers
from adaptive_reasoner.kit.collecting.sample_file import SampleKey
from adaptive_reasoner.kit.collecting.sampler import Drawn
from adaptive_reasoner.kit.collecting.worklist import Attempts
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.menu import Judge, Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.kit.tables.files import Row
from adaptive_reasoner.models.replies import EmptyReplyError, Reply
from adaptive_reasoner.models.usage import Usage

GRADING_FAILED = "grading failed with "
"""How the error of a row begins whose reply came and has no grade."""

_LONGEST_ERROR = 300
_QUICK = ("exact", "numeric", "choice", "json")
_SHARED = ("prompt_cost", "samples_per_request")


@dataclass(frozen=True, slots=True)
class Grade:
    """The answer of a reply, and how right it is.

    Attributes:
        answer: The answer; None where there is none.
        correct: How right it is, in [0, 1]; None where the right answer is not known.
        verdict: How likely a referee takes it to be right, where the right answer is not known.
        error: What went wrong, in the call or in grading it.
        stated: The answer as the reply states it, which is what is scored.
        done: Whether nothing is left to find out.
        asked: The calls to a referee.
    """

    answer: str | None = None
    correct: float | None = 0.0
    verdict: float | None = None
    error: str | None = None
    stated: str | None = None
    done: bool = True
    asked: Attempts = field(default_factory=Attempts)

    @property
    def is_given(self) -> bool:
        """Whether a grader has given it: neither failed nor without anything to compare with."""
        return self.error is None and not (self.correct is None and self.verdict is None)


class Scoring(Protocol):
    """Scores answers elsewhere than in this process."""

    async def score(self, found: Grade, gold: str, /) -> Grade:
        """How right an answer is, by the function of the menu."""


class Grading:
    """Finds answers and scores them with the functions of a menu; slow ones run in threads.

    Args:
        menu: Its functions.
        scoring: Runs slow functions that score; None for threads.

    Raises:
        ImportError: What the functions need is not installed.
    """

    def __init__(self, menu: Menu, scoring: Scoring | None = None) -> None:
        self._key, self._grader, self._scoring = menu.comparison, menu.grader, scoring
        used = [part for part in (self._key, self._grader) if isinstance(part, Comparison)]
        if any(part.name == "math" for part in used):
            check_installed()
        self._answers = SameAnswers(self._key)
        self._in_threads = len(used) < 2 or any(part.name not in _QUICK for part in used)

    def see(self, row: Row) -> None:
        """Take note of a row that is there."""
        self._answers.see(row)

    async def answer(self, reply: Reply, question: Question, source: str) -> Grade:
        """The answer in a reply, still to be scored, or why there is none."""
        if isinstance(reply.error, EmptyReplyError) and not reply.estimated:
            return Grade()  # nothing went wrong: the model had nothing to say
        if reply.message is None:
            return Grade(error=f"{type(reply.error).__name__}: {reply.error}")
        if self._in_threads:
            return await asyncio.to_thread(self._answer, reply.message, question, source)
        return self._answer(reply.message, question, source)

    async def score(self, found: Grade, gold: str | None) -> Grade:
        """How right an answer is, by the menu's function; a grade that is done stays as it is."""
        if gold is None:
            return found if found.error is not None else replace(found, correct=None, done=True)
        if found.done:
            return found
        if self._in_threads and self._scoring is not None:
            return await self._scoring.score(found, gold)
        if self._in_threads:
            return await asyncio.to_thread(self._score, found, gold)
        return self._score(found, gold)

    def _answer(self, message: AIMessage, question: Question, source: str) -> Grade:
        asked, number = question.question, question.question_id
        try:
            answer = self._answers.of(message, asked, question_id=number, source=source)
            stated = final_answer(message) if answer is not None and self._key is auto else answer
            return Grade(answer, stated=stated, done=False)
        except Exception as error:  # noqa: BLE001 - a user's function; the reply is paid for and its row stands
            return _failed(Grade(), error)

    def _score(self, found: Grade, gold: str) -> Grade:
        assert not isinstance(self._grader, Judge)
        return scored(found, gold, self._grader)


def scored(found: Grade, gold: str, grader: Grader | Comparison) -> Grade:
    """The grade that a function or comparison gives an answer."""
    try:
        score = grader.grade if isinstance(grader, Comparison) else grader
        return _with_score(found, score(found.stated, gold))
    except Exception as error:  # noqa: BLE001 - as above
        return _failed(found, error)


def verdict(found: Grade, judged: Drawn, referee: Referee, gold: str | None) -> Grade:
    """The grade that a referee gave, with what its calls cost; without a right answer it is a verdict."""
    message = judged.reply.message
    score = None if message is None else referee.score(gold, message.text)
    error = judged.reply.error or ValueError("the referee gave no verdict")
    if score is None:
        grade = _failed(found, error)
    else:
        grade = _with_score(found, score, of="the referee's", right_answer=gold is not None)
    return replace(grade, asked=judged.spent)


def row_of(key: SampleKey, question: Question, drawn: Drawn, grade: Grade, menu: Menu) -> Row:
    """The row of a sample."""
    reply, spent, asked = drawn.reply, drawn.spent, grade.asked
    attempts = max(spent.attempts, asked.attempts)
    return {
        "question_id": question.question_id,
        "question": question.question,
        **({} if question.group is None else {"group": question.group}),
        "source": key.source,
        "sample": key.sample,
        "answer": grade.answer,
        "gold": question.gold,
        "correct": grade.correct,
        **({} if grade.verdict is None else {"verdict": grade.verdict}),
        **({"graded_by": menu.graded_by} if grade.is_given else {}),
        "cost": spent.cost,
        "cost_unit": menu.cost_unit,
        **(_tokens(reply.received) if reply.received is not None else {}),
        **({name: getattr(drawn, name) for name in _SHARED} if drawn.prompt_cost else {}),
        "seconds": round(reply.seconds, 4),
        **({} if grade.error is None else {"error": grade.error[:_LONGEST_ERROR]}),
        **({"attempts": attempts} if attempts > 1 else {}),
        **({"retries_cost": spent.cost - reply.cost} if spent.cost != reply.cost else {}),
        **({"grading_cost": asked.cost} if asked.attempts else {}),
        **({"estimated": True} if spent.estimated or asked.estimated else {}),
        "prompt_sha": menu.prompt_sha(key.source, question.question),
    }


def _with_score(found: Grade, score: float, *, of: str = "the", right_answer: bool = True) -> Grade:
    if not 0 <= score <= 1:
        return _failed(found, ValueError(f"{of} score is {score}, outside [0, 1]"))
    if not right_answer:
        return replace(found, correct=None, verdict=float(score), done=True)
    return replace(found, correct=float(score), done=True)


def _failed(found: Grade, error: BaseException) -> Grade:
    """The reply keeps its answer, so that it can be graded again."""
    return replace(found, correct=0.0, error=f"{GRADING_FAILED}{type(error).__name__}: {error}", done=True)


def _tokens(message: AIMessage) -> dict[str, int]:
    try:
        counted = vars(Usage.of(message))
    except UnpricedUsageError:  # none, or one that cannot be
        return {}
    rare = ("written", "heard", "spoken")
    return {name: tokens for name, tokens in counted.items() if tokens or not name.startswith(rare)}
