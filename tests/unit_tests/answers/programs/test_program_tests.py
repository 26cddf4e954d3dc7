"""Replies that are programs, accepted and graded by their tests."""

import asyncio
import platform
import sys

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.answers import groups, passes_tests
from adaptive_reasoner.answers.programs.program_tests import python_tests
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.sandbox.syscall_filter import MACHINES
from adaptive_reasoner.strategies.flow import Task, arun, run
from adaptive_reasoner.strategies.verification import Checker, best_of_n
from tests.fakes import ScriptedModel

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in MACHINES,
    reason="there is no sandbox on this machine",
)

QUESTION = "Write add(a, b), the sum of two numbers."
TESTS = {QUESTION: "assert add(1, 2) == 3\nassert add(a=2, b=2) == 4"}
WRONG = "```python\ndef add(a, b):\n    return a * b\n```"
RIGHT = "So:\n```python\ndef add(a: int, b: int) -> int:\n    '''Sum.'''\n    return a + b\n```\nDone."


@pytest.mark.parametrize("drive", [run, lambda *given: asyncio.run(arun(*given))], ids=["sync", "async"])
def test_the_first_program_that_passes_is_the_answer_and_ends_the_search(drive):
    caller = CallExecutor(
        Source(ScriptedModel(answers=("I cannot.", WRONG, RIGHT)), max_tokens=50), TokenMeter()
    )
    answer = drive(best_of_n(9, Checker(passes_tests(TESTS))), Task([HumanMessage(QUESTION)]), caller)
    assert (answer.message.text, answer.score) == (RIGHT, 1.0)
    assert len(caller.bill) == 3


def test_a_reply_without_a_program_or_a_cut_one_does_not_pass():
    accepts = passes_tests(TESTS.get)
    cut = AIMessage(RIGHT, response_metadata={"finish_reason": "length"})
    assert [
        accepts(QUESTION, message) for message in (AIMessage("add"), AIMessage(""), cut, AIMessage(RIGHT))
    ] == [
        False,
        False,
        False,
        True,
    ]


def test_a_question_without_tests_is_an_error_and_not_a_pass():
    with pytest.raises(ValueError, match="no tests for the question 'Write sub"):
        passes_tests(TESTS)("Write sub(a, b).", AIMessage(RIGHT))


def test_tests_that_test_nothing_are_refused_before_any_call():
    with pytest.raises(ValueError, match=r"'Write it\.': the tests would run nothing"):
        passes_tests({"Write it.": "x = 1"})


def test_a_grade_runs_the_tests_that_are_the_gold_answer():
    keys = python_tests.keys([AIMessage(WRONG), AIMessage(RIGHT), AIMessage("I cannot.")])
    assert [python_tests.grade(key, TESTS[QUESTION]) for key in keys] == [0.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="would run nothing"):
        python_tests.grade(keys[1], "3")


def test_programs_vote_by_what_they_are_and_keep_the_names_that_tests_may_use():
    other_comment = AIMessage("```python\ndef add(a, b):\n    # the sum\n    return a + b\n```")
    other_names = AIMessage("```python\ndef add(x, y):\n    return x + y\n```")
    found = groups([AIMessage(RIGHT), other_comment, other_names], key=python_tests)
    assert found == [0, 0, 1]
