import numpy as np
import pytest

from adaptive_reasoner.policy.draws import uniform_from_key
from adaptive_reasoner.policy.mixture import CostCurve
from adaptive_reasoner.policy.trust import Trust, weights_of

CURVE = CostCurve.of([0.001, 0.01, 0.1], [90.0, 50.0, 10.0])
HALF = CostCurve.of([0.002, 0.02], [90.0, 10.0])
RISING = Trust([10.0, 90.0], [0.0, 1.0], (0.5,), (HALF,))


def test_the_levels_beside_the_trust_have_it_as_their_mean():
    for trust in np.linspace(0, 1, 21):
        weights = weights_of(float(trust), (0.0, 0.25, 0.5, 1.0))
        assert weights.sum() == pytest.approx(1)
        assert weights @ [0.0, 0.25, 0.5, 1.0] == pytest.approx(trust)
        assert (weights > 0).sum() <= 2


def test_levels_are_drawn_as_often_as_the_trust_asks():
    draws = np.array([uniform_from_key(f"question {number}") for number in range(4000)])
    for cost in (10.0, 30.0, 50.0, 75.0, 90.0):
        drawn = np.bincount(RISING.draw(cost, draws), minlength=3) / len(draws)
        assert drawn == pytest.approx(RISING.weights(cost), abs=0.03)


def test_the_level_says_nothing_of_the_draw_of_the_mixture():
    draws = np.array([uniform_from_key(f"question {number}") for number in range(4000)])
    drawn = RISING.draw(30.0, draws)
    assert abs(np.corrcoef(drawn, draws)[0, 1]) < 0.05


def test_shrunk_predictions_keep_their_share_of_the_distance_from_the_mean():
    predicted, mean = np.array([[0.2, 1.0]]), np.array([0.4, 0.6])
    assert RISING.shrunk(1, predicted, mean) == pytest.approx(np.array([[0.3, 0.8]]))
    assert RISING.shrunk(2, predicted, mean) is predicted


def test_at_every_level_the_price_buys_what_the_curve_of_the_policy_says():
    for price in (0.0, 0.002, 0.01, 0.05, 0.1):
        own = RISING.price_at(1, price, CURVE)
        assert HALF.cost_at(own) == pytest.approx(CURVE.cost_at(price))
        assert RISING.price_at(2, price, CURVE) == price
    assert RISING.price_at(1, 0.2, CURVE) == pytest.approx(0.04)  # still rising beyond the curve
    assert RISING.price_at(1, np.inf, CURVE) == np.inf


def test_a_card_gives_the_same_trust_and_no_card_full_trust():
    again = Trust.from_card(RISING.as_card())
    assert again.as_card() == RISING.as_card()
    assert Trust.from_card(None).weights(5.0).tolist() == [0.0, 1.0]
    assert Trust.none().weights(5.0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("cost", "share", "levels", "curves"),
    [
        ([], [], (), ()),
        ([1.0, 1.0], [0.0, 1.0], (), ()),
        ([1.0], [1.5], (), ()),
        ([1.0], [-0.1], (), ()),
        ([1.0, 2.0], [1.0], (), ()),
        ([1.0], [1.0], (0.5,), ()),
        ([1.0], [1.0], (0.5, 0.25), (HALF, HALF)),
        ([1.0], [1.0], (1.0,), (HALF,)),
    ],
)
def test_what_is_no_trust_is_refused(cost, share, levels, curves):
    with pytest.raises(ValueError, match="trust"):
        Trust(cost, share, levels, curves)
