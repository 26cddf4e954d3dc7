"""A chat model that compares replies: which of two to one question is better, in either order."""

from collections.abc import Callable
from dataclasses import dataclass

from adaptive_reasoner.answers.base import TextComparison
from adaptive_reasoner.answers.preference import preference_prompt, stated_preference
from adaptive_reasoner.answers.reply_text import spoken


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
    prompt: Callable[[str, str, str], str] = preference_prompt
    read: Callable[[str], float | None] = stated_preference


whole_text = TextComparison("text", lambda message, _: spoken(message) or None, str.strip)
"""Keeps the text of a reply as its answer: replies say the same where they are written alike."""
