"""Tenants under a common ledger."""

import numpy as np
import pytest

from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.tenants import TenantLedger
from tests.unit_tests.ledger.contract import LedgerContract
from tests.unit_tests.ledger.contract_quality import Accurate
from tests.unit_tests.ledger.stand_ins import Priced


class TestTenantLedger(LedgerContract):
    @pytest.fixture
    def make(self):
        def opening(**arguments):
            unit = arguments["policy"].cost_unit if "policy" in arguments else None
            common = open_ledger("memory://", cost_unit=arguments.get("cost_unit") or unit)
            return TenantLedger(common, open_ledger("memory://", **arguments), tenant="acme")

        return opening


class TestTenantLedgerInOneDatabase(LedgerContract):
    @pytest.fixture
    def make(self, tmp_path):
        opened = []

        def opening(**arguments):
            url = f"sqlite:///{tmp_path / f'{len(opened)}.db'}?synchronous=normal"
            unit = arguments["policy"].cost_unit if "policy" in arguments else None
            common = open_ledger(url, name="common", cost_unit=arguments.get("cost_unit") or unit)
            opened.append(common)
            opened.append(open_ledger(url, **{"name": "acme", **arguments}))
            return TenantLedger(common, opened[-1], tenant="acme")

        yield opening
        for ledger in opened:
            ledger.close()


@pytest.fixture
def common():
    return open_ledger("memory://", policy=Priced(price=0.002, budget=50.0), hard_cap=1_000.0)


def tenant(common, name="acme", **terms):
    return TenantLedger(common, open_ledger("memory://", **terms), tenant=name)


def test_charges_both_and_keeps_the_keys_of_tenants_apart(common):
    one, other = tenant(common, "one"), tenant(common, "other")
    for ledger in (one, other):
        ledger.settle(ledger.reserve(40.0, "q", worst=60.0), 45.0)
    assert (one.spent, other.spent, common.spent) == (45.0, 45.0, 90.0)
    assert common.snapshot().questions == 2


def test_a_grade_of_a_tenants_question_counts_in_both_ledgers():
    common = open_ledger("memory://", policy=Accurate(), target_accuracy=0.7)
    one, other = (TenantLedger(common, open_ledger("memory://"), tenant=name) for name in ("one", "other"))
    one.feedback("q", 1.0)
    other.feedback("q", 0.0)
    assert (one.own.quality.accuracy, other.own.quality.accuracy) == (1.0, 0.0)
    assert (common.quality.feedbacks, common.quality.accuracy) == (2, 0.5)
    assert one.quality == one.snapshot().quality == common.quality  # the tenant has no floor of its own


def test_decides_at_the_common_price_until_its_own_budget_binds(common):
    acme = tenant(common, policy=Priced(price=0.002, budget=20.0))
    common.charge(200.0, "elsewhere")
    acme.charge(15.0, "cheap")
    assert acme.surcharge == 0.0
    assert acme.price == common.price
    for i in range(10):
        acme.charge(50.0, f"dear {i}")
    assert acme.surcharge > 0.0
    assert acme.price == pytest.approx(common.price + acme.surcharge)


def test_tenant_without_a_target_follows_the_common_price(common):
    acme = tenant(common, hard_cap=100.0)
    acme.reserve(60.0, "q")
    assert (acme.price, acme.target, acme.surcharge) == (common.price, 50.0, 0.0)
    assert not acme.snapshot().slack
    assert acme.snapshot().credit == common.snapshot().credit
    with pytest.raises(BudgetExceededError):
        acme.reserve(60.0, "r")
    assert common.snapshot().in_flight == 1


def test_refusal_by_the_common_cap_leaves_no_trace_with_the_tenant(common):
    acme = tenant(common)
    common.reserve(950.0, "elsewhere")
    with pytest.raises(BudgetExceededError):
        acme.reserve(60.0, "q")
    assert acme.snapshot().in_flight == 0
    common.release("elsewhere")
    assert acme.reserve(60.0, "q").status == "open"


def test_refusal_of_what_the_common_ledger_could_not_keep_leaves_no_trace_with_the_tenant(common):
    acme = tenant(common)
    with pytest.raises(LedgerError, match="500 characters"):
        acme.reserve(60.0, "q" * 500)
    assert acme.snapshot().in_flight == 0


def test_settlement_above_the_worst_case_is_booked_in_both(common):
    acme = tenant(common, hard_cap=500.0)
    acme.reserve(10.0, "q", worst=20.0)
    with pytest.raises(BudgetExceededError, match="booked"):
        acme.settle("q", 30.0)
    assert (acme.spent, common.spent) == (30.0, 30.0)


def test_verb_that_was_cut_between_the_two_is_completed_by_repeating_it(common):
    acme = tenant(common)
    acme.reserve(40.0, "q", worst=60.0)
    acme.own.settle("q", 45.0)  # and here the process died
    assert common.snapshot().in_flight == 1
    acme.settle("q", 99.0)
    assert (acme.spent, common.spent) == (45.0, 45.0)


def test_each_tenant_holds_its_own_average_under_the_common_one():
    common = open_ledger("memory://", policy=Priced(price=0.002, budget=60.0))
    tight = tenant(common, "tight", policy=Priced(price=0.002, budget=30.0))
    wide = tenant(common, "wide", policy=Priced(price=0.002, budget=120.0))
    rng = np.random.default_rng(0)
    for i in range(4_000):
        ledger = (tight, wide)[i % 2]
        dear = 0.3 * rng.lognormal(0.0, 0.8) > ledger.price * 150.0
        ledger.settle(ledger.reserve(150.0 if dear else 0.0, str(i)), 150.0 * rng.gamma(4.0, 0.25) * dear)
    assert tight.average == pytest.approx(30.0, rel=0.02)
    assert common.average == pytest.approx(60.0, rel=0.01)
    assert wide.average == pytest.approx(90.0, rel=0.02)


@pytest.mark.parametrize("name", ["", "a/b"])
def test_refuses_a_name_that_could_be_mistaken(common, name):
    with pytest.raises(LedgerError, match="slash"):
        tenant(common, name)


def test_refuses_two_units(common):
    with pytest.raises(LedgerError, match="units differ"):
        tenant(common, cost_unit="usd")


def test_the_common_ledger_knows_what_its_tenants_explored(common):
    acme = tenant(common)
    acme.settle(acme.reserve(12.0, "a", explored=True), 12.0)
    acme.charge(3.0, "b", explored=True)
    assert (common.snapshot().explored_questions, common.snapshot().explored_spent) == (2, 15.0)
    assert acme.snapshot().explored_spent == 15.0
