"""What a call costs: read its usage, put it in the declared unit, never guess 0."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from langchain_core.messages import AIMessage, BaseMessage

from adaptive_reasoner.errors import UnpricedUsageError

UNDECLARED_MAX_TOKENS = 4096
"""What a lost call is billed at when neither its source nor the model's profile bounds the reply."""

_TOKENS_PER_MESSAGE = 16


@dataclass(frozen=True)
class Usage:
    """Tokens of one call, as the provider counted them.

    Attributes:
        prompt_tokens: All input tokens, the cached ones included.
        completion_tokens: All output tokens, the reasoning ones included.
        reasoning_tokens: Output tokens that were hidden reasoning.
        cached_tokens: Input tokens read from the provider's prompt cache.
    """

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0
    cached_tokens: int = 0

    @classmethod
    def of(cls, message: AIMessage) -> Self:
        """Read the usage of a reply.

        Raises:
            UnpricedUsageError: The reply has none, so its cost is unknown.
        """
        usage = message.usage_metadata
        if not usage or not usage["total_tokens"]:
            model = message.response_metadata.get("model_name", "the model")
            raise UnpricedUsageError(
                f"a reply of {model} carries no token usage, so its cost is unknown; "
                "let the endpoint report usage (stream_usage=True where replies are streamed), "
                "or count calls with SampleMeter()"
            )
        return cls(
            prompt_tokens=usage["input_tokens"],
            completion_tokens=usage["output_tokens"],
            reasoning_tokens=usage.get("output_token_details", {}).get("reasoning", 0) or 0,
            cached_tokens=usage.get("input_token_details", {}).get("cache_read", 0) or 0,
        )


class Meter(Protocol):
    """Turns calls into costs of one unit."""

    @property
    def cost_unit(self) -> str:
        """The unit: `usd`, `tokens`, `samples`, or any name of one's own."""

    def cost(self, message: AIMessage, seconds: float) -> float:
        """What a finished call cost; raises UnpricedUsageError where that cannot be known."""

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:
        """The most that a call can cost: what is billed when its reply is lost."""


@dataclass(frozen=True)
class TokenMeter:
    """Counts tokens: those generated (`completion`), or those and the prompt's (`total`).

    Example:
        >>> reply = AIMessage("7", usage_metadata={"input_tokens": 9, "output_tokens": 2, "total_tokens": 11})
        >>> TokenMeter().cost(reply, seconds=0.1), TokenMeter(counts="total").cost(reply, seconds=0.1)
        (2.0, 11.0)
    """

    counts: Literal["completion", "total"] = "completion"
    cost_unit: str = "tokens"

    def cost(self, message: AIMessage, seconds: float) -> float:  # noqa: ARG002
        """Tokens of the reply."""
        usage = Usage.of(message)
        return float(usage.completion_tokens + (usage.prompt_tokens if self.counts == "total" else 0))

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:
        """`max_tokens`, and for `total` as many prompt tokens as the prompt has bytes."""
        return float(max_tokens + (most_prompt_tokens(messages) if self.counts == "total" else 0))


@dataclass(frozen=True)
class PriceMeter:
    """Counts dollars at declared prices, each per million tokens.

    Args:
        prompt: Price of input tokens.
        completion: Price of output tokens, reasoning included.
        cached: Price of input tokens read from the provider's cache; `prompt` where not given.

    Example:
        >>> usage = {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200}
        >>> PriceMeter(prompt=0.5, completion=2.0).cost(AIMessage("7", usage_metadata=usage), seconds=0.1)
        0.0009
    """

    prompt: float
    completion: float
    cached: float | None = None
    cost_unit: str = "usd"

    def __post_init__(self) -> None:
        for price in (self.prompt, self.completion, self.cached or 0.0):
            if not math.isfinite(price) or price < 0:
                raise ValueError(f"a price per million tokens is a finite number of at least 0, not {price}")

    def cost(self, message: AIMessage, seconds: float) -> float:  # noqa: ARG002
        """Dollars of the reply."""
        usage = Usage.of(message)
        cached = self.prompt if self.cached is None else self.cached
        fresh_tokens = usage.prompt_tokens - usage.cached_tokens
        micro_dollars = (
            fresh_tokens * self.prompt
            + usage.cached_tokens * cached
            + usage.completion_tokens * self.completion
        )
        return micro_dollars / 1e6

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:
        """Dollars for as many prompt tokens as the prompt has bytes, and `max_tokens`."""
        return (most_prompt_tokens(messages) * self.prompt + max_tokens * self.completion) / 1e6


@dataclass(frozen=True)
class SampleMeter:
    """Counts calls, each 1: for models that report no usage, or where calls are what is paid for."""

    cost_unit: str = "samples"

    def cost(self, message: AIMessage, seconds: float) -> float:  # noqa: ARG002
        """1."""
        return 1.0

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:  # noqa: ARG002
        """1."""
        return 1.0


def most_prompt_tokens(messages: Sequence[BaseMessage]) -> int:
    """A bound on the tokens of a prompt that needs no tokenizer: a token is at least one byte."""
    return sum(len(message.text.encode()) + _TOKENS_PER_MESSAGE for message in messages)
