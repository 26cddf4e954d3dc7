import pytest

from adaptive_reasoner.answers.question import QuestionText
from adaptive_reasoner.answers.values.reading import value_key


@pytest.mark.parametrize(
    "texts",
    [
        ("x = 3 or x = -2", "x = -2 or x = 3", "{-2, 3}", "x = 3, x = -2", r"x \in \{3, -2\}"),
        ("x = ±2", r"x = \pm 2", "x = 2 or x = -2"),
        ("x = 2, y = 1", "y = 1 and x = 2", "(x, y) = (2, 1)"),
        ("[0, 1)", "$[0,1)$", r"\left[0, 1\right)"),
    ],
)
def test_solutions_sets_and_intervals_are_equal_by_what_is_in_them(texts):
    assert len({value_key(text, QuestionText("")) for text in texts}) == 1


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("Wie groß ist x?", ("x = 2,75", "2,75", "2.75", "x = 2 3/4")),
        ("Berechne x.", ("x = 1234,5", "1.234,5", "x = 1.234,5")),
        ("Löse nach x und y auf.", ("x=2,5, y=3,5", "x = 2,5 und y = 3,5", "y = 3.5; x = 2.5")),
        ("Welche Lösungen gibt es?", ("x = 2,5 oder x = -3,5", "x = -3,5; 2,5")),
        ("Nenne alle Primzahlen unter 10.", ("2,3,5,7", "2, 3, 5 und 7", "2; 3; 5; 7")),
    ],
)
def test_a_decimal_comma_divides_no_solutions_and_no_lists(question, texts):
    assert len({value_key(text, QuestionText(question)) for text in texts}) == 1


def test_solutions_without_spaces_stay_several_in_a_language_of_decimal_points():
    assert value_key("x = 2,3", QuestionText("What is x?")) == "{2, 3}"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("[0, 1)", "(0, 1]"),
        ("(1, 2)", "(2, 1)"),
        ("[1, 2]", "[2, 1]"),
        ("x = 3", "x = -3"),
        ("{1, 2}", "(1, 2)"),
    ],
)
def test_order_and_brackets_count_where_they_are_written(one, two):
    assert value_key(one, QuestionText("")) != value_key(two, QuestionText(""))


def test_the_question_says_whether_the_order_of_a_list_matters():
    which, ranked = (
        QuestionText("Which are the primary colours?"),
        QuestionText("Rank them by size, largest first."),
    )
    assert value_key("red, green and blue", which) == value_key("Blue, red, green".lower(), which)
    assert value_key("red, green and blue", ranked) != value_key("blue, red, green", ranked)
    assert value_key("red, green and blue", QuestionText("")) is None
