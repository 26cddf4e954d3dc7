"""Which of two replies is better: the request to a judge, and how its verdict is read."""

from adaptive_reasoner.lazy_pattern import pattern

_PREFERRED = pattern(r"(?<!\w)(A|B|[Tt]ie|TIE)(?!\w)")
_CHANCE = {"a": 1.0, "b": 0.0, "tie": 0.5}


def preference_prompt(question: str, first: str, second: str) -> str:
    """What a judge is asked about two replies to a question."""
    return (
        f"Question:\n{question}\n\nReply A:\n{first}\n\nReply B:\n{second}\n\n"
        "Which reply answers the question better? The order of the two says nothing, nor does their length. "
        "End with a line of its own: A, B or tie."
    )


def stated_preference(text: str) -> float | None:
    r"""How likely the first reply is preferred, by the last line, if that names one side alone.

    Example:
        >>> [stated_preference(text) for text in ("B is vague.\nA", "**B**", "Verdict: tie", "Both")]
        [1.0, 0.0, 0.5, None]
    """
    *_, last = ["", *filter(None, map(str.strip, text.splitlines()))]
    named = {found[1].casefold() for found in _PREFERRED.finditer(last)}
    return _CHANCE[named.pop()] if len(named) == 1 else None
