"""LangChain's decision models as a policy, and a policy of ours as a decision model."""

import warnings

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelChoice, ModelRouterMiddleware
from langchain_core._api import LangChainBetaWarning
from langchain_core.decisions import Choice, ClassifierResponse, Noul
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from adaptive_reasoner.errors import (
    BudgetExceededError,
    InfeasibleAccuracyError,
    InfeasibleBudgetError,
    UnknownActionError,
)
from adaptive_reasoner.integrations.decision_models import DecisionModelPolicy, PolicyDecisionModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy, Policy
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.priced_agents import METER, PRICES, PricedModel, PricedRouter, Spent, calls, settled, steps

ASKED = {"messages": [HumanMessage("What is it?")]}
ONCE = FixedPolicy("single_pass", expected_cost=0.001, worst_cost=0.004, cost_unit="usd")
VOTE = FixedPolicy("vote_3", expected_cost=0.003, worst_cost=0.012, cost_unit="usd")
CRITERIA = {"single_pass": "Plain questions.", "vote_3": "Questions with a catch."}


class Doubting(PricedRouter):
    """Says how likely one pass is not to suffice."""

    doubt: float = 0.5

    def _answer(self, question):
        probabilities = {"single_pass": 1 - self.doubt, "vote_3": self.doubt}
        return {"type": "choice", "choice": "vote_3", "probabilities": probabilities, "confidence": 0.5}


def policy_of(spent, doubt=0.5, **options):
    return DecisionModelPolicy(Doubting(spent=spent, doubt=doubt), [VOTE, ONCE], criteria=CRITERIA, **options)


def test_the_action_is_worth_its_cost_at_the_price():
    policy = policy_of(Spent(), doubt=0.2)
    assert isinstance(policy, Policy)
    decisions = [policy.decide("Why?", price=price) for price in (0.0, 99.0, 101.0)]
    assert [decision.action for decision in decisions] == ["vote_3", "vote_3", "single_pass"]
    assert [decision.expected_accuracy for decision in decisions] == pytest.approx([1.0, 1.0, 0.8])


def test_what_does_not_fit_is_not_chosen():
    policy = policy_of(Spent())
    decision = policy.decide("Why?", price=0.0, max_cost=0.005)
    assert (decision.action, decision.reason) == ("single_pass", "budget")
    with pytest.raises(BudgetExceededError):
        policy.decide("Why?", max_cost=0.001)


def test_a_batch_costs_at_most_its_budget():
    policy = policy_of(Spent(), doubt=0.3)
    for budget in (0.001, 0.002, 0.003):
        decisions = policy.decide_batch(["a", "b"], budget=budget)
        assert sum(decision.expected_cost for decision in decisions) <= 2 * budget
    assert decisions[0].action == "vote_3"
    with pytest.raises(InfeasibleBudgetError):
        policy.decide_batch(["a"], budget=0.0005)


def test_a_batch_reaches_an_accuracy_with_the_cheapest_actions():
    policy = policy_of(Spent(), doubt=0.3)
    for target, actions in ((0.7, ["single_pass", "single_pass"]), (0.8, ["vote_3", "single_pass"])):
        decisions = policy.decide_batch(["a", "b"], target_accuracy=target)
        assert [decision.action for decision in decisions] == actions
        assert sum(decision.expected_accuracy for decision in decisions) >= 2 * target - 1e-9
    with pytest.raises(InfeasibleAccuracyError):
        policy.decide_batch(["a"], target_accuracy=1.01)


def test_a_criterion_that_is_missing_is_named():
    with pytest.raises(UnknownActionError, match="vote_3"):
        DecisionModelPolicy(Doubting(spent=Spent()), [ONCE, VOTE], criteria={"single_pass": "Plain."})


