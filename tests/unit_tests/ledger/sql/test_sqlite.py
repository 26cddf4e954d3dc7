"""The ledger in a file."""

import shutil
from pathlib import Path

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import UnreachableLedgerError, open_ledger
from adaptive_reasoner.ledger.settings import KEEP
from adaptive_reasoner.ledger.sql import ledger as sql_ledger
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from adaptive_reasoner.ledger.sql.schema import VERSION, open_engine
from tests.unit_tests.ledger import targets
from tests.unit_tests.ledger.contract import LedgerContract
from tests.unit_tests.ledger.contract_quality import Accurate
from tests.unit_tests.ledger.sql.older_tables import older
from tests.unit_tests.ledger.stand_ins import Clock, Priced


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.db'}?synchronous=normal"


@pytest.fixture
def opened(url):
    """Opens ledgers on one file and closes them at the end."""
    ledgers = []

    def opening(**arguments):
        ledgers.append(open_ledger(url, **arguments))
        return ledgers[-1]

    yield opening
    for ledger in ledgers:
        ledger.close()


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def make(self, opened):
        return opened


def test_reopened_ledger_keeps_its_terms_and_its_books(opened):
    clock = Clock()
    first = opened(target=50.0, cost_unit="usd", hard_cap=1000.0, reservation_ttl=60.0, clock=clock)
    first.settle(first.reserve(40.0, "a", worst=60.0), 45.0)
    first.reserve(40.0, "b", worst=60.0)
    second = opened(clock=clock)
    assert (second.target, second.cost_unit, second.average) == (50.0, "usd", 45.0)
    assert second.snapshot().hard_cap == 1000.0
    assert second.settle("b", 55.0).cost == 55.0
    assert first.snapshot().spent == 100.0
    clock.now += 61.0
    second.reserve(5.0, "c")
    clock.now += 60.0
    assert first.snapshot().spent == 105.0


@pytest.mark.parametrize(
    "other",
    [{"target": 60.0}, {"hard_cap": 10.0}, {"reservation_ttl": 5.0}, {"cost_unit": "usd"}, {"credit": 5.0}],
)
def test_refuses_to_reopen_on_other_terms(opened, other):
    opened(target=50.0, cost_unit="tokens")
    assert opened(target=50.0).target == 50.0
    with pytest.raises(LedgerError, match=r"made with|units differ"):
        opened(**other)


def test_refuses_a_policy_in_another_unit(opened):
    opened(target=50.0, cost_unit="tokens")
    with pytest.raises(LedgerError, match="usd"):
        opened(policy=Priced(cost_unit="usd"))


def test_new_policy_brings_its_own_price(opened):
    first = opened(policy=Priced(price=0.002))
    for i in range(50):
        first.charge(60.0, str(i))
        first.charge(40.0, f"{i} again")
    assert opened(policy=Priced(price=0.002)).price == pytest.approx(first.price)
    assert opened(policy=Priced(price=0.01)).price == pytest.approx(0.01)


def test_ledgers_in_one_file_do_not_mix(opened):
    one, other = opened(target=50.0), opened(target=10.0, name="other")
    one.charge(40.0, "q")
    other.charge(4.0, "q")
    assert (one.average, other.average) == (40.0, 4.0)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("update ledger_schema set version = 99", f"version 99.*reads version {VERSION}; upgrade it"),
        ("update ledger_schema set version = 0", "version 0.*open a new database"),
        ("drop table ledger_schema", "version unknown"),
    ],
)
def test_refuses_tables_of_another_version(opened, url, change, wrong):
    opened(target=50.0).close()
    with open_engine(url).begin() as connection:
        connection.exec_driver_sql(change)
        connection.engine.dispose()
    with pytest.raises(LedgerError, match=wrong):
        opened()


def test_migrates_a_database_of_an_older_version_and_keeps_its_books(opened, url):
    ledger = opened(target=50.0, hard_cap=500.0)
    ledger.settle(ledger.reserve(40.0, "a", worst=60.0), 45.0)
    ledger.reserve(40.0, "b")
    ledger.close()
    engine = open_engine(url)
    with engine.begin() as connection:
        older(connection)
    with pytest.raises(LedgerError, match=f"version 1, this library reads version {VERSION}; open it"):
        LedgerReader(url)
    seen = opened().snapshot()
    assert (seen.target, seen.hard_cap, seen.spent, seen.reserved, seen.questions) == (
        50.0,
        500.0,
        45.0,
        40.0,
        1,
    )
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select version from ledger_schema").scalars().all() == [VERSION]
    engine.dispose()
    assert opened(keep=KEEP).settle("b", 40.0).status == "settled"


