"""A chat model that compares replies: which of two to one question is better, in either order."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from adaptive_reasoner.answers.base import TextComparison
from adaptive_reasoner.answers.reply_text import spoken

_PREFERRED = re.compile(r"(?<!\w)(A|B|[Tt]ie|TIE)(?!\w)")
_CHANCE = {"a": 1.0, "b": 0.0, "tie": 0.5}


def _prompt(question: str, first: str, second: str) -> str:
    return (
        f"Question:\n{question}\n\nReply A:\n{first}\n\nReply B:\n{second}\n\n"
        "Which reply answers the question better? The order of the two says nothing, nor does their length. "
        "End with a line of its own: A, B or tie."
    )


def _last_preference(text: str) -> float | None:
    """What the last line says, if it names one side alone."""
    *_, last = ["", *filter(None, map(str.strip, text.splitlines()))]
    named = {found[1].casefold() for found in _PREFERRED.finditer(last)}
    return _CHANCE[named.pop()] if len(named) == 1 else None


@dataclass(frozen=True)
class Preference:
    r"""Judges free text by comparing replies of different sources to one question.

    There is no right answer to compare with, and a judge who sees one reply alone is lenient. Every pair is
    shown in both orders, so that a liking for the first place cancels, and is measured. How often a reply is
    preferred to those of the other sources is its accuracy. `collect` keeps the texts of replies, and
    `regrade` asks the judge about them.

    Args:
        source: The source to ask, by its name in the menu; with 0 samples it is asked for nothing else.
        prompt: Makes the request from question, first reply and second reply.
        read: Finds in the text of the model how likely the first reply is preferred, in [0, 1]; None if it
            does not say.

    Example:
        >>> [Preference("judge").read(text) for text in ("B is vague.\nA", "**B**", "Verdict: tie", "Both")]
        [1.0, 0.0, 0.5, None]
    """

    source: str
    prompt: Callable[[str, str, str], str] = _prompt
    read: Callable[[str], float | None] = _last_preference


whole_text = TextComparison("text", lambda message, _: spoken(message) or None, str.strip)
"""Keeps the text of a reply as its answer: replies say the same where they are written alike."""
