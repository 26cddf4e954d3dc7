"""Collection over HTTP: killed at any moment, capped, and against an endpoint that misbehaves."""

import json
import random
import subprocess
import sys
from collections import Counter
from math import inf
from pathlib import Path

import pytest

from adaptive_reasoner.errors import MenuError, UnpricedUsageError
from adaptive_reasoner.kit.collecting.collector import collect
from tests.integration_tests.http_menus import WANTED, menu_at, questions
from tests.stub_server import StubServer
from tests.unit_tests.kit.collecting.sums import keys_of, rows_of
from tests.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]
CONCURRENCY = 8
COLLECT = f"""
import sys
from tests.integration_tests.http_menus import menu_at, questions
from adaptive_reasoner.kit.collecting.collector import collect
cap = float(sys.argv[3]) if sys.argv[3:] else None
collect(questions(), menu_at(sys.argv[1]), sys.argv[2], concurrency={CONCURRENCY}, max_cost=cap)
"""


def contents_of(path):
    """What the rows say, whatever their order and the time they took."""
    return sorted(json.dumps({**row, "seconds": None}) for row in rows_of(path))


def rows_in(out):
    return out.read_bytes().count(b"\n") if out.exists() else 0


def killed_when(condition, base_url, out, *cap):
    """Start a collection and kill it once a condition holds; whether it was still running."""
    program = [sys.executable, "-c", COLLECT, base_url, str(out), *map(str, cap)]
    with subprocess.Popen(program, cwd=PROJECT, stderr=subprocess.PIPE) as process:
        wait_until(lambda: condition() or process.poll() is not None)
        process.kill()
        process.wait()
        alive = process.returncode == -9
        assert alive or process.returncode == 0, process.stderr.read().decode()
    return alive


def killed_after(rows, base_url, out, *cap):
    """Start a collection and kill it once the file has grown by `rows`; whether it was still running."""
    wanted = rows_in(out) + rows
    return killed_when(lambda: rows_in(out) >= wanted, base_url, out, *cap)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # a kill may cut a row, which warns
def test_killed_at_random_moments_it_ends_with_every_row_once(tmp_path):
    out, moments = tmp_path / "samples.jsonl", random.Random(7)
    with StubServer(lambda prompt, number: f"Answer: {sum(prompt.encode())}", latency=0.01) as stub:
        for _ in range(12):
            # Those of a killed process that are still to arrive, and those of the next before its own end.
            stub.replies = len(stub.bodies) + CONCURRENCY + 10
            assert killed_after(moments.randint(0, 9), stub.base_url, out)
        stub.replies = inf
        done = collect(questions(), menu_at(stub.base_url), out)
        assert done.new > 0
        assert stub.billed <= done.cost
        quiet = tmp_path / "quiet.jsonl"
        collect(questions(), menu_at(stub.base_url), quiet)
    assert sorted(keys_of(out)) == WANTED
    assert contents_of(out) == contents_of(quiet)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_cap_holds_over_kills_by_the_endpoints_own_count(tmp_path):
    out, moments, cap = tmp_path / "samples.jsonl", random.Random(8), 500
    with StubServer(latency=0.01, replies=20) as stub:
        assert killed_after(10, stub.base_url, out, cap)
        stub.replies = inf
        while killed_after(moments.randint(5, 60), stub.base_url, out, cap):
            pass
        done = collect(questions(), menu_at(stub.base_url), out, max_cost=cap)
        assert stub.billed <= cap
    assert done.stopped == "max_cost"
    assert stub.billed <= done.cost <= cap
    assert done.cost > cap - 8


def test_a_kill_in_the_middle_loses_no_row_and_repeats_none(tmp_path):
    out = tmp_path / "samples.jsonl"
    with StubServer(replies=60) as stub:
        assert killed_when(lambda: (rows_in(out), stub.in_flight) == (60, CONCURRENCY), stub.base_url, out)
        stub.replies = inf
        done = collect(questions(), menu_at(stub.base_url), out)
    assert (done.there, done.new, done.failed) == (240, 180, 0)
    assert done.lost == 8 * CONCURRENCY
    assert sorted(keys_of(out)) == WANTED


