"""Planned cost is corrected by what came."""

import numpy as np
import pytest

from adaptive_reasoner.ledger.estimates import Closed, Correction, corrected
from adaptive_reasoner.ledger.price_controller import Totals


def settled(action, planned, cost, number):
    return [Closed("settled", action, planned, cost)] * number


def likely(closed, planned, target=1_000.0):
    """What open reservations of planned cost by action will likely cost."""
    sums = Totals(
        reserved=sum(amount for _, amount in planned.values()),
        in_flight=sum(charges for charges, _ in planned.values()),
    )
    return corrected(closed, planned, target=target).of(sums).reserved


def test_plans_are_believed_until_something_is_settled():
    assert corrected([], {"cot": (5, 500)}, target=100.0) == Correction()
    assert corrected([Closed("released", "cot", 900, None)] * 50, {}, target=100.0) == Correction()


@pytest.mark.parametrize("factor", [0.1, 0.5, 2.0, 10.0])
def test_plans_that_are_off_by_a_factor_are_corrected_by_it(factor):
    closed = settled("cot", 1_000, round(1_000 * factor), 300)
    assert likely(closed, {"cot": (10, 10_000)}) == pytest.approx(10_000 * factor, rel=0.05)


def test_plans_that_are_right_up_to_chance_are_believed():
    rng = np.random.default_rng(1)
    closed = [Closed("settled", "cot", 1_000, int(cost)) for cost in 1_000 * rng.gamma(1.0, 1.0, 400)]
    assert likely(closed, {"cot": (10, 10_000)}) == pytest.approx(10_000, rel=0.03)


def test_ten_charges_are_enough_to_doubt_a_factor_of_ten_but_not_one_of_a_fifth():
    few = {"cot": (1, 1_000)}
    assert likely(settled("cot", 1_000, 100, 10), few) < 250
    assert likely(settled("cot", 1_000, 1_200, 10), few) == 1_000


def test_each_action_is_corrected_by_its_own_charges():
    closed = settled("direct", 100, 100, 300) + settled("cot", 200, 2_000, 100)
    assert likely(closed, {"direct": (10, 1_000)}) == pytest.approx(1_000, rel=0.2)
    assert likely(closed, {"cot": (10, 2_000)}) == pytest.approx(20_000, rel=0.1)


def test_an_action_that_was_never_settled_is_corrected_as_all_are():
    closed = settled("cot", 1_000, 10_000, 300)
    assert likely(closed, {"vote": (10, 10_000)}) == pytest.approx(100_000, rel=0.1)


def test_plans_of_nothing_are_corrected_too():
    assert likely(settled(None, 0, 1_000, 300), {None: (10, 0)}) == pytest.approx(10_000, rel=0.05)


def test_huge_amounts_stay_exact_enough():
    closed = settled("cot", 2**61, 2**60, 400)
    assert likely(closed, {"cot": (1, 2**61)}, target=2.0**61) == pytest.approx(2**60, rel=0.02)
