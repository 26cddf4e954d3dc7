"""What agents and models inside a run cost is on its bill, once."""

import asyncio
from contextlib import suppress

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.decisions import Choice
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from adaptive_reasoner.errors import BudgetExceededError, UnpricedUsageError
from adaptive_reasoner.integrations.chat_model import AdaptiveChatModel
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from tests.fakes import StatusError
from tests.priced_agents import (
    HOW,
    METER,
    PricedModel,
    PricedRouter,
    Spent,
    calls,
    run,
    settled,
    steps,
)
from tests.unit_tests.integrations.billed_agents import ACTIONS, ASKED, budgeted
from tests.waiting import wait_until


def talker(name, spent, *, text="So it is.", **options):
    return PricedModel(model=name, script=lambda _: AIMessage(text), spent=spent, **options)


def asking(agent, name="ask", config=None):
    """An agent as a tool."""

    @tool(name)
    def ask(question: str) -> str:
        """Ask."""
        return agent.invoke({"messages": [("user", question)]}, config)["messages"][-1].text

    return ask


def main_with(tools, spent, middleware, **options):
    """An agent that calls each tool once, and then answers."""
    first = calls(*((each.name, {"question": "why"}) for each in tools))
    model = PricedModel(model="main", script=steps(first, AIMessage("Done.")), spent=spent)
    return create_agent(model, tools, middleware=middleware, **options)


@pytest.mark.parametrize("shared", [True, False])
def test_a_subagent_with_a_budget_of_its_own_is_charged_once_a_ledger(shared):
    spent, inside = Spent(), Spent()
    ours = budgeted()
    theirs = budgeted(ours.ledger if shared else None, action="vote_3", run_budget=0.02)
    subagent = create_agent(talker("researcher", inside), middleware=[theirs])
    main_with([asking(subagent)], spent, [ours]).invoke(ASKED)
    spent.calls += inside.calls
    assert settled(ours.ledger, spent).questions == 1
    assert inside.count("researcher") == 2
    if not shared:
        settled(theirs.ledger, inside)


def test_a_subagent_on_a_thread_of_its_own_is_on_the_bill():
    spent, ours = Spent(), budgeted()
    subagent = create_agent(talker("researcher", spent), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "its own"}}
    main_with([asking(subagent, config=config)], spent, [ours]).invoke(ASKED)
    assert spent.count("researcher") == 1
    settled(ours.ledger, spent)


def test_what_a_run_inside_may_cost_is_what_is_left_around_it():
    spent, ours = Spent(), budgeted(run_budget=0.006)
    theirs = budgeted(ours.ledger, run_budget=1.0)
    subagent = create_agent(talker("researcher", spent), middleware=[theirs])
    told = []

    @tool
    def ask(question: str) -> str:
        """Ask twice."""
        asked = {"messages": [("user", "why " * 900)]}
        told.extend(subagent.invoke(asked)["messages"][-1].text for _ in range(9))
        return told[-1]

    main_with([ask], spent, [ours]).invoke(ASKED)
    assert "the budget is used up" in told[-1]
    assert "So it is." in told[0]
    assert settled(ours.ledger, spent).spent <= 0.006


@pytest.mark.parametrize("how", HOW)
async def test_a_call_of_a_subagent_that_does_not_fit_is_not_made(how):
    spent, ours = Spent(), budgeted(run_budget=0.005)
    dear = create_agent(talker("researcher", spent, max_tokens=100_000))
    state = await run(main_with([asking(dear)], spent, [ours]), how, ASKED)
    told = next(message for message in state["messages"] if isinstance(message, ToolMessage))
    assert told.status == "error"
    assert "The tool ask has no result: the budget has no room for it: this can cost 0.4" in told.text
    assert state["messages"][-1].text == "Done."
    assert spent.count("researcher") == 0
    settled(ours.ledger, spent)


def test_a_call_of_a_subagent_that_does_not_fit_raises_where_asked_to():
    spent, ours = Spent(), budgeted(run_budget=0.005, on_exhausted="raise")
    dear = create_agent(talker("researcher", spent, max_tokens=100_000))
    with pytest.raises(
        BudgetExceededError, match=r"can cost 0\.4\d* usd, and the run has 0\.00\d* of 0\.005"
    ):
        main_with([asking(dear)], spent, [ours]).invoke(ASKED)
    settled(ours.ledger, spent)


def test_under_a_hard_cap_a_call_of_any_length_is_not_made():
    spent = Spent()
    ours = budgeted(open_ledger("memory://", cost_unit="usd", hard_cap=1.0))
    endless = create_agent(talker("researcher", spent, max_tokens=None))
    main_with([asking(endless)], spent, [ours]).invoke(ASKED)
    assert spent.count("researcher") == 0
    settled(ours.ledger, spent)


