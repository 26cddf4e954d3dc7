"""How fast does collection draw, beside a bare client, and does its memory stay flat?

    python benchmarks/collection.py [--calls 3840] [--rows 100000] [--pairs 5] [--out FILE]

A stub in a process of its own answers every call after 200 ms. The bare client is `openai.AsyncOpenAI` as it
comes, under `asyncio.gather` with a semaphore; collection does its whole work: prompts, the notes of calls
under way, retries at hand, grading, rows, the cap. Both have 64 calls in flight, and take turns in one run.
Memory is that of the process (RSS) while it collects many rows under a cap from a model that answers at once,
within the process.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import openai
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_openai import ChatOpenAI
from provenance import made_with

from adaptive_reasoner.answers import numeric
from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.menu.menu import Menu
from adaptive_reasoner.kit.questions import Question
from adaptive_reasoner.models.source import Source

ROOT = Path(__file__).resolve().parents[1]
IN_FLIGHT = 64
SAMPLES = 8
STUB = """
import sys
from tests.stub_server import StubServer
with StubServer(latency=float(sys.argv[1])) as stub:
    stub.bodies = type("Forgetful", (list,), {"append": lambda self, body: None})()
    print(stub.base_url, flush=True)
    sys.stdin.read()
"""


class Stub:
    """The stub, in a process of its own."""

    def __init__(self, latency):
        program = [sys.executable, "-c", STUB, str(latency)]
        self._process = subprocess.Popen(
            program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.base_url = self._process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.communicate()


class AtOnce(BaseChatModel):
    """Answers at once."""

    @property
    def _llm_type(self):
        return "at once"

    def _generate(self, *_args, **_kwargs):
        usage = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Answer: 7", usage_metadata=usage))])

    async def _agenerate(self, *_args, **_kwargs):
        return self._generate()


def text_of(number):
    return f"What is {number} + 1?"


async def bare(base_url, calls):
    slots = asyncio.Semaphore(IN_FLIGHT)
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:

        async def call(number):
            async with slots:
                messages = [{"role": "user", "content": text_of(number // SAMPLES)}]
                await client.chat.completions.create(model="stub", messages=messages, max_completion_tokens=8)

        await asyncio.gather(*(call(number) for number in range(calls)))


def collected(model, calls, folder, *, on_progress=None):
    sources = {"ask": Source(model, max_tokens=8)}
    menu = Menu(sources, samples=SAMPLES, grader=numeric)
    questions = [Question(f"q{n}", text_of(n), str(n + 1)) for n in range(calls // SAMPLES)]
    out = Path(folder) / "samples.jsonl"
    done = collect(questions, menu, out, concurrency=IN_FLIGHT, max_cost=1e9, on_progress=on_progress)
    assert done.there == calls
    assert done.failed == 0


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def throughput(calls, pairs):
    rows = []
    with Stub(0.2) as stub, tempfile.TemporaryDirectory() as scratch:
        asyncio.run(bare(stub.base_url, IN_FLIGHT))
        for pair in range(pairs):
            plain = timed(lambda: asyncio.run(bare(stub.base_url, calls)))
            folder = Path(scratch) / str(pair)
            model = ChatOpenAI(base_url=stub.base_url, api_key="none", model="stub")
            ours = timed(lambda model=model, folder=folder: collected(model, calls, folder))
            rows.append(
                {
                    "bare_calls_per_second": round(calls / plain[0], 1),
                    "collect_calls_per_second": round(calls / ours[0], 1),
                    "share_of_bare": round(plain[0] / ours[0], 3),
                    "bare_cpu_ms_per_call": round(1e3 * plain[1] / calls, 2),
                    "collect_cpu_ms_per_call": round(1e3 * ours[1] / calls, 2),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    shares = sorted(row["share_of_bare"] for row in rows)
    return {
        "calls": calls,
        "in_flight": IN_FLIGHT,
        "latency_seconds": 0.2,
        "most_possible_calls_per_second": IN_FLIGHT / 0.2,
        "share_of_bare": {"lowest": shares[0], "median": statistics.median(shares), "highest": shares[-1]},
        "pairs": rows,
    }


def megabytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def memory(rows):
    seen = {}

    def watch(now):
        if now.there % (rows // 10) == 0:
            seen[now.there] = round(megabytes(), 1)
            print(now.there, seen[now.there], flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        collected(AtOnce(), rows, scratch, on_progress=watch)
    tenth = rows // 10
    return {
        "rows": rows,
        "megabytes_by_rows": seen,
        "growth_from_a_tenth_megabytes": round(seen[rows] - seen[tenth], 1),
        "bytes_per_row": round(1e6 * (seen[rows] - seen[tenth]) / (rows - tenth), 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=3840)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "collection.json")
    options = parser.parse_args()
    packages = ("adaptive-reasoner", "langchain-core", "langchain-openai", "openai", "aiohttp", "httpx2")
    result = {
        "command": f"python benchmarks/collection.py --calls {options.calls} --pairs {options.pairs} "
        f"--rows {options.rows}",
        **made_with(*packages),
        "seed": None,
        "throughput": throughput(options.calls, options.pairs),
        "memory": memory(options.rows) if options.rows else None,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
