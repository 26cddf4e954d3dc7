"""Ledgers of one process share the connections to their databases."""

import gc
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.sql import database

FEW_FILES = """
import os, resource, sys
from adaptive_reasoner.integrations import context
from adaptive_reasoner.ledger import open_ledger

place, tenants, url = sys.argv[1], int(sys.argv[2]), sys.argv[3]
common = open_ledger(f"sqlite:///{place}/common.db?synchronous=normal", target=50.0)
free = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 16
resource.setrlimit(resource.RLIMIT_NOFILE, (free + 70, free + 70))
known = context.Tenants(
    common, lambda name: open_ledger(url.format(place=place, name=name), target=20.0, name=name)
)
for verb in range(2):  # the second time, the first of them have long been idle
    for number in range(tenants):
        ledger = known.ledger_of(f"tenant {number}")
        ledger.settle(ledger.reserve(5.0, f"question {verb}"), 6.0)
print(common.snapshot().questions, known.ledger_of("tenant 0").snapshot().spent)
"""


def printed(*arguments):
    command = [sys.executable, "-c", FEW_FILES, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


ONE = "sqlite:///{place}/common.db?synchronous=normal"
OWN = "sqlite:///{place}/{name}.db?synchronous=normal"


@pytest.mark.parametrize(
    ("tenants", "url"), [(60, ONE), (60, OWN), pytest.param(2_000, ONE, marks=pytest.mark.slow)]
)
def test_tenants_cost_no_open_files(tmp_path, tenants, url):
    assert printed(tmp_path, tenants, url) == [str(2 * tenants), "12.0"]


def test_ledgers_of_one_url_share_a_connection(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledgers = [open_ledger(url, target=50.0, name=str(number)) for number in range(5)]
    assert len({ledger._database for ledger in ledgers}) == 1
    for ledger in ledgers[:4]:
        ledger.close()
        ledger.close()  # closing twice is closing once
    assert ledgers[4].charge(1.0, "q").cost == 1.0
    ledgers[4].close()
    assert open_ledger(url, name="4").snapshot().spent == 1.0


def test_a_ledger_that_is_not_closed_leaves_no_warning_behind(tmp_path):
    with warnings.catch_warnings(record=True) as caught, pytest.MonkeyPatch.context() as patched:
        unraised = []
        patched.setattr(sys, "unraisablehook", unraised.append)
        warnings.simplefilter("error")
        open_ledger(f"sqlite:///{tmp_path}/ledger.db", target=50.0).charge(1.0, "q")
        gc.collect()
    assert (caught, unraised) == ([], [])


def test_a_file_made_anew_is_another_database(tmp_path):
    url, file = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.db"
    with open_ledger(url, target=50.0) as before:
        for part in tmp_path.iterdir():
            part.rename(tmp_path / f"old {part.name}")
        with open_ledger(url, target=20.0) as after:
            assert (after.target, after.charge(2.0, "q").cost) == (20.0, 2.0)
            with pytest.raises(LedgerError, match="removed or replaced"):
                before.charge(1.0, "q")
    assert file.exists()


def test_an_idle_database_connects_again_and_one_in_use_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "KEPT", 2)
    ledgers = [
        open_ledger(f"sqlite:///{tmp_path}/{number}.db?synchronous=normal", target=50.0)
        for number in range(6)
    ]
    with ThreadPoolExecutor(6) as pool:
        charged = [pool.submit(ledgers[turn % 6].charge, 1.0, f"q {turn}") for turn in range(120)]
        assert [each.result().cost for each in charged] == [1.0] * 120
    assert sum(map(len, database._idle.values())) <= 2
    assert [ledger.snapshot().spent for ledger in ledgers] == [20.0] * 6
    for ledger in ledgers:
        ledger.close()
    assert not any(ledger._database in database._idle for ledger in ledgers)