def test_agents_side_by_side_do_not_spend_more_than_the_run_around_them_has():
    spent, ours = Spent(), budgeted(run_budget=0.01)
    calling, ended = [], []

    def together(name):
        calling.append(name)
        wait_until(lambda: len(calling) + len(ended) == 4)  # the others were told that there is no room

    def counted(agent, name):
        @tool(name)
        def ask(question: str) -> str:
            """Ask."""
            try:
                return agent.invoke({"messages": [("user", question)]})["messages"][-1].text
            finally:
                ended.append(name)

        return ask

    each = [create_agent(talker("researcher", spent, max_tokens=1_500, before=together)) for _ in range(4)]
    tools = [counted(agent, f"ask_{number}") for number, agent in enumerate(each)]
    main_with(tools, spent, [ours]).invoke(ASKED)
    assert 0 < spent.count("researcher") < 4
    assert settled(ours.ledger, spent).spent <= 0.01


@pytest.mark.parametrize("how", HOW)
async def test_fallbacks_and_retries_of_a_model_are_on_the_bill(how):
    spent, ours = Spent(), budgeted()
    lost = talker("researcher", spent, failures=(0,), error=TimeoutError("slow"))
    refused = talker("writer", spent, failures=(0,))
    chain = refused.with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    falls_back = lost.with_fallbacks([chain])

    @tool
    def ask(question: str) -> str:
        """Ask a model."""
        return falls_back.invoke(question).text

    await run(main_with([ask], spent, [ours]), how, ASKED)
    lost_at_most = METER.worst_cost([HumanMessage("why")], 200)
    spent.add("lost", lost_at_most)
    assert (spent.count("writer"), spent.count("researcher")) == (1, 0)
    settled(ours.ledger, spent)


class Wrapper(PricedModel):
    """A chat model that calls another one inside its own call, and reports the usage of both as its own."""

    inner: object = None

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        with suppress(StatusError):
            self.inner.invoke(messages)
        message = self.inner.invoke(messages)
        return ChatResult(generations=[ChatGeneration(message=message)])


@pytest.mark.parametrize("failures", [(), (0,)])
def test_a_model_that_calls_another_is_billed_once(failures):
    spent, ours = Spent(), budgeted()
    inner = talker("researcher", spent, failures=failures)
    wrapper = Wrapper(model="researcher", script=lambda _: AIMessage(""), spent=spent, inner=inner)
    main_with([asking(create_agent(wrapper))], spent, [ours]).invoke(ASKED)
    assert spent.count("researcher") == 2 - len(failures)
    settled(ours.ledger, spent)


ROUTES = Choice(instructions="Which?", criteria={"one": "Plain.", "other": "Hard."})


class SilentRouter(PricedRouter):
    """A decision model that reports no usage."""

    def _classify(self, state, questions):
        return super()._classify(state, questions).model_copy(update={"usage": None})


def test_a_call_after_a_decision_without_usage_is_not_inside_it():
    spent, ours = Spent(), budgeted()
    SilentRouter(spent=Spent()).invoke({"state": "Why?", "questions": {"action": ROUTES}})
    wrapper = Wrapper(
        model="researcher", script=lambda _: AIMessage(""), spent=spent, inner=talker("researcher", spent)
    )
    main_with([asking(create_agent(wrapper))], spent, [ours]).invoke(ASKED)
    settled(ours.ledger, spent)


class RoutesFirst(AgentMiddleware):
    """Asks a decision model before the bill of its agent is opened."""

    def before_agent(self, state, runtime):
        SilentRouter(spent=Spent()).invoke({"state": "Why?", "questions": {"action": ROUTES}})


def test_a_decision_without_usage_is_on_no_bill_that_is_opened_after_it():
    spent, ours = Spent(), budgeted()
    create_agent(talker("main", spent), middleware=[RoutesFirst(), ours]).invoke(ASKED)
    settled(ours.ledger, spent)


async def test_a_call_that_is_cancelled_does_not_hide_the_next():
    spent, ours = Spent(), budgeted(open_ledger("memory://", cost_unit="usd", reservation_ttl=60.0))
    slow, quick = talker("researcher", spent, seconds=9.0), talker("writer", spent)

    @tool
    async def ask(question: str) -> str:
        """Ask a model that is slow, and then another one."""
        try:
            async with asyncio.timeout(0.05):
                return (await slow.ainvoke(question)).text
        except TimeoutError:
            return (await quick.ainvoke(question)).text

    await main_with([ask], spent, [ours]).ainvoke(ASKED)
    assert (spent.count("researcher"), spent.count("writer")) == (0, 1)
    snapshot = ours.ledger.snapshot()
    assert snapshot.spent == pytest.approx(spent.dollars, abs=4e-9)
    assert snapshot.held == pytest.approx(METER.worst_cost([HumanMessage("why")], 200))  # until it expires


