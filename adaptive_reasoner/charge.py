"""One question on its way from the decision to the settled bill."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, TypedDict

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from numpy.typing import ArrayLike

from adaptive_reasoner.answers import final_answer
from adaptive_reasoner.caller import Caller
from adaptive_reasoner.calls import Reach, Reply, Source, directly
from adaptive_reasoner.conversations import chunk_of, in_context, messages_of, tokens_of, usage_of
from adaptive_reasoner.costs import Meter, is_amount
from adaptive_reasoner.day_one import LabelFreePolicy
from adaptive_reasoner.errors import BudgetExceededError, LedgerError, UnknownActionError
from adaptive_reasoner.flows import Answer, Flow, Running, Task
from adaptive_reasoner.ledger import Ledger, Reservation
from adaptive_reasoner.pages.tables import field_table
from adaptive_reasoner.policy import Decision, KnowsVotes, Policy
from adaptive_reasoner.prospects import Prospects

_ROUNDING = 1e-6  # an amount comes back from a ledger rounded to its small unit

_under_way: dict[tuple[int, str], "Charge"] = {}  # by ledger and key, in this process


@dataclass(frozen=True)
class Result:
    """An answer and what it took.

    Attributes:
        message: The winning reply, whole, with the usage of all calls; `record` is also in its
            `response_metadata["adaptive_reasoner"]`.
        answer: The canonical answer; None where the reply has none.
        record: The decision and the bill as a plain dict, fit for graph state and for JSON: an accuracy that
            nobody knows and a worst cost without a limit are None.
        reply: The winning reply as it came.
    """

    message: AIMessage
    answer: str | None
    record: dict[str, Any]
    reply: AIMessage

    def _repr_html_(self) -> str:
        return field_table({"answer": self.answer, **self.record}, "Result")


class Terms(TypedDict, total=False):
    """How a question is decided, called and charged, where it is not as the reasoner has it.

    Attributes:
        key: Names this charge in the ledger, which bills a key once; a new one where not given.
        run_id: The question in the ledger's sense, where several charges belong to one; else `key`.
        resumes: The key names a task that may run again. A charge that was left open, by a process that
            died, is taken up; one that is settled, or under way, is followed by another of the same question.
        price: Takes the place of the ledger's price.
        budget: What the ledger counts the question against, instead of its target; `price` goes with it.
        max_cost: Only actions that cost at most this, at worst, may be chosen.
        deadline: Seconds that the answer may take.
        second_price: Accuracy that a second of waiting must be worth, for votes that draw in waves.
        about: The text that is decided on; the last human turn, in its context, where not given.
        vector: The embedding of `about`, where it is known.
        settings: Call-time arguments of every call but a judge's.
        source, policy, ledger, meter: Take the place of the reasoner's.
        reach: How a source's model is called.
        on_event: Told of the decision, of every reply, and of the settlement, as plain dicts.
    """

    key: str | None
    run_id: str | None
    resumes: bool
    price: float | None
    budget: float | None
    max_cost: float | None
    deadline: float | None
    second_price: float | None
    about: str | None
    vector: ArrayLike | None
    settings: Mapping[str, Any] | None
    source: Source | None
    policy: Policy | None
    ledger: Ledger | None
    meter: Meter | None
    reach: Reach | None
    on_event: Callable[[dict[str, Any]], None] | None


class Charge:
    """One question under way: opened with a decision and a reservation, closed with the real cost.

    Args:
        source: How calls are made where an action does not say.
        policy: Chooses the action.
        actions: The strategy behind each action.
        ledger: Keeps the average.
        meter: What a call costs.
        question: A string, a message or a list of messages.
        config: Passed to every call.
        terms: What this question has of its own.
    """

    config: RunnableConfig

    def __init__(
        self,
        source: Source,
        policy: Policy,
        actions: Mapping[str, Flow],
        ledger: Ledger,
        meter: Meter,
        question: Any,
        config: RunnableConfig | None,
        terms: Terms,
    ) -> None:
        self.policy, self.actions = terms.get("policy") or policy, actions
        self.ledger, self.meter = terms.get("ledger") or ledger, terms.get("meter") or meter
        check_units(meter=self.meter, policy=self.policy, ledger=self.ledger)
        self.config = config or RunnableConfig()
        _check_terms(terms)
        self.on_event = terms.get("on_event")
        self._messages, source = messages_of(question), terms.get("source") or source
        if isinstance(self.policy, LabelFreePolicy):
            self.policy = self.policy.bounded_by(source, self._messages, terms.get("settings") or {})
        self._key = terms.get("key") or uuid.uuid4().hex
        self._run_id = terms.get("run_id") or self._key
        self._terms = terms
        self._decision: Decision | None = None
        self._running: Running | None = None
        self._reservation: Reservation | None = None
        self._opened = time.monotonic()
        self.caller = Caller(
            source,
            self.meter,
            self.config,
            settings=terms.get("settings"),
            reach=terms.get("reach") or directly,
            on_reply=self._replied,
        )

    def open(self) -> None:
        """Choose an action that the ledger admits; under a hard cap, the best that still fits."""
        limit = self._terms.get("max_cost")
        most = inf if limit is None else limit
        while self._reservation is None:
            try:
                decision = self._decide(most)
            except BudgetExceededError as dear:
                if most != limit:
                    raise
                raise BudgetExceededError(
                    *(dear.wanted, most, dear.unit),
                    f"the cheapest action can cost {dear.wanted:g} {dear.unit}, and max_cost allows {most:g}",
                ) from dear
            if decision.action not in self.actions:
                raise UnknownActionError(decision.action, self.actions)
            try:
                reservation = self._reserve(decision)
            except BudgetExceededError as full:
                if decision.worst_cost <= full.left:
                    raise
                most = full.left
                continue
            if self._terms.get("resumes") and reservation.worst < decision.worst_cost - _ROUNDING:
                most = reservation.worst  # taken up again: what was held then is what may be spent now
                continue
            self._reservation = reservation
        self._decision = decision
        self._running = Running(self.actions[decision.action], self._task(decision))
        state = decision.as_state()
        marks = {f"adaptive_{name}": state[name] for name in ("action", "price", "expected_cost", "reason")}
        self.caller.config = merge_configs(
            self.config,
            {
                "tags": [f"action:{decision.action}"],
                "metadata": {**marks, "adaptive_question": self._run_id},
            },
        )

    def close(self) -> None:
        """Settle what the calls cost; a run that failed before anything was billed is no question."""
        if _under_way.get((id(self.ledger), self._key)) is self:
            del _under_way[id(self.ledger), self._key]
        if self._reservation is None:
            return
        if not self.answered and not self.caller.cost:
            self.ledger.release(self._reservation)
        else:
            self.ledger.settle(self._reservation, self.caller.cost)

    @property
    def opens_at_once(self) -> bool:
        """Whether decision and reservation neither compute nor wait, and so need no thread of their own."""
        return getattr(self.policy, "immediate", False) and self.closes_at_once

    @property
    def closes_at_once(self) -> bool:
        """Whether the ledger answers without waiting for a disk or a network."""
        return getattr(self.ledger, "immediate", False)

    @property
    def running(self) -> Running:
        """The flow on its way."""
        assert self._running is not None
        return self._running

    @property
    def answered(self) -> bool:
        """Whether the flow has come to its answer."""
        return self._running is not None and self._running.answer is not None

    @property
    def answer(self) -> Answer:
        """What the flow came to."""
        assert self.running.answer is not None
        return self.running.answer

    def decided(self) -> dict[str, Any]:
        """The event of the decision."""
        assert self._decision is not None
        return {
            "event": "decision",
            "key": self._key,
            "run_id": self._run_id,
            "cost_unit": self.meter.cost_unit,
            **_known(self._decision),
        }

    def closed(self) -> dict[str, Any] | None:
        """The event of the settlement, or of the failure; None where nothing was ever reserved."""
        if self._reservation is None:
            return None
        ledger = {"average": self.ledger.average, "target": self.ledger.target}
        if self.answered:
            return {"event": "settled", **self.record(), **ledger, "next_price": self.ledger.price}
        return {**self.decided(), "event": "failed", "cost": float(self.caller.cost), **ledger}

    def record(self) -> dict[str, Any]:
        """The decision and the bill as plain data."""
        assert self._decision is not None
        bill = self.caller.bill
        return {
            **_known(self._decision),
            "cost": float(self.caller.cost),
            "cost_unit": self.meter.cost_unit,
            "samples": len(bill),
            "failed": [f"{type(reply.error).__name__}: {reply.error}" for reply in bill if reply.error],
            "estimated": any(reply.estimated for reply in bill),
            "agreement": float(self.answer.agreement),
            "votes": dict(self.answer.votes),
            "rounds": self.caller.rounds,
            "answer": self.answer.value,
            "key": self._key,
            "run_id": self._run_id,
        }

    def result(self) -> Result:
        """The answer with its record."""
        record, reply = self.record(), self.answer.message
        return Result(self._signed(reply, record, self.caller.bill), self.answer.value, record, reply)

    def last_chunk(self, streamed: Sequence[Reply]) -> AIMessageChunk:
        """What ends a stream: the record and, where the winner was not streamed itself, the winner.

        Args:
            streamed: The replies of which the reader has all chunks, their usage included.
        """
        winner = self.answer.message
        hidden = [reply for reply in self.caller.bill if all(reply is not seen for seen in streamed)]
        if any(reply.message is winner for reply in streamed):
            return AIMessageChunk(
                content="",
                id=winner.id,
                usage_metadata=usage_of(hidden),
                response_metadata={"adaptive_reasoner": self.record()},
                chunk_position="last",
            )
        return chunk_of(self._signed(winner, self.record(), hidden))

    def _task(self, decision: Decision) -> Task:
        seconds = self._terms.get("deadline")
        return Task(
            self._messages,
            price=decision.price,
            second_price=self._terms.get("second_price") or 0.0,
            deadline=inf if seconds is None else self._opened + seconds,
            prospects=self._prospects(decision),
        )

    def _prospects(self, decision: Decision) -> Prospects | None:
        if not isinstance(self.policy, KnowsVotes):
            return None
        return self.policy.prospects(decision.action, decision.expected_accuracy)

    def _decide(self, most: float) -> Decision:
        price, vector = self._terms.get("price"), self._terms.get("vector")
        known = {} if vector is None else {"vector": vector}
        return self.policy.decide(
            self._terms.get("about") or in_context(self._messages),
            price=self.ledger.price if price is None else price,
            max_cost=most,
            key=self._run_id,
            **known,
        )

    def _reserve(self, decision: Decision) -> Reservation:
        budget = self._terms.get("budget")
        own = {} if budget is None else {"budget": budget}
        while True:
            reservation = self.ledger.reserve(
                decision.expected_cost,
                self._key,
                worst=decision.worst_cost,
                question=self._run_id,
                action=decision.action,
                **own,
            )
            if not self._terms.get("resumes"):
                return reservation
            mine = _under_way.setdefault((id(self.ledger), self._key), self) is self
            if mine and reservation.status != "settled":
                return reservation
            if mine:
                del _under_way[id(self.ledger), self._key]
            if self._terms.get("run_id"):
                self._run_id = reservation.question  # of a task it is known already which question it is
            self._key = f"{self._key}:{uuid.uuid4().hex[:8]}"

    def _replied(self, reply: Reply) -> None:
        if self.on_event is not None:
            self.on_event(
                {
                    "event": "sample",
                    "key": self._key,
                    "run_id": self._run_id,
                    "action": self._decision and self._decision.action,
                    "sample": len(self.caller.bill) - 1,
                    "cost": float(reply.cost),
                    "seconds": reply.seconds,
                    "answer": reply.message and final_answer(reply.message),
                    "tokens": tokens_of(reply.message),
                    "error": None if reply.error is None else f"{type(reply.error).__name__}: {reply.error}",
                }
            )

    @staticmethod
    def _signed(message: AIMessage, record: Mapping[str, Any], replies: Sequence[Reply]) -> AIMessage:
        return message.model_copy(
            update={
                "usage_metadata": usage_of(replies),
                "response_metadata": {**message.response_metadata, "adaptive_reasoner": dict(record)},
            }
        )


def _check_terms(terms: Terms) -> None:
    """Refuse amounts that are none, before anything is decided or reserved.

    Raises:
        ValueError: The price or the most cost is negative, or no number.
    """
    given: Mapping[str, Any] = terms
    for name in ("price", "max_cost"):
        amount = given.get(name)
        if amount is not None and not is_amount(amount):
            raise ValueError(f"{name} is a number of at least 0, not {amount!r}")


def _known(decision: Decision) -> dict[str, Any]:
    """A decision as JSON has it, which knows neither NaN nor infinity."""
    return {
        name: None if isinstance(value, float) and not isfinite(value) else value
        for name, value in decision.as_state().items()
    }


def check_units(**parts: Any) -> None:
    """Refuse parts that do not count in the same unit.

    Raises:
        LedgerError: There is more than one unit.
    """
    units = {name: part.cost_unit for name, part in parts.items()}
    if len(set(units.values())) > 1:
        raise LedgerError(f"costs must be in one unit, but there are {units}")
