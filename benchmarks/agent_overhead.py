"""What does the middleware cost an agent run of ten steps, next to that of another version?

    python benchmarks/agent_overhead.py --against CHECKOUT [--rounds 20]

A model without latency, a tool that adds, one pass a step, a ledger in memory, a run budget. This checkout
and the other take turns, block by block of five runs, in new processes each round. Seconds of the processor
stand beside those of the wall, as the machine has other work.
"""

import argparse
import json
from pathlib import Path

import side_by_side
from provenance import made_with

WORKER = Path(__file__).with_name("agent_worker.py")
MEASURED = ("invoke", "ainvoke")
BLOCKS = 12  # of five runs, in each process


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", required=True, help="another checkout, measured in turn with this one")
    parser.add_argument("--rounds", type=int, default=20, help="pairs of processes")
    parser.add_argument("--out", type=Path, default=side_by_side.RESULTS / "agent_overhead.json")
    options = parser.parse_args()
    checkouts = side_by_side.pair(options.against)
    found = [side_by_side.blocks(checkouts, WORKER, MEASURED, number=BLOCKS) for _ in range(options.rounds)]
    result = {
        "command": f"python benchmarks/agent_overhead.py --rounds {options.rounds} --against CHECKOUT",
        **made_with("langchain", "langchain-core", "langgraph"),
        "steps": 10,
        **side_by_side.commits(checkouts),
        **side_by_side.compared_by_clock(found, checkouts),
    }
    side_by_side.write(options.out, result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
