"""The answer of a reply, and when two answers are equal.

Votes and graders use it: it extracts numbers, choices and mathematics from text, and compares them.
"""

from adaptive_reasoner.answers.base import AnswerKey, Comparison, Grader
from adaptive_reasoner.answers.extraction import (
    canonical,
    choice,
    choice_answer,
    exact,
    final_answer,
    numeric,
    stated_answer,
)
from adaptive_reasoner.answers.grouping import comparison, fields, groups
from adaptive_reasoner.answers.math_equivalence import math, math_answer

__all__ = [
    "AnswerKey",
    "Comparison",
    "Grader",
    "canonical",
    "choice",
    "choice_answer",
    "comparison",
    "exact",
    "fields",
    "final_answer",
    "groups",
    "math",
    "math_answer",
    "numeric",
    "stated_answer",
]
