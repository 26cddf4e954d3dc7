"""Export and retention of a ledger in a file, and the formats of an export."""

import csv

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import export_ledger, prune_ledger
from adaptive_reasoner.ledger.sql.schema import open_engine
from tests.unit_tests.ledger.contract_retention import RetentionContract, opened_at


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.db'}?synchronous=normal"


@pytest.fixture
def opening(url):
    with opened_at(url) as opened:
        yield opened


class TestSqliteRetention(RetentionContract):
    pass


def test_a_table_for_spreadsheets_computes_nothing(url, opening, tmp_path):
    ledger = opening()
    ledger.charge(1.5, "=1+1", action='a "quoted", name')
    ledger.reserve(1.0, "-2")
    export_ledger(url, tmp_path / "charges.csv")
    with (tmp_path / "charges.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["key"], first["action"], first["cost"]) == ("'=1+1", 'a "quoted", name', "1.5")
    assert (second["key"], second["cost"], second["explored"]) == ("'-2", "", "false")


@pytest.mark.parametrize("of", ["charges", "questions"])
def test_columns_of_parquet_have_their_types_also_without_a_row(url, opening, tmp_path, of):
    parquet = pytest.importorskip("pyarrow.parquet")
    ledger = opening()
    export_ledger(url, tmp_path / "none.parquet", of=of)
    ledger.charge(1.5, "k", action="cot")
    export_ledger(url, tmp_path / "some.parquet", of=of)
    none, some = (parquet.read_table(tmp_path / f"{each}.parquet") for each in ("none", "some"))
    assert none.schema == some.schema
    assert (none.num_rows, some.num_rows) == (0, 1)
    assert some["spent" if of == "questions" else "cost"].to_pylist() == [1.5]


def test_an_export_that_fails_leaves_the_earlier_file(url, opening, tmp_path):
    opening().charge(1.0, "k")
    file = tmp_path / "charges.csv"
    file.write_text("earlier")
    with pytest.raises(LedgerError, match="no ledger 'nobody'"):
        export_ledger(url, file, name="nobody")
    assert file.read_text() == "earlier"


@pytest.mark.parametrize("url", ["memory://", "redis://host"])
def test_only_databases_are_exported_and_pruned(url, tmp_path):
    with pytest.raises(LedgerError):
        export_ledger(url, tmp_path / "a.csv")
    with pytest.raises(LedgerError):
        prune_ledger(url, older_than=1.0)


def test_a_charge_of_an_older_version_is_dated_by_its_expiry(url, opening, tmp_path):
    ledger = opening(reservation_ttl=3_600.0, clock=lambda: 1_750_000_000.0)
    ledger.reserve(1.0, "k")
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("update ledger_entries set reserved_at = null")
    engine.dispose()
    export_ledger(url, tmp_path / "c.jsonl", since=1_750_000_000.0)
    assert '"reserved_at": "2025-06-15T15:06:40+00:00"' in (tmp_path / "c.jsonl").read_text()


def test_other_processes_charge_between_two_batches(url, opening, monkeypatch):
    from adaptive_reasoner.ledger.sql import pruning

    ledger, other = opening(clock=lambda: 0.0), opening()
    for number in range(12):
        ledger.charge(1.0, f"old {number}")
    monkeypatch.setattr(pruning, "BATCH", 4)
    delete, between = pruning.OldCharges.delete, []

    def counted(old, connection, batch):
        between.append(batch)
        return delete(old, connection, batch)

    monkeypatch.setattr(pruning.OldCharges, "delete", counted)
    monkeypatch.setattr(
        "adaptive_reasoner.ledger.retention.time.sleep", lambda _: other.charge(1.0, f"new {len(between)}")
    )
    assert prune_ledger(url, older_than=86_400.0).charges == 12
    assert len(between) == 3
    assert other.snapshot().spent == 12.0 + 3.0
