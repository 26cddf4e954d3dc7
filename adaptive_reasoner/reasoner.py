"""Answer a question with as much compute as it is worth: decide, reserve, run, settle."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_messages
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig

from adaptive_reasoner.calls import Caller, Messages, Source, question_of
from adaptive_reasoner.costs import Meter, TokenMeter
from adaptive_reasoner.errors import BudgetExceededError, LedgerError, UnknownActionError
from adaptive_reasoner.ledger import Ledger, Reservation, open_ledger
from adaptive_reasoner.policy import Decision, Policy
from adaptive_reasoner.strategies import Answer, Flow, Task, arun, on, run, self_consistency, single_pass


@dataclass(frozen=True)
class Result:
    """An answer and what it took.

    Attributes:
        message: The winning reply, whole, with the usage of all calls; `record` is also in its
            `response_metadata["adaptive_reasoner"]`.
        answer: The canonical answer; None where the reply has none.
        record: The decision and the bill as a plain dict, fit for graph state.
    """

    message: AIMessage
    answer: str | None
    record: dict[str, Any]


def vote_actions(sources: Mapping[str, Source], votes: Sequence[int] = (1, 3, 5)) -> dict[str, Flow]:
    """One action for each source and size of vote, named as `estimate` names them.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> list(vote_actions({"cot": Source(FakeListChatModel(responses=["7"]))}))
        ['cot', 'cot_vote_3', 'cot_vote_5']
    """
    return {
        name if size == 1 else f"{name}_vote_{size}": on(
            source, self_consistency(size) if size > 1 else single_pass()
        )
        for name, source in sources.items()
        for size in votes
    }


class AdaptiveReasoner(Runnable[Any, AIMessage]):
    """A chat model that thinks as hard as the question is worth, at an average cost that holds.

    Takes a string, a message or a list of messages and returns the winning message. For the decision
    and the bill read `response_metadata["adaptive_reasoner"]`, or call `answer`.

    Args:
        model: How calls are made where an action does not say: a chat model or a `Source`.
        policy: Chooses the action.
        actions: The strategy behind each action the policy can name.
        budget: Allowed mean cost a question, kept by a ledger in memory. For one that several
            processes share, or that outlives them, give a `ledger` instead.
        ledger: Keeps the average; its price steers the policy.
        meter: What a call costs; generated tokens where not given.

    Raises:
        UnknownActionError: The policy can choose an action that nobody supplied.
        LedgerError: Policy, ledger and meter do not count in the same unit.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from adaptive_reasoner.costs import SampleMeter
        >>> from adaptive_reasoner.policy import FixedPolicy
        >>> reasoner = AdaptiveReasoner(
        ...     FakeListChatModel(responses=["7", "8", "7"]),
        ...     policy=FixedPolicy("vote_3", expected_cost=2.5, cost_unit="samples"),
        ...     actions={"vote_3": self_consistency(3)},
        ...     meter=SampleMeter(),
        ... )
        >>> result = reasoner.answer("What is 3 + 4?")
        >>> result.answer, result.record["cost"]
        ('7', 3.0)
    """

    def __init__(
        self,
        model: Source | BaseChatModel | RunnableBinding[Any, Any],
        *,
        policy: Policy,
        actions: Mapping[str, Flow],
        budget: float | None = None,
        ledger: Ledger | None = None,
        meter: Meter | None = None,
        name: str = "adaptive_reasoner",
    ) -> None:
        for action in policy.actions:
            if action not in actions:
                raise UnknownActionError(action, actions)
        if ledger is not None and budget is not None:
            raise ValueError("give a budget or a ledger, not both: a ledger has its own target")
        self.name = name
        self.source = model if isinstance(model, Source) else Source(model)
        self.policy, self.actions = policy, dict(actions)
        self.meter = meter or TokenMeter()
        self.ledger = ledger or open_ledger("memory://", target=budget, policy=policy)
        units = {"meter": self.meter.cost_unit, "policy": policy.cost_unit, "ledger": self.ledger.cost_unit}
        if len(set(units.values())) > 1:
            raise LedgerError(f"costs must be in one unit, but there are {units}")

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:  # noqa: A002
        """The winning message; `kwargs` are those of `answer`."""

        def message(
            question: Any,
            run_manager: CallbackManagerForChainRun,  # noqa: ARG001
            config: RunnableConfig,
        ) -> AIMessage:
            return self.answer(question, config, **kwargs).message

        return self._call_with_config(message, input, config)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:  # noqa: A002
        """The winning message; `kwargs` are those of `answer`."""

        async def message(
            question: Any,
            run_manager: AsyncCallbackManagerForChainRun,  # noqa: ARG001
            config: RunnableConfig,
        ) -> AIMessage:
            return (await self.aanswer(question, config, **kwargs)).message

        return await self._acall_with_config(message, input, config)

    def answer(
        self,
        question: Any,
        config: RunnableConfig | None = None,
        *,
        key: str | None = None,
        run_id: str | None = None,
        price: float | None = None,
    ) -> Result:
        """Decide, reserve, run and settle.

        Args:
            question: A string, a message or a list of messages; the last human turn is what is decided on.
            config: Passed to every call.
            key: Names this charge in the ledger, which bills a key once; a new one where not given.
            run_id: The question in the ledger's sense, where several charges belong to one; else `key`.
            price: Takes the place of the ledger's price.

        Raises:
            BudgetExceededError: Under a hard cap not even the cheapest action fits.
            UnpricedUsageError: A reply arrived whose cost cannot be known.
            Exception: Where no call gave a usable reply, the first error, as the model raised it.
        """
        charge = _Charge(self, question, config, key=key, run_id=run_id, price=price)
        try:
            charge.open()
            charge.answer = run(charge.flow, charge.task, charge.caller)
        finally:
            charge.close()
        return charge.result()

    async def aanswer(
        self,
        question: Any,
        config: RunnableConfig | None = None,
        *,
        key: str | None = None,
        run_id: str | None = None,
        price: float | None = None,
    ) -> Result:
        """`answer`, without blocking the loop: embedding and ledger run in a thread."""
        charge = _Charge(self, question, config, key=key, run_id=run_id, price=price)
        try:
            await _to_its_end(charge.open)
            charge.answer = await arun(charge.flow, charge.task, charge.caller)
        finally:
            await _to_its_end(charge.close)
        return charge.result()


class _Charge:
    """One question on its way from the decision to the settled bill."""

    flow: Flow
    task: Task
    answer: Answer | None = None

    def __init__(
        self,
        reasoner: AdaptiveReasoner,
        question: Any,
        config: RunnableConfig | None,
        *,
        key: str | None,
        run_id: str | None,
        price: float | None,
    ) -> None:
        self._reasoner = reasoner
        self._messages = _messages(question)
        self._key = key or uuid.uuid4().hex
        self._run_id = run_id or self._key
        self._price = price
        self._decision: Decision | None = None
        self._reservation: Reservation | None = None
        self.caller = Caller(reasoner.source, reasoner.meter, config)

    def open(self) -> None:
        """Choose an action that the ledger admits; under a hard cap, the best that still fits."""
        policy, ledger = self._reasoner.policy, self._reasoner.ledger
        price = ledger.price if self._price is None else self._price
        most = inf
        while self._reservation is None:
            decision = policy.decide(
                question_of(self._messages), price=price, max_cost=most, key=self._run_id
            )
            try:
                self._reservation = ledger.reserve(
                    decision.expected_cost,
                    self._key,
                    worst=decision.worst_cost,
                    question=self._run_id,
                    action=decision.action,
                )
            except BudgetExceededError as full:
                if decision.worst_cost <= full.left:
                    raise
                most = full.left
        self._decision = decision
        self.flow = self._reasoner.actions[decision.action]
        self.task = Task(self._messages, price=decision.price)

    def close(self) -> None:
        """Settle what the calls cost; a run that failed before anything was billed is no question."""
        if self._reservation is None:
            return
        if self.answer is None and not self.caller.cost:
            self._reasoner.ledger.release(self._reservation)
        else:
            self._reasoner.ledger.settle(self._reservation, self.caller.cost)

    def result(self) -> Result:
        """The answer with its record, once it is there."""
        assert self.answer is not None
        assert self._decision is not None
        bill = self.caller.bill
        record = {
            **self._decision.as_state(),
            "cost": float(self.caller.cost),
            "cost_unit": self._reasoner.meter.cost_unit,
            "samples": len(bill),
            "failed": [f"{type(reply.error).__name__}: {reply.error}" for reply in bill if reply.error],
            "estimated": any(reply.estimated for reply in bill),
            "agreement": float(self.answer.agreement),
            "answer": self.answer.value,
            "key": self._key,
            "run_id": self._run_id,
        }
        usage: UsageMetadata | None = None
        for reply in bill:
            if reply.message is not None:
                usage = add_usage(usage, reply.message.usage_metadata)
        message = self.answer.message.model_copy(
            update={
                "usage_metadata": usage,
                "response_metadata": {**self.answer.message.response_metadata, "adaptive_reasoner": record},
            }
        )
        return Result(message, self.answer.value, record)


def _messages(question: Any) -> Messages:
    if isinstance(question, str):
        return [HumanMessage(question)]
    if isinstance(question, BaseMessage):
        return [question]
    return convert_to_messages(question)


async def _to_its_end(function: Callable[[], None]) -> None:
    """Run in a thread, and to its end also when cancelled: a reservation must not be left half-made."""
    work = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await work
        raise
