"""What every ledger does, as one class with a hole: how it is opened."""

import pytest

from adaptive_reasoner.ledger import Ledger
from tests.unit_tests.ledger.contract_alarms import AlarmsContract
from tests.unit_tests.ledger.contract_attempts import AttemptsContract
from tests.unit_tests.ledger.contract_budgets import BudgetsContract
from tests.unit_tests.ledger.contract_charges import ChargesContract
from tests.unit_tests.ledger.contract_comparisons import ComparisonsContract
from tests.unit_tests.ledger.contract_exploration import ExplorationContract
from tests.unit_tests.ledger.contract_quality import QualityContract
from tests.unit_tests.ledger.contract_sums import SumsContract
from tests.unit_tests.ledger.stand_ins import Clock


class LedgerContract(
    ChargesContract,
    AttemptsContract,
    BudgetsContract,
    AlarmsContract,
    ComparisonsContract,
    ExplorationContract,
    QualityContract,
    SumsContract,
):
    @pytest.fixture
    def make(self):
        """The hole: a function of `open_ledger`'s arguments that opens a new ledger."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self):
        return Clock()

    def test_is_a_ledger(self, make):
        assert isinstance(make(target=50.0), Ledger)
