"""Prices of hosted models from genai-prices: `pip install 'adaptive-reasoner[prices]'`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, inf, isfinite
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from adaptive_reasoner.errors import UnpricedUsageError, needs
from adaptive_reasoner.models.prompt_bound import most_prompt_tokens
from adaptive_reasoner.models.usage import Usage


@dataclass(frozen=True)
class ListedPrice:
    """Counts dollars at the public price of a model, as genai-prices lists it; no network is used.

    The list knows tiers, cached and written tokens. It may be older than the provider's last change of
    prices: declare your own with `PriceMeter` where that matters.

    Args:
        model: Name of the model, with or without its provider (`"openai:gpt-5-mini"`).
        provider: Whose price, where several sell the model.
        context: What the price depends on besides tokens: `service_tier`, `speed`.

    Raises:
        ImportError: genai-prices is not installed.
        UnpricedUsageError: The list does not know the model.

    Example:
        >>> usage = {"input_tokens": 1_000_000, "output_tokens": 100_000, "total_tokens": 1_100_000}
        >>> ListedPrice("openai:gpt-4o-mini").cost(AIMessage("7", usage_metadata=usage), seconds=0.1)
        0.21
    """

    model: str
    provider: str | None = None
    cost_unit: str = "usd"
    context: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._dollars(Usage(1, 1))

    def cost(self, message: AIMessage, seconds: float) -> float:  # noqa: ARG002
        """Dollars of the reply."""
        return self._dollars(Usage.of(message))

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:
        """Dollars for one prompt token per byte, at the highest price, and `max_tokens` output tokens."""
        bound = most_prompt_tokens(messages)
        if not isfinite(bound):
            return inf
        prompt = ceil(bound)
        kinds = [Usage(prompt, max_tokens)]
        kinds += [
            Usage(prompt, max_tokens, written_tokens=prompt, written_hourly_tokens=hourly)
            for hourly in (0, prompt)
        ]
        if any(_has_sound(message) for message in messages):
            kinds.append(Usage(prompt, max_tokens, heard_tokens=prompt, spoken_tokens=max_tokens))
        return max(self._dollars(usage) for usage in kinds)

    def _dollars(self, usage: Usage) -> float:
        maker, _, rest = self.model.partition(":")
        provider = self.provider or (maker if rest else None)
        return listed_dollars(rest or self.model, provider, usage, self.context)


def listed_dollars(model: str, provider: str | None, usage: Usage, context: Mapping[str, str]) -> float:
    """What tokens of a model cost by the list.

    Args:
        model: Its name.
        provider: Who sells it; None for whoever the list finds by the name.
        usage: The tokens.
        context: What the price depends on besides: `service_tier`, `speed`.

    Raises:
        ImportError: genai-prices is not installed.
        UnpricedUsageError: The list does not know the model.
    """
    with needs("listed prices need", "prices"):
        import genai_prices
    details: dict[str, Any] = {
        "cache_read_tokens": usage.cached_tokens or None,
        "cache_write_tokens": usage.written_tokens or None,
        "cache_write_1h_tokens": usage.written_hourly_tokens or None,
        "input_audio_tokens": usage.heard_tokens or None,
        "output_audio_tokens": usage.spoken_tokens or None,
        "output_reasoning_tokens": (not usage.spoken_tokens and usage.reasoning_tokens) or None,
    }
    if usage.heard_tokens:  # nobody reports how much of the sound was cached: as little as there must be
        for kind, tokens in (("read", usage.cached_tokens), ("write", usage.written_tokens)):
            overlap = max(0, usage.heard_tokens + tokens - usage.prompt_tokens)
            details[f"cache_audio_{kind}_tokens"] = overlap if tokens else None
    counted = genai_prices.Usage(
        input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens, **details
    )
    try:
        price = genai_prices.calc_price(counted, model, provider_id=provider, price_context=context or None)
    except LookupError as error:
        raise UnpricedUsageError(
            f"genai-prices lists no price for model {model!r} ({error}); "
            f"declare it: [prices.models.{model!r}] with prompt and completion, "
            f"or DollarMeter({{{model!r}: PriceMeter(prompt=..., completion=...)}})"
        ) from error
    return float(price.total_price)


def _has_sound(message: BaseMessage) -> bool:
    blocks = message.content if isinstance(message.content, list) else []
    return any(isinstance(block, dict) and "audio" in str(block.get("type")) for block in blocks)
