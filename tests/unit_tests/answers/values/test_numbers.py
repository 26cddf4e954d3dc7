from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.answers.values.numbers import number, number_key


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", "1234.5"),
        ("1.234,56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("12,34,567", "1234567"),
        ("1'234", "1234"),
        ("0,250", "0.25"),
        ("1,5", "1.5"),
        ("1.234.567", "1234567"),
        ("5 x 10^3", "5000"),
        ("3.2e-5", "0.000032"),
        ("-3 1/2", "-3.5"),
        ("3/4", "0.75"),
        (r"1\frac{1}{2}", "1.5"),
        ("twenty-one", "21"),
        ("one hundred and twenty three", "123"),
        ("two and a half", "2.5"),
        ("einundzwanzig", "21"),
        ("douze", "12"),
        ("三百五十", "350"),
        ("3億5000万", "350000000"),
        ("1e999999999", None),
        ("1,23,4", None),
        ("48/0", None),
        ("12 apples", None),
    ],
)
def test_a_number_is_read_as_people_write_it(text, value):
    found = number(text)
    assert (None if found is None else number_key(found)) == value


def test_three_digits_after_one_mark_are_thousands_or_decimals_by_language():
    assert (number("1,234"), number("1.234")) == (1234, Fraction("1.234"))
    assert (number("1,234", comma=True), number("1.234", comma=True)) == (Fraction("1.234"), 1234)


@given(st.integers(), st.integers())
def test_whole_numbers_are_equal_only_to_themselves(one, two):
    assert (number_key(Fraction(one)) == number_key(Fraction(two))) == (one == two)


@given(st.fractions(max_denominator=10**6))
def test_the_key_of_a_number_is_a_number_that_has_this_key(value):
    key = number_key(value)
    assert number_key(Fraction(key)) == key
    assert abs(Fraction(key) - value) <= abs(value) / 10**8
