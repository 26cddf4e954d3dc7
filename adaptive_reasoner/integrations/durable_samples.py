"""Samples that survive a crash: each is a task of the graph, whose result the checkpoint keeps."""

import copy
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.func import task
from typing_extensions import override

from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.models.dollars import for_models
from adaptive_reasoner.models.metering import Meter, cost_or_worst, counts_prompt
from adaptive_reasoner.models.replies import from_cache
from adaptive_reasoner.models.source import ChatModel, Request, Source, default_resolver


class DurableSamples:
    """Calls of one node run as tasks, and the meter that bills each of them once.

    When the node runs again after a crash or for a retry, LangGraph hands out the results that are there.
    Those that an earlier charge has paid cost nothing now. Each result says what its call cost and what was
    held for it, so that the charge of an attempt that died is corrected by what its known samples did not
    cost. A reply that came in the very moment of the crash, before the checkpoint had it, is asked for again:
    what was held for it stays booked.

    Args:
        meter: What a call costs.

    Attributes:
        key: The charge that pays; set when the decision is made.
        saved: By the key of an earlier charge, how much less its samples cost than was held for them.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter, self.key = meter, ""
        self.cost_unit = meter.cost_unit
        self.saved: dict[str, float] = {}
        self._paid: list[AIMessage] = []
        self._calling = threading.Lock()

    def resolve_model(self, source: Source, request: Request) -> ChatModel:
        """The source's model, called as a task."""
        return _TaskCall(self, default_resolver(source, request), request.worst)

    def cost(self, message: AIMessage, seconds: float) -> float:
        """What a call costs this charge."""
        if any(message is paid for paid in self._paid):
            return 0.0
        return self.meter.cost(message, seconds)

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:
        """As the meter says."""
        return self.meter.worst_cost(messages, max_tokens)

    @property
    def counts_prompt(self) -> bool:
        """As the meter says."""
        return counts_prompt(self.meter)

    def for_models(self, models: Iterable[str], settings: Mapping[str, Any]) -> Self:
        """The meter of a call to one of some models, which knows the same samples."""
        called = copy.copy(self)
        called.meter = for_models(self.meter, models, settings)
        return called

    def submit(self, call: Callable[[], Any]) -> Any:
        """Start a task; its number, by which a result is found again, is given one at a time."""
        named: Any = task(name="sample")
        with self._calling:
            return named(call)()

    def taken(self, result: dict[str, Any]) -> AIMessage:
        """The reply in a task's result."""
        sample = result["sample"]
        message: AIMessage = sample["message"]
        if sample["key"] != self.key:
            self._paid.append(message)
            worst, cost = sample.get("worst"), sample.get("cost")  # version 0.1.0 wrote neither
            if worst is not None and cost is not None:
                self.saved[sample["key"]] = self.saved.get(sample["key"], 0.0) + worst - cost
        return message

    def given(self, message: AIMessage, worst: float, seconds: float) -> dict[str, Any]:
        """A task's result. Its message lies deep enough not to be streamed as if the node had said it."""
        sample = {"message": message, "key": self.key, "cost": self._cost(message, seconds), "worst": worst}
        return {"sample": sample}

    def _cost(self, message: AIMessage, seconds: float) -> float | None:
        """What the call cost; None where its usage does not tell."""
        if from_cache(message):
            return 0.0
        try:
            cost, estimated = cost_or_worst(self.meter, message, seconds, lambda: 0.0)
        except UnpricedUsageError:
            return None
        return None if estimated else cost


class _TaskCall(Runnable[Any, AIMessage]):
    """A chat model of which each call is a task."""

    def __init__(self, samples: DurableSamples, model: ChatModel, worst: float) -> None:
        self._samples, self._model, self._worst = samples, model, worst

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        def sample() -> dict[str, Any]:
            begin = time.perf_counter()
            message = self._model.invoke(input, config, **kwargs)
            return self._samples.given(message, self._worst, time.perf_counter() - begin)

        return self._samples.taken(self._samples.submit(sample).result())

    @override
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        async def sample() -> dict[str, Any]:
            begin = time.perf_counter()
            message = await self._model.ainvoke(input, config, **kwargs)
            return self._samples.given(message, self._worst, time.perf_counter() - begin)

        pending: Awaitable[dict[str, Any]] = self._samples.submit(sample)
        return self._samples.taken(await pending)
