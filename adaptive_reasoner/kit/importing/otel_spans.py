"""Replies in OpenTelemetry spans of generative models: OTLP as JSON, or what is exported to a console."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from adaptive_reasoner.kit.importing.base import (
    GRADES,
    Fields,
    Found,
    LeftOut,
    LoggedReply,
    number_of,
    text_of,
)
from adaptive_reasoner.kit.importing.chats import conversation, decoded, message_of, usage_in
from adaptive_reasoner.kit.importing.langsmith import asked_in_inputs, replies_in_outputs
from adaptive_reasoner.kit.importing.otlp import Span, events_in, is_beside_spans, spans_in

_CALLS = ("chat", "text_completion", "generate_content", "completion", "messages", "llm")
_MARKS = (
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.system",
    "gen_ai.provider.name",
    "llm.model_name",
)
_DETAILS = "gen_ai.client.inference.operation.details"
_EVALUATED = "gen_ai.evaluation.result"
_ROLE_EVENT = re.compile(r"gen_ai\.(system|user|assistant|tool)\.message")
_CHOICE = "gen_ai.choice"
_SELLERS = {
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "az.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "vertex_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "xai": "x-ai",
    **{name: name for name in ("openai", "anthropic", "groq", "deepseek", "cohere", "perplexity")},
}
_COUNTS = {
    "llm.token_count.prompt": "input_tokens",
    "llm.token_count.completion": "output_tokens",
    "llm.token_count.prompt_details.cache_read": "cache_read",
    "llm.token_count.completion_details.reasoning": "reasoning",
}
_NO_CALL = LeftOut("a span that is no call of a model")


@dataclass
class OtelReader:
    """Makes replies of spans; messages that were logged as events beside them are brought together with them.

    Args:
        fields: The attributes that are named; for `correct` and `score`, also names of evaluations.
    """

    fields: Fields
    _events: dict[str, list[tuple[str, Mapping[str, Any]]]] = field(default_factory=dict)
    _silent: list[Span] = field(default_factory=list)

    def read(self, value: Mapping[str, Any]) -> Iterable[Found]:
        """The replies in a value.

        Raises:
            ValueError: It holds no spans; it names the field.
        """
        if is_beside_spans(value):
            for span_id, name, told in events_in(value):
                if name.startswith("gen_ai."):
                    self._events.setdefault(span_id, []).append((name, told))
            return
        for span in spans_in(value):
            if not is_call(span.attributes):
                yield _NO_CALL
            elif self._messages(span)[0] or "question" in self.fields.named:
                yield from self._replies(span)
            else:
                self._silent.append(span)

    def finish(self) -> Iterable[Found]:
        """The replies whose messages were logged after their spans."""
        for span in self._silent:
            yield from self._replies(span)

    def _messages(self, span: Span) -> tuple[list[BaseMessage], list[AIMessage]]:
        return messages_in(span.attributes, [*span.events, *self._events.get(span.span_id, ())])

    def _replies(self, span: Span) -> Iterator[Found]:
        attributes, named = span.attributes, self.fields
        asked, replies = self._messages(span)
        question = named.asked(attributes, asked)
        if isinstance(question, LeftOut):
            yield question
            return
        answer = named.text(attributes, "answer")
        replies = replies if answer is None else [AIMessage(answer)]
        if not replies and span.error is None:
            yield LeftOut("no text of the reply was recorded")
            return
        for message in [None] if span.error is not None else replies:
            yield self._reply(span, question, message, len(replies))

    def _reply(self, span: Span, question: str, message: AIMessage | None, of_request: int) -> LoggedReply:
        attributes, named = span.attributes, self.fields
        asked, answered = (attributes.get(f"gen_ai.{kind}.model") for kind in ("request", "response"))
        model = text_of(answered or asked or attributes.get("llm.model_name"))
        if model is None and message is not None:  # in the response itself
            model = text_of(message.response_metadata.get("model_name"))
        if message is not None:
            seller = _SELLERS.get(
                str(attributes.get("gen_ai.provider.name") or attributes.get("gen_ai.system"))
            )
            metadata = {
                **message.response_metadata,
                **({"model_name": model} if model else {}),
                **({"model_provider": seller} if seller else {}),
            }
            message = message.model_copy(
                update={"usage_metadata": _usage(attributes), "response_metadata": metadata}
            )
        ours = attributes.get("adaptive_reasoner.cost")
        logged = ours if ours is not None else attributes.get("gen_ai.usage.cost") or None
        drawn, scores = attributes.get("adaptive_reasoner.propensity"), self._scores(span)
        reply = LoggedReply(
            question,
            message,
            source=text_of(asked) or model,
            call_id=span.span_id or None,
            correct=named.graded("correct", GRADES, scores),
            score=named.graded("score", (), scores),
            cost=number_of(logged, "cost", most=inf),
            cost_unit=text_of(attributes.get("adaptive_reasoner.cost_unit")) if ours is not None else "usd",
            of_request=max(1, of_request),
            seconds=span.seconds,
            error=span.error,
            propensity=number_of(drawn, "adaptive_reasoner.propensity", most=1.0),
            action=text_of(attributes.get("adaptive_reasoner.action")),
            policy_id=text_of(attributes.get("adaptive_reasoner.policy_id")),
        )
        return named.applied(attributes, reply)

    def _scores(self, span: Span) -> dict[str, Any]:
        """The score of each evaluation."""
        events = [*span.events, *self._events.get(span.span_id, ())]
        told = [each for name, each in events if name == _EVALUATED]
        return {
            str(each.get("gen_ai.evaluation.name")): each.get("gen_ai.evaluation.score.value")
            for each in told
        }


def is_call(attributes: Mapping[str, Any]) -> bool:
    """Whether a span with these attributes is a call of a model."""
    kind = attributes.get("openinference.span.kind")
    if (of_mlflow := attributes.get("mlflow.spanType")) is not None:
        return str(of_mlflow).strip('"') in ("CHAT_MODEL", "LLM")
    operation = attributes.get("gen_ai.operation.name") or attributes.get("llm.request.type")
    if kind is not None:
        return str(kind).upper() == "LLM"
    if operation is not None:
        return str(operation) in _CALLS
    return any(name in attributes for name in _MARKS)


def messages_in(
    attributes: Mapping[str, Any], events: Sequence[tuple[str, Mapping[str, Any]]]
) -> tuple[list[BaseMessage], list[AIMessage]]:
    """What was asked and what was replied, by whichever convention it was recorded.

    Example:
        >>> said = {"gen_ai.prompt.0.content": "6 * 7?", "gen_ai.completion.0.content": "42"}
        >>> asked, replies = messages_in(said, [])
        >>> asked[0].text, replies[0].text
        ('6 * 7?', '42')
    """
    details = [
        told
        for name, told in events
        if name in (_DETAILS, "gen_ai.content.prompt", "gen_ai.content.completion")
    ]
    asked: list[BaseMessage] = []
    replies: list[AIMessage] = []
    for place in (attributes, *details):
        asked = asked or conversation(place.get("gen_ai.input.messages"))
        asked = (
            asked
            or _indexed(place, "gen_ai.prompt.", "user")
            or _indexed(place, "llm.input_messages.", "user")
        )
        for name in ("gen_ai.prompt", "mlflow.spanInputs"):
            asked = asked or asked_in_inputs(place.get(name))
        replies = replies or _assistants(conversation(_as_replies(place.get("gen_ai.output.messages"))))
        replies = replies or _assistants(_indexed(place, "gen_ai.completion.", "assistant"))
        replies = replies or _assistants(_indexed(place, "llm.output_messages.", "assistant"))
        for name in ("gen_ai.completion", "mlflow.spanOutputs"):
            replies = replies or _completed(place.get(name))
    told = [(name, _event_body(body)) for name, body in events]
    if not asked:
        turns = ((_ROLE_EVENT.fullmatch(name), body) for name, body in told)
        spoken = [message_of({"role": found[1], **body}, "user") for found, body in turns if found]
        asked = [message for message in spoken if message is not None]
    if not replies:
        chosen = [
            message_of({"role": "assistant", **body}, "assistant") for name, body in told if name == _CHOICE
        ]
        replies = _assistants([message for message in chosen if message is not None])
    return asked, replies


def _completed(value: Any) -> list[AIMessage]:
    """The replies in the one attribute that older conventions have: a list of choices, or a run's outputs."""
    value = decoded(value)
    if isinstance(value, list):
        return _assistants(conversation(_as_replies(value)))
    return replies_in_outputs(value)


