"""Checks of arguments: the error for a wrong type names the call that makes the right one."""

import os
from collections.abc import Sequence
from typing import Any

_FIELDS = {
    "Outcomes": ("accuracy", "actions"),  # not all of them columns, which a data frame has as attributes
    "encoder": ("folder", "dimension", "identity", "encode", "count_tokens"),
    "Samples": ("replies", "question_ids", "sources"),
    "Menu": ("sources", "meter_of"),
    "Decisions": ("taken", "propensity"),
    "LearnedPolicy": ("policy_id", "cost_unit"),
}
_FROM_ROWS = '.from_rows(frame.to_dict("records"))'
_WAYS = {  # the function that reads a file, and what else makes the value
    "Outcomes": ("Outcomes.read", f"Outcomes{_FROM_ROWS} or estimate(samples)"),
    "Samples": ("Samples.read", f"Samples{_FROM_ROWS} or collect(...)"),
    "questions": ("read_questions", "or [Question(...), ...]"),
    "encoder": ("open_encoder", f"or is your own object with {', '.join(_FIELDS['encoder'])}"),
    "Menu": ("Menu.load", "or Menu({name: Source(...)})"),
    "Decisions": ("Decisions.read", "or Decisions.of(samples)"),
    "LearnedPolicy": ("LearnedPolicy.load", "or LearnedPolicy.watch(path).version"),
}
_SINGULAR = ("encoder", "Menu", "LearnedPolicy")


def check_argument(given: Any, wanted: str, call: str) -> None:
    """Refuse an argument of the wrong type.

    Args:
        given: What it was given.
        wanted: `Outcomes`, `Samples`, `questions`, `encoder`, `Menu`, `Decisions` or `LearnedPolicy`.
        call: The function, for the error.

    Raises:
        TypeError: It is something else; the error says what to call.

    Example:
        >>> check_argument("o.parquet", "Outcomes", "solve")
        Traceback (most recent call last):
        TypeError: solve takes Outcomes, not a path; Outcomes.read('o.parquet') reads them
    """
    read, others = _WAYS[wanted]
    if wanted == "questions":
        if isinstance(given, Sequence) and all(hasattr(each, "gold") for each in given):
            return
    elif all(hasattr(given, name) for name in _FIELDS[wanted]):
        return
    one = wanted in _SINGULAR
    if isinstance(given, str | os.PathLike):
        way = f"a path; {read}({os.fspath(given)!r}) reads {'it' if one else 'them'}"
    elif wanted == "Outcomes" and all(hasattr(given, name) for name in _FIELDS["Samples"]):
        way = "Samples; estimate(samples) makes them of those"
    else:
        comes = "it comes" if one else "they come"
        way = f"{type(given).__name__}; {comes} from {read}(path), {others}"
    article = ("an " if wanted == "encoder" else "a ") if one else ""
    raise TypeError(f"{call} takes {article}{wanted}, not {way}")
