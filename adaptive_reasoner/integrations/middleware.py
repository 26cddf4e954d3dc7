"""A budget for `create_agent`: each model call decides how hard to think, and the run is one question."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Annotated, Any, Literal, NotRequired

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import override

from adaptive_reasoner.answers.grouping import Key
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.context import Tenants, options_from_context
from adaptive_reasoner.integrations.langgraph_runtime import execution, run_of, write_stream_event
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.models.messages import decision_text
from adaptive_reasoner.models.metering import Meter, TokenMeter
from adaptive_reasoner.models.source import ChatModel, Messages, Source
from adaptive_reasoner.policy.base import Policy
from adaptive_reasoner.reasoner.options import AnswerOptions
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.strategies.flow import Flow

try:
    from langchain.agents.middleware.internal_call_transformer import InternalCallTransformer
    from langchain.agents.middleware.types import (
        AgentMiddleware,
        AgentState,
        ExtendedModelResponse,
        ModelRequest,
        ModelResponse,
        PrivateStateAttr,
    )

    from adaptive_reasoner.integrations.agent_calls import AgentCalls, is_structured, preamble
except ModuleNotFoundError as error:
    raise ImportError('create_agent needs langchain: pip install "adaptive-reasoner[agents]"') from error


@dataclass(frozen=True)
class AgentStep:
    """Where an agent stands when it calls its model.

    Attributes:
        number: Model calls of this run so far.
        question: The conversation's question: its last human turn, in its context.
        messages: The conversation.
        spent: What this run has cost so far.
        left: What it may still cost; infinite without a budget of the run or thread.
    """

    number: int
    question: str
    messages: Messages
    spent: float
    left: float


SpendCounter = dict[str, Any]
"""What a thread knows of its spending: `run_id`, `run` (cost), `thread` (cost) and `steps`."""


def booked(before: SpendCounter | None, change: SpendCounter) -> SpendCounter:
    """Add to an account; a change under a new `run_id` begins a new run of the thread.

    Example:
        >>> first = booked(None, {"run_id": "a", "run": 2.0, "thread": 2.0, "steps": 1})
        >>> booked(first, {"run_id": "b", "run": 3.0, "thread": 3.0, "steps": 1})
        {'run_id': 'b', 'run': 3.0, 'thread': 5.0, 'steps': 1}
    """
    known = {"run_id": "", "run": 0.0, "thread": 0.0, "steps": 0} | (before or {})
    if known["run_id"] != change["run_id"]:
        known |= {"run": 0.0, "steps": 0}
    added = {name: known[name] + change[name] for name in ("run", "thread", "steps")}
    return {"run_id": change["run_id"], **added}


class AdaptiveAgentState(AgentState[Any]):
    """The agent's state, with an account that neither its input nor its output shows."""

    # The reducer comes last: LangGraph reads no other, and without it the spend would be overwritten.
    adaptive_account: NotRequired[Annotated[SpendCounter, PrivateStateAttr, booked]]


