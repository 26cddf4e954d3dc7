"""A request for a chat completion: what it may hold, and what it asks in the library's terms."""

import json
from typing import Annotated, Any, Literal

from langchain_core.messages import BaseMessage, convert_to_messages
from pydantic import BaseModel, ConfigDict, Field, model_validator

from adaptive_reasoner.models.source import question_of
from adaptive_reasoner.server.asked import Asked, checked_json

MOST_CHOICES = 16
"""The most answers to one request."""

Name = Annotated[str, Field(min_length=1, max_length=256)]
Tokens = Annotated[int, Field(ge=1, le=10_000_000)]
Metadata = Annotated[dict[str, Annotated[str, Field(max_length=512)]], Field(max_length=16)]


class Wire(BaseModel):
    """A part of a request, without fields of other names; null asks for nothing, whatever its name."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _given(cls, part: Any) -> Any:
        if not isinstance(part, dict):
            return part
        return {name: value for name, value in part.items() if value is not None}


class TextPart(Wire):
    """Text in a message."""

    type: Literal["text"]
    text: str


class ImageUrl(Wire):
    """Where an image is."""

    url: Annotated[str, Field(min_length=1)]
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(Wire):
    """An image in a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


class AudioPart(Wire):
    """Sound in a message."""

    type: Literal["input_audio"]
    input_audio: dict[str, str]


class FilePart(Wire):
    """A file in a message."""

    type: Literal["file"]
    file: dict[str, str]


class RefusalPart(Wire):
    """A refusal in an earlier answer."""

    type: Literal["refusal"]
    refusal: str


Texts = str | Annotated[list[TextPart], Field(min_length=1)]
Part = Annotated[TextPart | ImagePart | AudioPart | FilePart, Field(discriminator="type")]
SaidPart = Annotated[TextPart | RefusalPart, Field(discriminator="type")]


class SystemTurn(Wire):
    """What the application says."""

    role: Literal["system", "developer"]
    content: Texts
    name: Name | None = None


class UserTurn(Wire):
    """What the user says."""

    role: Literal["user"]
    content: str | Annotated[list[Part], Field(min_length=1)]
    name: Name | None = None


class Function(Wire):
    """The function that an earlier answer called."""

    name: Name
    arguments: str


class ToolCall(Wire):
    """A call of a tool in an earlier answer."""

    id: Name
    type: Literal["function"] = "function"
    function: Function


class AssistantTurn(Wire):
    """An earlier answer."""

    role: Literal["assistant"]
    content: str | Annotated[list[SaidPart], Field(min_length=1)] | None = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    refusal: str | None = None
    annotations: list[Any] | None = Field(default=None, exclude=True, description="accepted; not sent on")
    name: Name | None = None


class ToolTurn(Wire):
    """What a tool returned."""

    role: Literal["tool"]
    content: Texts
    tool_call_id: Name


Turn = Annotated[SystemTurn | UserTurn | AssistantTurn | ToolTurn, Field(discriminator="role")]


class FunctionSpec(Wire):
    """A function that may be called."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None


class Tool(Wire):
    """A tool that may be called."""

    type: Literal["function"]
    function: FunctionSpec


class NamedFunction(Wire):
    """A function by its name."""

    name: Name


class NamedTool(Wire):
    """The tool that has to be called."""

    type: Literal["function"]
    function: NamedFunction


class SchemaSpec(Wire):
    """The schema of a structured answer."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")
    strict: bool | None = None


class SchemaFormat(Wire):
    """An answer of a schema."""

    type: Literal["json_schema"]
    json_schema: SchemaSpec


class PlainFormat(Wire):
    """An answer as text, or as any JSON object."""

    type: Literal["text", "json_object"]


class StreamOptions(Wire):
    """What a stream brings along."""

    include_usage: bool = False
    include_obfuscation: bool | None = None


