"""Tools on the bill: reserved before they run, at what they declare or report; and how often they may run."""

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import LLMToolEmulator, ToolRetryMiddleware
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations import run_bills
from adaptive_reasoner.ledger import open_ledger
from tests.calling_agents import Caller, agent_of, told
from tests.fakes import ScriptedModel

ASKED = {"messages": [HumanMessage("What is it?")]}


ran = []


@pytest.fixture(autouse=True)
def fresh():
    ran.clear()


@tool
def search(query: str) -> str:
    """Search."""
    ran.append(query)
    return "found"


SEARCH = ("search", {"query": "x"})
HOW = pytest.mark.parametrize("how", ["invoke", "ainvoke"])


async def asked(agent, how, given=ASKED, config=None):
    return agent.invoke(given, config) if how == "invoke" else await agent.ainvoke(given, config)


@HOW
async def test_a_tool_costs_what_is_declared(how):
    agent, ours = agent_of([search], [SEARCH, SEARCH], [SEARCH], tool_costs={"search": 0.25})
    await asked(agent, how)
    assert (ours.ledger.snapshot().spent, len(ran)) == (3 + 3 * 0.25, 3)
    assert (ours.ledger.snapshot().in_flight, ours.ledger.snapshot().questions) == (0, 1)


def test_a_tool_costs_what_a_function_of_the_call_says():
    agent, ours = agent_of([search], [SEARCH], tool_costs={"search": lambda call: len(call["args"]["query"])})
    agent.invoke(ASKED)
    assert ours.ledger.spent == 2 + 1


@HOW
@pytest.mark.parametrize("declared", [{"tool_costs": {"serach": 0.25}}, {"tool_limits": {"Search": 0}}])
async def test_a_slip_in_the_name_of_a_tool_is_told_once(how, declared):
    agent, ours = agent_of([search], [SEARCH], [SEARCH], **declared)
    with pytest.warns(
        UserWarning, match="the agent has the tool 'search': calls of 'search' are not"
    ) as told:
        await asked(agent, how)
    assert len(told) == 1
    assert ours.ledger.spent == 3


def test_the_name_of_a_subagents_tool_is_no_slip():
    agent, ours = agent_of([search], [SEARCH], tool_costs={"search": 0.25, "search_web": 0.5, "crawl": 0.5})
    agent.invoke(ASKED)  # without a warning
    assert ours.ledger.spent == 2.25


class Reporting:
    def __init__(self, **fields):
        self.fields = fields

    def __call__(self):
        fields = self.fields

        @tool(response_format="content_and_artifact")
        def by_artifact(query: str) -> tuple[str, dict]:
            """Search."""
            return "found", {"cost": 0.5}

        @tool
        def by_message(query: str, runtime_id: str = "1") -> ToolMessage:
            """Search."""
            return ToolMessage("found", tool_call_id="0-0", **fields)

        return by_message if fields else by_artifact


@pytest.mark.parametrize(
    ("fields", "declared", "cost"),
    [
        ({"response_metadata": {"cost": 0.5}}, None, 0.5),
        ({"additional_kwargs": {"cost": 0.5}}, None, 0.5),
        ({"response_metadata": {"cost": 0.5}}, 2.0, 0.5),
        ({"response_metadata": {"cost": 0}}, 2.0, 0.0),
        ({"response_metadata": {"cost": -1}}, 2.0, 2.0),
        ({"response_metadata": {"cost": "dear"}}, 2.0, 2.0),
        ({}, 2.0, 0.5),
        ({}, None, 0.0),  # an artifact is data, and its `cost` may be that of what was found
    ],
)
@HOW
async def test_a_tool_costs_what_its_message_reports(how, fields, declared, cost):
    reporting = Reporting(**fields)()
    name = reporting.name
    costs = {} if declared is None else {name: declared}
    agent, ours = agent_of([reporting], [(name, {"query": "x"})], tool_costs=costs)
    await asked(agent, how)
    assert ours.ledger.snapshot().spent == 2 + cost


@HOW
async def test_a_tool_that_does_not_fit_is_not_called_and_the_model_is_told(how):
    agent, ours = agent_of([search], [SEARCH], [SEARCH], tool_costs={"search": 2.0}, run_budget=5.5)
    state = await asked(agent, how)
    assert (len(ran), ours.ledger.spent) == (1, 5.0)
    refused = told(state)[1]
    assert refused.status == "error"
    assert refused.text == (
        "The tool search has no result: the budget has no room for it: this can cost 2 samples, "
        "and the run has 1.5 of 5.5 left. Answer from what is known, or use another tool."
    )


@HOW
async def test_a_tool_that_does_not_fit_raises_where_asked_to(how):
    options = {"tool_costs": {"search": 2.0}, "run_budget": 2.5, "on_exhausted": "raise"}
    agent, _ = agent_of([search], [SEARCH], **options)
    with pytest.raises(BudgetExceededError, match=r"can cost 2 samples, and the run has 1\.5 of 2\.5 left"):
        await asked(agent, how)
    assert ran == []


def test_tools_side_by_side_do_not_spend_more_than_there_is():
    agent, ours = agent_of([search], [SEARCH] * 6, tool_costs={"search": 2.0}, run_budget=6.5)
    state = agent.invoke(ASKED)
    assert (len(ran), ours.ledger.spent) == (2, 6.0)
    assert sum(message.status == "error" for message in told(state)) == 4