class AdaptiveComputeMiddleware(AgentMiddleware[AdaptiveAgentState, Any, Any]):
    """Lets an agent think as hard at each step as it is worth, at an average cost per run that holds.

    A vote counts tool calls by name and arguments, before any tool runs: each tool runs once. Structured
    output, of either strategy, comes whole from the winner. All model calls of a run are one question to the
    ledger. Put retries inside: `middleware=[AdaptiveComputeMiddleware(...), ModelRetryMiddleware()]`.
    A middleware that answers with a `Command` belongs outside: inside, each sample would bring one.

    Args:
        policy: Chooses the action; or a function of the `AgentStep` that returns the policy of that step.
            Without one, a vote that needs no labels.
        actions: The strategy behind each action the policy can name; `on(Source(model))` goes to another
            model, `extended_thinking` sets the effort.
        budget: Allowed mean cost a run, kept by a ledger in memory.
        ledger: Keeps the average instead, for several processes or beyond this one's life.
        meter: What a call costs; generated tokens where not given.
        key, samples: When two replies say the same, and the most samples of the vote without a policy; see
            `AdaptiveReasoner`.
        run_budget: The most that one run may cost. As it shrinks the price rises, and actions whose worst
            case no longer fits are left out.
        thread_budget: The most that all runs of a thread may cost together; needs a checkpointer.
        on_exhausted: When nothing fits any more: `"end"` the run with a message that says so, or `"raise"`
            BudgetExceededError.
        about: What of a step is decided on; its question where not given.
        tenants: Opens the ledger of a tenant by name; where not given, tenants are counted in memory.

    A run may bring its own terms as `AdaptiveContext`: `create_agent(..., context_schema=AdaptiveContext)`.

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
        ledger: Ledger | None = None,
        meter: Meter | None = None,
        key: Key = "auto",
        samples: int | None = None,
        run_budget: float | None = None,
        thread_budget: float | None = None,
        on_exhausted: Literal["end", "raise"] = "end",
        about: Callable[[AgentStep], str] | None = None,
        tenants: Callable[[str], Ledger] | None = None,
    ) -> None:
        super().__init__()
        if on_exhausted not in ("end", "raise"):
            raise ValueError(f"on_exhausted is 'end' or 'raise', not {on_exhausted!r}")
        for name, amount in (("run_budget", run_budget), ("thread_budget", thread_budget)):
            if amount is not None and not amount > 0:
                raise ValueError(f"{name} must be above 0, got {amount}")
        self.run_budget, self.thread_budget = run_budget, thread_budget
        self.on_exhausted, self.about = on_exhausted, about
        self._policy_of: Callable[[AgentStep], Policy] | None = None
        if callable(policy) and not isinstance(policy, Policy):
            self._policy_of, policy = policy, policy(AgentStep(0, "", (), 0.0, inf))
        if policy is None and budget is None and ledger is None and (run_budget or thread_budget):
            ledger = open_ledger("memory://", cost_unit=(meter or TokenMeter()).cost_unit)
        self.reasoner = AdaptiveReasoner(
            Source(_no_model),
            policy=policy,
            actions=actions,
            budget=budget,
            ledger=ledger,
            meter=meter,
            key=key,
            samples=samples,
        )
        self.tenants = Tenants(self.reasoner.ledger, tenants)

    @property
    def ledger(self) -> Ledger:
        """Keeps the average."""
        return self.reasoner.ledger

    @override
    def before_agent(self, state: AdaptiveAgentState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Begin a run: a question of its own."""
        del state, runtime
        run_id = run_of({}) or uuid.uuid4().hex
        return {"adaptive_account": {"run_id": run_id, "run": 0.0, "thread": 0.0, "steps": 0}}

    @override
    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ExtendedModelResponse[Any]:
        """Decide, call as often as the action asks for, and answer with the winner."""
        calls = AgentCalls(request, handler=handler)
        try:
            result = self.reasoner.answer(request.messages, _around(), **self._terms(calls))
        except BudgetExceededError as exhausted:
            return self._exhausted(calls, exhausted)
        return self._response(calls, result)

    @override
    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ExtendedModelResponse[Any]:
        """Like `wrap_model_call`, without blocking the loop."""
        calls = AgentCalls(request, ahandler=handler)
        await self.tenants.aready(request.runtime and request.runtime.context)
        try:
            result = await self.reasoner.aanswer(request.messages, _around(), **self._terms(calls))
        except BudgetExceededError as exhausted:
            return self._exhausted(calls, exhausted)
        return self._response(calls, result)

    def _terms(self, calls: AgentCalls) -> AnswerOptions:
        account, task = calls.account, execution()
        left = self._left(account)
        question = self._question(calls.request.messages)
        step = AgentStep(account["steps"], question, calls.request.messages, account["run"], left)
        policy = self._policy_of(step) if self._policy_of else self.reasoner.policy
        request = calls.request
        terms: AnswerOptions = {
            "source": Source(request.model, settings=request.model_settings, preamble=preamble(request)),
            "policy": policy,
            "resolve_model": calls.resolve_model,
            "key": f"{task.task_id}:1" if task else None,
            "run_id": account["run_id"],
            "resumes": True,
            "about": self.about(step) if self.about else question,
            "structured": is_structured(request),
            "on_event": write_stream_event,
        }
        runtime: Runtime[Any] | None = calls.request.runtime
        terms |= options_from_context(runtime and runtime.context, policy=policy, tenants=self.tenants)
        calls.ledger = terms.get("ledger")
        if left < inf:
            most = terms.get("max_cost")
            terms["max_cost"] = left if most is None else min(left, most)
        if self.run_budget is not None and left > 0:
            # Of a budget that is half gone a unit is worth twice as much.
            price = terms.get("price", (terms.get("ledger") or self.ledger).price) or 0.0
            terms["price"] = price * max(1.0, self.run_budget / left)
        return terms

    def _question(self, messages: Messages) -> str:
        try:
            return decision_text(messages)
        except ValueError as error:
            if self.about is None:
                raise ValueError(
                    f"state key 'messages': {error}; `about` can say what to decide on"
                ) from error
            return ""

    def _left(self, account: SpendCounter) -> float:
        """What the run may still cost."""
        of_run = inf if self.run_budget is None else self.run_budget - account["run"]
        of_thread = inf if self.thread_budget is None else self.thread_budget - account["thread"]
        return max(0.0, min(of_run, of_thread))

    def _response(self, calls: AgentCalls, result: Result) -> ExtendedModelResponse[Any]:
        """The winner's response, whole, with the usage of all samples; the cost goes to the account."""
        response = calls.responses[id(result.reply)]
        messages: Sequence[BaseMessage] = [
            result.message if message is result.reply else message for message in response.result
        ]
        cost = result.record["cost"]
        change = {"run_id": calls.account["run_id"], "run": cost, "thread": cost, "steps": 1}
        return ExtendedModelResponse(
            model_response=replace(response, result=list(messages)),
            command=Command(update={"adaptive_account": change}),
        )

    def _exhausted(self, calls: AgentCalls, reason: BudgetExceededError) -> ExtendedModelResponse[Any]:
        """The end of a run that nothing is left for.

        Raises:
            BudgetExceededError: Where that was asked for, or where no action has a worst case to go by.
        """
        account = calls.account
        if reason.wanted == inf:
            raise reason
        unit = self.reasoner.meter.cost_unit
        text = (
            f"the budget is used up. This run has spent {account['run']:g} {unit}; "
            f"the next step can cost {reason.wanted:g}, and {reason.left:g} are left."
        )
        whole = {"run_budget": self.run_budget, "thread_budget": self.thread_budget}
        whole["hard cap"] = (calls.ledger or self.ledger).hard_cap
        never = [name for name, most in whole.items() if most is not None and most < reason.wanted]
        if never or self.on_exhausted == "raise":
            raised = f"raise the {' and the '.join(never)} to " if never else "allow "
            text += f" Declare a smaller max_tokens on the model, or {raised}{reason.wanted:g} at least."
        if self.on_exhausted == "raise":
            raise BudgetExceededError(reason.wanted, reason.left, reason.unit, text) from reason
        event = {
            "event": "exhausted",
            "run_id": account["run_id"],
            "spent": account["run"],
            "wanted": float(reason.wanted),  # a policy may think in numpy; a checkpoint does not
            "left": float(reason.left),
            "cost_unit": unit,
        }
        write_stream_event(event)
        message = AIMessage(f"I stop here: {text}", response_metadata={"adaptive_reasoner": event})
        return ExtendedModelResponse(
            model_response=ModelResponse(result=[message]),
            # An agent that has no tools but its structured output would ask on until there is one.
            command=Command(update={"jump_to": "end"}),
        )


def _around() -> RunnableConfig:
    """Who listens to the agent, and how many calls it may make at once; its handler takes the rest along."""
    config = ensure_config()
    return RunnableConfig(callbacks=config.get("callbacks"), max_concurrency=config.get("max_concurrency"))


def _no_model() -> ChatModel:
    raise RuntimeError("the agent brings its model with every request")
