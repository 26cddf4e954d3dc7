"""Groups that were left out of training: what is played there is learnt from other groups alone."""

from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.kit.backtesting.imitators import Split, fitted_imitator
from adaptive_reasoner.kit.backtesting.unseen_groups import UnseenGroups
from adaptive_reasoner.kit.learning.encoders import feature_matrix
from adaptive_reasoner.kit.tables.splits import split_by_text
from tests.unit_tests.kit.backtesting.backtests import WordEncoder, outcomes, table_of

pytestmark = pytest.mark.usefixtures("own_cache")
BUDGETS = (15.0, 25.0)


def features_of(table):
    return feature_matrix(table.questions.tolist(), WordEncoder())


def split_of(table, features):
    fit, held_out = split_by_text(table.questions, seed=0)
    imitator = fitted_imitator(Split.of(table, features, fit, held_out), BUDGETS, seed=0)
    return fit, imitator


def expected_of(part):
    return [(each.accuracy, each.cost) for each in part.predicted.values()]


@pytest.fixture(scope="module")
def told():
    table = outcomes(160)
    features = features_of(table)
    return table, features, *split_of(table, features)


def test_what_happened_in_a_group_does_not_reach_what_is_expected_of_it(told):
    table, features, fit, imitator = told
    groups = UnseenGroups.of(table, features, folds=2, seed=0)
    held_out = groups.fold == 0
    accuracy, cost = table.accuracy.copy(), table.cost.copy()
    accuracy[held_out], cost[held_out] = 1 - accuracy[held_out], 500.0
    elsewhere = UnseenGroups(replace(table, accuracy=accuracy, cost=cost), features, groups.fold)
    part, same = (each.play(0, imitator, fit, BUDGETS) for each in (groups, elsewhere))
    assert np.array_equal(part.rows, np.flatnonzero(held_out))
    assert np.array_equal(expected_of(part), expected_of(same))
    assert not np.array_equal(expected_of(part), expected_of(elsewhere.play(1, imitator, fit, BUDGETS)))


def test_a_text_of_two_groups_is_learnt_from_in_neither(told):
    table, features, fit, imitator = told
    groups = UnseenGroups.of(table, features, folds=2, seed=0)
    texts = table.questions.copy()
    twin, first = np.flatnonzero(groups.fold == 1)[0], np.flatnonzero(groups.fold == 0)[0]
    texts[twin] = texts[first]
    accuracy = table.accuracy.copy()
    accuracy[twin] = 1 - accuracy[twin]
    with_twin = replace(table, questions=texts)
    plays = [
        UnseenGroups(each, features, groups.fold).play(0, imitator, fit, BUDGETS)
        for each in (with_twin, replace(with_twin, accuracy=accuracy))
    ]
    assert np.array_equal(*map(expected_of, plays))


def test_every_fold_is_played_by_one_split_and_together_they_cost_the_budget(told):
    table, features, fit, imitator = told
    groups = UnseenGroups.of(table, features, folds=2, seed=0)
    assert [list(groups.folds(number, 3)) for number in range(3)] == [[0], [1], []]
    assert list(groups.folds(0, 1)) == [0, 1]
    trial = groups.joined([groups.play(fold, imitator, fit, BUDGETS) for fold in (0, 1)], BUDGETS)
    assert len(trial.held_out) == len(table)
    for budget in BUDGETS:
        assert trial.plays["imitator_unseen_groups", budget].cost.mean() == pytest.approx(budget, rel=0.02)


def test_where_nothing_is_left_to_learn_from_there_is_no_row():
    cells = np.tile([0.0, 1.0], (12, 1))
    table = table_of(cells, cells + 1, questions=["one", "two"] * 6, groups=["a"] * 6 + ["b"] * 6)
    features = features_of(table)
    groups = UnseenGroups.of(table, features, folds=2, seed=0)
    fit, imitator = split_of(table, features)
    parts = [groups.play(fold, imitator, fit, BUDGETS) for fold in (0, 1)]
    assert parts == [None, None]
    assert groups.joined(parts, BUDGETS) is None
    assert UnseenGroups.of(replace(table, groups=["a"] * 12), features, folds=2, seed=0) is None
