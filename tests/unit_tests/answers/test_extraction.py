import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import canonical, choice, choice_answer, exact, final_answer, numeric


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" 30", "30"),
        ("She shares 48 / 2 = 24. Answer: 24", "24"),
        ("Answer: 3\nNo, wait. Answer: 5", "5"),
        ("The answer is 1,200.", "1200"),
        ("The answer is (B).", "b"),
        ("The answer to this question is 14.", "14"),
        ("#### 72", "72"),
        (r"thus $\boxed{\frac{1}{2}}$", r"\frac{1}{2}"),
        (r"\boxed{1} or rather \boxed{2}", "2"),
        ("Paris.", "paris"),
        ("final answer: 3.50 dollars", "3.50 dollars"),
        ("", None),
        ("I do not know. " * 20, None),
    ],
)
def test_finds_the_last_marked_answer_then_the_last_number(text, answer):
    assert final_answer(AIMessage(text)) == answer


def test_a_reply_that_was_cut_off_does_not_vote_with_a_number_on_the_way():
    cut = AIMessage("23 + 45: 20 + 40 = 60", response_metadata={"finish_reason": "length"})
    assert final_answer(cut) is None


def test_tool_calls_are_equal_by_name_and_arguments_whatever_their_ids():
    def call(identity, **args):
        return AIMessage("", tool_calls=[{"name": "add", "args": args, "id": identity}])

    assert final_answer(call("a", x=1, y=2)) == final_answer(call("b", y=2, x=1))
    assert final_answer(call("a", x=1, y=2)) != final_answer(call("a", x=1, y=3))


def test_structured_answers_are_equal_by_value():
    def call(**args):
        return AIMessage("", tool_calls=[{"name": "add", "args": args, "id": "a"}])

    assert final_answer(AIMessage('{"sum": 14, "of": [1.5]}')) == final_answer(
        AIMessage('{"of": [1.5], "sum": 14.0}')
    )
    assert final_answer(call(x={"y": 1})) == final_answer(call(x={"y": 1.0}))
    assert final_answer(call(x=1)) != final_answer(call(x=1.5))


def test_numbers_of_any_length_differ_by_their_last_digit():
    assert canonical("9" * 40) == "9" * 40
    assert exact("1" * 40, "1" * 39 + "2") == 0.0
    assert exact("1" * 40 + ".50", "1" * 40 + ".5") == 1.0
    assert numeric("5", "1" * 400) == 0.0


def test_a_typographic_minus_is_a_minus():
    assert exact("\u22127", "-7") == 1.0
    assert (numeric("\u22127", "-7"), numeric("\u22127", "7")) == (1.0, 0.0)


@given(st.integers(-(10**12), 10**12))
def test_numbers_are_canonical_by_value(number):
    forms = [str(number), f"{number}.0", f"{number:,}", f" {number}. ", f"${number}", f"**{number}**"]
    assert {canonical(form) for form in forms} == {str(number)}


@given(st.text("ab7.,-+$*()[]'! \t\n"))
def test_canonical_is_idempotent_and_never_empty(text):
    once = canonical(text)
    assert once is None or (once and canonical(once) == once)


def test_graders_score_what_they_name():
    assert exact("Paris", " paris.") == 1.0
    assert exact(None, "paris") == 0.0
    assert numeric("1,000", "1e3") == 1.0
    assert numeric("x = 7", "7.0") == 1.0
    assert choice("(b) because", "B") == 1.0
    assert choice("because", "B") == 0.0


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Answer: (B)", "b"),
        ("The answer is B) Paris.", "b"),
        (r"so \boxed{B}", "b"),
        ("Answer: **Option B**, since Lyon is smaller.", "b"),
        ("Answer: Paris", "paris"),
        ("I guess Paris", "i guess paris"),
        ("", None),
    ],
)
def test_votes_on_multiple_choice_go_by_the_letter(text, key):
    assert choice_answer(AIMessage(text)) == key
    if key == "b":
        assert choice(final_answer(AIMessage(text)), "(B)") == choice(key, "B) Paris") == 1.0