class Sampling(Wire):
    """Arguments that both APIs pass on to the model."""

    top_logprobs: Annotated[int, Field(ge=1, le=20)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    service_tier: Name | None = None
    safety_identifier: Name | None = None
    prompt_cache_key: Name | None = None
    user: Name | None = None

    def sampling(self) -> dict[str, Any]:
        """Those that were given."""
        return self.model_dump(include=set(Sampling.model_fields), exclude_none=True)


class ChatRequest(Sampling):
    """A request for a chat completion."""

    model: Name = Field(description="`adaptive`, or the name of an action")
    messages: Annotated[list[Turn], Field(min_length=1)]
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    n: Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    reasoning_effort: Name | None = None
    verbosity: Name | None = None
    tools: Annotated[list[Tool], Field(max_length=512)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: SchemaFormat | PlainFormat | None = Field(default=None, discriminator="type")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: Metadata | None = None
    store: bool | None = Field(default=None, description="accepted; nothing is stored")

    @model_validator(mode="before")
    @classmethod
    def _sendable(cls, body: Any) -> Any:
        return checked_json(body)

    @model_validator(mode="after")
    def _consistent(self) -> "ChatRequest":
        question_of(self.conversation())
        if self.tool_choice not in (None, "none", "auto") and not self.tools:
            raise ValueError("tool_choice needs tools")
        return self

    def asked(self) -> Asked:
        """The request in the library's terms."""
        plain = {"seed", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs"}
        plain |= {"reasoning_effort", "verbosity"}
        settings = self.sampling() | self.model_dump(include=plain, exclude_none=True)
        limit = self.max_completion_tokens or self.max_tokens
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        settings |= {"max_tokens": limit} if limit else {}
        settings |= {"stop": stop} if stop else {}
        if self.tools and self.tool_choice != "none":
            tools = [tool.model_dump(exclude_none=True) for tool in self.tools]
            choice = self.tool_choice
            named = choice.function.name if isinstance(choice, NamedTool) else choice
            settings |= tool_settings(tools, named, self.parallel_tool_calls)
        if self.response_format is not None and self.response_format.type != "text":
            settings["response_format"] = self.response_format.model_dump(by_alias=True, exclude_none=True)
        return Asked(
            model=self.model,
            messages=self.conversation(),
            settings=settings,
            choices=self.n or 1,
            metadata=self.metadata or {},
        )

    def conversation(self) -> list[BaseMessage]:
        """The turns as messages."""
        return as_messages([{"content": "", **turn.model_dump(exclude_none=True)} for turn in self.messages])


def as_messages(turns: list[dict[str, Any]]) -> list[BaseMessage]:
    """Turns of a chat completion as messages; a call that a model wrote wrongly stays as it is."""
    messages = list[BaseMessage]()
    for turn in turns:
        calls = [_call(call) for call in turn.pop("tool_calls", ())]
        (message,) = convert_to_messages([turn])
        read, unread = ([call for call in calls if isinstance(call["args"], kind)] for kind in (dict, str))
        own = {"tool_calls": read, "invalid_tool_calls": unread}
        messages.append(message.model_copy(update=own) if calls else message)
    return messages


def _call(call: dict[str, Any]) -> dict[str, Any]:
    """A call of a tool, its arguments as text where they are no JSON object."""
    written = call["function"]["arguments"]
    try:
        read = json.loads(written.strip() or "{}", strict=False)
    except ValueError:
        read = None
    own = ("tool_call", read) if isinstance(read, dict) else ("invalid_tool_call", written)
    return {"id": call["id"], "name": call["function"]["name"], "type": own[0], "args": own[1]}


def tool_settings(tools: list[dict[str, Any]], choice: str | None, parallel: bool | None) -> dict[str, Any]:
    """Tools as call-time arguments of a chat model.

    Args:
        tools: As chat completions have them.
        choice: `"auto"`, `"required"` or the name of a tool.
        parallel: Whether an answer may call several.
    """
    own = {"tool_choice": choice, "parallel_tool_calls": parallel}
    return {"tools": tools, **{name: value for name, value in own.items() if value is not None}}
