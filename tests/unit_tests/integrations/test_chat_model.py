import asyncio

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from adaptive_reasoner.errors import BudgetExceededError, UnknownActionError
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.metering import UNDECLARED_MAX_TOKENS, TokenMeter
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.modifiers import extended_thinking, on
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel, joined
from tests.stub_server import StubServer
from tests.waiting import await_until

ACTIONS = {
    "single_pass": single_pass(),
    "vote_3": self_consistency(3),
    "thinking_high": extended_thinking("high"),
}


def adaptive(*answers, action="vote_3", **fields):
    inner = ScriptedModel(answers=answers or ("Answer: 14",), **fields)
    return AdaptiveChatModel(inner, policy=FixedPolicy(action, expected_cost=6), actions=ACTIONS, budget=10.0)


class Counts(BaseCallbackHandler):
    def __init__(self):
        self.starts, self.ends, self.events = 0, [], []

    def on_chat_model_start(self, *args, **kwargs):
        self.starts += 1

    def on_llm_end(self, response, **kwargs):
        self.ends.append(response.generations[0][0].message.usage_metadata["output_tokens"])

    def on_custom_event(self, name, data, **kwargs):
        self.events.append(data["event"])


@pytest.fixture(params=["invoke", "ainvoke", "stream", "astream"])
def reply(request):
    async def later(model, *args):
        if request.param == "ainvoke":
            return await model.ainvoke(*args)
        return joined([chunk async for chunk in model.astream(*args)])

    if request.param == "invoke":
        return lambda model, *args: model.invoke(*args)
    if request.param == "stream":
        return lambda model, *args: joined(list(model.stream(*args)))
    return lambda model, *args: asyncio.run(later(model, *args))


@pytest.mark.parametrize(("action", "tokens"), [("single_pass", 2), ("vote_3", 4)])
def test_a_call_is_one_run_whose_usage_is_counted_once(reply, action, tokens):
    model, counts = adaptive(action=action), Counts()
    with get_usage_metadata_callback() as usage:
        message = reply(model, "5 + 9?", {"callbacks": [counts]})
    assert message.text == "Answer: 14"
    assert (counts.starts, counts.ends) == (1, [tokens])
    assert usage.usage_metadata["scripted"]["output_tokens"] == tokens
    assert message.usage_metadata["output_tokens"] == tokens
    assert message.response_metadata["adaptive_reasoner"]["cost"] == tokens
    snapshot = model.reasoner.ledger.snapshot()
    assert (snapshot.spent, snapshot.questions, snapshot.in_flight) == (tokens, 1, 0)


def test_handlers_of_a_call_hear_of_decision_and_settlement():
    counts = Counts()
    adaptive().invoke("5 + 9?", {"callbacks": [counts]})
    assert counts.events == ["decision", "settled"]


def test_votes_over_tool_calls_by_name_and_arguments():
    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    with StubServer() as server:
        inner = ChatOpenAI(model="stub", base_url=server.base_url, api_key="none")
        model = AdaptiveChatModel(inner, policy=FixedPolicy("vote_3", expected_cost=9), actions=ACTIONS)
        message = model.bind_tools([add], tool_choice="add").invoke("5 + 9?")
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("add", {"a": 5, "b": 9})]
    assert message.response_metadata["adaptive_reasoner"]["agreement"] == 1.0
    assert all(body["tools"] and body["tool_choice"] for body in server.bodies)
    assert len(server.bodies) == 2


def test_effort_reaches_the_wire_and_its_thoughts_the_bill():
    with StubServer() as server:
        inner = ChatOpenAI(model="stub", base_url=server.base_url, api_key="none")
        policy = FixedPolicy("thinking_high", expected_cost=300)
        message = AdaptiveChatModel(inner, policy=policy, actions=ACTIONS).invoke("5 + 9?")
    assert server.bodies[0]["reasoning_effort"] == "high"
    assert message.usage_metadata["output_token_details"]["reasoning"] == 300
    assert message.response_metadata["adaptive_reasoner"]["cost"] == server.billed


