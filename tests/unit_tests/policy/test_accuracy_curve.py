import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.errors import InfeasibleAccuracyError
from adaptive_reasoner.policy.accuracy_curve import AccuracyCurve

PRICES, ACCURACIES = [0.001, 0.01, 0.1, 1.0], [0.9, 0.8, 0.8, 0.5]


@pytest.fixture
def curve():
    return AccuracyCurve.of(PRICES, ACCURACIES)


@given(st.floats(0.5, 0.9))
def test_the_price_of_an_accuracy_is_where_the_curve_reaches_it(target):
    curve = AccuracyCurve.of(PRICES, ACCURACIES)
    price = curve.price_at(target)
    assert curve.accuracy_at(price) == pytest.approx(target, abs=1e-9)
    assert price == PRICES[-1] or curve.accuracy_at(price * 1.001) < target


def test_of_all_prices_that_reach_it_the_highest_is_taken(curve):
    assert curve.price_at(0.8) == pytest.approx(0.1)
    assert curve.price_at(0.5) == curve.price_at(0.1) == pytest.approx(1.0)
    assert curve.price_at(0.9) == pytest.approx(0.001)


@pytest.mark.parametrize("target", [0.91, math.inf, math.nan])
def test_an_accuracy_that_is_never_expected_names_the_highest(curve, target):
    with pytest.raises(InfeasibleAccuracyError, match=r"at most 0\.9"):
        curve.price_at(target)


def test_the_slope_tells_how_the_accuracy_answers_to_the_price(curve):
    assert curve.slope_at(0.85) == pytest.approx(0.1 / math.log(10.0))
    assert AccuracyCurve.of([1.0, 2.0], [0.7, 0.7]).slope_at(0.7) is None


def test_one_action_has_one_price():
    curve = AccuracyCurve.of([1.0], [0.7])
    assert (curve.price_at(0.7), curve.price_at(0.2), curve.highest) == (1.0, 1.0, 0.7)


@pytest.mark.parametrize(
    ("price", "accuracy"),
    [([1.0], [0.5, 0.4]), ([], []), ([0.0, 1.0], [0.5, 0.4]), ([1.0, 1.0], [0.5, 0.4]), ([1, 2], [0.4, 0.5])],
)
def test_what_is_no_falling_curve_is_refused(price, accuracy):
    with pytest.raises(ValueError, match="accuracy curve"):
        AccuracyCurve.of(np.array(price), accuracy)
