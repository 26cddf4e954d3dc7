"""Programs graded by their tests: for a `Checker`, which takes the first that passes, and for menus."""

from collections.abc import Callable, Mapping

from langchain_core.messages import AIMessage

from adaptive_reasoner.answers.base import TextComparison
from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.answers.programs.code_comparison import code_of, python_source
from adaptive_reasoner.answers.programs.python import python_form
from adaptive_reasoner.sandbox.running import MEMORY, SECONDS, check_sandbox, check_tests, run_tests


def passes_tests(
    tests: Mapping[str, str] | Callable[[str], str], *, seconds: float = SECONDS, memory: int = MEMORY
) -> Callable[[str, AIMessage], bool]:
    """Whether the Python program of a reply passes the tests of its question; for a `Checker`.

    The program is run, in a sandbox: see `adaptive_reasoner.sandbox.running`. A reply without a program does
    not pass.

    Args:
        tests: The tests of each question, as Python; a function of the question, or a mapping from it.
        seconds: The most time for a program and its tests.
        memory: The most bytes for them.

    Raises:
        OSError: This machine has no sandbox: there is one on Linux, on x86_64 and aarch64.
        ValueError: Tests are no Python or would run nothing, or a limit makes no sense.

    Example:
        >>> from adaptive_reasoner import Checker, best_of_n
        >>> tests = {"Write add(a, b).": "assert add(1, 2) == 3"}
        >>> flow = best_of_n(8, Checker(passes_tests(tests)))
    """
    check_sandbox(seconds, memory)
    if isinstance(tests, Mapping):
        for question, its_tests in tests.items():
            _check(question, its_tests)

    def accepts(question: str, message: AIMessage) -> bool:
        its_tests = _tests_of(tests, question)
        program = code_of(message, python_source)
        return program is not None and run_tests(program, its_tests, seconds=seconds, memory=memory).passed

    return accepts


def _tests_of(tests: Mapping[str, str] | Callable[[str], str], question: str) -> str:
    if not isinstance(tests, Mapping):
        return tests(question)
    if question not in tests:
        raise ValueError(
            f"there are no tests for the question {question[:80]!r}; there are {len(tests)} others"
        )
    return tests[question]


def _check(question: str, tests: str) -> None:
    try:
        check_tests(tests)
    except ValueError as error:
        raise ValueError(f"question {question[:80]!r}: {error}") from error


def _key(message: AIMessage, _: str) -> str | None:
    if message.tool_calls:
        return final_answer(message)
    program = code_of(message, python_source)
    return None if program is None else python_form(program, keep_parameters=True)


class _PythonTests(TextComparison):
    def grade(self, answer: str | None, gold: str) -> float:
        """1.0 where a program passes the tests that are its gold answer, else 0.0."""
        check_tests(gold)
        return 0.0 if answer is None else float(run_tests(answer, gold).passed)


python_tests = _PythonTests("python_tests", _key, str)
"""Compares Python programs as `code("python")` does, except that parameters keep their names, and grades a
program by running the tests that are its gold answer, in the sandbox."""
