"""What an agent's run has cost, in its state and on its bill.

The bill lives in the process and counts every call. The state keeps a record of it, so that a run which goes
on in another process, as after an interrupt, and the next run of a thread, know what was spent before. Where
the ledger can tell, it is asked too: it knows what the state was not told of, as after a crash.
"""

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NotRequired

from langchain.agents.middleware.types import AgentState, PrivateStateAttr

from adaptive_reasoner.integrations.allowances import Allowance
from adaptive_reasoner.integrations.billing_callbacks import blocks
from adaptive_reasoner.integrations.run_bills import (
    RunBill,
    bill_named,
    carry_on,
    graph_namespace,
    open_bill,
)
from adaptive_reasoner.integrations.tool_costs import ToolCosts
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.runs import spent_on
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.policy.base import never_blocks

SpendCounter = dict[str, Any]
"""What a thread knows of its spending: `run_id`, `run` (cost), `thread` (cost), `steps`, and its `bill`.

Where a run was allowed more than its budget, also `run_budget` and `thread_budget`: what was added to them.
"""

_ADDED = ("run_budget", "thread_budget")


def booked(before: SpendCounter | None, change: SpendCounter) -> SpendCounter:
    """Add to an account; a change under a new `run_id` begins a new run of the thread.

    Example:
        >>> first = booked(None, {"run_id": "a", "run": 2.0, "thread": 2.0, "steps": 1})
        >>> booked(first, {"run_id": "b", "run": 3.0, "thread": 3.0, "steps": 1})
        {'run_id': 'b', 'run': 3.0, 'thread': 5.0, 'steps': 1}
    """
    known = {"run_id": "", "run": 0.0, "thread": 0.0, "steps": 0} | (before or {})
    if known["run_id"] != change["run_id"]:
        known |= {"run": 0.0, "steps": 0, "run_budget": 0.0}
    sums = {name: known[name] + change[name] for name in ("run", "thread", "steps")}
    more = {name: change.get(name, known.get(name, 0.0)) for name in _ADDED}
    sums |= {name: amount for name, amount in more.items() if amount}
    bill = change.get("bill") or known.get("bill")
    return {"run_id": change["run_id"], **sums, **({"bill": bill} if bill else {})}


class AdaptiveAgentState(AgentState[Any]):
    """The agent's state, with an account that neither its input nor its output shows."""

    # The reducer comes last: LangGraph reads no other, and without it the spend would be overwritten.
    adaptive_account: NotRequired[Annotated[SpendCounter, PrivateStateAttr, booked]]


def account_of(state: Any) -> SpendCounter:
    """The account in an agent's state; a new one where the state has none."""
    known: SpendCounter | None = state.get("adaptive_account") if isinstance(state, Mapping) else None
    return known or {"run_id": uuid.uuid4().hex, "run": 0.0, "thread": 0.0, "steps": 0}


class AgentBills:
    """Opens the bills of an agent's runs, and finds them again.

    Args:
        meter: What a call costs.
        tool_costs: What tools cost.
        run_budget: The most that one run may cost.
        thread_budget: The most that all runs of a thread may cost together.
    """

    def __init__(
        self, meter: Meter, tool_costs: ToolCosts, run_budget: float | None, thread_budget: float | None
    ) -> None:
        self._meter, self._tool_costs = meter, tool_costs
        self._opening = threading.Lock()
        self._run_budget, self._thread_budget = run_budget, thread_budget

    def begin(self, question: str, before: SpendCounter | None, ledger: Ledger) -> SpendCounter:
        """Open the bill of a new run, and return what the state is to know of it.

        Args:
            question: The run's question in the ledger.
            before: The account of the thread so far.
            ledger: What the run is charged to.
        """
        unknown = 0.0  # spent by the run before, after the state was last told
        if before and self._thread_budget is not None:
            unknown = max(0.0, self._cost(before, ledger) - before["run"])
        spent = unknown + (before["thread"] if before else 0.0)
        account = {"run_id": question, "run": 0.0, "thread": unknown, "steps": 0}
        more = before.get("thread_budget", 0.0) if before else 0.0
        bill = self._open(question, ledger, self._allowance(spent, thread_budget=more), 0.0)
        return {**account, "bill": bill.id}

    def of(self, account: SpendCounter, ledger: Callable[[], Ledger]) -> RunBill:
        """The bill of a run that is under way, opened again in a process that does not know it."""
        bill = bill_named(_name(account))
        if bill is None:
            with self._opening:  # tools that run side by side ask for it at once
                bill = bill_named(_name(account)) or self._taken_up(account, ledger())
        carry_on(bill)
        return bill

    @staticmethod
    def change(account: SpendCounter, bill: RunBill, *, steps: int) -> SpendCounter:
        """What the state is to learn: all that the run has spent since it was last told."""
        spent = max(0.0, bill.ledger.cost - account["run"])
        change = {"run_id": account["run_id"], "run": spent, "thread": spent, "steps": steps}
        added = {name: bill.allowance.more(name) for name in bill.allowance.budgets}
        return {**change, **{name: more for name, more in added.items() if more}, "bill": bill.id}

    def knows(self, account: SpendCounter) -> bool:
        """Whether the bill of a run is known in this process."""
        return bill_named(_name(account)) is not None

    def _taken_up(self, account: SpendCounter, ledger: Ledger) -> RunBill:
        others = account["thread"] - account["run"]
        cost = self._cost(account, ledger)
        allowance = self._allowance(others, **{name: account.get(name, 0.0) for name in _ADDED})
        allowance.nearly_used(cost)  # of which the run was told where it began
        return self._open(account["run_id"], ledger, allowance, cost, _name(account))

    def _allowance(self, others: float, **added: float) -> Allowance:
        """The budgets of a run, with what the other runs of its thread have spent, and what was added."""
        budgets, before = {}, {}
        if self._run_budget is not None:
            budgets["run_budget"] = self._run_budget
        if self._thread_budget is not None:
            budgets["thread_budget"] = self._thread_budget - others
            before["thread_budget"] = others
        earlier = {name: amount for name, amount in added.items() if amount}
        return Allowance(budgets, before, {("earlier", 0): earlier})

    def _open(
        self,
        question: str,
        ledger: Ledger,
        allowance: Allowance,
        cost: float,
        bill_id: str | None = None,
    ) -> RunBill:
        if not never_blocks(ledger):
            blocks()
        bill, early = open_bill(
            ledger,
            self._meter,
            question,
            tool_costs=self._tool_costs,
            allowance=allowance,
            cost=cost,
            bill_id=bill_id,
        )
        for call in early:
            call.charge_late(bill)
        return bill

    @staticmethod
    def _cost(account: SpendCounter, ledger: Ledger) -> float:
        """What a run has cost, as far as anything knows."""
        bill = bill_named(_name(account))
        if bill is not None:
            return max(float(account["run"]), bill.ledger.cost)
        # In the ledger a graph run is one question, of which the graph of an inner agent is a part.
        known = 0.0 if graph_namespace() else spent_on(ledger, account["run_id"])
        return max(float(account["run"]), known)


def _name(account: SpendCounter) -> str:
    """Of the bill of a run; an account of an earlier version has none but the run's own."""
    return str(account.get("bill") or account["run_id"])
