"""Calls to chat models: what is asked, and what came back."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable

from adaptive_reasoner.errors import MenuError, needs
from adaptive_reasoner.models.metering import UNDECLARED_MAX_TOKENS
from adaptive_reasoner.models.prompt_bound import PromptBound, SchemaText, most_prompt_tokens
from adaptive_reasoner.models.prompts import PromptMaker, prompt_maker
from adaptive_reasoner.models.providers import Thinking, provider_kwargs, thinking_within, unwrapped
from adaptive_reasoner.models.reply_bound import most_replies, most_room
from adaptive_reasoner.models.wrapped_models import (
    DecidingChatModel,
    attribute_of,
    bound_settings,
    called_models,
    mapped,
)

Messages = Sequence[BaseMessage]
ChatModel = Runnable[Any, Any]

SCHEMAS = ("tools", "functions", "response_format")
"""Settings that carry schemas, each in the words of one provider, who bills them as prompt."""


@dataclass(frozen=True)
class Source:
    r"""One way to call a model: the model, its prompt and its settings.

    Args:
        model: A chat model, also with wrappers (`bind`, `with_retry`, `with_fallbacks`, ...), or its name
            as `init_chat_model` takes it (`"openai:gpt-5-mini"`), or a function without arguments that makes
            it at the first call, so that building a graph needs no key and loads no weights.
        prompt: Text with `{question}` in it, a LangChain prompt template with one variable, or a function of
            the text of the question that returns text or messages. By default the messages go as they are.
        settings: Call-time arguments of the model: `temperature`, `stop`, `reasoning_effort`, ...
        max_tokens: The most tokens of a reply; what a lost call is billed at.
        timeout: The most seconds of a call, however slowly it drips. A call in a thread cannot be ended:
            there the model's own timeout has to do.
        samples_per_request: How many samples of a vote one request may ask for (`n`), where the provider
            then bills the prompt once.
        preamble: What whoever makes the call sends along with every conversation: an agent's system prompt,
            its tools as text. It is counted in the worst case, and not sent again.
        max_prompt_tokens: The most tokens of a prompt, everything included, where you know better than the
            bound that is worked out from its bytes, its images and files.

    Raises:
        TypeError: The model or the prompt is none of these.
        ImportError: The model is a name, and langchain or the provider's package is not installed.
        ValueError: A number makes no sense, or a prompt template has no place for the question.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> source = Source(FakeListChatModel(responses=["14"]), prompt="Q: {question}\nA:")
        >>> [message.text for message in source.messages([HumanMessage("5 + 9?")])]
        ['Q: 5 + 9?\nA:']
    """

    model: ChatModel | str | Callable[[], ChatModel]
    prompt: str | Runnable[dict[str, Any], PromptValue] | PromptMaker | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    timeout: float = inf
    samples_per_request: int = 1
    preamble: Messages = ()
    max_prompt_tokens: int | None = None

    def __post_init__(self) -> None:
        model: Any = chat_model(self.model)
        object.__setattr__(self, "model", model)
        if not isinstance(model, Runnable) and not callable(model):
            raise TypeError(f"a model is a chat model, its name, or a function that makes it, not {model!r}")
        if self.prompt is not None:
            object.__setattr__(self, "prompt", prompt_maker(self.prompt))
        if not self.timeout > 0:
            raise ValueError(f"a timeout is above 0 seconds, not {self.timeout}")
        if not is_count(self.samples_per_request):
            raise ValueError(f"a request asks for at least 1 sample, not {self.samples_per_request}")
        if self.max_tokens is not None and not is_count(self.max_tokens):
            raise ValueError(f"max_tokens is a whole number of at least 1, not {self.max_tokens!r}")
        if self.max_prompt_tokens is not None and not self.max_prompt_tokens > 0:
            raise ValueError(f"a prompt has at least 1 token, not {self.max_prompt_tokens}")
        if self.samples_per_request > 1 and isinstance(model, Runnable):
            provider_kwargs(
                model, self.settings, samples=self.samples_per_request
            )  # refuses where there is no `n`

    def __repr__(self) -> str:
        model = getattr(self.model, "model_name", None) or getattr(self.model, "model", None)
        called = (
            f"{type(self.model).__name__} {model!r}" if isinstance(model, str) else type(self.model).__name__
        )
        return f"Source({called}, max_tokens={self.max_tokens})"

    def messages(self, messages: Messages) -> Messages:
        """What is sent for a conversation.

        Raises:
            MenuError: The prompt function returned no text.
        """
        if self.prompt is None:
            return messages
        question = _text_of_question(messages)
        made = prompt_maker(self.prompt)(question)
        if isinstance(made, list | tuple) and made and all(isinstance(each, BaseMessage) for each in made):
            return made
        if not isinstance(made, str) or not made.strip():
            name = getattr(self.prompt, "__qualname__", repr(self.prompt))
            raise MenuError(
                f"the prompt function {name} returned {made!r} for the question {question[:60]!r}; "
                "it must return the text to send"
            )
        return [HumanMessage(made)]

    def billable_messages(self, messages: Messages, settings: Mapping[str, Any] | None = None) -> Messages:
        """All that a provider bills as prompt, for a worst case: tools and formats too, as text.

        Args:
            messages: The conversation.
            settings: Call-time arguments on top of those of the source and of a bound model.
        """
        given = self.call_settings(settings or {})
        declared = {name: given[name] for name in SCHEMAS if given.get(name)}
        schemas = [SchemaText(content=as_text(declared))] if declared else []
        sent = [*self.preamble, *self.messages(messages), *schemas]
        bound = min(most_prompt_tokens(sent, model=self._model_name(given)), self.max_prompt_tokens or inf)
        return sent if bound == most_prompt_tokens(sent) else [*sent, PromptBound(bound)]

    def call_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """All call-time arguments of a call: those bound to the model, the source's, and those given."""
        return {**bound_settings(self._made), **self.settings, **settings}

    def temperature(self, settings: Mapping[str, Any]) -> float | None:
        """The sampling temperature of a call under call-time arguments; None where nobody set one."""
        given = {**self.settings, **settings}
        set_to = (
            {"temperature": attribute_of(model, "temperature"), **bound, **given}
            for model, bound in self._models
        )
        found = next(set_to)["temperature"]
        return float(found) if isinstance(found, int | float) else None

    @cached_property
    def runnable(self) -> ChatModel:
        """The model, made at first use where `model` is a function.

        Where it would leave open whether a streamed reply reports its usage, it is asked to: LangGraph
        streams a call as soon as messages are streamed, and an unpriced reply is an error. One that decides
        how often to call another calls it once: whoever calls this source has decided.
        """
        assert not isinstance(self.model, str)
        return mapped(self.model if isinstance(self.model, Runnable) else self.model(), _called_plainly)

    @cached_property
    def sampler(self) -> ChatModel:
        """The model for samples that compete: never streamed, never from a cache.

        Streaming loses the usage on many endpoints, and a cache would make all samples the same.
        """
        independent = {"disable_streaming": True, "cache": False}
        return mapped(self.runnable, lambda model: model.model_copy(update=independent))

    @property
    def declared_tokens(self) -> int | None:
        """The most tokens that a reply can have, if anybody declared it: here, or on the model.

        A model that is not made yet is not made for this, and declares nothing. Of a model and its
        fallbacks it is the most that any of them declares; None where one declares nothing.
        """
        return self.room({} if self.max_tokens is None else {"max_tokens": self.max_tokens, **self.settings})

    @property
    def most_tokens(self) -> int:
        """Those of all replies to one request, or what a lost call is billed at where nobody declared any."""
        return self.replies({}) * (self.declared_tokens or UNDECLARED_MAX_TOKENS)

    def room(self, settings: Mapping[str, Any]) -> int | None:
        """The most tokens of one reply under call-time arguments; see `declared_tokens`."""
        given = {**self.settings, **settings}
        most = [most_room(model, given, bound) for model, bound in self._models]
        return max((each for each in most if each), default=None) if all(most) else None

    @property
    def room_to_think(self) -> int:
        """The tokens of thinking that the models are told to have in a reply; it needs more than these."""
        return max(thinking_within(model, {**bound, **self.settings}) for model, bound in self._models)

    def called(self, settings: Mapping[str, Any]) -> tuple[list[str], Mapping[str, Any]]:
        """The names of the models that may answer, the first one first, and the settings of a call to it."""
        given = {**self.settings, **settings}
        names = [_name_of(model, {**bound, **given}) for model, bound in self._models]
        main, bound = self._models[0]
        own = {"service_tier": attribute_of(main, "service_tier")}
        return names, {**own, **bound, **given}

    def replies(self, settings: Mapping[str, Any]) -> int:
        """How many replies one request brings under call-time arguments, as the most of its models has it."""
        given = {**self.settings, **settings}
        return max(most_replies(model, given, bound) for model, bound in self._models)

    @property
    def requests(self) -> int:
        """How often a call that fails is sent: once, and as often as its client retries by itself."""
        main, _ = self._models[0]
        client = attribute_of(main, "root_async_client")  # OpenAI's, which has a default of its own
        retries = (attribute_of(each, "max_retries") for each in (client, main))
        return 1 + next((most for most in retries if isinstance(most, int)), 0)

    def _model_name(self, settings: Mapping[str, Any]) -> str:
        """The model's name, which decides on the provider's rules; empty while it is not known."""
        return _name_of(unwrapped(self._made), settings)

    @property
    def _models(self) -> list[tuple[Any, Mapping[str, Any]]]:
        """The chat models with what is bound to them; None for one that is not made yet."""
        return list(called_models(self._made)) or [(None, {})]

    @property
    def _made(self) -> Any:
        """The model, where it is made already; else the function that makes it."""
        return vars(self).get("runnable", self.model)


