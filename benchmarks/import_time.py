"""What does `import adaptive_reasoner` cost beyond langchain-core, which its users have imported anyway?

    python benchmarks/import_time.py [--rounds 15]

Each import is timed in a process of its own; the two take turns, and the best of all rounds counts.
"""

import argparse
import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = (
    "from langchain_core.language_models import BaseChatModel; "
    "from langchain_core.messages import AIMessage; "
    "from langchain_core.runnables import Runnable; "
    "from langchain_core.runnables.config import merge_configs"
)
PACKAGES = ("adaptive-reasoner", "langchain-core", "numpy")
STATEMENTS = {"langchain_core": CORE, "adaptive_reasoner": f"{CORE}; import adaptive_reasoner"}


def seconds(statement):
    program = f"import time; begin = time.perf_counter(); {statement}; print(time.perf_counter() - begin)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    best = dict.fromkeys(STATEMENTS, float("inf"))
    for _ in range(rounds):
        for name, statement in STATEMENTS.items():
            best[name] = min(best[name], seconds(statement))
    result = {
        "command": f"python benchmarks/import_time.py --rounds {rounds}",
        "machine": {"processor": platform.machine(), "python": platform.python_version()},
        "versions": {
            package: version(package) for package in ("adaptive-reasoner", "langchain-core", "numpy")
        },
        "seconds": best,
        "beyond_langchain_core": best["adaptive_reasoner"] - best["langchain_core"],
    }
    print(json.dumps(result, indent=1))
    (ROOT / "benchmarks" / "results" / "import_time.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
