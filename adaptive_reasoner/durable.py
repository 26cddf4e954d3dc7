"""Samples that survive a crash: each is a task of the graph, whose result the checkpoint keeps."""

import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.func import task
from typing_extensions import override

from adaptive_reasoner.calls import ChatModel, Request, Source, directly
from adaptive_reasoner.costs import Meter


class DurableSamples:
    """Calls of one node run as tasks, and the meter that bills each of them once.

    When the node runs again after a crash or for a retry, LangGraph hands out the results that are there.
    Those that an earlier charge has paid cost nothing now; those of a charge that was left open, because its
    process died, are paid by the charge that takes it up. A reply that came in the very moment of the crash,
    before the checkpoint had it, is asked for again.

    Args:
        meter: What a call costs.

    Attributes:
        key: The charge that pays; set when the decision is made.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter, self.key = meter, ""
        self.cost_unit = meter.cost_unit
        self._paid: list[AIMessage] = []
        self._calling = threading.Lock()

    def reach(self, source: Source, request: Request) -> ChatModel:
        """The source's model, called as a task."""
        return _TaskCall(self, directly(source, request))

    def cost(self, message: AIMessage, seconds: float) -> float:
        """What a call costs this charge."""
        if any(message is paid for paid in self._paid):
            return 0.0
        return self.meter.cost(message, seconds)

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:
        """As the meter says."""
        return self.meter.worst_cost(messages, max_tokens)

    def submit(self, call: Callable[[], Any]) -> Any:
        """Start a task; its number, by which a result is found again, is given one at a time."""
        named: Any = task(name="sample")
        with self._calling:
            return named(call)()

    def taken(self, result: dict[str, Any]) -> AIMessage:
        """The reply in a task's result."""
        message: AIMessage = result["sample"]["message"]
        if result["sample"]["key"] != self.key:
            self._paid.append(message)
        return message

    def given(self, message: AIMessage) -> dict[str, Any]:
        """A task's result. Its message lies deep enough not to be streamed as if the node had said it."""
        return {"sample": {"message": message, "key": self.key}}


class _TaskCall(Runnable[Any, AIMessage]):
    """A chat model of which each call is a task."""

    def __init__(self, samples: DurableSamples, model: ChatModel) -> None:
        self._samples, self._model = samples, model

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        def sample() -> dict[str, Any]:
            return self._samples.given(self._model.invoke(input, config, **kwargs))

        return self._samples.taken(self._samples.submit(sample).result())

    @override
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        async def sample() -> dict[str, Any]:
            return self._samples.given(await self._model.ainvoke(input, config, **kwargs))

        pending: Awaitable[dict[str, Any]] = self._samples.submit(sample)
        return self._samples.taken(await pending)
