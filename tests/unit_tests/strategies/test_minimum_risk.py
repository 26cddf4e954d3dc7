"""The reply that is most similar to the others is the best of several, at the price of the replies alone."""

import asyncio

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner import best_of_n, central
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.strategies.flow import Task, arun, run
from tests.fakes import ScriptedModel


class Angles:
    def encode(self, texts):
        angles = np.radians([float(text.split()[-1]) for text in texts])
        return np.column_stack([np.cos(angles), np.sin(angles)])


def scores(*messages):
    try:
        next(central(Angles()).scores("?", messages))
    except StopIteration as end:
        return end.value
    raise AssertionError("a request was made")


@pytest.mark.parametrize("drive", [run, lambda *given: asyncio.run(arun(*given))], ids=["sync", "async"])
def test_the_most_central_reply_is_the_answer_and_only_the_replies_are_billed(drive):
    model = ScriptedModel(answers=("turn 0", "turn 80", "turn 30", "turn 40"))
    caller = CallExecutor(Source(model, max_tokens=50), TokenMeter())
    answer = drive(best_of_n(4, central(Angles())), Task([HumanMessage("Where to?")]), caller)
    assert answer.message.text == "turn 40"
    assert len(caller.bill) == 4
    assert answer.score == pytest.approx(np.cos(np.radians([40, 40, 10])).mean())


def test_equal_replies_support_each_other():
    found = scores(AIMessage("turn 0"), AIMessage("turn 0"), AIMessage("turn 90"))
    assert found == pytest.approx([0.5, 0.5, 0.0])


def test_what_is_no_whole_text_has_no_score_and_does_not_count():
    cut = AIMessage("turn 0", response_metadata={"finish_reason": "length"})
    call = AIMessage("", tool_calls=[{"name": "go", "args": {}, "id": "1"}])
    found = scores(cut, AIMessage("turn 10"), call, AIMessage("turn 20"))
    assert found == pytest.approx([-np.inf, np.cos(np.radians(10)), -np.inf, np.cos(np.radians(10))])


def test_a_single_reply_is_similar_to_no_other():
    assert scores(AIMessage("turn 10")) == [0.0]
    assert scores(AIMessage("")) == [-np.inf]


def test_what_is_no_encoder_is_refused():
    with pytest.raises(TypeError, match="encode"):
        central("policy/")
