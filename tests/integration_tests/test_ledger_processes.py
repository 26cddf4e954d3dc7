"""What a ledger holds when its processes are killed, race, repeat themselves and have wrong clocks."""

import asyncio
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.tenants import TenantLedger
from tests.waiting import PATIENCE, wait_until

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["adaptive_reasoner.ledger.sql.ledger", "psycopg"])

CAP = 200.0
THREADS = 3  # of a process that is killed: their verbs share transactions


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return request.getfixturevalue("postgres")


def spend(url, name, log, first):
    """Reserve and settle key after key on every thread; what was acknowledged is on record in the log."""
    ledger = open_ledger(url, name=name)
    acknowledged = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def work(thread):
        for number in range(first + thread, first + 100_000, THREADS):
            cost = 1.0 + number % 7
            ledger.reserve(4.0, f"{log}:{number}", question=f"{log}:{number // 2}")
            ledger.settle(f"{log}:{number}", cost)
            os.write(acknowledged, f"{number} {cost}\n".encode())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))


def spend_under_a_cap(url, name, seed):
    """Spend what the cap admits, with a clock that jumps, settling twice, forgetting some."""
    chance = random.Random(seed)
    offsets = [0.0]
    ledger = open_ledger(url, name=name, clock=lambda: time.time() + offsets[-1])
    for number in range(100_000):
        offsets.append(chance.choice([0.0, 0.0, 0.0, -3600.0, 0.5, 30.0]))
        key, worst = f"{seed % 8}:{number}", chance.uniform(1.0, 9.0)
        try:
            reservation = ledger.reserve(worst / 2, key, worst=worst)
        except BudgetExceededError:
            time.sleep(0.01)
            continue
        if chance.random() < 0.8 and reservation.status in ("open", "expired"):
            cost = chance.uniform(0.0, reservation.worst)
            ledger.settle(reservation, cost)
            ledger.settle(reservation, cost / 2)


def started(work, *arguments):
    process = processes.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def killed(process):
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    process.close()


@pytest.mark.slow
def test_kill_loses_no_settled_charge_and_counts_none_twice(url, tmp_path):
    chance, name = random.Random(0), f"killed {time.time()}"
    open_ledger(url, name=name, target=5.0, reservation_ttl=3600.0).close()
    logs = [str(tmp_path / f"{worker}.log") for worker in range(2)]
    running = [started(spend, url, name, log, 0) for log in logs]
    for kill in range(100):
        worker = kill % 2
        known = len(_acknowledged(logs[worker]))
        wait_until(lambda: len(_acknowledged(logs[worker])) > known)  # noqa: B023 - waited for here
        time.sleep(chance.uniform(0.0, 0.03))
        killed(running[worker])
        done = _acknowledged(logs[worker])
        again = max(0, max(done, default=0) - chance.randrange(9))  # some keys once more, as a restart would
        running[worker] = started(spend, url, name, logs[worker], again)
    for process in running:
        killed(process)
    with open_ledger(url, name=name) as ledger:
        charges = {charge.key: charge for charge in ledger.history(limit=1_000_000)}
        seen = ledger.snapshot()
    acknowledged = {f"{log}:{number}": cost for log in logs for number, cost in _acknowledged(log).items()}
    assert len(acknowledged) >= 100
    assert all(
        charges[key].status == "settled" and charges[key].cost == cost for key, cost in acknowledged.items()
    )
    settled = [charge for charge in charges.values() if charge.status == "settled"]
    assert len(settled) - len(acknowledged) <= 102 * THREADS  # at most those in the air at each kill
    assert seen.spent == sum(charge.cost for charge in settled)
    assert seen.in_flight == len(charges) - len(settled)
    assert seen.questions == len({charge.question for charge in settled})


