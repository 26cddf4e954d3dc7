"""A budget that the policy cannot keep is refused, or told of, where it is made and not after it is spent."""

import asyncio
import warnings
from math import nan

import pytest

from adaptive_reasoner.errors import InfeasibleBudgetError, LedgerError
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.policy.learned import LearnedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from tests.fakes import ScriptedModel
from tests.unit_tests.policy.forged_folders import GOOD
from tests.unit_tests.policy.stored import ACTIONS

POLICY = LearnedPolicy.load(GOOD)
CHEAPEST = POLICY.curve.cheapest
OVER = FixedPolicy("direct", expected_cost=400.0)

made_by = pytest.mark.parametrize(
    "made",
    [
        lambda **parts: AdaptiveReasoner(ScriptedModel(), actions=ACTIONS, **parts),
        lambda **parts: AdaptiveComputeNode(ScriptedModel(), actions=ACTIONS, **parts),
        lambda **parts: AdaptiveComputeMiddleware(actions=ACTIONS, **parts),
        lambda **parts: AdaptiveChatModel(ScriptedModel(), actions=ACTIONS, **parts),
    ],
    ids=["reasoner", "node", "middleware", "chat model"],
)


@made_by
def test_a_budget_below_what_a_policy_has_learnt_of_its_cheapest_choices_is_refused(made):
    made(policy=POLICY, budget=CHEAPEST)
    with pytest.raises(
        InfeasibleBudgetError, match=rf"^a budget of .* below {CHEAPEST:.3g}.*; allow at least {CHEAPEST:.3g}"
    ):
        made(policy=POLICY, budget=CHEAPEST / 2)


@made_by
@pytest.mark.parametrize("policy", [POLICY, OVER], ids=["learned", "fixed"])
def test_the_target_of_a_ledger_below_the_cheapest_choices_is_told_of(made, policy):
    ledger = open_ledger("memory://", target=policy.cheapest / 2)
    with pytest.warns(UserWarning, match=r"target of the ledger, .* tokens .* cannot be held: the cheapest"):
        made(policy=policy, ledger=ledger)


@made_by
def test_a_budget_below_what_a_fixed_action_is_expected_to_cost_is_told_of(made):
    with pytest.warns(UserWarning, match=r"the budget, 300 tokens .* FixedPolicy.* cost 400 on average"):
        made(policy=OVER, budget=300.0)


@made_by
def test_a_policy_of_ones_own_may_name_its_cheapest_action(made):
    class Own(FixedPolicy):
        cheapest = "direct"

    made(policy=Own("direct", expected_cost=4.0), budget=30.0)


@pytest.mark.parametrize("limit", ["run_budget", "thread_budget"])
def test_a_limit_of_a_run_below_its_mean_is_told_of(limit):
    with pytest.warns(
        UserWarning, match=rf"{limit} of 20 tokens is below the budget of 30, .*; raise {limit}"
    ):
        AdaptiveComputeMiddleware(budget=30.0, **{limit: 20.0})


@pytest.mark.parametrize("budget", [True, "30", 0.0, nan])
def test_a_budget_that_is_no_amount_is_refused(budget):
    with pytest.raises(LedgerError, match="budget must be a finite number above 0, got"):
        AdaptiveReasoner(ScriptedModel(), budget=budget)


def test_a_limit_of_a_question_below_its_mean_is_told_of():
    with pytest.warns(UserWarning, match="max_cost of 20 tokens is below the budget of 30"):
        AdaptiveReasoner(ScriptedModel(), budget=30.0, max_cost=20.0)


def test_a_limit_of_a_question_that_is_its_mean_is_not_told_of(recwarn):
    AdaptiveReasoner(ScriptedModel(), budget=2000 / 3, max_cost=2000 / 3)  # the ledger rounds it up
    assert not [warning for warning in recwarn if "max_cost" in str(warning.message)]


@made_by
def test_a_hard_cap_below_the_mean_of_a_question_is_told_of(made):
    ledger = open_ledger("memory://", target=CHEAPEST * 2, hard_cap=CHEAPEST)
    with pytest.warns(UserWarning, match="hard_cap of .* tokens is below the budget of"):
        made(policy=POLICY, ledger=ledger)


@made_by
def test_what_can_be_held_is_not_told_of(made):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made(policy=POLICY, budget=CHEAPEST * 1.01)
        made(policy=POLICY, ledger=open_ledger("memory://", target=CHEAPEST * 1.01))
        made(policy=POLICY, ledger=open_ledger("memory://"))
        AdaptiveComputeMiddleware(budget=30.0, run_budget=30.0)
    assert told == []


def test_an_average_above_the_budget_is_told_of_also_on_a_loop_with_a_database(tmp_path):
    with open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", target=1.0) as ledger:
        asking = AdaptiveReasoner(ScriptedModel(answers=("Answer: 7",)), ledger=ledger)  # a call costs 2

        async def ask():
            for number in range(200):
                await asking.aanswer("What is 3 + 4?", key=str(number))

        with pytest.warns(UserWarning, match="200 questions have cost 2 tokens .*, and the budget is 1"):
            asyncio.run(ask())
