"""A hard cap that the rows of sums share out on PostgreSQL is as exact as one row."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.sql import transaction
from adaptive_reasoner.ledger.sql.schema import open_engine, totals
from adaptive_reasoner.ledger.tenants import TenantLedger
from tests.unit_tests.ledger.stand_ins import Clock
from tests.waiting import PATIENCE

names = count()
CAP = 1_000.0


@pytest.fixture(params=[1, 4, transaction.PARTS])
def parts(request, monkeypatch):
    """How many rows share the cap out."""
    monkeypatch.setattr(transaction, "PARTS", request.param)
    return request.param


@pytest.fixture
def engine(postgres):
    engine = open_engine(postgres)
    yield engine
    engine.dispose()


@pytest.fixture
def opened(postgres):
    """Opens ledgers of one name of this test's own, and closes them at the end."""
    ledgers, test = [], next(names)

    def opening(name="", **arguments):
        ledgers.append(open_ledger(postgres, name=f"shared out {test}{name}", **arguments))
        return ledgers[-1]

    yield opening
    for ledger in ledgers:
        ledger.close()


def rows_of(engine, ledger):
    """Spent, held and allowance of each row, in small units."""
    columns = totals.c.spent, totals.c.held, totals.c.allowance
    with engine.connect() as connection:
        query = sa.select(*columns).where(totals.c.ledger == ledger._name).order_by(totals.c.part)
        return connection.execute(query).all()


class Capped(RuleBasedStateMachine):
    """Three processes on one ledger: what fits is admitted, what does not is refused, at any moment."""

    url = ""

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        name = f"capped {next(names)}"
        terms = {"target": 50.0, "hard_cap": CAP, "reservation_ttl": 50.0, "clock": self.clock}
        self.ledgers = [open_ledger(self.url, name=name, **terms) for _ in range(3)]
        self.spent, self.held, self.number = 0.0, {}, 0

    def teardown(self):
        for ledger in self.ledgers:
            ledger.close()

    @property
    def room(self):
        return CAP - self.spent - sum(worst for worst, _ in self.held.values())

    def booked(self):
        """What has expired by now counts at its worst case."""
        for key, (worst, until) in list(self.held.items()):
            if until <= self.clock.now:
                self.spent += worst
                del self.held[key]

    @rule(which=st.integers(0, 2), worst=st.sampled_from([1.0, 7.0, 40.0, 130.0, 400.0, 1_000.0]))
    def reserve(self, which, worst):
        self.number += 1
        key, fits = f"k{self.number}", worst <= self.room
        try:
            self.ledgers[which].reserve(worst / 2, key, worst=worst, question=f"q{self.number // 3}")
        except BudgetExceededError:
            assert not fits
        else:
            assert fits
            self.held[key] = worst, self.clock.now + 50.0

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 2), data=st.data(), share=st.sampled_from([0.0, 0.25, 1.0]))
    def settle(self, which, data, share):
        key = data.draw(st.sampled_from(sorted(self.held)))
        worst, _ = self.held.pop(key)
        self.ledgers[which].settle(key, worst * share)
        self.spent += worst * share

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 2), data=st.data())
    def release(self, which, data):
        key = data.draw(st.sampled_from(sorted(self.held)))
        del self.held[key]
        self.ledgers[which].release(key)

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 2), data=st.data(), more=st.sampled_from([1.0, 60.0, 700.0]))
    def extend(self, which, data, more):
        key = data.draw(st.sampled_from(sorted(self.held)))
        worst, until = self.held[key]
        fits = more <= self.room
        try:
            self.ledgers[which].extend(key, worst + more)
        except BudgetExceededError:
            assert not fits
        else:
            assert fits
            self.held[key] = worst + more, until

    @rule(which=st.integers(0, 2), cost=st.sampled_from([1.0, 30.0]))
    def charge(self, which, cost):
        if cost <= self.room:
            self.number += 1
            self.ledgers[which].charge(cost, f"k{self.number}")
            self.spent += cost

    @rule(which=st.integers(0, 2))
    def wait(self, which):
        self.clock.now += 30.0
        self.booked()
        self.ledgers[which].snapshot()

    @rule(which=st.integers(0, 2))
    def reset(self, which):
        self.ledgers[which].reset()
        self.spent, self.held = 0.0, {}

    @rule(which=st.integers(0, 2))
    def set_target(self, which):
        self.ledgers[which].set_target(60.0)

    @invariant()
    def the_sums_are_exact(self):
        seen = self.ledgers[self.number % 3].snapshot()
        assert (seen.spent, seen.hard_cap, seen.cap_closed) == (self.spent, CAP, False)
        assert seen.spent + seen.held == CAP - self.room


