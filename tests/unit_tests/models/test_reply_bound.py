"""The worst case of a call has room for all replies to its request, at the length that is asked for."""

import pytest
from langchain_core.messages import HumanMessage
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from adaptive_reasoner import AdaptiveReasoner, FixedPolicy, Source, open_ledger
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import TokenMeter
from adaptive_reasoner.models.source import Request
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel


def openai(**fields):
    return ChatOpenAI(model="gpt-4o", api_key="none", **fields)


def worst(source):
    return CallExecutor(source, TokenMeter()).bound([Request([HumanMessage("2 + 3?")])]).cost


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (openai(n=3), {}),
        (openai(extra_body={"n": 3}), {}),
        (openai().bind(n=3), {}),
        (openai().with_fallbacks([openai(n=3)]), {}),
        (openai(), {"n": 3}),
        (openai(n=2), {"n": 3}),
    ],
)
def test_all_replies_to_a_request_are_in_its_worst_case_whoever_asks_for_them(model, settings):
    source = Source(model, settings=settings, max_tokens=100)
    assert worst(source) == 300.0
    assert source.most_tokens == 300


@pytest.mark.parametrize(
    ("model", "settings", "most"),
    [
        (openai(extra_body={"max_tokens": 700}), {}, 700.0),
        (openai().bind(extra_body={"max_completion_tokens": 700}), {}, 700.0),
        (openai(), {"extra_body": {"max_tokens": 700}}, 700.0),
        (openai(extra_body={"max_tokens": 700}), {"extra_body": {}}, 100.0),
        (openai(extra_body={"max_tokens": 7}), {}, 100.0),
        (openai(max_tokens=700), {}, 100.0),
        (ChatOllama(model="qwen3"), {"options": {"num_predict": 700}}, 700.0),
    ],
)
def test_a_length_that_is_sent_over_the_declared_one_is_in_the_worst_case(model, settings, most):
    assert worst(Source(model, settings=settings, max_tokens=100)) == most


def test_replies_that_a_model_is_bound_to_give_are_held_under_a_hard_cap():
    def asked(cap):
        ledger = open_ledger("memory://", hard_cap=cap, cost_unit="tokens")
        policy = FixedPolicy("a", expected_cost=5.0)
        source = Source(model.bind(n=3), max_tokens=50)
        AdaptiveReasoner(source, policy=policy, actions={"a": single_pass()}, ledger=ledger).answer("2 + 3?")
        return ledger.snapshot().spent

    model = ScriptedModel()
    with pytest.raises(BudgetExceededError):
        asked(cap=149.0)
    assert model.requests == []
    assert asked(cap=150.0) == 6.0


def test_samples_that_a_vote_draws_from_one_request_take_the_place_of_those_bound():
    source = Source(ScriptedModel().bind(n=5), max_tokens=50, samples_per_request=3)
    sample = Request([HumanMessage("2 + 3?")], hidden_sample=True)
    assert CallExecutor(source, TokenMeter()).bound([sample] * 3).cost == 150.0


@pytest.mark.parametrize("most", [0, -5, 2.5, "9"])
def test_a_number_of_tokens_that_no_reply_can_have_is_refused_at_construction(most):
    with pytest.raises(ValueError, match="max_tokens is a whole number of at least 1, not"):
        Source(ScriptedModel(), max_tokens=most)


@pytest.mark.parametrize("samples", [0, 2.5])
def test_a_number_of_samples_that_no_request_can_bring_is_refused_at_construction(samples):
    with pytest.raises(ValueError, match=f"at least 1 sample, not {samples}"):
        Source(ScriptedModel(), samples_per_request=samples)
