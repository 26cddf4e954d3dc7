from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.kit.allocation.mixtures import fixed_mixture
from adaptive_reasoner.kit.allocation.solver import Predictions
from adaptive_reasoner.kit.estimating.correction import by_estimates, rectified
from adaptive_reasoner.kit.learning.cost_response import Response, lift_by_question
from adaptive_reasoner.kit.learning.crossfit import folds_of
from adaptive_reasoner.kit.learning.forecasts import PredictedOutcomes
from adaptive_reasoner.kit.learning.held_out_trust import HeldOutTrust, trusted_shares
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.kit.tables.outcome_parts import Estimated
from adaptive_reasoner.policy.trust import Trust

ACTIONS = ("cheap", "middle", "dear")
COST = np.array([1.0, 10.0, 100.0])


def table_of(questions, *, seed=0, actions=ACTIONS, cost=COST):
    """Each step to a dearer action helps one question in three, independently of the other step."""
    rng = np.random.default_rng(seed)
    helped = rng.random((questions, len(actions) - 1)) < 1 / 3
    accuracy = np.cumsum(np.column_stack([np.full(questions, 0.2), 0.4 * helped]), axis=1)
    return Outcomes(
        question_ids=np.array([f"q{number}" for number in range(questions)], dtype=object),
        questions=np.array([f"question {number}" for number in range(questions)], dtype=object),
        actions=actions,
        accuracy=accuracy,
        cost=np.tile(cost, (questions, 1)),
        cost_unit="tokens",
        samples=np.ones((questions, len(actions)), dtype=int),
    )


def predicted(table, *, known=(), blind=(), wrong=(), seed=1):
    """Predictions that know the gain of some steps, take chance for that of others, or the opposite."""
    rng = np.random.default_rng(seed)
    gain = np.diff(table.accuracy, axis=1)
    expected = np.tile(gain.mean(axis=0), (len(table), 1))
    for step in known:
        expected[:, step] = gain[:, step]
    for step in blind:
        expected[:, step] = rng.permutation(gain[:, step])
    for step in wrong:
        expected[:, step] = 0.4 - gain[:, step]
    accuracy = np.cumsum(np.column_stack([table.accuracy[:, 0], expected]), axis=1)
    return Predictions(table.actions, accuracy, table.cost, table.cost_unit)


def trust_in(predictions, table):
    return HeldOutTrust.fit(predictions, table, table, folds_of(table.questions, seed=0))


def test_predictions_that_know_are_trusted_in_full():
    table = table_of(400)
    assert (trust_in(predicted(table, known=(0, 1)), table).over(20.0) == 1).all()


def test_the_same_prediction_for_every_question_has_no_lift_and_no_trust():
    table = table_of(400)
    found = trust_in(predicted(table), table)
    assert not found.share.any()
    for budget in (2.0, 10.0, 40.0, 100.0, 500.0, None):
        assert lift_by_question(*found.around(budget), table).mean() == pytest.approx(0, abs=1e-9)


def test_predictions_by_chance_are_hardly_ever_trusted():
    trusted = 0
    for seed in range(60):
        table = table_of(150, seed=seed)
        trusted += trust_in(predicted(table, blind=(0, 1), seed=seed + 100), table).share.any()
    assert trusted <= 5


def test_trust_is_chosen_only_at_costs_that_a_fixed_action_has():
    """Every action is the cheapest of some questions, so that choices can be cheaper than all of them."""
    table = table_of(400)
    cheapest = np.arange(400)[:, None] % 3 == np.arange(3)
    table = replace(table, cost=np.where(cheapest, 0.5, 1.0) * np.array([10.0, 11.0, 30.0]))
    fixed = table.cost.mean(axis=0).min()
    predictions = replace(predicted(table, known=(0, 1)), cost=table.cost)
    assert Response.of(predictions, table).curve.cheapest < fixed - 1
    found = trust_in(predictions, table)
    assert found.cost.min() >= fixed - 1e-9
    for budget in (fixed, 12.0, None):
        accuracy, cost = found.around(budget)
        assert cost.mean(axis=0).min() >= fixed * 0.99
        assert lift_by_question(accuracy, cost, table).mean() > 0
        assert (found.over(budget) == 1).all()


def test_predictions_are_trusted_at_the_costs_where_they_gain():
    """They know which question the middle action helps, and are wrong about the dear one."""
    table = table_of(800)
    found = trust_in(predicted(table, known=(0,), wrong=(1,)), table)
    assert (found.over(4.0) == 1).all()
    assert not found.over(60.0).any()


def test_what_all_questions_prove_is_not_to_be_proved_again_without_each_fold():
    """Predictions that know one question in ten just prove themselves on 200 questions, or do not."""
    trusted = []
    for seed in range(30):
        table = table_of(200, seed=seed)
        blind, known = (predicted(table, **{kind: (0, 1)}, seed=seed) for kind in ("blind", "known"))
        few = np.random.default_rng(seed).random((200, 1)) < 0.1
        mixed = replace(blind, accuracy=np.where(few, known.accuracy, blind.accuracy))
        trusted.append(trust_in(mixed, table).over(20.0).mean())
    proved = [trust for trust in trusted if trust > 0]
    assert 5 <= len(proved) <= 20
    assert np.mean(proved) > 0.4  # at half trust they gain as much


