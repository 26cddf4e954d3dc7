"""A program and its tests at work: run as a process of its own, which confines itself first.

It talks to its parent on its standard input, a socket. It imports nothing of this package, and the program
finds no trace of the tests until it is loaded.
"""

import builtins
import ctypes
import json
import os
import resource
import struct
import sys
import traceback
import types
from typing import Any

_PDEATHSIG, _SET_SECCOMP, _NO_NEW_PRIVILEGES, _FILTER = 1, 22, 38, 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # Landlock, on every machine
_EVERY_ACCESS, _READ_FILE, _READ_FOLDER = (1 << 13) - 1, 1 << 2, 1 << 3
_KILLED = 9
_LONGEST = 500  # characters of a reason


def main() -> None:
    """Confine this process, load the program, then receive its tests and run them."""
    channel = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    job = _received(channel)
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.prctl(_PDEATHSIG, _KILLED, 0, 0, 0) or kernel.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return
    _limit(job["memory"], job["seconds"])
    _confine_reading(kernel, job["readable"])
    if not _confine_calls(kernel, bytes.fromhex(job["filter"])):
        return
    os.write(channel, b"confined\n")
    pristine = dict(vars(builtins))
    try:
        solution = types.ModuleType("solution")
        sys.modules["solution"] = solution
        exec(compile(job.pop("program"), "<program>", "exec"), vars(solution))  # noqa: S102 - what this is for
        os.write(channel, b"loaded\n")
        tests = _received(channel)
        _run(tests.pop("tests"), {**vars(solution), "__name__": "tests", "__builtins__": pristine})
        line = tests["token"]
    except BaseException as error:  # noqa: BLE001 - of a program that may raise anything
        line = f"{type(error).__name__}{_place(error)}: {error}"[:_LONGEST].replace("\n", " ")
    os.write(channel, line.encode(errors="replace") + b"\n")
    os._exit(0)


def _place(error: BaseException) -> str:
    """The line of the tests in which an error arose, where it was in them."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == "<tests>"), None)
    return "" if line is None else f" in line {line} of the tests"


def _received(channel: int) -> Any:
    (size,) = struct.unpack("=Q", _exactly(channel, 8))
    return json.loads(_exactly(channel, size))


def _exactly(channel: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = os.read(channel, size - len(data))
        if not part:
            os._exit(1)
        data += part
    return bytes(data)


def _limit(memory: int, seconds: int) -> None:
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))


def _confine_reading(kernel: Any, readable: list[str]) -> None:
    """Let only these files and folders be read, where the kernel has Landlock."""
    handled = struct.pack("=Q", _EVERY_ACCESS)
    rules = kernel.syscall(_CREATE_RULESET, handled, len(handled), 0)
    if rules < 0:
        return
    for path in readable:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        access = _READ_FILE | _READ_FOLDER if os.path.isdir(path) else _READ_FILE  # noqa: PTH112
        kernel.syscall(_ADD_RULE, rules, 1, struct.pack("=Qi", access, opened), 0)
        os.close(opened)
    kernel.syscall(_RESTRICT_SELF, rules, 0)
    os.close(rules)


def _confine_calls(kernel: Any, program: bytes) -> bool:
    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    made = Filter(len(program) // 8, program)
    return bool(kernel.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(made), 0, 0) == 0)


def _run(tests: str, namespace: dict[str, Any]) -> None:
    """Run the tests: their statements, then their functions `test...`, then their unittest cases."""
    known = dict(namespace)
    exec(compile(tests, "<tests>", "exec"), namespace)  # noqa: S102 - what this is for
    made = [value for name, value in namespace.items() if known.get(name) is not value]
    for value in made:
        if isinstance(value, types.FunctionType) and value.__name__.startswith("test"):
            value()
    unittest: Any = sys.modules.get("unittest")
    for value in made if unittest else ():
        if (
            isinstance(value, type)
            and issubclass(value, unittest.TestCase)
            and value is not unittest.TestCase
        ):
            result = unittest.defaultTestLoader.loadTestsFromTestCase(value).run(unittest.TestResult())
            for _, trace in (*result.failures, *result.errors):
                raise AssertionError(trace.splitlines()[-1])


if __name__ == "__main__":
    main()
