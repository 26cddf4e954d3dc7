"""Processes killed between a reply and its settlement, and five alive on one task: every call is billed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
KILLS = 25


def billed(tmp_path, *options):
    """The cells of the benchmark, in a process of its own, as it forks."""
    out = tmp_path / "rows.json"
    command = [
        sys.executable,
        "benchmarks/crash_billing.py",
        "--kills",
        str(KILLS),
        "--out",
        str(out),
        *options,
    ]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())["rows"]


def check(rows):
    assert len(rows) == 4
    for name, row in rows.items():
        assert row["ledger"] + row["still_held"] >= row["provider"] > 0, name
        assert row["honest_runs_billed_inexactly"] == 0, name
        if row["hard_cap"]:
            assert not row["cap_passed"], name
            assert row["kills"] > 5, name
        else:
            assert row["still_held"] == 0, name
            assert (row["kills"] >= KILLS, row["live_processes_on_one_task"]) == (True, 5), name
    # What a durable sample cost is known: a dead attempt is booked for what is not.
    without = {name: row["ledger_over_provider"] for name, row in rows.items() if "no cap" in name}
    durable, plain = (
        next(each for name, each in without.items() if form in name) for form in ("durable", "plain")
    )
    assert durable < plain


@pytest.mark.slow
def test_on_sqlite_no_call_of_a_killed_process_is_lost(tmp_path):
    check(billed(tmp_path, "--stores", "sqlite"))


@pytest.mark.slow
def test_on_postgresql_no_call_of_a_killed_process_is_lost(tmp_path, postgres):
    check(billed(tmp_path, "--stores", "postgresql", "--postgresql", postgres))
