"""What a run brings along: a budget of its own, obeyed and paid for by nobody else."""

import numpy as np
import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.integrations.context import Tenants, options_from_context
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.tenants import TenantLedger

TARGET, OWN = 20.0, 40.0


class Curve:
    """A policy that knows which price leads to which mean cost of a dear action."""

    policy_id, cost_unit, slope = "curve", "tokens", None

    def __init__(self, worth, cost, budget):
        self.worth, self.cost, self.budget = worth, cost, budget
        self.price = float(np.quantile(worth / cost, 1.0 - budget / cost))

    def at(self, *, budget):
        return Curve(self.worth, self.cost, budget)


@pytest.mark.parametrize("tenant", [None, "acme"])
# The price of the policy, against what holds its budget.
@pytest.mark.parametrize("off", [0.6, pytest.param(1.0, marks=pytest.mark.slow), 1.5])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_budget_of_a_question_is_obeyed_and_paid_for_by_no_other(share, off, tenant):
    rng = np.random.default_rng(0)
    cost, worth = 100.0, 0.2 * rng.lognormal(0.0, 0.8, 6_000)
    policy = Curve(off * worth, cost, TARGET)
    common = open_ledger("memory://", policy=policy)
    tenants = Tenants(common, lambda _: open_ledger("memory://", policy=policy))
    spent = {TARGET: [], OWN: []}
    for number, gain in enumerate(worth):
        own = OWN if rng.random() < share else None
        terms = options_from_context({"budget": own, "tenant": tenant}, policy=policy, tenants=tenants)
        ledger = terms.get("ledger") or common
        dear = gain > terms.get("price", ledger.price) * cost
        held = ledger.reserve(cost if dear else 0.0, str(number), budget=terms.get("budget"))
        ledger.settle(held, cost * rng.gamma(4.0, 0.25) if dear else 0.0)
        spent[own or TARGET].append(ledger.history(1)[0].cost)
    assert np.mean(spent[OWN]) == pytest.approx(OWN, rel=0.06)
    if share < 1.0:
        assert np.mean(spent[TARGET]) == pytest.approx(TARGET, rel=0.06)


@pytest.mark.parametrize("budget", [float("nan"), -1.0, float("inf")])
def test_a_budget_that_is_none_is_refused_and_nothing_is_charged(budget):
    for ledger in (open_ledger("memory://", target=20.0), open_ledger("memory://")):
        tenant = TenantLedger(ledger, open_ledger("memory://", target=5.0), tenant="acme")
        for each in (ledger, tenant):
            with pytest.raises(LedgerError, match="budget must be a finite amount"):
                each.reserve(1.0, "q", budget=budget)
        assert ledger.snapshot().in_flight == tenant.snapshot().in_flight == 0