def test_a_reopened_ledger_keeps_its_floor_its_grades_and_its_price(opened):
    first = opened(target_accuracy=0.8, policy=Accurate())
    for number in range(60):
        first.feedback(f"q{number}", 0.5)
    second = opened()
    assert (second.quality, second.price) == (first.quality, first.price)
    second.feedback("q0", 0.5)
    assert second.quality.feedbacks == 60
    with pytest.raises(LedgerError, match=r"made with 0\.8 as target_accuracy, not 0\.9"):
        opened(target_accuracy=0.9)


def test_a_new_policy_begins_at_its_own_price_of_the_accuracy(opened):
    first = opened(target_accuracy=0.8, policy=Accurate(price=0.001))
    for number in range(60):
        first.feedback(f"q{number}", 0.5)
    second = opened(policy=Accurate(price=0.002))
    assert second.price == pytest.approx(0.002)
    assert second.quality.feedbacks == 60


def test_processes_that_grade_the_same_ledger_move_one_price(opened):
    first, second = opened(target_accuracy=0.8, policy=Accurate()), opened()
    first.feedback("a", 0.0)
    second.feedback("b", 0.0)
    assert first.price > second.price == pytest.approx(first.snapshot().price)
    assert second.quality.feedbacks == 2


def test_forgets_old_grades_but_not_their_sums(opened, monkeypatch):
    monkeypatch.setattr(sql_ledger, "TIDYING", 10)
    clock = Clock()
    ledger = opened(target_accuracy=0.8, policy=Accurate(), keep=3_600.0, clock=clock)
    ledger.feedback("old", 1.0)
    clock.now += 3_601.0
    for number in range(20):
        ledger.feedback(f"q{number}", 1.0)
    assert ledger.quality.feedbacks == 21
    ledger.feedback("old", 1.0)  # a grade of what is forgotten counts anew
    assert ledger.quality.feedbacks == 22


def test_forgets_old_charges_but_neither_sums_nor_what_is_open(opened, monkeypatch):
    monkeypatch.setattr(sql_ledger, "TIDYING", 10)
    clock = Clock()
    ledger = opened(target=50.0, keep=86_400.0, reservation_ttl=1e9, clock=clock)
    ledger.reserve(40.0, "open")
    for day in range(20):
        clock.now += 86_400.0
        for i in range(10):
            ledger.charge(1.0, f"{day}:{i}")
    kept = ledger.history(1_000)
    assert len(kept) <= 40
    assert "open" in {charge.key for charge in kept}
    seen = ledger.snapshot()
    assert (seen.spent, seen.questions, seen.reserved) == (200.0, 200, 40.0)
    with pytest.raises(LedgerError, match="nothing was reserved under '0:0'"):
        ledger.settle("0:0", 1.0)
    with pytest.raises(LedgerError, match="made with 86400 as keep"):
        opened(keep=1.0)


def test_journal_is_refused_with_a_hard_cap(url, tmp_path):
    with pytest.raises(LedgerError, match="hard cap"):
        open_ledger(url, hard_cap=1.0, journal=tmp_path / "journal")


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///x.db?synchronous=off", "synchronous=off"),
        ("sqlite:///x.db?syncronous=normal", "unknown setting syncronous"),
        ("sqlite+aiosqlite:///x.db", "not the URL of a ledger"),
        ("redis://h", "unknown"),
        ("postgres://me:secret@h/db", r"unknown ledger URL postgres://\.\.\.;"),
        ("postgresql://me:secret@h:port/db", r"unknown ledger URL postgresql://\.\.\.;"),
    ],
)
def test_refuses_urls_it_cannot_keep_books_under(url, wrong):
    with pytest.raises(LedgerError, match=wrong):
        open_ledger(url)


def test_refuses_a_file_that_is_no_database(tmp_path):
    path = Path(tmp_path, "notes.db")
    path.write_text("these are notes, not a database; " * 50)
    with pytest.raises(LedgerError, match="not a database"):
        open_ledger(f"sqlite:///{path}", target=1.0)


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no database\n" * 100)
    for name, said in [
        ("missing/ledger.db", f"there is no folder {tmp_path / 'missing'}"),
        ("notes.txt", "file is not a database"),
    ]:
        with pytest.raises(UnreachableLedgerError, match=said) as failed:
            open_ledger(f"sqlite:///{tmp_path}/{name}", target=1.0)
        assert f"{tmp_path}/{name}" in str(failed.value)


