"""A chat model that decides for each call how much compute to spend."""

import os
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from math import inf
from typing import Any, Literal, cast

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool
from pydantic import PrivateAttr, SkipValidation, ValidationError
from typing_extensions import override

from adaptive_reasoner.answers.grouping import Key
from adaptive_reasoner.integrations.langgraph_runtime import run_of
from adaptive_reasoner.integrations.run_bills import through_bills
from adaptive_reasoner.integrations.untraced_model import Untraced
from adaptive_reasoner.ledger.base import Ledger
from adaptive_reasoner.models.metering import Meter
from adaptive_reasoner.models.source import SCHEMAS, ChatModel, ModelResolver, Request, Source, chat_model
from adaptive_reasoner.models.wrapped_models import DecidingChatModel, main_model, mapped
from adaptive_reasoner.policy.base import FixedPolicy, Policy
from adaptive_reasoner.reasoner.options import AnswerOptions
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.reasoner.result import Result
from adaptive_reasoner.reasoner.sample_log import SampleLog
from adaptive_reasoner.shadow.runner import ShadowRunner
from adaptive_reasoner.shadow.settings import Shadow
from adaptive_reasoner.strategies.flow import Flow
from adaptive_reasoner.strategies.voting import single_pass

_SETTINGS = ("temperature", "max_tokens", "stop")
"""What LangChain lets any chat model be made with, and any call be given."""

_INNER = {"max_retries", "api_key", "streaming"}
"""What it lets any chat model be made with and here says nothing: the client is the inner model's."""


