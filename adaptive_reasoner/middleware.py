"""A budget for `create_agent`: each model call decides how hard to think, and the run is one question."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Annotated, Any, Literal, NotRequired

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.constants import TAG_NOSTREAM
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import override

from adaptive_reasoner.calls import ChatModel, Messages, Request, Source, as_text, directly
from adaptive_reasoner.charge import Result, Terms
from adaptive_reasoner.context import Tenants, terms_of
from adaptive_reasoner.conversations import in_context
from adaptive_reasoner.costs import Meter
from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.flows import Flow
from adaptive_reasoner.graph import emit, execution, run_of
from adaptive_reasoner.ledger import Ledger
from adaptive_reasoner.policy import Policy
from adaptive_reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.request_bound import SchemaText

try:
    from langchain.agents.middleware.internal_call_transformer import (
        InternalCallTransformer,
        internal_call_metadata,
    )
    from langchain.agents.middleware.types import (
        AgentMiddleware,
        AgentState,
        ExtendedModelResponse,
        ModelRequest,
        ModelResponse,
        PrivateStateAttr,
    )
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


Account = dict[str, Any]
"""What a thread knows of its spending: `run_id`, `run` (cost), `thread` (cost) and `steps`."""


def booked(before: Account | None, change: Account) -> Account:
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
    adaptive_account: NotRequired[Annotated[Account, PrivateStateAttr, booked]]


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
        >>> from adaptive_reasoner.costs import SampleMeter
        >>> from adaptive_reasoner.policy import FixedPolicy
        >>> from adaptive_reasoner.strategies import self_consistency
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
        self.reasoner = AdaptiveReasoner(
            Source(_no_model), policy=policy, actions=actions, budget=budget, ledger=ledger, meter=meter
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
        calls = _Calls(request, handler=handler)
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
        calls = _Calls(request, ahandler=handler)
        await self.tenants.aready(request.runtime and request.runtime.context)
        try:
            result = await self.reasoner.aanswer(request.messages, _around(), **self._terms(calls))
        except BudgetExceededError as exhausted:
            return self._exhausted(calls, exhausted)
        return self._response(calls, result)

    def _terms(self, calls: "_Calls") -> Terms:
        account, task = calls.account, execution()
        left = self._left(account)
        question = self._question(calls.request.messages)
        step = AgentStep(account["steps"], question, calls.request.messages, account["run"], left)
        policy = self._policy_of(step) if self._policy_of else self.reasoner.policy
        request = calls.request
        terms: Terms = {
            "source": Source(request.model, settings=request.model_settings, preamble=_preamble(request)),
            "policy": policy,
            "reach": calls.reach,
            "key": f"{task.task_id}:{task.node_attempt}" if task else None,
            "run_id": account["run_id"],
            "resumes": True,
            "about": self.about(step) if self.about else question,
            "on_event": emit,
        }
        runtime: Runtime[Any] | None = calls.request.runtime
        terms |= terms_of(runtime and runtime.context, policy=policy, tenants=self.tenants)
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
            return in_context(messages)
        except ValueError as error:
            if self.about is None:
                raise ValueError(
                    f"state key 'messages': {error}; `about` can say what to decide on"
                ) from error
            return ""

    def _left(self, account: Account) -> float:
        """What the run may still cost."""
        of_run = inf if self.run_budget is None else self.run_budget - account["run"]
        of_thread = inf if self.thread_budget is None else self.thread_budget - account["thread"]
        return max(0.0, min(of_run, of_thread))

    def _response(self, calls: "_Calls", result: Result) -> ExtendedModelResponse[Any]:
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

    def _exhausted(self, calls: "_Calls", reason: BudgetExceededError) -> ExtendedModelResponse[Any]:
        """The end of a run that nothing is left for.

        Raises:
            BudgetExceededError: Where that was asked for, or where no action has a worst case to go by.
        """
        account = calls.account
        if reason.wanted == inf:
            raise BudgetExceededError(
                inf,
                reason.left,
                reason.unit,
                "no action has a known worst case, so none can be shown to fit in "
                f"{reason.left:g} {reason.unit}: give the policy's actions a worst_cost",
            ) from reason
        unit = self.reasoner.meter.cost_unit
        text = (
            f"the budget is used up. This run has spent {account['run']:g} {unit}; "
            f"the next step can cost {reason.wanted:g}, and {reason.left:g} are left."
        )
        if self.on_exhausted == "raise":
            raise BudgetExceededError(reason.wanted, reason.left, reason.unit, text) from reason
        told = {
            "event": "exhausted",
            "run_id": account["run_id"],
            "spent": account["run"],
            "wanted": float(reason.wanted),  # a policy may think in numpy; a checkpoint does not
            "left": float(reason.left),
            "cost_unit": unit,
        }
        emit(told)
        said = AIMessage(f"I stop here: {text}", response_metadata={"adaptive_reasoner": told})
        return ExtendedModelResponse(
            model_response=ModelResponse(result=[said]),
            # An agent that has no tools but its structured output would ask on until there is one.
            command=Command(update={"jump_to": "end"}),
        )


class _Calls:
    """The samples of one model call of an agent: each goes through the handler, and its response is kept."""

    def __init__(
        self,
        request: ModelRequest[Any],
        *,
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]] | None = None,
        ahandler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]] | None = None,
    ) -> None:
        self.request, self.handler, self.ahandler = request, handler, ahandler
        self.responses: dict[int, ModelResponse[Any]] = {}
        nothing: Account = {"run_id": uuid.uuid4().hex, "run": 0.0, "thread": 0.0, "steps": 0}
        state: Mapping[str, Any] = request.state
        self.account: Account = state.get("adaptive_account") or nothing

    def reach(self, source: Source, request: Request) -> ChatModel:
        return directly(source, request) if request.apart else _Sample(self, source, request.competes)

    def kept(self, response: ModelResponse[Any]) -> AIMessage:
        message = next(message for message in response.result if isinstance(message, AIMessage))
        self.responses[id(message)] = response
        return message


class _Sample(Runnable[Any, AIMessage]):
    """One way to make the agent's model call."""

    def __init__(self, calls: _Calls, source: Source, competes: bool) -> None:
        self._calls, self._source, self._competes = calls, source, competes

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        assert self._calls.handler is not None
        return self._calls.kept(self._calls.handler(self._request(input, config, kwargs)))

    @override
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        assert self._calls.ahandler is not None
        return self._calls.kept(await self._calls.ahandler(self._request(input, config, kwargs)))

    def _request(
        self, messages: Messages, config: RunnableConfig | None, settings: Mapping[str, Any]
    ) -> ModelRequest[Any]:
        request, config = self._calls.request, config or RunnableConfig()
        model = self._source.sampler if self._competes else self._source.runnable
        if isinstance(model, BaseChatModel):
            # The handler takes no config: what a run of the model should carry is put on the model.
            tags = [*(model.tags or []), *[tag for tag in config.get("tags") or [] if tag != TAG_NOSTREAM]]
            metadata = {**(model.metadata or {}), **(config.get("metadata") or {})}
            if self._competes:
                tags, metadata = [*tags, TAG_NOSTREAM], {**metadata, **internal_call_metadata()}
            model = model.model_copy(update={"tags": tags, "metadata": metadata})
        overrides: dict[str, Any] = {
            "model": model,
            "messages": list(messages),
            "model_settings": {**request.model_settings, **settings},
        }
        return request.override(**overrides)


def _preamble(request: ModelRequest[Any]) -> Messages:
    """What an agent sends besides the conversation, as far as it is billed."""
    system = [] if request.system_message is None else [request.system_message]
    schemas = [tool if isinstance(tool, dict) else convert_to_openai_tool(tool) for tool in request.tools]
    output = getattr(request.response_format, "schema", None)
    schemas += [] if output is None else [convert_to_openai_tool(output)]
    return [*system, SchemaText(content=as_text(schemas))] if schemas else system


def _around() -> RunnableConfig:
    """Who listens to the agent, and how many calls it may make at once; its handler takes the rest along."""
    config = ensure_config()
    return RunnableConfig(callbacks=config.get("callbacks"), max_concurrency=config.get("max_concurrency"))


def _no_model() -> ChatModel:
    raise RuntimeError("the agent brings its model with every request")
