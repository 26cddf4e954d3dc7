"""Whatever crashes, repeats or is refused: the ledger has what the provider bills, within the cap."""

import tempfile

import pytest
from hypothesis import HealthCheck, settings

from adaptive_reasoner.ledger import open_ledger
from tests.unit_tests.reasoner.lives import Lives

OFTEN = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


class InMemory(Lives):
    def ledgers_of(self, **terms):
        return [open_ledger("memory://", **{name: value for name, value in terms.items() if name != "name"})]


class OnSqlite(Lives):
    def ledgers_of(self, **terms):
        self.folder = tempfile.TemporaryDirectory()
        return [
            open_ledger(f"sqlite:///{self.folder.name}/ledger?synchronous=normal", **terms) for _ in range(3)
        ]

    def teardown(self):
        super().teardown()
        self.folder.cleanup()


class TestInMemory(InMemory.TestCase):
    settings = OFTEN


@pytest.mark.slow
class TestOnSqlite(OnSqlite.TestCase):
    settings = OFTEN
