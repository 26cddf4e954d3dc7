"""The price law alone, and in a loop with simulated demand."""

import heapq
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.price_controller import REACH, PriceLaw, Totals
from tests.unit_tests.ledger.stand_ins import Priced

LAW = PriceLaw(target=1_000.0, price=0.002, elasticity=0.5)

any_totals = st.builds(
    Totals,
    spent=st.integers(0, 10**9),
    reserved=st.integers(0, 10**7),
    admitted=st.integers(0, 10**6),
    in_flight=st.integers(0, 1_000),
    drift=st.integers(-(10**10), 10**10),
)


@given(any_totals, st.integers(0, 10**6))
def test_price_never_falls_as_spend_rises_and_stays_within_its_reach(totals, more):
    price, dearer = LAW.price_at(totals), LAW.price_at(totals + Totals(spent=more))
    assert price <= dearer
    assert 0.002 * math.exp(-REACH) * 0.999 <= price <= dearer <= 0.002 * math.exp(REACH) * 1.001


@given(any_totals)
def test_reserved_spend_counts_like_settled_spend(totals):
    settled = Totals(
        totals.spent + totals.reserved, 0, 0, totals.admitted, 0, totals.in_flight, drift=totals.drift
    )
    assert LAW.price_at(totals) == LAW.price_at(settled)


@given(st.integers(0, 2_000), st.integers(1, 100))
def test_credit_never_exceeds_its_limit_by_more_than_rounding(cost, hundreds):
    totals = Totals()
    for _ in range(hundreds):
        change = Totals(spent=100 * cost, admitted=100, questions=100)
        totals = totals + change
        totals = totals + Totals(forgiven=LAW.forgiveness(totals, change))
        assert -LAW.overspend(totals) <= LAW.credit + 1e-3


def test_at_its_floor_the_drift_goes_no_further_out():
    at_floor = Totals(spent=0, admitted=280, drift=-1_000_000_000)
    assert LAW.step(at_floor) > 0
    assert LAW.step(Totals(spent=280_000, admitted=280, drift=-1_000_000_000)) == 0


def price_after(questions, *, over=2, **more):
    """The price where so many questions cost two of them too much."""
    return LAW.price_at(Totals(spent=1_000 * (questions + over), admitted=questions, **more))


def test_pull_is_firmest_where_the_promise_begins_and_falls_with_the_questions_after():
    assert price_after(100) < price_after(450) < price_after(500)
    assert price_after(500) > price_after(1_000) > price_after(2_000) == price_after(32_000) > LAW.price


def test_pull_falls_with_the_number_in_flight():
    assert LAW.price < price_after(500, in_flight=128) < price_after(500, in_flight=32) < price_after(500)


@pytest.mark.parametrize("questions", [500, 1_000, 2_000])
def test_price_is_far_from_the_offline_price_before_the_average_leaves_its_tolerance(questions):
    allowed = round(0.02 * questions)
    assert price_after(questions, over=allowed) > 5.0 * LAW.price
    assert price_after(questions, over=-allowed) < 0.2 * LAW.price


