import sys

import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import (
    Comparison,
    choice,
    comparison,
    exact,
    fields,
    groups,
    math,
    numeric,
)


def test_replies_that_say_the_same_share_a_number():
    replies = [
        AIMessage("Answer: 14"),
        AIMessage(""),
        AIMessage("The answer is 14.0."),
        AIMessage("Answer: 15"),
    ]
    assert groups(replies, question="5 + 9?") == groups(replies) == [0, None, 0, 1]


@pytest.mark.parametrize("key", ["auto", "exact", "numeric", "math", "choice", "json"])
def test_a_comparison_is_found_by_its_name_and_calls_no_model(key):
    found = comparison(key)
    assert isinstance(found, Comparison)
    assert found.name == key
    with pytest.raises(StopIteration) as end:
        next(found.steps([AIMessage("7"), AIMessage("")]))
    assert end.value.value == found.keys([AIMessage("7"), AIMessage("")])


@pytest.mark.parametrize("grader", [exact, numeric, math, choice])
def test_a_grader_is_the_comparison_of_its_name(grader):
    assert comparison(grader.name) is comparison(grader) is grader


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'maths'.*auto, exact, numeric, math, choice, json"):
        comparison("maths")
    with pytest.raises(TypeError, match="not 3"):
        comparison(3)


def test_a_function_of_the_message_is_a_key():
    replies = [AIMessage("one two"), AIMessage("one three"), AIMessage("")]
    assert groups(replies, key=lambda message: (message.text.split() or [None])[0]) == [0, 0, None]


def test_fields_compare_structured_replies_by_these_alone():
    replies = [
        AIMessage('{"city": "Paris", "why": "x"}'),
        AIMessage('{"city": "Paris", "why": "y"}'),
        AIMessage('{"city": "Lyon", "why": "x"}'),
        AIMessage("Paris"),
    ]
    assert groups(replies, key=fields("city")) == [0, 0, 1, None]
    with pytest.raises(ValueError, match="at least one"):
        fields()


def functions_called_by(read):
    """The names of this package's functions that run within a call."""
    ran, before = set(), sys.getprofile()
    sys.setprofile(lambda frame, event, _: ran.add(frame.f_code) if event == "call" else None)
    try:
        read()
    finally:
        sys.setprofile(before)
    return {code.co_name for code in ran if "adaptive_reasoner" in code.co_filename}


@pytest.mark.parametrize(
    "key", ["auto", "exact", "numeric", "math", "choice", "json", fields("value")], ids=str
)
def test_what_was_read_to_see_whether_reading_waits_is_not_read_again(key):
    found = comparison(key)
    reply = AIMessage(
        f'{{"value": "31", "by": "{found.name} (B)"}}' if found.name != "math" else "Answer: 31/7"
    )
    reads = {"plain", "json_of"}
    assert functions_called_by(lambda: found.never_blocks_on(reply)) & reads
    assert found.never_blocks_on(reply)
    assert not functions_called_by(lambda: found.keys([reply])) & reads


def test_an_ordinal_number_ends_no_sentence():
    dates = [
        "Am 3. Oktober 1990.",
        "Das war am 3. Oktober 1990.",
        "Das Datum ist 3. Oktober 1990.",
        "1990-10-03",
        "Am 3. März 1991.",
    ]
    assert groups(list(map(AIMessage, dates)), question="Wann war das?") == [0, 0, 0, 0, 1]
    counts = ["There are 3. May I help with anything else?", "We count 3. April is next.", "3"]
    assert groups(list(map(AIMessage, counts)), question="How many are left?") == [0, 0, 0]