@dataclass(frozen=True)
class Request:
    """A call that a strategy asks for.

    Attributes:
        messages: The conversation.
        source: How to call; None for the source of the reasoner.
        model: Takes the place of the source's model; the prompt and the settings stay.
        settings: Call-time arguments on top of the source's.
        thinking: How hard to think: an effort or a number of tokens.
        timeout: The most seconds of this call.
        hidden_sample: One of several samples, of which the user sees only the winner.
        auxiliary: Not an answer, for example a call to a judge: what the surrounding run adds to its calls
            (settings, tools, formats) is left out.
        worst: The most that the call can cost, once whoever makes it has worked that out.
    """

    messages: Messages
    source: Source | None = None
    model: ChatModel | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    thinking: Thinking | None = None
    timeout: float = inf
    hidden_sample: bool = False
    auxiliary: bool = False
    worst: float = inf


ModelResolver = Callable[[Source, Request], ChatModel]
"""How a source's model is reached for a request."""


def chat_model(model: Any) -> Any:
    """The chat model of a name, as `init_chat_model` makes it; anything else stays as it is.

    Raises:
        ImportError: langchain or the provider's package is not installed.
        ValueError: The name does not tell the provider.
    """
    if not isinstance(model, str):
        return model
    with needs(f"model {model!r} by its name needs", "agents"):
        from langchain.chat_models import init_chat_model
    return init_chat_model(model)


