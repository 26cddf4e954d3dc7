from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from sklearn.base import clone

from adaptive_reasoner.errors import InfeasibleAccuracyError, InfeasibleBudgetError, UnknownActionError
from adaptive_reasoner.kit.allocation.solver import solve, uniform_hull
from adaptive_reasoner.kit.learning.crossfit import CANDIDATES, FAR, build, standard, targets_of
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.learning.policy_card import describe, worst_costs
from adaptive_reasoner.kit.learning.training import TrainedPolicy
from adaptive_reasoner.kit.onnx_graph import INPUT
from adaptive_reasoner.kit.outcomes import Outcomes
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.kit.learning.toy_training import BUDGET, trained
from tests.unit_tests.toys import DIMENSION, features_of, toy_encoder, toy_outcomes


def earned(table, choice):
    rows = np.arange(len(table))
    accuracy, cost = table.accuracy[rows, choice].mean(), table.cost[rows, choice].mean()
    return accuracy - uniform_hull(table).accuracy_at(cost), cost


@pytest.fixture(scope="module")
def fitted():
    table = toy_outcomes(400)
    return Imitator(vector=DIMENSION).fit(features_of(table), table, BUDGET)


def test_a_policy_trained_for_an_accuracy_costs_what_reaches_it_on_held_out_questions():
    policy = trained(toy_outcomes(400), budget=None, target_accuracy=0.8)
    card, held_out = policy.card, policy.card["report"]["held_out"]
    assert card["target_accuracy"] == 0.8
    assert held_out["accuracy"] == pytest.approx(0.8, abs=0.02)
    assert card["budget"] == pytest.approx(held_out["cost"], rel=0.1)
    assert card["budget"] < float(uniform_hull(toy_outcomes(400)).cost_at(0.8))


def test_a_policy_is_trained_for_one_aim_within_reach():
    table = toy_outcomes(60)
    with pytest.raises(ValueError, match="either a budget or a target accuracy"):
        trained(table, target_accuracy=0.8)
    with pytest.raises(ValueError, match="either a budget or a target accuracy"):
        trained(table, budget=None)
    with pytest.raises(ValueError, match="finite target accuracy, not nan"):
        trained(table, budget=None, target_accuracy=float("nan"))
    with pytest.raises(InfeasibleAccuracyError, match="highest mean accuracy"):
        trained(table, budget=None, target_accuracy=1.5)


@pytest.mark.parametrize("objective", ["value", "labels"])
def test_every_objective_beats_mixtures_of_fixed_actions(objective):
    table, fresh = toy_outcomes(400), toy_outcomes(800, seed=1)
    imitator = Imitator(objective, vector=DIMENSION).fit(features_of(table), table, 25.0)
    lift, cost = earned(fresh, imitator.choose(features_of(fresh), budget=25.0))
    assert lift > 0.05
    assert cost == pytest.approx(25.0, rel=0.1)


def test_choices_meet_the_budget_on_new_questions(fitted):
    fresh = toy_outcomes(3000, seed=1)
    for budget in (8.0, 15.0, 20.0):
        _, cost = earned(fresh, fitted.choose(features_of(fresh), budget=budget))
        assert cost == pytest.approx(budget, rel=0.2)


def test_predictions_are_calibrated(fitted):
    fresh = toy_outcomes(3000, seed=1)
    predicted = fitted.predict(features_of(fresh))
    story = fresh.groups == "story"
    for rows in (story, ~story):
        assert predicted.accuracy[rows].mean(0) == pytest.approx(fresh.accuracy[rows].mean(0), abs=0.08)
        assert predicted.cost[rows].mean(0) == pytest.approx(fresh.cost[rows].mean(0), rel=0.05)


def test_a_named_learner_is_taken_as_it_is():
    table = toy_outcomes(100)
    for learner in CANDIDATES:
        assert Imitator(learner=learner, vector=DIMENSION).fit(features_of(table), table).learner_ == learner


def test_what_is_unlike_everything_costs_as_much_as_the_rest_in_a_mixture(fitted):
    strange = features_of(toy_outcomes(2000, seed=1))
    away = -strange[:, :DIMENSION].mean(axis=0)
    strange[:, :DIMENSION] = away / np.linalg.norm(away)
    for budget in (8.0, 15.0):
        _, cost = earned(toy_outcomes(2000, seed=1), fitted.choose(strange, budget=budget))
        assert cost == pytest.approx(budget, rel=0.1)


