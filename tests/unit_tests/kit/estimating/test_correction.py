"""Corrections by labelled questions, and means without the bias of the estimates."""

from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.kit.estimating.correction import corrected, rectified, residual_weights
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.tables.bootstrap import bootstrap_means
from tests.unit_tests.kit.unlabelled import generated

PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0)


def test_a_consensus_that_flatters_one_action_is_corrected():
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 2)) < (0.5, 0.7)).astype(float)
    guess = np.clip(truth * 0.6 + (0.1, 0.4), 0, 1)
    labelled = np.arange(400) < 100
    result = corrected(guess, truth, labelled)
    assert np.abs(result.mean(axis=0) - truth.mean(axis=0)).max() < 0.05
    assert np.abs(guess.mean(axis=0) - truth.mean(axis=0)).max() > 0.1


def test_few_labels_correct_nothing():
    rng = np.random.default_rng(0)
    guess, truth = rng.random((50, 2)), rng.random((50, 2))
    assert (corrected(guess, truth, np.arange(50) < 5) == guess).all()


def test_a_rectified_table_has_the_mean_of_the_right_answers_in_expectation():
    truth, samples = estimate(generated(300), votes=(1,)), generated(300, labelled=())
    blank = estimate(samples, votes=(1,))
    biased = replace(blank.estimated, accuracy=np.clip(blank.accuracy + np.array([0.2, 0.0]), 0, 1))
    rng, means = np.random.default_rng(0), []
    for _ in range(200):
        share = np.isin(np.arange(300), rng.choice(300, 60, replace=False)).astype(float)
        accuracy = np.where(share[:, None] > 0, truth.accuracy, biased.accuracy)
        table = replace(
            blank, accuracy=accuracy, estimated=replace(biased, labels=share, at_random=share > 0)
        )
        means.append(rectified(table).accuracy.mean(axis=0))
    assert np.abs(np.mean(means, axis=0) - truth.accuracy.mean(axis=0)).max() < 0.01


@pytest.mark.slow
def test_intervals_from_fifty_labels_cover_the_value_by_all_of_them():
    truth, blank = (estimate(generated(300, labelled=known), votes=(1,)) for known in (None, ()))
    value, rng, hits = truth.accuracy[:, 1].mean(), np.random.default_rng(0), 0
    for draw in range(300):
        share = np.isin(np.arange(300), rng.choice(300, 50, replace=False)).astype(float)
        accuracy = np.where(share[:, None] > 0, truth.accuracy, blank.accuracy)
        table = rectified(
            replace(
                blank,
                accuracy=accuracy,
                estimated=replace(blank.estimated, labels=share, at_random=share > 0),
            )
        )
        drawn = bootstrap_means(table.accuracy[:, 1:], table.questions, 400, draw)
        low, high = np.quantile(drawn, [0.025, 0.975])
        hits += low <= value <= high
    assert hits / 300 >= 0.93


def test_a_table_with_all_right_answers_is_not_touched():
    table = estimate(generated(20), votes=(1,))
    assert rectified(table) is table


def test_fewer_than_twenty_labels_leave_estimates_as_they_are():
    few, enough = (estimate(generated(200, labelled=range(labels)), votes=(1,)) for labels in (19, 20))
    assert (rectified(few).accuracy == few.estimated.accuracy).all()
    assert (rectified(enough).accuracy != enough.estimated.accuracy).any()


def test_labels_of_questions_that_were_chosen_tell_nothing_of_the_bias():
    samples = generated(200, labelled=range(0, 200, 2))
    replies = {
        pair: tuple(replace(r, label_drawn="chosen") if r.gold else r for r in several)
        for pair, several in samples.replies.items()
    }
    chosen = estimate(replace(samples, replies=replies), votes=(1,))
    assert (chosen.labelled.sum(), chosen.estimated.at_random.sum()) == (100, 0)
    assert (rectified(chosen).accuracy == chosen.estimated.accuracy).all()
    assert (chosen.accuracy[::2] == estimate(generated(200), votes=(1,)).accuracy[::2]).all()


def directions(rng, count, width):
    features = rng.normal(size=(count, width))
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def test_labels_that_say_nothing_of_the_question_leave_estimates_nearly_as_they_are():
    rng, moved = np.random.default_rng(0), []
    for _ in range(40):
        features, residual = directions(rng, 50, 60), rng.normal(size=(50, 2))
        moved.append(
            ((directions(rng, 500, 60) @ residual_weights(features, residual, PENALTIES)) ** 2).mean()
        )
    assert np.mean(moved) < 0.015  # of a variance of 1
    assert np.max(moved) < 0.1


@pytest.mark.parametrize("actions", [1, 2, 5])
def test_many_labels_teach_what_the_question_says(actions):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20, actions))
    features, new = directions(rng, 1_000, 20), directions(rng, 500, 20)
    residual = features @ truth + 0.5 * rng.normal(size=(1_000, actions))
    missed = ((new @ residual_weights(features, residual, PENALTIES) - new @ truth) ** 2).mean(axis=0)
    assert (missed < 0.1 * (new @ truth).var(axis=0)).all()


def test_levels_and_contrasts_are_learnt_apart():
    rng = np.random.default_rng(0)
    features = directions(rng, 400, 10)
    level = features @ rng.normal(size=10) * 2
    weights = residual_weights(features, np.stack([level, level], axis=1), PENALTIES)
    np.testing.assert_allclose(weights[:, 0], weights[:, 1], atol=1e-9)
    assert (residual_weights(features, np.zeros((400, 2)), PENALTIES) == 0).all()
