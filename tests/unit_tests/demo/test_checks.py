import pytest
from langchain_core.messages import AIMessage

from adaptive_reasoner.demo.arithmetic import problems
from adaptive_reasoner.demo.checks import can_check, check, passes, right

pytest.importorskip("reasoning_gym")


@pytest.fixture(scope="module")
def checkable():
    return [question for question in problems(240, seed=6) if question.group in ("equations", "divisors")]


def test_a_check_knows_the_right_answers_without_being_told(checkable):
    assert len(checkable) == 80
    for question in checkable:
        golds = question.gold.split(" or ")
        for number in range(-20, 41):
            assert check(question.question, str(number)) == (str(number) in golds), (question, number)


def test_only_equations_and_divisors_can_be_checked(checkable):
    assert all(can_check(question.question) for question in checkable)
    others = [
        question for question in problems(60, seed=6) if question.group not in ("equations", "divisors")
    ]
    assert not any(
        can_check(question.question) or check(question.question, question.gold) for question in others
    )


@pytest.mark.parametrize(
    ("question", "accepted", "refused"),
    [
        ("Solve for x: x = 3", ["3", "3.0"], ["4", "-3"]),
        ("Solve for x: 5 - x = -2", ["7"], ["-7", "3"]),
        ("Solve for h: 2*h - 3 = -4", ["-1/2", "-0.5"], ["1/2", "0"]),
        ("Solve for h: 4 = 3*h - h", ["2"], ["4"]),
        ("Name a number from 2 to 9 that divides 91.", ["7"], ["1", "13", "91", "7.5", "0", "-7"]),
    ],
)
def test_an_answer_is_put_into_its_question(question, accepted, refused):
    assert all(check(question, answer) for answer in accepted)
    assert not any(check(question, answer) for answer in [*refused, None, "", "seven", "1/0"])


def test_a_reply_passes_by_the_number_that_it_states():
    question = "Name a number from 2 to 9 that divides 91."
    assert passes(question, AIMessage(" 91/7=13, so 7"))
    assert not passes(question, AIMessage(" 91/7=13, so 13"))
    assert not passes(question, AIMessage("none"))


def test_any_of_the_answers_that_a_gold_lists_is_right():
    assert [right(answer, "2 or 4 or 8") for answer in ("2", "4.0", "8", "16", "24", None)] == [
        1,
        1,
        1,
        0,
        0,
        0,
    ]
    assert right("-3", "-3") == 1.0
