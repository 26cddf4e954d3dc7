"""Nodes for LangGraph: one that spends compute where it pays, and one that keeps the budget."""

import uuid
from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph
from langgraph.runtime import ExecutionInfo, get_runtime
from langgraph.types import Command

from adaptive_reasoner.calls import Source
from adaptive_reasoner.costs import Meter
from adaptive_reasoner.ledger import Ledger
from adaptive_reasoner.policy import Policy
from adaptive_reasoner.reasoner import AdaptiveReasoner, Result
from adaptive_reasoner.strategies import Flow


class AdaptiveComputeNode(Runnable[Any, Any]):
    """A graph node that answers with as much compute as the question is worth.

    Works in any state (TypedDict, dataclass, pydantic), sync and async. `attach` adds it to a graph and
    checks its keys, because LangGraph drops unknown ones without a word.

    Args:
        model: How calls are made where an action does not say: a chat model or a `Source`.
        policy: Chooses the action.
        actions: The strategy behind each action the policy can name.
        budget: Allowed mean cost a question, kept by a ledger in memory.
        ledger: Keeps the average instead, for several processes or beyond this one's life.
        meter: What a call costs; generated tokens where not given.
        input_key: State key of the question: a list of messages, or a string.
        output_key: State key of the reply: a list with the message for messages, its text for a string.
            `input_key` where not given.
        answer_key: State key for the canonical answer ("14"), where wanted.
        decision_key: State key for the decision and its bill, a plain dict, where wanted.
        budget_key: State key where a `BudgetLedgerNode` publishes the price; that node then settles.
        goto: The node to go to next, by `Command`.
        name: Name of the node and of its runs.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langgraph.graph import START, MessagesState
        >>> from adaptive_reasoner.costs import SampleMeter
        >>> from adaptive_reasoner.policy import FixedPolicy
        >>> from adaptive_reasoner.strategies import single_pass
        >>> node = AdaptiveComputeNode(
        ...     FakeListChatModel(responses=["14"]),
        ...     policy=FixedPolicy("single_pass", cost_unit="samples"),
        ...     actions={"single_pass": single_pass()},
        ...     meter=SampleMeter(),
        ... )
        >>> graph = node.attach(StateGraph(MessagesState)).add_edge(START, node.name).compile()
        >>> graph.invoke({"messages": [("user", "5 + 9?")]})["messages"][-1].text
        '14'
    """

    name: str

    def __init__(
        self,
        model: Source | BaseChatModel | RunnableBinding[Any, Any],
        *,
        policy: Policy,
        actions: Mapping[str, Flow],
        budget: float | None = None,
        ledger: Ledger | None = None,
        meter: Meter | None = None,
        input_key: str = "messages",
        output_key: str | None = None,
        answer_key: str | None = None,
        decision_key: str | None = None,
        budget_key: str | None = None,
        goto: str | None = None,
        name: str = "adaptive_compute",
    ) -> None:
        if budget_key and (budget is not None or ledger is not None):
            raise ValueError(
                "with budget_key the BudgetLedgerNode keeps the budget: give no budget or ledger here"
            )
        self.name = name
        self.reasoner = AdaptiveReasoner(
            model, policy=policy, actions=actions, budget=budget, ledger=ledger, meter=meter, name=name
        )
        self.input_key, self.output_key = input_key, output_key or input_key
        self.answer_key, self.decision_key, self.budget_key = answer_key, decision_key, budget_key
        self.goto = goto

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
        keys = (self.input_key, self.output_key, self.answer_key, self.decision_key, self.budget_key)
        return _attach(self, builder, keys, node_options)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The state update; `kwargs` are those of `AdaptiveReasoner.answer`."""
        config = ensure_config(config)
        question, where = self._read(input)
        return self._update(question, self.reasoner.answer(question, config, **{**where, **kwargs}))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The state update; `kwargs` are those of `AdaptiveReasoner.answer`."""
        config = ensure_config(config)
        question, where = self._read(input)
        return self._update(question, await self.reasoner.aanswer(question, config, **{**where, **kwargs}))

    def _read(self, state: Any) -> tuple[Any, dict[str, Any]]:
        """The question, and under which price and names it is charged."""
        question = _get(state, self.input_key)
        if not question:
            raise ValueError(f"the state has no question under {self.input_key!r}")
        task = _execution()
        # The task id outlives a crash and a resume, so the charge is found again; a retry is a new charge.
        where = (
            {"key": f"{task.task_id}:{task.node_attempt}", "run_id": task.run_id or task.task_id}
            if task
            else {}
        )
        if self.budget_key:
            budget = _get(state, self.budget_key)
            if not budget:
                raise ValueError(
                    f"the state has no price under {self.budget_key!r}: put a BudgetLedgerNode before this"
                )
            where |= {"price": budget["price"], "run_id": budget["run_id"]}
        return question, where

    def _update(self, question: Any, result: Result) -> Any:
        _emit({"event": "settled", "node": self.name, **result.record})
        update: dict[str, Any] = {
            self.output_key: result.message.text if isinstance(question, str) else [result.message]
        }
        if self.answer_key:
            update[self.answer_key] = result.answer
        if self.decision_key:
            update[self.decision_key] = result.record
        return Command(update=update, goto=self.goto) if self.goto else update


