"""What does the server add to an answer, and does it hold the mean cost and the bill, also under chaos?

    python benchmarks/server_load.py [--seconds 60] [--runs 3]

The upstream answers after 100 ms. `open loop`: 40 requests a second over 200 connections, whether or not
earlier ones are answered; what a request takes beyond 100 ms for each of its rounds counts as added by the
server, with what the stub and the client are late. `by_rounds` has it by rounds, which each wait for a turn.
The mean cost is that of the account, which the ledger promises, and beside it that of the measured requests:
what the first requests of an account cost less, later ones may cost more. `quiet`: 5 requests a second.
`closed loop`: 200 connections ask one request after the other, with one call each: the rate of saturation.
Processor time of server, client and upstream stands beside that of the wall, as they share the machine.
`chaos`: an upstream that refuses, fails, cuts and loses; its bill is compared with the ledger's. Upstream,
server and client are processes of one machine.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import aiohttp
import httpx
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from adaptive_reasoner import open_ledger  # noqa: E402
from tests.stub_server import StubServer  # noqa: E402

LATENCY = 0.1
RATE, CONNECTIONS = 40, 200
TARGET = 8.0  # tokens; a sample has 3
MENU = '[sources.direct]\nbase_url = "{url}"\nmodel = "stub"\nmax_tokens = 100\n'
FAULTS = ("429", None, None, "cut", None, "500", None, "bad json", None, None, "reset", None)


def answer(prompt, number):
    """The easy half of the questions is answered alike, the hard half in three ways."""
    question = int(prompt.split()[-1].rstrip("?"))
    return f"Answer: {question if question % 2 else number * 7 % 3}"


@contextmanager
def program(*words):
    """A process, and the first line that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


@contextmanager
def serving(upstream, ledger):
    """A server in front of an upstream: its process and its address."""
    with tempfile.TemporaryDirectory() as folder:
        menu = Path(folder, "menu.toml")
        menu.write_text(MENU.format(url=upstream))
        options = [
            "--config",
            str(menu),
            "--budget",
            str(TARGET),
            "--ledger",
            ledger,
            "--port",
            "0",
            "--json",
        ]
        words = ("-c", "from adaptive_reasoner.cli import main; main()", "serve", *options)
        with program(*words, "--concurrency", "1000") as (process, line):
            yield process, json.loads(line)["url"]


def asked(number, model):
    return {"model": model, "messages": [{"role": "user", "content": f"What is 0 + {number}?"}]}


