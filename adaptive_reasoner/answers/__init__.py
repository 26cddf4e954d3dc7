"""The answer of a reply, and when two answers are equal.

Votes and graders use it: it extracts numbers, choices and mathematics from text, and compares them, as well
as programs and free text.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from adaptive_reasoner.answers.base import AnswerKey, Comparison, Grader
from adaptive_reasoner.answers.extraction import canonical, choice_answer, final_answer, stated_answer
from adaptive_reasoner.answers.grouping import (
    choice,
    comparison,
    exact,
    fields,
    groups,
    math,
    math_answer,
    numeric,
)

if TYPE_CHECKING:
    from adaptive_reasoner.answers.free_text.clusters import similar
    from adaptive_reasoner.answers.free_text.judgement import judged
    from adaptive_reasoner.answers.programs.code_comparison import code
    from adaptive_reasoner.answers.programs.program_tests import passes_tests, python_tests

__all__ = [
    "AnswerKey",
    "Comparison",
    "Grader",
    "canonical",
    "choice",
    "choice_answer",
    "code",
    "comparison",
    "exact",
    "fields",
    "final_answer",
    "groups",
    "judged",
    "math",
    "math_answer",
    "numeric",
    "passes_tests",
    "python_tests",
    "similar",
    "stated_answer",
]

_LAZY = {  # few programs compare free text or code; without them the library is loaded sooner
    "code": "programs.code_comparison",
    "judged": "free_text.judgement",
    "passes_tests": "programs.program_tests",
    "python_tests": "programs.program_tests",
    "similar": "free_text.clusters",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return __all__
