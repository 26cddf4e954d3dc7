"""The samples of one model call of an agent: each goes through the agent's other middleware."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from langchain.agents.middleware.internal_call_transformer import internal_call_metadata
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.constants import TAG_NOSTREAM
from typing_extensions import override

from adaptive_reasoner.integrations.agent_account import account_of
from adaptive_reasoner.models.observed_calls import model_calls
from adaptive_reasoner.models.prompt_bound import SchemaText
from adaptive_reasoner.models.source import ChatModel, Messages, Request, Source, as_text, default_resolver
from adaptive_reasoner.models.wrapped_models import mapped, models_in
from adaptive_reasoner.policy import expectations
from adaptive_reasoner.shadow.comparing import SecondCall

_NOTHING = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "total_cost": 0}
"""The usage of a reply that took no call, as LangChain's cache marks one."""


class AgentCalls:
    """The samples of one model call: each goes through the handler, and its response is kept.

    Args:
        request: The model call.
        handler: Makes it, where it is made in threads.
        ahandler: Makes it, where it is made in tasks.

    Attributes:
        responses: By the identity of the reply in it.
        account: What the thread knows of its spending.
    """

    def __init__(
        self,
        request: ModelRequest[Any],
        *,
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]] | None = None,
        ahandler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]] | None = None,
    ) -> None:
        self.request, self.handler, self.ahandler = request, handler, ahandler
        self.responses: dict[int, ModelResponse[Any]] = {}
        self.account = account_of(request.state)

    def resolve_model(self, source: Source, request: Request) -> ChatModel:
        """The source's model through the handler; a judge, which is no part of the agent, without it."""
        return (
            default_resolver(source, request)
            if request.auxiliary
            else _Sample(self, source, request.hidden_sample)
        )

    def kept(self, response: ModelResponse[Any], source: Source) -> AIMessage:
        """The reply in a response, which is kept for the winner; empty where a middleware left none."""
        replies = [message for message in response.result if isinstance(message, AIMessage)]
        message = replies[0] if replies else AIMessage("")
        calls = model_calls()
        if (
            calls is not None
            and not calls.made
            and not message.usage_metadata
            and any(models_in(source.runnable))
        ):
            # A middleware has answered without the model, as from a store of its own: nothing was called.
            free = message.model_copy(update={"usage_metadata": _NOTHING})
            result = [free if each is message else each for each in response.result]
            message, response = free, replace(response, result=result)
        self.responses[id(message)] = response
        return message


class _Sample(Runnable[Any, AIMessage]):
    """One way to make the agent's model call."""

    def __init__(self, calls: AgentCalls, source: Source, hidden_sample: bool) -> None:
        self._calls, self._source, self._hidden = calls, source, hidden_sample

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        assert self._calls.handler is not None
        response = self._calls.handler(self._request(input, config, kwargs))
        return self._calls.kept(response, self._source)

    @override
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        assert self._calls.ahandler is not None
        response = await self._calls.ahandler(self._request(input, config, kwargs))
        return self._calls.kept(response, self._source)

    def _request(
        self, messages: Messages, config: RunnableConfig | None, settings: Mapping[str, Any]
    ) -> ModelRequest[Any]:
        request, config = self._calls.request, config or RunnableConfig()
        model = self._source.sampler if self._hidden else self._source.runnable

        def marked(model: BaseChatModel) -> BaseChatModel:
            # The handler takes no config: what a run of the model should carry is put on the model.
            tags = [*(model.tags or []), *[tag for tag in config.get("tags") or [] if tag != TAG_NOSTREAM]]
            metadata = {**(model.metadata or {}), **(config.get("metadata") or {})}
            if self._hidden:
                tags, metadata = [*tags, TAG_NOSTREAM], {**metadata, **internal_call_metadata()}
            return model.model_copy(update={"tags": tags, "metadata": metadata})

        overrides: dict[str, Any] = {
            "model": mapped(model, marked),
            "messages": list(messages),
            "model_settings": {**request.model_settings, **settings},
        }
        return request.override(**overrides)


def is_structured(request: ModelRequest[Any]) -> bool:
    """Whether the reply has a declared structure: a response format, or a tool that must be called."""
    return request.response_format is not None or expectations.is_structured(
        {"tool_choice": request.tool_choice}
    )


def asked_again(request: ModelRequest[Any], messages: Messages) -> SecondCall:
    """How a model call is made a second time, outside of its agent: its model, prompt, tools and settings."""
    system = [] if request.system_message is None else [request.system_message]
    bound: Mapping[str, Any] = {}
    if request.tools:
        with_tools = request.model.bind_tools(request.tools, tool_choice=request.tool_choice)
        bound = getattr(with_tools, "kwargs", {})
    settings = {**request.model_settings, **bound}
    return SecondCall(Source(request.model), [*system, *messages], settings)


def preamble(request: ModelRequest[Any]) -> Messages:
    """What an agent sends besides the conversation, as far as it is billed."""
    system = [] if request.system_message is None else [request.system_message]
    schemas = [tool if isinstance(tool, dict) else convert_to_openai_tool(tool) for tool in request.tools]
    output = getattr(request.response_format, "schema", None)
    schemas += [] if output is None else [convert_to_openai_tool(output)]
    return [*system, SchemaText(content=as_text(schemas))] if schemas else system
