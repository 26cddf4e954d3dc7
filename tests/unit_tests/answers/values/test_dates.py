import pytest

from adaptive_reasoner.answers.values.dates import moment


@pytest.mark.parametrize(
    "text",
    [
        "March 5, 2024",
        "5 March 2024",
        "March 5th, 2024",
        "Tuesday, March 5, 2024",
        "2024-03-05",
        "2024/3/5",
        "05.03.2024",
        "5. März 2024",
        "5 de marzo de 2024",
        "5 mars 2024",
        "5 марта 2024",
        "5 مارس 2024",
        "2024年3月5日",
    ],
)
def test_one_day_is_one_text_in_all_languages(text):
    assert moment(text) == "2024-03-05"


@pytest.mark.parametrize("text", ["9:30 pm", "21:30", "9:30 p.m.", "21h30", "21 Uhr 30", "午後9時30分"])
def test_one_time_is_one_text(text):
    assert moment(text) == "21:30"


def test_what_cannot_be_told_apart_is_not_taken_for_one_of_two():
    assert moment("03/04/2024") not in ("2024-03-04", "2024-04-03")
    assert moment("03/04/2024", european=True) == "2024-04-03"
    assert moment("13/04/2024") == "2024-04-13"
    assert moment("9:30") not in (moment("9:30 am"), moment("9:30 pm"))


def test_times_of_two_zones_are_compared_as_one_instant():
    assert moment("3 pm EST") == moment("20:00 UTC") != moment("3 pm PST")
    assert moment("March 5, 2024 at 11 pm EST") == moment("2024-03-06 04:00 UTC")


@pytest.mark.parametrize("text", ["1947", "9.30", "march", "31 February 2024", "25:00", "3:4", "2024-13-01"])
def test_other_texts_are_no_moment(text):
    assert moment(text) is None
