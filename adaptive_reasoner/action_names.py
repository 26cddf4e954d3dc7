"""The names of actions: a source, or a source with the number of samples that a vote or a choice joins."""

from collections.abc import Iterable

_VOTE, _CHOICE, _LOOK = "_vote_", "_best_of_", "_look_"


def vote_action(source: str, size: int) -> str:
    """The action that votes over `size` samples of a source; one sample bears the name of the source.

    Example:
        >>> [vote_action("cot", size) for size in (1, 3)]
        ['cot', 'cot_vote_3']
    """
    return source if size == 1 else f"{source}{_VOTE}{size}"


def choice_action(source: str, size: int) -> str:
    """The action that takes the best-scored of `size` samples of a source."""
    return f"{source}{_CHOICE}{size}"


def is_choice(action: str) -> bool:
    """Whether an action takes the best-scored of several samples, by its name.

    Example:
        >>> is_choice("cot_best_of_4"), is_choice("cot_vote_3")
        (True, False)
    """
    source, choice, size = action.rpartition(_CHOICE)
    return bool(source and choice and size.isdecimal())


def look_action(source: str, size: int) -> str:
    """The action that samples a source up to `size` times, and may hand the question over to any other.

    Example:
        >>> look_action("cot", 5)
        'cot_look_5'
    """
    return f"{source}{_LOOK}{size}"


def vote_of_action(action: str) -> tuple[str, int] | None:
    """The source and the size of a vote; None where the name is not that of a vote.

    Example:
        >>> vote_of_action("cot_vote_3"), vote_of_action("cot")
        (('cot', 3), None)
    """
    source, vote, size = action.rpartition(_VOTE)
    return (source, int(size)) if vote and size.isdecimal() else None


def source_of_action(action: str, sources: Iterable[str]) -> str | None:
    """The source that an action is named after: the longest that its name begins with; None without one.

    Example:
        >>> source_of_action("cot_vote_5", ["co", "cot"])
        'cot'
    """
    named = [source for source in sources if action == source or action.startswith(f"{source}_")]
    return max(named, key=len, default=None)
