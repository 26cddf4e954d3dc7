r"""Answers that were found wrong in public reports, each with more members of its kind."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from adaptive_reasoner.answers import (
    choice,
    choice_answer,
    comparison,
    exact,
    final_answer,
    groups,
    math,
    math_answer,
    numeric,
)


@pytest.mark.parametrize(
    "text",
    [
        "The total is 42. I hope this answers your question!",
        "So 42 is the answer.",
        "42 is the final answer!",
        "Answer: 42\n\n(I double-checked this answer twice.)",
        "The total is 42. Let me know if you need a different answer.",
        "To answer the question, we add 35 and 7 and get 42.",
        "The correct answer should be 42.",
        "The answer must be 42.",
        "The answer would be approximately 42.",
        "The final answer equals 42",
        "The total is 42. This answer is correct.",
    ],
)
def test_a_word_answer_that_marks_nothing_is_no_marker(text):
    assert final_answer(AIMessage(text)) == "42"


@pytest.mark.parametrize(
    "text",
    [
        "**Answer:**\n\n42",
        "**Answer**\n42",
        "**Final answer**\n\n42",
        "### Answer\n\n42",
        "The answer is:\n\\[\n42\n\\]",
        "The answer is\n$$\n42\n$$",
        "<answer>\n42\n</answer>",
        "Respuesta:\n\n42",
        "答案：\n42",
    ],
)
def test_an_answer_may_stand_on_the_line_after_its_marker(text):
    assert final_answer(AIMessage(text)) == "42"


@pytest.mark.parametrize(
    "text",
    [
        "**Answer**: 42",
        r"The answer is \(42\).",
        r"The answer is \[42\].",
        "Answer：42",
        "Answer: 42。",
        "<answer>42</answer>",
        "The answer is 42!",
        "Answer: **42**",
        "Answer: ４２",
    ],
)
def test_one_value_in_several_spellings_is_one_answer(text):
    assert final_answer(AIMessage(text)) == "42"
    assert final_answer(AIMessage(text.replace("4", "–4").replace("４", "–4"))) == "-42"


def test_thoughts_are_no_answer():
    assert final_answer(AIMessage("<think>So the answer is 5. Wait, no.</think>\n\nIt is 7.")) == "7"
    assert final_answer(AIMessage(r"<think>maybe \boxed{3}</think>" + "\nFinal: 4")) == "4"
    assert choice_answer(AIMessage("<think>Answer: A?</think>B")) == "b"
    assert final_answer(AIMessage("<thinking>the answer is 5")) is None
    cut = AIMessage("<think>the answer is 5? let me", response_metadata={"finish_reason": "length"})
    assert final_answer(cut) is None
    assert groups([cut, AIMessage("<think>4?</think>5"), AIMessage("5")]) == [None, 0, 0]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So we get 3.2e-5", "0.000032"),
        ("The sum is 1.5e3", "1500"),
        ("So it is 3/4.", "3/4"),
        ("The date is 2024-01-15", "2024-01-15"),
        ("5 × 10^3", "5000"),
        ("The result is -7.", "-7"),
    ],
)
def test_a_number_is_read_whole(text, answer):
    assert final_answer(AIMessage(text)) == answer


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("1e6", "6", 0),
        ("7/4", "3/4", 0),
        ("1e6", "1000000", 1),
        ("1000001", "1000000", 0),
        ("123456788", "123456789", 0),
        ("0.0000001", "0.0000002", 0),
        ("0", "0.0000005", 0),
        ("1.000001", "1", 0),
        ("0.30000000000000004", "0.3", 1),
        ("1.234.567,5", "1,234,567.5", 1),
        ("12,34,567", "1234567", 1),
    ],
)
def test_numbers_are_equal_by_value_and_to_the_last_digit(answer, gold, equal):
    assert numeric(answer, gold) == math(answer, gold) == equal


@pytest.mark.parametrize(
    ("answer", "gold"),
    [("paris", "pairs"), ("on", "no"), ("seat", "east"), ("Anna", "naan"), ("AB", "BA"), ("abc", "cab")],
)
def test_words_are_not_multiplied_letter_by_letter(answer, gold):
    pytest.importorskip("math_verify")
    assert math(answer, gold) == 0.0
    assert math_answer(AIMessage(rf"\boxed{{{answer}}}")) != math_answer(AIMessage(rf"\boxed{{{gold}}}"))
    assert math(answer, answer) == 1.0


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("3 1/2", "2", 0),
        ("3 1/2", "3.5", 1),
        (r"10\,000", "0", 0),
        (r"10\,000", "10000", 1),
        ("1e3", "1000", 1),
        ("2023-01-02", "2020", 0),
        ("2023-01-02", "2023-02-01", 0),
        (r"1 + \frac{1}{\mathrm{e}}", r"1 - \frac{1}{\mathrm{e}}", 0),
        (r"\frac{1}{2006!}", r"\frac{1}{2004!}", 0),
        ("1010_2", "1010", 0),
        (r"\sin^2 x + \cos^2 x", "1", 1),
        (r"5 \sqrt2", r"\sqrt{50}", 1),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}", 0),
        ("y = 2x + 1", "2x - y + 1 = 0", 1),
        ("x > 2", r"x \geq 2", 0),
    ],
)
def test_mathematics_is_compared_whole(answer, gold, equal):
    pytest.importorskip("math_verify")
    assert math(answer, gold) == equal


@pytest.mark.parametrize(
    ("text", "option"),
    [
        (r"\boxed{\textbf{(B)}\ 12}", "b"),
        (r"\boxed{\textbf{B}}", "b"),
        (r"We get \boxed{\Delta E}. Answer: B", "b"),
        ("(B) 42", "b"),
        ("Option B is correct because 3 > 2.", "b"),
        ("The correct option is (B).", "b"),
        ("答案：B", "b"),
        ("Answer: (B) and (D)", "b and d"),
        ("Réponse : B", "b"),
    ],
)
def test_an_option_is_found_beside_numbers_and_markup(text, option):
    assert choice_answer(AIMessage(text)) == option


def test_an_option_is_no_letter_of_a_word():
    assert (choice(r"\text{(B)}", "B"), choice("N/A", "N"), choice("A dog", "A")) == (1.0, 0.0, 0.0)


WRITTEN = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.integers(0, 10**9).map("{:,}".format),
    st.decimals(-1000, 1000, places=3).map(str),
    st.fractions(-9, 9, max_denominator=12).map(str),
    st.sampled_from(
        ["1e3", "1000", "12%", "0.12", "3 1/2", "3.5", "$5", "5", "(B)", "B", "b.", "B) Paris", "Paris"]
    ),
    st.sampled_from(
        ["5 March 2024", "2024-03-05", "1 km", "1000 m", "{1, 2}", "{2, 1}", "yes", "Yes.", "True"]
    ),
    st.text("ab7.,-+$ ()%/", max_size=8),
)


@pytest.mark.parametrize("name", ["auto", "exact", "numeric", "choice", "json"])
@given(answer=WRITTEN, gold=WRITTEN)
@settings(derandomize=True, max_examples=300)
def test_what_a_grader_calls_right_is_never_two_votes(name, answer, gold):
    rule = comparison(name)
    replies = [AIMessage(f"Answer: {answer}"), AIMessage(f"Answer: {gold}")]
    one, two = rule.keys(replies)
    if one is not None and two is not None and rule.grade(one, two):
        assert one == two
    if one is not None and one == two:
        assert rule.grade(one, two) in (0.0, 1.0)
    assert rule.grade(answer, gold) == rule.grade(gold, answer)


@given(st.lists(WRITTEN, min_size=2, max_size=4))
@settings(derandomize=True, max_examples=200)
def test_groups_are_the_same_in_any_order(texts):
    replies = [AIMessage(text) for text in texts]
    forwards, backwards = groups(replies), groups(replies[::-1])[::-1]
    assert [group is None for group in forwards] == [group is None for group in backwards]
    pairs = [(i, j) for i in range(len(texts)) for j in range(i)]
    assert [forwards[i] == forwards[j] for i, j in pairs] == [backwards[i] == backwards[j] for i, j in pairs]


def test_exact_grades_by_the_text_that_votes_count():
    assert exact(final_answer(AIMessage("The answer is 14.0.")), "14") == 1.0