class Demand:
    """Questions with two actions, one free and one dear; the dear one is worth more to some."""

    def __init__(self, seed, questions, price, *, dear=150.0, predicted=1.0, prefix=""):
        rng = np.random.default_rng(seed)
        self.prefix = prefix
        self.cost = dear * rng.gamma(1.5, 1 / 1.5, questions)  # heavy-tailed around what is predicted
        self.planned = np.full(questions, dear * predicted)
        self.gain = price * dear * rng.lognormal(0.0, 0.8, questions)
        self.seconds = rng.lognormal(0.0, 0.5, questions)

    def then(self, other):
        for name in ("cost", "planned", "gain", "seconds"):
            setattr(self, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        return self

    def served_by(self, ledger, in_flight):
        """The real cost of each question, decided at the ledger's price."""
        spent, calls, now = [], [], 0.0
        for i, seconds in enumerate(self.seconds):
            while len(calls) >= in_flight:
                now, key, cost = heapq.heappop(calls)
                ledger.settle(key, cost)
            dear = self.gain[i] > ledger.price * self.planned[i]
            ledger.reserve(self.planned[i] if dear else 0.0, f"{self.prefix}{i}")
            spent.append(self.cost[i] if dear else 0.0)
            heapq.heappush(calls, (now + seconds, f"{self.prefix}{i}", spent[-1]))
        for _, key, cost in calls:
            ledger.settle(key, cost)
        return np.array(spent)


@pytest.mark.parametrize("in_flight", [1, 32])
@pytest.mark.parametrize("wrong", [0.2, 1.0, 5.0])
def test_holds_the_average_whatever_the_offline_price(in_flight, wrong):
    errors = []
    for seed in range(4):
        ledger = open_ledger("memory://", policy=Priced(price=0.002 * wrong, slope=None, budget=75.0))
        errors.append(Demand(seed, 2_000, 0.002).served_by(ledger, in_flight).mean() / 75.0 - 1.0)
    assert np.abs(errors).mean() <= (0.005 if wrong == 1.0 else 0.015)


def test_holds_the_average_when_predictions_are_off_by_half_and_many_are_in_flight():
    ledger = open_ledger("memory://", policy=Priced(price=0.002, budget=75.0))
    spent = Demand(0, 4_000, 0.002, predicted=0.5).served_by(ledger, 64)
    assert abs(spent.mean() / 75.0 - 1.0) <= 0.01


def test_holds_the_average_when_the_mix_changes_half_way():
    errors = []
    for seed in range(4):
        ledger = open_ledger("memory://", policy=Priced(price=0.002, budget=75.0))
        mix = Demand(seed, 1_000, 0.001).then(Demand(seed + 10, 1_000, 0.004))
        errors.append(mix.served_by(ledger, 32).mean() / 75.0 - 1.0)
    assert np.abs(errors).mean() <= 0.01


def test_a_thousand_hard_questions_after_eight_thousand_easy_ones_cost_at_most_1_35_of_the_target():
    ledger = open_ledger("memory://", policy=Priced(price=0.002, budget=75.0))
    traffic = Demand(0, 8_000, 0.002, dear=40.0).then(Demand(1, 4_000, 0.002, dear=200.0))
    sums = np.concatenate([[0.0], np.cumsum(traffic.served_by(ledger, 8))])
    assert (sums[1_000:] - sums[:-1_000]).max() <= 1.35 * 75.0 * 1_000
    assert abs((sums[-1] - sums[-2_001]) / 2_000 / 75.0 - 1.0) <= 0.01
    seen = ledger.snapshot()
    assert seen.worst_recent_average <= 1.35 * 75.0
    assert not seen.slack


def test_says_slack_when_even_the_dearest_choices_spend_less():
    ledger = open_ledger("memory://", policy=Priced(price=0.002, budget=75.0))
    spent = Demand(0, 1_000, 0.002, dear=40.0).served_by(ledger, 8)
    assert ledger.snapshot().slack
    assert (spent[-200:] > 0).all()  # the price is as good as nothing: everyone gets the best


@pytest.mark.parametrize(("before", "after"), [(75.0, 40.0), (40.0, 75.0)])
def test_the_average_comes_to_a_new_target_soon_after_it_is_set(before, after):
    errors = []
    for seed in range(4):
        ledger = open_ledger("memory://", policy=Priced(price=0.002, slope=None, budget=before))
        Demand(seed, 1_000, 0.002).served_by(ledger, 16)
        ledger.set_target(after)
        served = Demand(seed + 10, 2_000, 0.002).served_by(Renamed(ledger), 16)
        errors.append(served.mean() / after - 1.0)
    assert np.abs(errors).mean() <= 0.03


class Renamed:
    """A ledger whose questions are other ones than before."""

    def __init__(self, ledger):
        self._ledger = ledger

    @property
    def price(self):
        return self._ledger.price

    def reserve(self, expected, key):
        self._ledger.reserve(expected, f"{key} later")

    def settle(self, key, cost):
        self._ledger.settle(f"{key} later", cost)


@pytest.mark.parametrize(("predicted", "within"), [(0.5, 0.01), (2.0, 0.01), (0.1, 0.03), (10.0, 0.03)])
def test_holds_the_average_when_plans_are_off_by_a_factor(predicted, within):
    errors, later = [], []
    for seed in range(2):
        ledger = open_ledger("memory://", policy=Priced(price=0.002, budget=75.0))
        spent = Demand(seed, 2_000, 0.002, predicted=predicted).served_by(ledger, 32)
        errors.append(spent.mean() / 75.0 - 1.0)
        later.append(spent[500:].mean() / 75.0 - 1.0)
        assert not ledger.snapshot().slack
    assert np.abs(errors).mean() <= within
    assert abs(np.mean(later)) <= within


@pytest.mark.parametrize("wrong", [0.01, 100.0])
def test_holds_the_average_when_the_offline_price_is_off_by_a_hundred(wrong):
    for seed in range(2):
        ledger = open_ledger("memory://", policy=Priced(price=0.002 * wrong, budget=75.0))
        spent = Demand(seed, 2_000, 0.002).served_by(ledger, 32)
        assert abs(spent.mean() / 75.0 - 1.0) <= 0.015


def test_a_thousand_plans_released_at_full_credit_do_not_move_the_questions_after_them():
    means = []
    for plans in (0, 1_000):
        ledger = open_ledger("memory://", policy=Priced(price=0.002, budget=75.0))
        Demand(0, 1_500, 0.002, dear=40.0).served_by(ledger, 8)
        for i in range(plans):
            ledger.reserve(7.5, f"plan {i}")
        for i in range(plans):
            ledger.release(f"plan {i}")
        seen, after = ledger.snapshot(), Demand(1, 500, 0.002, prefix="after ")
        assert seen.credit == pytest.approx(300.0, abs=2.0)
        means.append(after.served_by(ledger, 8).mean())
    assert abs(means[1] / means[0] - 1.0) <= 0.05


def test_the_target_is_in_the_interval_of_the_average_in_95_percent_of_runs():
    held = []
    for seed in range(10):
        ledger = open_ledger("memory://", policy=Priced(price=0.002, budget=75.0))
        Demand(seed, 1_000, 0.002).served_by(ledger, 16)
        seen = ledger.snapshot()
        held.append(seen.average_low <= 75.0 <= seen.average_high)
        assert seen.average_high - seen.average_low <= 0.04 * 75.0
    assert sum(held) >= 9
