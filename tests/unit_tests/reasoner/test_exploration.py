"""A share of the questions takes a drawn action: which one, how likely, within what, and at what cost."""

from collections import Counter

import numpy as np
import pytest

from adaptive_reasoner import AdaptiveReasoner, FixedPolicy, SampleMeter, Source, open_ledger
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.policy.alarms import Alarms
from adaptive_reasoner.policy.base import Decision
from adaptive_reasoner.policy.label_free import LabelFreePolicy
from adaptive_reasoner.reasoner.exploration import Exploration
from adaptive_reasoner.strategies.modifiers import on
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel
from tests.unit_tests.reasoner.reasoners import ACTIONS, CheapUnderPressure

VOTES = {f"vote_{size}": self_consistency(size) for size in (3, 5, 7)}


def exploring(share, *, policy=None, actions=None, ledger=None, max_tokens=50, answers=("Answer: 14",)):
    return AdaptiveReasoner(
        Source(ScriptedModel(answers=answers), max_tokens=max_tokens),
        policy=policy or FixedPolicy("single_pass", expected_cost=2.0, worst_cost=50.0),
        actions=actions or {"single_pass": single_pass(), **VOTES},
        ledger=ledger or open_ledger("memory://", target=10.0),
        explore=share,
    )


def records(made, questions, **terms):
    return [made.answer("5 + 9?", key=f"q{number}", **terms).record for number in range(questions)]


def test_a_share_is_drawn_uniformly_among_all_actions_with_their_propensities():
    made = exploring(0.4)
    seen = records(made, 300)
    counts = Counter(record["action"] for record in seen)
    for action in VOTES:  # 30 expected of each, with a standard deviation of 5
        assert 15 <= counts[action] <= 45
    for record in seen:
        own = record["action"] == "single_pass"
        assert record["propensity"] == pytest.approx(0.7 if own else 0.1)
        assert record["reason"] == ("policy" if own else "explored")
    assert sum(1 / record["propensity"] for record in seen) == pytest.approx(4 * 300, rel=0.2)


def test_without_exploration_every_propensity_is_one_and_nothing_is_drawn():
    for share in (None, 0, 0.0):
        seen = records(exploring(share), 40)
        assert {(record["action"], record["propensity"]) for record in seen} == {("single_pass", 1.0)}


def test_a_question_that_runs_again_takes_the_same_action():
    first = [record["action"] for record in records(exploring(0.5), 60)]
    assert first == [record["action"] for record in records(exploring(0.5), 60)]
    ledger, made = open_ledger("memory://", target=10.0), None
    for attempt in range(2):  # of a task that died before it could settle
        made = exploring(0.5, ledger=ledger)
        terms = {"key": "task", "run_id": "q3", "resumes": True}
        again = made.answer("5 + 9?", **terms).record
        assert again["action"] == first[3], attempt
        ledger.reserve(1.0, f"other {attempt}")


def test_the_draw_is_another_than_that_of_mixtures():
    from adaptive_reasoner.policy.draws import uniform_from_key

    keys = [f"q{number}" for number in range(2_000)]
    explored = np.array([uniform_from_key(key, draw="explore") for key in keys])
    mixed = np.array([uniform_from_key(key) for key in keys])
    assert abs(np.corrcoef(explored, mixed)[0, 1]) < 0.07


def test_only_actions_that_fit_are_drawn_and_count():
    policy = CheapUnderPressure()
    roomy = records(exploring(0.5, policy=policy, actions=ACTIONS), 80)
    assert {record["action"] for record in roomy} == {"single_pass", "vote_3"}
    tight = records(exploring(0.5, policy=policy, actions=ACTIONS), 80, max_cost=60.0)
    assert {(record["action"], record["propensity"]) for record in tight} == {("single_pass", 1.0)}


def test_near_a_hard_cap_only_what_it_has_room_for_is_drawn_and_the_cap_holds():
    ledger = open_ledger("memory://", target=10.0, hard_cap=160.0)
    made, seen = exploring(0.5, ledger=ledger), []
    with pytest.raises(BudgetExceededError):
        seen += records(made, 100)
    assert ledger.snapshot().spent <= 160.0
    low = exploring(0.5, ledger=open_ledger("memory://", target=10.0, hard_cap=90.0))
    assert {record["propensity"] for record in records(low, 20)} == {
        1.0
    }  # a vote of 3 holds 100 to begin with


def test_an_action_that_the_policy_does_not_know_is_bounded_by_its_requests():
    strong = on(Source(ScriptedModel(answers=("Answer: 14 for sure",)), max_tokens=80))
    made = exploring(0.5, actions={"single_pass": single_pass(), "strong": strong})
    drawn = [record for record in records(made, 60) if record["action"] == "strong"]
    assert drawn
    assert {(record["worst_cost"], record["expected_cost"], record["cost"]) for record in drawn} == {
        (80, 2, 4)
    }
    assert {record["expected_accuracy"] for record in drawn} == {None}


def test_further_rounds_of_an_explored_action_keep_to_the_most_cost_too():
    split = tuple(f"{'so ' * 43}Answer: {number}" for number in range(3))  # 45 tokens of 50
    made = exploring(0.5, answers=split, actions={"single_pass": single_pass(), **VOTES})
    seen = records(made, 80, max_cost=200.0)  # its first round can cost exactly that
    assert {record["action"] for record in seen} == {"single_pass", "vote_3", "vote_5", "vote_7"}
    for entry in made.ledger.history(100):
        assert entry.worst <= 200.0
        assert entry.cost <= 200.0
    dear = [record for record in seen if record["action"] == "vote_7"]
    assert all(record["failed"] for record in dear)  # what did not fit is refused, and told


