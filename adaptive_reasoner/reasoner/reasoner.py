"""Answer a question with as much compute as it is worth: decide, reserve, run, settle."""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from contextlib import aclosing, closing, suppress
from itertools import count
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from pydantic import ConfigDict, Field, PrivateAttr, SkipValidation
from typing_extensions import Unpack, override

from adaptive_reasoner.answers.base import Comparison
from adaptive_reasoner.answers.grouping import Key
from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger.alarm_keeping import keep_alarms
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.ledger.settings import positive
from adaptive_reasoner.models.dollars import check_budgets, meter_of
from adaptive_reasoner.models.messages import messages_of
from adaptive_reasoner.models.metering import Meter, TokenMeter
from adaptive_reasoner.models.replies import Reply
from adaptive_reasoner.models.source import ChatModel, Source
from adaptive_reasoner.policy.base import Policy
from adaptive_reasoner.policy.versions import version_of
from adaptive_reasoner.reasoner.events import warn_of_overspending, warn_of_same
from adaptive_reasoner.reasoner.exploration import Exploration
from adaptive_reasoner.reasoner.lifecycle import aunder_way, under_way
from adaptive_reasoner.reasoner.options import (
    AnswerOptions,
    AskedQuestion,
    CallOptions,
    Components,
    Limits,
    check_opened,
    check_units,
)
from adaptive_reasoner.reasoner.policy_and_actions import (
    check_reach,
    comparison_of,
    resolve_policy,
    warn_of_limits,
)
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.reasoner.run import QuestionRun
from adaptive_reasoner.reasoner.sample_keeper import QuestionSamples, SampleKeeper
from adaptive_reasoner.reasoner.sample_log import SampleLog
from adaptive_reasoner.shadow.runner import ShadowRunner
from adaptive_reasoner.shadow.settings import Shadow
from adaptive_reasoner.strategies.flow import Flow, check_flow

_MANY = 200  # questions after which an average tells whether the budget can be held


