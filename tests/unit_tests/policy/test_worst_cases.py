"""A policy under a hard cap where prompts are billed: the worst cost is that of the question at hand."""

from dataclasses import replace
from math import inf

import pytest

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.kit.learning.encoders import VectorCache
from adaptive_reasoner.kit.learning.training import train
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import PriceMeter, TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import BoundedByQuestion
from adaptive_reasoner.policy.features import EncoderSession
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.policy.worst_cases import WorstCases
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.modifiers import on
from adaptive_reasoner.strategies.voting import self_consistency
from tests.fakes import ScriptedModel
from tests.unit_tests.toys import toy_outcomes, write_toy_encoder

STORY = "tom has 3 apples and buys 4 more . how many apples has tom now ?"
# As version 0.1.0 wrote it, for a menu that bills prompts.
MENU = {
    "cost_unit": "usd",
    "actions": {
        "direct": {
            "source": "direct",
            "strategy": "single_pass",
            "votes": 1,
            "max_tokens": 8,
            "worst_cost": None,
        },
        "cot": {
            "source": "cot",
            "strategy": "self_consistency",
            "votes": 3,
            "max_tokens": 64,
            "worst_cost": None,
        },
    },
}
METER = PriceMeter(prompt=1.0, completion=4.0)


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dollars")
    encoder = EncoderSession(write_toy_encoder(folder / "encoder"))
    table = toy_outcomes(400)
    table = replace(table, cost=table.cost * 4e-6, cost_unit="usd")
    trained = train(table, budget=6e-5, encoder=encoder, menu=MENU, cache=VectorCache(encoder, folder))
    return LearnedPolicy.load(trained.save(folder / "policy"))


def dollars(policy, hard_cap, **source):
    model = ScriptedModel(answers=("Answer: 7",))
    direct = Source(model, prompt="{} Answer:".format, **source)
    cot = Source(model, prompt="{} Think step by step.".format, **{**source, "max_tokens": 64})
    return AdaptiveReasoner(
        direct,
        policy=policy,
        actions={"direct": on(direct), "cot": on(cot, self_consistency(3))},
        ledger=open_ledger("memory://", policy=policy, hard_cap=hard_cap),
        meter=METER,
    )


def bound(words, tokens):
    return (len(f"{STORY} {words}") + 16 + 4 * tokens) / 1e6


def test_a_dollar_menu_and_a_hard_cap_work_together(policy):
    made = dollars(policy, 1.0, max_tokens=8)
    record = made.answer(STORY, price=0.0).record
    assert (record["action"], record["worst_cost"]) == (
        "cot",
        pytest.approx(3 * bound("Think step by step.", 64)),
    )
    spent = [made.answer(STORY).record["cost"] for _ in range(20)]
    assert made.ledger.snapshot().spent == pytest.approx(sum(spent) + record["cost"])


def test_under_little_room_the_action_that_fits_is_chosen_and_then_none(policy):
    once = bound("Answer:", 8)
    made = dollars(policy, 2.2 * bound("Think step by step.", 64), max_tokens=8)
    record = made.answer(STORY, price=0.0).record
    assert (record["action"], record["reason"], record["worst_cost"]) == (
        "direct",
        "budget",
        pytest.approx(once),
    )
    while made.ledger.spent + once <= made.ledger.hard_cap:
        made.answer(STORY, price=0.0)
    with pytest.raises(BudgetExceededError, match="raise the cap to") as refused:
        made.answer(STORY, price=0.0)
    assert refused.value.wanted == pytest.approx(once)
    assert made.ledger.snapshot().spent <= made.ledger.hard_cap


def test_a_most_cost_of_the_question_leaves_the_dear_action_out(policy):
    made = dollars(policy, None, max_tokens=8)
    assert made.answer(STORY, price=0.0, max_cost=2e-3).record["action"] == "cot"
    assert made.answer(STORY, price=0.0, max_cost=2e-4).record["action"] == "direct"
    with pytest.raises(BudgetExceededError, match="raise max_cost to"):
        made.answer(STORY, price=0.0, max_cost=1e-5)


@pytest.fixture(scope="module")
def without_menu(policy, tmp_path_factory):
    """The same policy, trained without a menu, so that it knows no worst costs."""
    folder = tmp_path_factory.mktemp("without_menu")
    table = toy_outcomes(400)
    table = replace(table, cost=table.cost * 4e-6, cost_unit="usd")
    trained = train(table, budget=6e-5, encoder=policy.encoder, cache=VectorCache(policy.encoder, folder))
    return LearnedPolicy.load(trained.save(folder / "policy"))


@pytest.mark.parametrize("limit", ["max_cost", "hard_cap"])
def test_a_policy_without_a_menu_goes_by_what_the_first_calls_can_cost(without_menu, limit):
    def asked(most, price):
        cap, terms = (most, {}) if limit == "hard_cap" else (None, {"max_cost": most})
        made = dollars(without_menu, cap, max_tokens=8)
        return made.answer(STORY, price=price, **terms).record

    first = 2 * bound("Think step by step.", 64)
    chosen = [asked(most, price=0.0) for most in (1.01 * first, 0.99 * first)]
    assert [record["action"] for record in chosen] == ["cot", "direct"]
    assert chosen[1]["reason"] == "budget"
    with pytest.raises(BudgetExceededError, match="declare a smaller max_tokens") as refused:
        asked(0.99 * bound("Answer:", 8), price=0.0)
    assert refused.value.wanted == pytest.approx(bound("Answer:", 8))


def test_a_policy_without_a_menu_does_not_guess_how_long_a_reply_can_be(without_menu):
    made = dollars(without_menu, None)  # "direct" declares nothing, and "cot" does
    chosen = [made.answer(STORY, price=1e9, **limit).record["action"] for limit in ({}, {"max_cost": 1.0})]
    assert chosen == ["direct", "cot"]


def test_an_action_of_any_length_is_left_out_under_a_cap(policy):
    made = dollars(policy, 2e-3)  # "direct" declares nothing, and "cot" does
    assert made.answer(STORY, price=1e9, max_cost=1.5e-3).record["action"] == "cot"


def test_the_policy_itself_knows_no_question_and_opens_its_models_once(policy):
    assert policy.decide(STORY, price=0.0).worst_cost == inf
    assert isinstance(policy, BoundedByQuestion)
    moved = policy.with_worst_case_of(lambda action: 2.0)
    assert moved.decide(STORY, price=0.0).worst_cost == 6.0
    assert moved.encoder is policy.encoder
    with pytest.raises(BudgetExceededError) as refused:
        moved.decide(STORY, max_cost=1.0)
    assert refused.value.wanted == 2.0


def test_a_worst_cost_that_was_declared_stays_and_one_that_nobody_can_tell_is_infinite():
    cases = WorstCases(["a", "b", "c"], [5.0, None, None], {"b": {"votes": 2, "parameters": {"judge": "j"}}})
    moved = cases.on_question(lambda action: 10.0)
    assert (cases.depend_on_question, list(moved.all())) == (True, [5.0, 40.0, inf])
    assert not WorstCases(["a", "c"], [5.0, None], {}).depend_on_question


def test_tokens_in_total_work_like_dollars(policy):
    del policy
    ledger = open_ledger("memory://", target=50.0, cost_unit="tokens", hard_cap=2_000.0)
    made = AdaptiveReasoner(
        Source(ScriptedModel(), max_tokens=8), ledger=ledger, meter=TokenMeter(counts="total")
    )
    assert made.answer(STORY).record["worst_cost"] == 9 * (len(STORY) + 16 + 8)
