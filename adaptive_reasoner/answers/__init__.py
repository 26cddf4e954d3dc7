"""The answer of a reply, and when two answers are equal.

Votes and graders use it: it extracts numbers, choices and mathematics from text, and compares them, as well
as programs and free text.
"""

from adaptive_reasoner.answers.base import AnswerKey, Comparison, Grader
from adaptive_reasoner.answers.extraction import canonical, choice_answer, final_answer, stated_answer
from adaptive_reasoner.answers.free_text.clusters import similar
from adaptive_reasoner.answers.free_text.judgement import judged
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
