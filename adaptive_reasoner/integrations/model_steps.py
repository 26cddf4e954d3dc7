"""One model call of an agent, from the decision to the response: also where its budget has no room for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Any

from langchain.agents.middleware.types import ExtendedModelResponse, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.types import Command

from adaptive_reasoner.errors import BudgetExceededError
from adaptive_reasoner.integrations.agent_account import AgentBills
from adaptive_reasoner.integrations.agent_calls import AgentCalls, asked_again, is_structured, preamble
from adaptive_reasoner.integrations.agent_end import (
    Ending,
    fitting,
    last_step,
    nearly_used_events,
    nearly_used_notice,
    without_tool_calls,
)
from adaptive_reasoner.integrations.agent_shortage import Shortage, node_here
from adaptive_reasoner.integrations.agent_step import AgentStep
from adaptive_reasoner.integrations.allowances import NEARLY
from adaptive_reasoner.integrations.context import Tenants, options_from_context
from adaptive_reasoner.integrations.langgraph_runtime import execution, read, write_stream_event
from adaptive_reasoner.integrations.run_bills import RunBill
from adaptive_reasoner.integrations.run_lengths import RunLengths
from adaptive_reasoner.models.messages import decision_text
from adaptive_reasoner.models.metering import UNDECLARED_MAX_TOKENS
from adaptive_reasoner.models.source import Messages, Source
from adaptive_reasoner.policy.base import FixedPolicy, Policy
from adaptive_reasoner.policy.label_free import LabelFreePolicy
from adaptive_reasoner.reasoner.options import AnswerOptions
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.reasoner.sample_keeper import SampleKeeper
from adaptive_reasoner.strategies.voting import single_pass

_LAST_ACTION = "single_pass"


@dataclass(frozen=True)
class StepOptions:
    """How the model calls of an agent are decided, and how its runs end; see `AdaptiveComputeMiddleware`."""

    reasoner: AdaptiveReasoner
    tenants: Tenants
    bills: AgentBills
    policy_of: Callable[[AgentStep], Policy] | None
    about: Callable[[AgentStep], str] | None
    on_exhausted: Ending
    tell_model: bool
    keeper: SampleKeeper | None = None
    lengths: RunLengths = field(default_factory=RunLengths)


class ModelStep:
    """What a model call asks of the reasoner, one attempt after the other, until it has a response.

    Args:
        options: How it is decided.
        calls: The call.
        bill: That of the run.

    Attributes:
        messages: What is sent.
        terms: How it is decided and called.
        response: What came of it; None before.
        events: What the handlers of the run are told.
    """

    def __init__(self, options: StepOptions, calls: AgentCalls, bill: RunBill) -> None:
        self._options, self._calls, self._bill = options, calls, bill
        self._conversation, self._answers = calls.request.messages, 0
        self.response: ExtendedModelResponse[Any] | None = None
        self.events: list[dict[str, Any]] = []
        self._samples: list[dict[str, Any]] = []
        self._decision: dict[str, Any] = {}
        self._short: Shortage | None = None
        self._whole: tuple[ModelRequest[Any], BudgetExceededError] | None = None
        bill.take_back(node_here())
        self.events += nearly_used_events(bill)
        self._aim()

    def send(self, result: Result) -> None:
        """Take the answer of an attempt."""
        self.events += nearly_used_events(self._bill)
        if self._short is None:
            self.response = self._respond(result.message, result)
        else:
            self.response = self._end(result)

    def throw(self, full: BudgetExceededError) -> None:
        """Take that an attempt does not fit: ask for more, or for a last answer without tools, or end.

        Raises:
            BudgetExceededError: Where that was asked for, or where no action has a worst case to go by.
            GraphInterrupt: The run asks whether it may cost more.
        """
        if self._short is not None:
            self.response = self._end(None)
            return
        if full.wanted < inf and self._aim_shorter(full):
            return
        if self._whole is not None:  # which does not fit either
            (self._calls.request, full), self._whole = self._whole, None
        most = self.terms.get("max_cost")
        limit = inf if most is None or most >= self._bill.ledger.left else most
        short = Shortage(self._bill, full, most=limit)
        if full.wanted == inf:
            raise full
        if self._options.on_exhausted == "raise":
            raise short.refused() from full
        if self._options.on_exhausted == "ask" and short.can_be_cured and self._ask(short):
            self._aim()
            return
        self._short = short
        if not self._aim_at_last():
            self.response = self._end(None)

    def _ask(self, short: Shortage) -> bool:
        self._answers += 1
        return short.ask(self._answers)

    def _aim(self) -> None:
        """Decide and call as usual."""
        request = self._calls.request
        self.messages: Messages = request.messages
        if self._options.tell_model and self._nearly_used:
            cost, left = self._bill.ledger.cost, self._bill.ledger.left
            notice = nearly_used_notice(cost, left, self._options.reasoner.meter.cost_unit)
            self.messages = [*request.messages, notice]
        source = Source(request.model, settings=request.model_settings, preamble=preamble(request))
        self.terms = self._terms(source)

    def _aim_shorter(self, full: BudgetExceededError) -> bool:
        """Make the call with a shorter reply, where the longest does not fit and this is long enough."""
        if self._whole is not None:
            return False
        request, meter = self._calls.request, self._options.reasoner.meter
        self._whole = request, full
        sent: dict[str, Any] = {"messages": list(self.messages)}
        shorter = fitting(request.override(**sent), full.left, meter, least=UNDECLARED_MAX_TOKENS)
        if shorter is None or shorter.source.max_tokens is None:
            return False
        self._calls.request = request.override(model_settings=shorter.request.model_settings)
        self.terms = self._terms(shorter.source)
        return True

    def _aim_at_last(self) -> bool:
        """Make a last call without tools, where there is something to answer from, and it fits."""
        if not self._calls.account["steps"] and self._short is not None and self._short.too_small:
            return False
        meter, left = self._options.reasoner.meter, self._bill.ledger.left
        if self._short is not None:
            left = min(left, self._short.most)
        last = last_step(left, self._calls.request, meter)
        if last is None:
            return False
        self._calls.request, self.messages = last.request, last.request.messages
        policy = FixedPolicy(
            _LAST_ACTION, expected_cost=last.worst, worst_cost=last.worst, cost_unit=meter.cost_unit
        )
        self.terms = {**self._terms(last.source), "policy": policy, "actions": {_LAST_ACTION: single_pass()}}
        return True

    def _terms(self, source: Source) -> AnswerOptions:
        options, bill, request = self._options, self._bill, self._calls.request
        account, task, left = self._calls.account, execution(), bill.ledger.left
        question = self._question(self._conversation)
        ends = not request.tools or account["steps"] + 1 >= options.lengths.mean
        self._step = step = AgentStep.of(
            self._conversation,
            question=question,
            number=account["steps"],
            spent=bill.ledger.cost,
            left=left,
            ends=ends,
        )
        policy = options.policy_of(step) if options.policy_of else options.reasoner.policy
        terms: AnswerOptions = {
            "source": source,
            "policy": policy,
            "resolve_model": self._calls.resolve_model,
            "key": f"{task.task_id}:1" if task else None,
            "run_id": account["run_id"],
            "resumes": True,
            "about": options.about(step) if options.about else question,
            "structured": is_structured(request),
            "second": False if is_structured(request) else partial(asked_again, request, self.messages),
            "on_event": self._on_event,
        }
        context = request.runtime and request.runtime.context
        terms |= options_from_context(context, policy=policy, tenants=options.tenants)
        terms["ledger"] = bill.ledger
        if isinstance(policy, LabelFreePolicy) and read(context, "price") is None:
            terms |= self._shared_among_steps(policy, terms)
        if left < inf:
            most = terms.get("max_cost")
            terms["max_cost"] = left if most is None else min(left, most)
        if "run_budget" in bill.allowance.budgets and left > 0:
            # Of a budget that is half gone a unit is worth twice as much.
            price = terms.get("price", bill.ledger.price) or 0.0
            terms["price"] = price * max(1.0, bill.allowance.of("run_budget") / left)
        return terms

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "decision":
            self._decision = {**event, **self._step.features}
            event = self._decision
        elif event["event"] == "sample":
            self._samples.append(event)
        write_stream_event(event)

    def keep(self) -> None:
        """Write the samples, also if the step has no response."""
        if self._options.keeper is not None:
            about = self.terms.get("about") or ""
            failed = self._options.keeper.keep(about, self._decision, self._samples, self._step.features)
            if failed is not None:
                write_stream_event({"node": self._options.keeper.name, **failed})

    def _shared_among_steps(self, policy: LabelFreePolicy, terms: AnswerOptions) -> AnswerOptions:
        """The policy and the price of one of the n calls of a run: it may cost the n-th part, at n times."""
        calls = self._options.lengths.expected(self._calls.account["steps"])
        budget, price = terms.get("budget") or policy.budget, terms.get("price")
        shared: AnswerOptions = {
            "price": calls * (self._bill.ledger.price if price is None else price),
            "policy": policy.at(budget=budget / calls) if budget else policy,
        }
        return shared

    def _question(self, messages: Messages) -> str:
        try:
            return decision_text(messages)
        except ValueError as error:
            if self._options.about is None:
                raise ValueError(
                    f"state key 'messages': {error}; `about` can say what to decide on"
                ) from error
            return ""

    def _respond(self, message: AIMessage, result: Result, **update: Any) -> ExtendedModelResponse[Any]:
        """The winner's response, whole, with the usage of all samples; the state learns what was spent."""
        response = self._calls.responses[id(result.reply)]
        if not message.tool_calls or response.structured_response is not None:
            self._options.lengths.learn(self._calls.account["steps"] + 1)
        messages: Sequence[BaseMessage] = [
            message if each is result.reply else each for each in response.result
        ]
        change = self._options.bills.change(self._calls.account, self._bill, steps=1)
        return ExtendedModelResponse(
            model_response=replace(response, result=list(messages)),
            command=Command(update={"adaptive_account": change, **update}),
        )

    def _end(self, result: Result | None) -> ExtendedModelResponse[Any]:
        """The end of a run that nothing more fits in: with its last answer, or a message that says so."""
        assert self._short is not None
        answer = None
        if result is not None:
            structured = self._calls.responses[id(result.reply)].structured_response
            answer = result.message if structured is not None else without_tool_calls(result.message)
        event = {**self._short.event("exhausted"), "ends_with": "message" if answer is None else "answer"}
        write_stream_event(event)
        self.events.append(event)
        if result is None:
            message = self._short.final_message(event)
            # An agent that has no tools but its structured output would ask on until there is one.
            if self._calls.account["steps"]:
                self._options.lengths.learn(self._calls.account["steps"])
            change = self._options.bills.change(self._calls.account, self._bill, steps=0)
            return ExtendedModelResponse(
                model_response=ModelResponse(result=[message]),
                command=Command(update={"jump_to": "end", "adaptive_account": change}),
            )
        if answer is None:
            answer = result.message.model_copy(
                update={"content": self._short.final_message(event).text, "tool_calls": []}
            )
        answer.response_metadata["adaptive_reasoner"]["exhausted"] = event
        return self._respond(answer, result, jump_to="end")

    @property
    def _nearly_used(self) -> bool:
        allowance, cost = self._bill.allowance, self._bill.ledger.cost
        return any(allowance.share(name, cost) >= NEARLY for name in allowance.budgets)
