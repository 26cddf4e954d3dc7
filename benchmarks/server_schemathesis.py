"""Is any request that the server's OpenAPI description allows, or just fails to allow, a fault of the server?

    pip install --target APART schemathesis
    PYTHONPATH=APART python benchmarks/server_schemathesis.py [--seconds 300] [--seed 0]

Schemathesis makes requests of each operation, right ones and wrong ones, in rounds until the time is over.
Counted are the answers by status, those of 500 and above, those whose error is not in OpenAI's format, and
what the ledger still holds afterwards. The upstream is a stub that answers at once. Schemathesis stands in a
folder of its own, as it needs another jsonschema-rs than langgraph-api.
"""

import argparse
import collections
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version

import hypothesis
import schemathesis
from schemathesis.generation import GenerationMode
from server_load import ROOT, serving

from adaptive_reasoner import open_ledger
from tests.stub_server import StubServer

ASKING = ("/v1/chat/completions", "/v1/responses")
READING = ("/v1/models", "/v1/models/{name}", "/healthz", "/metrics")
RUNS = [
    *(("POST", path, mode) for path in ASKING for mode in GenerationMode),
    *(("GET", path, GenerationMode.POSITIVE) for path in READING),  # they hold nothing to get wrong
]
EXAMPLES = 40  # of each run and round
FORM = {"message", "type", "param", "code"}


def ask(run, cases, seed, statuses, faults, until):
    """The answers to one round of requests."""
    method, path, mode = run

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=cases)
    def check(case):
        if time.monotonic() > until:
            return
        if method == "POST" and mode is GenerationMode.POSITIVE:
            case.body["model"] = "single_pass"  # most names that are made up are of no model
        answer = case.call()
        statuses[f"{method} {path} {mode.value}"][str(answer.status_code)] += 1
        well_formed = answer.status_code < 400 or answer.json()["error"].keys() == FORM
        if answer.status_code >= 500 or not well_formed:
            faults.append({"path": path, "status": answer.status_code, "body": answer.text[:500]})

    check()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    statuses, faults, rounds = collections.defaultdict(collections.Counter), [], 0
    with tempfile.TemporaryDirectory() as folder, StubServer() as stub:
        ledger = f"sqlite:///{folder}/ledger.sqlite"
        with serving(stub.base_url, ledger) as (process, url):
            schema = schemathesis.openapi.from_url(f"{url.removesuffix('/v1')}/openapi.json")
            cases = {
                (method, path, mode): schema[path][method].as_strategy(generation_mode=mode)
                for method, path, mode in RUNS
            }
            until = time.monotonic() + given.seconds
            while time.monotonic() < until:
                for run in RUNS:
                    ask(run, cases[run], given.seed + rounds, statuses, faults, until)
                rounds += 1
            alive = process.poll() is None
        with open_ledger(ledger) as kept:
            state = kept.snapshot()
    packages = ("adaptive-reasoner", "fastapi", "uvicorn", "pydantic", "schemathesis", "hypothesis")
    command = f"python benchmarks/server_schemathesis.py --seconds {given.seconds:g} --seed {given.seed}"
    result = {
        "command": command,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "versions": {package: version(package) for package in packages},
        "seed": given.seed,
        "rounds": rounds,
        "requests": sum(sum(each.values()) for each in statuses.values()),
        "statuses": {name: dict(sorted(each.items())) for name, each in statuses.items()},
        "faults": faults,
        "server_alive": alive,
        "ledger": {"questions": state.questions, "in_flight": state.in_flight, "reserved": state.reserved},
    }
    print(json.dumps(result, indent=1))
    results = ROOT / "benchmarks" / "results" / "server_schemathesis.json"
    results.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(bool(faults) or not alive)


if __name__ == "__main__":
    main()