async def test_its_own_calls_are_on_the_bill_of_an_agent(ask):
    spent = Spent()
    ledger = open_ledger("memory://", cost_unit="usd")
    ours = AdaptiveComputeMiddleware(
        policy=policy_of(spent),
        actions={"single_pass": single_pass(), "vote_3": self_consistency(3)},
        ledger=ledger,
        meter=METER,
    )

    @tool
    def look(query: str) -> str:
        """Look."""
        return "found"

    script = steps(calls(("look", {"query": "x"})), AIMessage("It is so."))
    model = PricedModel(model="main", script=script, spent=spent)
    await ask(create_agent(model, [look], middleware=[ours]), ASKED)
    assert (spent.count("router"), spent.count("main")) == (1, 4)
    assert settled(ledger, spent).questions == 1


class ByPrice:
    """The large model while it is worth its price."""

    actions, cost_unit, budget, slope, policy_id = ("small", "large"), "usd", None, None, "by_price"
    price = 0.5

    def decide(self, question, *, price=None, max_cost=float("inf"), key=None):
        cheap = FixedPolicy("small", expected_cost=0.1, expected_accuracy=0.5, cost_unit="usd")
        dear = FixedPolicy("large", expected_cost=1.0, expected_accuracy=0.9, cost_unit="usd")
        choice = dear if 0.9 - price * 1.0 > 0.5 - price * 0.1 else cheap
        return choice.decide(question, price=price)

    def decide_batch(self, questions, *, budget):
        raise NotImplementedError


def routed(spent, ledger, *, middleware=()):
    """A router whose classifier is a policy of ours: `researcher` is small, `main` is large."""

    def answers(name):
        return PricedModel(model=name, script=lambda _: AIMessage("so " * 100), spent=spent)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        router = ModelRouterMiddleware(
            choices={
                "small": ModelChoice(model=answers("researcher"), criteria="Plain questions."),
                "large": ModelChoice(model=answers("main"), criteria="Hard questions."),
            },
            instructions="Which model?",
            classifier=PolicyDecisionModel(policy=ByPrice(), ledger=ledger, meter=METER),
        )
    return create_agent(answers("main"), middleware=[router, *middleware])


async def test_a_router_of_langchain_gains_a_budget(ask):
    spent = Spent()
    small, large = (100 * PRICES[name][1] / 1e6 for name in ("researcher", "main"))
    target = (small + large) / 2
    ledger = open_ledger("memory://", cost_unit="usd", target=target, policy=ByPrice())
    agent = routed(spent, ledger)
    for _ in range(120):
        await ask(agent, ASKED)
    assert settled(ledger, spent).questions == 120
    assert {name for name, _ in spent.calls} == {"researcher", "main"}
    assert ledger.average == pytest.approx(target, rel=0.15)


async def test_with_our_middleware_beside_it_calls_are_billed_once(ask):
    spent, ledger = Spent(), open_ledger("memory://", cost_unit="usd", target=0.001)
    ours = AdaptiveComputeMiddleware(
        policy=ONCE, actions={"single_pass": single_pass()}, ledger=ledger, meter=METER
    )
    await ask(routed(spent, ledger, middleware=[ours]), ASKED)
    assert len(spent.calls) == 1
    assert settled(ledger, spent).questions == 1


def test_a_policy_answers_choices_among_its_actions_and_nothing_else():
    model = PolicyDecisionModel(policy=ONCE, ledger=open_ledger("memory://", cost_unit="usd"), meter=METER)
    for state in ("Why?", HumanMessage("Why?"), [HumanMessage("Why?")], {"asked": "Why?"}):
        asked = {"state": state, "questions": {"route": Choice(instructions="Which?", criteria=CRITERIA)}}
        answer = model.invoke(asked).choices["route"]
        assert (answer.choice, answer.probabilities["vote_3"], answer.confidence) == ("single_pass", 0.0, 1.0)
    with pytest.raises(TypeError, match="cannot answer a 'noul' question"):
        model.invoke({"state": "Why?", "questions": {"risky": Noul(instructions="Is it?")}})
    with pytest.raises(UnknownActionError, match="single_pass"):
        model.invoke({"state": "Why?", "questions": {"a": Choice(instructions="?", criteria={"x": None})}})
    assert isinstance(model.invoke({"state": "Why?", "questions": {}}), ClassifierResponse)
