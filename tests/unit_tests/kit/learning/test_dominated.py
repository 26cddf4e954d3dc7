from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.learning.crossfit import CrossFit
from adaptive_reasoner.kit.learning.dominated import dominated_actions, dropped_in_words
from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.policy.imitator_model import ImitatorSession
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.toys import (
    DIMENSION,
    features_of,
    toy_encoder,
    toy_outcomes,
    wasteful_outcomes,
    with_action,
)

BUDGET = 20.0


def crossfit(table):
    names = ("ridge", "ridge + neighbours + trees")
    return CrossFit.run(features_of(table), table, names=names, budget=BUDGET, vector=DIMENSION, seed=0)


@pytest.fixture(scope="module")
def policy():
    encoder = toy_encoder()
    table = wasteful_outcomes()
    menu = {action: {"source": action, "worst_cost": 100.0} for action in table.actions}
    cache = VectorCache(encoder, encoder.folder)
    return train(table, budget=BUDGET, encoder=encoder, cache=cache, menu=menu)


def test_an_action_that_another_beats_everywhere_is_dropped():
    assert crossfit(wasteful_outcomes()).dominated().tolist() == [False, True, False]


@pytest.mark.parametrize(("every", "kept"), [(200, True), (10_000, False)])
def test_an_action_is_kept_where_more_than_one_question_in_a_thousand_needs_it(every, kept):
    table = toy_outcomes(400)
    needed = np.arange(400) % every == every - 1
    others = np.where(needed[:, None], 0.0, table.accuracy)
    table = with_action(replace(table, accuracy=others), "rare", needed.astype(float), 60.0)
    known = Predictions(table.actions, table.accuracy, table.cost, table.cost_unit)
    assert dominated_actions(table, [known])[1] != kept


def test_an_action_that_is_behind_only_by_chance_is_kept():
    table = toy_outcomes(400)
    twin = np.random.default_rng(3).permutation(table.accuracy[:, 1])
    table = with_action(table, "twin", twin, table.cost[:, 1] + 0.01, at=2)
    assert not crossfit(table).dominated().any()


def test_few_questions_drop_nothing():
    table = wasteful_outcomes(18)
    assert not dominated_actions(table, []).any()
    assert dominated_actions(wasteful_outcomes(60), []).tolist() == [False, True, False]


def test_the_policy_carries_only_the_actions_that_are_kept(policy, tmp_path):
    folder = policy.save(tmp_path / "policy")
    loaded = LearnedPolicy.load(folder)
    assert loaded.actions == ("direct", "cot")
    assert loaded.card["dropped"] == policy.report["dropped"] == ["guess"]
    assert set(loaded.card["menu"]) == {"direct", "cot"}
    assert loaded.card["worst_cost"] == [100.0, 100.0]
    features = loaded.encoder.features("tom has 3 apples")
    session = ImitatorSession(folder, actions=2, features=features)
    assert session.predict(features[None])[0].shape == (1, 2)


def test_choices_are_positions_among_all_actions(policy):
    table, fresh = wasteful_outcomes(), wasteful_outcomes(300, seed=1)
    imitator = Imitator(vector=DIMENSION).fit(features_of(table), table, BUDGET)
    assert (imitator.actions_, imitator.dropped_) == (("direct", "cot"), ("guess",))
    chosen = imitator.choose(features_of(fresh), budget=BUDGET)
    assert set(chosen.tolist()) == {0, 2}
    foreseen = imitator.foresee(features_of(fresh))
    shares = foreseen.shares(imitator.curve_.price_at(BUDGET))
    assert shares.shape == fresh.accuracy.shape
    assert np.allclose(shares.sum(axis=1), 1.0)
    assert not shares[:, 1].any()
    assert (chosen == shares.argmax(axis=1)).mean() > 0.9


def test_what_is_dropped_is_said_in_a_sentence():
    assert dropped_in_words(["a", "b"], 9) == "2 of 9 actions are never worth choosing: a, b"
    assert dropped_in_words([], 9) == ""
