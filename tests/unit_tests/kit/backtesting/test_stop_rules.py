"""Stopping rules replayed: against the rules themselves, run order by order."""

import itertools

import numpy as np
import pytest

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.backtesting.stop_rules import replay_rules
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.strategies.vote_state import Votes, beta_confidence
from tests.unit_tests.kit.votes.ballots import ballots_of

THRESHOLDS = (0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999)


def samples_of(*ballots, tokens=None):
    def each(_, i):
        paid = {"cost": 1.0 + i, "cost_unit": "tokens"}
        return paid if tokens is None else {**paid, "completion_tokens": tokens + i}

    return ballots_of(ballots, each=each)


def replayed(samples):
    return replay_rules(samples, "cot", estimate(samples, votes=(1,)))


def run(rule, ballot):
    """Mean accuracy and cost of a rule over all orders of a ballot of two drawn of four or fewer."""
    scores, costs = [], []
    for order in itertools.permutations(range(len(ballot))):
        drawn = rule([ballot[i] for i in order])
        votes = Votes(limit=len(ballot))
        votes.add(ballot[i] for i in order[:drawn])
        scores.append(votes.winner == "a")
        costs.append(sum(1.0 + i for i in order[:drawn]))
    return np.mean(scores), np.mean(costs)


def silent(answers, first):
    """Whether the first wave and one sample more have no answer: there a vote ends."""
    return len(answers) > first and answers == [None] * len(answers)


