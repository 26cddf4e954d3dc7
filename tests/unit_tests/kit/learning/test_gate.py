from dataclasses import replace
from itertools import product
from typing import get_args

import numpy as np
import pytest

from adaptive_reasoner.kit.learning.gate import (
    SHIPS,
    WORTHWHILE,
    Answer,
    answer_to,
    judge,
    over_budgets,
    worthwhile,
)
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.tables.bootstrap import Interval, bootstrap_means
from tests.unit_tests.toys import DIMENSION, features_of, toy_outcomes


def oracle_of(table, share):
    """What comes of the better action on a share of the questions and the cheap one on the rest."""
    knows = np.random.default_rng(0).random(len(table)) < share
    dear = knows & (table.accuracy[:, 1] > table.accuracy[:, 0])
    chosen = dear.astype(int)
    rows = np.arange(len(table))
    return table.accuracy[rows, chosen][:, None], table.cost[rows, chosen][:, None]


@pytest.mark.parametrize("budgets", [1, 2, 3, 4])
def test_the_verdict_over_budgets_says_no_more_than_those_at_each(budgets):
    for answers in product(get_args(Answer), repeat=budgets):
        overall = over_budgets(answers)
        assert overall == over_budgets(reversed(answers))
        assert (overall in SHIPS) == any(answer in SHIPS for answer in answers)
        for strong in ("ship", "do not ship"):
            assert (overall == strong) == all(answer == strong for answer in answers)
        if "unverified" in answers:
            assert overall == "unverified"
        if overall == "not enough questions":
            assert "not enough questions" in answers


def test_a_clear_gain_is_shipped():
    table = toy_outcomes(500)
    gate = judge(*oracle_of(table, 1.0), table)
    assert gate.answer == "ship"
    assert 0 < gate.low < gate.lift < gate.high
    assert gate.needed is None


def test_a_fixed_action_gains_nothing_and_is_not_shipped():
    table = toy_outcomes(500)
    gate = judge(table.accuracy[:, :1], table.cost[:, :1], table)
    assert gate.answer == "do not ship"
    assert gate.lift == pytest.approx(0.0)


def test_few_questions_cannot_show_a_small_gain():
    table = toy_outcomes(40)
    gate = judge(*oracle_of(table, 0.1), table)
    assert gate.answer == "not enough questions"
    assert gate.needed > 40
    assert gate.detectable > WORTHWHILE
    assert f"about {gate.needed} questions would tell" in str(gate)


def test_a_choice_at_random_is_hardly_ever_shipped():
    shipped = 0
    for seed in range(40):
        table = toy_outcomes(120, seed=seed, informative=False)
        chosen = np.random.default_rng(seed).integers(0, 2, 120)
        rows = np.arange(120)
        gate = judge(
            table.accuracy[rows, chosen][:, None], table.cost[rows, chosen][:, None], table, draws=300
        )
        shipped += gate.answer == "ship"
    assert shipped <= 3


@pytest.mark.parametrize(
    ("trusted", "answer", "said"),
    [
        ([1.0, 1.0], "ship", ""),
        ([0.86, 1.0], "ship", "predictions are trusted 86% to 100%"),
        ([0.5, 1.0], "ship in part", "predictions are trusted 50% to 100%"),
        ([0.0, 0.5], "ship in part", "predictions are trusted 0% to 50%"),
        ([0.5, 0.5], "ship in part", "predictions are trusted 50%"),
        ([0.0, 0.0], "not enough questions", "questions would tell"),
    ],
)
def test_the_answer_says_how_far_predictions_are_trusted(trusted, answer, said):
    table = toy_outcomes(60)
    gate = judge(*(np.tile(each, (1, 2)) for each in oracle_of(table, 0.1)), table, trusted=trusted)
    assert (gate.answer, gate.trust) == (answer, (min(trusted), max(trusted)))
    assert gate.ships == (answer != "not enough questions")
    assert said in str(gate)
    assert str(gate).startswith(f"{answer}: lift")


@pytest.mark.parametrize(
    ("low", "labels", "answer"),
    [
        (0.01, None, "ship"),
        (-0.01, None, "ship in part"),
        (-0.01, 20, "ship in part"),
        (0.01, 19, "unverified"),
        (-0.01, 19, "not enough questions"),
    ],
)
def test_what_is_followed_in_full_still_needs_a_clear_interval_to_be_called_so(low, labels, answer):
    lift = Interval(mean=0.03, low=low, high=0.06)
    assert answer_to((1.0, 1.0), lift, 0.03, toy_outcomes(60), labels=labels) == answer


@pytest.mark.parametrize(
    ("lift", "estimated_low", "labels", "answer"),
    [
        (Interval(0.00, -0.05, 0.05), 0.01, 20, "ship in part"),
        (Interval(0.00, -0.05, 0.05), -0.01, 20, "not enough questions"),
        (Interval(0.02, -0.01, 0.05), -0.01, 20, "ship in part"),
        (Interval(0.03, 0.01, 0.05), -0.01, 20, "ship"),
        (Interval(0.03, 0.01, 0.05), 0.01, 0, "unverified"),
    ],
)
def test_where_labels_do_not_make_a_lift_likely_estimates_have_to_make_it_clear(
    lift, estimated_low, labels, answer
):
    estimated = Interval(mean=0.03, low=estimated_low, high=0.06)
    table = toy_outcomes(60)
    assert answer_to((1.0, 1.0), lift, 0.03, table, labels=labels, estimated=estimated) == answer


def test_equal_texts_are_drawn_together():
    columns = np.arange(6.0)[:, None]
    texts = np.array(["a", "b", "a", "a", "b", "b"], dtype=object)
    means = bootstrap_means(columns, texts, 500, seed=0)[:, 0]
    a, b = 5 / 3, 10 / 3  # the means of the two texts' rows
    assert set(means.round(9)) <= {round(a, 9), round(b, 9), round((a + b) / 2, 9)}


def test_a_verdict_is_plain_json():
    table = toy_outcomes(50)
    as_dict = judge(*oracle_of(table, 1.0), table, draws=100).as_dict()
    assert {type(value) for value in as_dict.values()} <= {str, float, int, list, type(None)}


@pytest.mark.parametrize(("questions", "informative"), [(120, True), (120, False), (600, False)])
def test_a_reward_on_a_larger_scale_gets_the_same_verdict_at_that_scale(questions, informative):
    times = 16.0  # a power of two: rounding is the same, and so are the trees
    table = toy_outcomes(questions, informative=informative)
    stars = replace(table, accuracy=times * table.accuracy, accuracy_unit="stars")
    plain, scaled = (
        Imitator(vector=DIMENSION).fit(features_of(each), each, budget=15.0) for each in (table, stars)
    )
    by_accuracy, by_stars = plain.gate(draws=300), scaled.gate(draws=300)
    assert (by_stars.answer, by_stars.trust) == (by_accuracy.answer, by_accuracy.trust)
    assert by_stars.needed == by_accuracy.needed
    for name in ("lift", "low", "high", "detectable"):
        expected = times * getattr(by_accuracy, name)
        assert getattr(by_stars, name) == pytest.approx(expected, rel=1e-3)
    chosen, as_chosen = (each.choose(features_of(table), budget=15.0) for each in (plain, scaled))
    assert (chosen == as_chosen).all()
    assert worthwhile(stars) == pytest.approx(times * worthwhile(table))
