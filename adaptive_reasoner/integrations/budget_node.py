"""A node for LangGraph that keeps the budget: the price before compute, the bill after it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.graph import StateGraph
from langgraph.types import Command

from adaptive_reasoner.errors import BudgetExceededError, LedgerError, UnpricedUsageError
from adaptive_reasoner.integrations.billing_callbacks import listen_to_calls
from adaptive_reasoner.integrations.langgraph_runtime import attach, execution, read, run_of
from adaptive_reasoner.integrations.owed_bills import OwedBill, owed_by, strike
from adaptive_reasoner.integrations.run_bills import bill_named, carry_on, open_bill
from adaptive_reasoner.ledger.base import BookingTerms, Ledger
from adaptive_reasoner.models.dollars import for_models, meter_of
from adaptive_reasoner.models.metering import (
    UNDECLARED_MAX_TOKENS,
    Meter,
    SampleMeter,
    TokenMeter,
    cost_or_worst,
)
from adaptive_reasoner.models.prompt_bound import bounded
from adaptive_reasoner.models.usage import model_of

METERS: dict[str, Meter] = {"tokens": TokenMeter(), "samples": SampleMeter()}


class BudgetLedgerNode(Runnable[Any, Any]):
    """A graph node that keeps the average: it writes the price to the state and charges what was spent.

    Put it before and after the compute nodes, or in their loop. A visit charges every decision and every
    model's message that is new in the state since the last one. The first visit of a question holds the
    target for it, so that questions in flight already count, and the first bill takes the place of that.

    A question is one graph run, however many nodes, loops and subgraphs it has. It is written into the state,
    so it stays the same question when the run is interrupted and goes on later, or crashes and is resumed;
    the next turn of a thread, which brings a new human message, is the next question. A question that ends
    without another visit keeps its hold until the next turn or until it expires, and then counts as spent.

    The bills of the compute nodes and of every model that another node calls reach it by themselves within a
    process, also those of a node that failed, whatever keys of the state they write. Where a run goes on in
    another process, as after an interrupt, the state carries them: give every compute node a `decision_key`
    and, where several nodes or a loop come before the next visit, give the key a reducer that adds lists.

    Charging is idempotent by the key of a decision and the id of a message. What it is told of afterwards it
    books in full: a hard cap is kept to the unit where the compute nodes hold their worst case themselves,
    with the ledger given to them; here it closes the way to the next question.

    Args:
        ledger: Keeps the average; its price is what is published.
        meter: What a message of another node's model costs, in the ledger's unit. Default: its generated
            tokens where the ledger counts tokens, 1 where it counts samples.
        budget_key: State key to publish under, a plain dict: `price`, `average`, `target`, `spent`, `status`
            (`"open"`, or `"exhausted"` where the hard cap has no room for another question), `run_id` (the
            question) and, for the next visit, `run`, `turn` and `charged`.
        decision_key: State key where compute nodes leave their decision: one dict, or a list of them.
        messages_key: State key of the messages.
        goto: The node to go to next, by `Command`; give `exhausted` with it.
        exhausted: The node to go to where the budget is exhausted.
        name: Name of the node.

    Raises:
        LedgerError: The meter counts in another unit than the ledger.
        ValueError: One of `goto` and `exhausted` was given without the other.

    Example:
        >>> from langgraph.graph import MessagesState
        >>> from adaptive_reasoner import open_ledger
        >>> class State(MessagesState):
        ...     budget: dict
        >>> ledger = open_ledger("memory://", target=50.0)
        >>> usage = {"input_tokens": 9, "output_tokens": 7, "total_tokens": 16}
        >>> reply = AIMessage("14", usage_metadata=usage)
        >>> graph = StateGraph(State).add_node("chat", lambda _: {"messages": reply}).set_entry_point("chat")
        >>> graph = BudgetLedgerNode(ledger).attach(graph).add_edge("chat", "budget_ledger").compile()
        >>> state = graph.invoke({"messages": [("user", "5 + 9?")]})
        >>> state["budget"]["spent"], ledger.snapshot().questions
        (7.0, 1)
    """

    name: str

    def __init__(
        self,
        ledger: Ledger,
        *,
        meter: Meter | Literal["usd"] | None = None,
        budget_key: str = "budget",
        decision_key: str = "decision",
        messages_key: str = "messages",
        goto: str | None = None,
        exhausted: str | None = None,
        name: str = "budget_ledger",
    ) -> None:
        if (goto is None) != (exhausted is None):
            raise ValueError(f"goto and exhausted need each other, got {goto!r} and {exhausted!r}")
        meter = meter_of(meter)
        if meter is not None and meter.cost_unit != ledger.cost_unit:
            raise LedgerError(
                f"the meter counts {meter.cost_unit}, the ledger {ledger.cost_unit}: use one unit"
            )
        self.ledger, self.name = ledger, name
        self.meter = meter or METERS.get(ledger.cost_unit)
        self.budget_key, self.decision_key, self.messages_key = budget_key, decision_key, messages_key
        self.goto, self.exhausted = goto, exhausted
        listen_to_calls()

    def __repr__(self) -> str:
        return f"BudgetLedgerNode({self.name!r}, {self.ledger!r})"

    def attach(
        self, builder: StateGraph[Any, Any, Any, Any], **node_options: Any
    ) -> StateGraph[Any, Any, Any, Any]:
        """Add the node to a graph under its name, after checking that the state has its keys.

        Raises:
            KeyError: The state lacks the key to publish under, or has neither decisions nor messages.
        """
        found = [key for key in (self.decision_key, self.messages_key) if key in builder.channels]
        keys = (self.budget_key, *(found or (self.decision_key, self.messages_key)))
        ways = {"destinations": (self.goto, self.exhausted)} if self.goto else {}
        return attach(self, builder, keys, {**ways, **node_options})

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """The state update with the ledger's status.

        Raises:
            UnpricedUsageError: A message of another node cannot be priced: the ledger's unit needs a meter.
        """
        last = read(input, self.budget_key) or {}
        run, turn = run_of(ensure_config(config)), _turn(read(input, self.messages_key) or [])
        owed = [replace(bill, turn=last["turn"]) for bill in owed_by(last["run_id"])] if last else []
        known = {bill.key for bill in owed}
        bills = [*owed, *(bill for bill in self._bills(input) if bill.key not in known)]
        due = [bill for bill in bills if bill.key not in last.get("charged", ())]
        # Another run may go on with the question where it was interrupted: no new turn, or bills to settle.
        resumed = run == last.get("run") or (turn == last.get("turn") if turn else bool(due))
        if last and resumed:
            question, opened = last["run_id"], self._charge(due, last["run_id"])
            self._watch(question)
        else:
            question, opened = self._begin(last, due, turn)
        if last:
            strike(last["run_id"], known)
        status = {
            "run_id": question,
            "price": self.ledger.price,
            "average": self.ledger.average,
            "target": self.ledger.target,
            "spent": self.ledger.spent,
            "status": "open" if opened else "exhausted",
            "run": run,
            "turn": turn,
            "charged": [bill.key for bill in bills],
        }
        if self.goto is None:
            return {self.budget_key: status}
        return Command(update={self.budget_key: status}, goto=(self.goto if opened else self.exhausted) or ())

    def _begin(self, last: Mapping[str, Any], due: list[OwedBill], turn: str | None) -> tuple[str, bool]:
        """Open a question: hold the target for it, or charge what earlier nodes of its run have cost.

        Left over from the turn before is charged to that; what a thread brings along from before this node
        knew it, is not charged at all.
        """
        task = execution()
        question = task.task_id if task else uuid4().hex  # the same when the node runs again after a crash
        if last:
            self._charge([bill for bill in due if bill.turn != turn], last["run_id"], ended=True)
        mine = [bill for bill in due if bill.turn == turn]
        self._watch(question)
        early = owed_by(question)
        strike(question, [bill.key for bill in early])
        known = {bill.key for bill in mine}
        mine += [bill for bill in early if bill.key not in known]
        if mine:
            return question, self._charge(mine, question)
        try:
            self.ledger.reserve(self.ledger.target or 0.0, _plan(question), question=question)
        except BudgetExceededError:
            return question, False
        return question, True

    def _charge(self, bills: list[OwedBill], question: str, *, ended: bool = False) -> bool:
        """Book bills, which take the place of what was held; whether the hard cap stays open."""
        opened = True
        if bills or ended:
            with suppress(BudgetExceededError):  # a ledger that never heard of the plan, as after a reset
                self.ledger.release(self.ledger.reserve(0.0, _plan(question), question=question))
        for bill in bills:
            try:
                terms: BookingTerms = {"question": question, "action": bill.action}
                if bill.explored:
                    terms["explored"] = True
                self.ledger.charge(bill.cost, bill.key, **terms)
            except BudgetExceededError:
                opened = False
        return opened

    def _watch(self, question: str) -> None:
        """Have what other nodes call owed by the question, whatever they write into the state."""
        if self.meter is None:
            return
        bill = bill_named(question)
        if bill is not None:
            carry_on(bill)
            return
        bill, early = open_bill(self.ledger, self.meter, question, owes=True, bill_id=question)
        for call in early:
            call.charge_late(bill)

    def _bills(self, state: Any) -> Iterator[OwedBill]:
        """What the state says was spent: decisions, then the messages of other models."""
        found = read(state, self.decision_key) or []
        messages = read(state, self.messages_key) or []
        turn, seen = _turn(messages), set()
        for decision in [found] if isinstance(found, Mapping) else found:
            seen.add(decision["key"])
            yield OwedBill.of(decision, turn=turn)
        at = None
        for number, message in enumerate(messages):
            if isinstance(message, HumanMessage):
                at = _turn(messages[: number + 1])
            if not isinstance(message, AIMessage):
                continue
            record = message.response_metadata.get("adaptive_reasoner")
            if record:
                if record["key"] not in seen:
                    yield OwedBill.of(record, turn=at)
            elif message.usage_metadata:
                yield OwedBill(
                    message.id or f"{at}:{number}", self._cost(message, messages[:number]), None, at
                )

    def _cost(self, message: AIMessage, prompt: list[BaseMessage]) -> float:
        if self.meter is None:
            raise UnpricedUsageError(
                f"{self.name}: a message of another node cannot be priced in {self.ledger.cost_unit}; "
                "give a meter, such as PriceMeter(prompt=..., completion=...)"
            )
        meter = for_models(self.meter, [model_of(message) or ""], {})
        cost, _ = cost_or_worst(
            meter, message, 0.0, lambda: meter.worst_cost(bounded(prompt), UNDECLARED_MAX_TOKENS)
        )
        return cost


def _turn(messages: list[Any]) -> str | None:
    """The last human message, by its id; None where the state is no conversation."""
    human = [
        (number, message) for number, message in enumerate(messages) if isinstance(message, HumanMessage)
    ]
    return str(human[-1][1].id or human[-1][0]) if human else None


def _plan(question: str) -> str:
    return f"{question}:plan"
