r"""Few-shot prompts for a base model, chosen by what the question's text shows.

A model of this size does badly with instructions and better with a pattern to continue. Each form of
question has its own examples; the form is read from the text. Steps are written without spaces, which are
tokens. Every answer ends with its line, so `"\n"` is the only stop that is needed.
"""

from typing import NamedTuple


class _Example(NamedTuple):
    question: str
    steps: str
    answer: str


_SUMS = (
    _Example("8 + 5", "8+5=13", "13"),
    _Example("16 - 9", "16-9=7", "7"),
    _Example("22 + 4", "22+4=26", "26"),
    _Example("4 - 7", "4-7=-3", "-3"),
    _Example("17 + 5", "17+5=22", "22"),
    _Example("15 - 3", "15-3=12", "12"),
    _Example("13 - 8", "13-8=5", "5"),
    _Example("9 + 6", "9+6=15", "15"),
)
_CHAINS = (
    _Example("5 + 8 - 4", "5+8=13, 13-4=9", "9"),
    _Example("7 + 6 + 2", "7+6=13, 13+2=15", "15"),
    _Example("3 - 7 + 2", "3-7=-4, -4+2=-2", "-2"),
    _Example("9 - 4 + 1", "9-4=5, 5+1=6", "6"),
    _Example("2 - 5 - 3", "2-5=-3, -3-3=-6", "-6"),
    _Example("4 + 9 + 8", "4+9=13, 13+8=21", "21"),
    _Example("8 - 1 - 5", "8-1=7, 7-5=2", "2"),
    _Example("1 + 2 - 6", "1+2=3, 3-6=-3", "-3"),
)
_PRODUCTS = (
    _Example("3 * 7", "3*7=21", "21"),
    _Example("12 * 4", "12*4=48", "48"),
    _Example("9 * 8", "9*8=72", "72"),
    _Example("6 * 15", "6*15=90", "90"),
    _Example("5 * 60", "5*60=300", "300"),
    _Example("8 * 4", "8*4=32", "32"),
    _Example("2 * 17", "2*17=34", "34"),
    _Example("6 * 6", "6*6=36", "36"),
)
_WORDS = (
    _Example(
        "Mia has 12 shells. Mia finds 5 more shells. How many shells does Mia have now?", "12+5=17", "17"
    ),
    _Example("Theo has 15 pens. Theo loses 8 pens. How many pens does Theo have left?", "15-8=7", "7"),
    _Example(
        "Nora has 19 cards and Paul has 7 cards. How many more cards does Nora have than Paul?",
        "19-7=12",
        "12",
    ),
    _Example("Lena has 14 cups and Omar has 9 cups. How many cups do they have together?", "14+9=23", "23"),
    _Example(
        "Ruth puts 8 pears in one box and 6 pears in another. How many pears are in both?", "8+6=14", "14"
    ),
    _Example(
        "There are 13 hats on a table. Sam takes 4 of them. How many hats are still there?", "13-4=9", "9"
    ),
)
_EQUATIONS = (
    _Example("Solve for n: 4*n + 3 = 23", "4*5+3=23, so 5", "5"),
    _Example("Solve for a: a - 2 = 3", "5-2=3, so 5", "5"),
    _Example("Solve for t: 5*t = 20", "5*4=20, so 4", "4"),
    _Example("Solve for p: 5 - 2*p = -1", "5-2*3=-1, so 3", "3"),
    _Example("Solve for w: 4*w - 2 = 6", "4*2-2=6, so 2", "2"),
    _Example("Solve for c: c + 4 = 5", "1+4=5, so 1", "1"),
    _Example("Solve for q: 3 - 2*q = -5", "3-2*4=-5, so 4", "4"),
    _Example("Solve for f: 4*f + 1 = 13", "4*3+1=13, so 3", "3"),
)
_DIVISORS = (
    _Example("Name a number from 2 to 9 that divides 91.", "91/7=13, so 7", "7"),
    _Example("Name a number from 3 to 12 that divides 132.", "132/11=12, so 11", "11"),
    _Example("Name a number from 4 to 9 that divides 40.", "40/5=8, so 5", "5"),
    _Example("Name a number from 2 to 12 that divides 57.", "57/3=19, so 3", "3"),
    _Example("Name a number from 3 to 9 that divides 72.", "72/4=18, so 4", "4"),
    _Example("Name a number from 2 to 9 that divides 38.", "38/2=19, so 2", "2"),
    _Example("Name a number from 4 to 12 that divides 78.", "78/6=13, so 6", "6"),
    _Example("Name a number from 3 to 12 that divides 80.", "80/8=10, so 8", "8"),
)
EXAMPLES = (*_SUMS, *_CHAINS, *_PRODUCTS, *_WORDS, *_EQUATIONS, *_DIVISORS)
EXAMPLE_QUESTIONS = frozenset(example.question for example in EXAMPLES)
"""What the prompts give away, and so may not be asked."""


def direct(question: str) -> str:
    r"""Ask for the answer at once.

    Example:
        >>> print(*direct("5 + 9").splitlines()[-2:], sep="\n")
        9 + 6 = 15
        5 + 9 =
    """
    shown = _examples(question)
    if _is_expression(question):
        return "".join(f"{x.question} = {x.answer}\n" for x in shown) + f"{question} ="
    return "".join(f"{x.question}\nAnswer: {x.answer}\n\n" for x in shown) + f"{question}\nAnswer:"


def cot(question: str) -> str:
    r"""Ask for the steps first; the last number is the answer.

    Example:
        >>> print(*cot("5 + 9").splitlines()[-2:], sep="\n")
        9 + 6: 9+6=15
        5 + 9:
    """
    shown = _examples(question)
    if _is_expression(question):
        return "".join(f"{x.question}: {x.steps}\n" for x in shown) + f"{question}:"
    return "".join(f"{x.question}\nSteps: {x.steps}\n\n" for x in shown) + f"{question}\nSteps:"


def _is_expression(question: str) -> bool:
    return not any(character.isalpha() for character in question)


def _examples(question: str) -> tuple[_Example, ...]:
    if question.startswith("Solve for"):
        return _EQUATIONS
    if "that divides" in question:
        return _DIVISORS
    if not _is_expression(question):
        return _WORDS
    if "*" in question:
        return _PRODUCTS
    return _CHAINS if len(question.split()) > 3 else _SUMS
