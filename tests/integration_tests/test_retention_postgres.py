"""Export and retention of a ledger on a real PostgreSQL, beside live traffic."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from adaptive_reasoner.ledger import export_ledger, prune_ledger
from adaptive_reasoner.ledger.sql import pruning
from tests.unit_tests.ledger.contract_retention import RetentionContract, opened_at


@pytest.fixture
def url(postgres):
    return postgres


@pytest.fixture
def opening(url):
    with opened_at(url) as opened:
        yield opened


class TestPostgresRetention(RetentionContract):
    pass


def test_live_charges_of_old_questions_are_counted_once_while_others_are_pruned(url, opening, monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 5)
    old = opening("live", target=10.0, clock=lambda: 1_000.0)
    for number in range(120):
        old.charge(1.0, f"old {number}", question=f"run {number}")
    live, pruned = opening("live"), Event()

    def work(worker):
        number = 0
        while not pruned.is_set():
            live.charge(1.0, f"{worker}:{number}")
            number += 1
        return number

    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(work, worker) for worker in range(3)]
        try:
            found = prune_ledger(url, older_than=86_400.0, name="live")
        finally:
            pruned.set()
        charged = sum(each.result() for each in working)
    assert (found.charges, found.kept) == (120, 0)
    seen = live.snapshot()
    assert (seen.spent, seen.questions) == (120.0 + charged, 120 + charged)
    assert len(live.history(100_000)) == charged


def test_an_export_beside_live_traffic_is_of_one_moment(url, opening, tmp_path):
    ledger, done = opening("moment", target=10.0), Event()

    def work(worker):
        number = 0
        while not done.is_set():
            ledger.charge(1.0, f"{worker}:{number}")
            number += 1

    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(work, worker) for worker in range(2)]
        try:
            file = tmp_path / "charges.jsonl"
            for _ in range(5):
                export_ledger(url, file, name="moment")
                keys = [json.loads(line)["key"].split(":") for line in file.read_text().splitlines()]
                for worker in ("0", "1"):
                    numbers = sorted(int(number) for who, number in keys if who == worker)
                    assert numbers == list(range(len(numbers)))
        finally:
            done.set()
        for each in working:
            each.result()