def test_tools_of_one_provider_do_not_go_to_another():
    with StubServer() as server:
        inner = ChatOpenAI(model="stub", base_url=server.base_url, api_key="none")
        actions = {"other": on(Source(ScriptedModel()))}
        model = AdaptiveChatModel(inner, policy=FixedPolicy("other"), actions=actions)
        assert model.invoke("5 + 9?").text == "Answer: 42"
        with pytest.raises(TypeError, match="ChatOpenAI and cannot go to ScriptedModel"):
            model.bind_tools([{"name": "add", "description": "", "parameters": {}}]).invoke("5 + 9?")
    assert model.reasoner.ledger.snapshot().in_flight == 0


def test_what_is_bound_and_stop_reach_every_sample():
    model = adaptive()
    model.bind(temperature=0.5).invoke("5 + 9?", stop=["\n"])
    assert len(model.inner.requests) > 1
    assert {(request["temperature"], *request["stop"]) for request in model.inner.requests} == {(0.5, "\n")}


def test_what_is_configured_for_a_call_is_counted_by_the_same_ledger():
    model = adaptive()
    configurable = model.configurable_fields(temperature=ConfigurableField("temperature"))
    for temperature in (0.2, 0.9):
        configurable.invoke("5 + 9?", {"configurable": {"temperature": temperature}})
    assert {request["temperature"] for request in model.inner.requests} == {0.2, 0.9}
    assert model.reasoner.ledger.snapshot().questions == 2


def test_the_profile_is_the_inner_models():
    inner = ScriptedModel(profile={"structured_output": True, "max_input_tokens": 9})
    model = AdaptiveChatModel(inner, policy=FixedPolicy("vote_3"), actions=ACTIONS)
    assert model.profile == inner.profile


class CountsWords(ScriptedModel):
    """A model whose tokens are words."""

    def get_token_ids(self, text):
        return [len(word) for word in text.split()]


def test_tokens_are_counted_by_the_inner_model():
    model = AdaptiveChatModel(CountsWords(), budget=10.0)
    assert model.get_num_tokens("one two three") == 3
    assert model.get_token_ids("one two") == [3, 3]
    assert model.get_num_tokens_from_messages([HumanMessage("one two")]) == 3  # "Human: one two"


def test_a_cache_keeps_whole_answers_and_never_the_samples_of_a_vote():
    set_llm_cache(InMemoryCache())
    try:
        model = adaptive("Answer: 14", "Answer: 15", "Answer: 14")
        first, second = (model.invoke("5 + 9?") for _ in range(2))
    finally:
        set_llm_cache(None)
    assert (first.text, second.text) == ("Answer: 14", "Answer: 14")
    assert len(model.inner.requests) == 3
    assert model.reasoner.ledger.snapshot().spent == 6.0


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_rate_limiter_of_the_inner_model_is_asked_for_every_sample(is_async):
    class Counting(InMemoryRateLimiter):
        asked = 0

        def acquire(self, *, blocking=True):
            type(self).asked += 1
            return True

        async def aacquire(self, *, blocking=True):
            return self.acquire()

    model = adaptive(rate_limiter=Counting())
    await model.ainvoke("5 + 9?") if is_async else model.invoke("5 + 9?")
    assert Counting.asked == len(model.inner.requests) == 2
    Counting.asked = 0