class AdaptiveChatModel(DecidingChatModel):
    """A chat model with a budget: for each call it decides how much compute to spend, and keeps the average.

    It replaces the model it wraps: tools, structured output, streaming and usage are those of the model. A
    single call streams its tokens; the winner of a vote arrives whole. To callback handlers, a call is one
    run with the usage of all its samples; the samples are not runs of their own. Inside a graph, all calls
    of one run are one question to the ledger. The decision and the bill are in
    `response_metadata["adaptive_reasoner"]`. As the model of an agent with the middleware, of a node or of a
    reasoner, it leaves the decision to these and calls its model once; its ledger is charged as well.

    Args:
        model: The chat model, also with wrappers such as `bind` and `with_retry`. Its settings apply unless
            they are given here.
        policy: Chooses the action. By default, a vote that needs no labels, or one call for free text.
        actions: The strategy behind each action that the policy can choose.
        budget: Allowed mean cost per question, kept by a ledger in memory.
        target_accuracy: Mean accuracy to keep at the least cost, by the grades that its ledger is given.
        ledger: Keeps the average instead of `budget`, also for several processes and over restarts.
        meter: What a call costs; by default generated tokens.
        key, samples: When two replies say the same, and the most samples of the vote without a policy; see
            `AdaptiveReasoner`.
        explore: Share of the questions whose action is drawn; see `AdaptiveReasoner`.
        shadow: Answers a share of the questions a second time, off the user's path; see `Shadow`.
        log: Where samples are kept for the offline kit: a file, or a `SampleLog`; see `AdaptiveReasoner`.
        temperature, max_tokens, stop: Sent with every call.
        timeout: The most seconds that a call may take.

    Raises:
        UnknownActionError: The policy can choose an action that `actions` lacks.
        LedgerError: Policy, ledger and meter count different units.
        TypeError: An argument is unknown, or the model is not a chat model.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from adaptive_reasoner import SampleMeter
        >>> from adaptive_reasoner import FixedPolicy
        >>> from adaptive_reasoner import self_consistency
        >>> model = AdaptiveChatModel(
        ...     FakeListChatModel(responses=["7", "8", "7"]),
        ...     policy=FixedPolicy("vote_3", expected_cost=2.5, cost_unit="samples"),
        ...     actions={"vote_3": self_consistency(3)},
        ...     meter=SampleMeter(),
        ... )
        >>> model.invoke("What is 3 + 4?").text
        '7'
    """

    inner: SkipValidation[ChatModel]
    model_name: str = ""  # by which LangChain tells what a model can do, where it has no profile
    policy: SkipValidation[Policy | None] = None
    actions: SkipValidation[Mapping[str, Flow] | None] = None
    budget: float | None = None
    target_accuracy: float | None = None
    ledger: SkipValidation[Ledger | None] = None
    meter: SkipValidation[Meter | Literal["usd"] | None] = None
    key: SkipValidation[Key] = "auto"
    samples: int | None = None
    explore: float | None = None
    shadow: SkipValidation[Shadow | ShadowRunner | None] = None
    log: SkipValidation[str | os.PathLike[str] | SampleLog | None] = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    timeout: float | None = None
    _reasoner: AdaptiveReasoner = PrivateAttr()
    _main: BaseChatModel = PrivateAttr()
    _is_decided: bool = PrivateAttr(default=False)
    _is_known_as_decided: bool = PrivateAttr(default=False)

    def __init__(self, model: ChatModel | str | None = None, **fields: Any) -> None:
        unknown = sorted(fields.keys() - type(self).model_fields.keys() - _INNER)
        if unknown:
            raise TypeError(f"AdaptiveChatModel has no {', '.join(unknown)}: settings are the inner model's")
        given = {} if model is None else {"inner": model}
        fields = {**given, **fields}
        try:
            super().__init__(**{**fields, "inner": chat_model(fields.get("inner"))})
        except ValidationError as error:
            reason = error.errors()[0].get("ctx", {}).get("error")
            if isinstance(reason, ValueError):  # what a reasoner raises that cannot be made so, as it is
                raise reason from None
            raise

    @override
    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._reasoner = AdaptiveReasoner(
            Source(self.inner, timeout=inf if self.timeout is None else self.timeout),
            policy=self.policy,
            actions=self.actions,
            budget=self.budget,
            target_accuracy=self.target_accuracy,
            ledger=self.ledger,
            meter=self.meter,
            key=self.key,
            samples=self.samples,
            explore=self.explore,
            shadow=self.shadow,
            log=self.log,
            name="AdaptiveChatModel",
        )
        main = main_model(self.inner)
        if not isinstance(main, BaseChatModel):
            raise TypeError(f"AdaptiveChatModel takes a chat model, not {type(self.inner).__name__}")
        self._main = main
        # What is made anew from these fields, as `configurable_fields` does at every call, counts on there.
        self.ledger, self.budget, self.target_accuracy = self._reasoner.ledger, None, None
        self.shadow, self.log = self._reasoner.shadow, self._reasoner.log
        self.model_name = self.model_name or self._main._get_ls_params().get("ls_model_name") or ""
        if self.output_version is None:
            self.output_version = self._main.output_version

    def __repr__(self) -> str:
        return f"AdaptiveChatModel({self.model_name or type(self._main).__name__}, {self._reasoner!r})"

    @property
    def reasoner(self) -> AdaptiveReasoner:
        """What decides, calls and settles; its `ledger` keeps the average."""
        return self._reasoner

    @property
    @override
    def called(self) -> Runnable[Any, Any]:
        """The model inside it, with the settings that it sends along."""
        return self.inner.bind(**self._settings)

    @override
    def decided(self) -> "AdaptiveChatModel":
        """The same where a middleware, a node or a reasoner decides: it calls the model inside it once."""
        chooses = self.policy is not None or self._reasoner.ledger.target is not None
        if chooses and not self._is_known_as_decided:
            self._is_known_as_decided = True
            with suppress(UserWarning):  # where warnings are errors, the answer stands
                warnings.warn(
                    f"{self!r} is called by what decides in its place, so its own policy and budget choose "
                    "nothing; give them to the middleware, node or reasoner around it",
                    stacklevel=2,
                )
        decided = self.model_copy()
        decided._is_decided = True
        return decided

    def _in_place(self, composed: Runnable[Any, Any]) -> Runnable[Any, Any]:
        """What was composed on the inner model, tools bound or output parsed, composed on this one."""
        return mapped(composed, lambda model: self if model is self._main else model)

    @property
    def _settings(self) -> dict[str, Any]:
        """What was given here to be sent along with every call."""
        given = ((name, getattr(self, name)) for name in _SETTINGS)
        return {name: value for name, value in given if value is not None and value != []}

    def _settings_of(self, stop: list[str] | None, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What one call is sent: its own settings over those given here."""
        return {**self._settings, **settings, **({} if stop is None else {"stop": stop})}

    @property
    @override
    def _llm_type(self) -> str:
        return "adaptive-chat"

    @property
    @override
    def _identifying_params(self) -> dict[str, Any]:
        # Part of the key under which LangChain caches replies.
        return {
            **self._main._identifying_params,
            **self._settings,
            "adaptive_model": self._main._llm_type,
            "adaptive_policy": None if self._is_decided else self._reasoner.policy.policy_id,
            "adaptive_key": self._reasoner.comparison.name,
        }

    @override
    def _resolve_model_profile(self) -> ModelProfile | None:
        return self._main.profile  # by which create_agent chooses how to ask for structured output

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return self._main._get_ls_params(**self._settings_of(stop, kwargs))

    @override
    def get_token_ids(self, text: str) -> list[int]:
        return self._main.get_token_ids(text)

    @override
    def get_num_tokens(self, text: str) -> int:
        return self._main.get_num_tokens(text)

    @override
    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Any = None) -> int:
        return self._main.get_num_tokens_from_messages(messages, tools)

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self._in_place(self._main.bind_tools(tools, **kwargs))

    @override
    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        return self._in_place(self._main.with_structured_output(schema, **kwargs))

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        config, terms = self._around(run_manager, stop, kwargs)
        return _result(self._reasoner.answer(messages, config, **terms))

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        config, terms = self._around(run_manager, stop, kwargs)
        return _result(await self._reasoner.aanswer(messages, config, **terms))

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        config, terms = self._around(run_manager, stop, kwargs)
        for chunk in self._reasoner.stream_answer(messages, config, **terms):
            yield ChatGenerationChunk(message=chunk)

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        config, terms = self._around(run_manager, stop, kwargs)
        async with aclosing(self._reasoner.astream_answer(messages, config, **terms)) as chunks:
            async for chunk in chunks:
                yield ChatGenerationChunk(message=chunk)

    def _around(
        self,
        run: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None,
        stop: list[str] | None,
        settings: dict[str, Any],
    ) -> tuple[RunnableConfig, AnswerOptions]:
        """Where events go, and the terms of a call: its settings are those of every sample."""
        settings = self._settings_of(stop, settings)
        config = ensure_config()
        terms: AnswerOptions = {
            "settings": settings,
            "resolve_model": self._resolver_of(settings),
            "run_id": run_of(config),
            "ledger": through_bills(self._reasoner.ledger),
        }
        if self._is_decided:
            policy = FixedPolicy("single_pass", cost_unit=self._reasoner.meter.cost_unit)
            terms |= {"policy": policy, "actions": {policy.action: single_pass()}}
        if run is not None:
            manager = (
                AsyncCallbackManager if isinstance(run, AsyncCallbackManagerForLLMRun) else CallbackManager
            )
            config["callbacks"] = manager(run.handlers, run.inheritable_handlers, run.run_id)
        return config, terms

    def _resolver_of(self, settings: Mapping[str, Any]) -> ModelResolver:
        tied = [name for name in SCHEMAS if settings.get(name)]

        def resolve_model(source: Source, request: Request) -> ChatModel:
            def untraced(model: BaseChatModel) -> Untraced:
                if tied and not request.auxiliary and not isinstance(model, type(self._main)):
                    raise TypeError(
                        f"{', '.join(tied)} were bound for {type(self._main).__name__} and cannot go to "
                        f"{type(model).__name__}: use models of one package, or AdaptiveComputeMiddleware"
                    )
                return Untraced(model)

            return mapped(source.runnable, untraced)

        return resolve_model


def _result(result: Result) -> ChatResult:
    """The answer as a model's own, whose usage LangChain's handlers add up: they take whole numbers alone."""
    usage = result.message.usage_metadata
    if usage is not None:
        usage = cast("UsageMetadata", {name: value for name, value in usage.items() if name != "total_cost"})
    message = result.message.model_copy(update={"usage_metadata": usage})
    return ChatResult(generations=[ChatGeneration(message=message)])