def test_a_hard_cap_holds_tools_too():
    ledger = open_ledger("memory://", cost_unit="samples", hard_cap=4.0)
    agent, _ = agent_of([search], [SEARCH, SEARCH], tool_costs={"search": 2.0}, ledger=ledger)
    state = agent.invoke(ASKED)
    assert (len(ran), ledger.spent) == (1, 4.0)
    assert sorted("hard cap" in message.text for message in told(state)) == [False, True]


def test_every_attempt_at_a_tool_is_billed():
    fails = iter([True, True, False])

    @tool
    def shaky(query: str) -> str:
        """Search."""
        ran.append(query)
        if next(fails):
            raise OSError("no route")
        return "found"

    retry = ToolRetryMiddleware(max_retries=3, initial_delay=0.0, jitter=False)
    agent, ours = agent_of(
        [shaky], [("shaky", {"query": "x"})], middleware=[retry], tool_costs={"shaky": 0.5}
    )
    agent.invoke(ASKED)
    assert (len(ran), ours.ledger.spent) == (3, 2 + 3 * 0.5)


def test_a_tool_that_is_only_imitated_costs_nothing():
    imitator = LLMToolEmulator(tools=["search"], model=ScriptedModel())
    agent, ours = agent_of([search], [SEARCH], middleware=[imitator], tool_costs={"search": 0.5})
    agent.invoke(ASKED)
    assert (ran, ours.ledger.spent) == ([], 3.0)  # the imitating model is a call as well


def test_a_tool_that_interrupts_is_billed_once_it_has_run():
    @tool
    def approved(query: str) -> str:
        """Search."""
        interrupt("may I?")
        ran.append(query)
        return "found"

    agent, ours = agent_of(
        [approved],
        [("approved", {"query": "x"})],
        tool_costs={"approved": 0.5},
        checkpointer=InMemorySaver(),
    )
    config = {"configurable": {"thread_id": "1"}}
    agent.invoke(ASKED, config)
    assert (ours.ledger.spent, ours.ledger.snapshot().in_flight) == (1.0, 0)
    agent.invoke(Command(resume=True), config)
    assert (ran, ours.ledger.spent) == (["x"], 2.5)


def test_the_paid_tool_of_a_subagent_is_on_the_bill():
    inner = create_agent(Caller(calls=([SEARCH],)), [search])

    @tool
    def ask(question: str) -> str:
        """Ask."""
        return inner.invoke(ASKED)["messages"][-1].text

    agent, ours = agent_of([ask], [("ask", {"question": "why"})], tool_costs={"search": 0.25})
    agent.invoke(ASKED)
    assert (len(ran), ours.ledger.spent) == (1, 2 + 2 + 0.25)


@HOW
async def test_a_call_above_its_tools_limit_gets_a_message_that_says_so(how):
    rounds = [[SEARCH], [SEARCH, SEARCH], [SEARCH]]
    agent, _ = agent_of([search], *rounds, tool_limits={"search": 2})
    state = await asked(agent, how)
    assert [message.status for message in told(state)].count("error") == 2
    assert len(ran) == 2
    assert told(state)[-1].text == (
        "The tool search has no result: its limit of 2 calls per run is reached. "
        "Answer from what is known, or use another tool."
    )
    assert state["messages"][-1].text == "Answer: 42"


def test_a_limit_is_one_of_the_run_and_holds_after_it_is_taken_up_elsewhere(tmp_path):
    saver = InMemorySaver()
    config = {"configurable": {"thread_id": "1"}}
    first, _ = agent_of([search], [SEARCH], [SEARCH], tool_limits={"search": 1}, checkpointer=saver)
    first.invoke(ASKED, config, interrupt_after=["tools"])
    assert len(ran) == 1
    # Another process knows what the state says.
    run_bills._bills.clear()
    first.invoke(None, config)
    assert len(ran) == 1
    again, _ = agent_of([search], [SEARCH], tool_limits={"search": 1}, checkpointer=saver)
    again.invoke({"messages": [HumanMessage("And now?")]}, config)
    assert len(ran) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tool_costs": {"search": -1.0}}, "the cost of tool 'search'"),
        ({"tool_costs": {"search": "dear"}}, "the cost of tool 'search'"),
        ({"tool_costs": {"search": float("inf")}}, "the cost of tool 'search'"),
        ({"tool_limits": {"search": 1.5}}, "the limit of tool 'search'"),
        ({"tool_limits": {"search": -1}}, "the limit of tool 'search'"),
        ({"tool_costs": ["search"]}, "tool_costs is what each tool costs, by its name"),
        ({"tool_limits": 3}, "tool_limits is the most calls of each tool, by its name"),
    ],
)
def test_what_is_no_cost_or_limit_is_refused_at_construction(options, said):
    with pytest.raises((ValueError, TypeError), match=said):
        agent_of([search], **options)


def test_a_function_that_returns_no_cost_is_an_error_that_names_the_tool():
    agent, _ = agent_of([search], [SEARCH], tool_costs={"search": lambda call: None})
    with pytest.raises(ValueError, match="the cost of tool 'search'"):
        agent.invoke(ASKED)
    assert ran == []


def test_the_message_of_a_tool_stays_as_it_is():
    agent, _ = agent_of([search], [SEARCH], tool_costs={"search": 0.25})
    plain = create_agent(Caller(calls=([SEARCH],)), [search])
    one, other = (told(each.invoke(ASKED))[0] for each in (agent, plain))
    assert one.model_dump(exclude={"id"}) == other.model_dump(exclude={"id"})
    assert isinstance(agent.invoke(ASKED)["messages"][-1], AIMessage)
