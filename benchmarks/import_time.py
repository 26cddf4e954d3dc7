"""What does `import adaptive_reasoner` cost beyond langchain-core, which its users have imported anyway?

    python benchmarks/import_time.py [--rounds 15] [--against CHECKOUT]

Each import is timed in a process of its own; the two take turns, and the best of all rounds counts.
With `--against`, this checkout and another take turns instead, each after langchain-core in the same process:
`import adaptive_reasoner`, and that of a node after langgraph. Seconds of the processor leave out what other
processes on the machine took. The garbage collector forgets what was imported before: it would go through all
of that in some imports and not in others, by a chance of a few objects, and take half as long as the import.
"""

import argparse
import json
import subprocess
import sys

import side_by_side
from provenance import made_with

OUT = side_by_side.RESULTS / "import_time.json"
CORE = (
    "from langchain_core.language_models import BaseChatModel; "
    "from langchain_core.messages import AIMessage; "
    "from langchain_core.runnables import Runnable; "
    "from langchain_core.runnables.config import merge_configs"
)
PACKAGES = ("adaptive-reasoner", "langchain-core", "numpy")
STATEMENTS = {"langchain_core": CORE, "adaptive_reasoner": f"{CORE}; import adaptive_reasoner"}
COMPARED = {
    "adaptive_reasoner": (CORE, "import adaptive_reasoner"),
    "node": (f"{CORE}; import langgraph.graph", "from adaptive_reasoner import AdaptiveComputeNode"),
}
TIMED = """
import gc, json, time
{before}
gc.collect()
gc.freeze()
begin, busy = time.perf_counter(), time.process_time()
{statement}
found = {{"wall": time.perf_counter() - begin, "processor": time.process_time() - busy}}
import adaptive_reasoner
print(json.dumps(found | {{"file": adaptive_reasoner.__file__}}))
"""


def seconds(statement):
    program = f"import time; begin = time.perf_counter(); {statement}; print(time.perf_counter() - begin)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)


def alone(rounds):
    best = dict.fromkeys(STATEMENTS, float("inf"))
    for _ in range(rounds):
        for name, statement in STATEMENTS.items():
            best[name] = min(best[name], seconds(statement))
    return {"seconds": best, "beyond_langchain_core": best["adaptive_reasoner"] - best["langchain_core"]}


def seconds_in(checkout, before, statement):
    with checkout.start("-c", TIMED.format(before=before, statement=statement)) as process:
        found = json.loads(process.communicate()[0])
    checkout.holds(found.pop("file"))
    return found


def compare(rounds, against):
    checkouts = side_by_side.pair(against)
    commits = side_by_side.commits(checkouts)
    rows = {name: {which: [] for which in checkouts} for name in COMPARED}
    for number in range(rounds + 1):
        for name, (before, statement) in COMPARED.items():
            for which in sorted(checkouts, reverse=number % 2 == 1):
                found = seconds_in(checkouts[which], before, statement)
                if number:  # the first compiles the modules
                    rows[name][which].append(found)
    return commits | {
        f"{name}_{clock}_seconds": side_by_side.compared(
            *([found[clock] for found in times[which]] for which in checkouts)
        )
        for name, times in rows.items()
        for clock in ("wall", "processor")
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--against", help="another checkout, measured in turn with this one")
    options = parser.parse_args()
    shown = f"python benchmarks/import_time.py --rounds {options.rounds}"
    about = {
        "command": f"{shown} --against CHECKOUT" if options.against else shown,
        **made_with(*PACKAGES),
    }
    if options.against:
        result = {"import_time_side_by_side": about | compare(options.rounds, options.against)}
    else:
        result = about | alone(options.rounds)
    print(json.dumps(result, indent=1))
    side_by_side.write(OUT, result)


if __name__ == "__main__":
    main()
