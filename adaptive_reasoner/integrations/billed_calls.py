"""A call of a model or a tool on the bills of its run: reserved before it is made, settled after it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, ToolCall
from langgraph.errors import GraphBubbleUp
from typing_extensions import override

from adaptive_reasoner.errors import AdaptiveReasonerError, BudgetExceededError, UnpricedUsageError
from adaptive_reasoner.integrations.owed_bills import OwedBill, owe
from adaptive_reasoner.integrations.run_bills import RunBill
from adaptive_reasoner.ledger.base import Reservation
from adaptive_reasoner.ledger.refusals import without_bound
from adaptive_reasoner.ledger.runs import charges, counts_on
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.models.started_calls import StartedCall


@dataclass
class Charge:
    """What one bill holds for a call; without a reservation, whoever makes the call charges the ledger."""

    bill: RunBill
    key: str
    reservation: Reservation | None


@dataclass(eq=False)
class BilledModel:
    """A call of a model, under way or ended.

    Attributes:
        call: What is called.
        key: Names its charges.
        payer: The ledger that whoever makes the call charges for it; None where nobody does.
        outer: The call in which it is made: a chat model may call another one.
        charges: What bills hold for it.
        late: Bills that are charged once it has ended, without holding anything for it.
        inside: Calls that were made inside it and have ended.
        message: What it returned.
        error: What it raised.
        ended: Whether it did either.
        streaming: It has begun to stream, so that what is called meanwhile is not inside it.
        left_out: It is on no bill, as it reports no usage where that is allowed.
    """

    call: StartedCall
    key: str
    payer: Any = None
    outer: "BilledModel | None" = None
    charges: list[Charge] = field(default_factory=list)
    late: list[RunBill] = field(default_factory=list)
    inside: list["BilledModel"] = field(default_factory=list)
    message: AIMessage | None = None
    error: BaseException | None = None
    ended: bool = False
    streaming: bool = False
    left_out: bool = False

    def reserve(self, bills: Sequence[RunBill]) -> None:
        """Hold its worst case on each bill that its payer does not charge itself.

        Raises:
            BudgetExceededError: There is no room for it; nothing is held.
        """
        for bill in bills:
            if bill.owes:
                self.late.append(bill)
            elif self.payer is None or not counts_on(self.payer, bill.ledger):
                try:
                    self.charges.append(self._charge(bill))
                except BaseException:
                    release(self.charges)
                    raise

    def end(self, *, message: AIMessage | None = None, error: BaseException | None = None) -> None:
        """Replace what is held by what it cost.

        Raises:
            UnpricedUsageError: Its cost cannot be known; its worst case is booked.
            BudgetExceededError: It cost more than a hard cap held; it is booked in full.
        """
        self.message, self.error, self.ended = message, error, True
        if self.outer is not None:
            self.outer.inside.append(self)
        refused: AdaptiveReasonerError | None = None
        for charge in self.charges:
            try:
                self._settle(charge)
            except (UnpricedUsageError, BudgetExceededError) as failed:
                refused = failed
        for bill in self.late:
            try:
                self.charge_late(bill)
            except (UnpricedUsageError, BudgetExceededError) as failed:
                refused = failed
        if refused is not None:
            raise refused

    def leave_out(self) -> None:
        """End it, and put it on no bill."""
        self.ended = self.left_out = True
        release(self.charges)

    def charge_late(self, bill: RunBill) -> None:
        """Put it on a bill that was opened after it began; where it is under way, once it has ended."""
        if not self.ended:
            self.late.append(bill)
            return
        if self.left_out:
            return
        if self.payer is not None and counts_on(self.payer, bill.ledger):
            return
        if bill.owes:
            self._owe(bill)
            return
        ledger, key = bill.ledger, self._key(bill)
        with self._priced(bill.meter) as cost:
            if self._is_charged(bill):
                ledger.book(key, cost)
            elif cost:
                ledger.charge(cost, key, question=ledger.question)

    def _owe(self, bill: RunBill) -> None:
        """Leave it to the node that keeps the budget, which knows a message by the same key.

        What a reasoner of ours calls is in its decision.
        """
        if self.payer is None and self.message is not None and self.message.usage_metadata:
            record = self.message.response_metadata.get("adaptive_reasoner")
            key = record["key"] if record else self.message.id or self.key
            owe(bill.ledger.question, OwedBill(key, self.cost(bill.meter), None))

    def cost(self, meter: Meter) -> float:
        """What it cost beside the calls inside it, which are charged as what they are.

        A chat model that calls others reports their usage as its own. One that is cancelled tells of no end,
        so what is called after it looks as if it were inside, and is charged all the same.
        """
        if self.message is not None:
            inside = sum(call.cost(meter) for call in self.inside if call.message is not None)
            return max(0.0, self.call.cost(meter, self.message) - inside)
        if self.inside:
            return 0.0
        return self.call.lost(meter) if self.error is None else self.call.cost_of_failure(meter, self.error)

    def _charge(self, bill: RunBill) -> Charge:
        ledger, meter, key = bill.ledger, bill.meter, self._key(bill)
        worst = self.call.worst(meter)
        if self._is_charged(bill):
            ledger.hold(key, worst)
            return Charge(bill, key, None)
        if ledger.hard_cap is not None and not self.call.declares(meter):
            raise without_bound(
                ledger,
                f"a reply of {self.call.model or 'a model'} can be of any length, so its cost cannot be held "
                "under the hard cap: declare max_tokens on the model",
            )
        return Charge(bill, key, ledger.admit(key, worst, expected=self.call.lost(meter)))

    def _settle(self, charge: Charge) -> None:
        ledger = charge.bill.ledger
        with self._priced(charge.bill.meter) as cost:
            if charge.reservation is None:
                ledger.book(charge.key, cost)
            elif cost or self.message is not None:
                ledger.settle(charge.reservation, cost)
            else:
                ledger.release(charge.reservation)

    @contextmanager
    def _priced(self, meter: Meter) -> Iterator[float]:
        """What it cost; where that cannot be known, its worst case, and then the error."""
        try:
            cost = self.cost(meter)
        except UnpricedUsageError:
            yield self.call.lost(meter)
            raise
        yield cost

    def _is_charged(self, bill: RunBill) -> bool:
        """Whether its payer charges the ledger of a bill, and only the budget of the run is left to count."""
        return self.payer is not None and charges(self.payer, bill.ledger.charged)

    def _key(self, bill: RunBill) -> str:
        return f"{bill.ledger.question}:call:{self.key}"


class OwnModel(BilledModel):
    """A call of an `AdaptiveChatModel`, which charges what it calls to a ledger of its own.

    Where that is not the ledger of a bill, the bill is charged with the usage that the reply reports, under
    the key of the reply's own charge: a ledger charges a key once.
    """

    @override
    def reserve(self, bills: Sequence[RunBill]) -> None:
        self.late = list(bills)

    @override
    def _key(self, bill: RunBill) -> str:
        record = self.message.response_metadata.get("adaptive_reasoner") if self.message else None
        return str(record["key"]) if record else super()._key(bill)


@dataclass(eq=False)
class BilledTool:
    """A call of a tool that is priced, or that may report its cost.

    Attributes:
        call: Its name, arguments and id.
        key: Names its charges.
        bills: Those it is on.
        charges: What they hold for it.
    """

    call: ToolCall
    key: str
    bills: Sequence[RunBill]
    charges: list[Charge] = field(default_factory=list)

    def reserve(self) -> None:
        """Hold what it costs at most.

        Raises:
            BudgetExceededError: There is no room for it; nothing is held.
        """
        for bill in self.bills:
            worst = bill.declared(self.call)
            if worst:
                key = self._key(bill)
                try:
                    self.charges.append(Charge(bill, key, bill.ledger.admit(key, worst)))
                except BaseException:
                    release(self.charges)
                    raise

    def end(self, output: Any) -> None:
        """Book what the tool's message reports, or else what was declared.

        Raises:
            BudgetExceededError: It reports more than a hard cap held; it is booked in full.
        """
        reported = {bill.id: _reported(bill, self.call, output) for bill in self.bills}
        for charge in self.charges:
            assert charge.reservation is not None
            cost = reported.pop(charge.bill.id)
            charge.bill.ledger.settle(charge.reservation, charge.reservation.worst if cost is None else cost)
        for bill in self.bills:
            if cost := reported.get(bill.id):
                bill.ledger.charge(cost, self._key(bill), question=bill.ledger.question)

    def fail(self, error: BaseException) -> None:
        """Book what was declared; a tool that interrupts the run has not run yet, and is called again."""
        if isinstance(error, GraphBubbleUp):
            release(self.charges)
        else:
            self.end(None)

    def _key(self, bill: RunBill) -> str:
        return f"{bill.ledger.question}:tool:{self.call['name']}:{self.key}"


def release(charged: list[Charge]) -> None:
    """Hold nothing more: the call is not made."""
    for charge in charged:
        if charge.reservation is None:
            charge.bill.ledger.drop(charge.key)
        else:
            charge.bill.ledger.release(charge.reservation)
    charged.clear()


def _reported(bill: RunBill, call: ToolCall, output: Any) -> float | None:
    costs = (each.tool_costs.reported(call["name"], output) for each in (bill, *bill.around))
    return next((cost for cost in costs if cost is not None), None)
