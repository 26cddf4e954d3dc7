"""The ledger of one process."""

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import open_ledger
from tests.unit_tests.ledger.contract import LedgerContract


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def make(self):
        return lambda **arguments: open_ledger("memory://", **arguments)


def test_forgets_the_oldest_charges_but_not_their_sums(monkeypatch):
    monkeypatch.setattr("adaptive_reasoner.ledger.memory.REMEMBERED", 10)
    ledger = open_ledger("memory://", target=50.0)
    ledger.reserve(5.0, "open")
    for i in range(30):
        ledger.charge(1.0, str(i))
    assert (ledger.spent, ledger.snapshot().questions) == (30.0, 30)
    assert ledger.settle("open", 7.0).cost == 7.0
    assert ledger.charge(99.0, "29").cost == 1.0


def test_has_no_database_to_lose(tmp_path):
    with pytest.raises(LedgerError, match="no database"):
        open_ledger("memory://", journal=tmp_path / "journal")
