"""Run a program and its tests where they can do no harm: in a process that is confined, limited and killed.

The process gets nothing of the environment, computes for at most so many seconds in at most so much memory,
and the kernel refuses it other processes, sockets, written files and signals (seccomp); where the kernel has
Landlock it can read Python's own library alone. Its output is dropped. At the deadline it is killed.

A program shares its process with its tests. That stops a program that ends early, prints what it likes or
changes builtins from passing; one that is written to inspect the interpreter while it is tested may cheat.
"""

import ast
import json
import os
import platform
import secrets
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path

from adaptive_reasoner.sandbox.syscall_filter import MACHINES, assemble_filter

SECONDS = 5.0
"""How long a program and its tests may take, where no other time is given."""

MEMORY = 512 * 2**20
"""How many bytes of memory they may take, where no other number is given."""

LEAST_MEMORY = 64 * 2**20
"""How many bytes they need at least: Python itself takes some."""

_LONGEST_SAID = 600  # bytes
_SECONDS_TO_START = 30.0
_WORKER = Path(__file__).with_name("worker.py")
_LIBRARIES = (
    sysconfig.get_config_var("LIBDIR") or "/usr/lib",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
)
_DEVICES = ("/dev/null", "/dev/urandom")


@dataclass(frozen=True)
class ProgramRun:
    """What came of a program under its tests.

    Attributes:
        passed: Whether all tests passed.
        why: Why not; empty where they passed. It may hold text of the program, as its exceptions say it.
    """

    passed: bool
    why: str = ""


def run_tests(program: str, tests: str, *, seconds: float = SECONDS, memory: int = MEMORY) -> ProgramRun:
    """Load a Python program in a sandbox, and run tests on it.

    Args:
        program: The source of the program; its `__name__` is not `"__main__"`.
        tests: The source of the tests, which see the program's names: `assert` statements, functions
            `test...` without arguments, or unittest cases. The program cannot see them before it is loaded.
        seconds: The most time for both.
        memory: The most bytes.

    Raises:
        OSError: This machine has no sandbox: there is one on Linux, on x86_64 and aarch64.
        ValueError: The tests are no Python or test nothing, or a limit makes no sense.

    Example:
        >>> run_tests("def add(a, b): return a - b", "assert add(1, 2) == 3").passed
        False
    """
    check_sandbox(seconds, memory)
    check_tests(tests)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        started = subprocess.Popen(  # noqa: S603 - this interpreter, on a file of this package
            [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(_WORKER)],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )
        theirs.close()
        try:
            return _outcome(ours, program, tests, seconds, memory)
        finally:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def check_sandbox(seconds: float = SECONDS, memory: int = MEMORY) -> None:
    """Refuse limits that make no sense, and machines without a sandbox, before replies are paid for.

    Raises:
        OSError: This machine has no sandbox.
        ValueError: A limit makes no sense.
    """
    if not 0 < seconds < inf:
        raise ValueError(f"seconds must be above 0, not {seconds}")
    if memory < LEAST_MEMORY:
        raise ValueError(
            f"memory must be at least {LEAST_MEMORY:,} bytes, which Python takes; it is {memory:,}"
        )
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        raise OSError(
            f"programs are run on Linux alone, on {' or '.join(MACHINES)}, because the sandbox needs its "
            f"kernel; this is {sys.platform} on {platform.machine()}"
        )


def check_tests(tests: str) -> None:
    """Refuse tests that could not fail, before a program passes them.

    Raises:
        ValueError: They are no Python, or nothing in them would run.
    """
    try:
        body = ast.parse(tests).body
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"the tests are not valid Python: {error}") from error
    quiet = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Pass)
    run = [each for each in body if not isinstance(each, quiet) or _is_test(each)]
    if not any(not isinstance(each, ast.Expr) or not isinstance(each.value, ast.Constant) for each in run):
        raise ValueError(
            "the tests would run nothing: they need assert statements, functions test_...() or unittest "
            "cases; a check(candidate) needs its call, as in check(add)"
        )


def _is_test(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef):
        return statement.name.startswith("test")
    return isinstance(statement, ast.ClassDef) and any("TestCase" in ast.unparse(b) for b in statement.bases)


def _outcome(ours: socket.socket, program: str, tests: str, seconds: float, memory: int) -> ProgramRun:
    """Talk to the worker until it says what came of the tests, or the time is up."""
    worker, token = _Worker(ours), secrets.token_hex(16)
    try:
        worker.send(
            program=program,
            seconds=ceil(seconds) + 1,
            memory=memory,
            readable=[sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *_LIBRARIES, *_DEVICES],
            filter=assemble_filter(platform.machine()).hex(),
        )
        confined = worker.line() == "confined"
    except OSError:
        confined = False
    if not confined:
        raise OSError("the sandbox does not start: this kernel or its container allows no seccomp filter")
    worker.deadline = time.monotonic() + seconds
    try:
        line = worker.line()
        if line == "loaded":
            worker.send(tests=tests, token=token)
            line = worker.line()
    except TimeoutError:
        return ProgramRun(False, f"took longer than {seconds:g} s")
    except OSError:  # it closed its end
        line = ""
    if line == token:
        return ProgramRun(True)
    return ProgramRun(False, line or "ended before its tests did")


class _Worker:
    """The other end of a socket, which must answer in time and in few words."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._read = connection, b""
        self.deadline = time.monotonic() + _SECONDS_TO_START

    def send(self, **job: object) -> None:
        data = json.dumps(job).encode()
        self._connection.settimeout(self._left())
        self._connection.sendall(struct.pack("=Q", len(data)) + data)

    def line(self) -> str:
        """The next line, or what was written before the output ended or reached its limit."""
        while b"\n" not in self._read and len(self._read) < _LONGEST_SAID:
            self._connection.settimeout(self._left())
            part = self._connection.recv(_LONGEST_SAID)
            if not part:
                break
            self._read += part
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace")[:_LONGEST_SAID]

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left
