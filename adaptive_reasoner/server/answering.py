"""Answers requests with a reasoner: by its policy, or by the action that a request names."""

import asyncio
import copy
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from math import inf
from typing import Any, Self

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig
from typing_extensions import override

from adaptive_reasoner.integrations.context import Tenants, options_from_context
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.models.source import ChatModel, Request, Source
from adaptive_reasoner.models.wrapped_models import mapped
from adaptive_reasoner.policy.base import CallBound, FixedPolicy
from adaptive_reasoner.reasoner.options import AnswerOptions
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.server.asked import ADAPTIVE, Asked, OwnTerms
from adaptive_reasoner.server.bill import Bill
from adaptive_reasoner.server.charged_once import ChargedOnce
from adaptive_reasoner.server.errors import RequestError
from adaptive_reasoner.server.tasks import all_of, ended
from adaptive_reasoner.strategies.flow import Flow

_WAITING = 64  # chunks that a slow reader may lag behind


@dataclass(frozen=True)
class ServedAction:
    """An action that a request can name.

    Attributes:
        flow: Its strategy.
        calls: The most calls it makes; None if that is not known.
    """

    flow: Flow
    calls: int | None = None


class Answerer:
    """Answers requests.

    Args:
        reasoner: Decides, calls and settles.
        actions: The actions that a request can name.
        tenants: The ledgers of tenants.
    """

    def __init__(
        self, reasoner: AdaptiveReasoner, actions: Mapping[str, ServedAction], tenants: Tenants
    ) -> None:
        self.reasoner, self.actions, self.tenants = reasoner, actions, tenants

    @property
    def models(self) -> list[str]:
        """What a request can name as its model."""
        return [ADAPTIVE, *self.actions]

    async def answer(self, asked: Asked, options: Sequence[AnswerOptions]) -> list[Result]:
        """All answers to a request; where one fails, the others are cancelled."""
        messages = list(asked.messages)
        return await all_of(self.reasoner.aanswer(messages, RunnableConfig(), **each) for each in options)

    async def stream(
        self, asked: Asked, options: Sequence[AnswerOptions]
    ) -> AsyncGenerator[tuple[int, AIMessageChunk], None]:
        """The chunks of all answers as they come, each with the number of its answer."""
        arrived = asyncio.Queue[tuple[int, AIMessageChunk]](maxsize=_WAITING)

        async def read(number: int) -> None:
            chunks: AsyncGenerator[AIMessageChunk, None]
            chunks = self.reasoner.astream_answer(list(asked.messages), RunnableConfig(), **options[number])
            async with aclosing(chunks):
                async for chunk in chunks:
                    await arrived.put((number, chunk))

        reading = asyncio.ensure_future(all_of(map(read, range(len(options)))))
        next_one = asyncio.ensure_future(arrived.get())
        try:
            while True:
                await asyncio.wait({reading, next_one}, return_when=asyncio.FIRST_COMPLETED)
                if not next_one.done():
                    break
                yield next_one.result()
                next_one = asyncio.ensure_future(arrived.get())
            reading.result()
        finally:
            await ended(reading, next_one)

    async def options(
        self, asked: Asked, terms: OwnTerms, bill: Bill, *, scope: str, key: str | None
    ) -> list[AnswerOptions]:
        """How each answer to a request is decided and charged.

        Args:
            asked: The request.
            terms: What it says of its own.
            bill: Collects the decisions and the costs.
            scope: The prefix of the names of runs and keys, so that callers do not share them.
            key: Names the charge, which is made once.

        Raises:
            RequestError: The model is unknown, or the policy has no price for the budget.
        """
        context = {name: getattr(terms, name) for name in ("budget", "price", "max_cost", "tenant")}
        await self.tenants.aready(context)
        reasoner = self.reasoner
        try:
            shared = options_from_context(
                context, policy=reasoner.policy, tenants=self.tenants, price=reasoner.price
            )
        except ValueError as error:
            raise RequestError(str(error), param="x-adaptive-budget") from error
        ledger: Ledger = shared.get("ledger") or reasoner.ledger
        shared |= self._action(asked.model, ledger)
        charge = f"{scope}{key or uuid.uuid4().hex}"
        shared |= {
            "settings": asked.settings,
            "run_id": f"{scope}{terms.run}" if terms.run else charge,
            "ledger": ledger if key is None else ChargedOnce(ledger),
        }
        if terms.deadline is not None:
            shared["deadline"] = terms.deadline
        if asked.settings.get("tools"):
            shared["resolve_model"] = _with_tools
        keys = [charge, *(f"{charge}#{number}" for number in range(2, asked.choices + 1))]
        return [
            {**shared, "key": each, "on_event": bill.listener(number)} for number, each in enumerate(keys)
        ]

    def _action(self, model: str, ledger: Ledger) -> AnswerOptions:
        if model == ADAPTIVE:
            return {}
        if model not in self.actions:
            raise RequestError(
                f"there is no model {model[:80]!r}; there are {', '.join(self.models)}",
                status=404,
                code="model_not_found",
                param="model",
            )
        action = self.actions[model]
        policy = NamedAction(model, calls=action.calls, ledger=ledger)
        return {"policy": policy, "actions": {model: action.flow}}


class NamedAction(FixedPolicy):
    """The action that a request names, expected to cost what questions cost on average.

    Args:
        action: Its name.
        calls: The most calls it makes; None if that is not known.
        ledger: Knows what questions cost.
    """

    def __init__(self, action: str, *, calls: int | None, ledger: Ledger) -> None:
        expected = ledger.average or ledger.target or 0.0
        super().__init__(action, expected_cost=expected, cost_unit=ledger.cost_unit)
        self._calls = calls

    def with_worst_case_of(self, call: CallBound) -> Self:
        """The same policy, for one conversation."""
        worst = inf if self._calls is None else self._calls * call(self.action)
        bounded = copy.copy(self)
        bounded.worst_cost, bounded.expected_cost = worst, min(self.expected_cost, worst)
        return bounded


def _with_tools(source: Source, request: Request) -> ChatModel:
    """The model of a source, which takes tools in OpenAI's words."""
    model = source.sampler if request.hidden_sample else source.runnable
    return model if request.auxiliary else mapped(model, _BindsTools)


class _BindsTools(Runnable[Any, Any]):
    """A chat model that takes tools as call-time arguments in OpenAI's words, and binds them in its own."""

    def __init__(self, model: BaseChatModel) -> None:
        self.model = model

    def _bound(self, settings: dict[str, Any]) -> tuple[Runnable[Any, Any], dict[str, Any]]:
        named = ("tools", "tool_choice", "parallel_tool_calls")
        given = {name: settings[name] for name in named if settings.get(name) is not None}
        rest = {name: value for name, value in settings.items() if name not in named}
        tools = given.pop("tools", None)
        return (self.model.bind_tools(tools, **given), rest) if tools else (self.model, rest)

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        model, settings = self._bound(kwargs)
        return model.invoke(input, config, **settings)

    @override
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        model, settings = self._bound(kwargs)
        return await model.ainvoke(input, config, **settings)

    @override
    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        model, settings = self._bound(kwargs)
        async for chunk in model.astream(input, config, **settings):
            yield chunk
