import os
import signal
import sys
import threading

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import math, math_answer, math_equivalence
from adaptive_reasoner.answers.math_equivalence import MathWorker

pytest.importorskip("math_verify")


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("14", "14.0", True),
        ("1,000", "1000", True),
        (r"\frac{1}{2}", "1/2", True),
        (r"\dfrac{3}{4}", "0.75", True),
        (r"2\sqrt{3}", r"\sqrt{12}", True),
        ("(x+1)(x-1)", "x^2-1", True),
        (r"\{1, 2, 3\}", r"\{3, 2, 1\}", True),
        (r"(1, 2)", r"(2, 1)", False),
        (r"[0, 1)", r"(0, 1]", False),
        (r"(0, \infty)", r"(0,\infty)", True),
        ("x^2", "x^3", False),
        ("7", "8", False),
        ("paris", "paris", True),
        ("paris", "london", False),
        ("", "1", False),
        (None, "1", False),
        ("x" * 5000, "y", False),
    ],
)
def test_compares_what_expressions_mean(answer, gold, equal):
    assert math(answer, gold) == float(equal)


def test_what_would_take_for_ever_is_given_up_and_the_next_is_answered():
    worker = MathWorker(seconds=3.0)
    assert worker.ask("equal", "1/2", "0.5") is True
    assert worker.ask("equal", "9^{9^{9}}", "1") is None
    assert worker.ask("equal", r"\frac{2}{4}", "0.5") is True
    worker.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot hold a process")
def test_time_in_which_the_worker_does_not_compute_is_not_counted():
    worker = MathWorker(seconds=1.0)
    worker.ask("equal", "1", "1")
    os.kill(worker._process.pid, signal.SIGSTOP)
    go_on = threading.Timer(1.5, os.kill, (worker._process.pid, signal.SIGCONT))
    go_on.start()
    assert worker.ask("equal", "1/2", "0.5") is True
    go_on.join()
    worker.close()


def test_a_worker_that_was_killed_is_started_again():
    worker = MathWorker()
    worker.ask("equal", "1", "1")
    worker._process.kill()
    worker._process.wait()
    assert worker.ask("equal", "2/4", "0.5") is True
    worker.close()


def test_answers_from_threads_as_from_anywhere():
    found = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(math(rf"\frac{{{n}}}{{4}}", f"{2 * n}/8")))
        for n in (1, 3, 5, 7)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1.0] * 4


def test_a_key_for_votes_is_one_for_equal_expressions():
    def key(text):
        return math_answer(AIMessage(rf"so \boxed{{{text}}}"))

    assert key(r"\frac{1}{2}") == key("1/2") == key("0.5") == "0.5"
    assert key("(x+1)^2") == key("x^2+2x+1") != key("x^2")
    assert key(r"\frac{4}{2}") == "2"
    assert key("14") == "14"
    assert math_answer(AIMessage("I do not know. " * 20)) is None


def test_without_math_verify_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(math_equivalence, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'adaptive-reasoner\[math\]'"):
        MathWorker().ask("equal", "1/2", "0.5")
