"""A budget for `create_agent`: each model call decides how hard to think, and the run is one question."""

import asyncio
import logging
import os
import uuid
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from math import inf
from typing import Any, Literal, get_args

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import override

from adaptive_reasoner.amounts import given
from adaptive_reasoner.answers.grouping import Key
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.agent_step import AgentStep
from adaptive_reasoner.integrations.billing_callbacks import listen_to_calls
from adaptive_reasoner.integrations.context import Tenants
from adaptive_reasoner.integrations.langgraph_runtime import question_of_run, read, run_of
from adaptive_reasoner.integrations.run_bills import RunBill, on_bill
from adaptive_reasoner.integrations.tool_costs import ToolCost, ToolCosts, check_limits, misspelt
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.models.dollars import check_budgets, meter_of
from adaptive_reasoner.models.metering import Meter, TokenMeter, is_amount
from adaptive_reasoner.models.source import ChatModel, Source
from adaptive_reasoner.policy.base import Policy, never_blocks
from adaptive_reasoner.reasoner.events import asend_run_event, send_run_event
from adaptive_reasoner.reasoner.policy_and_actions import warn_of_limits
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.reasoner.sample_keeper import SampleKeeper
from adaptive_reasoner.reasoner.sample_log import SampleLog
from adaptive_reasoner.shadow.runner import ShadowRunner
from adaptive_reasoner.shadow.settings import Shadow
from adaptive_reasoner.strategies.flow import Flow

try:
    from langchain.agents.middleware.internal_call_transformer import InternalCallTransformer
    from langchain.agents.middleware.types import (
        AgentMiddleware,
        ExtendedModelResponse,
        ModelRequest,
        ModelResponse,
        ToolCallRequest,
    )

    from adaptive_reasoner.integrations.agent_account import (
        AdaptiveAgentState,
        AgentBills,
        SpendCounter,
        account_of,
    )
    from adaptive_reasoner.integrations.agent_calls import AgentCalls
    from adaptive_reasoner.integrations.agent_end import Ending, nearly_used_events
    from adaptive_reasoner.integrations.agent_shortage import ask_for_tool
    from adaptive_reasoner.integrations.agent_tools import over_limit, refused_tool
    from adaptive_reasoner.integrations.model_steps import ModelStep, StepOptions
except ModuleNotFoundError as error:
    raise ImportError('create_agent needs langchain: pip install "adaptive-reasoner[agents]"') from error

_logger = logging.getLogger(__name__)


