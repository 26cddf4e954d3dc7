"""A run's own budget in front of a ledger."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.runs import RunLedger, charges, counts_on, spent_on
from adaptive_reasoner.ledger.tenants import TenantLedger


@pytest.fixture(params=["memory://", "sqlite"])
def ledger(request, tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db" if request.param == "sqlite" else request.param
    with open_ledger(url, cost_unit="tokens") as opened:
        yield opened


def test_what_a_run_costs_is_in_the_ledger_and_on_its_budget(ledger):
    run = RunLedger(ledger, "run", budget=10.0)
    run.settle(run.admit("a", 6.0), 4.0)
    run.release(run.admit("b", 6.0))
    run.charge(1.0, "c", question="run")
    run.charge(1.0, "c", question="run")
    assert (run.cost, run.left, ledger.snapshot().spent, ledger.snapshot().questions) == (5.0, 5.0, 5.0, 1)
    assert spent_on(ledger, "run") == spent_on(run, "run") == 5.0


def test_what_is_under_way_leaves_less_for_others(ledger):
    run = RunLedger(ledger, "run", budget=10.0)
    run.admit("a", 6.0)
    with pytest.raises(BudgetExceededError, match="can cost 5 tokens, and the run has 4 of 10 left"):
        run.admit("b", 5.0)
    assert ledger.snapshot().in_flight == 1
    run.settle("a", 1.0)
    run.settle(run.admit("b", 5.0), 5.0)
    assert run.left == 4.0


def test_of_many_at_once_no_more_are_admitted_than_fit(ledger):
    run = RunLedger(ledger, "run", budget=10.0)

    def admitted(number):
        try:
            run.admit(f"call-{number}", 3.0)
        except BudgetExceededError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(admitted, range(16))) == 3


def test_a_run_inside_a_run_counts_on_both_and_is_charged_once(ledger):
    outer = RunLedger(ledger, "run", budget=10.0)
    inner = RunLedger(outer, "run", budget=8.0)
    assert inner.left == 8.0
    outer.settle(outer.admit("a", 3.0), 3.0)
    assert inner.left == 7.0
    inner.settle(inner.admit("b", 5.0), 5.0)
    assert (inner.cost, outer.cost, ledger.spent) == (5.0, 8.0, 8.0)
    with pytest.raises(BudgetExceededError, match="has 2 of 10 left"):
        inner.admit("c", 3.0)
    assert (inner.left, outer.left, ledger.snapshot().in_flight) == (2.0, 2.0, 0)
    assert counts_on(inner, outer)
    assert charges(inner, ledger)
    assert not counts_on(outer, inner)


def test_a_tenants_charge_is_one_to_the_common_ledger(ledger):
    run = RunLedger(ledger, "run")
    tenant = TenantLedger(run, open_ledger("memory://", cost_unit="tokens"), tenant="acme")
    tenant.settle(tenant.reserve(4.0, "a"), 4.0)
    assert run.cost == 4.0
    assert counts_on(tenant, run)
    assert charges(tenant, ledger)


def test_a_late_settlement_takes_the_place_of_the_worst_case(ledger):
    run = RunLedger(ledger, "run", budget=10.0)
    held = run.admit("a", 6.0)
    run.expire(held)
    assert run.cost == 6.0
    run.settle(held, 2.0)
    assert run.cost == ledger.snapshot().spent == 2.0


def test_what_another_process_has_left_open_is_counted_once(ledger):
    ledger.reserve(2.0, "a", worst=6.0, question="run")
    run = RunLedger(ledger, "run", budget=10.0, cost=spent_on(ledger, "run"))
    assert run.cost == 2.0
    run.expire("a")
    assert run.cost == ledger.snapshot().spent == 6.0


def test_a_settlement_above_its_worst_case_is_counted_in_full(tmp_path):
    ledger = open_ledger("memory://", cost_unit="tokens", hard_cap=100.0)
    run = RunLedger(ledger, "run", budget=10.0)
    with pytest.raises(BudgetExceededError):
        run.settle(run.admit("a", 5.0), 7.0)
    assert run.cost == ledger.spent == 7.0


def test_more_is_held_for_a_charge_where_there_is_room(ledger):
    run = RunLedger(ledger, "run", budget=10.0)
    held = run.admit("a", 3.0)
    run.admit("b", 5.0)
    run.extend(held, 5.0)
    with pytest.raises(BudgetExceededError, match="has 0 of 10 left"):
        run.extend(held, 6.0)
    run.settle(held, 5.0)
    run.settle("b", 5.0)
    assert run.left == 0.0


def test_a_call_of_any_length_does_not_fit_in_a_budget():
    run = RunLedger(open_ledger("memory://", cost_unit="tokens"), "run", budget=10.0)
    with pytest.raises(BudgetExceededError, match="declare max_tokens"):
        run.admit("a", float("inf"), expected=5.0)


def test_a_run_passes_on_what_is_explored():
    ledger = open_ledger("memory://", target=50.0)
    run = RunLedger(ledger, "run")
    run.settle(run.reserve(5.0, "run:1", question="run", explored=True), 5.0)
    run.charge(2.0, "run:2", question="run", explored=True)
    assert (ledger.snapshot().explored_questions, run.snapshot().explored_spent) == (1, 7.0)
