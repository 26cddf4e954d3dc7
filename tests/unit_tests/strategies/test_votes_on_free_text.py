"""Votes on text and code: the largest group wins, and what comparing costs is on the bill."""

import asyncio

import numpy as np
import pytest
from langchain_core.messages import HumanMessage

from adaptive_reasoner import code, judged, self_consistency, similar
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.flow import Task, arun, run
from tests.fakes import IN_TURN, ScriptedModel

TASK = Task([HumanMessage("Why is the sky blue?")])


class Angles:
    def encode(self, texts):
        angles = np.radians([float(text.split()[-1]) for text in texts])
        return np.column_stack([np.cos(angles), np.sin(angles)])


@pytest.fixture(params=["sync", "async"])
def drive(request):
    if request.param == "sync":
        return lambda flow, caller: run(flow, TASK, caller)
    return lambda flow, caller: asyncio.run(arun(flow, TASK, caller))


def caller(*answers):
    return CallExecutor(Source(ScriptedModel(answers=answers), max_tokens=50), TokenMeter(), IN_TURN)


def test_the_reply_nearest_to_the_centre_of_the_largest_cluster_wins(drive):
    made = caller("turn 0", "turn 170", "turn 24", "turn 11", "turn 180")
    answer = drive(self_consistency(5, key=similar(Angles(), at_least=0.9, guarded=False)), made)
    assert answer.message.text == "turn 11"
    assert sorted(answer.votes.values()) == [1, 3]
    assert len(made.bill) == 4  # the fifth cannot overtake them any more


def test_a_judge_of_equal_replies_is_on_the_bill(drive):
    judge = ScriptedModel(answers=("Groups: [[1, 2]]",))
    made = caller("It scatters.", "Scattering.", "By scattering.")
    answer = drive(self_consistency(3, key=judged(Source(judge, max_tokens=50))), made)
    assert answer.votes == {"It scatters.": 2}  # which the third cannot overtake
    assert len(judge.requests) == 1
    assert len(made.bill) == 2 + 1


def test_a_judge_without_a_verdict_leaves_the_first_reply(drive):
    judge = ScriptedModel(answers=("I cannot tell.",))
    made = caller("It scatters.", "The sea.", "By scattering.")
    answer = drive(self_consistency(3, key=judged(Source(judge, max_tokens=50))), made)
    assert (answer.message.text, answer.value) == ("It scatters.", None)


def test_programs_vote_by_what_they_are(drive):
    made = caller("def f(a): return a", "def f(a): return -a", "def f(x):\n    return x  # the same")
    answer = drive(self_consistency(3, key=code("python")), made)
    assert answer.message.text == "def f(a): return a"
    assert max(answer.votes.values()) == 2
