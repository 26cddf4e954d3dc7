from dataclasses import replace

import numpy as np
import pytest

from adaptive_reasoner.errors import OutcomesError, UnknownActionError
from adaptive_reasoner.kit.learning.cost_response import Moves
from adaptive_reasoner.kit.learning.encoders import feature_matrix
from adaptive_reasoner.kit.learning.imitator import Imitator
from adaptive_reasoner.kit.learning.policy_choices import PolicyChoices
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.off_policy.drift import Drift
from adaptive_reasoner.kit.off_policy.updating import _joined, _known, update
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.kit.off_policy.logs import log_rows, logged
from tests.unit_tests.toys import DIMENSION, toy_encoder, toy_outcomes

OLD = toy_outcomes(200)  # what the policy was trained on
QUESTIONS = 1_000


def traffic(*, accuracy=1.0, cost=1.0):
    """Questions of which the chain of thought changes half-way."""
    table = toy_outcomes(QUESTIONS, seed=5)
    later = np.arange(QUESTIONS) >= QUESTIONS // 2
    wrong = later & (np.random.default_rng(0).random(QUESTIONS) >= accuracy)
    changed = table.accuracy.copy(), table.cost.copy()
    changed[0][wrong, 1] = 0.0
    changed[1][later, 1] *= cost
    return replace(table, accuracy=changed[0], cost=changed[1])


def updated(policy, table, **options):
    log = Decisions.of(logged(policy, table, explore=0.1))
    return update(policy, OLD, log, **options)


@pytest.fixture(scope="module")
def doubled(policy, tmp_path_factory):
    """The policy after the chain of thought has become twice as expensive."""
    trained = updated(policy, traffic(cost=2.0), budget=20.0)
    return trained, LearnedPolicy.load(trained.save(tmp_path_factory.mktemp("updated") / "policy"))


def test_a_cost_that_doubles_is_expected_by_the_updated_policy(policy, doubled):
    trained, renewed = doubled
    at = renewed.actions.index("cot")
    assert renewed.mixture.cost[at] == pytest.approx(2 * policy.mixture.cost[at], rel=0.1)
    assert trained.report["update"]["actions"]["cot"]["cost"]["forgotten"] > 0
    assert trained.report["update"]["actions"]["direct"]["cost"]["factor"] == 1
    assert any("the cost of 'cot' is 2.0" in why for why in trained.report["update"]["why"])


def test_the_updated_folder_names_the_one_before_and_its_outcomes(policy, doubled):
    _, renewed = doubled
    assert renewed.card["updated_from"] == policy.card["digest"]
    assert renewed.card["data"]["digest"] == policy.card["data"]["digest"]
    assert renewed.policy_id != policy.policy_id


def test_the_updated_policy_passes_the_gate_on_the_old_questions_alone(doubled):
    trained, _ = doubled
    assert trained.gate.questions == len(OLD)
    assert trained.gate.ships
    assert trained.report["update"]["learnt_from_log"] > 0


def test_a_second_update_with_the_same_outcomes_keeps_what_the_first_one_found(doubled):
    _, renewed = doubled
    again = updated(renewed, replace(traffic(), cost=traffic().cost * [1.0, 2.0]))
    assert again.card["drift"]["cot"]["cost"] == pytest.approx(2.0, rel=0.1)
    assert not again.report["update"]["actions"]["cot"]["cost"]["forgotten"]


