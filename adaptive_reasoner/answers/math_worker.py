"""Mathematics at work: run as a program of its own, with the seconds that it may compute an answer.

Each line on stdin is a JSON list, `["equal", answer, gold]` or `["canonical", expression]`; each line on
stdout is the JSON of what was found, `"unreadable"` where an expression cannot be read as a whole. It imports
nothing of this package. The parser is that of math-verify; what is equal is decided here, by one text for
equal expressions.
"""

import json
import logging
import re
import signal
import sys
from typing import Any

_MEMORY = 2 << 30  # bytes
_DIGITS = 30
_POINTS = ("7/5", "-11/13", "29/17")
_UNREADABLE = "unreadable"


def main() -> None:
    """Answer line after line, until stdin ends or an answer takes too long."""
    seconds = float(sys.argv[1])
    _limit_memory()
    logging.disable(logging.CRITICAL)
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints must not be taken for an answer
    _find("equal", "x+1", "1+x")  # loads what is loaded at first use
    answers.write("true\n")
    answers.flush()
    for line in sys.stdin:
        _limit_computing(seconds)
        answers.write(json.dumps(_find(*json.loads(line))) + "\n")
        answers.flush()


def _find(what: str, *texts: str) -> Any:
    forms = [_form(text) for text in texts]
    if _UNREADABLE in forms:
        return _UNREADABLE
    return forms[0] == forms[1] if what == "equal" else forms[0]


def _form(text: str) -> str:
    from latex2sympy2_extended import latex2sympy

    try:
        return _canonical(latex2sympy(_latex(text)))
    except Exception:  # noqa: BLE001 - a parser and a computer algebra on hostile text raise anything
        return _UNREADABLE