class AdaptiveReasoner(RunnableSerializable[Any, AIMessage]):
    """Answers questions under a budget: for each it decides how much compute to spend, and keeps the average.

    Takes a string, a message or a list of messages and returns the winning message. The decision and the
    bill are in its `response_metadata["adaptive_reasoner"]`; `answer` returns them as a `Result`.

    Args:
        model: How calls are made unless the action says otherwise: a chat model, its name as
            `init_chat_model` takes it (`"openai:gpt-5-mini"`), or a `Source`.
        policy: Chooses the action. Without a policy and labels, a question whose replies can be compared gets
            a vote that continues while another sample is worth the ledger's price; others get one call.
        actions: The strategy behind each action that the policy can choose.
        budget: Allowed mean cost per question, kept by a ledger in memory. To share it between processes, or
            to keep it over restarts, give a `ledger` instead.
        target_accuracy: Mean accuracy to keep at the least cost, with `budget` as a cap; see `open_ledger`.
        ledger: Keeps the average; the policy decides at its price.
        meter: What a call costs; by default the tokens that the policy counts, or generated tokens.
            `"usd"` counts dollars by the model that answers; see `DollarMeter`.
        price: The price of compute, in place of the ledger's; a field for `configurable_fields`.
        max_cost: Only actions whose worst case is at most this may be chosen; another such field.
        key: When two replies say the same: `"auto"` compares what they offer (tool calls, a structured value,
            a choice, a stated answer), others are `"exact"`, `"numeric"`, `"math"`, `"choice"`, `"json"`, a
            comparison such as `fields("city")`, or a function of the message; `similar()` takes the encoder
            of the policy. With `actions`, it is the key of those strategies that have none of their own.
        samples: The most samples of the vote without a policy, by default 9; the strategies in `actions`
            have their own.
        explore: Share of the questions, up to 0.5, whose action is drawn among all actions that fit, also
            those that the policy does not know, so that a sample log tells what each does. None or 0: none.
        shadow: Answers a share of the questions a second time, off the user's path, to show what is saved.
        log: Where samples are kept for the offline kit: a file, or a `SampleLog`, which can redact them. If
            it fails, the answer stands, with a warning and the event `log_failed`.

    Raises:
        UnknownActionError: The policy can choose an action that `actions` lacks.
        LedgerError: Policy, ledger and meter count different units.
        InfeasibleBudgetError: `budget` is below what the policy's cheapest choices cost on average.
        ValueError: There is neither a policy nor anything that limits what a vote may cost, or there is no
            other action to explore.
        TypeError: Model, policy, ledger, meter or an action is something else, such as a name or a path.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from adaptive_reasoner import FixedPolicy, SampleMeter, self_consistency
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

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: SkipValidation[Source]
    policy: SkipValidation[Policy]
    actions: SkipValidation[dict[str, Flow]]
    ledger: SkipValidation[Ledger]
    meter: SkipValidation[Meter]
    key: SkipValidation[Comparison]
    price: float | None = Field(default=None, ge=0)
    max_cost: float | None = Field(default=None, ge=0)
    explore: float | None = None
    shadow: SkipValidation[ShadowRunner | None] = None
    log: SkipValidation[SampleLog | None] = None
    _keeper: SampleKeeper | None = PrivateAttr(default=None)
    _warned: bool = PrivateAttr(default=False)
    _numbers: Iterator[int] = PrivateAttr(default_factory=lambda: count(1))

    def __init__(
        self,
        model: Source | ChatModel | str,
        *,
        policy: Policy | None = None,
        actions: Mapping[str, Flow] | None = None,
        budget: float | None = None,
        target_accuracy: float | None = None,
        ledger: Ledger | None = None,
        meter: Meter | Literal["usd"] | None = None,
        price: float | None = None,
        max_cost: float | None = None,
        key: Key = "auto",
        samples: int | None = None,
        explore: float | None = None,
        shadow: Shadow | ShadowRunner | None = None,
        log: str | os.PathLike[str] | SampleLog | None = None,
        name: str | None = "adaptive_reasoner",
    ) -> None:
        if ledger is not None and (budget is not None or target_accuracy is not None):
            raise ValueError("give a budget or a target accuracy, or a ledger, which has its own")
        positive("budget", budget)
        check_opened(policy=policy, ledger=ledger, shadow=shadow)
        meter = meter_of(meter)
        source = model if isinstance(model, Source) else Source(model)
        meter = meter or TokenMeter("total" if getattr(policy, "counts", None) == "total" else "completion")
        compared = comparison_of(key, policy)
        policy, strategies = resolve_policy(
            policy,
            actions,
            source=source,
            meter=meter,
            mean=ledger.target if ledger else budget,
            bounded=any(limit is not None for limit in (budget, ledger, price, max_cost)),
            samples=samples,
            key=compared,
            explore=explore,
            shadow=shadow.settings if isinstance(shadow, ShadowRunner) else shadow,
        )
        check_reach(policy, budget=budget, target=None if ledger is None else ledger.target)
        if ledger is None:
            priced = version_of(policy, strategies)
            ledger = open_ledger("memory://", policy=priced, target=budget, target_accuracy=target_accuracy)
        check_units(meter=meter, policy=policy, ledger=ledger)
        keep_alarms(policy, ledger)
        if isinstance(shadow, Shadow):
            shadow = ShadowRunner(shadow, strategies, source=source, meter=meter, key=compared, ledger=ledger)
        check_budgets(meter.cost_unit, budget=budget, max_cost=max_cost)
        warn_of_limits(ledger.target, meter.cost_unit, max_cost=max_cost, hard_cap=ledger.hard_cap)
        fields: dict[str, Any] = {
            "model": source,
            "policy": policy,
            "actions": strategies,
            "ledger": ledger,
            "meter": meter,
            "key": compared,
            "explore": explore,
            "shadow": shadow,
            "log": log if log is None or isinstance(log, SampleLog) else SampleLog(log),
            "price": price,
            "max_cost": max_cost,
            "name": name,
        }
        super().__init__(**fields)
        self._keeper = SampleKeeper(self.log, name or "adaptive_reasoner") if self.log else None

    def __repr__(self) -> str:
        return f"AdaptiveReasoner({self.policy!r}, {self.ledger!r})"

    @property
    def source(self) -> Source:
        """How calls are made where an action does not say."""
        return self.model

    @property
    def exploration(self) -> Exploration:
        """The questions whose action is drawn."""
        return Exploration.of(self.explore)

    @property
    def comparison(self) -> Comparison:
        """When two replies say the same, for strategies that were given no `key`."""
        return self.key

    def add_action(self, name: str, flow: Flow) -> None:
        """Add a strategy while questions are answered.

        Exploration draws it from the next question on, and a policy that is updated or watched may then
        choose it; a policy that does not know it never does.

        Raises:
            ValueError: There is an action of that name, or it is no name.
            TypeError: The flow is no strategy.
        """
        if not (isinstance(name, str) and name.strip()):
            raise ValueError(f"an action has a name, such as 'cot_vote_7', not {name!r}")
        check_flow(flow, f"action {name!r}")
        if self.actions.setdefault(name, flow) is not flow:
            raise ValueError(f"there is an action {name!r} already; add it under another name")

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """The winning message; `kwargs` are the terms of `answer`."""

        def message(
            question: Any,
            run_manager: CallbackManagerForChainRun,  # noqa: ARG001
            config: RunnableConfig,
        ) -> AIMessage:
            return self.answer(question, config, **kwargs).message

        return self._call_with_config(message, input, config)

    @override
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """The winning message; `kwargs` are the terms of `answer`."""

        async def message(
            question: Any,
            run_manager: AsyncCallbackManagerForChainRun,  # noqa: ARG001
            config: RunnableConfig,
        ) -> AIMessage:
            return (await self.aanswer(question, config, **kwargs)).message

        return await self._acall_with_config(message, input, config)

    @override
    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[AIMessage]:
        """Chunks of the winning message: of a single call as they come, of a vote the winner whole."""

        def chunks(
            inputs: Iterator[Any],
            run_manager: CallbackManagerForChainRun,  # noqa: ARG001
            config: RunnableConfig,
        ) -> Iterator[AIMessage]:
            for question in inputs:
                yield from self.stream_answer(question, config, **kwargs)

        yield from self._transform_stream_with_config(iter([input]), chunks, config)

    @override
    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        """Like `stream`, without blocking the loop."""

        async def inputs() -> AsyncIterator[Any]:
            yield input

        async def chunks(
            inputs: AsyncIterator[Any],
            run_manager: AsyncCallbackManagerForChainRun,  # noqa: ARG001
            config: RunnableConfig,
        ) -> AsyncIterator[AIMessage]:
            async for question in inputs:
                async with aclosing(self.astream_answer(question, config, **kwargs)) as answered:
                    async for chunk in answered:
                        yield chunk

        async for chunk in self._atransform_stream_with_config(inputs(), chunks, config):
            yield chunk

    def answer(
        self, question: Any, config: RunnableConfig | None = None, **terms: Unpack[AnswerOptions]
    ) -> Result:
        """Decide, reserve, run and settle.

        Args:
            question: A string, a message or a list of messages; the last human turn is what is decided on.
            config: Passed to every call.
            terms: What this question has of its own; see `AnswerOptions`.

        Raises:
            BudgetExceededError: Under a hard cap not even the cheapest action fits.
            UnpricedUsageError: A reply arrived whose cost cannot be known.
            Exception: Where no call gave a usable reply, the first error, as the model raised it.
        """
        with under_way(*self._run_of(question, config, terms), warn=self._warn_of) as run:
            while run.hold_calls():
                run.send(run.caller.run_round(run.running.requests))
        return run.result()

    async def aanswer(
        self, question: Any, config: RunnableConfig | None = None, **terms: Unpack[AnswerOptions]
    ) -> Result:
        """`answer`, without blocking the loop: embedding, ledger and checks that wait run in threads."""
        async with aunder_way(*self._run_of(question, config, terms), warn=self._warn_of) as run:
            while await run.ahold_calls():
                await run.asend(await run.caller.arun_round(run.running.requests))
        return run.result()

    def stream_answer(
        self, question: Any, config: RunnableConfig | None = None, **terms: Unpack[AnswerOptions]
    ) -> Generator[AIMessageChunk, None, None]:
        """`answer` as chunks; the last one carries the record, and the winner of a vote.

        A stream that is closed before its end is settled then, its reply as a lost one.
        """
        streamed: list[Reply] = []
        with under_way(*self._run_of(question, config, terms), warn=self._warn_of) as run:
            while run.hold_calls():
                if run.running.visible:
                    with closing(run.caller.stream(run.running.requests[0])) as chunks:
                        for chunk in chunks:
                            yield chunk.model_copy(update={"chunk_position": None})
                    streamed.append(run.caller.bill[-1])
                    run.send(streamed[-1:])
                else:
                    run.send(run.caller.run_round(run.running.requests))
            yield run.last_chunk(streamed)

    async def astream_answer(
        self, question: Any, config: RunnableConfig | None = None, **terms: Unpack[AnswerOptions]
    ) -> AsyncGenerator[AIMessageChunk, None]:
        """`stream_answer`, without blocking the loop."""
        streamed: list[Reply] = []
        async with aunder_way(*self._run_of(question, config, terms), warn=self._warn_of) as run:
            while await run.ahold_calls():
                if run.running.visible:
                    async with aclosing(run.caller.astream(run.running.requests[0])) as chunks:
                        async for chunk in chunks:
                            yield chunk.model_copy(update={"chunk_position": None})
                    streamed.append(run.caller.bill[-1])
                    await run.asend(streamed[-1:])
                else:
                    await run.asend(await run.caller.arun_round(run.running.requests))
            yield run.last_chunk(streamed)

    def _warn_of(self, copies: int) -> None:
        """Say once that samples at temperature 0 are copies, and once that the budget cannot be held."""
        if copies and not self._warned:
            self._warned = True
            warn_of_same(copies)
        if next(self._numbers) == _MANY:
            with suppress(LedgerError):  # a database that is away now; the answer is there
                warn_of_overspending(self.ledger.snapshot())

    def _run_of(
        self, question: Any, config: RunnableConfig | None, terms: AnswerOptions
    ) -> tuple[QuestionRun, QuestionSamples]:
        """A question that begins, and what is kept of it."""
        options: AnswerOptions = {"price": self.price, "max_cost": self.max_cost, **terms}
        options["meter"] = meter_of(options.get("meter"))
        messages = messages_of(question)
        kept = QuestionSamples(self._keeper, messages, options.get("about"), on_event=options.get("on_event"))
        run = QuestionRun(
            Components.of(
                options,
                source=self.model,
                policy=self.policy,
                actions=self.actions,
                ledger=self.ledger,
                meter=self.meter,
                comparison=self.key,
                exploration=self.exploration,
                shadow=self.shadow,
            ),
            Limits.of(options),
            AskedQuestion.of(options, messages=messages),
            CallOptions.of({**options, "on_event": kept.on_event}, config=config or RunnableConfig()),
        )
        return run, kept
