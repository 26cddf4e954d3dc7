"""Prices of hosted models from genai-prices: `pip install 'adaptive-reasoner[prices]'`."""

from collections.abc import Sequence
from dataclasses import dataclass
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

    def __post_init__(self) -> None:
        self._dollars(Usage(1, 1))

    def cost(self, message: AIMessage, seconds: float) -> float:  # noqa: ARG002
        """Dollars of the reply."""
        return self._dollars(Usage.of(message))

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:
        """Dollars for as many prompt tokens as the prompt has bytes, at their dearest, and `max_tokens`."""
        bound = most_prompt_tokens(messages)
        if not isfinite(bound):
            return inf
        prompt = ceil(bound)
        kept = (
            Usage(prompt, max_tokens, written_tokens=prompt, written_hourly_tokens=hourly)
            for hourly in (0, prompt)
        )
        return max(self._dollars(usage) for usage in (Usage(prompt, max_tokens), *kept))

    def _dollars(self, usage: Usage) -> float:
        with needs("listed prices need", "prices"):
            import genai_prices
        maker, _, rest = self.model.partition(":")
        name, provider = rest or self.model, self.provider or (maker if rest else None)
        details: dict[str, Any] = {
            "cache_read_tokens": usage.cached_tokens or None,
            "cache_write_tokens": usage.written_tokens or None,
            "cache_write_1h_tokens": usage.written_hourly_tokens or None,
        }
        counted = genai_prices.Usage(
            input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens, **details
        )
        try:
            price = genai_prices.calc_price(counted, name, provider_id=provider)
        except LookupError as error:
            raise UnpricedUsageError(
                f"genai-prices lists no price for model {self.model!r} ({error}); "
                f"declare it: [prices.models.{name!r}] with prompt and completion"
            ) from error
        return float(price.total_price)
