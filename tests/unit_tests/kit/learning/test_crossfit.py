from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.kit.learning.crossfit import CANDIDATES, CrossFit, candidates_for, folds_of
from tests.unit_tests.toys import DIMENSION, features_of, toy_outcomes


def crossfit(table, budget=15.0, names=tuple(CANDIDATES)):
    return CrossFit.run(features_of(table), table, names=names, budget=budget, vector=DIMENSION, seed=0)


@pytest.fixture(scope="module")
def fitted():
    return crossfit(toy_outcomes(400))


def test_equal_texts_share_a_fold_and_folds_are_alike_in_size():
    texts = np.array([f"question {number % 50}" for number in range(200)], dtype=object)
    fold = folds_of(texts, seed=0)
    assert all(len(set(fold[texts == text])) == 1 for text in texts)
    assert np.ptp(np.bincount(fold)) <= 4


def test_every_question_is_predicted_without_having_been_seen(fitted):
    assert all(np.isfinite(raw).all() for raw in fitted.raw.values())
    contrast = np.diff(fitted.held_out("trees").accuracy, axis=1)[:, 0]
    story = fitted.outcomes.groups == "story"
    assert contrast[story].mean() > contrast[~story].mean() + 0.5


def test_what_is_unlike_the_other_folds_is_left_to_the_smooth_learners(fitted):
    strange = replace(fitted, trust=np.zeros(len(fitted.fold)))
    smooth = (fitted.raw["ridge"] + fitted.raw["neighbours"]) / 2
    assert np.allclose(strange.of("trees"), smooth)
    assert np.allclose(replace(fitted, trust=np.ones(len(fitted.fold))).of("trees"), fitted.raw["trees"])
    assert fitted.trust.mean() > 0.9


def test_a_candidate_replaces_the_mean_of_all_only_where_it_is_clearly_ahead(fitted):
    lifts, default = fitted.lifts(), tuple(CANDIDATES)[-1]
    ahead = lifts[fitted.best()] - lifts[default]
    assert fitted.best() == default or ahead.mean() > 0.5 * ahead.std() / np.sqrt(len(ahead))
    truth = np.hstack([fitted.outcomes.accuracy, fitted.outcomes.cost])
    knowing = replace(fitted, raw={**fitted.raw, "trees": truth}, trust=np.ones(400), _responses={})
    assert knowing.best() == "trees"
    alike = replace(fitted, raw=dict.fromkeys(fitted.raw, fitted.raw["trees"]), _responses={})
    assert alike.best() == default


def test_what_can_be_learnt_lifts_accuracy_and_the_constant_does_not(fitted):
    lifts = {name: lift.mean() for name, lift in fitted.lifts().items()}
    assert lifts[fitted.best()] > max(lifts.values()) - 0.02
    assert lifts[fitted.best()] > 0.05
    assert lifts["constant"] == pytest.approx(0.0, abs=1e-9)
    assert (fitted.held_out_trust.over(15.0) == 1).all()


def test_where_nothing_can_be_learnt_predictions_are_not_trusted():
    tables = (toy_outcomes(150, seed=seed, informative=False) for seed in range(6))
    names = ("ridge", "neighbours")
    trusted = [crossfit(table, names=names).held_out_trust.share.any() for table in tables]
    assert sum(trusted) <= 1


def test_a_lift_that_is_only_rounding_gives_no_trust(fitted):
    mean = np.tile(fitted.truth.mean(axis=0), (400, 1))
    for factor in np.geomspace(0.5, 2, 9):  # of the budget: the sums round up here and down there
        unlearnt = replace(fitted, raw=dict.fromkeys(fitted.raw, mean), budget=15.0 * factor, _responses={})
        assert not unlearnt.held_out_trust.share.any()


def test_tables_too_small_to_learn_from_get_the_constant_only():
    assert candidates_for(toy_outcomes(4)) == ("constant",)
    assert candidates_for(toy_outcomes(60)) == tuple(CANDIDATES)[1:]  # trust does what the constant did
