"""math-verify at work: run as a program of its own, so that it can be killed.

Each line on stdin is a JSON list, `["equal", answer, gold]` or `["canonical", answer]`; each line on stdout
is the JSON of what was found, `"unreadable"` where an expression cannot be read. It imports nothing of this
package.
"""

import json
import logging
import sys
from typing import Any

_MEMORY = 2 << 30  # bytes
_DIGITS = 12


def main() -> None:
    """Answer line after line, until stdin ends."""
    _limit_memory()
    logging.disable(logging.CRITICAL)
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints must not be taken for an answer
    _find("equal", "x+1", "1+x")  # loads what is loaded at first use
    answers.write("true\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(_find(*json.loads(line))) + "\n")
        answers.flush()


def _find(what: str, *texts: str) -> Any:
    import math_verify

    # Without timeouts of its own: those need signals, and whoever reads the answers keeps the time.
    expressions = [math_verify.parse(f"${text}$", parsing_timeout=None) for text in texts]
    if not all(expressions):
        return "unreadable"
    if what == "equal":
        answer, gold = expressions
        return bool(math_verify.verify(gold, answer, timeout_seconds=None))
    return _canonical(expressions[0][0])


def _canonical(expression: Any) -> str:
    """Numbers by their value, other expressions multiplied out."""
    import sympy

    if isinstance(expression, sympy.Expr):
        if expression.is_number and expression.is_real:
            value = sympy.N(expression, _DIGITS)
            return str(int(value)) if value == int(value) else f"{float(value):.{_DIGITS}g}"
        expression = sympy.expand(expression)
    return str(expression)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    main()
