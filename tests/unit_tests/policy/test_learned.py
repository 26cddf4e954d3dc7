import json
import pickle
import subprocess
import sys
from math import inf, isnan, nan

import numpy as np
import pytest

from adaptive_reasoner.errors import (
    BudgetExceededError,
    InfeasibleAccuracyError,
    InfeasibleBudgetError,
    PolicyFormatError,
)
from adaptive_reasoner.kit.learning.cost_response import Moves
from adaptive_reasoner.kit.learning.encoders import VectorCache, feature_matrix
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.policy.base import Decision, FixedPolicy, Policy
from adaptive_reasoner.policy.features import EncoderSession
from adaptive_reasoner.policy.folder.policy_folder import write_policy_folder
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.policy.mixture import Mixture
from tests.unit_tests.policy.forged_folders import GOOD
from tests.unit_tests.toys import toy_outcomes, write_toy_encoder

SUM, STORY = "what is 12 + 7 ?", "tom has 3 apples and buys 4 more . how many apples has tom now ?"
MENU = {"direct": {"max_tokens": 8}, "cot": {"max_tokens": 64, "votes": 3}}
BUDGET = 15.0


def mean_of(decisions, field):
    return float(np.mean([getattr(decision, field) for decision in decisions]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    encoder = EncoderSession(write_toy_encoder(folder / "encoder"))
    return train(
        toy_outcomes(400), budget=BUDGET, encoder=encoder, menu=MENU, cache=VectorCache(encoder, folder)
    )


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    return trained.save(tmp_path_factory.mktemp("policies") / "learned")


@pytest.fixture(scope="module")
def policy(folder):
    return LearnedPolicy.load(folder)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """A policy whose gate found nothing: the outcomes have nothing to do with the questions."""
    folder = tmp_path_factory.mktemp("gated")
    encoder = EncoderSession(write_toy_encoder(folder / "encoder"))
    table = toy_outcomes(400, informative=False)
    trained = train(table, budget=BUDGET, encoder=encoder, menu=MENU, cache=VectorCache(encoder, folder))
    return LearnedPolicy.load(trained.save(folder / "policy"))


def test_describes_a_decision_for_any_of_its_actions_on_the_mean_question(policy):
    assert len(policy.actions) > 1
    for number, action in enumerate(policy.actions):
        decision = policy.decision_for(action, price=0.01)
        assert (decision.action, decision.reason, decision.price) == (action, "explored", 0.01)
        assert decision.expected_cost == policy.mixture.cost[number]
        assert decision.expected_accuracy == policy.mixture.accuracy[number]


def test_a_target_accuracy_is_a_price_on_the_curve_of_held_out_questions(trained, policy):
    assert policy.card["frontier"]["accuracy"][0] > policy.card["frontier"]["accuracy"][-1]
    moved = policy.at(target_accuracy=0.8)
    assert policy.accuracy_curve.accuracy_at(moved.price) == pytest.approx(0.8)
    assert moved.budget == pytest.approx(policy.curve.cost_at(moved.price))
    judged = trained.imitator.cross_fit_.judged
    reached = Moves.of(trained.imitator.held_out_).chosen(judged.accuracy, moved.price).mean()
    assert reached == pytest.approx(0.8, abs=0.02)
    with pytest.raises(InfeasibleAccuracyError, match="at most"):
        policy.at(target_accuracy=0.999)
    with pytest.raises(ValueError, match="either a budget, a price or a target accuracy"):
        policy.at(budget=3.0, target_accuracy=0.8)


def test_a_policy_of_mixtures_reads_a_target_accuracy_from_its_hull(mixture):
    moved = mixture.at(target_accuracy=0.8)
    assert mixture.mixture.accuracy_for(moved.budget) == pytest.approx(0.8)


def test_a_folder_without_accuracies_expects_those_of_mixtures_at_its_costs(policy, tmp_path):
    fields = {name: value for name, value in policy.card.items() if name not in ("format", "files", "digest")}
    fields["frontier"] = {name: fields["frontier"][name] for name in ("price", "cost", "low", "high")}
    files = {name: policy.folder / name for name in policy.card["files"]}
    write_policy_folder(tmp_path / "older", fields, files)
    older = LearnedPolicy.load(tmp_path / "older")
    assert older.accuracy_curve.accuracy == pytest.approx(policy.mixture.accuracy_for(policy.curve.cost))


def test_a_folder_of_version_0_1_0_follows_its_predictions_in_full():
    earlier = LearnedPolicy.load(GOOD)
    assert earlier.card["format"] == 1
    assert "trust" not in earlier.card
    assert earlier.trust.weights(earlier.budget)[-1] == float(earlier.card["ships"] == "imitator")


class PolicyContract:
    """What every policy keeps."""

    @pytest.fixture
    def any_policy(self):
        raise NotImplementedError

    def test_is_a_policy(self, any_policy):
        assert isinstance(any_policy, Policy)

    def test_chooses_one_of_its_actions_and_says_what_it_costs(self, any_policy):
        decision = any_policy.decide(SUM, price=0.001, key="run 1")
        assert decision.action in any_policy.actions
        assert 0 <= decision.expected_cost <= decision.worst_cost
        assert (decision.price, decision.policy_id) == (0.001, any_policy.policy_id)

    def test_repeats_a_choice_for_the_same_key(self, any_policy):
        for number in range(20):
            choices = {any_policy.decide(SUM, key=f"run {number}").action for _ in range(3)}
            assert len(choices) == 1

    def test_a_decision_enters_graph_state_as_plain_values(self, any_policy):
        state = any_policy.decide(STORY).as_state()
        assert {type(value) for value in state.values()} <= {str, int, float, bool}
        assert state["action"] in any_policy.actions

    def test_refuses_when_nothing_fits(self, any_policy):
        with pytest.raises(BudgetExceededError, match=r"0\.5 left"):
            any_policy.decide(SUM, max_cost=0.5)

    def test_a_batch_stays_within_its_budget(self, any_policy):
        decisions = any_policy.decide_batch([SUM, STORY] * 10, budget=30.0)
        assert len(decisions) == 20
        assert np.mean([decision.expected_cost for decision in decisions]) <= 30.0 + 1e-9

    def test_a_batch_refuses_an_impossible_budget(self, any_policy):
        with pytest.raises(InfeasibleBudgetError):
            any_policy.decide_batch([SUM, STORY], budget=0.5)


class TestFixedPolicy(PolicyContract):
    @pytest.fixture
    def any_policy(self):
        return FixedPolicy("vote_5", expected_cost=20.0, worst_cost=80.0)

    def test_knows_nothing_of_accuracy_unless_told(self):
        assert isnan(FixedPolicy("cot").decide(SUM).expected_accuracy)

    def test_promises_a_target_accuracy_only_where_its_own_is_known_and_reaches_it(self):
        vote = FixedPolicy("vote_5", expected_cost=20.0, expected_accuracy=0.8)
        assert [each.action for each in vote.decide_batch([SUM, STORY], target_accuracy=0.8)] == [
            "vote_5"
        ] * 2
        with pytest.raises(InfeasibleAccuracyError):
            vote.decide_batch([SUM], target_accuracy=0.81)
        with pytest.raises(ValueError, match="accuracy of cot is not known"):
            FixedPolicy("cot").decide_batch([SUM], target_accuracy=0.5)

    def test_refuses_an_expected_cost_above_the_worst(self):
        with pytest.raises(ValueError, match="not between 0 and"):
            FixedPolicy("cot", expected_cost=5.0, worst_cost=4.0)


class TestLearnedPolicy(PolicyContract):
    @pytest.fixture
    def any_policy(self, policy):
        return policy

    def test_gives_each_question_the_action_it_deserves(self, policy):
        sum_, story = policy.decide(SUM), policy.decide(STORY)
        assert (sum_.action, story.action) == ("direct", "cot")
        assert {sum_.reason, story.reason} == {"policy"}
        assert story.expected_accuracy > 0.6

    def test_predicts_the_same_as_it_did_in_training(self, policy, trained, tmp_path):
        texts = list(toy_outcomes(50, seed=1).questions)
        offline = trained.imitator.predict(
            feature_matrix(texts, trained.encoder, cache=VectorCache(trained.encoder, tmp_path))
        )
        for row, text in enumerate(texts):
            accuracy, cost, _ = policy.predict(policy.encoder.features(text)[None])
            assert np.allclose(accuracy[0], offline.accuracy[row], atol=1e-6)
            assert np.allclose(cost[0], offline.cost[row], rtol=1e-6)

    def test_decides_alike_in_another_process(self, policy):
        assert pickle.loads(pickle.dumps(policy)).decide(SUM) == policy.decide(SUM)

    def test_keeps_its_budget_on_new_questions(self, policy):
        fresh = toy_outcomes(2000, seed=2)
        for budget in (8.0, BUDGET, 22.0):
            moved = policy.at(budget=budget)
            chosen = [moved.actions.index(moved.decide(text).action) for text in fresh.questions]
            assert fresh.cost[np.arange(len(fresh)), chosen].mean() == pytest.approx(budget, rel=0.2)

    def test_a_higher_price_only_ever_makes_a_question_cheaper(self, policy):
        for text in (SUM, STORY):
            spent = [policy.decide(text, price=price).expected_cost for price in np.geomspace(1e-5, 1, 50)]
            assert (np.diff(spent) <= 1e-9).all()

    def test_a_vector_that_is_known_is_not_computed_again(self, policy):
        vector = policy.encoder.encode([STORY])[0]
        assert policy.decide(STORY, vector=vector) == policy.decide(STORY)

    def test_takes_the_best_action_that_fits(self, policy):
        decision = policy.decide(STORY, max_cost=10.0)
        assert (decision.action, decision.reason, decision.worst_cost) == ("direct", "budget", 8.0)
        assert policy.decide(STORY, max_cost=192.0).reason == "policy"

    def test_falls_back_to_the_mixture_far_from_what_it_knows(self, policy):
        stranger = -policy.encoder.encode([SUM])[0] - policy.encoder.encode([STORY])[0]
        stranger /= np.linalg.norm(stranger)
        decision = policy.decide("?", vector=stranger)
        assert decision.reason == "fallback"
        assert decision.expected_cost in policy.mixture.cost

    def test_a_budget_is_a_dial(self, policy):
        assert (policy.budget, policy.at(budget=8.0).budget) == (BUDGET, 8.0)
        assert policy.at(budget=8.0).price > policy.price > 0
        assert policy.at(price=0.5).decide(SUM).price == 0.5
        assert policy.slope is not None
        assert policy.slope > 0

    def test_a_budget_below_the_cheapest_is_refused_with_both_numbers(self, policy):
        with pytest.raises(InfeasibleBudgetError, match="budget of 1 tokens per question is below 2"):
            policy.at(budget=1.0)

    @pytest.mark.parametrize("price", [-1.0, nan, inf])
    def test_a_price_that_is_none_is_refused(self, policy, price):
        with pytest.raises(ValueError, match="finite and not negative"):
            policy.decide(SUM, price=price)

    def test_in_a_batch_too_a_mixture_has_its_own_actions_only(self, policy, monkeypatch):
        means = {"accuracy": np.array([0.5, 0.6]), "cost": np.array([2.0, 30.0])}
        monkeypatch.setattr(policy, "_learned", False)
        monkeypatch.setattr(policy, "mixture", Mixture(**means, among=np.array([0])))
        decisions = policy.decide_batch([SUM, STORY] * 10, budget=25.0)
        assert {decision.action for decision in decisions} == {"direct"}

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
    def test_a_batch_reaches_an_accuracy_at_the_least_cost(self, policy, share):
        questions = [SUM, STORY] * 5
        cheapest = policy.decide_batch(questions, target_accuracy=0.0)
        best = policy.decide_batch(questions, budget=1e6)
        low, high = (mean_of(each, "expected_accuracy") for each in (cheapest, best))
        target = low + share * (high - low)
        reached = policy.decide_batch(questions, target_accuracy=target)
        assert mean_of(reached, "expected_accuracy") >= target - 1e-9
        least = mean_of(reached, "expected_cost")
        if share == 0.0:
            assert least == mean_of(cheapest, "expected_cost")
        else:
            less = policy.decide_batch(questions, budget=least * (1 - 1e-6))
            assert mean_of(less, "expected_accuracy") < target

    def test_a_batch_refuses_an_accuracy_out_of_reach_and_two_aims(self, policy):
        with pytest.raises(InfeasibleAccuracyError, match="ask for at most"):
            policy.decide_batch([SUM, STORY], target_accuracy=1.1)
        for aims in ({}, {"budget": 30.0, "target_accuracy": 0.5}):
            with pytest.raises(ValueError, match="either a budget or a target_accuracy"):
                policy.decide_batch([SUM, STORY], **aims)

    def test_an_empty_batch_is_no_decisions(self, policy):
        assert policy.decide_batch([], budget=5.0) == []

    def test_worst_costs_come_from_the_menu(self, policy):
        assert policy.decide(STORY).worst_cost == 3 * 64

    def test_other_surface_features_are_refused_by_name(self, folder, tmp_path):
        card = json.loads((folder / "policy.json").read_text())
        card["features"]["surface"][0] = "horoscope"
        files = {name: folder / name for name in card["files"]}
        write_policy_folder(tmp_path / "other", card, files)
        with pytest.raises(PolicyFormatError, match="horoscope"):
            LearnedPolicy.load(tmp_path / "other")

    def test_a_card_without_its_actions_is_refused(self, folder, tmp_path):
        card = json.loads((folder / "policy.json").read_text())
        del card["actions"]
        write_policy_folder(tmp_path / "other", card, {})
        with pytest.raises(PolicyFormatError, match="actions"):
            LearnedPolicy.load(tmp_path / "other")

    def test_loads_and_decides_without_the_offline_half(self, folder):
        program = (
            "import sys; from adaptive_reasoner.policy.learned import LearnedPolicy;"
            f"print(LearnedPolicy.load({str(folder)!r}).decide({STORY!r}).action);"
            "print(*{'torch', 'sklearn', 'skl2onnx', 'onnx', 'adaptive_reasoner.kit'}"
            " & set(sys.modules))"
        )
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert run.stdout.split() == ["cot"]


class TestGatedPolicy(PolicyContract):
    @pytest.fixture
    def any_policy(self, mixture):
        return mixture

    def test_says_that_it_draws_from_a_mixture(self, mixture):
        assert mixture.verdict != "ship"
        assert mixture.decide(SUM).reason == "mixture"

    def test_draws_by_key_so_that_the_budget_is_kept(self, mixture):
        for budget in (8.0, BUDGET):
            moved = mixture.at(budget=budget)
            spent = [moved.decide(SUM, key=f"run {number}").expected_cost for number in range(4000)]
            assert np.mean(spent) == pytest.approx(budget, rel=0.05)


def test_a_decision_is_a_value():
    values = ("cot", 2.0, inf, 0.5, 0.1, "policy", "id")
    assert Decision(*values) == Decision(*values)
