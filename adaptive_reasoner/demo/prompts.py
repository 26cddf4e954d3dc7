r"""Few-shot prompts for a base model, chosen by what the question's text shows.

A model of this size does badly with instructions and better with a pattern to continue. There is one
pattern for word problems (the text has letters), one for products (it has a `*`) and one for sums. Every
answer ends with its line, so `"\n"` is the only stop that is needed.
"""

from typing import NamedTuple


class _Example(NamedTuple):
    question: str
    steps: str
    answer: str


_SUMS = (
    _Example("27 + 41", "27 + 40 = 67, so 67 + 1 = 68", "68"),
    _Example("16 - 9", "16 - 6 = 10, so 10 - 3 = 7", "7"),
    _Example("5 + 8 - 4", "5 + 8 = 13, so 13 - 4 = 9", "9"),
    _Example("3 - 12", "12 - 3 = 9, so 3 - 12 = -9", "-9"),
    _Example("7 + 6 + 2", "7 + 6 = 13, so 13 + 2 = 15", "15"),
)
_PRODUCTS = (
    _Example("3 * 7", "2 * 7 = 14, so 14 + 7 = 21", "21"),
    _Example("8 * 5", "4 * 5 = 20, so 20 + 20 = 40", "40"),
    _Example("9 * 4", "10 * 4 = 40, so 40 - 4 = 36", "36"),
    _Example("6 * 6", "5 * 6 = 30, so 30 + 6 = 36", "36"),
)
_WORDS = (
    _Example(
        "Mia has 12 shells. Mia finds 5 more shells. How many shells does Mia have now?",
        "12 shells + 5 shells = 17 shells",
        "17",
    ),
    _Example(
        "Theo has 20 pens. Theo loses 8 pens. How many pens does Theo have left?",
        "20 pens - 8 pens = 12 pens",
        "12",
    ),
    _Example(
        "Nora has 31 cards and Paul has 7 cards. How many more cards does Nora have than Paul?",
        "31 cards - 7 cards = 24 cards",
        "24",
    ),
)
EXAMPLE_QUESTIONS = frozenset(example.question for example in (*_SUMS, *_PRODUCTS, *_WORDS))
"""What the prompts give away, and so may not be asked."""


def direct(question: str) -> str:
    r"""Ask for the answer at once.

    Example:
        >>> print(*direct("5 + 9").splitlines()[-2:], sep="\n")
        7 + 6 + 2 = 15
        5 + 9 =
    """
    if _is_word_problem(question):
        shown = "".join(f"{x.question}\nAnswer: {x.answer}\n\n" for x in _WORDS)
        return f"{shown}{question}\nAnswer:"
    return "".join(f"{x.question} = {x.answer}\n" for x in _examples(question)) + f"{question} ="


def cot(question: str) -> str:
    r"""Ask for the steps first; the last number is the answer.

    Example:
        >>> print(*cot("5 + 9").splitlines()[-2:], sep="\n")
        7 + 6 + 2: 7 + 6 = 13, so 13 + 2 = 15
        5 + 9:
    """
    if _is_word_problem(question):
        return "".join(f"{x.question}\n{x.steps}\n\n" for x in _WORDS) + f"{question}\n"
    return "".join(f"{x.question}: {x.steps}\n" for x in _examples(question)) + f"{question}:"


def _is_word_problem(question: str) -> bool:
    return any(character.isalpha() for character in question)


def _examples(question: str) -> tuple[_Example, ...]:
    return _PRODUCTS if "*" in question else _SUMS
