"""What a graph run may set in its context: budget, price, tenant, largest cost, and a name for draws."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypedDict

from adaptive_reasoner.amounts import given, written
from adaptive_reasoner.integrations.langgraph_runtime import read
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.ledger.tenants import TenantLedger, check_tenant
from adaptive_reasoner.models.metering import is_amount
from adaptive_reasoner.policy.base import MovesToBudget, Policy
from adaptive_reasoner.policy.versions import version_of
from adaptive_reasoner.reasoner.options import AnswerOptions


class AdaptiveContext(TypedDict, total=False):
    """The context of a run; any `context_schema` with some of these fields works.

    Attributes:
        budget: Mean cost of questions like this one, where it differs from the ledger's target. They are
            decided at the policy's price for that budget, which the ledger's price moves as it moves all
            others, and the ledger counts what they overspend or save against that budget: a run that may
            cost more is not paid for by those that may not. The average over all runs is then between.
        price: Takes the place of the ledger's price.
        tenant: Who is charged, beside the common ledger.
        max_cost: The most that an answer may cost.
        draw: What mixtures and exploration are drawn by. Runs of one name draw alike, so that a replay can be
            repeated; by default each run draws anew.
    """

    budget: float | None
    price: float | None
    tenant: str | None
    max_cost: float | None
    draw: str | None


class Tenants:
    """The ledgers of tenants, each opened once.

    Args:
        common: What all tenants share.
        open_own: Opens a tenant's own ledger by name; by default tenants are counted in memory.
    """

    def __init__(self, common: Ledger, open_own: Callable[[str], Ledger] | None = None) -> None:
        self.common, self._open_own = common, open_own
        self._ledgers: dict[str, Ledger] = {}
        self._opening = threading.Lock()

    def ledger_of(self, tenant: str) -> Ledger:
        """The ledger that charges a tenant, and the common one with it."""
        if tenant not in self._ledgers:
            check_tenant(tenant)  # before a ledger of this name is opened
            with self._opening:
                if tenant not in self._ledgers:
                    self._ledgers[tenant] = TenantLedger(self.common, self._own(tenant), tenant=tenant)
        return self._ledgers[tenant]

    async def aready(self, context: Any) -> None:
        """Open the ledger of the tenant that a run's context names, without blocking the loop."""
        tenant = read(context, "tenant")
        if tenant is not None and tenant not in self._ledgers:
            await asyncio.to_thread(self.ledger_of, tenant)

    def close(self) -> None:
        """Close the ledgers of all tenants, and the common one."""
        with self._opening:
            for ledger in self._ledgers.values():
                ledger.close()
        self.common.close()

    def _own(self, tenant: str) -> Ledger:
        if self._open_own is None:
            return open_ledger("memory://", cost_unit=self.common.cost_unit)
        return self._open_own(tenant)


def options_from_context(
    context: Any, *, policy: Policy, tenants: Tenants, price: float | None = None
) -> AnswerOptions:
    """The terms that a run's context asks for.

    Args:
        context: A dict or an object with some of the fields of `AdaptiveContext`; None says nothing.
        policy: Says what a budget means as a price.
        tenants: Where a tenant's ledger is.
        price: The price so far, where it is not the ledger's.

    Raises:
        LedgerError: The tenant's name is empty or holds a slash.
        ValueError: A budget was given that is none, or of which the policy does not know the price.
    """
    terms: AnswerOptions = {}
    if context is None:
        return terms
    values = {name: read(context, name) for name in AdaptiveContext.__annotations__}
    if values["max_cost"] is not None:
        terms["max_cost"] = values["max_cost"]
    if values["draw"]:
        terms["draw"] = values["draw"]
    if values["tenant"] is not None:
        terms["ledger"] = tenants.ledger_of(values["tenant"])
    if values["price"] is not None:
        terms["price"] = values["price"]
    elif values["budget"] is not None:
        ledger = terms.get("ledger") or tenants.common
        terms["budget"] = values["budget"]
        terms["price"] = _price_at(values["budget"], policy, ledger.price if price is None else price)
    return terms


def _price_at(budget: float, policy: Policy, price: float) -> float:
    """The price at another budget than the ledger's, which has moved it from the policy's own."""
    if not (is_amount(budget) and budget > 0):
        raise ValueError(f"budget is a number above 0, not {given(budget)}")
    policy = version_of(policy)
    if not isinstance(policy, MovesToBudget) or not policy.price:
        raise ValueError(
            f"policy {policy.policy_id!r} has no price for a budget of {written(budget)}; "
            "give a price instead"
        )
    return policy.at(budget=budget).price * price / policy.price
