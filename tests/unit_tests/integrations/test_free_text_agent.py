"""An agent whose replies are free text pays for one call a reply, and its users see the tokens arrive."""

import itertools
from collections.abc import Iterator, Mapping

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from tests.fakes import ScriptedModel
from tests.unit_tests.answers.labelled_replies import FILES, cases

FREE = [case for file in FILES for case in cases(file) if case["free"]]
EXPECTED = {"greeting", "poem", "essay", "e-mail", "list of steps", "Python code", "SQL", "summary"}
"""Kinds of which the question alone says that free text will follow."""
BUDGET = 300.0
CALLS_A_REPLY = 1.1


class TalkingModel(ScriptedModel):
    """Gives the replies of a question in turn."""

    lines: Mapping[str, Iterator[str]]

    def _reply(self, messages, kwargs):
        text = next(self.lines[messages[-1].text])
        return ScriptedModel._reply(self.model_copy(update={"answers": (text,)}), messages, kwargs)


@pytest.fixture
def model():
    lines = {case["question"]: case["replies"] for case in FREE}
    lines["What is 17 * 23?"] = ["391", "The answer is 381.", "It is 391."]
    return TalkingModel(lines={question: itertools.cycle(replies) for question, replies in lines.items()})


@pytest.fixture
def agent(model):
    return create_agent(model, [], middleware=[AdaptiveComputeMiddleware(budget=BUDGET)])


def asked(question):
    return {"messages": [HumanMessage(question)]}


def calls(model, question):
    return sum(request["prompt"] == question for request in model.requests)


async def test_an_agent_that_talks_pays_for_one_call_a_reply(ask, agent, model):
    rounds = 3
    for _, case in itertools.product(range(rounds), FREE):
        reply = (await ask(agent, asked(case["question"])))["messages"][-1].text
        assert reply in case["replies"]
    drawn = {(case["kind"], case["question"]): calls(model, case["question"]) / rounds for case in FREE}
    assert sum(drawn.values()) / len(drawn) <= CALLS_A_REPLY, drawn


@pytest.mark.parametrize("kind", sorted({case["kind"] for case in FREE}))
async def test_no_kind_of_free_text_pays_for_more(ask, agent, model, kind):
    questions = [case["question"] for case in FREE if case["kind"] == kind]
    for question in questions * 5:
        await ask(agent, asked(question))
    assert len(model.requests) / (5 * len(questions)) <= CALLS_A_REPLY


@pytest.mark.parametrize(
    "case", [case for case in FREE if case["kind"] in EXPECTED], ids=lambda c: f"{c['kind']}, {c['language']}"
)
def test_the_tokens_of_free_text_stream(agent, model, case):
    chunks = [
        chunk
        for chunk, _ in agent.stream(asked(case["question"]), stream_mode="messages")
        if isinstance(chunk, AIMessage) and chunk.text
    ]
    text = "".join(chunk.text for chunk in chunks)
    assert text == case["replies"][0]
    assert len(chunks) == len(text.split(" "))
    assert len(model.requests) == 1


async def test_the_same_agent_votes_where_answers_can_be_compared(ask, agent, model):
    for case in FREE[:5]:
        await ask(agent, asked(case["question"]))
    reply = (await ask(agent, asked("What is 17 * 23?")))["messages"][-1].text
    assert "391" in reply
    assert calls(model, "What is 17 * 23?") >= 3
