"""The ledger behind a real PgBouncer in transaction mode: each transaction is on any server connection."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import psycopg
import pytest

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from tests.unit_tests.ledger.contract_sums import SumsContract
from tests.waiting import PATIENCE

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["adaptive_reasoner.ledger.sql.ledger", "psycopg"])
names = count()


@pytest.fixture
def opened(pgbouncer):
    """Opens ledgers under names of this test's own, and closes them at the end."""
    ledgers, test = [], next(names)

    def opening(name="default", **arguments):
        ledgers.append(open_ledger(pgbouncer, name=f"bounced {test} {name}", **arguments))
        return ledgers[-1]

    yield opening
    for ledger in ledgers:
        ledger.close()


@pytest.mark.slow
class TestLedgerBehindPgBouncer(SumsContract):
    @pytest.fixture
    def make(self, opened):
        makes = count()
        return lambda name="", **arguments: opened(f"{name} {next(makes)}", **arguments)


def test_threads_on_more_connections_than_the_pool_has_keep_the_sums_exact(opened, pgbouncer):
    ledgers = [opened(target=50.0) for _ in range(4)]

    def charge(i):
        ledger = ledgers[i % 4]
        ledger.settle(ledger.reserve(40.0, f"q{i}", question=f"run {i // 8}"), 45.0)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(charge, range(320)))
    with LedgerReader(pgbouncer, name=ledgers[0]._name) as reader:
        seen = reader.snapshot()
    assert (seen.spent, seen.questions, seen.in_flight) == (320 * 45.0, 40, 0)


def spend(url, name, worker, done):
    """Reserve and settle until the cap refuses."""
    ledger, number = open_ledger(url, name=name), 0
    try:
        while True:
            ledger.settle(ledger.reserve(4.0, f"{worker}:{number}"), 4.0)
            number += 1
    except BudgetExceededError:
        done.put(number)


@pytest.mark.slow
def test_processes_spend_a_cap_to_its_last_unit_and_no_further(opened, pgbouncer):
    ledger, done = opened(hard_cap=203.0), processes.Queue()
    running = [
        processes.Process(target=spend, args=(pgbouncer, ledger._name, worker, done)) for worker in range(4)
    ]
    for process in running:
        process.start()
    admitted = sum(done.get(timeout=PATIENCE) for _ in running)
    for process in running:
        process.join()
    assert (admitted, ledger.snapshot().spent) == (50, 200.0)


def test_nothing_of_a_ledger_stays_on_the_servers_connections(opened, pgbouncer):
    ledger = opened(target=50.0, hard_cap=1e6)
    for number in range(20):
        ledger.settle(ledger.reserve(4.0, str(number)), 3.0)
    ledger.set_target(40.0)
    with LedgerReader(pgbouncer, name=ledger._name) as reader:
        for _ in range(10):
            reader.snapshot()
    held = "select count(*) from pg_locks where locktype = 'advisory'"
    changed = "select count(*) from pg_settings where source = 'session' and name !~ '^(client|application)'"
    for _ in range(3):
        with psycopg.connect(pgbouncer, prepare_threshold=None) as connection:
            for query in (held, changed, "select count(*) from pg_prepared_statements"):
                assert connection.execute(query).fetchone() == (0,), query


def test_a_change_of_many_statements_goes_through_at_once(opened):
    ledger, long = opened(target=50.0), "long " * 90

    def charge(number):
        ledger.settle(ledger.reserve(40.0, f"{long}{number}", action="x" * 20_000), 45.0)

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(charge, range(192)))
    assert (ledger.snapshot().spent, ledger.snapshot().questions) == (192 * 45.0, 192)
