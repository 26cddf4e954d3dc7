"""Prompts by text, by LangChain's templates and by functions."""

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

from adaptive_reasoner import AdaptiveReasoner, FixedPolicy, SampleMeter, Source, single_pass
from tests.fakes import ScriptedModel

ASKED = [HumanMessage("Use {braces}: 5 + 9?")]


def sent(prompt):
    return [
        (each.type, each.text)
        for each in Source(ScriptedModel(answers=("14",)), prompt=prompt).messages(ASKED)
    ]


def test_text_takes_the_question_in_its_place_and_keeps_other_braces():
    assert sent('Answer as {"n": ...}.\n{question}') == [
        ("human", 'Answer as {"n": ...}.\nUse {braces}: 5 + 9?')
    ]


def test_templates_of_langchain_take_the_question_by_whatever_name():
    chat = ChatPromptTemplate([("system", "Be brief."), ("user", "{task}")])
    assert sent(chat) == [("system", "Be brief."), ("human", "Use {braces}: 5 + 9?")]
    assert sent(PromptTemplate.from_template("Q: {q}")) == [("human", "Q: Use {braces}: 5 + 9?")]
    partial = ChatPromptTemplate([("user", "{tone}: {q}")]).partial(tone="brief")
    assert sent(partial) == [("human", "brief: Use {braces}: 5 + 9?")]


def test_a_function_may_return_messages():
    assert sent(lambda question: [HumanMessage(question.upper())]) == [("human", "USE {BRACES}: 5 + 9?")]


def test_a_prompt_without_a_place_for_the_question_is_refused_at_once():
    with pytest.raises(ValueError, match=r"'Hello' has no \{question\} in it"):
        Source(ScriptedModel(answers=("14",)), prompt="Hello")
    with pytest.raises(ValueError, match="one variable, for the question, but this one has 2: a, b"):
        Source(ScriptedModel(answers=("14",)), prompt=PromptTemplate.from_template("{a} {b}"))
    with pytest.raises(TypeError, match="or a function of the question's text, not int"):
        Source(ScriptedModel(answers=("14",)), prompt=3)


def test_a_template_reaches_the_model():
    model = ScriptedModel(answers=("14",))
    reasoner = AdaptiveReasoner(
        Source(model, prompt=ChatPromptTemplate([("system", "Be brief."), ("user", "{q}")])),
        policy=FixedPolicy("once", expected_cost=1.0, cost_unit="samples"),
        actions={"once": single_pass()},
        meter=SampleMeter(),
    )
    assert reasoner.invoke("5 + 9?").text == "14"
    assert model.requests[0]["prompt"] == "5 + 9?"
