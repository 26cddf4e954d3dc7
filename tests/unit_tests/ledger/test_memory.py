"""The ledger of one process."""

import pytest

from adaptive_reasoner.ledger import open_ledger
from tests.unit_tests.ledger.contract import LedgerContract


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def make(self):
        return lambda **arguments: open_ledger("memory://", **arguments)