def beta(tau, limit):
    first = next((n for n in range(1, limit) if beta_confidence(n, 0) >= tau), limit // 2 + 1)

    def rule(answers):
        votes = Votes(limit)
        for drawn, answer in enumerate(answers[:limit], start=1):
            votes.add([answer])
            if votes.leaders[0] and beta_confidence(*votes.leaders) >= tau:
                return drawn
            if silent(answers[:drawn], min(first, limit // 2 + 1)):
                return drawn
        return limit

    return rule


def window(width, limit):
    def rule(answers):
        for end in range(width, limit + 1, width):
            seen = set(answers[end - width : end])
            if len(seen) == 1 and None not in seen:
                return end
            if silent(answers[: end + 1], width):
                return end + 1
        return limit

    return rule


BALLOTS = [["a", "b", "a"], ["a", None, "a"], ["b", "a", "c"], ["a", "a", "a"], [None, None, "a"]]


def test_every_rule_is_its_mean_over_all_orders():
    rules = replayed(samples_of(*BALLOTS))
    for q, ballot in enumerate(BALLOTS):
        for at, tau in enumerate(THRESHOLDS):
            accuracy, cost, _ = rules["beta_stop"].values
            expected = run(beta(tau, 3), ballot)
            assert (accuracy[q, at], cost[q, at]) == pytest.approx(expected), (ballot, tau)
        for width in (1, 2, 3):
            accuracy, cost, _ = rules["esc"].values
            expected = run(window(width, 3), ballot)
            assert (accuracy[q, width - 1], cost[q, width - 1]) == pytest.approx(expected), (
                ballot,
                width,
            )
        for k in (1, 2, 3):
            accuracy, cost, _ = rules["vote_k"].values
            expected = run(lambda answers, k=k: k, ballot)
            assert (accuracy[q, k - 1], cost[q, k - 1]) == pytest.approx(expected), (ballot, k)


def test_a_lossless_vote_is_as_accurate_as_the_whole_vote_and_cheaper():
    rng = np.random.default_rng(0)
    rules = replayed(
        samples_of(*(rng.choice(["a", "b", "c"], 20, p=[0.6, 0.3, 0.1]).tolist() for _ in range(30)))
    )
    (accuracy, cost, _), (early_accuracy, early_cost, _) = (rules[n].values for n in ("vote_k", "lossless"))
    np.testing.assert_allclose(accuracy, early_accuracy)
    assert (early_cost <= cost + 1e-9).mean() > 0.9
    assert early_cost[:, 2:].mean() < 0.9 * cost[:, 2:].mean()


def test_at_most_half_of_many_samples_are_drawn():
    assert replayed(samples_of(["a"] * 10))["vote_k"].values.shape[2] == 5
    assert replayed(samples_of(["a"] * 3))["vote_k"].values.shape[2] == 3
    assert replayed(samples_of(["a"] * 3, ["a"])) == {}
    assert replayed(samples_of(["a"] * 10, ["a"] * 6))["vote_k"].values.shape[2] == 3


def test_the_mixture_is_chosen_on_the_fit_and_costs_the_budget_there():
    rng = np.random.default_rng(1)
    samples = samples_of(*(rng.choice(["a", "b"], 12, p=[0.7, 0.3]).tolist() for _ in range(60)), tokens=50)
    halves = np.arange(0, 60, 2), np.arange(1, 60, 2)
    rules = replayed(samples)
    assert {"vote_k", "lossless", "beta_stop", "esc", "priced_stop", "after_first_sample"} <= set(rules)
    for name, rule in rules.items():
        if name not in ("priced_stop", "after_first_sample"):  # their prices are chosen out of fold
            assert rule.fit(halves[0], halves[0]).at(15.0).cost.mean() == pytest.approx(15.0)
        played = rule.fit(halves[0], halves[1]).at(15.0)
        assert played.cost.mean() == pytest.approx(15.0, rel=0.1)
        assert played.tokens.mean() > played.cost.mean()  # a sample has 50 tokens more than its cost


def test_tokens_are_reported_only_where_all_are_known():
    for samples, known in ((samples_of(["a"] * 4), False), (samples_of(["a"] * 4, tokens=3), True)):
        played = replayed(samples)["esc"].fit(np.arange(1), np.arange(1)).at(2.0)
        assert (played.tokens is not None) == known


def test_a_question_without_samples_is_refused_by_name():
    samples = samples_of(["a"] * 4, ["a"] * 4)
    table = estimate(samples, votes=(1,))
    with pytest.raises(OutcomesError, match="question 'q1' has no usable sample of source 'cot'"):
        replay_rules(samples.select([0]), "cot", table)
    with pytest.raises(OutcomesError, match="no source 'direct'; there are cot"):
        replay_rules(samples, "direct", table)


def test_after_a_first_sample_without_an_answer_more_are_drawn():
    """Half the first samples are silent; those that answer are right, and so further ones buy nothing."""
    ballots = [["a"] * 12 if q % 2 else [None] * 6 + ["a"] * 6 for q in range(40)]
    rule = replayed(samples_of(*ballots))["after_first_sample"]
    fit, held_out = np.arange(0, 40, 2), np.arange(1, 40, 2)
    mixed = np.r_[fit[:10], held_out[:10]]
    played = rule.fit(mixed, np.r_[fit[10:], held_out[10:]]).at(20.0)
    answered, silent = played.cost[10:], played.cost[:10]
    assert answered.max() < silent.min()


def test_the_priced_stop_goes_by_what_the_questions_tell():
    rng, hopeless = np.random.default_rng(0), np.arange(240) % 2 == 0
    right = rng.random((240, 12)) < np.where(hopeless, 0.03, 0.45)[:, None]
    samples = samples_of(*(["a" if each else f"wrong {rng.integers(12)}" for each in row] for row in right))
    features = np.column_stack([hopeless, rng.normal(size=240)]).astype(np.float32)
    table = estimate(samples, votes=(1, 3))
    fit, held_out = np.arange(160), np.arange(160, 240)
    single = table.cost[:, 0].mean()

    def accuracy(**options):
        rule = replay_rules(samples, "cot", table, **options)["priced_stop"].fit(fit, held_out)
        played = [rule.at(single * times) for times in np.linspace(1.1, 4.0, 8)]
        costs, scores = zip(*((play.cost.mean(), play.accuracy.mean()) for play in played), strict=True)
        return np.interp(single * np.array([1.5, 2.0, 2.5, 3.0]), costs, scores).mean()

    assert accuracy(features=features) > accuracy() + 0.01
