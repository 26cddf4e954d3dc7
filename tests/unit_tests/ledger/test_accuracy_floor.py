"""The accuracy floor in the long run: simulated questions whose true chances are known here alone."""

import math

import numpy as np
import pytest

from adaptive_reasoner.ledger import open_ledger

TARGET = 0.7
CHEAP, DEAR = 1.0, 5.0


class Optimist:
    """A policy of two actions that expects `bias` too much: the gain of the dearer one is known, and spread.

    A question's chance is .55, and its gain uniform from 0 to .4; at a price the dearer action is taken where
    the gain is above price * 4.
    """

    cost_unit, price, slope, budget = "tokens", 0.01, None, None
    lowest = 0.001

    def __init__(self, bias):
        self.bias = bias

    @property
    def accuracy_curve(self):
        return self

    def mean_accuracy(self, price):
        least = min(price * (DEAR - CHEAP), 0.4)
        return 0.55 + (0.4**2 - least**2) / 0.8

    def price_at(self, target):
        return math.sqrt(0.4**2 - 0.8 * (target - self.bias - 0.55)) / (DEAR - CHEAP)

    def slope_at(self, target):
        return 2 * (self.price_at(target) * (DEAR - CHEAP)) ** 2 / 0.8


def played(bias, share, questions, seed, *, delay=0, target=None):
    rng, policy = np.random.default_rng(seed), Optimist(bias)
    ledger = open_ledger("memory://", target_accuracy=TARGET, policy=policy, target=target)
    gains, draws, graded = 0.4 * rng.random(questions), rng.random(questions), rng.random(questions) < share
    chance, cost = np.empty(questions), np.empty(questions)
    for i, gain in enumerate(gains):
        dear = gain > ledger.price * (DEAR - CHEAP)
        chance[i], cost[i] = 0.55 + gain * dear, DEAR if dear else CHEAP
        ledger.charge(cost[i], str(i))
        if i >= delay and graded[i - delay]:
            ledger.feedback(str(i - delay), float(draws[i - delay] < chance[i - delay]))
    return chance.mean(), cost.mean(), ledger


def needed(accuracy):
    """The least mean cost that reaches a mean accuracy."""
    least = math.sqrt(0.4**2 - 0.8 * (accuracy - 0.55))
    return CHEAP + (DEAR - CHEAP) * (1 - least / 0.4)


def test_in_a_single_run_the_accuracy_is_near_the_target_within_what_chance_leaves():
    accuracy, cost, ledger = played(0.05, 0.2, 5_000, 0)
    assert accuracy == pytest.approx(TARGET, abs=1.96 * math.sqrt(0.21 / ledger.quality.feedbacks))
    assert cost / needed(accuracy) < 1.08
    assert ledger.quality.low < TARGET < ledger.quality.high


@pytest.mark.slow
@pytest.mark.parametrize("bias", [0.05, -0.04])
def test_grades_bring_the_accuracy_to_the_target_where_predictions_are_off(bias):
    runs = [played(bias, 0.2, 8_000, seed) for seed in range(4)]
    accuracy = np.mean([run[0] for run in runs])
    assert accuracy == pytest.approx(TARGET, abs=0.01)
    assert np.mean([cost / needed(reached) for reached, cost, _ in runs]) < 1.08
    assert not any(ledger.quality.blind for *_, ledger in runs)


def test_without_grades_the_accuracy_is_as_far_off_as_the_predictions_and_it_says_so():
    accuracy, _, ledger = played(0.04, 0.0, 2_000, 0)
    assert accuracy == pytest.approx(TARGET - 0.04, abs=0.015)
    assert (ledger.quality.blind, ledger.quality.feedbacks) == (True, 0)


@pytest.mark.slow
def test_grades_that_come_late_bring_it_there_too():
    """A hundred grades are under way at any time: what the first ones lack is made up for rather too much."""
    accuracy = np.mean([played(0.05, 0.2, 8_000, seed, delay=500)[0] for seed in range(4)])
    assert TARGET - 0.01 < accuracy < TARGET + 0.02


def test_the_budget_wins_where_it_does_not_pay_for_the_accuracy():
    accuracy, cost, ledger = played(0.05, 0.2, 4_000, 0, target=1.5)
    assert cost == pytest.approx(1.5, rel=0.02)
    assert accuracy < TARGET - 0.02
    assert ledger.quality.limit == "budget"
    assert ledger.quality.high < TARGET


@pytest.mark.slow
def test_one_graded_answer_in_twenty_is_enough():
    runs = [played(0.05, 0.05, 40_000, seed) for seed in range(6)]
    assert np.mean([run[0] for run in runs]) == pytest.approx(TARGET, abs=0.01)
    assert np.mean([cost / needed(reached) for reached, cost, _ in runs]) < 1.05
