r"""Mathematical answers: whether two expressions are equal, and one form for those that are.

What is equal as text or as a number is settled at once. The rest goes to math-verify, which can hang and
raises in threads: it works in a process of its own, and is killed when it takes too long. Needs
`pip install 'adaptive-reasoner[math]'`.
"""

import atexit
import json
import selectors
import subprocess
import sys
import threading
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import TextComparison
from adaptive_reasoner.answers.extraction import canonical, exact, final_answer, numeric, stated_answer

_LONGEST = 300  # characters: what is longer is no answer but a text
_SECONDS = 3.0
_SECONDS_TO_START = 60.0
_UNREADABLE = "unreadable"
_WORKER = Path(__file__).with_name("math_worker.py")


def _math(answer: str | None, gold: str) -> float:
    r"""1.0 where both are the same mathematical object: a number, an expression, a set, an interval.

    What is longer than 300 characters or takes longer than three seconds is equal only where it is written
    alike; what is no mathematics is compared as text.

    Raises:
        ImportError: math-verify is not installed.

    Example:
        >>> _math(r"\frac{1}{2}", "0.5"), _math("(x+1)^2", "x^2+2x+1"), _math("[0, 1)", "(0, 1]")
        (1.0, 1.0, 0.0)
    """
    if answer is None:
        return 0.0
    if "".join(answer.split()) == "".join(gold.split()):
        return 1.0
    if is_number(answer) and is_number(gold):
        return numeric(answer, gold)
    if max(len(answer), len(gold)) > _LONGEST:
        return 0.0
    found = _found("equal", answer, gold)
    return exact(answer, gold) if found == _UNREADABLE else float(found is True)


def math_answer(message: AIMessage) -> str | None:
    r"""The answer a message gives, in one form for expressions that are equal: a key for votes.

    Raises:
        ImportError: math-verify is not installed.

    Example:
        >>> math_answer(AIMessage(r"so \boxed{\frac{3}{4}}")), math_answer(AIMessage("Answer: 0.75"))
        ('0.75', '0.75')
    """
    if message.tool_calls:
        return final_answer(message)
    answer = stated_answer(message)
    if answer is None or is_number(answer) or len(answer) > _LONGEST:
        return None if answer is None else canonical(answer)
    found = _found("canonical", answer)
    return found if isinstance(found, str) and found != _UNREADABLE else canonical(answer)


def check_installed() -> None:
    """Raise ImportError where math-verify is not there: before replies are paid for that nobody can grade."""
    if find_spec("math_verify") is None:
        raise ImportError("mathematical answers need: pip install 'adaptive-reasoner[math]'")


def is_number(text: str) -> bool:
    """Whether a text is nothing but a number, which takes no mathematics to compare.

    Example:
        >>> is_number("1,200.50"), is_number("3/4")
        (True, False)
    """
    form = canonical(text) or ""
    return form.removeprefix("-").replace(".", "", 1).isdigit()


class MathWorker:
    """A process that compares expressions; started at first use, killed when an answer is late.

    Args:
        seconds: How long an answer may take.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, *question: str) -> Any:
        """What the worker finds: `"unreadable"` where it cannot read an expression, None if not in time."""
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            try:
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
                return self._answer(process, self._seconds)
            except (OSError, EOFError, TimeoutError):
                self.close()
                return None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            check_installed()
            program = [sys.executable, "-P", str(_WORKER)]
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, on a file of this package
                program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            try:
                self._answer(self._process, _SECONDS_TO_START)
            except (EOFError, TimeoutError) as error:
                self.close()
                raise ImportError("math-verify is installed but does not start") from error
        return self._process

    @staticmethod
    def _answer(process: subprocess.Popen[bytes], seconds: float) -> Any:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                raise TimeoutError(f"no answer within {seconds:g} seconds")
        line = process.stdout.readline()
        if not line:
            raise EOFError("the worker has ended")
        return json.loads(line)


_WORKING = MathWorker()
atexit.register(_WORKING.close)


@lru_cache(maxsize=10_000)
def _found(*question: str) -> Any:
    return _WORKING.ask(*question)


math = TextComparison("math", lambda message, _: math_answer(message), _math)
"""Answers are equal where they are the same mathematical object; needs math-verify."""