def connections():
    """A client of many connections, which takes less time a request than one of httpx."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60))


async def open_loop(url, seconds, rate=RATE, opening=CONNECTIONS):
    rows, errors = [], []
    async with connections() as client:

        async def ask(number):
            begin = time.perf_counter()
            async with client.post(f"{url}/chat/completions", json=asked(number, "adaptive")) as reply:
                body = await reply.json()
            taken = time.perf_counter() - begin
            if reply.status != 200:
                errors.append(body)
                return
            (decision,) = body["adaptive_reasoner"]["decisions"]
            rounds = decision["rounds"]
            rows.append((1e3 * (taken - LATENCY * rounds), decision["cost"], rounds))

        await asyncio.gather(*(ask(number) for number in range(opening)))  # opens the connections
        rows.clear()
        began, tasks = time.perf_counter(), []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            tasks.append(asyncio.ensure_future(ask(number)))
        await asyncio.gather(*tasks)
    added = sorted(each for each, *_ in rows)
    by_rounds = {}
    for each, _, rounds in sorted(rows):
        by_rounds.setdefault(rounds, []).append(each)
    return {
        "requests": int(rate * seconds),
        "errors": len(errors),
        "mean_cost_measured": round(statistics.mean(cost for _, cost, _ in rows), 3),
        "added_ms_p50": round(added[len(added) // 2], 1),
        "added_ms_p99": round(added[int(len(added) * 0.99)], 1),
        "by_rounds": {
            count: {"requests": len(each), "added_ms_p50": round(each[len(each) // 2], 1)}
            for count, each in sorted(by_rounds.items())
        },
    }


async def closed_loop(url, seconds):
    done, until = [0], time.perf_counter() + seconds
    async with connections() as client:

        async def keep_asking():
            while time.perf_counter() < until:
                async with client.post(f"{url}/chat/completions", json=asked(1, "direct")) as reply:
                    assert reply.status == 200, await reply.text()
                    await reply.read()
                done[0] += 1

        began = time.perf_counter()
        await asyncio.gather(*(keep_asking() for _ in range(CONNECTIONS)))
    return round(done[0] / (time.perf_counter() - began), 1)


def account_mean(url):
    """The mean cost of all requests so far, as the metrics have it."""
    text = httpx.get(f"{url.removesuffix('/v1')}/metrics").text
    (line,) = (line for line in text.splitlines() if line.startswith("adaptive_reasoner_ledger_average "))
    return round(float(line.split()[1]), 3)


def busy(process):
    """Seconds of processor time."""
    return sum(process.cpu_times()[:2])


async def chaos(url, requests):
    statuses = {}
    async with httpx.AsyncClient(timeout=300.0) as client:

        async def ask(number):
            body = asked(number, "adaptive") | {"stream": number % 3 == 0}
            reply = await client.post(f"{url}/chat/completions", json=body)
            statuses[reply.status_code] = statuses.get(reply.status_code, 0) + 1

        await asyncio.gather(*(ask(number) for number in range(requests)))
    return statuses


def measure_load(seconds):
    stub = (str(Path(__file__).resolve()), "--stub")
    with program(*stub) as (upstream, upstream_url), serving(upstream_url, "memory://") as (process, url):
        quiet = asyncio.run(open_loop(url, min(10.0, seconds), rate=5, opening=1))
        asyncio.run(open_loop(url, 2.0))
        server = psutil.Process(process.pid)
        parts = {"server": server, "client": psutil.Process(), "upstream": psutil.Process(upstream.pid)}
        memory, before = server.memory_info().rss, {name: busy(part) for name, part in parts.items()}
        row = asyncio.run(open_loop(url, seconds))
        grown = server.memory_info().rss - memory
        spent = {name: busy(part) - before[name] for name, part in parts.items()}
        requests = row["requests"] + CONNECTIONS
        return row | {
            "mean_cost_account": account_mean(url),
            "quiet_added_ms_p50": quiet["added_ms_p50"],
            **{f"{name}_processor_ms": round(1e3 * each / requests, 1) for name, each in spent.items()},
            "memory_mb": round((memory + grown) / 1e6, 1),
            "memory_grown_mb": round(grown / 1e6, 1),
            "saturates_at": asyncio.run(closed_loop(url, min(10.0, seconds))),
        }


def measure_chaos(requests):
    def fault(number):
        return FAULTS[number % len(FAULTS)]

    with (
        tempfile.TemporaryDirectory() as folder,
        StubServer(answer=answer, faults=fault, latency=0.02) as stub,
    ):
        ledger = f"sqlite:///{folder}/ledger.sqlite"
        with serving(stub.base_url, ledger) as (_, url):
            statuses = asyncio.run(chaos(url, requests))
        with open_ledger(ledger) as kept:
            state = kept.snapshot()
        return {
            "requests": requests,
            "statuses": dict(sorted(statuses.items())),
            "upstream_calls": len(stub.bodies),
            "upstream_bill": stub.priced,
            "ledger_spent": state.spent,
            "ledger_open": state.in_flight,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--stub", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stub:
        with StubServer(answer=answer, latency=LATENCY) as stub:
            print(stub.base_url, flush=True)
            while True:
                time.sleep(60)
    load = [measure_load(given.seconds) for _ in range(given.runs)]
    packages = ("adaptive-reasoner", "fastapi", "uvicorn", "langchain-openai", "openai")
    result = {
        "command": f"python benchmarks/server_load.py --seconds {given.seconds:g} --runs {given.runs}",
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "load_average": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
        },
        "versions": {package: version(package) for package in packages},
        "rate": RATE,
        "connections": CONNECTIONS,
        "upstream_ms": 1e3 * LATENCY,
        "target": TARGET,
        "load": load,
        "median": {
            name: statistics.median(run[name] for run in load) for name in load[0] if name != "by_rounds"
        },
        "chaos": measure_chaos(300),
    }
    print(json.dumps(result, indent=1))
    (ROOT / "benchmarks" / "results" / "server_load.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
