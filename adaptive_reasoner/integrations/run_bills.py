"""The bills of the graph runs of this process, and which of them a call belongs to.

A bill covers the graph that it was opened in, with all its nodes, subgraphs, tools and what these call. Two
things tell that a call is made in there, and LangGraph hands both down by itself: the context of the thread
or task, which is marked while a billed agent calls its model or a tool; and the run that the call belongs to,
with the namespace of its node. What loses both, such as a thread of its own, is on no bill.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from langchain_core.messages import ToolCall
from langchain_core.runnables.config import ensure_config

from adaptive_reasoner.integrations.allowances import Allowance
from adaptive_reasoner.integrations.langgraph_runtime import run_control
from adaptive_reasoner.integrations.tool_costs import ToolCosts
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.runs import RunLedger, charged_ledger
from adaptive_reasoner.ledger.tenants import TenantLedger
from adaptive_reasoner.models.metering import Meter

REMEMBERED = 4_096  # bills and runs of this process, the latest ones
_NO_COSTS = ToolCosts()
_EARLY = 256  # calls of a run that are kept until its bill is opened


@dataclass(frozen=True, eq=False)
class RunBill:
    """What is charged for one run of a graph.

    Attributes:
        ledger: Charges it, within the run's budget.
        meter: What its calls cost.
        within: The namespace of the graph that it covers; empty for all of the run.
        tool_costs: What tools cost.
        around: The bills that its charges count on as well.
        owes: Nothing is reserved or charged: what a call has cost is owed by the question (`owed_bills`),
            until the node that keeps its budget charges it.
        id: Its name within the process.
        tools: The calls of tools that have a limit, by name.
        allowance: The budgets of the run.
    """

    ledger: RunLedger
    meter: Meter
    within: str = ""
    tool_costs: ToolCosts = _NO_COSTS
    around: tuple["RunBill", ...] = ()
    owes: bool = False
    id: str = field(default_factory=lambda: uuid4().hex)
    tools: dict[str, set[str]] = field(default_factory=dict)
    allowance: Allowance = field(default_factory=Allowance)

    def covers(self, namespace: str) -> bool:
        """Whether a node is in the graph.

        A graph is in the namespace of the node that runs it; where the node runs more of them, the second has
        that with `|1` to it, and so on.

        >>> ledger: Any = None
        >>> bill = RunBill(ledger, ledger, within="agent:1")
        >>> nodes = ("agent:1|tools:2", "agent:1|1|tools:2", "agent:1", "agent:10|tools:2")
        >>> [bill.covers(node) for node in nodes]
        [True, False, False, False]
        """
        if not self.within:
            return True
        inside = namespace.removeprefix(f"{self.within}|")
        return inside != namespace and not inside.partition("|")[0].isdigit()

    def declared(self, call: ToolCall) -> float | None:
        """What a call of a tool costs at most, by the innermost bill that prices it; None without one."""
        costs = (each.tool_costs.of(call) for each in (self, *self.around))
        return next((cost for cost in costs if cost is not None), None)

    def allow(self, more: float, node: str, number: int, *, needed: float) -> None:
        """Let the run cost more, as a node was answered; see `Allowance.add`."""
        self.allowance.add(more, node, number, needed=needed)
        self.ledger.budget = self.allowance.most

    def take_back(self, node: str) -> None:
        """Before a node runs, which may have run before, forget what it was allowed."""
        self.allowance.take_back(node)
        self.ledger.budget = self.allowance.most

    def admits_tool(self, name: str, call_id: str, answered: set[str], most: int) -> bool:
        """Whether a call of a tool is one of the first `most`, counting those that are known as answered."""
        with _changing:
            made = self.tools.setdefault(name, set())
            if call_id not in made and len(made | answered) >= most:
                return False
            made.add(call_id)
            return True


@dataclass(eq=False)
class _Run:
    """A graph run with its bills and early calls; its `RunControl` is kept: its identity names the run."""

    control: Any
    bills: list[RunBill] = field(default_factory=list)
    early: list[tuple[str, Any]] = field(default_factory=list)


_bills: OrderedDict[str, RunBill] = OrderedDict()
_runs: OrderedDict[int, _Run] = OrderedDict()
_changing = threading.Lock()
_here: ContextVar[RunBill | None] = ContextVar("adaptive_reasoner_bill", default=None)


def open_bill(
    ledger: Ledger,
    meter: Meter,
    question: str,
    *,
    tool_costs: ToolCosts = _NO_COSTS,
    allowance: Allowance | None = None,
    cost: float = 0.0,
    owes: bool = False,
    bill_id: str | None = None,
) -> tuple[RunBill, list[Any]]:
    """Open a bill for the graph whose node this is called in.

    Args:
        ledger: What is charged; where a bill around this one charges it too, a charge counts on both.
        meter: What calls cost.
        question: The run's question in the ledger.
        tool_costs: What tools cost.
        allowance: The budgets of the run.
        cost: What it has cost before.
        owes: Nothing is reserved or charged; see `RunBill`.
        bill_id: The bill's name, where it was opened in another process before.

    Returns:
        The bill, and the calls of the graph that came before it.
    """
    control, namespace = run_control(), _namespace()
    within = graph_namespace()
    around = [bill for bill in _covering(control, namespace) if bill.within != within]
    here = _here.get()
    if here is not None and here not in around:
        around.append(here)
    allowance = allowance or Allowance()
    run_ledger = RunLedger(_through(ledger, around), question, budget=allowance.most, cost=cost)
    shared = tuple(other for other in around if run_ledger.includes(other.ledger))
    name = bill_id or uuid4().hex
    bill = RunBill(run_ledger, meter, within, tool_costs, shared, owes, name, allowance=allowance)
    early: list[Any] = []
    with _changing:
        _keep(_bills, bill.id, bill)
        if control is not None:
            run = _run(control)
            run.bills = [other for other in run.bills if other.within != within]
            run.bills.append(bill)
            early = [call for at, call in run.early if bill.covers(at)]
            run.early = [(at, call) for at, call in run.early if not bill.covers(at)]
    return bill, early


def bill_named(bill_id: str | None) -> RunBill | None:
    """A bill that was opened in this process; None where there is none of this name."""
    return _bills.get(bill_id or "")


def carry_on(bill: RunBill) -> None:
    """Let a bill cover its graph in the run that this is called in, as after an interrupt."""
    control = run_control()
    if control is None or (id(control) in _runs and bill in _runs[id(control)].bills):
        return
    with _changing:
        run = _run(control)
        run.bills = [*(other for other in run.bills if other.within != bill.within), bill]


def graph_namespace() -> str:
    """Of the graph whose node this is called in; empty for the graph of the whole run."""
    return _namespace().rpartition("|")[0]


def bills_here() -> list[RunBill]:
    """The bills that a call made here is on; one that counts on another's budget stands for both."""
    control, here = run_control(), _here.get()
    found = [] if control is None else _covering(control, _namespace())
    if here is not None:  # where an agent runs several times at once, only the context tells which run it is
        found = [here, *(bill for bill in found if bill is not here and _is_apart(bill, here))]
    if len(found) < 2:
        return found
    inner = [
        bill
        for bill in found
        if not any(other is not bill and other.ledger.includes(bill.ledger) for other in found)
    ]
    return list({id(bill.ledger.charged): bill for bill in inner}.values())