def test_every_fault_is_a_row_that_costs_what_the_endpoint_bills_or_its_worst_case(tmp_path):
    out, worst, used = tmp_path / "samples.jsonl", 8.0, 3.0
    costs = {
        "bad json": worst,
        "cut": worst,
        "reset": worst,
        "hang": worst,
        "no finish": used,
        "429": 0.0,
        "500": 0.0,
    }
    faults = dict(enumerate(costs, start=1))
    with StubServer(faults=faults) as stub:
        done = collect(questions(3), menu_at(stub.base_url, samples=3, timeout=5.0), out, concurrency=1)
    rows = dict(enumerate(rows_of(out)))
    assert {faults[number]: row["cost"] for number, row in rows.items() if "error" in row} == costs
    assert {faults[number] for number, row in rows.items() if "estimated" in row} == {
        fault for fault, cost in costs.items() if cost == worst
    }
    assert stub.billed <= done.cost == sum(row["cost"] for row in rows.values())
    assert (done.there, done.failed) == (18, len(faults))


def test_an_empty_reply_is_a_sample_without_an_answer(tmp_path):
    out = tmp_path / "samples.jsonl"
    with StubServer(faults={0: "empty"}) as stub:
        done = collect(questions(1), menu_at(stub.base_url), out, concurrency=1)
    empty = rows_of(out)[0]
    assert (empty["answer"], empty["correct"], empty["cost"], done.failed) == (None, 0.0, 3.0, 0)


def test_a_reply_without_usage_ends_the_collection_and_stays_on_the_bill(tmp_path):
    out = tmp_path / "samples.jsonl"
    with StubServer(faults={5: "no usage"}) as stub:
        with pytest.raises(UnpricedUsageError, match="no token usage"):
            collect(questions(3), menu_at(stub.base_url), out, concurrency=1)
        done = collect(questions(3), menu_at(stub.base_url), out)
    assert (done.there, done.new, done.lost) == (24, 19, 8.0)


def test_the_clients_own_retries_are_switched_off_and_made_where_they_are_seen(tmp_path):
    out = tmp_path / "samples.jsonl"
    with StubServer(faults=lambda number: "429" if number % 3 == 0 else None) as stub:
        done = collect(questions(5), menu_at(stub.base_url, attempts=2), out, concurrency=1)
    assert (done.there, done.failed, done.retried) == (40, 0, 20)
    assert done.cost == stub.billed == 120


def test_a_cap_is_never_exceeded_by_the_endpoints_own_count(tmp_path):
    for cap in (7, 50, 123.4):
        out = tmp_path / f"{cap}.jsonl"
        with StubServer(latency=0.002) as stub:
            done = collect(questions(), menu_at(stub.base_url), out, max_cost=cap, concurrency=16)
        assert stub.billed == done.cost <= cap < done.cost + 8


def test_an_endpoint_that_goes_away_ends_the_collection_which_goes_on_when_it_is_back(tmp_path):
    out = tmp_path / "samples.jsonl"
    with StubServer() as stub:
        assert collect(questions(3), menu_at(stub.base_url), out).there == 24
    with pytest.raises(MenuError, match="source 'direct' cannot be called"):
        collect(questions(6), menu_at(stub.base_url), out)
    with StubServer() as stub:
        assert collect(questions(6), menu_at(stub.base_url), out).there == 48
    assert Counter(keys_of(out)).most_common(1)[0][1] == 1


def test_two_collections_one_after_the_other_share_one_client(tmp_path):
    with StubServer() as stub:
        for name in ("first", "second", "third"):
            done = collect(questions(4), menu_at(stub.base_url), tmp_path / f"{name}.jsonl")
            assert (done.there, done.failed) == (32, 0)
