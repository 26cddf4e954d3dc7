"""A reasoner on a scripted model, and a policy that gives way."""

from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel

ACTIONS = {"single_pass": single_pass(), "vote_3": self_consistency(3)}


class CheapUnderPressure:
    """A policy that votes while it is affordable, and answers once when the room gets tight."""

    actions = ("single_pass", "vote_3")
    cost_unit, price, budget, slope, policy_id = "tokens", 0.0, None, None, "test"
    _vote = FixedPolicy("vote_3", expected_cost=6, worst_cost=150)
    _once = FixedPolicy("single_pass", expected_cost=2, worst_cost=50)

    def decide(self, question, *, price=None, max_cost=float("inf"), key=None):
        choice = self._vote if self._vote.worst_cost <= max_cost else self._once
        return choice.decide(question, price=price, max_cost=max_cost, key=key)

    def decide_batch(self, questions, *, budget):
        return [self.decide(question, max_cost=budget) for question in questions]


def reasoner(*answers, policy=None, ledger=None, budget=None, target_accuracy=None, **fields):
    model = ScriptedModel(answers=answers or ("Answer: 14",), **fields)
    return AdaptiveReasoner(
        Source(model, max_tokens=50),
        policy=policy or FixedPolicy("vote_3", expected_cost=6),
        actions=ACTIONS,
        ledger=ledger,
        budget=budget,
        target_accuracy=target_accuracy,
    )