def test_moving_to_another_budget_is_fitting_for_it():
    table, fresh = toy_outcomes(150), features_of(toy_outcomes(50, seed=1))
    X = features_of(table)
    moved = Imitator(vector=DIMENSION).fit(X, table, 5.0).around(25.0)
    fitted = Imitator(vector=DIMENSION).fit(X, table, 25.0)
    assert (moved.learner_, moved.lifts_) == (fitted.learner_, fitted.lifts_)
    assert (moved.predict(fresh).accuracy == fitted.predict(fresh).accuracy).all()
    assert moved.gate(draws=50) == fitted.gate(draws=50)


@pytest.mark.parametrize("learner", [name for name in CANDIDATES if name != "constant"])
def test_near_the_training_questions_the_candidate_speaks_and_far_from_them_the_smooth_learners(learner):
    table, fresh = toy_outcomes(150), features_of(toy_outcomes(40, seed=1))
    fresh[::2, :DIMENSION] = np.roll(fresh[::2, :DIMENSION], 1, axis=1)  # into another direction
    X, truth = features_of(table), targets_of(table)
    imitator = Imitator(learner=learner, vector=DIMENSION).fit(X, table)
    mean, scale = standard(truth)

    def said(members):
        fitted = [build(name, DIMENSION, 0).fit(X, (truth - mean) / scale) for name in members]
        return np.mean([each.predict(fresh) for each in fitted], axis=0) * scale + mean

    trust = imitator.familiarity_.trust(fresh[:, :DIMENSION])[:, None]
    assert (trust == 1).any()
    assert (trust == 0).any()
    expected = imitator.calibration_.apply(trust * said(CANDIDATES[learner]) + (1 - trust) * said(FAR))
    predicted = imitator.predict(fresh)
    assert np.allclose(np.hstack([predicted.accuracy, predicted.cost]), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("learner", CANDIDATES)
def test_the_graph_that_is_shipped_predicts_what_the_imitator_predicts(learner):
    table, rng = toy_outcomes(300), np.random.default_rng(0)
    X, fresh = features_of(table), features_of(toy_outcomes(200, seed=1))
    fresh[::4, :DIMENSION] = np.roll(fresh[::4, :DIMENSION], 1, axis=1)  # into another direction
    for features in (X, fresh):  # without ties between neighbours
        vectors = features[:, :DIMENSION] + 0.2 * rng.normal(size=(len(features), DIMENSION))
        features[:, :DIMENSION] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    imitator = Imitator(learner=learner, vector=DIMENSION).fit(X, table)
    session = onnxruntime.InferenceSession(imitator.graph().SerializeToString())
    accuracy, cost, familiarity = session.run(["accuracy", "cost", "familiarity"], {INPUT: fresh})
    predicted = imitator.predict(fresh)
    assert np.allclose(accuracy, predicted.accuracy, rtol=0, atol=1e-5)
    assert np.allclose(cost, predicted.cost, rtol=1e-5, atol=0)
    assert np.allclose(familiarity[:, 0], imitator.familiarity_.scores(fresh[:, :DIMENSION]), atol=1e-5)


def test_another_imitator_needs_no_cross_validation_of_its_own(fitted):
    table, fresh = toy_outcomes(400), features_of(toy_outcomes(100, seed=1))
    X, story = features_of(table), table.groups == "story"
    same = fitted.learnt_from(X, table, chosen_on=np.ones(400, dtype=bool))
    assert np.array_equal(same.predict(fresh).accuracy, fitted.predict(fresh).accuracy)
    assert same.gate(draws=50) == fitted.gate(draws=50)
    stories = fitted.learnt_from(X[story], table.select(story), chosen_on=story)
    assert np.array_equal(stories.held_out_.accuracy, stories.cross_fit_.held_out(stories.learner_).accuracy)
    assert len(stories.held_out_.accuracy) == stories.gate(draws=50).questions == story.sum()
    assert len(fitted.held_out_.accuracy) == 400


def test_is_a_scikit_learn_estimator():
    imitator = Imitator("labels", seed=3)
    assert clone(imitator).get_params() == imitator.get_params()


def test_the_same_seed_gives_the_same_policy(tmp_path):
    table = toy_outcomes(120)
    first, second = (trained(table, seed=5).save(tmp_path / name) for name in "ab")
    assert LearnedPolicy.load(first).policy_id == LearnedPolicy.load(second).policy_id


def test_questions_of_no_use_are_not_shipped():
    policy = trained(toy_outcomes(400, informative=False))
    assert policy.gate.answer != "ship"
    assert policy.report["ships"] == "mixture"


def test_ungated_it_ships_whatever_it_learnt():
    policy = trained(toy_outcomes(100, informative=False), gated=False)
    assert policy.report["ships"] == "imitator"


def test_sixty_questions_are_enough_to_start_with():
    policy = trained(toy_outcomes(60))
    assert policy.gate.questions == 60
    assert policy.report["verdict"] in ("ship", "not enough questions")


@pytest.mark.parametrize("questions", [1, 2, 5, 9])
def test_a_handful_of_questions_gives_the_mixture(questions, tmp_path):
    table = toy_outcomes(questions, seed=4)
    hull = uniform_hull(table)
    budget = float(hull.costs.mean())
    policy = trained(table, budget=budget)
    assert policy.gate.answer != "ship"
    loaded = LearnedPolicy.load(policy.save(tmp_path / "policy"))
    assert loaded.mixture.curve.cost_at(loaded.price) == pytest.approx(budget)


def test_few_questions_of_no_use_are_called_few():
    assert trained(toy_outcomes(60, informative=False)).gate.answer == "not enough questions"


def test_a_single_action_is_always_chosen(tmp_path):
    table = toy_outcomes(30)
    alone = Outcomes(
        question_ids=table.question_ids,
        questions=table.questions,
        actions=("cot",),
        accuracy=table.accuracy[:, 1:],
        cost=table.cost[:, 1:],
        cost_unit="tokens",
        samples=table.samples[:, 1:],
    )
    loaded = LearnedPolicy.load(trained(alone, budget=100.0).save(tmp_path / "policy"))
    assert loaded.decide("what is 1 + 1 ?").action == "cot"


def test_questions_that_are_all_equal_give_the_mixture():
    table = toy_outcomes(50)
    same = Outcomes(**{**vars(table), "questions": np.full(50, "what ?", dtype=object), "halves": None})
    assert trained(same).gate.answer != "ship"


def test_the_folder_has_the_trust_and_its_verdict_says_the_same(tmp_path):
    policy = trained(toy_outcomes(400))
    assert policy.gate.answer == "ship"
    assert policy.gate.trust[0] >= 0.85
    loaded = LearnedPolicy.load(policy.save(tmp_path / "policy"))
    assert loaded.trust.at(BUDGET) >= 0.85
    assert loaded.card["report"]["gate"]["trust"] == list(policy.gate.trust)


def test_without_trust_the_folder_plays_the_mixture_and_says_so(tmp_path):
    policy = trained(toy_outcomes(400, informative=False))
    assert policy.gate.trust == (0.0, 0.0)
    loaded = LearnedPolicy.load(policy.save(tmp_path / "policy"))
    assert loaded.trust.at(BUDGET) == 0.0
    assert "trust" not in loaded.card
    assert loaded.decide("what is 1 + 1 ?").reason == "mixture"


def test_what_is_trusted_in_part_is_chosen_online_as_it_is_offline(tmp_path):
    table = toy_outcomes(300)
    encoder = toy_encoder()
    X = features_of(table)
    imitator = Imitator(vector=DIMENSION).fit(X, table, BUDGET)
    found = imitator.cross_fit_.held_out_trust
    part = np.abs(np.linspace(-0.2, 0.9, len(found.cost)))
    imitator.cross_fit_.__dict__["held_out_trust"] = replace(
        found, without=np.tile(part, (len(found.without), 1))
    )
    gate = imitator.gate()
    assert gate.answer == "ship in part"
    assert "predictions are trusted" in str(gate)
    card = describe(
        imitator, table, budget=BUDGET, encoder=encoder, menu={}, counts=None, gate=gate, ships=True
    )
    policy = LearnedPolicy.load(TrainedPolicy(imitator, encoder, gate, card).save(tmp_path / "policy"))
    assert policy.trust.as_card() == imitator.trust_.as_card()
    assert policy.verdict == "ship in part"
    fresh = toy_outcomes(400, seed=9)
    keys = [f"key {number}" for number in range(400)]
    reasons = set()
    for budget in (4.0, BUDGET, 30.0):
        moved = policy.at(budget=budget)
        online = [moved.decide(text, key=key) for text, key in zip(fresh.questions, keys, strict=True)]
        offline = imitator.choose(features_of(fresh), budget=budget, keys=keys)
        assert [decision.action for decision in online] == [table.actions[at] for at in offline]
        reasons |= {decision.reason for decision in online}
    assert reasons == {"policy", "mixture"}


def test_a_budget_below_the_cheapest_is_refused():
    with pytest.raises(InfeasibleBudgetError, match="budget of 1 tokens"):
        trained(toy_outcomes(40), budget=1.0)


@pytest.mark.parametrize("budget", [np.nan, np.inf])
def test_a_budget_that_is_not_finite_is_refused(budget):
    with pytest.raises(ValueError, match="a finite budget, not"):
        trained(toy_outcomes(40), budget=budget)


def test_questions_with_half_a_character_are_learnt_from_and_decided(tmp_path):
    table = toy_outcomes(40)
    broken = replace(table, questions=[f"{text} \ud83d" for text in table.questions])
    policy = LearnedPolicy.load(trained(broken, gated=False).save(tmp_path / "policy"))
    decided = [policy.decide(text).action for text in broken.questions]
    assert decided == [decision.action for decision in map(policy.decide, broken.questions)]


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("cheapest", [0.0, 1.1e-5])
def test_a_budget_of_just_the_cheapest_actions_buys_those(cheapest, gated):
    table = toy_outcomes(150)
    cost = np.where(table.cost > table.cost.min(axis=1, keepdims=True), 3e-4, cheapest)
    policy = trained(replace(table, cost=cost), budget=cheapest, gated=gated)
    assert policy.imitator.curve_.cheapest == pytest.approx(cheapest, abs=1e-15)
    chosen = policy.imitator.choose(features_of(table), budget=cheapest)
    assert (chosen == cost.argmin(axis=1)).mean() > 0.98


def test_a_budget_above_the_dearest_is_slack():
    assert trained(toy_outcomes(60), budget=1000.0).card["price"] == 0.0


def test_a_menu_for_an_unknown_action_is_refused():
    with pytest.raises(UnknownActionError, match="tree_search"):
        worst_costs(toy_outcomes(5), {"tree_search": {}}, None)


@pytest.mark.parametrize(
    ("spec", "worst"),
    [
        ({"votes": 3, "max_tokens": 50}, 150.0),
        ({"max_tokens": 50}, 50.0),
        ({"votes": 3, "max_tokens": 50, "worst_cost": 99.0}, 99.0),
        ({"votes": 3}, None),
    ],
)
def test_worst_costs_follow_from_the_menu(spec, worst):
    for menu in ({"cot": spec}, {"actions": {"cot": spec}, "cost_unit": "tokens"}):
        assert worst_costs(toy_outcomes(5), menu, "completion") == [None, worst]


def test_total_tokens_have_no_worst_case_from_completions():
    assert worst_costs(toy_outcomes(5), {"cot": {"max_tokens": 50}}, "total") == [None, None]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda X, table: Imitator("luck").fit(X, table), "unknown objective 'luck'"),
        (lambda X, table: Imitator(learner="forest").fit(X, table), "unknown learner 'forest'"),
        (lambda X, table: Imitator("labels").fit(X, table), "give one"),
        (lambda X, table: Imitator().fit(X[:-1], table), "rows of features for 20 questions"),
        (lambda X, table: Imitator().fit(X[0], table), r"shape \(questions, width\)"),
        (lambda X, table: Imitator(vector=DIMENSION).fit(X, table).choose(X), "either a price or a budget"),
    ],
)
def test_wrong_use_is_refused_in_words(make, message):
    table = toy_outcomes(20)
    with pytest.raises(ValueError, match=message):
        make(features_of(table), table)


def test_labels_are_those_of_the_oracle():
    table = toy_outcomes(300)
    X = features_of(table)
    chosen = Imitator("labels", vector=DIMENSION).fit(X, table, 25.0).choose(X)
    assert (chosen == solve(table, 25.0).choice).mean() > 0.8
