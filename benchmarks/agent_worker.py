"""Times agent runs under the middleware of the library that it imports: part of agent_overhead.py.

The first line read begins the work, each further line names a measurement and is answered with its
milliseconds a run. It uses only names that every version exports.
"""

import asyncio
import json
import sys
import time

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

import adaptive_reasoner
from adaptive_reasoner import AdaptiveComputeMiddleware, FixedPolicy, open_ledger, single_pass

STEPS = 10
RUNS = 5  # in a block
USAGE = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}
ASKED = {"messages": [HumanMessage("What is 5 + 9?")]}
LIMITS = {"recursion_limit": 100}


class Instant(BaseChatModel):
    """Answers at once: a tool call at each step but the last."""

    max_tokens: int = 50

    @property
    def _llm_type(self):
        return "instant"

    def bind_tools(self, *_, **__):
        """It needs none to call one."""
        return self

    def _generate(self, messages, *_, **__):
        made = sum(isinstance(message, AIMessage) for message in messages)
        calls = [{"name": "add", "args": {"a": 5, "b": made}, "id": f"call-{made}"}]
        reply = AIMessage("14", tool_calls=calls if made < STEPS - 1 else [], usage_metadata=USAGE)
        return ChatResult(generations=[ChatGeneration(message=reply)])

    async def _agenerate(self, messages, *_, **__):
        return self._generate(messages)


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def agent():
    budgeted = AdaptiveComputeMiddleware(
        policy=FixedPolicy("single_pass", expected_cost=3.0, worst_cost=50.0),
        actions={"single_pass": single_pass()},
        ledger=open_ledger("memory://", target=30.0),
        run_budget=1_000.0,
    )
    return create_agent(Instant(), [add], middleware=[budgeted])


async def awaited(agent):
    for _ in range(RUNS):
        await agent.ainvoke(ASKED, LIMITS)


def invoked(agent):
    for _ in range(RUNS):
        agent.invoke(ASKED, LIMITS)


def main():
    sys.stdin.readline()
    measured = agent()
    works = {"invoke": lambda: invoked(measured), "ainvoke": lambda: asyncio.run(awaited(measured))}
    for work in works.values():
        work()
    assert len(measured.invoke(ASKED, LIMITS)["messages"]) == 2 * STEPS
    print(json.dumps({"file": adaptive_reasoner.__file__}), flush=True)
    for name in map(str.strip, sys.stdin):
        wall, busy = time.perf_counter(), time.process_time()
        works[name]()
        found = {"wall": time.perf_counter() - wall, "processor": time.process_time() - busy}
        print(json.dumps({clock: 1e3 * seconds / RUNS for clock, seconds in found.items()}), flush=True)


if __name__ == "__main__":
    main()
