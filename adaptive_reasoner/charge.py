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

from adaptive_reasoner.answers.extraction import final_answer
from adaptive_reasoner.choice import Choice
from adaptive_reasoner.errors import BudgetExceededError, LedgerError
from adaptive_reasoner.hold import Hold
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.models.executor import Caller
from adaptive_reasoner.models.messages import chunk_of, messages_of, tokens_of, usage_of
from adaptive_reasoner.models.metering import Meter, is_amount
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import Reach, Source, directly
from adaptive_reasoner.pages.tables import field_table
from adaptive_reasoner.policy.base import Decision, KnowsVotes, Policy
from adaptive_reasoner.strategies.flow import Answer, Flow, Running, Task
from adaptive_reasoner.strategies.optimal_stopping import Prospects


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
        resumes: The key names a task that may run again: every attempt has a charge of its own, of the same
            question. One that a dead attempt left open expires at its worst case; see `hold`.
        saved: By the key of a dead attempt, what is known not to have been spent of its worst case. It is
            read at the end, when the calls have told.
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
    saved: Mapping[str, float]
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
        key = terms.get("key") or uuid.uuid4().hex
        resumes = terms.get("resumes") or False
        self._hold = Hold(
            self.ledger, key, terms.get("run_id") or key, resumes=resumes, budget=terms.get("budget")
        )
        self._terms = terms
        self._decision: Decision | None = None
        self._running: Running | None = None
        self._held = False  # what the next calls can cost
        self._opened = time.monotonic()
        self.caller = Caller(
            source,
            self.meter,
            self.config,
            settings=terms.get("settings"),
            reach=terms.get("reach") or directly,
            on_reply=self._replied,
        )
        self._choice = Choice(
            *(self.policy, self.actions, self.caller, self.ledger, self._messages),
            about=terms.get("about"),
            price=terms.get("price"),
            vector=terms.get("vector"),
        )

    def open(self) -> None:
        """Choose an action that the ledger admits; under a hard cap, the best that still fits."""
        limit, full = self._terms.get("max_cost"), None
        most = inf if limit is None else limit
        while self._hold.reservation is None:
            decision = self._choice.decide(most, full, key=self._hold.question)
            running = Running(self.actions[decision.action], self._task(decision))
            try:
                bound = self._choice.bound(running.requests)
                declared = decision.worst_cost if decision.worst_cost < inf else decision.expected_cost
                self._hold.reserve(decision.expected_cost, max(bound, declared), decision.action)
            except BudgetExceededError as error:
                if decision.worst_cost <= error.left or error.wanted == inf:
                    raise
                most, full = error.left, error
        self._decision, self._running, self._held = decision, running, True
        state = decision.as_state()
        marks = {f"adaptive_{name}": state[name] for name in ("action", "price", "expected_cost", "reason")}
        self.caller.config = merge_configs(
            self.config,
            {
                "tags": [f"action:{decision.action}"],
                "metadata": {**marks, "adaptive_question": self._hold.question},
            },
        )

    @property
    def short(self) -> bool:
        """Whether the next calls could cost more than is held for them."""
        if self.answered:
            return False
        if not self._held:
            bound = self.caller.bound(self.running.requests)
            self._held = self._choice.admits(bound) and self._hold.covers(self.caller.cost + bound.cost)
        return not self._held

    def cover(self) -> None:
        """Hold what the next calls can cost; where the hard cap has no room, they are refused, not sent."""
        requests = self.running.requests
        try:
            self._hold.extend(self.caller.cost + self._choice.bound(requests))
        except BudgetExceededError as full:
            self.send(self.caller.refuse(requests, full))
        else:
            self._held = True

    def send(self, replies: Sequence[Reply]) -> None:
        """Give the flow its replies; what it wants next is not held yet."""
        self._held = False
        self.running.send(replies)

    def close(self) -> None:
        """Settle what the calls cost; a run that failed before anything was billed is no question."""
        billed = self.answered or self.caller.cost
        self._hold.close(self.caller.cost if billed else None, self._terms.get("saved") or {})

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
            "key": self._hold.key,
            "run_id": self._hold.question,
            "cost_unit": self.meter.cost_unit,
            **_known(self._decision),
        }

    def closed(self) -> dict[str, Any] | None:
        """The event of the settlement, or of the failure; None where nothing was ever reserved."""
        if self._hold.reservation is None:
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
            "key": self._hold.key,
            "run_id": self._hold.question,
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
        if any(reply.received is winner for reply in streamed):
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

    def _replied(self, reply: Reply) -> None:
        if self.on_event is not None:
            self.on_event(
                {
                    "event": "sample",
                    "key": self._hold.key,
                    "run_id": self._hold.question,
                    "action": self._decision and self._decision.action,
                    "sample": len(self.caller.bill) - 1,
                    "cost": float(reply.cost),
                    "seconds": reply.seconds,
                    "answer": reply.message and final_answer(reply.message),
                    "tokens": tokens_of(reply.received),
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
        LedgerError: There is more than one unit, or tokens are counted in two ways.
    """
    units = {name: part.cost_unit for name, part in parts.items()}
    if len(set(units.values())) > 1:
        raise LedgerError(f"costs must be in one unit, but there are {units}")
    counts = {name: getattr(part, "counts", None) for name, part in parts.items()}
    told = {name: which for name, which in counts.items() if isinstance(which, str)}
    if len(set(told.values())) > 1:
        raise LedgerError(
            f"costs must count the same tokens, but there are {told}; take TokenMeter(counts=...) as the "
            "policy was trained, or train again with the menu or with counts=..."
        )