@pytest.mark.parametrize("parts", [1, 4], indirect=True)
def test_what_fits_is_admitted_and_what_does_not_is_refused(postgres, parts):
    class OnPostgresql(Capped):
        url = postgres

    some = settings(
        max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(OnPostgresql, settings=some)


def test_threads_of_several_processes_spend_the_cap_to_its_last_unit(opened, engine, parts):
    ledgers = [opened(target=5.0, hard_cap=CAP) for _ in range(8)]

    def spend(i):
        admitted = 0
        for number in range(60):
            try:
                held = ledgers[i].reserve(3.0, f"{i}:{number}", worst=7.0)
            except BudgetExceededError:
                return admitted
            admitted += 1
            if number % 2:
                ledgers[i].settle(held, 7.0)
        return admitted

    with ThreadPoolExecutor(8) as pool:
        admitted = sum(pool.map(spend, range(8)))
    seen = ledgers[0].snapshot()
    assert admitted == CAP // 7.0
    assert seen.spent + seen.held == 7.0 * admitted
    assert sum(row.allowance for row in rows_of(engine, ledgers[0])) == CAP * 1e6


def test_changes_far_from_the_cap_lock_neither_the_account_nor_each_other(opened, engine):
    ledger, other = opened(hard_cap=1e6), opened()
    ledger.charge(1.0, "warm")
    other.charge(1.0, "warm too")
    with engine.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.exec_driver_sql("select * from ledger_accounts for update")
        first = sa.select(totals).where(totals.c.ledger == ledger._name, totals.c.part == 0)
        connection.execute(first.with_for_update())  # as a process in the middle of its commit
        working = pool.submit(lambda: other.settle(other.reserve(4.0, "q", worst=9.0), 3.0))
        assert working.result(timeout=PATIENCE).cost == 3.0
        connection.rollback()


def test_no_change_far_from_the_cap_runs_alone_however_many_run_at_once(opened, monkeypatch):
    monkeypatch.setattr(transaction, "PARTS", 3)
    ledgers, alone = [opened(hard_cap=1e9) for _ in range(8)], []
    lock = transaction.SqlTransaction.lock
    monkeypatch.setattr(transaction.SqlTransaction, "lock", lambda each: alone.append(each) or lock(each))

    def work(i):
        for number in range(30):
            ledgers[i].settle(ledgers[i].reserve(4.0, f"{i}:{number}", worst=9.0), 3.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert ledgers[0].snapshot().spent == 8 * 30 * 3.0
    assert alone == []


def test_room_that_is_left_in_many_rows_is_gathered_for_one_charge(opened, parts):
    ledger, other = opened(hard_cap=CAP), opened()
    ledger.reserve(990.0, "all but little")
    ledger.settle("all but little", 0.0)
    assert other.reserve(CAP, "everything").status == "open"
    with pytest.raises(BudgetExceededError, match="0 left"):
        ledger.reserve(1.0, "more")
    other.release("everything")
    assert ledger.reserve(CAP, "again").status == "open"


def test_a_settlement_above_its_worst_case_closes_the_cap_for_all(opened, parts):
    ledger, other = opened(hard_cap=CAP), opened()
    for each in (ledger, other):
        each.reserve(1.0, str(id(each)), worst=2.0)
    ledger.reserve(1.0, "q", worst=2.0)
    with pytest.raises(BudgetExceededError, match="booked in full"):
        ledger.settle("q", 2 * CAP)
    assert ledger.snapshot().spent == 2 * CAP
    with pytest.raises(BudgetExceededError, match="closed"):
        other.reserve(1.0, "another")
    assert other.settle(str(id(ledger)), 2.0).status == "settled"
    assert ledger.snapshot().spent == 2 * CAP + 2.0


def test_each_day_has_the_cap_of_its_own(opened, parts):
    clock = Clock()
    ledger, other = (opened(hard_cap=CAP, window="day", clock=clock) for _ in range(2))
    for _ in range(3):
        ledger.charge(600.0, f"{clock.now} a")
        other.charge(400.0, f"{clock.now} b")
        with pytest.raises(BudgetExceededError):
            ledger.reserve(1.0, f"{clock.now} c")
        clock.now += 86_400.0


def test_a_payer_with_another_cap_holds_the_new_one(opened, parts):
    ledger = opened(target=50.0)
    with ledger.payer(100.0) as payer:
        payer.charge(10.0, "a")
    with ledger.payer(30.0) as payer:
        payer.charge(15.0, "b")
        with pytest.raises(BudgetExceededError):
            payer.reserve(6.0, "c")
        assert payer.reserve(5.0, "d").status == "open"
    with ledger.payer(200.0) as payer:
        assert payer.reserve(170.0, "e").status == "open"


def test_tenant_and_common_ledger_share_out_their_caps_in_one_transaction(opened, parts):
    common = opened(" common", hard_cap=CAP)
    tenants = [TenantLedger(common, opened(f" own {n}", hard_cap=400.0), tenant=f"t{n}") for n in range(4)]

    def spend(n):
        admitted = 0
        for number in range(100):
            try:
                tenants[n].settle(tenants[n].reserve(7.0, str(number)), 7.0)
            except BudgetExceededError:
                return admitted
            admitted += 1
        return admitted

    with ThreadPoolExecutor(4) as pool:
        admitted = list(pool.map(spend, range(4)))
    assert sum(admitted) == CAP // 7.0
    assert [tenant.own.snapshot().spent for tenant in tenants] == [7.0 * each for each in admitted]
    assert common.snapshot().spent == 7.0 * sum(admitted)


def as_version_5(connection, ledger, key, amount):
    """Reserve as version 5 did: under a lock of the account, in the first row of sums."""
    name = ledger._name
    select = "select sum(spent + held) from ledger_totals where ledger = %s"
    connection.exec_driver_sql("select ledger from ledger_accounts where ledger = %s for update", (name,))
    taken = connection.exec_driver_sql(select, (name,)).scalar()
    if (int(taken) + amount) / 1e6 > CAP:
        return False
    connection.exec_driver_sql(
        "insert into ledger_entries (ledger, key, question, period, expected, worst, status, expires_at) "
        "values (%s, %s, %s, '', %s, %s, 'open', 1e12)",
        (name, key, key, amount, amount),
    )
    connection.exec_driver_sql(
        "update ledger_totals set reserved = reserved + %s, held = held + %s, admitted = admitted + 1, "
        "in_flight = in_flight + 1 where ledger = %s and period = '' and part = 0",
        (amount, amount, name),
    )
    return True


def test_a_process_of_an_older_version_beside_never_passes_the_cap(opened, engine, parts):
    ledger = opened(hard_cap=CAP)
    chance, admitted, refused = random.Random(0), 0.0, 0
    for number in range(80):
        amount = float(chance.randrange(1, 60))
        try:
            if number % 2:
                ledger.reserve(amount, f"new {number}")
                admitted += amount
            else:
                with engine.begin() as connection:
                    units = round(amount * 1e6)
                    admitted += amount * as_version_5(connection, ledger, f"old {number}", units)
        except (BudgetExceededError, sa.exc.IntegrityError):
            refused += 1
        assert ledger.snapshot().held == admitted <= CAP
    assert refused > 0
    with pytest.raises(BudgetExceededError):
        ledger.reserve(CAP - admitted + 1e-6, "beyond")
    ledger.reserve(CAP - admitted, "the rest")


def test_rows_of_an_older_version_are_shared_out_with_the_next_charge(opened, engine, parts):
    ledger = opened(hard_cap=CAP)
    ledger.charge(100.0, "a")
    with engine.begin() as connection:
        connection.execute(sa.delete(totals).where(totals.c.ledger == ledger._name, totals.c.part > 0))
        connection.execute(
            sa.update(totals)
            .where(totals.c.ledger == ledger._name)
            .values(spent=100_000_000, questions=1, allowance=None)
        )
    other = opened()
    other.reserve(300.0, "b")
    assert other.settle("b", 250.0).cost == 250.0
    rows = rows_of(engine, ledger)
    assert len(rows) == parts
    assert sum(row.spent for row in rows) == 350_000_000
    assert sum(row.allowance for row in rows) == CAP * 1e6


def test_processes_that_know_of_fewer_rows_share_the_cap_out_among_all(opened, engine, monkeypatch):
    ledger = opened(hard_cap=CAP)
    ledger.charge(1.0, "a")
    for parts in (1, 4, 20):
        monkeypatch.setattr(transaction, "PARTS", parts)
        ledger.release(ledger.reserve(700.0, "large"))
        ledger.charge(40.0, f"small {parts}")
        rows = rows_of(engine, ledger)
        assert sum(row.allowance for row in rows) == CAP * 1e6
    assert len(rows) == 20


def test_the_table_itself_refuses_what_is_beyond_the_allowance(opened, engine):
    ledger = opened(hard_cap=CAP)
    ledger.charge(1.0, "a")
    beyond = sa.update(totals).where(totals.c.ledger == ledger._name).values(held=round(CAP * 1e6))
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(beyond)
