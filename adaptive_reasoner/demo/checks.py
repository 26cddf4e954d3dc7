"""Checks of an answer by its question alone: an equation by substitution, a divisor by division."""

import re
from fractions import Fraction

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.grouping import numeric, numeric_answer

_EQUATION = re.compile(r"Solve for (?P<variable>[a-z]): (?P<left>[^=]+)=(?P<right>[^=]+)")
_DIVISOR = re.compile(r"Name a number from (?P<lower>\d+) to (?P<upper>\d+) that divides (?P<number>\d+)\.")
_TERM = re.compile(r"([+-]?)(\d*)\*?([a-z]?)")


def can_check(question: str) -> bool:
    """Whether an answer to the question can be checked without knowing the right one.

    Example:
        >>> can_check("Solve for n: 4*n + 3 = 23"), can_check("5 + 9")
        (True, False)
    """
    return any(form.fullmatch(question) for form in (_EQUATION, _DIVISOR))


def check(question: str, answer: str | None) -> bool:
    """Whether an answer passes the check of its question; False where there is no answer or no check.

    Example:
        >>> check("Solve for n: 4*n + 3 = 23", "5"), check("Name a number from 2 to 9 that divides 91.", "6")
        (True, False)
    """
    try:
        value = Fraction(answer or "")
    except (ValueError, ZeroDivisionError):
        return False
    if asked := _EQUATION.fullmatch(question):
        return _value(asked["left"], value) == _value(asked["right"], value)
    if asked := _DIVISOR.fullmatch(question):
        return int(asked["lower"]) <= value <= int(asked["upper"]) and int(asked["number"]) % value == 0
    return False


def passes(question: str, reply: AIMessage) -> bool:
    """Whether the answer of a reply passes the check of its question, as `Checker` asks it."""
    return check(question, numeric_answer(reply))


def right(answer: str | None, gold: str) -> float:
    """1.0 where the answer is one of the right ones, which `gold` lists.

    Example:
        >>> right("7", "5 or 7"), right("6", "5 or 7"), right(None, "5")
        (1.0, 0.0, 0.0)
    """
    return max(numeric(answer, one) for one in gold.split(" or "))


def _value(side: str, variable: Fraction) -> Fraction:
    """The value of a sum of numbers and multiples of the variable."""
    total = Fraction(0)
    for sign, number, letter in _TERM.findall(side.replace(" ", "")):
        if number or letter:
            size = Fraction(number or 1) * (variable if letter else 1)
            total += -size if sign == "-" else size
    return total