def test_what_the_consumer_of_a_stream_calls_is_a_call_of_its_own():
    spent, ours = Spent(), budgeted()
    one, other = talker("researcher", spent), talker("writer", spent)

    @tool
    def ask(question: str) -> str:
        """Ask two models."""
        return "".join(
            chunk.text + other.invoke(chunk.text).text for chunk in one.stream(question) if chunk.text
        )

    main_with([ask], spent, [ours]).invoke(ASKED)
    assert (spent.count("researcher"), spent.count("writer")) == (1, 1)
    settled(ours.ledger, spent)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("how", HOW)
async def test_an_adaptive_model_inside_is_billed_once(shared, how):
    spent, ours = Spent(), budgeted()
    policy = FixedPolicy("vote_3", expected_cost=0.001, worst_cost=0.004, cost_unit="usd")
    ledger = ours.ledger if shared else open_ledger("memory://", cost_unit="usd")
    options = {"policy": policy, "actions": ACTIONS, "meter": METER, "ledger": ledger}
    adaptive = AdaptiveChatModel(talker("researcher", spent), **options)
    reasoner = AdaptiveReasoner(talker("writer", spent), **options)
    node = AdaptiveComputeNode(talker("writer", spent), **options)
    graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()

    @tool
    def ask(question: str) -> str:
        """Ask a model."""
        return adaptive.invoke(question).text + "".join(chunk.text for chunk in reasoner.stream(question))

    await run(main_with([ask, asking(graph, "ask_graph")], spent, [ours]), how, ASKED)
    assert (spent.count("researcher"), spent.count("writer")) == (2, 4)
    assert abs(ours.ledger.snapshot().spent - spent.dollars) < 1e-8
    assert ours.ledger.snapshot().in_flight == 0


def test_two_agents_of_one_graph_have_a_run_each_and_are_one_question():
    spent, ours = Spent(), budgeted(run_budget=0.0045)
    agents = [create_agent(talker("researcher", spent, max_tokens=20), middleware=[ours]) for _ in range(2)]
    plain = talker("writer", spent)
    graph = (
        StateGraph(MessagesState)
        .add_node("first", agents[0])
        .add_node("between", lambda state: {"messages": [plain.invoke(state["messages"])]})
        .add_node("second", agents[1])
        .add_edge(START, "first")
        .add_edge("first", "between")
        .add_edge("between", "second")
        .compile()
    )
    graph.invoke(ASKED)
    assert (spent.count("researcher"), spent.count("writer")) == (2, 1)
    spent.calls = [call for call in spent.calls if call[0] != "writer"]  # which is on no agent's bill
    assert settled(ours.ledger, spent).questions == 1


async def test_one_agent_asked_many_things_at_once_keeps_them_apart():
    spent, ours = Spent(), budgeted(run_budget=0.005)
    agent = create_agent(talker("researcher", spent, text="so " * 900, max_tokens=1_000), middleware=[ours])

    async def ask_all(state):
        states = await asyncio.gather(*(agent.ainvoke(ASKED) for _ in range(8)))
        return {"messages": [state["messages"][-1] for state in states]}

    graph = StateGraph(MessagesState).add_node("all", ask_all).add_edge(START, "all").compile()
    state = await graph.ainvoke(ASKED)
    assert [message.text[:5] for message in state["messages"][1:]] == 8 * ["so so"]
    settled(ours.ledger, spent)


def test_a_reply_without_a_price_is_an_error_wherever_it_comes_from():
    spent, ours = Spent(), budgeted()
    unknown = talker("researcher", spent, answers_as="nobody-knows")
    with pytest.raises(UnpricedUsageError, match="nobody-knows"):
        main_with([asking(create_agent(unknown))], spent, [ours]).invoke(ASKED)
    assert ours.ledger.snapshot().in_flight == 0
    assert ours.ledger.spent > spent.dollars


def test_what_is_called_outside_of_a_run_is_on_no_bill():
    spent, ours = Spent(), budgeted()
    talker("researcher", Spent()).invoke("why")
    main_with([], spent, [ours]).invoke(ASKED)
    talker("researcher", Spent()).invoke("why")
    settled(ours.ledger, spent)
