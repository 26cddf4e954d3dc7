"""The label-free price of an agent belongs to a whole run, however many steps it has."""

import itertools
import random
import statistics

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from pydantic import PrivateAttr

from adaptive_reasoner.integrations.context import AdaptiveContext
from adaptive_reasoner.integrations.middleware import AdaptiveComputeMiddleware
from adaptive_reasoner.integrations.run_lengths import RunLengths

ASKED = {"messages": [HumanMessage("What is it?")]}


@tool
def look(query: str) -> str:
    """Look it up."""
    return "found"


class Unsure(BaseChatModel):
    """Looks up what it is not sure of, until a run has so many steps; a call costs 10."""

    steps: int
    seed: int = 0
    _chance: random.Random = PrivateAttr()
    _number: itertools.count = PrivateAttr(default_factory=itertools.count)

    def model_post_init(self, context):
        super().model_post_init(context)
        self._chance = random.Random(self.seed)

    @property
    def _llm_type(self):
        return "unsure"

    def bind_tools(self, tools, **kwargs):
        return self

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        done = sum(isinstance(message, ToolMessage) for message in messages)
        said = 0 if self._chance.random() < 0.6 else self._chance.randint(1, 6)
        call = {"name": "look", "args": {"query": f"{done}:{said}"}, "id": f"{next(self._number)}"}
        last = done == self.steps - 1
        usage = {"input_tokens": 9, "output_tokens": 10, "total_tokens": 19}
        reply = AIMessage(f"Answer: {said}" if last else "", tool_calls=[] if last else [call])
        return ChatResult(
            generations=[ChatGeneration(message=reply.model_copy(update={"usage_metadata": usage}))]
        )


def run_costs(steps, seed, runs):
    """What each run costs, where one pass at every step costs 0.7 of the budget."""
    ours = AdaptiveComputeMiddleware(budget=10 * steps / 0.7)
    agent = create_agent(Unsure(steps=steps, seed=seed), [look], middleware=[ours])
    before, costs = 0.0, []
    for _ in range(runs):
        agent.invoke(ASKED)
        costs.append((ours.ledger.spent - before) / ours.ledger.target)
        before = ours.ledger.spent
    return costs


@pytest.mark.parametrize("steps", [1, 6])
def test_the_first_runs_of_an_agent_cost_about_the_budget(steps):
    costs = [run_costs(steps, seed, 10) for seed in range(3)]
    assert statistics.fmean(itertools.chain(*costs)) <= 1.5
    assert max(each[0] for each in costs) <= 1.5


@pytest.mark.slow
@pytest.mark.parametrize("steps", [2, 8])
def test_the_average_of_a_hundred_runs_holds(steps):
    costs = [run_costs(steps, seed, 100) for seed in range(4)]
    assert statistics.fmean(itertools.chain(*costs)) <= 1.1


def test_the_price_of_a_step_is_the_price_of_a_run_times_its_steps():
    ours, prices = AdaptiveComputeMiddleware(budget=100.0), []
    agent = create_agent(Unsure(steps=3), [look], middleware=[ours])
    for _ in range(4):
        price = ours.ledger.price
        streamed = agent.stream(ASKED, stream_mode="custom")
        events = [event for event in streamed if event["event"] == "decision"]
        prices.append(events[0]["price"] / price)
    assert prices == pytest.approx([30.0, 10.5 / 1.25, 13.5 / 2.25, 16.5 / 3.25])
    assert events[0]["expected_cost"] == pytest.approx(100.0 / (16.5 / 3.25))


def test_a_price_or_a_budget_of_the_run_itself_is_kept():
    ours = AdaptiveComputeMiddleware(budget=100.0)
    agent = create_agent(Unsure(steps=1), [look], middleware=[ours], context_schema=AdaptiveContext)

    def decided(**context):
        events = agent.stream(ASKED, context=context, stream_mode="custom")
        return next(event for event in events if event["event"] == "decision")

    assert decided(price=0.5)["price"] == 0.5
    assert decided(budget=200.0)["expected_cost"] == pytest.approx(200.0 / (8.5 / 1.25))


def test_lengths_are_learned_by_agents_of_many_threads():
    lengths = RunLengths()
    for calls in (5, 7):
        lengths.learn(calls)
    assert lengths.expected(0) == (30 / 4 + 5 + 7) / (1 / 4 + 2)