def through_bills(ledger: Ledger) -> Ledger:
    """A ledger as the bills here see it: what is charged to it counts on the budget of the run."""
    return _through(ledger, bills_here())


def keep_early(call: Any) -> None:
    """Keep a call that is on no bill, for one that its run may open yet."""
    control = run_control()
    if control is None:
        return
    with _changing:
        run = _run(control)
        if len(run.early) < _EARLY:
            run.early.append((_namespace(), call))


@contextmanager
def on_bill(bill: RunBill) -> Iterator[None]:
    """Put all calls of this thread or task, and of those it starts, on a bill."""
    before = _here.set(bill)
    try:
        yield
    finally:
        _here.reset(before)


def _through(ledger: Ledger, bills: list[RunBill]) -> Ledger:
    for bill in bills:
        if charged_ledger(bill.ledger) is ledger:
            return bill.ledger
        if isinstance(ledger, TenantLedger) and charged_ledger(bill.ledger) is ledger.common:
            return TenantLedger(bill.ledger, ledger.own, tenant=ledger.tenant)
    return ledger


def _is_apart(bill: RunBill, here: RunBill) -> bool:
    """Whether a bill is of a run inside the one that is marked here, or charges another ledger."""
    return bill.ledger.includes(here.ledger) or bill.ledger.charged is not here.ledger.charged


def _covering(control: Any, namespace: str) -> list[RunBill]:
    run = _runs.get(id(control))
    return [] if run is None else [bill for bill in run.bills if bill.covers(namespace)]


def _namespace() -> str:
    """Of the node that this is called in; empty outside a graph."""
    return str(ensure_config().get("configurable", {}).get("checkpoint_ns") or "")


def _run(control: Any) -> _Run:
    run = _runs.get(id(control)) or _Run(control)
    _keep(_runs, id(control), run)
    return run


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)