def _as_replies(value: Any) -> Any:
    """A list of messages in which those that do not say whose they are, are a model's."""
    value = decoded(value)
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return value
    return [
        {"role": "assistant", **(each if isinstance(each, Mapping) else {"content": each})} for each in value
    ]


def _assistants(messages: Sequence[BaseMessage]) -> list[AIMessage]:
    return [message for message in messages if isinstance(message, AIMessage)]


def _indexed(attributes: Mapping[str, Any], prefix: str, role: str) -> list[BaseMessage]:
    """Messages whose parts are attributes each: `gen_ai.prompt.0.role`, `gen_ai.prompt.0.content`."""
    parts: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        if name.startswith(prefix):
            index, _, rest = name[len(prefix) :].removeprefix("message.").partition(".")
            if index.isdecimal() and rest:
                _put(parts.setdefault(int(index), {}), rest.removeprefix("message.").split("."), value)
    listed = [message_of(_listed(parts[index]), role) for index in sorted(parts)]
    return [message for message in listed if message is not None]


def _put(into: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        inner = into.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        into = inner
    into[path[-1]] = value


def _listed(value: Any) -> Any:
    """Nested parts, in which numbered ones are a list."""
    if not isinstance(value, dict):
        return value
    value = {name: _listed(inner) for name, inner in value.items()}
    if value and all(name.isdecimal() for name in value):
        return [value[name] for name in sorted(value, key=int)]
    for inner in ("tool_call", "message_content"):  # as OpenInference wraps them
        if len(value) == 1 and isinstance(value.get(inner), dict):
            return value[inner]
    if "contents" in value and "content" not in value:
        value["content"] = value.pop("contents")
    return value


def _event_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The message of an event: its attributes, or what they hold as JSON."""
    for name in ("event.body", "body", "event_body"):
        inner = decoded(body.get(name))
        if isinstance(inner, Mapping):
            body = {**body, **inner}
    inner = decoded(body.get("message"))
    if isinstance(inner, str):
        return {**body, "content": inner, "message": None}
    return {**body, "message": inner} if isinstance(inner, Mapping) else dict(body)


def _usage(attributes: Mapping[str, Any]) -> Any:
    prefix = "gen_ai.usage."
    counts = {name[len(prefix) :]: value for name, value in attributes.items() if name.startswith(prefix)}
    counts.update({word: attributes[name] for name, word in _COUNTS.items() if name in attributes})
    return usage_in(counts) or usage_in(attributes.get("mlflow.chat.tokenUsage"))