def _latex(text: str) -> str:
    """An expression as LaTeX writes it."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"\\(?:mathrm|text|operatorname)\s?\{([^{}]*)\}", r" \1 ", text)
    text = text.replace("**", "^").replace("≤", r"\leq ").replace("≥", r"\geq ").replace("≠", r"\neq ")
    text = (
        text.replace("π", r"\pi ").replace("∞", r"\infty ").replace("·", r"\cdot ").replace("×", r"\times ")
    )
    text = text.replace("∪", r"\cup ").replace("∩", r"\cap ").replace("²", "^2").replace("³", "^3")
    text = re.sub(r"<=", r"\\leq ", re.sub(r">=", r"\\geq ", text))
    text = re.sub(r"\\sqrt\s?(\w)", r"\\sqrt{\1}", text)
    text = re.sub(r"\\[dt]?frac\s?(\d)\s?(\d)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\^\(([^()]{1,50})\)", r"^{\1}", text)
    text = re.sub(r"\^(-?\d{2,})", r"^{\1}", text)
    text = re.sub(
        r"(?<![\\A-Za-z])sqrt\s?\(([^()]{1,80})\)|√\s?\(?([\w.]{1,20})\)?",
        lambda found: rf"\sqrt{{{found[1] or found[2]}}}",
        text,
    )
    return re.sub(
        r"(?<![\\A-Za-z])(sin|cos|tan|cot|sec|csc|ln|log|exp|pi|arcsin|arccos|arctan|sinh|cosh|"
        r"tanh)(?![A-Za-z])",
        r"\\\1 ",
        text,
    )


def _canonical(found: Any) -> str:
    """One text for equal objects."""
    import sympy

    if isinstance(found, sympy.Equality):
        return _equation(found)
    if isinstance(found, sympy.core.relational.Relational | sympy.logic.boolalg.BooleanFunction):
        return _inequality(found)
    if isinstance(found, sympy.FiniteSet):
        return "{" + ", ".join(sorted(map(_canonical, found.args))) + "}"
    if isinstance(found, sympy.Interval):
        ends = f"{_canonical(found.start)}, {_canonical(found.end)}"
        return f"{'(' if found.left_open else '['}{ends}{')' if found.right_open else ']'}"
    if isinstance(found, sympy.Union | sympy.Intersection | sympy.Complement):
        sign = {sympy.Union: " U ", sympy.Intersection: " & "}.get(type(found), " - ")
        parts = list(map(_canonical, found.args))
        return sign.join(sorted(parts) if sign != " - " else parts)
    if isinstance(found, sympy.MatrixBase):
        return "[" + ", ".join("[" + ", ".join(map(_canonical, row)) + "]" for row in found.tolist()) + "]"
    if isinstance(found, sympy.Tuple | tuple | list):
        return "(" + ", ".join(map(_canonical, found)) + ")"
    return _expression(found) if isinstance(found, sympy.Expr) else str(found)


def _expression(found: Any) -> str:
    """Numbers by value, rational functions in lowest terms, others by their values at three points."""
    import sympy

    found = found.doit()
    if {symbol.name for symbol in found.free_symbols} == {"i"}:
        found = found.subs(dict.fromkeys(found.free_symbols, sympy.I))
    if found in (sympy.oo, -sympy.oo):
        return "inf" if found == sympy.oo else "-inf"
    if found.is_number or not found.free_symbols:
        return _number(found)
    if not found.is_rational_function(*found.free_symbols):
        found = sympy.simplify(found)
    if not found.free_symbols:
        return _number(found)
    if found.is_rational_function(*found.free_symbols):
        return str(sympy.cancel(sympy.together(sympy.nsimplify(found, rational=True))))
    symbols = sorted(found.free_symbols, key=lambda symbol: symbol.name)
    values = []
    for at in range(len(_POINTS)):
        point = {
            symbol: sympy.Rational(_POINTS[(at + turn) % len(_POINTS)]) + turn
            for turn, symbol in enumerate(symbols)
        }
        values.append(str(sympy.N(found.subs(point), 15, maxn=60)))
    return f"f({', '.join(symbol.name for symbol in symbols)}): {'; '.join(values)}"


def _number(found: Any) -> str:
    import sympy

    exact = sympy.nsimplify(found, rational=True) if found.is_Float else sympy.simplify(found)
    if exact.is_Rational:
        return str(exact)
    value = sympy.N(exact, _DIGITS, maxn=200)
    if not value.is_real:
        real, imaginary = (str(sympy.N(part, 12)) for part in value.as_real_imag())
        return f"{real} + {imaginary}i"
    nearest = sympy.Integer(sympy.floor(value + sympy.Rational(1, 2)))
    return str(nearest) if abs(value - nearest) < sympy.Float("1e-25") and nearest != 0 else str(value)


def _equation(found: Any) -> str:
    """An equation up to its sides and a factor."""
    import sympy

    left, right = found.args
    if left.is_Symbol and not right.free_symbols:
        return _canonical(right) if left.name == "x" else f"{left.name}={_canonical(right)}"
    difference = sympy.together(sympy.nsimplify(left - right, rational=True))
    above, _ = sympy.fraction(sympy.cancel(difference))
    if not above.free_symbols:
        return _UNREADABLE
    _, primitive = sympy.expand(above).as_content_primitive()
    primitive = sympy.expand(primitive)
    forms = sorted([str(primitive), str(sympy.expand(-primitive))])
    return f"{forms[0]} = 0"


def _inequality(found: Any) -> str:
    """An inequality by its solutions, where it has one variable."""
    import sympy

    if len(found.free_symbols) == 1:
        (variable,) = found.free_symbols
        solutions = _canonical(found.as_set())
        return solutions if variable.name == "x" else f"{variable.name}: {solutions}"
    if not isinstance(found, sympy.core.relational.Relational):
        return str(found)
    difference = (
        sympy.expand(found.gts - found.lts) if hasattr(found, "gts") else sympy.expand(found.lhs - found.rhs)
    )
    content, primitive = difference.as_content_primitive()
    return (
        f"{sympy.expand(primitive if content > 0 else -primitive)} {'>=' if '=' in found.rel_op else '>'} 0"
    )


def _limit_computing(seconds: float) -> None:
    """End this process once it has computed for so long from now, whatever else the machine does."""
    if sys.platform != "win32":
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    main()
