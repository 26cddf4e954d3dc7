"""Is collection on Ray workers as fast as collection in one process, where an endpoint lets both wait?

    python benchmarks/ray_collection.py [--calls 1920] [--pairs 5] [--latency 0.5] [--out FILE]

A stub in a process of its own answers every call after a pause. Both engines have 64 calls in flight and take
turns in one run; Ray has two workers on a cluster that is started once, on loopback. The rate is that of the
rows after the first tenth, so that the start of workers is left out; it is reported by itself. `--latency 0`
shows what each can do at most: there the processors are the limit, those of the stub included.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import ray
from collection import ROOT, SAMPLES, Stub, text_of
from provenance import made_with

from adaptive_reasoner.answers import numeric
from adaptive_reasoner.kit import Menu, Question, RayEngine, collect
from adaptive_reasoner.kit.menu.hosted_model import HostedModel
from adaptive_reasoner.models.source import Source

IN_FLIGHT = 64
WORKERS = 2


def collected(base_url, calls, out, engine):
    """Rows per second after the first tenth, and the seconds until the first row."""
    times = []
    source = Source(HostedModel("stub", base_url=base_url), prompt="{question}", max_tokens=8)
    menu = Menu({"ask": source}, samples=SAMPLES, grader=numeric)
    questions = [Question(f"q{n}", text_of(n), str(n + 1)) for n in range(calls // SAMPLES)]
    begin, processor = time.perf_counter(), time.process_time()
    done = collect(
        questions,
        menu,
        out,
        concurrency=IN_FLIGHT,
        max_cost=1e9,
        engine=engine,
        on_progress=lambda now: times.append(time.perf_counter()) if now.there else None,
    )
    spent = time.process_time() - processor
    assert (done.there, done.failed) == (calls, 0)
    tenth = calls // 10
    return {
        "calls_per_second": round((calls - 1 - tenth) / (times[-1] - times[tenth]), 1),
        "seconds_to_first_row": round(times[0] - begin, 2),
        "cpu_ms_per_call_of_this_process": round(1e3 * spent / calls, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=1920)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "ray_collection.json")
    options = parser.parse_args()
    ray.init(
        "local",
        num_cpus=WORKERS,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=100_000_000,
        log_to_driver=False,
    )
    load, pairs = os.getloadavg()[0], []
    with Stub(options.latency) as stub, tempfile.TemporaryDirectory() as scratch:
        for pair in range(options.pairs):
            engines = {"local": None, "ray": RayEngine(workers=WORKERS)}
            rows = {
                name: collected(stub.base_url, options.calls, Path(scratch) / f"{name}{pair}.jsonl", engine)
                for name, engine in engines.items()
            }
            share = rows["ray"]["calls_per_second"] / rows["local"]["calls_per_second"]
            pairs.append({**rows, "ray_over_local": round(share, 3)})
            print(json.dumps(pairs[-1]), flush=True)
    shares = sorted(pair["ray_over_local"] for pair in pairs)
    packages = ("adaptive-reasoner", "ray", "langchain-core", "langchain-openai", "openai", "aiohttp")
    result = {
        "command": f"python benchmarks/ray_collection.py --calls {options.calls} --pairs {options.pairs} "
        f"--latency {options.latency:g}",
        **made_with(*packages, machine=f"{os.cpu_count()} cores"),
        "load_average": {"before": round(load, 1), "after": round(os.getloadavg()[0], 1)},
        "seed": None,
        "calls": options.calls,
        "in_flight": IN_FLIGHT,
        "workers": WORKERS,
        "latency_seconds": options.latency,
        "ray_over_local_is": "calls per second on Ray divided by those of the local engine, in each pair of "
        "runs one after the other; above 1, Ray was faster",
        "ray_over_local": {"lowest": shares[0], "median": statistics.median(shares), "highest": shares[-1]},
        "pairs": pairs,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    ray.shutdown()


if __name__ == "__main__":
    main()