def test_all_calls_of_a_graph_run_are_one_question():
    model = adaptive(action="single_pass")

    def think(state):
        return {"messages": [model.invoke(state["messages"]), model.invoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node(think).add_edge(START, "think").compile()
    for _ in range(2):
        graph.invoke({"messages": [HumanMessage("5 + 9?")]})
    snapshot = model.reasoner.ledger.snapshot()
    assert (snapshot.questions, snapshot.average) == (2, 4.0)


def test_a_single_pass_streams_through_a_graph_and_a_vote_does_not_leak_its_samples():
    for action, text in (("single_pass", "the Answer: 14"), ("vote_3", "the Answer: 14")):
        model = adaptive("the Answer: 14", action=action)
        builder = StateGraph(MessagesState)
        builder.add_node("think", lambda state, model=model: {"messages": [model.invoke(state["messages"])]})
        graph = builder.add_edge(START, "think").compile()
        chunks = list(graph.stream({"messages": [HumanMessage("5 + 9?")]}, stream_mode="messages"))
        assert "".join(chunk.text for chunk, _ in chunks) == text
        assert (len(chunks) > 2) == (action == "single_pass")


def test_an_action_that_nobody_supplied_is_refused_at_once():
    with pytest.raises(UnknownActionError, match="'vote_9'"):
        AdaptiveChatModel(ScriptedModel(), policy=FixedPolicy("vote_9"), actions=ACTIONS)


def test_a_misspelt_argument_is_refused():
    with pytest.raises(TypeError, match="has no buget"):
        AdaptiveChatModel(ScriptedModel(), buget=10.0)


@pytest.mark.parametrize("action", ["single_pass", "vote_3"])
def test_settings_it_was_made_with_go_with_every_call(action):
    with StubServer() as stub:
        inner = ChatOpenAI(model="stub", base_url=stub.base_url, api_key="none")
        policy, settings = FixedPolicy(action, expected_cost=6), {"temperature": 0.0, "stop": ["END"]}
        model = AdaptiveChatModel(inner, policy=policy, actions=ACTIONS, budget=10.0, **settings)
        model.invoke("5 + 9?")
        model.invoke("5 + 9?", stop=["###"], temperature=0.7)
    said = [{name: body[name] for name in settings} for body in stub.bodies]
    calls = {"single_pass": 1, "vote_3": 3}[action]
    assert said == [settings] * calls + [{"temperature": 0.7, "stop": ["###"]}] * calls
    assert model._get_ls_params()["ls_temperature"] == 0.0


def test_a_call_takes_no_longer_than_the_timeout_it_was_made_with():
    slow = AdaptiveChatModel(ScriptedModel(latency=30.0), budget=10.0, timeout=0.05)
    with pytest.raises(TimeoutError):
        asyncio.run(slow.ainvoke("5 + 9?"))


@pytest.mark.parametrize("model", [adaptive(), AdaptiveChatModel(ScriptedModel(), budget=10.0)])
@pytest.mark.parametrize("messages", [[], [AIMessage("hi")], [HumanMessage([{"type": "text", "text": ""}])]])
def test_no_question_is_a_clear_error(model, messages):
    with pytest.raises(ValueError, match="no question"):
        model.invoke(messages)


class Sum(BaseModel):
    total: int


@pytest.mark.parametrize("profile", [None, {"structured_output": True, "tool_calling": True}])
async def test_an_agent_runs_on_it_with_tools_and_structured_output(profile):
    runs = []

    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        runs.append((a, b))
        return a + b

    with StubServer() as server:
        inner = ChatOpenAI(model="stub", base_url=server.base_url, api_key="none", profile=profile)
        model = AdaptiveChatModel(inner, policy=FixedPolicy("vote_3", expected_cost=9), actions=ACTIONS)
        agent = create_agent(model, [add], response_format=Sum)
        state = await agent.ainvoke({"messages": [HumanMessage("5 + 9?")]})
    assert runs == [(5, 9)]
    formats = {body.get("response_format", {}).get("type") for body in server.bodies}
    assert formats == ({"json_schema"} if profile else {None})
    if profile:
        assert isinstance(state["structured_response"], Sum)
    assert model.reasoner.ledger.snapshot().questions == 1


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_stream_that_is_left_is_settled_as_lost(is_async):
    inner = ScriptedModel(answers=("so the Answer: 14",))
    policy = FixedPolicy("single_pass", expected_cost=6)
    model = AdaptiveChatModel(inner, policy=policy, actions=ACTIONS, budget=10.0)
    chunks = model.astream("5 + 9?") if is_async else model.stream("5 + 9?")
    assert (await anext(chunks) if is_async else next(chunks)).text == "so "
    await chunks.aclose() if is_async else chunks.close()
    del chunks
    await await_until(lambda: not model.reasoner.ledger.snapshot().in_flight)
    assert model.reasoner.ledger.spent == UNDECLARED_MAX_TOKENS


def test_without_a_policy_the_worst_case_heeds_the_most_tokens_of_the_call():
    model = AdaptiveChatModel(ScriptedModel(), budget=10.0)
    replies = [model.invoke("5 + 9?", max_tokens=50), model.bind(max_tokens=8_000).invoke("5 + 9?")]
    worst = [reply.response_metadata["adaptive_reasoner"]["worst_cost"] for reply in replies]
    assert worst == [9 * 50, 9 * 8_000]


def test_a_worst_case_in_prompt_tokens_counts_the_tools():
    model = AdaptiveChatModel(ScriptedModel(), budget=20.0, meter=TokenMeter(counts="total"))
    tool = {"type": "function", "function": {"name": "add", "description": "x" * 1000}}
    plain, bound = (asked.invoke("5 + 9?") for asked in (model, model.bind(tools=[tool])))
    worst = [reply.response_metadata["adaptive_reasoner"]["worst_cost"] for reply in (plain, bound)]
    assert worst[1] >= worst[0] + 9 * 1000


def deciding(**parts):
    inner = ScriptedModel(profile={"max_output_tokens": 128_000})
    return AdaptiveChatModel(
        inner.bind(max_tokens=40), policy=FixedPolicy("vote_3"), actions=ACTIONS, **parts
    )


def through_middleware(model, **parts):
    agent = create_agent(model, middleware=[AdaptiveComputeMiddleware(**parts)])
    return agent.invoke({"messages": [HumanMessage("5 + 9?")]})["messages"][-1]


def through_node(model, **parts):
    node = AdaptiveComputeNode(model, **parts)
    graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()
    return graph.invoke({"messages": [HumanMessage("5 + 9?")]})["messages"][-1]


def through_reasoner(model, **parts):
    return AdaptiveReasoner(model, **parts).answer("5 + 9?").message


@pytest.mark.filterwarnings("ignore:.*decides in its place")
@pytest.mark.parametrize("outer", [through_middleware, through_node, through_reasoner])
def test_as_the_model_of_what_decides_it_makes_one_call_and_bounds_it_like_its_model(outer):
    model, ledger = deciding(budget=10.0), open_ledger("memory://")
    parts = {"policy": FixedPolicy("vote_3", expected_cost=6), "actions": ACTIONS, "ledger": ledger}
    record = outer(model, **parts).response_metadata["adaptive_reasoner"]
    assert record["samples"] == len(model.inner.bound.requests) == 2  # two that agree end a vote of three
    assert model.reasoner.ledger.spent == ledger.spent == 4.0
    assert not model.reasoner.ledger.snapshot().in_flight


@pytest.mark.filterwarnings("ignore:.*decides in its place")
def test_the_budget_of_a_run_holds_what_the_model_inside_declares():
    message = through_middleware(deciding(budget=10.0), run_budget=400.0)
    assert message.response_metadata["adaptive_reasoner"]["worst_cost"] == 9 * 40.0
    assert message.text == "Answer: 42"


def test_settings_it_was_made_with_bound_it_too():
    model = AdaptiveChatModel(
        ScriptedModel(profile={"max_output_tokens": 128_000}), budget=9.0, max_tokens=30
    )
    assert Source(model).declared_tokens == 30


def test_its_own_hard_cap_holds_where_another_one_decides():
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=50.0)
    model = deciding(ledger=ledger)
    with pytest.warns(UserWarning, match="AdaptiveChatModel.* give them to the middleware, node or reasoner"):
        through_reasoner(model, budget=10.0, samples=1)
    assert ledger.spent == 2.0
    ledger.charge(20.0, "other")
    with pytest.raises(BudgetExceededError, match="40 tokens wanted, 28 left under the hard cap"):
        through_reasoner(model, budget=10.0, samples=1)
    assert ledger.spent == 22.0
