"""A hard cap that the rows of sums share out on PostgreSQL, and processes that are killed."""

import multiprocessing
import os
import random
import signal

import pytest

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger import UnreachableLedgerError, open_ledger
from adaptive_reasoner.ledger.sql import transaction
from tests.waiting import PATIENCE

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["adaptive_reasoner.ledger.sql.ledger", "psycopg"])


def spend(url, name, parts, worker, seed):
    """Reserve what the cap admits, and settle most of it, until the cap refuses."""
    transaction.PARTS = parts
    chance, ledger, number = random.Random(seed), open_ledger(url, name=name), 0
    while True:
        number += 1
        try:
            held = ledger.reserve(3.0, f"{worker}:{seed}:{number}", worst=7.0)
            if chance.random() < 0.8:
                ledger.settle(held, 7.0)
        except UnreachableLedgerError:
            continue
        except BudgetExceededError:
            return


def started(*arguments):
    process = processes.Process(target=spend, args=arguments, daemon=True)
    process.start()
    return process


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 4, 16])
def test_killed_processes_leave_the_cap_exact(postgres, parts):
    cap, name, chance = 4_000.0, f"killed {parts}", random.Random(parts)
    ledger = open_ledger(postgres, name=name, hard_cap=cap, target=5.0)
    running = [started(postgres, name, parts, worker, 0) for worker in range(6)]
    for seed in range(1, 25):
        before = ledger.snapshot()
        assert before.spent + before.held <= cap
        victim = chance.randrange(6)
        running[victim].join(chance.uniform(0.02, 0.1))
        if running[victim].is_alive():
            os.kill(running[victim].pid, signal.SIGKILL)
        running[victim].join()
        running[victim] = started(postgres, name, parts, victim, seed)
    for process in running:
        process.join(PATIENCE)
    seen, charges = ledger.snapshot(), ledger.history(100_000)
    assert seen.spent + seen.held == 7.0 * len(charges)
    assert 0.0 <= cap - 7.0 * len(charges) < 7.0
    ledger.close()
