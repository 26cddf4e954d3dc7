"""What does the middleware cost an agent run of ten steps, next to that of another version?

    python benchmarks/agent_overhead.py --against CHECKOUT [--rounds 20]

A model without latency, a tool that adds, one pass a step, a ledger in memory, a run budget. This checkout
and the other take turns, block by block of five runs, in new processes each round. Seconds of the processor
stand beside those of the wall, as the machine has other work.
"""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import side_by_side

WORKER = Path(__file__).with_name("agent_worker.py")
MEASURED = ("invoke", "ainvoke")
CLOCKS = ("wall", "processor")
BLOCKS = 12  # of five runs, in each process


def blocks(checkouts):
    """Milliseconds a run in a process of each checkout: the medians of blocks that take turns."""
    workers = {which: checkout.start(str(WORKER)) for which, checkout in checkouts.items()}
    try:
        for which, worker in workers.items():
            checkouts[which].holds(json.loads(worker.stdout.readline())["file"])
        found = {name: {which: [] for which in workers} for name in MEASURED}
        for number in range(BLOCKS):
            for name in MEASURED:
                for which in sorted(workers, reverse=number % 2 == 1):
                    found[name][which].append(asked(workers[which], name))
    finally:
        for worker in workers.values():
            worker.communicate()
    return {
        name: {
            which: {clock: float(np.median([row[clock] for row in rows])) for clock in CLOCKS}
            for which, rows in times.items()
        }
        for name, times in found.items()
    }


def asked(worker, line):
    worker.stdin.write(f"{line}\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", required=True, help="another checkout, measured in turn with this one")
    parser.add_argument("--rounds", type=int, default=20, help="pairs of processes")
    parser.add_argument("--out", type=Path, default=side_by_side.RESULTS / "agent_overhead.json")
    options = parser.parse_args()
    checkouts = side_by_side.pair(options.against)
    found = [blocks(checkouts) for _ in range(options.rounds)]
    result = {
        "command": f"python benchmarks/agent_overhead.py --rounds {options.rounds} --against CHECKOUT",
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("langchain", "langchain-core", "langgraph")},
        "steps": 10,
        **side_by_side.commits(checkouts),
        **{
            f"{name}_{clock}_milliseconds": side_by_side.compared(
                *([row[name][which][clock] for row in found] for which in checkouts)
            )
            for name in MEASURED
            for clock in CLOCKS
        },
    }
    side_by_side.write(options.out, result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