def test_fewer_than_twenty_texts_prove_nothing():
    table = table_of(19)
    assert not trust_in(predicted(table, known=(0, 1)), table).share.any()
    repeated = replace(
        table_of(190), questions=np.array([f"question {at % 19}" for at in range(190)], dtype=object)
    )
    assert not trust_in(predicted(repeated, known=(0, 1)), repeated).share.any()


def test_trust_is_measured_without_the_fold_it_was_chosen_by():
    table = table_of(400)
    found = trust_in(predicted(table, known=(0, 1)), table)
    blinded = replace(found, without=found.without * (np.arange(len(found.without)) > 0)[:, None])
    first = found.fold == np.unique(found.fold)[0]
    mixed = fixed_mixture(table).shares(20.0)
    accuracy, _ = replace(blinded, cost=np.array([20.0]), without=blinded.without[:, :1]).around(20.0)
    assert np.allclose(accuracy[first, 4], (table.accuracy @ mixed)[first])  # the middle of the band
    assert not np.allclose(accuracy[~first, 4], (table.accuracy @ mixed)[~first])


def partly_trusted(table):
    predictions = predicted(table, known=(0,), wrong=(1,))
    curve = Response.of(predictions, table).curve
    trust = trust_in(predictions, table).along(predictions, table)
    return predictions, curve, trust


def test_at_any_trust_the_policy_costs_what_its_curve_says():
    table = table_of(800)
    predictions, curve, trust = partly_trusted(table)
    assert len(set(trust.share)) > 1
    levels = [*(replace(trust, share=np.full(len(trust.cost), share)) for share in (0, 0.1, 0.4, 0.9)), trust]
    for budget in (3.0, 8.0, 20.0, 60.0):
        for each in levels:
            shares = trusted_shares(predictions, each, fixed_mixture(table), curve, curve.price_at(budget))
            assert shares.sum(axis=1) == pytest.approx(np.ones(800))
            assert (shares * table.cost).sum(axis=1).mean() == pytest.approx(budget, rel=0.02)


def test_choices_are_drawn_from_the_shares():
    table = table_of(3000)
    predictions, curve, trust = partly_trusted(table)
    draws = np.random.default_rng(0).random(3000)
    expected = PredictedOutcomes(
        predictions.accuracy,
        predictions.cost,
        draws < 0,
        draws,
        curve,
        fixed_mixture(table),
        trust,
        columns=np.arange(3),
        width=3,
    )
    for budget in (4.0, 20.0, 60.0):
        price = curve.price_at(budget)
        drawn = np.bincount(expected.choose(price), minlength=3) / 3000
        assert drawn == pytest.approx(expected.shares(price).mean(axis=0), abs=0.03)


def test_without_trust_the_mixture_is_played_exactly():
    table = table_of(50)
    predictions, curve, _ = partly_trusted(table)
    shares = trusted_shares(predictions, Trust.none(), fixed_mixture(table), curve, curve.price_at(20.0))
    assert shares == pytest.approx(np.tile(fixed_mixture(table).shares(20.0), (50, 1)))


def partly_labelled(table, labels, *, estimated=None, seed=0):
    """The table where only some right answers are known; the estimates of the others are right, or given."""
    known = np.isin(np.arange(len(table)), np.random.default_rng(seed).permutation(len(table))[:labels])
    guess = table.accuracy if estimated is None else estimated
    luck = np.random.default_rng(seed + 1).random((len(table), 1))
    truth = (luck < table.accuracy).astype(float)  # estimates are smooth, right answers are not
    accuracy = np.where(known[:, None], truth, guess)
    missing = Estimated(known.astype(float), known, guess, np.zeros_like(guess))
    return replace(table, accuracy=accuracy, estimated=missing)


def trust_in_estimates(predictions, table):
    judged, fold = rectified(table), folds_of(table.questions, seed=0)
    return HeldOutTrust.fit(predictions, judged, judged, fold, estimates=by_estimates(table))


def test_few_labels_hardly_ever_refuse_what_none_would_let_pass():
    shares = {labels: [] for labels in (0, 25, 100)}
    for seed in range(12):
        table = table_of(800, seed=seed)
        predictions = predicted(table, known=(0, 1))
        for labels, found in shares.items():
            trust = trust_in_estimates(predictions, partly_labelled(table, labels, seed=seed))
            found.append(trust.over(20.0).mean())
    assert np.mean(shares[0]) == 1
    assert min(np.mean(shares[25]), np.mean(shares[100])) > 0.85


def test_labels_refuse_what_estimates_got_wrong():
    """By the estimates each step helps the questions that it does not help."""
    refused = {0: 0, 200: 0}
    for seed in range(12):
        table = table_of(800, seed=seed)
        gain = 0.4 - np.diff(table.accuracy, axis=1)
        mirrored = np.cumsum(np.column_stack([table.accuracy[:, 0], gain]), axis=1)
        predictions = predicted(table, wrong=(0, 1))
        for labels in refused:
            partly = partly_labelled(table, labels, estimated=mirrored, seed=seed)
            refused[labels] += not trust_in_estimates(predictions, partly).over(20.0).any()
    assert (refused[0], refused[200] >= 10) == (0, True)