def default_resolver(source: Source, request: Request) -> ChatModel:
    """Call the model itself, as a run of its own."""
    return source.sampler if request.hidden_sample else source.runnable


def _name_of(model: Any, settings: Mapping[str, Any]) -> str:
    """A model's name; empty where it has none."""
    names = (settings.get("model"), *(attribute_of(model, name) for name in ("model_name", "model")))
    return next((name for name in names if isinstance(name, str) and name), "")


def is_count(given: Any) -> bool:
    """Whether something is a whole number of at least 1; numpy's count.

    Example:
        >>> is_count(3), is_count(0), is_count(2.5), is_count("3")
        (True, False, False, False)
    """
    return hasattr(given, "__index__") and given >= 1


def _called_plainly(model: BaseChatModel) -> BaseChatModel:
    """The model, which decides nothing, and is asked to report usage in streams where it leaves that open."""
    if isinstance(model, DecidingChatModel):
        return model.decided()
    if getattr(model, "stream_usage", True) is None:
        return model.model_copy(update={"stream_usage": True})
    return model


def as_text(schemas: Any) -> str:
    """Tools or formats as JSON, about as a provider counts them.

    Example:
        >>> as_text([{"name": "add"}])
        '[{"name": "add"}]'
    """
    return json.dumps(schemas, default=lambda given: getattr(given, "model_json_schema", given.__repr__)())


def question_of(messages: Messages) -> str:
    """What a conversation asks, as text: its last human turn.

    A turn without text is described by the kinds of what it holds; without any turn of a human, what the
    system message says is what is asked.

    Raises:
        ValueError: There is nothing of all that.

    Example:
        >>> from langchain_core.messages import AIMessage
        >>> question_of([HumanMessage("Hello"), AIMessage("Hi."), HumanMessage("What is 5 + 9?")])
        'What is 5 + 9?'
        >>> question_of([HumanMessage([{"type": "image", "url": "https://example.org/cat.png"}])])
        '[image]'
    """
    turns = [message for message in messages if isinstance(message, HumanMessage)]
    system = [message.text for message in messages if isinstance(message, SystemMessage)]
    asked = turns[-1].text or _kinds_of(turns[-1]) if turns else ""
    question = next((text for text in (asked, *reversed(system)) if text.strip()), None)
    if question is None:
        raise ValueError("there is no question: the last human message is missing or empty")
    return question


def _text_of_question(messages: Messages) -> str:
    """The text of the last human turn, for a prompt that is made of it and holds nothing else.

    Raises:
        ValueError: The turn has none.
    """
    turns = [message.text for message in messages if isinstance(message, HumanMessage)]
    if not turns or not turns[-1].strip():
        raise ValueError(
            "there is no question for the source's prompt: the last human message is missing or has no text"
        )
    return turns[-1]


def _kinds_of(message: BaseMessage) -> str:
    """The kinds of what a message without text holds; empty where it holds nothing."""
    blocks = [block for block in message.content if isinstance(block, dict)]
    kinds = [str(block.get("type")) for block in blocks if block.get("type") != "text"]
    return f"[{', '.join(kinds)}]" if kinds else ""
