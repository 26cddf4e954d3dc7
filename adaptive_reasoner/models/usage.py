"""How many tokens a reply used: every provider's usage, read by one rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Self, cast

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from adaptive_reasoner.errors import AdaptiveReasonerError, ImpossibleUsageError, UnpricedUsageError

MOST_TOKENS = 10**9
"""No call uses more: a larger count is an error of whoever counted."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one call, as the provider counted them.

    Attributes:
        prompt_tokens: All input tokens, the cached ones included.
        completion_tokens: All output tokens, the reasoning ones included.
        reasoning_tokens: Output tokens that were hidden reasoning.
        cached_tokens: Input tokens read from the provider's prompt cache.
        written_tokens: Input tokens written to that cache, which some providers bill above the others.
        written_hourly_tokens: Those of them that are kept for an hour (Anthropic's more expensive writes).
        heard_tokens: Input tokens of sound.
        spoken_tokens: Output tokens of sound.
    """

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    written_hourly_tokens: int = 0
    heard_tokens: int = 0
    spoken_tokens: int = 0

    @classmethod
    def of(cls, message: AIMessage) -> Self:
        """Read the usage of a reply.

        Providers disagree on what their input and output counts include, so all that is billed is derived:

        - Cached tokens are part of the input, unless they exceed it or the total has exactly as many tokens
          more than input and output. Then they come on top of the input.
        - The output is what remains of the total after that input, if this is more than the output count:
          hidden reasoning is missing from it with some providers. Where reasoning alone exceeds the output
          count, the output is both together.

        Raises:
            UnpricedUsageError: The reply has none, so its cost is unknown.
            ImpossibleUsageError: It has one that cannot be: a count that is negative, missing or no whole
                number, more than `MOST_TOKENS`, or no output tokens beside an output.

        Example:
            >>> hidden = {"input_tokens": 32, "output_tokens": 9, "total_tokens": 135}
            >>> Usage.of(AIMessage("14", usage_metadata=hidden)).completion_tokens
            103
        """
        raw: Any = message.usage_metadata
        if not raw:
            model = model_of(message) or "the model"
            raise UnpricedUsageError(
                f"a reply of {model} carries no token usage, so its cost is unknown; "
                "let the endpoint report usage (stream_usage=True where replies are streamed), "
                "or count calls with SampleMeter()"
            )
        if not isinstance(raw, Mapping):
            raise _impossible(message, f"{raw!r} in place of token counts")
        try:
            usage = cls._read(raw)
        except _NoCountError as error:
            raise _impossible(message, str(error)) from None
        if not usage.prompt_tokens + usage.completion_tokens:
            raise _impossible(message, "0 tokens in all")
        if not usage.completion_tokens and _says_something(message):
            raise _impossible(message, "0 output tokens beside an output")
        return usage

    @classmethod
    def known(cls, message: AIMessage) -> Self | None:
        """The usage of a reply; None where it has none to rely on."""
        try:
            return cls.of(message)
        except UnpricedUsageError:
            return None

    @classmethod
    def _read(cls, raw: Mapping[str, Any]) -> Self:
        given, answered = _count(raw, "input_tokens"), _count(raw, "output_tokens")
        total = _count(raw, "total_tokens") if "total_tokens" in raw else 0
        read, spent = _details(raw, "input_token_details"), _details(raw, "output_token_details")
        cached, reasoning = _sum(read, "cache_read"), _sum(spent, "reasoning")
        # Anthropic's writes by lifetime; where these are given, `cache_creation` is 0 or their sum.
        short, hourly = (_sum(read, f"ephemeral_{life}_input_tokens") for life in ("5m", "1h"))
        created = _sum(read, "cache_creation")
        written = created if created == short + hourly else (created or short) + hourly
        beyond, beside = total - given - answered, cached + written
        if beside > given:
            given += beside
        elif beyond > 0 and beyond in (beside, cached, written):
            given += beyond
        return cls(
            prompt_tokens=given,
            completion_tokens=max(
                answered, total - given, answered + reasoning if reasoning > answered else 0
            ),
            reasoning_tokens=reasoning,
            cached_tokens=cached,
            written_tokens=written,
            written_hourly_tokens=hourly,
            heard_tokens=min(_sum(read, "audio"), given),
            spoken_tokens=min(_sum(spent, "audio"), answered),
        )


def readable_usage(message: AIMessage) -> UsageMetadata | None:
    """The usage of a reply in LangChain's form, with what `Usage` derives; None where it has none to rely on.

    Example:
        >>> hidden = {"input_tokens": 32, "output_tokens": 9, "total_tokens": 135}
        >>> readable_usage(AIMessage("14", usage_metadata=hidden))
        {'input_tokens': 32, 'output_tokens': 103, 'total_tokens': 135}
    """
    usage = Usage.known(message)
    if usage is None:
        return None
    raw: Mapping[str, Any] = message.usage_metadata or {}
    details = {
        name: {kind: count for kind, count in raw[name].items() if _is_count(count)}
        for name in ("input_token_details", "output_token_details")
        if raw.get(name)
    }
    counts = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    return cast("UsageMetadata", {**counts, **details})


def model_of(message: AIMessage) -> str | None:
    """The model that wrote a reply, by the name it gives itself."""
    metadata = message.response_metadata
    return metadata.get("model_name") or metadata.get("model")


class _NoCountError(AdaptiveReasonerError):
    """A number of tokens is negative or no integer."""


def _impossible(message: AIMessage, reported: str) -> ImpossibleUsageError:
    return ImpossibleUsageError(
        f"a reply of {model_of(message) or 'the model'} reports {reported}, which cannot be, so its cost is "
        "unknown; let the endpoint report usage, or count calls with SampleMeter()"
    )


def _says_something(message: AIMessage) -> bool:
    return bool(message.text.strip() or message.tool_calls or message.invalid_tool_calls)


def _is_count(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    number: Any = value
    return bool(0 <= number <= MOST_TOKENS and number == int(number))


def _count(counts: Mapping[str, Any], name: str) -> int:
    value: Any = counts.get(name)
    if not _is_count(value):
        raise _NoCountError(f"{name} of {value!r:.40}")
    return int(value)


def _details(counts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    details = counts.get(name) or {}
    if not isinstance(details, Mapping):
        raise _NoCountError(f"{name} of {details!r:.40}")
    return details


def _sum(details: Mapping[str, Any], kind: str) -> int:
    """Tokens of a kind; OpenAI names them by service tier too (`flex_cache_read`)."""
    names = [name for name in details if str(name).endswith(kind) and details[name] is not None]
    return sum(_count(details, name) for name in names)
