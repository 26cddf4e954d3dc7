"""Labels one by one in a terminal: a question, its answers, and a key."""

from collections.abc import Callable
from typing import Any, Protocol

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.labelling.selection import Unlabelled
from adaptive_reasoner.kit.labelling.session import LabelSession
from adaptive_reasoner.kit.regrading.graded_rows import Label

KEYS = "1, 2, .. right answer; 0 none of these; t type it; s skip; b back; q quit"

_ENDS = ("q", "\x03", "\x04")  # Ctrl-C and Ctrl-D, as a terminal without line editing gives them
_MOST_KEYS = 9


class Screen(Protocol):
    """Shows texts as they are."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Show a text."""


def label_in_terminal(
    session: LabelSession, screen: Screen, read_key: Callable[[], str], read_line: Callable[[], str]
) -> int:
    """Ask for labels until there is nothing to ask or a person quits.

    Args:
        session: The questions; each label is written at once.
        screen: Where questions are shown.
        read_key: The next key that is pressed.
        read_line: The next line that is typed.

    Returns:
        How many labels were given.
    """
    at, shown, seen = 0, -1, list[int]()
    while at < len(session.questions):
        question = session.questions[at]
        known = session.given.get(question.question_id)
        if at != shown:
            _show(screen, question, f"{at + 1} of {len(session.questions)}", known)
            shown = at
        key = read_key().lower()
        if key in _ENDS:
            break
        if key == "b" and seen:
            at = seen.pop()
            continue
        label = _label(key, question, screen, read_line)
        if label is None and key != "s":
            _say(screen, KEYS)
            continue
        if label is not None:
            try:
                taken = session.give(at, label.gold, instead_of=known)
            except OutcomesError as error:
                _say(screen, f"not written: {error}")
                continue
            if not taken:
                _say(screen, "another command labelled this question; that label stays")
        seen.append(at)
        at += 1
    return len(session.given)


def _label(key: str, question: Unlabelled, screen: Screen, read_line: Callable[[], str]) -> Label | None:
    """The label that a key stands for; None if it stands for none."""
    if key == "0":
        return Label(None)
    if key == "t":
        _say(screen, "the right answer, then Enter; Enter alone goes back to the keys:")
        return Label(line) if (line := read_line().strip()) else None
    if key.isdigit() and int(key) <= len(question.answers):
        return Label(question.answers[int(key) - 1].answer)
    return None


def _show(screen: Screen, question: Unlabelled, place: str, known: Label | None) -> None:
    group = "" if question.group is None else f", {question.group}"
    screen.print(f"\n{place}{group}", style="italic", markup=False, highlight=False)
    screen.print(question.question, style="bold", markup=False, highlight=False)
    for number, each in enumerate(question.answers[:_MOST_KEYS], start=1):
        screen.print(f"  {number}  {each.answer}", markup=False, highlight=False)
    others = len(question.answers) - _MOST_KEYS
    if others > 0:
        _say(screen, f"     and {others} other answers; t types one")
    if not question.answers:
        _say(screen, "  no reply has an answer")
    if known is not None:
        _say(screen, f"  labelled: {'none of these' if known.gold is None else known.gold}")
    _say(screen, KEYS)


def _say(screen: Screen, text: str) -> None:
    screen.print(text, style="dim", markup=False, highlight=False)
