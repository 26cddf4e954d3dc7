"""A request of the Responses API: what it may hold, and what it asks in the library's terms."""

from typing import Annotated, Any, Literal

from langchain_core.messages import BaseMessage
from pydantic import Discriminator, Field, Tag, model_validator

from adaptive_reasoner.models.source import question_of
from adaptive_reasoner.server.asked import Asked, checked_json
from adaptive_reasoner.server.chat_request import (
    Metadata,
    Name,
    Sampling,
    Tokens,
    Wire,
    as_messages,
    tool_settings,
)


class InputText(Wire):
    """Text, asked or answered."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None


class InputImage(Wire):
    """An image by its address."""

    type: Literal["input_image"]
    image_url: Annotated[str, Field(min_length=1)]
    detail: Literal["auto", "low", "high", "original"] | None = None


class InputFile(Wire):
    """A file with its content."""

    type: Literal["input_file"]
    file_data: str
    filename: str | None = None


class Refusal(Wire):
    """A refusal in an earlier answer."""

    type: Literal["refusal"]
    refusal: str


Content = Annotated[InputText | InputImage | InputFile | Refusal, Field(discriminator="type")]


class Message(Wire):
    """A turn of the conversation."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | Annotated[list[Content], Field(min_length=1)]
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class FunctionCall(Wire):
    """A call of a tool in an earlier answer."""

    type: Literal["function_call"]
    call_id: Name
    name: Name
    arguments: str
    id: str | None = None
    status: str | None = None


class FunctionOutput(Wire):
    """What a tool returned."""

    type: Literal["function_call_output"]
    call_id: Name
    output: str | Annotated[list[InputText], Field(min_length=1)]
    id: str | None = None
    status: str | None = None


class Reasoning(Wire):
    """Thoughts in an earlier answer, which are not sent on."""

    type: Literal["reasoning"]
    id: str | None = None
    summary: list[dict[str, Any]] | None = None
    content: list[dict[str, Any]] | None = None
    encrypted_content: str | None = None
    status: str | None = None


def _kind(item: Any) -> str | None:
    """The type of an item; one that names none is a message."""
    kind = item.get("type", "message") if isinstance(item, dict) else getattr(item, "type", None)
    return kind if isinstance(kind, str) else None


Item = Annotated[
    Annotated[Message, Tag("message")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[FunctionOutput, Tag("function_call_output")]
    | Annotated[Reasoning, Tag("reasoning")],
    Discriminator(_kind),
]


class FunctionTool(Wire):
    """A function that may be called."""

    type: Literal["function"]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionChoice(Wire):
    """The function that has to be called."""

    type: Literal["function"]
    name: Name


class SchemaText(Wire):
    """An answer of a schema."""

    type: Literal["json_schema"]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class PlainText(Wire):
    """An answer as text, or as any JSON object."""

    type: Literal["text", "json_object"]


class TextSettings(Wire):
    """The form of the answer."""

    format: SchemaText | PlainText | None = Field(default=None, discriminator="type")
    verbosity: Name | None = None


class ReasoningSettings(Wire):
    """How hard the model thinks."""

    effort: Name | None = None
    summary: Name | None = None


class ResponseStreamOptions(Wire):
    """What a stream brings along."""

    include_obfuscation: bool | None = None


class ResponsesRequest(Sampling):
    """A request for a response. Nothing is stored, so each brings its whole conversation."""

    model: Name = Field(description="`adaptive`, or the name of an action")
    input: str | Annotated[list[Item], Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=512)] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextSettings | None = None
    reasoning: ReasoningSettings | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    metadata: Metadata | None = None
    store: bool | None = Field(default=None, description="accepted; nothing is stored")
    include: list[str] | None = Field(default=None, description="`message.output_text.logprobs`, or accepted")
    truncation: Literal["auto", "disabled"] | None = Field(default=None, description="accepted")

    @model_validator(mode="before")
    @classmethod
    def _sendable(cls, body: Any) -> Any:
        return checked_json(body)

    @model_validator(mode="after")
    def _consistent(self) -> "ResponsesRequest":
        question_of(self.conversation())
        if self.tool_choice not in (None, "none", "auto") and not self.tools:
            raise ValueError("tool_choice needs tools")
        return self

    def asked(self) -> Asked:
        """The request in the library's terms."""
        settings = self.sampling()
        text, reasoning = self.text or TextSettings(), self.reasoning or ReasoningSettings()
        own = {"verbosity": text.verbosity, "reasoning_effort": reasoning.effort}
        settings |= {name: value for name, value in own.items() if value is not None}
        if "message.output_text.logprobs" in (self.include or ()):
            settings["logprobs"] = True
        if self.max_output_tokens:
            settings["max_tokens"] = self.max_output_tokens
        if isinstance(text.format, SchemaText):
            schema = text.format.model_dump(by_alias=True, exclude_none=True, exclude={"type"})
            settings["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif text.format is not None and text.format.type == "json_object":
            settings["response_format"] = {"type": "json_object"}
        if self.tools and self.tool_choice != "none":
            choice = self.tool_choice
            named = choice.name if isinstance(choice, FunctionChoice) else choice
            tools = [_as_chat(tool) for tool in self.tools]
            settings |= tool_settings(tools, named, self.parallel_tool_calls)
        return Asked(
            model=self.model,
            messages=self.conversation(),
            settings=settings,
            metadata=self.metadata or {},
        )

    def conversation(self) -> list[BaseMessage]:
        """The instructions and the items, as messages."""
        turns: list[dict[str, Any]] = []
        if self.instructions:
            turns.append({"role": "system", "content": self.instructions})
        if isinstance(self.input, str):
            turns.append({"role": "user", "content": self.input})
        else:
            for item in self.input:
                _add(turns, item)
        return as_messages(turns)


def _add(turns: list[dict[str, Any]], item: Message | FunctionCall | FunctionOutput | Reasoning) -> None:
    """Add an item to a conversation; the calls of one answer are one turn with what it says."""
    if isinstance(item, Message):
        content = item.content if isinstance(item.content, str) else [_part(part) for part in item.content]
        turns.append({"role": item.role, "content": content})
    elif isinstance(item, FunctionCall):
        if not turns or turns[-1]["role"] != "assistant":
            turns.append({"role": "assistant", "content": ""})
        function = {"name": item.name, "arguments": item.arguments}
        call = {"id": item.call_id, "type": "function", "function": function}
        turns[-1].setdefault("tool_calls", []).append(call)
    elif isinstance(item, FunctionOutput):
        output = item.output if isinstance(item.output, str) else "".join(part.text for part in item.output)
        turns.append({"role": "tool", "content": output, "tool_call_id": item.call_id})


def _part(part: InputText | InputImage | InputFile | Refusal) -> dict[str, Any]:
    """A part of a message, as chat completions have it."""
    if isinstance(part, InputText):
        return {"type": "text", "text": part.text}
    if isinstance(part, InputImage):
        detail = {} if part.detail is None else {"detail": part.detail}
        return {"type": "image_url", "image_url": {"url": part.image_url, **detail}}
    if isinstance(part, InputFile):
        return {"type": "file", "file": part.model_dump(exclude={"type"}, exclude_none=True)}
    return {"type": "text", "text": part.refusal}


def _as_chat(tool: FunctionTool) -> dict[str, Any]:
    """A tool, as chat completions have it."""
    function = tool.model_dump(exclude={"type"}, exclude_none=True)
    return {"type": "function", "function": {"parameters": {"type": "object", "properties": {}}} | function}
