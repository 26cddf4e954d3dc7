"""Calls to chat models: what is asked, and what came back."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from socket import gaierror
from traceback import walk_tb
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableBinding

from adaptive_reasoner.costs import UNDECLARED_MAX_TOKENS
from adaptive_reasoner.dialects import Thinking, spelled, unwrapped
from adaptive_reasoner.endings import was_filtered
from adaptive_reasoner.request_bound import PromptBound, SchemaText, most_prompt_tokens

Messages = Sequence[BaseMessage]
ChatModel = Runnable[Any, Any]

_ROOM = (
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"),
    *("max_new_tokens", "max_tokens_to_sample", "maxTokens"),
)
"""What the providers' chat models call the most tokens of a reply."""

_BUILDS_REQUESTS = frozenset(
    {"_convert_input", "_get_request_payload", "_create_message_dicts", "_chat_params", "_prepare_request"}
)
"""Functions of the provider packages that put a request together, before anything is sent."""

_CLIENTS = r"(?:Async)?(?:Completions|Responses|Messages|Models|Client)\.\w+|\w+\._converse_params"
_UNEXPECTED = re.compile(rf"(?:({_CLIENTS})|.*)\(\) got an unexpected keyword argument '(\w+)'")

SCHEMAS = ("tools", "functions", "response_format")
"""Settings that carry schemas, each in the words of one provider, who bills them as prompt."""


class LostReplyError(Exception):
    """A call ended without a usable reply."""


class EmptyReplyError(LostReplyError):
    """A reply came, at a known cost, and says nothing."""