class BudgetLedgerNode(Runnable[Any, Any]):
    """A graph node that keeps the budget: publishes the price before compute, settles the bill after it.

    Put it before and after the compute nodes (or in their loop). A visit that finds decisions it has
    not charged yet settles them; a visit that finds none begins a question, which is held at the
    target until it is settled, so that questions in flight already count. Charging is idempotent: a
    node that runs again after a crash bills nothing twice.

    Args:
        ledger: Keeps the average; its price is what is published.
        budget_key: State key to publish under: a plain dict with `price`, `run_id`, `average`,
            `target`, `spent` and `charged`.
        decision_key: State key where compute nodes leave their decision: one dict, or a list of them.
        name: Name of the node.
    """

    name: str

    def __init__(
        self,
        ledger: Ledger,
        *,
        budget_key: str = "budget",
        decision_key: str = "decision",
        name: str = "budget_ledger",
    ) -> None:
        self.ledger, self.name = ledger, name
        self.budget_key, self.decision_key = budget_key, decision_key

    def attach(
        self, builder: StateGraph[Any, Any, Any, Any], **node_options: Any
    ) -> StateGraph[Any, Any, Any, Any]:
        """Add the node to a graph under its name, after checking that the state has its keys."""
        return _attach(self, builder, (self.budget_key, self.decision_key), node_options)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """The state update with the ledger's status."""
        status = _get(input, self.budget_key) or {}
        found = _get(input, self.decision_key) or []
        decisions = [found] if isinstance(found, Mapping) else list(found)
        charged = set(status.get("charged", []))
        due = [decision for decision in decisions if decision["key"] not in charged]
        run_id = status["run_id"] if due and status else self._begin()
        for decision in due:
            self.ledger.charge(decision["cost"], decision["key"], question=run_id, action=decision["action"])
        if due:
            self.ledger.release(_plan(run_id))
        return {self.budget_key: self._status(run_id, [decision["key"] for decision in decisions])}

    def _begin(self) -> str:
        task = _execution()
        run_id = task.task_id if task else uuid.uuid4().hex
        self.ledger.reserve(self.ledger.target or 0.0, _plan(run_id), question=run_id)
        return run_id

    def _status(self, run_id: str, charged: list[str]) -> dict[str, Any]:
        return {
            "run_id": run_id,
            "price": self.ledger.price,
            "average": self.ledger.average,
            "target": self.ledger.target,
            "spent": self.ledger.spent,
            "charged": charged,
        }


def _plan(run_id: str) -> str:
    return f"{run_id}:plan"


def _attach(
    node: AdaptiveComputeNode | BudgetLedgerNode,
    builder: StateGraph[Any, Any, Any, Any],
    keys: tuple[str | None, ...],
    node_options: Mapping[str, Any],
) -> StateGraph[Any, Any, Any, Any]:
    missing = sorted({key for key in keys if key and key not in builder.channels})
    if missing:
        raise KeyError(f"{node.name}: the graph's state lacks {missing}; it has {sorted(builder.channels)}")
    return builder.add_node(node.name, node, **node_options)


def _get(state: Any, key: str) -> Any:
    return state.get(key) if isinstance(state, Mapping) else getattr(state, key, None)


def _execution() -> ExecutionInfo | None:
    """Which task of which graph this is; None outside a graph."""
    try:
        runtime = get_runtime()
    except (RuntimeError, KeyError):
        return None
    return runtime.execution_info if runtime else None


def _emit(event: Mapping[str, Any]) -> None:
    """Send a custom stream event, where there is a graph to stream it."""
    try:
        writer = get_stream_writer()
    except (RuntimeError, KeyError):
        return
    writer({"type": "adaptive_reasoner", **event})
