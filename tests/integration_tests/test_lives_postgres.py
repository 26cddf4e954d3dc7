"""Runs that crash, repeat and expire in any order, on PostgreSQL."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from adaptive_reasoner.ledger import open_ledger
from tests.unit_tests.reasoner.lives import Lives


@pytest.mark.slow
def test_the_ledger_has_what_the_provider_bills_within_the_cap(postgres):
    class OnPostgresql(Lives):
        def ledgers_of(self, **terms):
            return [open_ledger(postgres, **terms) for _ in range(3)]

    some = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(OnPostgresql, settings=some)