class AdaptiveComputeMiddleware(AgentMiddleware[AdaptiveAgentState, Any, Any]):
    """Puts an agent on a budget: for each step it decides how much compute to spend, and keeps the average.

    A vote compares tool calls by name and arguments before any tool runs, so each tool runs once. Structured
    output, of either strategy, is that of the winner. All model calls of a run are one question to the
    ledger. Put retries inside: `middleware=[AdaptiveComputeMiddleware(...), ModelRetryMiddleware()]`.
    Middleware that answers with a `Command` belongs outside; inside, each sample would bring one.

    Args:
        policy: Chooses the action; or a function of the `AgentStep` that returns the policy of that step.
            By default, a vote that needs no labels, or one call for free text.
        actions: The strategy behind each action that the policy can choose; `on(Source(model))` calls another
            model, and `extended_thinking` sets the effort.
        budget: Allowed mean cost per run, kept by a ledger in memory.
        target_accuracy: Mean accuracy of runs to keep at the least cost, by the grades its ledger is given.
        ledger: Keeps the average instead of `budget`, also for several processes and over restarts.
        meter: What a call costs; by default generated tokens. `"usd"` counts dollars by the model that
            answers; see `DollarMeter`.
        key, samples: When two replies say the same, and the most samples of the vote without a policy; see
            `AdaptiveReasoner`.
        explore: Share of the runs whose action is drawn at every step, so that the log tells what each action
            does; see `AdaptiveReasoner`.
        shadow: Makes the model calls of a share of the runs a second time, off the user's path; see `Shadow`.
            A call whose reply has a declared structure is not made again; no tool is called again.
        run_budget: The most that one run may cost. As the remaining amount shrinks, the price rises, and
            actions whose worst case no longer fits are excluded.
        thread_budget: The most that all runs of a thread may cost together; needs a checkpointer.
        on_exhausted: What happens when the next step does not fit: `"end"` ends the run with a last step that
            calls no tool and answers from what is known, or with a message if that does not fit either;
            `"raise"` raises BudgetExceededError; `"ask"` interrupts, which needs a checkpointer: the run
            continues with `Command(resume={"more": 0.05})`, and ends with `{"more": 0}`.
        tell_model: Whether the model is told, in a line at the end of the conversation that the state does
            not keep, when 80% of a budget are spent. By default it is not, so that the model is sent exactly
            what the agent says. The event `nearly_exhausted` is sent in both cases.
        about: The text of a step that is decided on; by default its question.
        question_key: State key that distinguishes the questions of one graph run, such as the items of a
            `Send` to the agent: each value is a question of its own. By default a graph run is one question.
        tenants: Opens the ledger of a tenant by name; by default tenants are counted in memory.
        tool_costs: What a call of a tool costs, by name, in the ledger's unit: a number, or a function of the
            call. A tool's message may report another cost; see `ToolCosts`. A tool that does not fit is not
            called, and its message says so.
        tool_limits: The most calls of a tool in one run, by name; a further call gets a message that says so.
        log: Keeps every sample for the offline kit, with its step: a file, or a `SampleLog`.

    A run may have its own budget, price, tenant and cost limit:
    `create_agent(..., context_schema=AdaptiveContext)`.

    Example:
        >>> from langchain.agents import create_agent
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from adaptive_reasoner import SampleMeter
        >>> from adaptive_reasoner import FixedPolicy
        >>> from adaptive_reasoner import self_consistency
        >>> budgeted = AdaptiveComputeMiddleware(
        ...     policy=FixedPolicy("vote_3", expected_cost=2.5, cost_unit="samples"),
        ...     actions={"vote_3": self_consistency(3)},
        ...     meter=SampleMeter(),
        ... )
        >>> agent = create_agent(FakeListChatModel(responses=["7", "8", "7"]), middleware=[budgeted])
        >>> agent.invoke({"messages": [("user", "What is 3 + 4?")]})["messages"][-1].text
        '7'
        >>> budgeted.ledger.average
        2.0
    """

    state_schema = AdaptiveAgentState
    transformers = (InternalCallTransformer,)

    def __init__(
        self,
        *,
        policy: Policy | Callable[[AgentStep], Policy] | None = None,
        actions: Mapping[str, Flow] | None = None,
        budget: float | None = None,
        target_accuracy: float | None = None,
        ledger: Ledger | None = None,
        meter: Meter | Literal["usd"] | None = None,
        key: Key = "auto",
        samples: int | None = None,
        explore: float | None = None,
        shadow: Shadow | None = None,
        run_budget: float | None = None,
        thread_budget: float | None = None,
        on_exhausted: Ending = "end",
        tell_model: bool = False,
        about: Callable[[AgentStep], str] | None = None,
        question_key: str | None = None,
        tenants: Callable[[str], Ledger] | None = None,
        tool_costs: Mapping[str, ToolCost] | None = None,
        tool_limits: Mapping[str, int] | None = None,
        log: str | os.PathLike[str] | SampleLog | None = None,
    ) -> None:
        super().__init__()
        if on_exhausted not in get_args(Ending):
            raise ValueError(f"on_exhausted is 'end', 'raise' or 'ask', not {on_exhausted!r}")
        budgets = {"run_budget": run_budget, "thread_budget": thread_budget}
        for name, amount in budgets.items():
            if amount is not None and not (is_amount(amount) and amount > 0):
                raise ValueError(f"{name} must be above 0, got {given(amount)}")
        meter = meter_of(meter)
        self.run_budget, self.thread_budget = run_budget, thread_budget
        self.on_exhausted: Ending = on_exhausted
        self.question_key = question_key
        self.log = log if log is None or isinstance(log, SampleLog) else SampleLog(log)
        self.tool_limits = check_limits(tool_limits)
        self._declared_tools: set[str] | None = {*(tool_costs or {}), *self.tool_limits}  # None: looked at
        policy_of: Callable[[AgentStep], Policy] | None = None
        if callable(policy) and not isinstance(policy, Policy):
            policy_of, policy = policy, policy(AgentStep(0, "", (), 0.0, inf))
        if policy is None and budget is None and ledger is None and (run_budget or thread_budget):
            ledger = open_ledger("memory://", cost_unit=(meter or TokenMeter()).cost_unit)
        self.reasoner = AdaptiveReasoner(
            Source(_no_model),
            policy=policy,
            actions=actions,
            budget=budget,
            target_accuracy=target_accuracy,
            ledger=ledger,
            meter=meter,
            key=key,
            samples=samples,
            explore=explore,
            shadow=shadow,
        )
        check_budgets(self.reasoner.meter.cost_unit, **budgets)
        warn_of_limits(self.ledger.target, self.reasoner.meter.cost_unit, **budgets)
        self.tenants = Tenants(self.reasoner.ledger, tenants)
        self.bills = AgentBills(self.reasoner.meter, ToolCosts(tool_costs or {}), run_budget, thread_budget)
        self._steps = StepOptions(
            reasoner=self.reasoner,
            tenants=self.tenants,
            bills=self.bills,
            policy_of=policy_of,
            about=about,
            on_exhausted=on_exhausted,
            tell_model=tell_model,
            keeper=None if self.log is None else SampleKeeper(self.log, self.name),
        )
        listen_to_calls()

    def __repr__(self) -> str:
        return f"AdaptiveComputeMiddleware({self.reasoner!r})"

    @property
    def ledger(self) -> Ledger:
        """Keeps the average."""
        return self.reasoner.ledger

    @property
    def shadow(self) -> ShadowRunner | None:
        """Compares replies with second ones; None where that was not asked for."""
        return self.reasoner.shadow

    @override
    def before_agent(self, state: AdaptiveAgentState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Begin a run: a question of its own, with a bill of its own."""
        question = question_of_run(run_of({}) or uuid.uuid4().hex, state, self.question_key)
        ledger = self._ledger_of(runtime.context)
        return {"adaptive_account": self.bills.begin(question, state.get("adaptive_account"), ledger)}

    @override
    async def abefore_agent(self, state: AdaptiveAgentState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Like `before_agent`, without blocking the loop."""
        await self.tenants.aready(runtime.context)
        if never_blocks(self._ledger_of(runtime.context)):
            return self.before_agent(state, runtime)
        return await asyncio.to_thread(self.before_agent, state, runtime)

    @override
    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ExtendedModelResponse[Any]:
        """Decide, call as often as the action asks for, and answer with the winner."""
        self._warn_of_names(request)
        calls = AgentCalls(request, handler=handler)
        bill = self._bill(calls.account, request.runtime)
        step = ModelStep(self._steps, calls, bill)
        try:
            with on_bill(bill):
                while step.response is None:
                    try:
                        step.send(self.reasoner.answer(step.messages, _around(), **step.terms))
                    except BudgetExceededError as full:
                        step.throw(full)
        finally:
            step.keep()
            for event in step.events:
                send_run_event(event, ensure_config())
        return step.response

    @override
    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ExtendedModelResponse[Any]:
        """Like `wrap_model_call`, without blocking the loop."""
        self._warn_of_names(request)
        calls = AgentCalls(request, ahandler=handler)
        bill = await self._abill(calls.account, request.runtime)
        step = ModelStep(self._steps, calls, bill)
        try:
            with on_bill(bill):
                while step.response is None:
                    try:
                        step.send(await self.reasoner.aanswer(step.messages, _around(), **step.terms))
                    except BudgetExceededError as full:
                        step.throw(full)
        finally:
            if self.log is not None:
                await asyncio.to_thread(step.keep)
            for event in step.events:
                await asend_run_event(event, ensure_config())
        return step.response

    @override
    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        """Call a tool, with all that it calls, on the run's bill."""
        bill = self._bill(account_of(request.state), request.runtime)
        refusal = self._refusal(bill, request)
        if refusal is not None:
            return refusal
        try:
            with on_bill(bill):
                return handler(request)
        except BudgetExceededError as exhausted:
            return self._not_called(request, exhausted)
        finally:
            for event in nearly_used_events(bill):
                send_run_event(event, ensure_config())

    @override
    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Like `wrap_tool_call`, without blocking the loop."""
        bill = await self._abill(account_of(request.state), request.runtime)
        refusal = self._refusal(bill, request)
        if refusal is not None:
            return refusal
        try:
            with on_bill(bill):
                return await handler(request)
        except BudgetExceededError as exhausted:
            return self._not_called(request, exhausted)
        finally:
            for event in nearly_used_events(bill):
                await asend_run_event(event, ensure_config())

    def _warn_of_names(self, request: ModelRequest[Any]) -> None:
        """Say once which costs and limits are probably meant for another tool; then no call of it counts."""
        declared, self._declared_tools = self._declared_tools or (), None
        for name, tool in misspelt(declared, request.tools).items():
            with suppress(UserWarning):  # where warnings are errors, the answer stands
                warnings.warn(
                    f"tool_costs or tool_limits names {name!r}, and the agent has the tool {tool!r}: "
                    f"calls of {tool!r} are not counted",
                    stacklevel=3,
                )

    def _refusal(self, bill: RunBill, request: ToolCallRequest) -> ToolMessage | None:
        """The message for a call above the limit of its tool; for one that does not fit, ask first."""
        refusal = over_limit(bill, request, self.tool_limits)
        if refusal is None and self.on_exhausted == "ask":
            ask_for_tool(bill, request.tool_call)
        return refusal

    def _not_called(self, request: ToolCallRequest, reason: BudgetExceededError) -> ToolMessage:
        """What the model is told of a tool that the budget has no room for."""
        if self.on_exhausted == "raise":
            raise reason
        return refused_tool(request, f"the budget has no room for it: {reason}")

    def _ledger_of(self, context: Any) -> Ledger:
        """What a run is charged to: the ledger of its tenant, where it has one."""
        tenant = read(context, "tenant")
        return self.tenants.ledger_of(tenant) if tenant else self.ledger

    def _bill(self, account: SpendCounter, runtime: Any) -> RunBill:
        return self.bills.of(account, lambda: self._ledger_of(runtime and runtime.context))

    async def _abill(self, account: SpendCounter, runtime: Any) -> RunBill:
        await self.tenants.aready(runtime and runtime.context)
        ledger = self._ledger_of(runtime and runtime.context)
        if never_blocks(ledger) or self.bills.knows(account):
            return self.bills.of(account, lambda: ledger)
        return await asyncio.to_thread(self.bills.of, account, lambda: ledger)


def _around() -> RunnableConfig:
    """Who listens to the agent, and how many calls it may make at once; its handler takes the rest along."""
    config = ensure_config()
    return RunnableConfig(callbacks=config.get("callbacks"), max_concurrency=config.get("max_concurrency"))


def _no_model() -> ChatModel:
    raise RuntimeError("the agent passes its model with every request")
