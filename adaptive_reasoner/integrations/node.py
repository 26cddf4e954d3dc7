"""A node for LangGraph that spends compute where it pays."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.graph import StateGraph
from langgraph.types import Command

from adaptive_reasoner.answers.grouping import Key
from adaptive_reasoner.integrations.context import Tenants, options_from_context
from adaptive_reasoner.integrations.durable_samples import DurableSamples
from adaptive_reasoner.integrations.langgraph_runtime import (
    attach,
    context,
    execution,
    question_of_run,
    read,
    run_of,
    says_text,
    takes_list,
    write_stream_event,
)
from adaptive_reasoner.integrations.owed_bills import OwedBill, owe
from adaptive_reasoner.integrations.run_bills import through_bills
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.ledger.opening import open_ledger
from adaptive_reasoner.ledger.runs import ChargedLater
from adaptive_reasoner.models.dollars import meter_of
from adaptive_reasoner.models.messages import decision_text, messages_of
from adaptive_reasoner.models.metering import Meter, TokenMeter
from adaptive_reasoner.models.source import ChatModel, Source
from adaptive_reasoner.policy.base import Policy, takes_vector
from adaptive_reasoner.policy.versions import version_of
from adaptive_reasoner.reasoner.options import AnswerOptions
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.reasoner.sample_log import SampleLog
from adaptive_reasoner.shadow.runner import ShadowRunner
from adaptive_reasoner.shadow.settings import Shadow
from adaptive_reasoner.strategies.flow import Flow


class AdaptiveComputeNode(Runnable[Any, Any]):
    """A graph node that decides for each question how much compute to spend, and answers it.

    It works with any state (TypedDict, dataclass, pydantic), sync and async. `attach` adds it to a graph and
    checks its keys, because LangGraph drops unknown keys silently. A model and a budget are enough: without a
    policy and labels, a question whose replies can be compared gets a vote that continues while another
    sample is worth its cost, and other questions get one call. A single call streams its tokens; the samples
    of a vote are hidden. `stream_mode="custom"` shows the decision, every sample and the settlement. A run
    may have its own budget, price, tenant and cost limit: `AdaptiveContext`.

    Args:
        model: How calls are made unless the action says otherwise: a chat model, its name as
            `init_chat_model` takes it, or a `Source`.
        policy: Chooses the action.
        actions: The strategy behind each action that the policy can choose.
        budget: Allowed mean cost per question, kept by a ledger in memory.
        target_accuracy: Mean accuracy to keep at the least cost, by the grades that its ledger is given.
        ledger: Keeps the average instead of `budget`, also for several processes and over restarts.
        meter: What a call costs; by default generated tokens. `"usd"` counts dollars by the model that
            answers; see `DollarMeter`.
        key, samples: When two replies say the same, and the most samples of the vote without a policy; see
            `AdaptiveReasoner`.
        explore: Share of the questions whose action is drawn, so that the log tells what each action does;
            see `AdaptiveReasoner`.
        shadow: Answers a share of the questions a second time, off the user's path; see `Shadow`.
        input_key: State key of the question: a list of messages, or a string.
        output_key: State key of the reply, by default `input_key`. The reply is written as text if the state
            declares a string, as a list with the message if it declares messages, and otherwise in the form
            of the question.
        answer_key: State key for the canonical answer ("14"); by default it is not written.
        decision_key: State key for the decision and its bill, a plain dict, or a list with it if the state
            declares or joins lists; by default it is not written.
        budget_key: State key where a `BudgetLedgerNode` writes the price; that node then settles.
        vector_key: State key of the question's embedding, if an earlier node has computed it.
        about: The text of the state that is decided on; by default the last human turn, in its context.
        question_key: State key that distinguishes the questions of one run, such as the items of a `Send`:
            each value is a question of its own. By default a run is one question.
        tenants: Opens the ledger of a tenant by name; by default tenants are counted in memory.
        log: Where samples are kept for the offline kit: a file, or a `SampleLog`, which can redact them. By
            default a node without a policy keeps the latest in memory (`log.rows`), to train a first policy.
            False keeps nothing. If a log fails, the node warns, sends the event `log_failed`, and answers.
        durable: Run each sample as a task of the graph: after a crash only the missing ones are drawn. Needs
            a checkpointer.
        goto: The node to go to next, by `Command`; `attach` draws the edge, and a missing node is refused
            when the graph is compiled.
        name: Name of the node and of its runs.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langgraph.graph import START, MessagesState
        >>> from adaptive_reasoner import SampleMeter
        >>> model = FakeListChatModel(responses=["14"])
        >>> node = AdaptiveComputeNode(model, budget=3.0, meter=SampleMeter())
        >>> graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()
        >>> graph.invoke({"messages": [("user", "5 + 9?")]})["messages"][-1].text
        '14'
        >>> node.reasoner.ledger.snapshot().questions
        1
    """

    name: str

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
        key: Key = "auto",
        samples: int | None = None,
        explore: float | None = None,
        shadow: Shadow | None = None,
        input_key: str = "messages",
        output_key: str | None = None,
        answer_key: str | None = None,
        decision_key: str | None = None,
        budget_key: str | None = None,
        vector_key: str | None = None,
        about: Callable[[Any], str] | None = None,
        question_key: str | None = None,
        tenants: Callable[[str], Ledger] | None = None,
        log: str | os.PathLike[str] | SampleLog | Literal[False] | None = None,
        durable: bool = False,
        goto: str | None = None,
        name: str = "adaptive_compute",
    ) -> None:
        if budget_key and (budget is not None or ledger is not None or target_accuracy is not None):
            raise ValueError(
                "with budget_key the BudgetLedgerNode keeps the budget: give no budget or ledger here"
            )
        if budget_key and question_key:
            raise ValueError(
                "with budget_key the BudgetLedgerNode says which question it is: give no question_key"
            )
        if budget_key and shadow is not None:
            raise ValueError(
                "with budget_key the BudgetLedgerNode has the ledger, where a shadow keeps its comparisons: "
                "give this node the ledger, and no budget_key"
            )
        if vector_key and policy and not takes_vector(version_of(policy)):
            raise ValueError(f"policy {policy.policy_id!r} takes no vector: leave vector_key out")
        meter = meter_of(meter)
        if budget_key and policy is None:  # the price comes with each question, and is kept elsewhere
            ledger = open_ledger("memory://", cost_unit=(meter or TokenMeter()).cost_unit)
        self.name = name
        self.reasoner = AdaptiveReasoner(
            model,
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
            log=SampleLog() if log is None and policy is None else log or None,
            name=name,
        )
        self.input_key, self.output_key = input_key, output_key or input_key
        self.answer_key, self.decision_key, self.budget_key = answer_key, decision_key, budget_key
        self.vector_key, self.about, self.question_key = vector_key, about, question_key
        self.durable, self.goto = durable, goto
        self._says_text: bool | None = None
        self._lists_decisions = False
        self.tenants = Tenants(self.reasoner.ledger, tenants)

    @property
    def ledger(self) -> Ledger:
        """Keeps the average; with `budget_key` that of the BudgetLedgerNode does."""
        return self.reasoner.ledger

    @property
    def log(self) -> SampleLog | None:
        """Where samples are kept; None where they are not."""
        return self.reasoner.log

    @property
    def shadow(self) -> ShadowRunner | None:
        """Compares answers with second ones; None where that was not asked for."""
        return self.reasoner.shadow

    def __repr__(self) -> str:
        return f"AdaptiveComputeNode({self.name!r}, {self.reasoner!r})"

    def attach(
        self, builder: StateGraph[Any, Any, Any, Any], **node_options: Any
    ) -> StateGraph[Any, Any, Any, Any]:
        """Add the node to a graph under its name, after checking that the state has its keys.

        Args:
            builder: The graph.
            node_options: Passed on to `add_node`: `retry_policy`, `timeout`, ...

        Raises:
            KeyError: The state lacks a key this node reads or writes.
        """
        keys = (
            *(self.input_key, self.output_key, self.answer_key),
            *(self.decision_key, self.budget_key, self.vector_key, self.question_key),
        )
        ways = {"destinations": (self.goto,)} if self.goto else {}
        attach(self, builder, keys, {**ways, **node_options})
        self._says_text = says_text(builder, self.output_key)
        self._lists_decisions = self.decision_key is not None and takes_list(builder, self.decision_key)
        return builder

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The state update; `kwargs` are the terms of `AdaptiveReasoner.answer`."""
        invocation = _NodeInvocation(self, input, ensure_config(config), kwargs)
        result = self.reasoner.answer(invocation.question, invocation.config, **invocation.terms)
        return invocation.update(result)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The state update; `kwargs` are the terms of `AdaptiveReasoner.answer`."""
        await self.tenants.aready(context())
        invocation = _NodeInvocation(self, input, ensure_config(config), kwargs)
        result = await self.reasoner.aanswer(invocation.question, invocation.config, **invocation.terms)
        return invocation.update(result)


class _NodeInvocation:
    """One question that comes by the node."""

    def __init__(self, node: AdaptiveComputeNode, state: Any, config: RunnableConfig, given: Any) -> None:
        self._node, self.config = node, config
        self.question = read(state, node.input_key)
        if not self.question:
            raise ValueError(f"the state has no question under {node.input_key!r}")
        self._durable: DurableSamples | None = None
        self._question: str | None = None  # that a BudgetLedgerNode settles
        self.terms: AnswerOptions = {"about": self._about(state), "on_event": self._on_event}
        task = execution()
        if task is not None:
            # The task id outlives a crash and a resume, so the charge of an attempt that died is found.
            self.terms["key"] = f"{task.task_id}:1"
            run = run_of(config) or task.task_id
            self.terms["run_id"] = question_of_run(run, state, node.question_key)
            self.terms["draw"] = task.task_id
            self.terms["resumes"] = True
        if node.budget_key:
            self._under(read(state, node.budget_key))
        if node.vector_key:
            self.terms["vector"] = read(state, node.vector_key)
        price = self.terms.get("price")
        self.terms |= options_from_context(
            context(), policy=node.reasoner.policy, tenants=node.tenants, price=price
        )
        if task is not None and not node.budget_key:
            self.terms["ledger"] = through_bills(self.terms.get("ledger") or node.reasoner.ledger)
        if node.durable and task is not None:
            self._durable = DurableSamples(node.reasoner.meter)
            self.terms["resolve_model"], self.terms["meter"] = self._durable.resolve_model, self._durable
            self.terms["saved"] = self._durable.saved
        self.terms |= given

    def update(self, result: Result) -> Any:
        """What the state becomes."""
        node = self._node
        text = isinstance(self.question, str) if node._says_text is None else node._says_text
        update: dict[str, Any] = {node.output_key: result.message.text if text else [result.message]}
        if node.answer_key:
            update[node.answer_key] = result.answer
        if node.decision_key:
            update[node.decision_key] = [result.record] if node._lists_decisions else result.record
        return Command(update=update, goto=node.goto) if node.goto else update

    def _about(self, state: Any) -> str:
        about = self._node.about
        try:
            messages = messages_of(self.question)
            if about is None:
                return decision_text(messages)
        except ValueError as error:
            raise ValueError(f"state key {self._node.input_key!r}: {error}") from error
        return about(state)

    def _under(self, budget: Mapping[str, Any] | None) -> None:
        """The price and the question that a BudgetLedgerNode has published."""
        if not budget:
            raise ValueError(
                f"the state has no price under {self._node.budget_key!r}: put a BudgetLedgerNode before this"
            )
        self.terms["price"], self.terms["run_id"] = budget["price"], budget["run_id"]
        self.terms["payer"] = ChargedLater(budget["run_id"])  # the BudgetLedgerNode charges the decision
        self._question = budget["run_id"]

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "decision":
            if self._durable is not None:
                self._durable.key = event["key"]
        elif self._question is not None and _is_charged(event):
            owe(self._question, OwedBill.of(event))
        write_stream_event({"node": self._node.name, **event})


def _is_charged(event: Mapping[str, Any]) -> bool:
    """Whether an event is the bill of a question."""
    return event["event"] == "settled" or (event["event"] == "failed" and bool(event["cost"]))
