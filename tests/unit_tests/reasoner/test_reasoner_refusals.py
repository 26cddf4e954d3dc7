"""What a reasoner refuses, by name and before anything is paid."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from adaptive_reasoner.errors import BudgetExceededError, LedgerError, UnknownActionError
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import SampleMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.modifiers import extended_thinking, on, switch_model
from adaptive_reasoner.strategies.verification import best_of_n, cascade
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel
from tests.unit_tests.reasoner.reasoners import ACTIONS, CheapUnderPressure, reasoner


def test_an_action_that_nobody_supplied_is_refused_before_any_call():
    with pytest.raises(UnknownActionError, match="'vote_9'; known are single_pass, vote_3"):
        reasoner(policy=FixedPolicy("vote_9"))


def test_units_must_agree():
    with pytest.raises(LedgerError, match="one unit"):
        AdaptiveReasoner(
            ScriptedModel(), policy=FixedPolicy("single_pass"), actions=ACTIONS, meter=SampleMeter()
        )


@pytest.mark.parametrize("question", ["", "  ", [], [AIMessage("hi")], [HumanMessage([])]])
def test_no_question_is_a_clear_error_and_no_charge(result_of, question):
    made = reasoner(budget=10.0)
    with pytest.raises(ValueError, match="no question"):
        result_of(made, question)
    assert made.ledger.snapshot().questions == 0


@pytest.mark.parametrize("question", [{"question": "5 + 9?"}, {"role": "user", "content": "5 + 9?"}, 5, None])
def test_a_dict_is_no_question_whose_keys_would_be_asked(result_of, question):
    made = reasoner(budget=10.0)
    with pytest.raises(ValueError, match=rf"list of messages, not {type(question).__name__}"):
        result_of(made, question)
    assert made.model.runnable.requests == []


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"model": None}, "not None"),
        ({"meter": "dollars"}, "not 'dollars'"),
        ({"meter": SampleMeter}, "not the class SampleMeter"),
        ({"policy": "policy/"}, r"LearnedPolicy\.load\('policy/'\)"),
        ({"ledger": "sqlite:///ledger.sqlite"}, r"open_ledger\('sqlite:///ledger.sqlite', target=...\)"),
        ({"actions": {"vote_3": ScriptedModel()}}, "action 'vote_3' is a ScriptedModel, not a strategy"),
        ({"actions": {"vote_3": "cot"}}, "action 'vote_3' is a str, not a strategy"),
        (
            {"actions": {"vote_3": self_consistency}},
            r"function self_consistency, .* call it, self_consistency\(",
        ),
        ({"actions": {"vote_3": single_pass}}, r"call it, single_pass\("),
        ({"actions": {"vote_3": best_of_n}}, r"call it, best_of_n\("),
        ({"actions": {"vote_3": ScriptedModel}}, "is a ScriptedModel, not a strategy"),
        ({"actions": {"vote_3": lambda: None}}, "a strategy takes one argument, the task"),
    ],
)
def test_a_part_that_is_something_else_is_refused_at_construction(parts, named):
    given = {"model": ScriptedModel(), "policy": FixedPolicy("vote_3"), "actions": ACTIONS, **parts}
    with pytest.raises(TypeError, match=named):
        AdaptiveReasoner(given.pop("model"), **given)


@pytest.mark.parametrize(
    "made",
    [
        lambda: on(Source(ScriptedModel()), self_consistency),
        lambda: switch_model(ScriptedModel(), single_pass),
        lambda: extended_thinking("high", self_consistency),
        lambda: cascade(single_pass, self_consistency(3), 0.7),
        lambda: cascade(single_pass(), self_consistency, 0.7),
    ],
)
def test_a_strategy_inside_another_that_was_not_called_is_refused_where_it_is_made(made):
    with pytest.raises(TypeError, match=r"which makes a strategy: call it"):
        made()


@pytest.mark.parametrize("terms", [{"price": -0.5}, {"price": "cheap"}, {"max_cost": float("nan")}])
def test_an_amount_that_is_none_is_refused_before_anything_is_reserved(result_of, terms):
    made = reasoner(budget=10.0)
    with pytest.raises(ValueError, match=f"{next(iter(terms))} is a number of at least 0"):
        result_of(made, "5 + 9?", **terms)
    assert made.ledger.snapshot().in_flight == 0


def test_a_most_cost_that_nothing_fits_is_named(result_of):
    with pytest.raises(BudgetExceededError, match="can cost 50 tokens, and max_cost allows 9") as refused:
        result_of(reasoner(policy=CheapUnderPressure(), budget=10.0), "5 + 9?", max_cost=9.0)
    assert (refused.value.wanted, refused.value.left) == (50, 9.0)


def test_a_strategy_that_fails_before_its_first_call_leaves_nothing_held(result_of):
    def broken(task):
        raise KeyError("prompt")
        yield

    made = AdaptiveReasoner(
        ScriptedModel(), policy=FixedPolicy("broken"), actions={"broken": broken}, budget=10.0
    )
    with pytest.raises(KeyError, match="prompt"):
        result_of(made, "5 + 9?")
    assert (made.ledger.snapshot().questions, made.ledger.snapshot().in_flight) == (0, 0)


@pytest.mark.parametrize(
    "made",
    [
        AdaptiveReasoner,
        AdaptiveChatModel,
        AdaptiveComputeNode,
        lambda model, **terms: AdaptiveComputeMiddleware(**terms),
    ],
)
def test_a_vote_at_any_cost_is_refused_with_the_way_out(made):
    with pytest.raises(ValueError, match="give budget="):
        made(ScriptedModel())
    for terms in ({"budget": 9.0}, {"ledger": open_ledger("memory://", target=9.0)}):
        made(ScriptedModel(), **terms)
    made(ScriptedModel(), policy=FixedPolicy("single_pass"), actions=ACTIONS)


def test_what_limits_a_vote_otherwise_needs_no_budget():
    ledgers = [
        AdaptiveReasoner(ScriptedModel(), price=0.01).ledger,
        AdaptiveReasoner(ScriptedModel(), max_cost=100.0).ledger,
        AdaptiveComputeNode(ScriptedModel(), budget_key="budget").reasoner.ledger,
        AdaptiveComputeMiddleware(run_budget=100.0).ledger,
        AdaptiveComputeMiddleware(thread_budget=100.0).ledger,
    ]
    assert [ledger.target for ledger in ledgers] == [None] * 5