def test_the_ledger_tells_what_exploration_cost_and_on_how_many_questions():
    made = exploring(0.4)
    seen = records(made, 100)
    explored = [record for record in seen if record["reason"] == "explored"]
    snapshot = made.ledger.snapshot()
    assert snapshot.explored_questions == len(explored) > 10
    assert snapshot.explored_spent == sum(record["cost"] for record in explored)
    assert snapshot.spent == sum(record["cost"] for record in seen)


class Priced:
    """A policy of two actions that answers to the price: the dearer one to the questions that gain by it."""

    actions, cost_unit, price, budget, slope, policy_id = (
        ("cheap", "dear"),
        "samples",
        0.1,
        3.0,
        2.0,
        "priced",
    )

    def decide(self, question, *, price=None, max_cost=float("inf"), key=None):
        price = self.price if price is None else price
        gain = int(question.split()[0]) / 1000
        action, cost = ("dear", 5.0) if gain > 4.0 * price else ("cheap", 1.0)
        return Decision(action, cost, cost, 0.5, price, "policy", self.policy_id)

    def decide_batch(self, questions, *, budget):
        raise NotImplementedError


def test_the_budget_holds_with_a_tenth_explored():
    def times(number):
        return self_consistency(number) if number > 1 else single_pass()

    rng = np.random.default_rng(0)
    ledger = open_ledger("memory://", policy=Priced())
    made = AdaptiveReasoner(
        Source(ScriptedModel(answers=("Answer: 1", "Answer: 2", "Answer: 3", "Answer: 4", "Answer: 5"))),
        policy=Priced(),
        actions={"cheap": times(1), "dear": times(5), "dearest": times(9)},
        ledger=ledger,
        meter=SampleMeter(),
        explore=0.1,
    )
    for number in range(520):
        made.answer(f"{rng.integers(1000)} + 1?", key=f"q{number}")
    seen = ledger.snapshot()
    assert seen.average == pytest.approx(3.0, rel=0.02)
    assert seen.explored_questions > 25
    assert seen.explored_spent > 3.0 * seen.explored_questions  # dearer than the mean, and made up for


@pytest.mark.parametrize("share", [-0.1, 0.6, True, "half", float("nan")])
def test_a_share_that_is_none_is_refused_at_construction(share):
    with pytest.raises(ValueError, match=r"explore is a share of the questions from 0 to 0\.5"):
        exploring(share)


def test_a_single_action_leaves_nothing_to_explore():
    with pytest.raises(ValueError, match=r"explore=0\.02 needs another action to take than single_pass"):
        exploring(0.02, actions={"single_pass": single_pass()})


def test_the_policy_without_labels_explores_its_vote_one_pass_and_what_it_is_given():
    source = Source(ScriptedModel(), max_tokens=10)
    made = AdaptiveReasoner(source, budget=9.0, explore=0.5)
    assert {record["action"] for record in records(made, 40)} == {"adaptive_vote", "single_pass"}
    strong = {"strong": on(Source(ScriptedModel(), max_tokens=10))}
    made = AdaptiveReasoner(source, budget=9.0, explore=0.5, actions=strong)
    seen = records(made, 60)
    assert {record["action"] for record in seen} == {"adaptive_vote", "single_pass", "strong"}
    vote = made.policy.decision_for("adaptive_vote", price=0.0)
    assert isinstance(made.policy, LabelFreePolicy)
    assert (vote.worst_cost, vote.reason) == (90.0, "explored")
    with pytest.raises(ValueError, match=r"give policy=, or explore=0\.02"):
        AdaptiveReasoner(source, budget=9.0, actions=strong)
    with pytest.raises(ValueError, match="single_pass is an action of its own"):
        AdaptiveReasoner(source, budget=9.0, explore=0.5, actions={"single_pass": single_pass()})


def test_an_action_that_turns_out_not_to_fit_leaves_the_draw_among_the_others_as_it_was():
    own, *others = (
        Decision(name, 1.0, 1.0, 0.5, 0.0, "policy" if name == "a" else "explored", "p") for name in "abcd"
    )
    exploration = Exploration(0.5)
    for number in range(200):
        key = f"q{number}"
        first = exploration.decide(own, others, key=key)
        without = [other for other in others if other.action != "d"]
        second = exploration.decide(own, without, key=key)
        assert first.action in ("d", second.action)


async def test_is_explored_sync_and_async_alike(ask):
    made, seen = exploring(0.5), []
    for number in range(30):
        message = await ask(made, "5 + 9?", key=f"q{number}")
        seen.append(message.response_metadata["adaptive_reasoner"]["action"])
    assert seen == [record["action"] for record in records(exploring(0.5), 30)]


def test_an_action_that_is_added_at_run_time_is_explored_from_then_on():
    made = exploring(0.5, actions={"single_pass": single_pass(), "vote_3": self_consistency(3)})
    assert {record["action"] for record in records(made, 40)} == {"single_pass", "vote_3"}
    made.add_action("vote_9", self_consistency(9))
    seen = records(made, 60)
    drawn = [record for record in seen if record["action"] == "vote_9"]
    assert 3 <= len(drawn) <= 20
    assert {(record["reason"], record["propensity"]) for record in drawn} == {("explored", 0.5 / 3)}


def test_alarms_do_not_take_explored_actions_for_a_change():
    alarms = Alarms(FixedPolicy("single_pass", expected_cost=2.0, worst_cost=50.0))
    records(exploring(0.3, policy=alarms), 120)
    assert alarms.raised == ()
