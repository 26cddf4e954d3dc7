"""A chat model as grader: it compares the reply with the right answer, or says how likely the reply is."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from adaptive_reasoner.answers.extraction import last_match

_VERDICT = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_PERCENT = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?)\s*(?:%|percent\b|/\s*100\b)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\d.])\d+(?:\.\d+)?(?![\d.]*\d)")


def _prompt(question: str, gold: str, reply: str) -> str:
    return (
        f"Question:\n{question}\n\nRight answer:\n{gold}\n\nReply to be graded:\n{reply}\n\n"
        "Does the final answer of the reply mean the same as the right answer? "
        "End with one word on a line of its own: yes or no."
    )


def _last_verdict(text: str) -> float | None:
    verdict = last_match(text, _VERDICT)
    return None if verdict is None else float(verdict.casefold() == "yes")


def _verdict_prompt(question: str, reply: str) -> str:
    return (
        f"Question:\n{question}\n\nReply to be graded:\n{reply}\n\n"
        "How likely is it that the final answer of the reply is right? "
        "End with a line of its own: a whole number from 0 (certainly wrong) to 100 (certainly right) and %."
    )


def _last_likelihood(text: str) -> float | None:
    """The last percentage in a text; without any its last number from 0 to 1, or its last yes or no."""
    percent = last_match(text, _PERCENT)
    if percent is not None:
        return float(percent) / 100 if float(percent) <= 100 else None
    number = last_match(text, _NUMBER)
    if number is not None:
        return float(number) if float(number) <= 1 else None
    return _last_verdict(text)


@dataclass(frozen=True)
class Referee:
    r"""Grades by asking a model; its calls are retried, paced, capped and billed like those of samples.

    Where the right answer of a question is not known, it is asked how likely the reply is right. That is a
    `verdict`, no grade: it stands in a column of its own.

    What they cost stands in a row as `grading_cost`, beside the sample's own `cost`: it is paid once, to
    learn, and never again by the action.

    Args:
        source: The source to ask, by its name in the menu; with 0 samples it is asked for nothing else.
        prompt: Makes the request from question, gold answer and reply.
        read: Finds the score, in [0, 1], in the text of the model; None if there is none.
        verdict_prompt: Makes the request from question and reply, where the right answer is not known.
        read_verdict: Finds the likelihood, in [0, 1], in the text of the model; None if there is none.

    Example:
        >>> Referee("judge").read("They agree, so:\nyes")
        1.0
        >>> Referee("judge").read_verdict("Two of three steps hold. 85%")
        0.85
    """

    source: str
    prompt: Callable[[str, str, str], str] = _prompt
    read: Callable[[str], float | None] = _last_verdict
    verdict_prompt: Callable[[str, str], str] = _verdict_prompt
    read_verdict: Callable[[str], float | None] = _last_likelihood

    def request(self, question: str, gold: str | None, reply: str) -> str:
        """What the model is asked of a reply."""
        return self.verdict_prompt(question, reply) if gold is None else self.prompt(question, gold, reply)

    def score(self, gold: str | None, text: str) -> float | None:
        """The score or, without a right answer, the likelihood in the text of the model."""
        return self.read_verdict(text) if gold is None else self.read(text)
