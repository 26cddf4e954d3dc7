"""Votes, best-of-k and pass@k against the enumeration of every subset and every order."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.estimating.voting import (
    answer_codes,
    best_of_k,
    vote_accuracy,
    vote_cost,
)
from adaptive_reasoner.strategies.vote_state import Votes

ANSWERS = st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=8)


@st.composite
def ballots(draw, most=8):
    answers = draw(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=most))
    correct = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=len(answers), max_size=len(answers)))
    return answers, correct


def enumerated_accuracy(answers, correct, k):
    """Every k-subset, every tied winner equally likely, an answer as right as its samples are on average."""
    right = {a: np.mean([c for b, c in zip(answers, correct, strict=True) if a == b]) for a in answers}
    scores = []
    for subset in itertools.combinations(answers, k):
        counts = {a: subset.count(a) for a in subset if a is not None}
        winners = [a for a in counts if counts[a] == max(counts.values())] or [None]
        scores.append(np.mean([right[a] for a in winners]))
    return np.mean(scores)


def enumerated_cost(answers, cost, k):
    """Every order of the samples, drawn as the online vote draws them."""
    spent = []
    for order in itertools.permutations(range(len(answers))):
        votes, drawn = Votes(limit=k), 0
        while wave := votes.needed:
            votes.add(answers[i] for i in order[drawn : drawn + wave])
            drawn += wave
        spent.append(sum(cost[i] for i in order[:drawn]))
    return np.mean(spent)


def accuracy_in_all_orders(answers, correct, k):
    """Every order of the samples, drawn as the online vote draws them, every tied winner equally likely."""
    right = {a: np.mean([c for b, c in zip(answers, correct, strict=True) if a == b]) for a in answers}
    scores = []
    for order in itertools.permutations(answers):
        votes = Votes(limit=k)
        while wave := votes.needed:
            votes.add(order[votes.drawn : votes.drawn + wave])
        leads = [each for each, count in votes.counts.items() if count == votes.leaders[0]]
        whole = [order[:k].count(each) for each in leads]
        winners = [each for each, count in zip(leads, whole, strict=True) if count == max(whole)]
        scores.append(np.mean([right[a] for a in winners or [None]]))
    return np.mean(scores)


@settings(max_examples=25, deadline=None)
@given(ballots(most=6))
def test_as_it_runs_a_vote_ends_where_its_first_samples_have_no_answer(ballot):
    sizes = range(1, len(ballot[0]) + 1)
    expected = [accuracy_in_all_orders(*ballot, k) for k in sizes]
    assert vote_accuracy(*ballot, sizes, as_run=True).tolist() == pytest.approx(expected, abs=1e-12)


def test_a_vote_of_many_that_begins_without_an_answer_is_lost():
    answers, correct = [None] * 4 + ["a"], [0.0] * 4 + [1.0]
    assert vote_accuracy(answers, correct, (5,)).tolist() == [1.0]
    # Three samples and one more come before the fifth, which is the answer in one order of five.
    assert vote_accuracy(answers, correct, (5,), as_run=True).tolist() == pytest.approx([0.8])


@settings(max_examples=200, deadline=None)
@given(ballots())
def test_a_vote_scores_its_mean_over_all_subsets(ballot):
    sizes = range(1, len(ballot[0]) + 1)
    expected = [enumerated_accuracy(*ballot, k) for k in sizes]
    assert vote_accuracy(*ballot, sizes).tolist() == pytest.approx(expected, abs=1e-12)


def test_a_vote_of_two_is_a_single_sample_when_all_answer_and_better_when_some_do_not():
    single, pair = vote_accuracy(["a", "a", "b"], [1, 1, 0], (1, 2))
    assert pair == pytest.approx(single)
    single, pair = vote_accuracy(["a", "a", None], [1, 1, 0], (1, 2))
    assert pair > single + 0.1


def test_a_vote_can_get_worse_with_size():
    ones = vote_accuracy(["a"] * 4 + ["b"] * 6, [1] * 4 + [0] * 6, (1, 9))
    assert ones[1] < ones[0]


def test_large_votes_do_not_overflow():
    answers = [str(i % 7) for i in range(200)]
    correct = [float(answer == "0") for answer in answers]
    drawn = np.random.default_rng(0).multivariate_hypergeometric(
        np.bincount(answer_codes(answers)), 100, 50_000
    )
    leads = drawn == drawn.max(axis=1, keepdims=True)
    expected = [
        29 / 200,
        (leads[:, 0] / leads.sum(axis=1)).mean(),
        1 / 4,
    ]  # four of the seven have 29 samples
    assert vote_accuracy(answers, correct, (1, 100, 200)).tolist() == pytest.approx(expected, abs=0.01)
    with pytest.raises(OutcomesError, match="2000 samples have too many subsets of 1000"):
        vote_accuracy(["a"] * 2000, [1] * 2000, (1000,))


@settings(max_examples=30, deadline=None)
@given(st.lists(ballots(most=5), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_a_vote_of_few_samples_costs_its_mean_over_all_orders(several, random):
    for answers, _ in several:
        cost = np.array([random.random() for _ in answers])
        sizes = range(1, len(answers) + 1)
        expected = [enumerated_cost(answers, cost, k) for k in sizes]
        assert vote_cost(answer_codes(answers)[None], cost[None], sizes)[0].tolist() == pytest.approx(
            expected
        )


def test_a_vote_of_many_samples_costs_about_its_mean_over_all_orders():
    answers, cost = ["a", "a", "b", None, "a", "c", "b"], np.array([1.0, 2, 30, 4, 5, 60, 7])
    expected = [enumerated_cost(answers, cost, k) for k in (3, 5, 7)]
    codes = np.tile(answer_codes(answers), (400, 1))  # 400 questions alike: the noise averages out
    found = vote_cost(codes, np.tile(cost, (400, 1)), (3, 5, 7)).mean(axis=0)
    assert found.tolist() == pytest.approx(expected, rel=0.005)


def test_what_cannot_stop_early_is_priced_exactly():
    cost = np.random.default_rng(0).random((3, 9))
    codes = np.tile(np.arange(9) % 3, (3, 1))
    found = vote_cost(codes, cost, (1, 2))
    np.testing.assert_allclose(found, cost.mean(axis=1, keepdims=True) * [1, 2])


def test_the_cost_is_drawn_by_its_seed_and_never_above_that_of_all_samples():
    rng = np.random.default_rng(1)
    codes, cost = rng.integers(-1, 4, (50, 20)), rng.random((50, 20))
    first, again, other = (vote_cost(codes, cost, (3, 9, 15), seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first <= cost.mean(axis=1, keepdims=True) * [3, 9, 15] + 1e-9).mean() > 0.9
    assert (np.diff(first, axis=1) > 0).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 3)), min_size=1, max_size=7))
def test_best_of_k_scores_its_mean_over_all_subsets(replies):
    correct, score = np.array(replies).T
    for k in range(1, len(replies) + 1):
        expected = [
            correct[[i for i in subset if score[i] == score[list(subset)].max()]].mean()
            for subset in itertools.combinations(range(len(replies)), k)
        ]
        # Equal scores share their rightness over the whole table, a subset's over the subset: same mean.
        assert best_of_k(correct, score, (k,))[0] == pytest.approx(np.mean(expected))


@given(st.integers(1, 8), st.integers(0, 8))
def test_the_best_of_k_by_a_perfect_scorer_is_the_share_of_subsets_with_a_right_one(samples, right):
    right = min(right, samples)
    replies = [True] * right + [False] * (samples - right)
    for k in range(1, samples + 1):
        expected = np.mean([any(subset) for subset in itertools.combinations(replies, k)])
        assert best_of_k(replies, replies, (k,))[0] == pytest.approx(expected)


def test_the_best_of_many_is_no_better_than_right():
    for right in range(101):
        replies = [1.0] * right + [0.0] * (100 - right)
        assert best_of_k(replies, replies, (1, 2, 4, 8, 16, 32, 64)).max() <= 1.0


@pytest.mark.parametrize("k", [0, 4])
def test_no_estimate_is_made_from_fewer_samples_than_the_vote_has(k):
    for estimate in (
        lambda: vote_accuracy(["a"] * 3, [1] * 3, (k,)),
        lambda: vote_cost(np.zeros((1, 3), int), np.ones((1, 3)), (k,)),
        lambda: best_of_k([1] * 3, [1] * 3, (k,)),
    ):
        with pytest.raises(OutcomesError, match=f"k = {k} cannot be estimated from 3 samples: 1 to 3 can"):
            estimate()


def test_a_choice_without_a_score_is_refused():
    with pytest.raises(OutcomesError, match="sample 1 has no score"):
        best_of_k([1, 0], [0.5, math.nan], (1,))
