"""Replies are text from elsewhere: none makes a comparison fail, or take for ever."""

import subprocess
import sys

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import canonical, exact, groups, numeric

SIZE = 200_000
HOSTILE = {
    "digits": "1" * 1_000_000,
    "groups of digits": "111," * (SIZE // 4),
    "numbers": "1 " * (SIZE // 2),
    "braces": "{" * SIZE,
    "nested braces": "{" * 50_000 + "}" * 50_000,
    "brackets": "[" * 100_000,
    "closed brackets": "[" * 100_000 + "]" * 100_000,
    "boxes": r"\boxed{" * (SIZE // 7),
    "an open box": r"\boxed{" + "{" * SIZE,
    "answers": "answer is " * (SIZE // 10),
    "thoughts": "<think>" * (SIZE // 7),
    "dots": "." * SIZE,
    "stars": "*" * SIZE,
    "dollars": "$1" * (SIZE // 2),
    "pipes": "|" * SIZE,
    "a table": "|a|b|\n|--|--|\n" + "|1|2|\n" * (SIZE // 6),
    "fences": "```\n" * (SIZE // 4),
    "an open fence": "```json\n" + "[" * 100_000,
    "equations": "x = 1 or " * (SIZE // 9),
    "ideographs": "は" * SIZE,
    "fractions": "½" * SIZE,
    "copulas": "The x is " * (SIZE // 9),
    "deep JSON": '{"a":' * 100_000,
    "a long number in JSON": '{"a":' + "9" * 100_000 + "}",
    "a large number in JSON": '{"a": 1e999999999}',
    "no numbers in JSON": "[NaN, Infinity]",
    "options": "A and " * (SIZE // 6),
    "a surrogate": "\ud800" * 1000,
    "a large exponent": "The answer is 1e999999999",
    "a large power": "Answer: 10^999999999",
    "a tower": "9^9^9^9^9",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_reply_is_compared_in_time(name):
    for key in ("auto", "exact", "numeric", "choice", "json"):
        found = groups([AIMessage(HOSTILE[name])] * 2, question="How many apples are in 3 boxes?", key=key)
        assert found in ([0, 0], [None, None])


def test_hostile_questions_are_read_in_time():
    for question in ("how many " * 100_000, "(" * SIZE, "(A) " * 100_000):
        assert groups([AIMessage("Paris"), AIMessage("Paris")], question=question)[0] in (0, None)


def test_numbers_beyond_the_limit_of_int_are_told_apart():
    assert exact("1" * 5000, "1" * 4999 + "2") == 0.0
    assert numeric("1" * 900, "1" * 899 + "2") == 0.0
    assert canonical("9" * 5000) == "9" * 5000


def test_importing_the_library_loads_no_library_of_units_or_languages():
    program = "import sys, adaptive_reasoner.answers; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"pint", "babel", "sympy", "math_verify"} & {
        name.split(".")[0] for name in printed.stdout.split()
    }
