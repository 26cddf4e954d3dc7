"""A program under test can do no harm, and passes only if its tests do."""

# ruff: noqa: E501, ISC004 - programs stand on one line

import os
import platform
import struct
import subprocess
import sys
import threading

import pytest

from adaptive_reasoner.sandbox.running import check_tests, run_tests
from adaptive_reasoner.sandbox.syscall_filter import MACHINES, assemble_filter

TESTS = "assert add(1, 2) == 3\nassert add(-1, 1) == 0"
GOOD = "def add(a, b):\n    return a + b"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in MACHINES,
    reason="there is no sandbox on this machine",
)

PASSING = {
    "a plain function": GOOD,
    "the standard library": (
        "import asyncio, collections, dataclasses, datetime, decimal, functools, hashlib, heapq, itertools, json, "
        "math, random, re, statistics, string, threading, typing, zoneinfo\n"
        "@dataclasses.dataclass\nclass Pair:\n    a: int\n    b: int\n"
        "async def total(pair):\n    await asyncio.sleep(0)\n    return pair.a + pair.b\n"
        "def add(a, b):\n    print('adding')\n    return asyncio.run(total(Pair(a, b)))"
    ),
    "threads": (
        "import threading\ndef add(a, b):\n    found = []\n"
        "    thread = threading.Thread(target=lambda: found.append(a + b))\n"
        "    thread.start()\n    thread.join()\n    return found[0]"
    ),
    "a main block": f"{GOOD}\nif __name__ == '__main__':\n    raise SystemExit(1)",
    "recursion": "def add(a, b):\n    return a if b == 0 else add(a + 1, b - 1) if b > 0 else add(a - 1, b + 1)",
}
FAILING = {
    "a wrong result": ("def add(a, b):\n    return a - b", "AssertionError in line 1 of the tests"),
    "a missing function": ("def plus(a, b):\n    return a + b", "NameError in line 1 of the tests"),
    "no Python": ("def add(a, b:", "SyntaxError"),
    "half a character": ("x = '\ud800'", "UnicodeEncodeError"),
    "an endless loop": ("while True:\n    pass", "took longer than 1 s"),
    "an endless loop under test": (
        "def add(a, b):\n    while True:\n        pass",
        "took longer than 1 s",
    ),
    "sleep": ("import time\ntime.sleep(1000)", "took longer than 1 s"),
    "a loop that no exception ends": (
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
        "took longer than 1 s",
    ),
    "a fork": (f"import os\nos.fork()\n{GOOD}", "PermissionError"),
    "a fork bomb": (
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        "took",
    ),
    "a thread bomb": (
        "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(99,)).start()",
        "can't start new thread",
    ),
    "another program": ("import os\nos.execv('/bin/true', ['true'])", "PermissionError"),
    "a shell": ("import subprocess\nsubprocess.run('ls', shell=True)", "PermissionError"),
    "ten gigabytes": (f"data = bytearray(10 * 2**30)\n{GOOD}", "MemoryError"),
    "deep recursion": ("def f():\n    f()\nf()", "RecursionError"),
    "a signal to its parent": ("import os, signal\nos.kill(os.getppid(), signal.SIGTERM)", "PermissionError"),
    "a connection": ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "PermissionError"),
    "a server": ("import socket\nsocket.socket().bind(('127.0.0.1', 0))", "PermissionError"),
    "a crash": ("import ctypes\nctypes.string_at(0)", "ended before its tests did"),
    "an early exit": ("import sys\nsys.exit(0)", "SystemExit"),
    "an exit under test": ("import sys\ndef add(a, b):\n    sys.exit(0)", "SystemExit"),
    "an early end of the process": ("import os\nos._exit(0)", "ended before its tests did"),
    "an end of the process under test": (
        "import os\ndef add(a, b):\n    os._exit(0)",
        "ended before its tests did",
    ),
    "words of success": ("print('passed', flush=True)\ndef add(a, b):\n    return 0", "AssertionError"),
    "words of success to every file": (
        "import os\nfor fd in range(64):\n    try:\n        os.write(fd, b'passed\\n')\n    except OSError:\n        pass\n"
        "def add(a, b):\n    return 0",
        "passed",
    ),
    "endless words to every file": (
        "import os\nwhile True:\n    for fd in range(64):\n        try:\n            os.write(fd, b'x' * 65536)\n"
        "        except OSError:\n            pass",
        "xxx",
    ),
    "a question to the user": ("a = input()", "EOFError"),
    "changed builtins": (
        "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.AssertionError = type('X', (Exception,), {})\n"
        "def add(a, b):\n    return 4",
        "AssertionError",
    ),
    "a limit set higher": (
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
        "Error",
    ),
}


