"""Shadows of what is asked through node, middleware and chat model."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from adaptive_reasoner import (
    AdaptiveChatModel,
    AdaptiveComputeMiddleware,
    AdaptiveComputeNode,
    FixedPolicy,
    Shadow,
    Source,
)
from adaptive_reasoner.strategies.modifiers import on
from adaptive_reasoner.strategies.voting import single_pass
from tests.fakes import ScriptedModel
from tests.unit_tests.integrations.node_graphs import graph_of_messages
from tests.waiting import PATIENCE

POLICY = FixedPolicy("cheap", expected_cost=2.0)
STRONG = "It is surely 15"


def shorter(question, first, second):
    return float(len(first) < len(second))


def shadow(judge=shorter):
    return Shadow("strong", judge=judge, max_cost=10_000.0, share=1.0)


def actions(strong):
    return {"cheap": single_pass(), "strong": on(Source(strong, max_tokens=50))}


@pytest.fixture
def closing():
    made = []
    yield made.append
    for each in made:
        each.shadow.close(10.0)


async def test_a_node_is_shadowed_in_its_graph_also_where_it_is_durable(ask, closing):
    strong = ScriptedModel(answers=(STRONG,))
    for durable in (False, True):
        node = AdaptiveComputeNode(
            Source(ScriptedModel(answers=("Answer: 14",)), max_tokens=50),
            policy=POLICY,
            actions=actions(strong),
            budget=9.0,
            shadow=shadow(),
            durable=durable,
        )
        closing(node)
        state = await ask(graph_of_messages(node), {"messages": [("user", "5 + 9?")]})
        assert state["messages"][-1].response_metadata["adaptive_reasoner"]["shadowed"]
        assert node.shadow.wait(PATIENCE)
        found = node.shadow.savings()
        assert (found.judged, found.cost.mean, found.against_cost.mean) == (1, 2.0, 4.0)
        assert node.ledger.snapshot().spent == 2.0


def test_a_shadow_needs_the_ledger_and_a_budget_node_has_it():
    with pytest.raises(ValueError, match="with budget_key the BudgetLedgerNode has the ledger"):
        AdaptiveComputeNode(
            ScriptedModel(), policy=POLICY, actions=actions(ScriptedModel()), shadow=shadow(), budget_key="b"
        )


async def test_a_chat_model_is_shadowed_with_its_settings(ask, closing):
    strong = ScriptedModel(answers=(STRONG,))
    model = AdaptiveChatModel(
        ScriptedModel(answers=("Answer: 14",)),
        policy=POLICY,
        actions=actions(strong),
        budget=9.0,
        max_tokens=50,
        shadow=shadow(),
    )
    closing(model)
    reply = await ask(model, "5 + 9?")
    assert reply.response_metadata["adaptive_reasoner"]["shadowed"]
    assert model.shadow.wait(PATIENCE)
    assert model.shadow.savings().judged == 1
    assert strong.requests[0]["prompt"] == "5 + 9?"


class WithTools(ScriptedModel):
    """A scripted model that takes tools."""

    def bind_tools(self, tools, **kwargs):
        return self.bind(tools=[each.name for each in tools])


async def test_every_call_of_an_agent_is_made_again_with_its_tools_and_no_tool_runs_twice(ask, closing):
    looked_up = []

    @tool
    def look_up(city: str) -> str:
        """Look a city up."""
        looked_up.append(city)
        return "42"

    call = AIMessage("", tool_calls=[{"name": "look_up", "args": {"city": "Rome"}, "id": "1"}])
    model = WithTools(answers=("Answer: 42",), replies={0: call})
    strong = WithTools(answers=(STRONG,))
    shown = []

    def judge(question, first, second):
        shown.append(first)
        return 0.5

    budgeted = AdaptiveComputeMiddleware(
        policy=POLICY, actions=actions(strong), budget=90.0, shadow=shadow(judge)
    )
    closing(budgeted)
    agent = create_agent(model, [look_up], system_prompt="Be brief.", middleware=[budgeted])
    state = await ask(agent, {"messages": [("user", "How many are there in Rome?")]})
    assert state["messages"][-1].text == "Answer: 42"
    assert budgeted.shadow.wait(PATIENCE)
    found = budgeted.shadow.savings()
    assert (found.judged, len(looked_up)) == (1, 1)  # two calls of one run are one question
    assert [request["tools"] for request in strong.requests] == [["look_up"]] * 2
    assert any('"tool": "look_up"' in text for text in shown)


class Reply(BaseModel):
    number: int


async def test_a_reply_with_a_declared_structure_is_not_made_again(ask, closing):
    call = AIMessage("", tool_calls=[{"name": "Reply", "args": {"number": 42}, "id": "1"}])
    strong = WithTools(answers=(STRONG,))

    class Structured(WithTools):
        def bind_tools(self, tools, **kwargs):
            return self

    budgeted = AdaptiveComputeMiddleware(policy=POLICY, actions=actions(strong), budget=90.0, shadow=shadow())
    closing(budgeted)
    agent = create_agent(Structured(replies={0: call}), response_format=Reply, middleware=[budgeted])
    state = await ask(agent, {"messages": [("user", "How many?")]})
    assert state["structured_response"].number == 42
    assert budgeted.shadow.wait(PATIENCE)
    assert (budgeted.shadow.savings().questions, strong.requests) == (0, [])


async def test_a_model_made_anew_from_its_fields_keeps_its_shadow(ask, closing):
    model = AdaptiveChatModel(
        ScriptedModel(answers=("Answer: 14",)),
        policy=POLICY,
        actions=actions(ScriptedModel(answers=(STRONG,))),
        budget=9.0,
        max_tokens=50,
        shadow=shadow(),
    )
    closing(model)
    copy = AdaptiveChatModel(
        **{name: getattr(model, name) for name in ("inner", "policy", "actions", "ledger", "shadow")}
    )
    await ask(copy, "5 + 9?")
    assert model.shadow is copy.shadow
    assert model.shadow.wait(PATIENCE)
    assert model.shadow.savings().judged == 1
