"""Dollars by the model that answers, or as its provider reports them."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph

from adaptive_reasoner import (
    AdaptiveChatModel,
    AdaptiveComputeMiddleware,
    AdaptiveComputeNode,
    AdaptiveReasoner,
    BudgetLedgerNode,
    DollarMeter,
    FixedPolicy,
    PriceMeter,
    UnpricedUsageError,
    open_ledger,
    self_consistency,
    single_pass,
)
from adaptive_reasoner.models.dollars import reported_cost
from tests.fakes import ScriptedModel
from tests.stub_server import StubServer


def reply(model="gpt-5-mini", *, given=1_000_000, answered=100_000, read=None, spent=None, **metadata):
    usage = {"input_tokens": given, "output_tokens": answered, "total_tokens": given + answered}
    usage |= {"input_token_details": read or {}, "output_token_details": spent or {}}
    return AIMessage("7", usage_metadata=usage, response_metadata={"model_name": model, **metadata})


def dollars(message, **options):
    return DollarMeter(**options).cost(message, 0.1)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (reply(), 0.25 + 0.2),
        (reply("gpt-5-mini-2025-08-07"), 0.45),
        (reply(read={"cache_read": 400_000}), 0.6 * 0.25 + 0.4 * 0.025 + 0.2),
        (reply(spent={"reasoning": 90_000}), 0.45),
        (reply(service_tier="flex"), 0.225),
        (reply(read={"flex": 1_000_000}), 0.225),
        (reply(service_tier="default"), 0.45),
        (reply("claude-sonnet-4-5", given=100_000, answered=1_000), 0.315),
        (reply("claude-sonnet-4-5", given=300_000, answered=1_000), 1.8225),  # a step of long contexts
        (
            reply(
                "claude-sonnet-4-5",
                given=100_000,
                answered=1_000,
                read={"cache_creation": 0, "ephemeral_1h_input_tokens": 100_000},
            ),
            0.615,
        ),
        (reply("gemini-2.5-flash", model_provider="google_genai", read={"audio": 1_000_000}), 1.0 + 0.25),
        (reply("openai/gpt-5-mini", model_provider="openai"), 0.45),  # OpenRouter through ChatOpenAI
        (reply("openai:gpt-5-mini"), 0.45),
    ],
)
def test_a_reply_costs_what_the_list_says_of_the_model_that_wrote_it(message, expected):
    assert dollars(message) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"token_usage": {"cost": 0.0123, "prompt_tokens": 9}}, 0.0123),
        ({"usage": {"cost": 0.0123}}, 0.0123),
        (
            {"usage": {"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.01}}},
            0.011,
        ),
        (
            {"usage": {"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.01}}},
            0.01,
        ),
        ({"cost": 0.0123}, 0.0123),
        ({"response_cost": 0.0123}, 0.0123),
        ({"_hidden_params": {"response_cost": 0.0123}}, 0.0123),
        ({"hidden_params": {"response_cost": 0.0123}}, 0.0123),
        ({"headers": {"x-litellm-response-cost": "0.0123"}}, 0.0123),
        ({"cost": 0}, 0.0),
    ],
)
def test_what_a_provider_reports_with_the_reply_is_what_it_costs(told, expected):
    assert dollars(reply("nobody-knows", **told)) == pytest.approx(expected)


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf"), "dear", None, True, {}])
def test_a_reported_cost_that_cannot_be_is_none(cost):
    assert reported_cost(AIMessage("7", response_metadata={"cost": cost, "usage": {"cost": cost}})) is None


def test_a_reported_cost_needs_no_usage():
    assert dollars(AIMessage("7", response_metadata={"cost": 0.5})) == 0.5


def test_a_declared_price_takes_the_place_of_the_listed_one():
    prices = {"gpt-5-mini": PriceMeter(1.0, 1.0)}
    assert dollars(reply("gpt-5-mini-2025-08-07"), prices=prices) == pytest.approx(1.1)
    assert dollars(reply("gpt-5"), prices=prices) == pytest.approx(1.25 + 1.0)


@pytest.mark.parametrize(
    "message",
    [reply("nobody-knows"), reply("gpt-oss-of-mine", model_provider="openai"), reply(None), AIMessage("7")],
)
def test_a_reply_without_a_price_is_an_error(message):
    with pytest.raises(UnpricedUsageError):
        dollars(message)


def test_the_worst_case_is_that_of_the_dearest_model_that_may_answer():
    prompt = [HumanMessage("x" * 984)]  # 1,000 tokens at most

    def worst(*models, **settings):
        return DollarMeter().for_models(models, settings).worst_cost(prompt, 1_000)

    assert worst("gpt-5-mini") == pytest.approx(1_000 * (0.25 + 2.0) / 1e6)
    assert worst("gpt-5-mini", "gpt-5") == worst("gpt-5") == pytest.approx(1_000 * (1.25 + 10) / 1e6)
    assert worst("gpt-5-mini", service_tier="priority") > worst("gpt-5-mini")
    with pytest.raises(UnpricedUsageError, match="nobody-knows"):
        worst("nobody-knows")
    with pytest.raises(UnpricedUsageError, match="does not name itself"):
        worst("")


class Named(ScriptedModel):
    """Answers in the name of a hosted model."""

    model_name: str = "gpt-5-mini"
    max_tokens: int = 100

    def _reply(self, messages, kwargs):
        message = super()._reply(messages, kwargs)
        message.response_metadata["model_name"] = self.model_name
        return message

    def bind_tools(self, tools, **kwargs):
        return self


CALL = (10 * 0.25 + 2 * 2.0) / 1e6
"""Dollars of a call: ten tokens in, two out."""

POLICY = {
    "policy": FixedPolicy("vote_3", expected_cost=1e-5, worst_cost=1e-3, cost_unit="usd"),
    "actions": {"vote_3": self_consistency(3), "single_pass": single_pass()},
}


def test_meter_usd_is_taken_wherever_a_meter_is():
    ledger = open_ledger("memory://", cost_unit="usd", target=1e-5)
    node = AdaptiveComputeNode(Named(), meter="usd", ledger=ledger, **POLICY)
    graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()
    middleware = AdaptiveComputeMiddleware(meter="usd", ledger=ledger, run_budget=0.01, **POLICY)
    agent = create_agent(Named(), middleware=[middleware])
    asked = {"messages": [("user", "5 + 9?")]}
    said = [
        AdaptiveReasoner(Named(), meter="usd", ledger=ledger, **POLICY).invoke("5 + 9?"),
        graph.invoke(asked)["messages"][-1],
        agent.invoke(asked)["messages"][-1],
    ]
    assert [message.usage_metadata["total_cost"] for message in said] == pytest.approx([2 * CALL] * 3)
    model = AdaptiveChatModel(Named(), meter="usd", ledger=ledger, **POLICY)
    quiet = model.invoke("5 + 9?")
    assert "total_cost" not in quiet.usage_metadata  # LangChain's handlers add whole numbers up
    assert quiet.response_metadata["adaptive_reasoner"]["cost"] == pytest.approx(2 * CALL)
    result = AdaptiveReasoner(Named(), policy=FixedPolicy("v", expected_cost=1), actions={"v": single_pass()})
    policy = FixedPolicy("v", expected_cost=1e-5, cost_unit="usd")
    assert result.answer("5 + 9?", meter="usd", ledger=ledger, policy=policy).record["cost"] == pytest.approx(
        CALL
    )
    assert ledger.snapshot().spent == pytest.approx(9 * CALL, abs=9e-9)


def test_a_budget_node_counts_dollars():
    ledger = open_ledger("memory://", cost_unit="usd", target=1e-5)
    graph = StateGraph(type("State", (MessagesState,), {"__annotations__": {"budget": dict}}))
    graph.add_node("chat", lambda state: {"messages": [Named().invoke(state["messages"])]})
    graph.add_edge(START, "chat").add_edge("chat", "budget_ledger")
    graph = BudgetLedgerNode(ledger, meter="usd").attach(graph).compile()
    graph.invoke({"messages": [("user", "5 + 9?")]})
    assert ledger.spent == pytest.approx(CALL, abs=1e-9)


def test_without_labels_a_vote_is_held_at_the_price_of_its_model():
    reasoner = AdaptiveReasoner(Named(), meter="usd", budget=1e-4)
    record = reasoner.answer("5 + 9?").record
    prompt = len("5 + 9?") + 16
    assert record["worst_cost"] == pytest.approx(9 * (prompt * 0.25 + 100 * 2.0) / 1e6)
    assert record["cost"] == pytest.approx(record["samples"] * CALL)


def test_a_model_of_an_unknown_price_is_refused_before_it_is_called():
    model = Named(model_name="nobody-knows")
    with pytest.raises(UnpricedUsageError, match="nobody-knows"):
        AdaptiveReasoner(model, meter="usd", budget=1e-4).answer("5 + 9?")
    assert model.requests == []


@pytest.mark.parametrize(
    "made",
    [
        lambda: AdaptiveReasoner(Named(), budget=0.001),
        lambda: AdaptiveComputeNode(Named(), budget=0.001),
        lambda: AdaptiveChatModel(Named(), budget=0.001),
        lambda: AdaptiveComputeMiddleware(budget=0.001),
        lambda: AdaptiveComputeMiddleware(run_budget=0.05),
        lambda: AdaptiveComputeMiddleware(thread_budget=0.05),
        lambda: AdaptiveReasoner(Named(), budget=9.0, max_cost=0.05),
    ],
)
def test_a_budget_below_one_token_is_refused_with_the_hint(made):
    with pytest.raises(ValueError, match='is less than one token; for dollars give meter="usd"'):
        made()


def test_the_cost_that_an_endpoint_reports_reaches_the_ledger():
    with StubServer(answer=lambda prompt, number: "The answer is 14") as server:

        class Reported(ChatOpenAI):
            def _create_chat_result(self, response, generation_info=None):
                result = super()._create_chat_result(response, generation_info)
                result.generations[0].message.response_metadata["token_usage"] = {"cost": 0.0125}
                return result

        model = Reported(model="gpt-5-mini", base_url=server.base_url, api_key="none", max_tokens=50)
        reasoner = AdaptiveReasoner(model, meter="usd", budget=0.1, max_cost=1.0)
        assert reasoner.answer("5 + 9?").record["cost"] == pytest.approx(0.0125 * len(server.bodies))
