import pytest

from adaptive_reasoner.answers.question import QuestionText
from adaptive_reasoner.answers.values.quantities import quantity, value_range

UNKNOWN = QuestionText("")


@pytest.mark.parametrize(
    "texts",
    [
        ("1 km", "1000 m", "1,000 metres", "one kilometer"),
        ("$1.2 million", "$1,200,000", "1.2 million dollars", "$1.2M", "USD 1,200,000"),
        ("90 min", "1.5 h", "1 h 30 min", "1 hour and 30 minutes", "1.5 Stunden"),
        ("25%", "25 percent", "0.25", "25 Prozent"),
        ("20 °C", "68 °F", "20 degrees Celsius"),
        ("€1,200.50", "1.200,50 €", "1200.50 euros"),
        ("5 ft 10 in", "70 inches"),
        ("1.2亿", "120 million"),
        ("100 km/h", "100 km per hour"),
        ("-$5", "$-5", "-5 dollars"),
        ("50 cents", "$0.50"),
    ],
)
def test_quantities_are_equal_by_value_and_unit(texts):
    found = {quantity(text, UNKNOWN) for text in texts}
    assert len(found) == 1
    assert None not in found


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("1 km", "1 mile"),
        ("$1.2 million", "$1.2 billion"),
        ("$5", "€5"),
        ("5 m", "5 min"),
        ("25%", "25"),
        ("25%", "25 basis points"),
        ("30 days", "1 month"),
        ("5 kg", "5 lb"),
        ("1 MB", "1 MiB"),
        ("20 °C", "20 °F"),
    ],
)
def test_quantities_of_other_units_differ(one, two):
    assert quantity(one, UNKNOWN) != quantity(two, UNKNOWN)


def test_the_question_says_in_what_a_bare_number_counts():
    assert quantity("5", QuestionText("How many hours is that?")) == quantity("300 min", UNKNOWN)
    assert quantity("18", QuestionText("How many euros?")) == quantity("€18", UNKNOWN)
    assert quantity("25", QuestionText("What percentage?")) == quantity("25%", UNKNOWN)
    assert quantity("5 apples", QuestionText("How many apples are left?")) == quantity("5", UNKNOWN)
    assert quantity("5 apples", UNKNOWN) is None


def test_ranges_are_equal_by_both_ends():
    spellings = ["3-5 days", "3 to 5 days", "between 3 and 5 days", "3 bis 5 Tage", "72-120 hours"]
    assert len({value_range(text, UNKNOWN) for text in spellings}) == 1
    assert value_range("2-5 days", UNKNOWN) != value_range("3-5 days", UNKNOWN)
    assert value_range("$3-5 million", UNKNOWN) == value_range("$3 million to $5 million", UNKNOWN)
    assert value_range("5-3", UNKNOWN) is None


def test_a_ratio_is_reduced_where_one_is_asked_for():
    asked = QuestionText("What is the ratio of boys to girls?")
    assert value_range("6:8", asked) == value_range("3 to 4", asked) == "3:4"
    assert value_range("6:8", QuestionText("What was the score of the match?")) == "6:8"
