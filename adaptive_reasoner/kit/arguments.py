"""What a function of the kit was given in place of a table: the error says what makes the right one of it."""

import os
from collections.abc import Sequence
from typing import Any

_MAKES = {
    "Outcomes": 'Outcomes.read(path), Outcomes.from_rows(frame.to_dict("records")) or estimate(samples)',
    "Samples": 'Samples.read(path), Samples.from_rows(frame.to_dict("records")) or collect(...)',
    "questions": "read_questions(path), or [Question(...), ...]",
    "Menu": "Menu.load(path), or Menu({name: Source(...)})",
}
_READERS = {
    "Outcomes": "Outcomes.read",
    "Samples": "Samples.read",
    "questions": "read_questions",
    "Menu": "Menu.load",
}
_FIELDS = {
    "Outcomes": ("accuracy", "cost"),
    "Samples": ("replies", "question_ids", "sources"),
    "Menu": ("sources", "meter_of"),
}


def check_argument(given: Any, wanted: str, call: str) -> None:
    """Refuse something else than what a function works on.

    Args:
        given: What it was given.
        wanted: `Outcomes`, `Samples`, `questions` or `Menu`.
        call: The function, for the error.

    Raises:
        TypeError: It is something else; the error says what to call.

    Example:
        >>> check_argument("o.parquet", "Outcomes", "solve")
        Traceback (most recent call last):
        TypeError: solve takes Outcomes, not a path; Outcomes.read('o.parquet') reads them
    """
    if wanted == "questions":
        if isinstance(given, Sequence) and all(hasattr(each, "gold") for each in given):
            return
    elif all(hasattr(given, name) for name in _FIELDS[wanted]):
        return
    one = wanted == "Menu"
    if isinstance(given, str | os.PathLike):
        way = f"a path; {_READERS[wanted]}({os.fspath(given)!r}) reads {'it' if one else 'them'}"
    elif wanted == "Outcomes" and all(hasattr(given, name) for name in _FIELDS["Samples"]):
        way = "Samples; estimate(samples) makes them of those"
    else:
        comes = "it comes" if one else "they come"
        way = f"{type(given).__name__}; {comes} from {_MAKES[wanted]}"
    raise TypeError(f"{call} takes {'a Menu' if one else wanted}, not {way}")
