"""One question on its way from the decision to the settled bill."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables.config import merge_configs

from adaptive_reasoner.amounts import written
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger.alarm_keeping import alarm_keeper
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.messages import chunk_of, tokens_of, usage_of
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.policy.base import Decision, HasVoteModel, as_json, never_blocks
from adaptive_reasoner.policy.versions import HearsOutcomes, Outcome
from adaptive_reasoner.reasoner.choice import ROUNDING, Choice, held_for
from adaptive_reasoner.reasoner.hold import Hold
from adaptive_reasoner.reasoner.options import AskedQuestion, CallOptions, Components, Limits
from adaptive_reasoner.reasoner.readings import Readings
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.reasoner.threads import on_event_loop, to_its_end
from adaptive_reasoner.shadow.comparing import GivenAnswer, SecondCall
from adaptive_reasoner.strategies.flow import Answer, FlowRunner, Task

if TYPE_CHECKING:
    from adaptive_reasoner.strategies.optimal_stopping import VoteModel


class QuestionRun:
    """One question under way: opened with a decision and a reservation, closed with the real cost.

    Args:
        components: What answers it.
        limits: What the answer may cost, and how long it may take.
        question: Which question it is.
        calls: What every call is sent.
    """

    def __init__(
        self, components: Components, limits: Limits, question: AskedQuestion, calls: CallOptions
    ) -> None:
        self._asked_policy, components = components.policy, components.of_version()
        self.policy, self.actions = components.policy, components.actions
        self.ledger, self.meter = components.ledger, components.meter
        self._key = components.comparison
        self.config, self.on_event = calls.config, calls.on_event
        self._question, self._limits = question, limits
        self._shadow, self._shadowed = components.shadow, False
        self._asked_as = SecondCall(components.source, question.messages, calls.settings)
        key = question.key or uuid.uuid4().hex
        self._hold = Hold(
            self.ledger, key, question.run_id or key, resumes=question.resumes, budget=limits.budget
        )
        self._decision: Decision | None = None
        self._running: FlowRunner | None = None
        self._held = False  # what the next calls can cost
        self._unreported: list[Reply] = []  # whose events are to be sent
        self._reported = 0  # replies whose events were sent
        self._waits = False  # a reply was read in a thread
        self._readings = Readings(self._key, question.messages)
        self.policy_events: Sequence[Mapping[str, Any]] = ()  # after the outcome
        self._opened = time.monotonic()
        self.caller = CallExecutor(
            components.source,
            self.meter,
            self.config,
            settings=calls.settings,
            resolve_model=calls.resolve_model,
            on_reply=self._replied,
            hold_more=self._hold_more,
            payer=self.ledger if calls.payer is None else calls.payer,
        )
        self._choice = Choice(components, limits, question, self.caller)

    def open(self) -> None:
        """Choose an action that the ledger admits; under a hard cap, the best that still fits."""
        most, full = self._limits.max_cost, None
        while self._hold.reservation is None:
            decision = self._choice.decide(most, full, key=self._question.draw or self._hold.question)
            running = FlowRunner(self._choice.flow_of(decision), self._task(decision))
            try:
                held = held_for(decision, self._choice.bound(running.requests))
                self._hold.reserve(
                    decision.expected_cost,
                    held,
                    decision.action,
                    explored=decision.reason == "explored",
                )
            except BudgetExceededError as error:
                # What is refused though it fits is refused for another reason: the cap is closed.
                if error.wanted == inf or min(decision.worst_cost, held) <= error.left:
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

    def hold_calls(self) -> bool:
        """Hold what the next calls can cost, before any is sent; whether there are any."""
        while self.short:
            self.cover()
        return not self.answered

    async def ahold_calls(self) -> bool:
        """Like `hold_calls`, without blocking the loop."""
        while self.short:
            await to_its_end(self.cover, at_once=self.covers_at_once)
        return not self.answered

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
        """Hold what the next calls can cost; where there is no room for that, they are refused, not sent."""
        requests = self.running.requests
        try:
            wanted = self.caller.cost + self._choice.bound(requests)
            self._check_most(wanted, "further calls")
            self._hold.extend(wanted)
        except BudgetExceededError as full:
            self.send(self.caller.refuse(requests, full))
        else:
            self._held = True

    def _hold_more(self, more: float) -> None:
        """Hold a further attempt at a call.

        Raises:
            BudgetExceededError: There is no room for it under the hard cap, or in the question's `max_cost`.
        """
        if self._hold.reservation is not None:
            self._check_most(self._hold.reservation.worst + more, "another attempt")
        self._hold.add(more)

    def _check_most(self, wanted: float, what: str) -> None:
        """Refuse calls with which the question could cost more than its `max_cost`."""
        most, unit = self._limits.max_cost, self.meter.cost_unit
        if wanted > most * (1.0 + ROUNDING):
            reason = (
                f"with {what} this can cost {written(wanted)} {unit}, and max_cost allows {written(most)}"
            )
            raise BudgetExceededError(wanted, most, unit, reason)

    def send(self, replies: Sequence[Reply]) -> None:
        """Give the flow its replies; what it wants next is not held yet."""
        self._report()
        self._held = False
        self.running.send(replies)
        if self.answered:  # read for the record now, where it may take its time
            self._readings.stated(self.answer.message, self.answer.value)
            self._offer()

    async def asend(self, replies: Sequence[Reply]) -> None:
        """Like `send`, without blocking the loop."""
        self._waits |= not (self._reports_at_once and self.running.never_blocks_on(replies))
        if self._waits:  # then and later on, as the winner may be one that is still to be read
            await asyncio.to_thread(self.send, replies)
        else:
            self.send(replies)

    def _offer(self) -> None:
        """Have the answer compared with a second one, where the question is drawn for that."""
        shadow, second, decision = self._shadow, self._question.second, self._decision
        if shadow is None or second is False or decision is None or not shadow.draws(self._hold.question):
            return
        self._shadowed = shadow.offer(
            GivenAnswer(
                key=self._hold.key,
                question=self._hold.question,
                action=decision.action,
                cost=float(self.caller.cost),
                message=self.answer.message,
                value=self.answer.value,
                price=decision.price,
                ask=second or (lambda: self._asked_as),
            )
        )

    def close(self) -> None:
        """Settle what the calls cost; a run that failed before anything was billed is no question."""
        self._report()
        if self.answered:
            self._choice.learn(self.answer)
        billed = self.answered or self.caller.cost
        self._hold.close(self.caller.cost if billed else None, self._question.saved)
        if self.answered and self._decision and isinstance(self._asked_policy, HearsOutcomes):
            question, cost, keeper = self._hold.question, float(self.caller.cost), alarm_keeper(self.ledger)
            outcome = Outcome.of(self._decision, self.answer, question=question, cost=cost, ledger=keeper)
            self.policy_events = self._asked_policy.hear(outcome)

    @property
    def opens_at_once(self) -> bool:
        """Whether decision and reservation neither compute nor wait, and so need no thread of their own."""
        return never_blocks(self.policy) and self.closes_at_once

    @property
    def covers_at_once(self) -> bool:
        """Whether the ledger answers at once, and the flow takes a refusal so."""
        return never_blocks(self.ledger) and not self._waits and self.running.never_blocks_on(())

    @property
    def closes_at_once(self) -> bool:
        """Whether the ledger answers without waiting for a disk or a network, and no reply is to be read."""
        return never_blocks(self.ledger) and self._reports_at_once

    @property
    def _reports_at_once(self) -> bool:
        """Whether the answers in the replies that are still to be told of are found at once."""
        return self._readings.never_block_on(self._unreported)

    @property
    def running(self) -> FlowRunner:
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

    @property
    def copies(self) -> int:
        """How many samples of a vote are the same to the word, all at temperature 0; 0 where they are not."""
        samples = [reply.received for reply in self.caller.bill if reply.received and not reply.auxiliary]
        contents = [(m.text, [(call["name"], call["args"]) for call in m.tool_calls]) for m in samples]
        same = len(contents) > 1 and contents.count(contents[0]) == len(contents)
        return len(contents) if same and self.caller.temperatures == {0.0} else 0

    def decided(self) -> dict[str, Any]:
        """The event of the decision."""
        assert self._decision is not None
        return {
            "event": "decision",
            "key": self._hold.key,
            "run_id": self._hold.question,
            "cost_unit": self.meter.cost_unit,
            **as_json(self._decision),
        }

    def closed(self) -> dict[str, Any] | None:
        """The event of the settlement, or of the failure; None where nothing was ever reserved."""
        if self._hold.reservation is None:
            return None
        ledger = {"average": self.ledger.average, "target": self.ledger.target}
        if self.answered:
            used = {"usage": dict(usage_of(self.caller.bill) or {}), "model": self._model}
            return {"event": "settled", **self.record(), **ledger, **used, "next_price": self.ledger.price}
        errors = [type(reply.error).__name__ for reply in self.caller.bill if reply.error is not None]
        failed = {"event": "failed", "cost": float(self.caller.cost), "error_type": [None, *errors][-1]}
        return {**self.decided(), **failed, **ledger}

    @property
    def _model(self) -> str | None:
        """The model that the winner names."""
        name = self.answer.message.response_metadata.get("model_name")
        return name if isinstance(name, str) else None

    def record(self) -> dict[str, Any]:
        """The decision and the bill as plain data."""
        assert self._decision is not None
        bill = self.caller.bill
        return {
            **as_json(self._decision),
            "cost": float(self.caller.cost),
            "cost_unit": self.meter.cost_unit,
            "samples": sum(not reply.auxiliary for reply in bill),
            "failed": [f"{type(reply.error).__name__}: {reply.error}" for reply in bill if reply.error],
            "estimated": any(reply.estimated for reply in bill),
            "agreement": float(self.answer.agreement),
            "votes": dict(self.answer.votes),
            "rounds": self.caller.rounds,
            "answer": self._readings.stated(self.answer.message, self.answer.value),
            "key": self._hold.key,
            "run_id": self._hold.question,
            **({"shadowed": True} if self._shadowed else {}),
        }

    def result(self) -> Result:
        """The answer with its record."""
        record, reply = self.record(), self.answer.message
        message = self._signed(reply, record, self.caller.bill)
        if self.meter.cost_unit == "usd" and message.usage_metadata and record["cost"]:
            # Where LangSmith looks for it. LangChain marks what came from its cache with a cost of 0.
            usage = {**message.usage_metadata, "total_cost": record["cost"]}
            message = message.model_copy(update={"usage_metadata": usage})
        return Result(message, record["answer"], record, reply)

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
        return Task(
            self._question.messages,
            price=decision.price,
            second_price=self._limits.second_price,
            deadline=self._opened + self._limits.deadline,
            prospects=self._prospects(decision),
            key=self._key,
            plan=decision.plan,
        )

    def _prospects(self, decision: Decision) -> "VoteModel | None":
        if not isinstance(self.policy, HasVoteModel):
            return None
        return self.policy.prospects(decision.action, decision.expected_accuracy)

    def _replied(self, reply: Reply) -> None:
        """Send the event of a reply; on an event loop later, as finding its answer may take time."""
        self._unreported.append(reply)
        if not on_event_loop():
            self._report()

    def _report(self) -> None:
        replies, self._unreported = self._unreported, []
        if self.on_event is None:
            return
        for number, reply in enumerate(replies, self._reported):
            self.on_event(
                {
                    "event": "sample",
                    "key": self._hold.key,
                    "run_id": self._hold.question,
                    "action": self._decision and self._decision.action,
                    "sample": number,
                    "cost": float(reply.cost),
                    "seconds": reply.seconds,
                    "auxiliary": reply.auxiliary,
                    "answer": self._readings.answer_of(reply),
                    "tokens": tokens_of(reply.received),
                    "error": None if reply.error is None else f"{type(reply.error).__name__}: {reply.error}",
                }
            )
        self._reported += len(replies)

    @staticmethod
    def _signed(message: AIMessage, record: Mapping[str, Any], replies: Sequence[Reply]) -> AIMessage:
        return message.model_copy(
            update={
                "usage_metadata": usage_of(replies),
                "response_metadata": {**message.response_metadata, "adaptive_reasoner": dict(record)},
            }
        )
