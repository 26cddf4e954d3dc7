import itertools
from collections import Counter
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit_tests.answers.vote_odds import heaviest, wrong_call, wrong_vote

DRAWS = st.integers(1, 4).flatmap(
    lambda replies: st.tuples(
        st.lists(st.none() | st.integers(0, 2), min_size=replies, max_size=replies),
        st.lists(st.sampled_from("abc"), min_size=replies, max_size=replies),
        st.lists(st.integers(1, 5), min_size=replies, max_size=replies),
    )
)


def winner(drawn, groups, first_may_end):
    """The reply that a vote gives, for replies drawn in this order."""
    votes = Counter(groups[reply] for reply in drawn if groups[reply] is not None)
    if not votes or (first_may_end and groups[drawn[0]] is None):
        return drawn[0]
    most = max(votes.values())
    return next(reply for reply in drawn if votes.get(groups[reply]) == most)


def wrong_by_every_order(groups, labels, weights, samples, first_may_end):
    right = heaviest(labels, weights)
    shares = [weight / sum(weights) for weight in weights]
    return sum(
        prod(shares[reply] for reply in drawn)
        for drawn in itertools.product(range(len(labels)), repeat=samples)
        if labels[winner(drawn, groups, first_may_end)] != right
    )


@given(DRAWS, st.integers(1, 5), st.booleans())
def test_the_odds_are_those_of_every_order_of_draws(draws, samples, first_may_end):
    expected = wrong_by_every_order(*draws, samples, first_may_end)
    assert wrong_vote(*draws, samples, first_may_end=first_may_end) == pytest.approx(expected, abs=1e-12)


@given(DRAWS)
def test_a_vote_of_one_sample_is_one_call(draws):
    _, labels, weights = draws
    assert wrong_vote(*draws, 1) == pytest.approx(wrong_call(labels, weights), abs=1e-12)


@given(DRAWS, st.integers(1, 9))
def test_without_groups_the_first_reply_is_given(draws, samples):
    _, labels, weights = draws
    nothing = [None] * len(labels)
    assert wrong_vote(nothing, labels, weights, samples) == pytest.approx(
        wrong_call(labels, weights), abs=1e-12
    )


def test_a_majority_of_three_is_right_more_often_than_one_call():
    assert wrong_call("rw", [3, 1]) == 0.25
    assert wrong_vote([0, 1], "rw", [3, 1], 3) == pytest.approx(0.25**3 + 3 * 0.25**2 * 0.75)


def test_a_reply_without_a_group_leaves_the_vote_to_the_others():
    assert wrong_vote([None, 0], "rw", [3, 1], 3) == pytest.approx(1 - 0.75**3)


def test_a_tie_goes_to_the_group_seen_first():
    assert wrong_vote([0, 1], "rw", [3, 1], 2) == pytest.approx(0.25)


def test_a_first_reply_without_a_group_may_end_the_vote():
    once = wrong_vote([None, 0], "rw", [3, 1], 3, first_may_end=True)
    assert once == pytest.approx(0.25), "the first reply of either kind is the answer"
