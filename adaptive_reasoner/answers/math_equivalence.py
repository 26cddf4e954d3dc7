r"""Mathematical expressions: one form for those that are equal.

math-verify reads them; it can hang, and raises in threads: it works in a process of its own, which ends
when it computes too long. Needs `pip install 'adaptive-reasoner[math]'`.
"""

import atexit
import json
import selectors
import subprocess
import sys
import threading
from fractions import Fraction
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from adaptive_reasoner.answers.values.numbers import number_key
from adaptive_reasoner.answers.waiting import about_to_wait
from adaptive_reasoner.lazy_pattern import pattern

_LONGEST = 300  # characters: what is longer is no answer but a text
_SECONDS = 3.0
_SECONDS_TO_WAIT = 60.0  # for a start or an answer, on a machine that is busy with other work
_COUNTS_COMPUTING = sys.platform != "win32"
_LARGEST_EXPONENT = 300
_RATIONAL = pattern(r"-?\d{1,1000}(?:/\d{1,1000}|\.\d{1,200})?(?:e[-+]?\d{1,9})?")
_UNREADABLE = "unreadable"
_WORKER = Path(__file__).with_name("math_worker.py")


def canonical_expression(text: str) -> str | None:
    """One text for an expression and all that are equal to it; None where it cannot be read, or not in time.

    Raises:
        ImportError: math-verify is not installed.

    Example:
        >>> canonical_expression("(x+1)^2") == canonical_expression("x^2 + 2x + 1")
        True
        >>> canonical_expression("2^{10}")
        '1024'
    """
    found = None if len(text) > _LONGEST else _found("canonical", text)
    if not isinstance(found, str) or found == _UNREADABLE:
        return None
    return _decimal(found) if _RATIONAL.fullmatch(found) else found


def _decimal(found: str) -> str:
    """A number as `number_key` writes it, unless its exponent is too large."""
    _, _, exponent = found.partition("e")
    return found if exponent and abs(int(exponent)) > _LARGEST_EXPONENT else number_key(Fraction(found))


def check_installed() -> None:
    """Raise ImportError where math-verify is not there: before replies are paid for that nobody can grade."""
    if find_spec("math_verify") is None:
        raise ImportError("mathematical answers need: pip install 'adaptive-reasoner[math]'")


class MathWorker:
    """A process that compares expressions; started at first use, and again after one that took too long.

    Args:
        seconds: How long it may compute an answer; on Windows, how long an answer may take.
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
                return self._answer(process, _SECONDS_TO_WAIT if _COUNTS_COMPUTING else self._seconds)
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
            program = [sys.executable, "-P", str(_WORKER), str(self._seconds)]
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, on a file of this package
                program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            try:
                self._answer(self._process, _SECONDS_TO_WAIT)
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
    about_to_wait("an expression is read by another process")
    return _WORKING.ask(*question)