@dataclass(frozen=True)
class Source:
    r"""One way to call a model: which model, what is put around the question, with which settings.

    Args:
        model: A chat model (or a binding of one), or a function without arguments that makes it
            at the first call, so that building a graph needs no key and loads no weights.
        prompt: Makes the prompt from the text of the question; without it the messages go as they are.
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
        TypeError: The model is neither, but its name, for example.
        ValueError: A number makes no sense.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> source = Source(FakeListChatModel(responses=["14"]), prompt="Q: {}\nA:".format)
        >>> [message.text for message in source.messages([HumanMessage("5 + 9?")])]
        ['Q: 5 + 9?\nA:']
    """

    model: ChatModel | Callable[[], ChatModel]
    prompt: Callable[[str], str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    timeout: float = inf
    samples_per_request: int = 1
    preamble: Messages = ()
    max_prompt_tokens: int | None = None

    def __post_init__(self) -> None:
        model: Any = self.model
        if not isinstance(model, Runnable) and not callable(model):
            made = f"; init_chat_model({model!r}) makes one" if isinstance(model, str) else ""
            raise TypeError(f"a model is a chat model or a function that makes it, not {model!r}{made}")
        if not self.timeout > 0:
            raise ValueError(f"a timeout is above 0 seconds, not {self.timeout}")
        if self.samples_per_request < 1:
            raise ValueError(f"a request asks for at least 1 sample, not {self.samples_per_request}")
        if self.max_prompt_tokens is not None and not self.max_prompt_tokens > 0:
            raise ValueError(f"a prompt has at least 1 token, not {self.max_prompt_tokens}")
        if self.samples_per_request > 1 and isinstance(model, Runnable):
            spelled(model, self.settings, samples=self.samples_per_request)  # refuses where there is no `n`

    def messages(self, messages: Messages) -> Messages:
        """What is sent for a conversation."""
        return messages if self.prompt is None else [HumanMessage(self.prompt(question_of(messages)))]

    def billed(self, messages: Messages, settings: Mapping[str, Any] | None = None) -> Messages:
        """All that a provider bills as prompt, for a worst case: tools and formats too, as text.

        Args:
            messages: The conversation.
            settings: Call-time arguments on top of those of the source and of a bound model.
        """
        given = {**self._bound, **self.settings, **(settings or {})}
        declared = {name: given[name] for name in SCHEMAS if given.get(name)}
        told = [SchemaText(content=as_text(declared))] if declared else []
        sent = [*self.preamble, *self.messages(messages), *told]
        bound = min(most_prompt_tokens(sent, model=self._model_name(given)), self.max_prompt_tokens or inf)
        return sent if bound == most_prompt_tokens(sent) else [*sent, PromptBound(bound)]

    @cached_property
    def runnable(self) -> ChatModel:
        """The model, made at first use where `model` is a function.

        Where it would leave open whether a streamed reply reports its usage, it is asked to: LangGraph
        streams a call as soon as somebody listens to messages, and an unpriced reply is an error.
        """
        model = self.model if isinstance(self.model, Runnable) else self.model()
        if isinstance(model, BaseChatModel) and getattr(model, "stream_usage", True) is None:
            return model.model_copy(update={"stream_usage": True})
        return model

    @cached_property
    def sampler(self) -> ChatModel:
        """The model for samples that compete: never streamed, never from a cache.

        Streaming loses the usage on many endpoints, and a cache would make all samples the same.
        """
        independent = {"disable_streaming": True, "cache": False}
        model = self.runnable
        if isinstance(model, BaseChatModel):
            return model.model_copy(update=independent)
        if isinstance(model, RunnableBinding) and isinstance(model.bound, BaseChatModel):
            return model.model_copy(update={"bound": model.bound.model_copy(update=independent)})
        return model

    @property
    def declared_tokens(self) -> int | None:
        """The most tokens that a reply can have, if anybody declared it: here, or on the model.

        A model that is yet to be made is not made for this, and has said nothing.
        """
        model = vars(self).get("runnable", self.model)
        profile = getattr(model, "profile", None) or {}
        on_model = {name: getattr(model, name, None) for name in _ROOM}
        said = (room_in(self.settings), self.max_tokens, room_in(self._bound), room_in(on_model))
        return next((most for most in said if most), None) or room_in(profile)

    @property
    def most_tokens(self) -> int:
        """`declared_tokens`, or what a lost call is billed at where nobody declared any."""
        return self.declared_tokens or UNDECLARED_MAX_TOKENS

    def _model_name(self, settings: Mapping[str, Any]) -> str:
        """The model's name, from which the provider's rules are told; empty where it is not known yet."""
        model: Any = unwrapped(vars(self).get("runnable", self.model))
        names = (settings.get("model"), *(getattr(model, name, None) for name in ("model_name", "model")))
        return next((name for name in names if isinstance(name, str) and name), "")

    @property
    def _bound(self) -> Mapping[str, Any]:
        """Arguments that are bound to the model."""
        return getattr(self.model, "kwargs", None) or {}


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
        competes: One of several samples, of which the user sees only the winner.
        apart: Not an answer but a word about some, as a judge's: what the surrounding run adds to its calls,
            settings, tools and formats, is not for it.
    """

    messages: Messages
    source: Source | None = None
    model: ChatModel | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    thinking: Thinking | None = None
    timeout: float = inf
    competes: bool = False
    apart: bool = False


Reach = Callable[[Source, Request], ChatModel]
"""How a source's model is reached for a request."""


def directly(source: Source, request: Request) -> ChatModel:
    """Call the model itself, as a run of its own."""
    return source.sampler if request.competes else source.runnable


@dataclass(frozen=True)
class Reply:
    """What came back from a call, and what it cost.

    Attributes:
        message: The reply; None where there is none.
        error: Why there is no usable reply; None where there is one.
        cost: In the meter's unit. A refused call (429, 5xx) costs nothing.
        seconds: From start to end.
        estimated: The reply was lost after the call started, or reports usage that cannot be, so the cost is
            its worst case.
        samples: How many replies the call brought, among which its cost is divided.
        samples_per_request: How many such a call may bring.
        prompt_cost: What the call's prompt cost, where it may bring several.
    """

    message: AIMessage | None
    error: BaseException | None
    cost: float
    seconds: float
    estimated: bool = False
    samples: int = 1
    samples_per_request: int = 1
    prompt_cost: float = 0.0


def room_in(settings: Mapping[str, Any]) -> int | None:
    """The most tokens of a reply that call-time arguments allow, whatever their provider calls it.

    Example:
        >>> room_in({"max_output_tokens": 64}), room_in({"temperature": 0.7})
        (64, None)
    """
    said = (settings.get(name) for name in _ROOM)
    return next((int(most) for most in said if isinstance(most, int | float) and 0 < most < inf), None)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised for, and so on."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def status_of(error: BaseException) -> int | None:
    """The HTTP status of a refusal: `status_code` on most providers' errors, `code` on Google's.

    With some clients it stands on the error's `response`: httpx's, requests', and boto's, which is a dict.
    What broke while a reply was under way has a status too with some, of the reply or of nothing: neither
    is a refusal. Nor is the `code` of what an HTTP client could not read.
    """
    statuses = (status for cause in causes(error) for status in _statuses(cause))
    return next((status for status in statuses if isinstance(status, int) and 400 <= status < 600), None)


def _statuses(error: BaseException) -> Iterator[Any]:
    kinds = type(error).__mro__
    yield getattr(error, "code" if any(_is_googles(kind) for kind in kinds) else "status_code", None)
    response: Any = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        yield getattr(response, "status_code", None)
    elif all(kind.__name__ != "EventStreamError" for kind in kinds):  # boto's, in the middle of a reply
        metadata = response.get("ResponseMetadata")
        yield metadata.get("HTTPStatusCode") if isinstance(metadata, Mapping) else None


def _is_googles(kind: type) -> bool:
    return kind.__module__.startswith("google.")


def was_never_sent(error: BaseException, settings: Mapping[str, Any]) -> bool:
    """Whether a call failed while its request was put together, so that nothing was sent or billed.

    Certain are two cases: the error comes out of the function with which a provider's package builds its
    requests, or the function that sends does not take an argument, which Python finds before it runs it.

    Args:
        error: What the call raised.
        settings: The arguments of the call.
    """
    unexpected = _UNEXPECTED.match(str(error)) if isinstance(error, TypeError) else None
    if unexpected and (unexpected[1] or unexpected[2] in settings):
        return True
    return any(frame.f_code.co_name in _BUILDS_REQUESTS for frame, _ in walk_tb(error.__traceback__))


def is_unreachable(error: BaseException) -> bool:
    """Whether there is no endpoint at the address, or none at the moment: nothing was sent."""
    return any(isinstance(cause, ConnectionRefusedError | gaierror) for cause in causes(error))


def as_text(schemas: Any) -> str:
    """Tools or formats as JSON, about as a provider counts them.

    Example:
        >>> as_text([{"name": "add"}])
        '[{"name": "add"}]'
    """
    return json.dumps(schemas, default=lambda given: getattr(given, "model_json_schema", given.__repr__)())


def from_cache(message: AIMessage) -> bool:
    """Whether a reply came out of LangChain's cache, which puts its cost at 0: no call was made for it."""
    usage: Mapping[str, Any] = message.usage_metadata or {}
    return usage.get("total_cost") == 0


def question_of(messages: Messages) -> str:
    """The text that a conversation asks: its last human turn.

    Example:
        >>> question_of([HumanMessage("Hello"), AIMessage("Hi."), HumanMessage("What is 5 + 9?")])
        'What is 5 + 9?'
    """
    turns = [message.text for message in messages if isinstance(message, HumanMessage)]
    if not turns or not turns[-1].strip():
        raise ValueError("there is no question: the last human message is missing or has no text")
    return turns[-1]


def refused(message: AIMessage) -> bool:
    """Whether the model declined to answer, or its provider's filter did.

    Example:
        >>> refused(AIMessage("", additional_kwargs={"refusal": "I cannot help with that."}))
        True
    """
    declined = message.additional_kwargs.get("refusal") or any(
        isinstance(block, dict) and block.get("type") == "refusal" for block in message.content
    )
    return bool(declined) or was_filtered(message)
