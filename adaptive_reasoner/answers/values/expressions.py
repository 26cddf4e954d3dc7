r"""Mathematical expressions: whether a text is one, and one form for those that are equal."""

import re
from importlib.util import find_spec

from adaptive_reasoner.answers.values.numbers import number, number_key
from adaptive_reasoner.lazy_pattern import pattern

_LONGEST = 300
_DELIMITED = pattern(
    r"\$\$(.+?)\$\$|\\\((.+?)\\\)|\\\[(.+?)\\\]|\$([^$\n]{1,400}?[^$\s\\])\$(?!\d)", re.DOTALL
)
_WORDING = pattern(
    r"\\(?:text|textbf|textrm|textit|mathrm|mathbf|mathit|operatorname|mbox|boxed|fbox|emph)\s?\{([^{}]*)\}"
)
_SPACING = pattern(
    r"(?<!\\)\\[,;!: ]|\\quad|\\qquad|\\displaystyle|\\limits|~(?=\\)|\\left(?=[\s(\[\\|.])|"
    r"\\right(?=[\s)\]\\|.])"
)
_COMMANDS = frozenset(
    (
        "frac dfrac tfrac sqrt cdot times div pm mp pi theta alpha beta gamma lambda mu phi sigma omega "
        "infty ln log sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh exp le leq ge geq lt "
        "gt ne neq cup cap in circ binom dbinom sum prod int lim to begin end pmatrix bmatrix matrix "
        "vmatrix vec mathbb emptyset varnothing setminus mid max min gcd lcm det Delta delta epsilon rho "
        "tau"
    ).split()
)
_NAMES = frozenset(
    (
        "sin cos tan cot sec csc ln log exp sqrt pi arcsin arccos arctan sinh cosh tanh inf infinity abs "
        "matrix"
    ).split()
)
_ENORMOUS = pattern(r"\^\s?[{(]?\s?-?\d{4,}|\^\s?[{(]?\w+\s?\^|\d{5,}\s?!|!!")
"""Numbers too large to be written out."""
_LETTERS = pattern(r"[A-Za-z]+")
_ALLOWED = pattern(r"[A-Za-z0-9\s+\-*/^_=<>≤≥≠(){}\[\]|,.;:!&\\'πθαβγλ∞√∪∩×÷·°²³]+")
_OPERATION = pattern(
    r"[+*/^=<>≤≥√∪∩]|\\[a-zA-Z]+|(?<=[\w)}\]])\s?-\s?(?=[\w({\\])|\d[a-z](?![a-z])|[a-z]\(|\d!|\)\("
)


def unwrapped(text: str) -> str:
    r"""A text without the marks of LaTeX that only wrap or space.

    Example:
        >>> [unwrapped(text) for text in (r"\(42\)", r"$\text{Paris}$", r"10\,000", r"\$5", r"x \leq 5")]
        ['42', 'Paris', '10,000', '$5', 'x \\leq 5']
    """
    if not ("\\" in text or "$" in text):
        return text
    text = text.replace("\\,", "," if re.search(r"\d\\,\d{3}(?!\d)", text) else " ")
    text = _DELIMITED.sub(lambda found: next(part for part in found.groups() if part is not None), text)
    text = _SPACING.sub(" ", text)
    for _ in range(3):
        text = _WORDING.sub(r"\1", text)
    text = (
        text.replace("\\%", "%")
        .replace("\\$", "$")
        .replace("{,}", ",")
        .replace("^{\\circ}", "°")
        .replace("^\\circ", "°")
    )
    text = (
        re.sub(r"\\times|\\cdot", " * ", text)
        if re.search(r"\d\s*(?:\\times|\\cdot)\s*10\s?\^", text)
        else text
    )
    return " ".join(text.replace("$$", " ").split()).strip() if "$$" in text else " ".join(text.split())


def is_expression(text: str) -> bool:
    r"""Whether a text is only mathematics: a word is not read as a product of its letters.

    Example:
        >>> [is_expression(text) for text in ("2x + 1", r"\sqrt{2}", "paris", "AB", "no + yes", "2023-01-02")]
        [True, True, False, False, False, False]
    """
    if (
        len(text) > _LONGEST
        or _ENORMOUS.search(text)
        or not _ALLOWED.fullmatch(text)
        or not _OPERATION.search(text)
    ):
        return False
    if re.search(r"\d_\{?\d|\d{4}-\d\d?-\d\d?|\d/\d+/\d|https?:|::|[A-Za-z]{2}_|\.\w*[A-Za-z]{2}", text):
        return False
    bare = re.sub(r"\\(?:text|mathrm|operatorname)\s?", "", text)
    for command in re.findall(r"\\([A-Za-z]+)", bare):
        if command not in _COMMANDS:
            return False
    bare = re.sub(r"\\begin\{\w+\}|\\end\{\w+\}|\\[A-Za-z]+", " ", bare)
    return all(
        len(run) == 1 or run.casefold() in _NAMES or _is_product(run) for run in _LETTERS.findall(bare)
    )


def is_formula(text: str) -> bool:
    """Whether a text is an expression with variables.

    Example:
        >>> is_formula("2x + 1"), is_formula("x"), is_formula("2 + 1")
        (True, True, False)
    """
    text = text.strip(" .")
    letters = re.sub(r"\\[A-Za-z]+", "", text)
    named = [
        run for run in _LETTERS.findall(letters) if run.casefold() not in _NAMES and run not in ("e", "i")
    ]
    return bool(named) and (len(text) == 1 or is_expression(text))


def _is_product(letters: str) -> bool:
    """Whether letters in a row are variables multiplied, as xy and abc are."""
    return (
        len(letters) <= 3
        and letters.islower()
        and (
            set(letters) <= set("xyzt") or set(letters) <= set("abck") or letters in ("mn", "pq", "uv", "rs")
        )
    )


def expression_key(text: str) -> str | None:
    r"""One text for an expression: equal ones have equal texts where math-verify is installed.

    Example:
        >>> expression_key(r"\frac{3}{4}"), expression_key("Paris")
        ('0.75', None)
    """
    if (value := number(text)) is not None:
        return number_key(value)
    if not is_expression(text):
        return None
    if _INSTALLED:
        from adaptive_reasoner.answers.math_equivalence import canonical_expression

        found = canonical_expression(text)
        if found is not None:
            return found
    return "".join(text.split())


_INSTALLED = find_spec("math_verify") is not None
