"""Two subagents and a paid tool under one budget in dollars: everything that a run spends is on one bill.

    agent -> ask_researcher -> (researcher: search, paid)
          -> ask_writer     -> (writer)

`BUDGET` dollars are allowed per run on average, `RUN_BUDGET` at most. Replace `search` by your own; its price
is in `TOOL_COSTS`.
"""

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from adaptive_reasoner import AdaptiveComputeMiddleware, AdaptiveContext
from graphs.models import chat_model

BUDGET, RUN_BUDGET, MAX_TOKENS = 0.05, 0.50, 1_000
TOOL_COSTS = {"search": 0.005}

FACTS = (
    "A budget ledger reserves the worst case of a call before it is made, and settles its real cost.",
    "Self-consistency samples several answers and returns the most frequent one.",
    "A price of compute is the accuracy that one unit of cost must bring.",
)


@tool
def search(query: str) -> str:
    """Search a small collection of facts, for half a cent."""
    words = {word.strip(".,?!").lower() for word in query.split()}
    found = [fact for fact in FACTS if words & {word.strip(".,?!").lower() for word in fact.split()}]
    return "\n".join(found) or "nothing found"


researcher = create_agent(
    chat_model(MAX_TOKENS), [search], system_prompt="Search for facts, and report them with their source."
)
writer = create_agent(
    chat_model(MAX_TOKENS), system_prompt="Write one clear paragraph from the notes you get."
)


@tool
def ask_researcher(question: str) -> str:
    """Ask the researcher, who can search."""
    return str(researcher.invoke({"messages": [HumanMessage(question)]})["messages"][-1].text)


@tool
def ask_writer(notes: str) -> str:
    """Ask the writer for a paragraph from notes."""
    return str(writer.invoke({"messages": [HumanMessage(notes)]})["messages"][-1].text)


budgeted = AdaptiveComputeMiddleware(
    budget=BUDGET, run_budget=RUN_BUDGET, meter="usd", tool_costs=TOOL_COSTS, tool_limits={"search": 10}
)
graph = create_agent(
    chat_model(MAX_TOKENS),
    [ask_researcher, ask_writer],
    system_prompt="Let the researcher find out what is asked, and the writer write the answer.",
    middleware=[budgeted],
    context_schema=AdaptiveContext,
)
