"""What a policy can do beyond deciding is told by small protocols."""

from math import nan

import pytest

from adaptive_reasoner.integrations.context import AdaptiveContext, Tenants, options_from_context
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import SampleMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import (
    BoundedByQuestion,
    FixedPolicy,
    HasVoteModel,
    MovesToBudget,
    never_blocks,
    takes_vector,
)
from adaptive_reasoner.policy.label_free import LabelFreePolicy
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.fakes import ScriptedModel

CAPABILITIES = (MovesToBudget, HasVoteModel, BoundedByQuestion)


class Slow(FixedPolicy):
    """Decides in a thread, from a vector where it is known."""

    non_blocking = False

    def decide(self, question, *, vector=None, **terms):
        return super().decide(question, **terms)


def label_free():
    return LabelFreePolicy(Source(ScriptedModel(answers=("7",))), SampleMeter(), budget=3.0)


def test_a_fixed_policy_decides_at_once_and_can_nothing_else():
    fixed = FixedPolicy("vote_5")
    assert not isinstance(fixed, CAPABILITIES)
    assert never_blocks(fixed)
    assert not takes_vector(fixed)


def test_a_policy_without_labels_moves_to_a_budget_and_is_bounded_by_the_question():
    policy = label_free()
    assert [isinstance(policy, each) for each in CAPABILITIES] == [True, False, True]
    assert never_blocks(policy)


def test_a_learned_policy_has_them_all_but_computes():
    policy = object.__new__(LearnedPolicy)
    assert all(isinstance(policy, each) for each in CAPABILITIES)
    assert takes_vector(policy)
    assert not never_blocks(policy)


def test_a_policy_that_says_so_is_asked_in_a_thread():
    assert not never_blocks(Slow("vote_5"))
    assert takes_vector(Slow("vote_5"))


def test_only_a_policy_that_moves_to_a_budget_has_a_price_for_one():
    tenants = Tenants(open_ledger("memory://", target=3.0, cost_unit="samples"))
    context = AdaptiveContext(budget=6.0)
    policy = label_free()
    terms = options_from_context(context, policy=policy, tenants=tenants, price=policy.price)
    assert terms["price"] == pytest.approx(policy.at(budget=6.0).price)
    with pytest.raises(ValueError, match="has no price for a budget of 6"):
        options_from_context(context, policy=FixedPolicy("vote_5"), tenants=tenants)


@pytest.mark.parametrize("costs", [{"expected_cost": "2"}, {"worst_cost": None}, {"expected_cost": nan}])
def test_what_a_fixed_action_costs_is_a_number(costs):
    with pytest.raises(ValueError, match="is not between 0 and worst_cost"):
        FixedPolicy("vote_5", **costs)
