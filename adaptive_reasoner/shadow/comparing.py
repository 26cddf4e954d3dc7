"""One answer compared with a second one: reserve, answer again, judge, settle, keep what came of it."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from adaptive_reasoner.answers.base import Comparison
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.ledger.base import Ledger, Reservation
from adaptive_reasoner.ledger.comparison_keeping import KeepsComparisons
from adaptive_reasoner.ledger.comparisons import ComparedAnswer, Outcome
from adaptive_reasoner.ledger.refusals import without_bound
from adaptive_reasoner.models.executor import CallExecutor
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.models.source import Messages, Request, Source
from adaptive_reasoner.shadow.judging import PairJudge, shown_text
from adaptive_reasoner.shadow.settings import Shadow
from adaptive_reasoner.strategies.flow import Answer, Flow, FlowRunner, Task


class SecondCall(NamedTuple):
    """How a question is asked again.

    Attributes:
        source: How calls are made where an action does not say.
        messages: The conversation.
        settings: Call-time arguments of every call but a judge's.
    """

    source: Source
    messages: Messages
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class GivenAnswer:
    """An answer that was given, to be compared.

    Attributes:
        key: Names its charge.
        question: The question it counts for.
        action: What answered.
        cost: What it cost.
        message: The reply.
        value: Its canonical answer.
        price: Of compute, at which it was decided.
        ask: How the question is asked again.
    """

    key: str
    question: str
    action: str
    cost: float
    message: AIMessage
    value: str | None
    price: float
    ask: Callable[[], SecondCall] = field(compare=False)


class Comparer:
    """Compares answers with those of a reference action.

    Args:
        shadow: What is asked for.
        flow: The strategy of the reference action.
        judge: Says which answer is better.
        meter: What a call costs.
        key: When two replies say the same.
        keeper: Keeps the comparisons.
        payer: Is charged for them; its hard cap is the most that they may cost.
    """

    def __init__(
        self,
        shadow: Shadow,
        flow: Flow,
        judge: PairJudge,
        *,
        meter: Meter,
        key: Comparison,
        keeper: KeepsComparisons,
        payer: Ledger,
    ) -> None:
        self._shadow, self._flow, self._judge = shadow, flow, judge
        self._meter, self._key, self._keeper, self._payer = meter, key, keeper, payer

    def compare(self, given: GivenAnswer) -> None:
        """Compare an answer with a second one; a repeated call does nothing.

        Raises:
            Exception: What a model, the judge or a database raised; what was spent is booked, and kept.
        """
        if given.action == self._shadow.against:  # the same action is as good and as dear, on average
            self._keep(given, "judged", against_cost=given.cost, preferred=0.5)
            return
        second = _SecondAnswer(given.ask(), self)
        reservation = second.reserve(given)
        if reservation is None:
            return
        outcome: Outcome = "failed"
        try:
            second.judge(given)
            outcome = "unjudged" if second.preferred is None else "judged"
        except BudgetExceededError:
            outcome = "refused"
        finally:
            self._payer.settle(reservation, second.caller.cost)
            self._keep(given, outcome, against_cost=second.cost, preferred=second.preferred)

    def leave_out(self, given: GivenAnswer, outcome: Outcome = "dropped") -> None:
        """Record that an answer was drawn for a comparison and not compared."""
        self._keep(given, outcome)

    def _keep(
        self,
        given: GivenAnswer,
        outcome: Outcome,
        *,
        against_cost: float | None = None,
        preferred: float | None = None,
    ) -> None:
        drawn = ComparedAnswer(
            key=given.key,
            question=given.question,
            outcome=outcome,
            action=given.action,
            against=self._shadow.against,
            share=self._shadow.share,
            cost=given.cost,
            against_cost=against_cost,
            preferred=preferred,
            judge_accuracy=self._shadow.judge_accuracy,
            at=time.time(),
        )
        self._keeper.put_comparison(drawn)


class _SecondAnswer:
    """The calls of one comparison, each held before it is sent.

    Attributes:
        caller: Makes them, and keeps their bill.
        cost: Of the second answer; None before it is there.
        preferred: How likely the judge prefers the first one; None before it says so.
    """

    def __init__(self, second: SecondCall, comparer: Comparer) -> None:
        self._of = comparer
        self.caller = CallExecutor(
            second.source,
            comparer._meter,
            RunnableConfig(tags=["shadow"], metadata={"adaptive_shadow": comparer._shadow.against}),
            settings=second.settings,
            hold_more=self._hold_more,
        )
        self._task = Task(second.messages, key=comparer._key)
        self._reservation: Reservation | None = None
        self._holding = threading.Lock()
        self.cost: float | None = None
        self.preferred: float | None = None

    def reserve(self, given: GivenAnswer) -> Reservation | None:
        """Hold the first calls of the second answer, and those of a judge on two like the first.

        Returns:
            The charge; None where there is no room for it, or another attempt has compared the answer.

        Raises:
            BudgetExceededError: The length of a reply is not declared.
        """
        self._task = replace(self._task, price=given.price)
        self._running = FlowRunner(self._of._flow, self._task)
        likely = shown_text(given.message)
        verdicts = self._of._judge.requests(self._task.question, likely, likely)
        try:
            worst = self._bound(self._running.requests) + self._bound(verdicts)
            found = self._of._payer.reserve(worst, given.key, worst=worst, question=given.question)
        except BudgetExceededError as full:
            self._of.leave_out(given, "refused")
            if full.wanted == inf:
                raise
            return None
        if found.repeated:
            return None
        self._reservation = found
        self._of._keep(given, "open")
        return found

    def judge(self, given: GivenAnswer) -> None:
        """Answer the question again, and ask which answer is better.

        Raises:
            BudgetExceededError: The cap has no room for what is still to be called.
        """
        answer = self._answer()
        self.cost = float(self.caller.cost)
        own, other = shown_text(given.message), shown_text(answer.message)
        if own == other or (given.value is not None and given.value == answer.value):
            self.preferred = 0.5
            return
        if not (own and other):  # an empty reply loses
            self.preferred = float(bool(own))
            return
        judge, question = self._of._judge, self._task.question
        requests = judge.requests(question, own, other)
        self._hold(self.caller.cost + self._bound(requests))
        replies = self.caller.run_round(requests) if requests else []
        self.preferred = judge.preferred(question, own, other, replies)

    def _answer(self) -> Answer:
        while self._running.answer is None:
            requests = self._running.requests
            self._hold(self.caller.cost + self._bound(requests))
            self._running.send(self.caller.run_round(requests))
        return self._running.answer

    def _bound(self, requests: Sequence[Request]) -> float:
        """The most that calls can cost.

        Raises:
            BudgetExceededError: The length of a reply is not declared, so that it has no bound.
        """
        bound = self.caller.bound(requests)
        if bound.declared:
            return bound.cost
        raise undeclared(self._of._payer)

    def _hold(self, worst: float) -> None:
        """Hold this worst case for all calls together.

        Raises:
            BudgetExceededError: The cap has no room for it.
        """
        assert self._reservation is not None
        if worst > self._reservation.worst:
            self._reservation = self._of._payer.extend(self._reservation, worst)

    def _hold_more(self, more: float) -> None:
        """Hold more than before; threads may call this at the same time."""
        with self._holding:
            assert self._reservation is not None
            self._hold(self._reservation.worst + more)


def undeclared(payer: Ledger) -> BudgetExceededError:
    """The error for calls whose length is not declared."""
    return without_bound(
        payer,
        "a second answer or a verdict can be of any length, so the shadow's max_cost cannot hold it: "
        "declare max_tokens of the reference action's model and of the judge, as in "
        "judge=Source(model, max_tokens=500)",
    )


def check_declared(flow: Flow, judge: PairJudge, source: Source, meter: Meter, payer: Ledger) -> None:
    """Refuse, before any question is asked, a reference action or a judge whose replies can be of any length.

    Raises:
        BudgetExceededError: Their length is not declared.
    """
    caller, task = CallExecutor(source, meter), Task([HumanMessage("?")])
    requests = [*FlowRunner(flow, task).requests, *judge.requests("?", "a", "b")]
    if not caller.bound(requests).declared:
        raise undeclared(payer)
