"""A node for LangGraph that spends compute where it pays."""

from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.graph import StateGraph
from langgraph.types import Command

from adaptive_reasoner.calls import Source
from adaptive_reasoner.charge import Result
from adaptive_reasoner.costs import Meter
from adaptive_reasoner.graph import attach, emit, execution, read, run_of
from adaptive_reasoner.ledger import Ledger
from adaptive_reasoner.policy import Policy
from adaptive_reasoner.reasoner import AdaptiveReasoner
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
        return attach(self, builder, keys, node_options)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The state update; `kwargs` are those of `AdaptiveReasoner.answer`."""
        config = ensure_config(config)
        question, where = self._read(input, config)
        return self._update(question, self.reasoner.answer(question, config, **{**where, **kwargs}))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The state update; `kwargs` are those of `AdaptiveReasoner.answer`."""
        config = ensure_config(config)
        question, where = self._read(input, config)
        return self._update(question, await self.reasoner.aanswer(question, config, **{**where, **kwargs}))

    def _read(self, state: Any, config: RunnableConfig) -> tuple[Any, dict[str, Any]]:
        """The question, and under which price and names it is charged."""
        question = read(state, self.input_key)
        if not question:
            raise ValueError(f"the state has no question under {self.input_key!r}")
        task = execution()
        # The task id outlives a crash and a resume, so the charge is found again; a retry is a new charge.
        where = {"key": f"{task.task_id}:{task.node_attempt}", "run_id": run_of(config)} if task else {}
        if self.budget_key:
            budget = read(state, self.budget_key)
            if not budget:
                raise ValueError(
                    f"the state has no price under {self.budget_key!r}: put a BudgetLedgerNode before this"
                )
            where |= {"price": budget["price"], "run_id": budget["run_id"]}
        return question, where

    def _update(self, question: Any, result: Result) -> Any:
        emit({"event": "settled", "node": self.name, **result.record})
        update: dict[str, Any] = {
            self.output_key: result.message.text if isinstance(question, str) else [result.message]
        }
        if self.answer_key:
            update[self.answer_key] = result.answer
        if self.decision_key:
            update[self.decision_key] = result.record
        return Command(update=update, goto=self.goto) if self.goto else update
