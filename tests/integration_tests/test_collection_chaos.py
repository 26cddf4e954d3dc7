"""Collection against an endpoint that misbehaves in every way at once: all is there, all is on the bill."""

import random
import threading
from collections import Counter

import pytest

from adaptive_reasoner.kit.collecting.collector import collect
from adaptive_reasoner.kit.samples import Samples
from tests.integration_tests.http_menus import WANTED, menu_at, questions
from tests.stub_server import StubServer
from tests.unit_tests.kit.collecting.sums import keys_of, rows_of
from tests.waiting import wait_until

REFUSED = ["429", "500", "503"]
LOST = ["bad json", "cut", "reset", "no finish"]
SLOW = ["hang", "drip"]


def chaos(seed, *, slow=0.02):
    """A fault for three calls in ten, and now and then a storm in which every call is refused."""
    rng = random.Random(seed)

    def fault(number):
        if number % 120 > 100:
            return "429"
        draw = rng.random()
        if draw < slow:
            return rng.choice(SLOW)
        return rng.choice(REFUSED + LOST) if draw < 0.3 else None

    return fault


def restarted(stub, calls):
    """Restarts the endpoint once it has seen so many calls."""

    def restart():
        wait_until(lambda: len(stub.bodies) >= calls)
        stub.restart()

    thread = threading.Thread(target=restart)
    thread.start()
    return thread


def test_after_chaos_every_sample_is_there_once_and_the_bill_is_what_the_endpoint_priced(tmp_path):
    out = tmp_path / "samples.jsonl"
    with StubServer(faults=chaos(1), latency=0.005, asks_pause="retry-after: 0.05") as stub:
        restart = restarted(stub, calls=150)
        menu = menu_at(stub.base_url, attempts=40, timeout=5.0)
        done = collect(questions(), menu, out, concurrency=16)
        restart.join()
        assert sorted(keys_of(out)) == WANTED
        assert (done.there, done.failed, done.lost) == (240, 0, 0.0)
        assert done.cost == stub.priced > stub.billed
    rows = rows_of(out)
    assert done.cost == sum(row["cost"] for row in rows)
    assert done.retried == sum(row.get("attempts", 1) - 1 for row in rows) >= len(stub.bodies) - 240
    dear = [row for row in rows if row.get("retries_cost", 0) > 0]
    assert all(row["attempts"] > 1 and row["cost"] > row["retries_cost"] for row in dear)
    assert any(row.get("estimated") for row in dear)
    assert len(Samples.read(out)) == 30


@pytest.mark.parametrize("cap", [300, 900])
def test_a_cap_holds_by_the_endpoints_own_price_through_timeouts_and_retries(tmp_path, cap):
    out = tmp_path / "samples.jsonl"
    with StubServer(faults=chaos(2), latency=0.002) as stub:
        menu = menu_at(stub.base_url, attempts=40, timeout=5.0)
        done = collect(questions(), menu, out, max_cost=cap, concurrency=16)
        assert stub.billed <= stub.priced == done.cost <= cap
        assert done.stopped == "max_cost"
        assert done.cost > cap - 8
        again = collect(questions(), menu, out, max_cost=cap, concurrency=16)
        assert (again.new, again.cost, stub.priced) == (0, done.cost, done.cost)


def test_samples_that_failed_for_good_are_skipped_and_drawn_again_when_asked_for(tmp_path):
    out = tmp_path / "samples.jsonl"
    with StubServer(faults=lambda number: "cut" if number % 2 == 0 else None) as stub:
        menu = menu_at(stub.base_url, samples=3, attempts=1)
        failing = collect(questions(4), menu, out, concurrency=1)
        assert (failing.there, failing.failed) == (24, 12)
        assert len(Samples.read(out).votes("q0", "cot")) < 3
        assert collect(questions(4), menu, out).new == 0
        again = collect(questions(4), menu, out, retry_failed=True, concurrency=1)
        assert (again.there, again.new, again.failed) == (24, 12, 6)
        while again.failed:
            again = collect(questions(4), menu, out, retry_failed=True, concurrency=1)
        assert again.cost == stub.priced == sum(row["cost"] for row in rows_of(out))
    assert Counter(keys_of(out)).most_common(1)[0][1] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["samples.jsonl"]
    assert {row.get("attempts", 1) for row in rows_of(out)} >= {1, 2}


def test_a_bad_request_is_not_made_again(tmp_path):
    out = tmp_path / "samples.jsonl"
    with StubServer(faults={0: "400"}) as stub:
        done = collect(questions(1), menu_at(stub.base_url, attempts=5), out, concurrency=1)
    assert (done.failed, done.retried, rows_of(out)[0]["cost"]) == (1, 0, 0.0)
    assert len(stub.bodies) == 8
