"""Policies that are trained without right answers, or with few."""

from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.learning.completion import Completion
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.learning.training import train
from tests.unit_tests.kit.unlabelled import generated
from tests.unit_tests.toys import DIMENSION, features_of, toy_encoder

pytestmark = pytest.mark.usefixtures("own_cache")
BUDGET = 8.0


def table(labelled, questions=300):
    return estimate(generated(questions, labelled=labelled), votes=(1,))


def value(imitator, seed=1):
    """Accuracy at the budget on new questions, by their right answers."""
    test = estimate(generated(400, seed=seed), votes=(1,))
    choice = imitator.choose(features_of(test), budget=BUDGET)
    return test.accuracy[np.arange(len(test)), choice].mean()


def test_a_policy_without_one_right_answer_comes_close_to_one_with_all():
    none, every = (
        value(Imitator(vector=DIMENSION).fit(features_of(table(known)), table(known), BUDGET))
        for known in ((), None)
    )
    test = estimate(generated(400, seed=1), votes=(1,))
    share = (BUDGET - 1) / 19
    mixture = test.accuracy.mean(axis=0) @ (1 - share, share)
    assert every - mixture > 0.03
    assert none - mixture > 0.75 * (every - mixture)


def test_labels_teach_how_far_estimates_of_a_kind_of_question_are_off():
    known = table(range(0, 300, 3))
    wrong = known.estimated.accuracy.copy()
    wrong[1::2, 0] = 0.9  # hard questions are taken to be easy for the cheap source
    lied = replace(known.estimated, accuracy=wrong)
    outcomes = replace(known, estimated=lied)
    features = features_of(outcomes)
    filled = Completion.fit(features, outcomes).of(features, outcomes)
    assert filled.estimated is None
    assert filled.accuracy[1::2, 0].mean() < 0.75
    assert filled.accuracy[::2, 0].mean() > 0.8


def test_what_nobody_checked_ships_unverified_and_says_so():
    trained = train(table(()), budget=BUDGET, encoder=toy_encoder())
    assert (trained.gate.answer, trained.gate.labels) == ("unverified", 0)
    assert trained.report["ships"] == "imitator"
    assert "no answer was checked" in str(trained.gate)
    assert f"label {trained.gate.needed_labels} questions at least to verify it" in str(trained.gate)
    assert trained.gate.needed_labels >= 20
    assert trained.card["data"]["labelled"] == 0


def test_enough_right_answers_verify_a_policy():
    gate = Imitator(vector=DIMENSION).fit(features_of(table(range(150))), table(range(150)), BUDGET).gate()
    assert (gate.answer, gate.labels) == ("ship", 150)


def test_estimates_of_questions_that_are_alike_ship_nothing():
    rng = np.random.default_rng(0)
    outcomes = table(())
    shuffled = outcomes.select(rng.permutation(len(outcomes)))
    gate = Imitator(vector=DIMENSION).fit(features_of(outcomes), shuffled, BUDGET).gate()
    assert not gate.ships


def test_right_answers_of_questions_count_by_how_many_there_are():
    known, every = table(range(0, 300, 3)), table(None)
    features = features_of(known)
    completion = Completion.fit(features, known)
    filled, alone = (fit.of(features, known).accuracy for fit in (completion, replace(completion, share=0.0)))
    np.testing.assert_allclose((filled - alone)[::3], (every.accuracy - alone)[::3] / 3)
    assert (filled == alone)[1::3].all()
    all_labelled = replace(known.estimated, labels=np.ones(300), at_random=np.ones(300, dtype=bool))
    complete = replace(known, accuracy=every.accuracy, estimated=all_labelled)
    same = Completion.fit(features, complete).of(features, complete).accuracy
    np.testing.assert_allclose(same, every.accuracy, atol=1e-12)  # as if no estimate had ever been made