def test_refusal_that_is_remembered_holds_nobody_up(opened):
    one, other = opened(target=50.0), opened()
    with pytest.raises(LedgerError) as remembered:
        one.settle("nobody", 1.0)
    other.charge(1.0, "a")
    assert one.charge(1.0, "b").status == "settled"
    assert "nobody" in str(remembered.value)


def test_file_that_is_removed_is_missed_and_found_again(opened, url, tmp_path):
    strict, journaled = opened(target=50.0), opened(journal=tmp_path / "journal")
    file, aside = tmp_path / "ledger.db", tmp_path / "aside.db"
    file.rename(aside)
    with pytest.raises(UnreachableLedgerError, match=r"ledger.db was removed"):
        strict.charge(1.0, "a")
    journaled.charge(2.0, "b")
    assert not file.exists()
    aside.rename(file)
    assert journaled.snapshot().spent == 2.0
    assert strict.charge(1.0, "a").cost == 1.0


def test_what_the_file_refuses_is_said(opened, url):
    ledger = opened(target=50.0)
    with open_engine(url).begin() as connection:
        connection.exec_driver_sql(
            "create trigger no before insert on ledger_entries begin select raise(abort, 'not today'); end"
        )
        connection.engine.dispose()
    with pytest.raises(UnreachableLedgerError, match="not today"):
        ledger.charge(1.0, "a")
    assert ledger.snapshot().questions == 0


def test_others_hold_a_new_target_with_their_next_operation(opened):
    targets.others_hold_the_new_target(opened)


def test_another_process_holds_the_new_accuracy(opened):
    targets.others_hold_the_new_accuracy(opened)


def test_a_new_target_meets_no_change_half_made(opened):
    targets.charges_of_others_meet_no_half_made_change(opened)


def test_a_reader_sees_a_new_target(opened, url):
    ledger = opened(target=20.0)
    with LedgerReader(url) as reader:
        ledger.set_target(40.0)
        assert reader.snapshot().target == 40.0


def test_what_was_learned_of_plans_survives_reopening_and_is_shared(opened, url):
    first = opened(target=50.0)
    for i in range(200):
        first.settle(first.reserve(500.0, str(i), action="cot"), 50.0)
    for i in range(200, 232):
        first.reserve(500.0, str(i), action="cot")
    seen, other = first.snapshot(), opened()
    assert seen.credit == pytest.approx(0.0, abs=3.0)
    assert (other.price, other.snapshot()) == (seen.price, seen)
    with LedgerReader(url) as reader:
        assert reader.snapshot() == seen
    for i in range(200, 232):
        other.release(str(i))
    assert first.snapshot().credit == pytest.approx(0.0, abs=1e-6)


def test_what_is_written_off_comes_back_in_another_process(opened):
    one, other = opened(target=50.0, credit=20.0), opened()
    for i in range(50):
        one.charge(10.0, f"easy {i}")
    for i in range(50):
        one.reserve(5.0, f"plan {i}")
        other.reserve(5.0, f"plan {i} again", question=f"plan {i}")
    for i in range(50):
        other.release(f"plan {i}")
        one.release(f"plan {i} again")
    assert one.snapshot().credit == other.snapshot().credit == pytest.approx(20.0)


@pytest.fixture
def earlier(tmp_path):
    """The URL of a copy of a database that version 0.1.0 wrote."""
    path = tmp_path / "earlier.db"
    shutil.copy(Path(__file__).parent / "data" / "ledger_0_1_0.sqlite", path)
    return f"sqlite:///{path}"


def test_opens_what_version_0_1_0_wrote_and_goes_on(earlier):
    then = Clock()
    then.now = 1_750_000_000.0
    with open_ledger(earlier, clock=then) as ledger:
        seen = ledger.snapshot()
        assert (seen.target, seen.spent, seen.reserved, seen.held) == (50.0, 505.0, 75.0, 215.0)
        assert (seen.questions, seen.in_flight, seen.credit) == (42, 3, pytest.approx(20.0, abs=1.0))
        assert ledger.price == pytest.approx(0.002 / 300.0)
        for key in ("open 1", "open 2", "open 3"):
            ledger.settle(key, 20.0)
        assert (ledger.spent, ledger.snapshot().in_flight) == (565.0, 0)
        assert [one.status for one in ledger.history()].count("settled") == 45
    with open_ledger(earlier, name="capped", clock=then) as ledger:
        assert (ledger.snapshot().held, ledger.snapshot().hard_cap) == (0.05, 1.0)
