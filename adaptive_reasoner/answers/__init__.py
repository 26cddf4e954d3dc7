"""What a reply says, and when two replies say the same."""

from adaptive_reasoner.answers.extraction import (
    AnswerKey,
    Grader,
    canonical,
    choice,
    choice_answer,
    exact,
    final_answer,
    numeric,
    stated_answer,
)
from adaptive_reasoner.answers.math_equivalence import math, math_answer

__all__ = [
    "AnswerKey",
    "Grader",
    "canonical",
    "choice",
    "choice_answer",
    "exact",
    "final_answer",
    "math",
    "math_answer",
    "numeric",
    "stated_answer",
]
