"""A run that dies in the middle, and goes on in another process."""

import subprocess
import sys
import time

import pytest

from adaptive_reasoner.ledger import open_ledger
from tests.waiting import PATIENCE


def run(folder, *, dies_before=0, resumes=False):
    module = "tests.unit_tests.integrations.bill_in_a_process"
    command = [sys.executable, "-m", module, str(folder), str(dies_before), "yes" if resumes else "no"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


def spent_in(folder):
    return [float(line.split()[1]) for line in (folder / "spent").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("dies_before", [1, 2, 3, 5, 7])
def test_after_a_kill_the_ledger_has_what_was_spent_and_at_most_the_worst_case_of_what_was_lost(
    dies_before, tmp_path
):
    died = run(tmp_path, dies_before=dies_before)
    assert died.returncode == -9, died.stderr
    before = sum(spent_in(tmp_path))
    later = time.time() + 7_200  # what is left open counts as spent
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=lambda: later) as ledger:
        lost = [charge for charge in ledger.history() if charge.status == "open"]
        snapshot = ledger.snapshot()
    assert 1 <= len(lost) <= 3  # the call, the agent's tool around it, and its neighbour
    assert before <= snapshot.spent + 1e-9 <= before + sum(charge.worst for charge in lost) + 1e-9
    assert snapshot.in_flight == 0
    resumed = run(tmp_path, resumes=True)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.startswith("Here is all of it.")
    in_run, in_thread, in_ledger = map(float, resumed.stdout.splitlines()[1].split())
    after = sum(spent_in(tmp_path))
    assert after <= in_ledger + 1e-9 <= after + sum(charge.worst for charge in lost) + 1e-9
    assert in_run == pytest.approx(in_ledger, abs=1e-8)
    assert in_thread == pytest.approx(in_ledger, abs=1e-8)


def test_without_a_crash_the_ledger_has_what_was_spent_to_a_billionth(tmp_path):
    whole = run(tmp_path)
    assert whole.returncode == 0, whole.stderr
    in_run, _, in_ledger = map(float, whole.stdout.splitlines()[1].split())
    assert in_ledger == pytest.approx(sum(spent_in(tmp_path)), abs=1e-8)
    assert in_run == pytest.approx(in_ledger, abs=1e-8)
