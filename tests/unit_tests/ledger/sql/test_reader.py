"""A ledger that is only looked at: it says what the ledger says, and changes nothing."""

import sqlite3

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import UnreachableLedgerError, open_ledger, rules
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from tests.unit_tests.ledger.stand_ins import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reader_of(tmp_path, clock):
    """Opens ledger and reader on one file, both on the clock of the test."""
    url = f"sqlite:///{tmp_path / 'a ledger.sqlite'}"
    opened = []

    def opening(**terms):
        opened.append(open_ledger(url, clock=clock, **terms))
        opened.append(LedgerReader(url, clock=clock))
        return opened[-2:]

    yield opening
    for each in reversed(opened):
        each.close()


def test_says_what_the_ledger_says(reader_of):
    ledger, reader = reader_of(target=10.0, cost_unit="usd", hard_cap=1000.0)
    for number in range(30):
        held = ledger.reserve(8.0, f"q{number}", worst=20.0, action="cot" if number % 3 else "direct")
        ledger.settle(held, 6.0 + number % 9)
    ledger.reserve(8.0, "open", worst=20.0)
    assert reader.snapshot() == ledger.snapshot()


@pytest.mark.parametrize("hard_cap", [None, 500.0])
def test_counts_what_expired_as_spent_without_booking_it(reader_of, clock, hard_cap):
    ledger, reader = reader_of(target=10.0, reservation_ttl=60.0, hard_cap=hard_cap)
    ledger.reserve(8.0, "a", question="one", worst=9.0)
    ledger.reserve(4.0, "b", question="one", worst=5.0)
    ledger.reserve(5.0, "c")
    clock.now += 61.0
    seen = reader.snapshot()
    assert {charge.status for charge in ledger.history()} == {"open"}
    assert (seen.in_flight, seen.questions) == (0, 2)
    assert seen == ledger.snapshot()
    assert {charge.status for charge in ledger.history()} == {"expired"}


def test_counts_more_expired_charges_than_are_booked_at_once(reader_of, clock, monkeypatch):
    monkeypatch.setattr(rules, "AT_ONCE", 2)
    ledger, reader = reader_of(target=10.0, reservation_ttl=60.0)
    for number in range(40):
        ledger.settle(ledger.reserve(5.0, f"q{number}", action="cot"), 4.0 + number % 5)
    for number in range(7):
        ledger.reserve(5.0, f"old {number}", question=f"old {number % 3}", worst=9.0, action="cot")
    clock.now += 61.0
    ledger.charge(3.0, "late")
    ledger.reserve(8.0, "open", action="direct")
    seen = reader.snapshot()
    assert seen.in_flight == 1
    assert seen == ledger.snapshot()


def test_a_new_day_starts_where_the_ledger_would_start_it(reader_of, clock):
    ledger, reader = reader_of(target=10.0, window="day")
    for number in range(80):
        ledger.charge(30.0, f"q{number}")
    clock.now += 86_400.0
    seen = reader.snapshot()
    assert seen.spent == 0.0
    assert seen == ledger.snapshot()


def test_works_beside_a_writer_in_the_middle_of_a_transaction(reader_of, tmp_path):
    ledger, reader = reader_of(target=10.0)
    ledger.charge(5.0, "q")
    writer = sqlite3.connect(tmp_path / "a ledger.sqlite", isolation_level=None)
    writer.execute("begin immediate")
    writer.execute("delete from ledger_entries")
    assert reader.snapshot().spent == 5.0
    writer.execute("rollback")
    writer.close()


def test_what_is_no_ledger_is_refused_and_not_made_one(tmp_path):
    missing, empty = tmp_path / "missing.sqlite", tmp_path / "other.sqlite"
    with pytest.raises(LedgerError, match=r"no ledger in .*missing\.sqlite"):
        LedgerReader(f"sqlite:///{missing}")
    assert not missing.exists()
    other = sqlite3.connect(empty)
    other.execute("create table things (name text)")
    other.close()
    with pytest.raises(LedgerError, match=r"no ledger in .*other\.sqlite"):
        LedgerReader(f"sqlite:///{empty}")
    other = sqlite3.connect(empty)
    assert other.execute("select name from sqlite_master").fetchall() == [("things",)]
    other.close()


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no database at all, only words, and enough of them to be read")
    with pytest.raises(UnreachableLedgerError, match="not a database"):
        LedgerReader(f"sqlite:///{tmp_path / 'notes.txt'}")


def test_another_name_is_refused_with_those_there_are(reader_of):
    _, reader = reader_of(target=10.0)
    with pytest.raises(LedgerError, match=r"no ledger 'team' in .* only default"):
        LedgerReader(reader.url, name="team")


@pytest.mark.parametrize("url", ["memory://", "redis://host", "what"])
def test_other_places_are_refused(url):
    with pytest.raises(LedgerError):
        LedgerReader(url)
