"""A chat model as grader: it compares the reply with the gold answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from adaptive_reasoner.answers.extraction import last_match

_VERDICT = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


def _prompt(question: str, gold: str, reply: str) -> str:
    return (
        f"Question:\n{question}\n\nRight answer:\n{gold}\n\nReply to be graded:\n{reply}\n\n"
        "Does the final answer of the reply mean the same as the right answer? "
        "End with one word on a line of its own: yes or no."
    )


def _last_verdict(text: str) -> float | None:
    verdict = last_match(text, _VERDICT)
    return None if verdict is None else float(verdict.casefold() == "yes")


@dataclass(frozen=True)
class Referee:
    r"""Grades by asking a model; its calls are retried, paced, capped and billed like those of samples.

    What they cost stands in a row as `grading_cost`, beside the sample's own `cost`: it is paid once, to
    learn, and never again by the action.

    Args:
        source: The source to ask, by its name in the menu; with 0 samples it is asked for nothing else.
        prompt: Makes the request from question, gold answer and reply.
        read: Finds the score, in [0, 1], in the text of the model; None if there is none.

    Example:
        >>> Referee("judge").read("They agree, so:\nyes")
        1.0
    """

    source: str
    prompt: Callable[[str, str, str], str] = _prompt
    read: Callable[[str], float | None] = _last_verdict