def outcome(program, tests=TESTS, seconds=1.0):
    return run_tests(program, tests, seconds=seconds)


@pytest.mark.parametrize("program", PASSING.values(), ids=PASSING)
def test_a_right_program_passes(program):
    assert outcome(program, seconds=20) == outcome(GOOD, seconds=20)


@pytest.mark.parametrize(("program", "why"), FAILING.values(), ids=FAILING)
def test_a_program_that_is_wrong_or_hostile_fails_in_time(program, why):
    made = run_tests(program, TESTS, seconds=1.0 if "took" in why else 20)
    assert not made.passed
    assert why in made.why
    assert len(made.why) <= 600


def test_no_process_is_left_after_the_deadline():
    outcome(
        "import threading\nthreading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()\nwhile True: pass"
    )
    left = subprocess.run(["ps", "-eo", "ppid,args"], capture_output=True, text=True, check=True).stdout
    own = [line for line in left.splitlines() if line.split()[0] == str(os.getpid())]
    assert [line for line in own if "sandbox/worker" in line] == []


def test_nothing_is_written_changed_or_removed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("safe")
    attempts = (
        f"open({str(victim)!r}, 'w')",
        f"open({str(victim)!r}, 'a')",
        f"open({str(tmp_path / 'new')!r}, 'x')",
        f"os.open({str(tmp_path / 'new')!r}, os.O_CREAT)",
        f"os.remove({str(victim)!r})",
        f"os.rename({str(victim)!r}, {str(tmp_path / 'other')!r})",
        f"os.truncate({str(victim)!r}, 0)",
        f"os.chmod({str(victim)!r}, 0)",
        f"os.mkdir({str(tmp_path / 'folder')!r})",
        f"os.symlink('/', {str(tmp_path / 'link')!r})",
        f"os.utime({str(victim)!r})",
        "tempfile.mkdtemp()",
    )
    for attempt in attempts:
        made = run_tests(f"import os, tempfile\n{attempt}", TESTS)
        assert made.why.startswith(("PermissionError", "FileNotFoundError")), attempt
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("victim", "safe")]


def has_landlock():
    made = run_tests("open('/etc/passwd').read()\ndef add(a, b): return a + b", TESTS)
    return not made.passed


def test_it_reads_the_library_of_python_alone_and_knows_no_environment(tmp_path, monkeypatch):
    if not has_landlock():
        pytest.skip("this kernel has no Landlock")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    (tmp_path / "questions.jsonl").write_text(TESTS)
    for attempt in (
        f"open({str(tmp_path / 'questions.jsonl')!r}).read()",
        f"open('/proc/{os.getpid()}/environ').read()",
        "open('/proc/self/mem', 'rb').read(1)",
        f"os.listdir({str(tmp_path)!r})",
        "os.environ['OPENAI_API_KEY']",
    ):
        assert not run_tests(f"import os\n{attempt}\n{GOOD}", TESTS).passed, attempt


def test_a_program_finds_no_trace_of_its_tests_while_it_is_loaded():
    marker = "sesame" + "42"
    spying = (
        "import gc, sys, os\nmarker = 'sesame' + '42'\n"
        "seen = [sys.argv, dict(os.environ), vars(sys.modules['__main__'])]\n"
        "frame = sys._getframe()\n"
        "while frame:\n    seen += [frame.f_locals, frame.f_globals]\n    frame = frame.f_back\n"
        "seen += [each for each in gc.get_objects() if isinstance(each, (dict, list, tuple))]\n"
        "words = [text for each in seen for text in (each.values() if isinstance(each, dict) else each) "
        "if isinstance(text, str) and text is not marker]\n"
        "if any(marker in word for word in words):\n    raise RuntimeError('found them')\n"
        "def add(a, b):\n    return a + b"
    )
    made = run_tests(spying, f"{TESTS}\nassert {marker!r}", seconds=20)
    assert made.passed, made.why


STYLES = {
    "functions": "def test_sum():\n    assert add(1, 2) == 3\ndef helper():\n    raise RuntimeError",
    "a check of a candidate": "def check(candidate):\n    assert candidate(1, 2) == 3\ncheck(add)",
    "unittest": (
        "import unittest\nclass Sums(unittest.TestCase):\n    def test_sum(self):\n"
        "        self.assertEqual(add(1, 2), 3)"
    ),
    "a loop": "for a, b in [(1, 2), (2, 1)]:\n    assert add(a, b) == 3",
}


