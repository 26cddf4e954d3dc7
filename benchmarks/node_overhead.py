"""What does a node add to a graph run, next to a node that only draws the same five samples with `abatch`?

    python benchmarks/node_overhead.py [--runs 300]

A model without latency, `FixedPolicy`, a ledger in memory. The graphs take turns, run by run, and the medians
count. `agreeing` samples let the vote end after three; `split` ones make it draw all five, in three waves,
where the bare node draws five at once. Seconds of the processor stand beside those of the wall, as the
machine has other work.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import time
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import START, MessagesState, StateGraph
from provenance import made_with
from pydantic import PrivateAttr

from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = 5
USAGE = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}
ANSWERS = {"agreeing": ("1",), "split": ("1", "2", "3", "1", "2")}
ASKED = {"messages": [HumanMessage("What is 5 + 9?")]}


class Instant(BaseChatModel):
    """Answers at once, in turn."""

    answers: tuple[str, ...]
    _turn: itertools.count = PrivateAttr(default_factory=itertools.count)

    @property
    def _llm_type(self):
        return "instant"

    def _generate(self, *_, **__):
        text = f"Answer: {self.answers[next(self._turn) % len(self.answers)]}"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text, usage_metadata=USAGE))])

    async def _agenerate(self, *_, **__):
        return self._generate()


def bare(model):
    async def draw(state, config):
        replies = await model.abatch([state["messages"]] * SAMPLES, config)
        return {"messages": [replies[0]]}

    return StateGraph(MessagesState).add_node("draw", draw).add_edge(START, "draw").compile()


def adaptive(model):
    node = AdaptiveComputeNode(
        model,
        policy=FixedPolicy(f"vote_{SAMPLES}", expected_cost=12.0),
        actions={f"vote_{SAMPLES}": self_consistency(SAMPLES)},
        budget=20.0,
    )
    return node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()


async def measure(graphs, runs):
    wall, processor = ({name: [] for name in graphs} for _ in range(2))
    for number in range(runs + 20):
        for name, graph in graphs.items():
            begin, busy = time.perf_counter(), time.process_time()
            await graph.ainvoke(ASKED)
            if number >= 20:
                wall[name].append(1e3 * (time.perf_counter() - begin))
                processor[name].append(1e3 * (time.process_time() - busy))
    medians = {
        f"{name}_{clock}_ms": round(statistics.median(times[name]), 3)
        for clock, times in (("wall", wall), ("processor", processor))
        for name in graphs
    }
    ratios = {
        f"ratio_{clock}": round(medians[f"adaptive_{clock}_ms"] / medians[f"bare_{clock}_ms"], 2)
        for clock in ("wall", "processor")
    }
    return medians | ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=300)
    runs = parser.parse_args().runs
    rows = {
        name: asyncio.run(
            measure({"bare": bare(Instant(answers=a)), "adaptive": adaptive(Instant(answers=a))}, runs)
        )
        for name, a in ANSWERS.items()
    }
    packages = ("adaptive-reasoner", "langchain-core", "langgraph")
    result = {
        "command": f"python benchmarks/node_overhead.py --runs {runs}",
        **made_with(*packages),
        "samples": SAMPLES,
        "rows": rows,
    }
    print(json.dumps(result, indent=1))
    (ROOT / "benchmarks" / "results" / "node_overhead.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