@pytest.mark.parametrize("change", [{"cost": 2.0}, {"accuracy": 0.5}])
def test_a_second_update_leaves_out_what_came_before_the_change_that_the_first_one_found(
    policy, tmp_path, change
):
    table = traffic(**change)
    renewed = LearnedPolicy.load(updated(policy, table, budget=20.0).save(tmp_path / "policy"))
    drift = Drift.between(renewed, OLD, Decisions.of(logged(renewed, table, explore=0.1)))
    remembered = drift.remembered()
    of_cot, of_direct = (np.flatnonzero(remembered & (drift.taken == at)) for at in (1, 0))
    assert drift.before[next(iter(change))][1] == pytest.approx(next(iter(change.values())), abs=0.12)
    assert of_cot.min() > 0.45 * QUESTIONS
    assert len(of_cot) > 0.9 * (drift.taken[QUESTIONS // 2 :] == 1).sum()
    assert len(of_direct) == (drift.taken == 0).sum()


def test_an_accuracy_that_falls_is_expected_by_the_updated_policy(policy):
    trained = updated(policy, traffic(accuracy=0.6))
    assert trained.card["drift"]["cot"]["accuracy"] == pytest.approx(0.6, abs=0.12)
    assert trained.card["drift"]["direct"]["accuracy"] == pytest.approx(1.0, abs=0.1)


def test_without_drift_accuracy_and_cost_stay(policy):
    trained = updated(policy, traffic())
    assert [each["cost"] for each in trained.card["drift"].values()] == pytest.approx([1.0, 1.0], abs=0.05)
    assert trained.card["budget"] == policy.card["budget"]


def test_costs_that_the_outcomes_have_already_are_not_scaled_again(policy):
    table = replace(OLD, cost=OLD.cost * [1.0, 2.0])
    later = replace(traffic(), cost=traffic().cost * [1.0, 2.0])
    trained = update(policy, table, Decisions.of(logged(policy, later, explore=0.1)), budget=20.0)
    assert trained.card["drift"]["cot"]["cost"] == pytest.approx(1.0, rel=0.1)


def test_ungraded_logs_tell_of_costs_alone(policy):
    rows = [row | {"gold": None, "correct": None} for row in log_rows(policy, traffic(cost=2.0), explore=0.1)]
    trained = update(policy, OLD, Decisions.of(Samples.from_rows(rows)), budget=20.0)
    assert trained.card["drift"]["cot"] == {"accuracy": 1.0, "cost": pytest.approx(2.0, rel=0.1)}
    assert trained.report["update"]["learnt_from_log"] == 0


def test_an_action_that_the_outcomes_lack_is_named_and_not_learnt(policy):
    rows = list(log_rows(policy, traffic(), explore=0.1))
    for row in rows[::100]:
        row |= {"action": "new", "propensity": 0.01}
    trained = update(policy, OLD, Decisions.of(Samples.from_rows(rows)))
    assert trained.report["update"]["not_learnt"] == {"new": 10}


def test_an_action_that_cannot_matter_does_not_stop_an_update(policy):
    """Training drops it, while the outcomes and the log still have it."""
    worse = np.zeros((len(OLD), 1)), np.full((len(OLD), 1), 900.0)
    three = replace(
        OLD,
        actions=(*OLD.actions, "worse"),
        accuracy=np.hstack([OLD.accuracy, worse[0]]),
        cost=np.hstack([OLD.cost, worse[1]]),
        samples=np.ones((len(OLD), 3), dtype=int),
    )
    trained = update(policy, three, Decisions.of(logged(policy, traffic(cost=2.0), explore=0.1)), budget=20.0)
    assert trained.card["drift"]["cot"]["cost"] == pytest.approx(2.0, rel=0.1)
    assert trained.card["dropped"] == ["worse"]


def test_a_topic_that_only_the_log_has_is_learnt_from_it(policy, tmp_path):
    """Short questions that direct answers get wrong: the old outcomes have none of them."""
    table = toy_outcomes(QUESTIONS, seed=5)
    new = np.arange(QUESTIONS) % 2 == 0
    texts = np.where(new, [f"how many ? {at}" for at in range(QUESTIONS)], table.questions)
    accuracy = np.where(new[:, None], [0.0, 1.0], table.accuracy)
    later = replace(table, questions=texts.astype(object), accuracy=accuracy)
    trained = update(policy, OLD, Decisions.of(logged(policy, later, explore=0.5)), budget=30.0)
    renewed = LearnedPolicy.load(trained.save(tmp_path / "policy"))
    asked = [f"how many ? {at}" for at in range(5_000, 5_040)]

    def gain(chooser):
        features = np.stack([chooser.encoder.features(text) for text in asked])
        expected = chooser.predict(features)[0]
        return float((expected[:, 1] - expected[:, 0]).mean())

    assert gain(renewed) > gain(policy) + 0.2


def mostly_stories(seed):
    """Questions of which four in five are stories, that need the chain of thought."""
    table = toy_outcomes(4_000, seed=seed)
    kept = (table.groups == "story") | (np.arange(4_000) % 4 == 0)
    return table.select(np.flatnonzero(kept)[:QUESTIONS])


def spent(policy, table):
    shares = PolicyChoices.of(policy, table.questions.tolist()).shipped()
    return float((shares * table.cost).sum(axis=1).mean())


def test_the_price_meets_the_budget_on_questions_as_they_come_by_now(policy, tmp_path):
    trained = updated(policy, mostly_stories(7))
    renewed, fresh = LearnedPolicy.load(trained.save(tmp_path / "policy")), mostly_stories(9)
    assert spent(policy, fresh) > 1.3 * policy.budget
    assert spent(renewed, fresh) == pytest.approx(policy.budget, rel=0.15)


def test_what_is_forgotten_of_one_action_does_not_make_the_price_too_low(policy, tmp_path):
    """Few texts that come again: half of the decisions of the chain of thought are forgotten."""
    table = traffic(cost=2.0)
    again = np.random.default_rng(3).integers(60, size=QUESTIONS)
    table = replace(table, questions=table.questions[again], groups=table.groups[again])
    stories = table.groups == "story"
    table = replace(
        table,
        accuracy=np.column_stack([np.where(stories, 0.0, 1.0), np.ones(QUESTIONS)]),
        cost=np.column_stack([table.cost[:, 0], np.where(np.arange(QUESTIONS) < QUESTIONS // 2, 40.0, 80.0)]),
    )
    log = Decisions.of(logged(policy, table, explore=0.1))
    drift = Drift.between(policy, OLD, log)
    seen, asked, _ = drift.completed(1_000)
    later = table.questions[QUESTIONS // 2 :]
    story = np.array(["tom has" in text for text in seen.questions])
    assert drift.shifts["cost"][1].forgotten > 0
    assert asked[story].sum() / asked.sum() == pytest.approx(
        np.mean(["tom has" in t for t in later]), abs=0.05
    )


def test_where_an_action_failed_the_others_are_expected_to_do_worse_too(policy):
    """Half of the questions are too hard for either action, which no text shows."""
    hard = np.random.default_rng(6).random(len(OLD)) < 0.5
    both = replace(OLD, accuracy=np.where(hard[:, None], 0.0, 1.0) * np.ones((1, 2)))
    later = toy_outcomes(QUESTIONS, seed=5)
    failed = np.random.default_rng(7).random(QUESTIONS) < 0.5
    later = replace(later, accuracy=np.where(failed[:, None], 0.0, 1.0) * np.ones((1, 2)))
    log = Decisions.of(logged(policy, later, explore=0.5))
    seen, *_ = Drift.between(policy, both, log).completed(QUESTIONS)
    rest = np.asarray(seen.accuracy.min(axis=1) == 0)
    assert seen.accuracy[rest].max(axis=1).mean() < seen.accuracy[~rest].min(axis=1).mean() - 0.4


def test_traffic_of_no_use_does_not_make_a_policy_ship(policy):
    chance = toy_outcomes(200, informative=False)
    later = toy_outcomes(QUESTIONS, seed=5, informative=False)
    trained = update(policy, chance, Decisions.of(logged(policy, later, explore=0.2)))
    assert trained.report["update"]["learnt_from_log"] > 0
    assert not trained.gate.ships


def test_a_question_that_was_asked_often_is_learnt_once_with_the_mean_of_what_was_seen(policy):
    rows = list(log_rows(policy, traffic(), explore=0.5))
    for at, row in enumerate(rows):
        row |= {"question": rows[at % 50]["question"]}
    log = Decisions.of(Samples.from_rows(rows))
    table, asked, again = Drift.between(policy, OLD, log).completed(1_000)
    assert again.all()
    assert len(asked) == 50
    assert 0 < asked.min() >= asked.max() - 1  # they come in turn, however far back the log counts
    assert len(table) == len(set(table.questions)) == len({row["question"] for row in rows[:50]})
    text, at = table.questions[0], table.actions.index("direct")
    seen = [row["correct"] for row in rows if (row["question"], row["action"]) == (text, "direct")]
    assert table.accuracy[0, at] == pytest.approx(np.mean(seen))
    assert table.samples[0, at] == len(seen)


def test_what_cannot_be_compared_is_refused(policy):
    log = Decisions.of(logged(policy, traffic(), explore=0.1))
    with pytest.raises(OutcomesError, match="one unit of cost is needed"):
        update(policy, replace(OLD, cost_unit="usd"), log)
    with pytest.raises(OutcomesError, match="the outcomes are in stars"):
        update(policy, replace(OLD, accuracy_unit="stars"), log)
    with pytest.raises(UnknownActionError, match="cot"):
        update(policy, OLD.only([0]), log)
    old = [row | {"action": None} for row in log_rows(policy, traffic(), explore=0.1)]
    with pytest.raises(
        OutcomesError, match=r"none of 1000 questions of the log names one of direct, cot.* keep a new one"
    ):
        update(policy, OLD, Decisions.of(Samples.from_rows(old)))


def test_prices_meet_budgets_on_questions_that_come_again_as_the_policy_decides_them():
    """What is right and what it costs, no text tells: only a policy that has learnt a question knows it."""
    table, rng = toy_outcomes(120, seed=3), np.random.default_rng(4)
    accuracy = (rng.random((120, 2)) < [0.4, 0.7]).astype(float)
    table = replace(table, accuracy=accuracy, cost=table.cost * rng.lognormal(0, 0.5, (120, 2)))
    X = feature_matrix(list(table.questions), toy_encoder())
    imitator = Imitator(vector=DIMENSION, learner="neighbours").fit(X, table, 20.0)
    every, asked = np.ones(120, dtype=bool), np.full(120, 5)
    missed = []
    for again in (every, ~every):
        renewed = imitator.learnt_from(X, table, chosen_on=every, asked=asked, again=again)
        price = renewed.curve_.price_at(20.0)
        spent = Moves.of(renewed.predict(X)).chosen(table.cost[:, renewed.columns_], price).mean()
        missed.append(abs(spent - 20.0))
    assert missed[0] < 0.1
    assert missed[1] > 1.0


def test_a_question_of_the_log_is_in_the_group_of_the_old_question_that_says_the_same():
    log = toy_outcomes(10, seed=5)
    log = replace(log, questions=np.append(OLD.questions[3:5] + "  ", log.questions[2:]), groups=None)
    joined = _joined(OLD, log)
    assert joined.groups[200:202].tolist() == OLD.groups[3:5].tolist()
    assert set(joined.groups[202:]) == {"of the log"}
    known = _known(OLD, log, np.arange(10) == 9)
    assert np.flatnonzero(known).tolist() == [200, 201, 209]