@pytest.mark.parametrize("tests", STYLES.values(), ids=STYLES)
def test_tests_of_every_style_tell_right_from_wrong(tests):
    assert outcome(GOOD, tests, 20).passed
    assert not outcome("def add(a, b):\n    return a * b", tests, 20).passed


@pytest.mark.parametrize(
    "tests",
    [
        "",
        "pass",
        "'add(1, 2) == 3'",
        "def check(candidate):\n    assert candidate(1, 2) == 3",
        "import math",
        "x = 1",
    ],
)
def test_tests_that_would_run_nothing_are_refused(tests):
    with pytest.raises(ValueError, match="would run nothing"):
        check_tests(tests)


def test_tests_that_are_no_python_are_refused():
    with pytest.raises(ValueError, match="not valid Python"):
        run_tests(GOOD, "assert add(1, 2) ==")


@pytest.mark.parametrize(("limits", "message"), [({"seconds": 0}, "seconds"), ({"memory": 1000}, "memory")])
def test_limits_that_make_no_sense_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        run_tests(GOOD, TESTS, **limits)


def test_a_machine_without_a_sandbox_runs_nothing(monkeypatch):
    monkeypatch.setattr("adaptive_reasoner.sandbox.running.platform.machine", lambda: "riscv64")
    with pytest.raises(OSError, match="x86_64 or aarch64"):
        run_tests(GOOD, TESTS)


def test_programs_are_tested_side_by_side():
    made = {}

    def work(number):
        made[number] = run_tests(GOOD if number % 2 else "def add(a, b): return 0", TESTS, seconds=60).passed

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == {number: bool(number % 2) for number in range(8)}


def decides(filter_bytes, machine, number, *arguments):
    """What a filter says of a call, by a small interpreter of its instructions."""
    words = struct.pack("=IIQ6Q", number, machine, 0, *arguments, *[0] * (6 - len(arguments)))
    program = list(struct.iter_unpack("=HBBI", filter_bytes))
    at = loaded = 0
    while True:
        operation, when, otherwise, value = program[at]
        at += 1
        if operation == 0x06:
            return value
        if operation == 0x20:
            (loaded,) = struct.unpack_from("=I", words, value)
        else:
            test = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[operation]
            at += when if test else otherwise


ALLOW, EPERM, ENOTTY, ENOSYS, KILL = 0x7FFF0000, 0x50001, 0x50019, 0x50026, 0x80000000


@pytest.mark.parametrize(
    ("machine", "identity", "calls"),
    [
        ("x86_64", 0xC000003E, {"openat": 257, "clone": 56, "clone3": 435, "prlimit": 302, "sendto": 44, "ioctl": 16,
                                "read": 0, "fork": 57, "execve": 59, "socket": 41, "kill": 62, "unlinkat": 263}),
        ("aarch64", 0xC00000B7, {"openat": 56, "clone": 220, "clone3": 435, "prlimit": 261, "sendto": 206, "ioctl": 29,
                                 "read": 63, "execve": 221, "socket": 198, "kill": 129, "unlinkat": 35}),
    ],
)  # fmt: skip
def test_the_filter_allows_and_refuses_the_same_on_every_processor(machine, identity, calls):
    made = assemble_filter(machine)

    def says(name, *arguments):
        return decides(made, identity, calls[name], *arguments)

    assert says("read") == ALLOW
    assert says("openat", 0, 0, 0) == ALLOW
    assert {says("openat", 0, 0, flag) for flag in (1, 2, 0o100, 0o1000, 0o2000, 0x80241)} == {EPERM}
    assert (says("clone", 0x10000 | 0x100), says("clone", 17), says("clone3")) == (ALLOW, EPERM, ENOSYS)
    assert (says("prlimit", 0, 7, 0), says("prlimit", 0, 7, 8), says("prlimit", 0, 7, 1 << 40)) == (
        ALLOW,
        EPERM,
        EPERM,
    )
    assert (says("sendto", 3, 0, 0, 0, 0), says("sendto", 3, 0, 0, 0, 1 << 33)) == (ALLOW, EPERM)
    assert (says("ioctl", 3, 0x5421), says("ioctl", 3, 0x5412)) == (ALLOW, ENOTTY)
    assert {says(name) for name in calls if name in ("fork", "execve", "socket", "kill", "unlinkat")} == {
        EPERM
    }
    assert decides(made, 0x40000003, calls["read"]) == KILL
    assert decides(made, identity, 0x40000000 + calls["read"]) == EPERM