@pytest.mark.slow
def test_hard_cap_holds_whatever_crashes_repeats_or_races(url):
    chance, name = random.Random(1), f"capped {time.time()}"
    ledger = open_ledger(url, name=name, hard_cap=CAP, reservation_ttl=20.0)
    running = [started(spend_under_a_cap, url, name, seed) for seed in range(8)]
    most = 0.0
    for round_ in count():
        until = time.monotonic() + chance.uniform(0.05, 0.3)
        while True:
            seen = ledger.snapshot()
            assert seen.spent + seen.held <= CAP
            assert seen.reserved <= seen.held
            most = max(most, seen.spent)
            if time.monotonic() >= until:
                break
        if round_ >= 40 and most > 0.9 * CAP:
            break
        victim = chance.randrange(8)
        killed(running[victim])
        running[victim] = started(spend_under_a_cap, url, name, 8 * (round_ + 1) + victim)
    for process in running:
        killed(process)
    ledger.close()
    with open_ledger(url, name=name, clock=lambda: time.time() + 7200.0) as later:
        seen, charges = later.snapshot(), later.history(limit=1_000_000)
    assert (seen.in_flight, seen.reserved, seen.held) == (0, 0.0, 0.0)
    assert seen.spent <= CAP
    assert round(seen.spent * 1e6) == sum(round(charge.cost * 1e6) for charge in charges)
    assert not seen.cap_closed


def test_processes_that_open_a_new_ledger_at_once_share_it(url):
    name = f"new {time.time()}"
    opening = [started(charge_once, url, name, worker) for worker in range(6)]
    for process in opening:
        process.join(PATIENCE)
        assert process.exitcode == 0
        process.close()
    with open_ledger(url, name=name) as ledger:
        assert ledger.snapshot().spent == 6.0


@pytest.mark.parametrize("verb", ["reserve", "settle", "charge"])
def test_tenant_and_common_ledger_of_one_database_are_both_charged_or_none(url, verb, monkeypatch):
    common, own = (open_ledger(url, name=f"{verb} {name}", target=50.0) for name in ("common", "acme"))
    acme = TenantLedger(common, own, tenant="acme")
    held = acme.reserve(40.0, "held")

    def died(*_, **__):
        raise KeyboardInterrupt

    calls = {
        "reserve": lambda: acme.reserve(40.0, "q"),
        "settle": lambda: acme.settle(held, 45.0),
        "charge": lambda: acme.charge(45.0, "q"),
    }
    before = own.snapshot(), common.snapshot()
    with monkeypatch.context() as patched:
        patched.setattr(common, verb, died)
        with pytest.raises(KeyboardInterrupt):
            calls[verb]()
    assert (own.snapshot(), common.snapshot()) == before
    calls[verb]()
    assert own.snapshot().spent == common.snapshot().spent
    assert own.snapshot().reserved == common.snapshot().reserved
    common.close()
    own.close()


def charge_once(url, name, worker):
    with open_ledger(url, name=name, target=50.0) as ledger:
        ledger.charge(1.0, str(worker))


def test_ledger_opened_before_a_fork_serves_parent_and_child(url):
    name = f"forked {time.time()}"
    script = (
        "import asyncio, os, sys, time\n"
        "from adaptive_reasoner.ledger import open_ledger\n"
        "ledger = open_ledger(sys.argv[1], name=sys.argv[2], target=50.0)\n"
        "asyncio.run(ledger.acharge(1.0, 'before'))\n"
        "time.sleep(0.1)\n"  # its thread waits for more, which it does not do in the child
        "child = os.fork()\n"
        "asyncio.run(ledger.acharge(0.0, 'after'))\n"
        "for i in range(50): ledger.charge(1.0, f'{child == 0}:{i}')\n"
        "if child == 0: os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert ledger.snapshot().spent == 101.0, ledger.snapshot()\n"
    )
    subprocess.run([sys.executable, "-c", script, url, name], check=True, timeout=PATIENCE)


async def test_waiting_for_the_database_never_blocks_the_loop(tmp_path):
    path = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite:///{path}", target=50.0)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    waiting = [asyncio.create_task(ledger.areserve(40.0, str(i))) for i in range(5)]
    await asyncio.sleep(1.0)
    assert not any(task.done() for task in waiting)  # a loop that waited would be here after it gave up
    other.execute("rollback")
    await asyncio.gather(*waiting)
    other.close()
    ledger.close()


def _acknowledged(log):
    if not Path(log).exists():
        return {}
    lines = Path(log).read_text().splitlines(keepends=True)
    return {
        int(number): float(cost) for number, cost in (line.split() for line in lines if line.endswith("\n"))
    }
