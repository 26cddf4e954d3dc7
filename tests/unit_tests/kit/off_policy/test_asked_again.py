import numpy as np
import pytest

from adaptive_reasoner.kit.off_policy.asked_again import Earlier
from adaptive_reasoner.kit.off_policy.shifts import shift_of

TEXTS, TIMES = 100, 20
N = TEXTS * TIMES


def chosen_where_right(seed, fall=1.0):
    """Decisions of an action that, after a quarter of the log, is taken where it was right until then.

    Half-way its accuracy is multiplied. Gives values, propensities and texts.
    """
    rng = np.random.default_rng(seed)
    text, own = rng.integers(TEXTS, size=N), np.clip(0.7 + rng.normal(0, 0.25, TEXTS), 0, 1)
    right = rng.random(N) < own[text] * np.where(np.arange(N) >= N // 2, fall, 1.0)
    first = np.arange(N) < N // 4
    asked = np.bincount(text[first], minlength=TEXTS)
    mean = np.bincount(text[first], weights=right[first], minlength=TEXTS) / np.maximum(asked, 1)
    rule = first | (mean[text] >= 0.7)
    taken = rule | (rng.random(N) < 0.01)
    return right[taken].astype(float), np.where(rule, 0.99, 0.01)[taken], text[taken]


def factors(fall):
    found = []
    for seed in range(10):
        values, propensity, text = chosen_where_right(seed, fall)
        found.append(shift_of(np.full(len(values), 0.7), values, propensity, text).factor)
    return np.array(found)


def test_an_action_taken_where_it_was_right_before_does_not_seem_to_become_better():
    assert factors(1.0).mean() == pytest.approx(1.0, abs=0.01)


def test_a_fall_shows_although_the_action_is_taken_where_it_was_right_before():
    assert factors(0.7).mean() == pytest.approx(0.75, abs=0.05)


def test_each_text_is_expected_at_its_own_level_and_new_ones_as_before():
    rng = np.random.default_rng(1)
    own = rng.uniform(0.2, 1.0, 50)
    text = np.append(np.tile(np.arange(50), 40), 50)
    values = np.append((rng.random(2_000) < own[text[:-1]]).astype(float), 1.0)
    found = Earlier.of(np.full(2_001, 0.6), values, text, np.arange(2_001) < 1_500)
    assert found.level == pytest.approx(own.mean() / 0.6, rel=0.05)
    assert np.corrcoef(found.expected[1_500:1_550], own)[0, 1] > 0.9
    assert found.expected[1_500:1_550] == pytest.approx(own, abs=0.25)
    assert (found.by_level[1_500:1_550] < 0.2).all()
    assert found.expected[-1] == found.by_level[-1] == pytest.approx(0.6 * found.level)
    assert found.error * found.level == pytest.approx(own.std() / 50**0.5 / 0.6, rel=0.3)


def test_what_lies_within_chance_of_the_same_level_is_expected_as_before():
    rng = np.random.default_rng(2)
    text, values = np.tile(np.arange(50), 40), (rng.random(2_000) < 0.6).astype(float)
    found = Earlier.of(np.full(2_000, 0.6), values, text, np.arange(2_000) < 1_500)
    assert found.expected == pytest.approx(0.6, abs=0.03)


def test_texts_that_come_once_change_nothing():
    expected = np.random.default_rng(3).uniform(0.3, 0.9, 500)
    found = Earlier.of(expected, np.zeros(500), np.arange(500), np.arange(500) < 250)
    assert (found.expected == expected).all()
    assert (found.level, found.error) == (1.0, 0.0)


def test_earlier_decisions_that_came_to_nothing_tell_no_level():
    texts = np.tile(np.arange(10), 40)
    found = Earlier.of(np.full(400, 0.5), np.zeros(400), texts, np.arange(400) < 300)
    assert found.expected == pytest.approx(0.5)
    assert (found.level, found.error) == (1.0, 0.0)
