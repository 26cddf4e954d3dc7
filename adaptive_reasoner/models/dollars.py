"""What a call costs in dollars: as its provider reports it, as declared, or by the public list of prices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Protocol, Self, runtime_checkable

from langchain_core.messages import AIMessage, BaseMessage

from adaptive_reasoner.amounts import written
from adaptive_reasoner.errors import UnpricedUsageError
from adaptive_reasoner.models.listed_prices import ListedPrice, listed_dollars
from adaptive_reasoner.models.metering import Meter, PriceTable, is_amount
from adaptive_reasoner.models.usage import Usage, model_of

_PROVIDERS = {
    "google_genai": "google",
    "google_vertexai": "google",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "azure_openai": "azure",
    "mistralai": "mistral",
    "xai": "x-ai",
}
"""What genai-prices calls the providers that LangChain's packages name; the others have one name."""

_CONTEXT = ("service_tier", "speed")


@runtime_checkable
class PricedByModel(Protocol):
    """A meter whose worst case depends on the model that is called."""

    def for_models(self, models: Iterable[str], settings: Mapping[str, Any]) -> Meter:
        """The meter of a call: the models that may answer it, the first one first, and its settings."""


@dataclass(frozen=True)
class DollarMeter:
    """Counts dollars, by the model that answers: what `meter="usd"` stands for.

    A reply costs what its provider reports with it (OpenRouter's `usage.cost`, LiteLLM's `response_cost`).
    Where it reports none, a declared price counts, and otherwise the public one that genai-prices lists: of
    input, cached, written, reasoning and audio tokens, by service tier, with steps for long contexts. No
    network is used. The worst case of a call is at the price of the most expensive model that may answer it.

    Args:
        prices: Prices of models, by name, in place of the listed ones.

    Example:
        >>> usage = {"input_tokens": 1_000_000, "output_tokens": 100_000, "total_tokens": 1_100_000}
        >>> reply = AIMessage("7", usage_metadata=usage, response_metadata={"model_name": "gpt-5-mini"})
        >>> DollarMeter().cost(reply, seconds=0.1)
        0.45
        >>> reply.response_metadata["token_usage"] = {"cost": 0.4}
        >>> DollarMeter().cost(reply, seconds=0.1)
        0.4
    """

    prices: Mapping[str, Meter] = field(default_factory=dict)
    cost_unit: str = field(default="usd", init=False)
    _models: tuple[str, ...] = field(default=(), init=False)
    _context: Mapping[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.prices:
            PriceTable(self.prices)  # refuses other units

    def for_models(self, models: Iterable[str], settings: Mapping[str, Any]) -> Self:
        """The meter of a call to one of some models."""
        called = replace(self)
        object.__setattr__(called, "_models", tuple(dict.fromkeys(name for name in models if name)))
        object.__setattr__(called, "_context", _context_of(settings))
        return called

    def cost(self, message: AIMessage, seconds: float) -> float:
        """Dollars of the reply.

        Raises:
            UnpricedUsageError: It has no usage, or its model no price.
        """
        reported = reported_cost(message)
        if reported is not None:
            return reported
        name = model_of(message) or next(iter(self._models), None)
        if name is None:
            raise UnpricedUsageError(
                "a reply does not name its model, so its price is unknown; meter it alone"
            )
        declared = self._declared(name)
        if declared is not None:
            return declared.cost(message, seconds)
        metadata = message.response_metadata
        provider = metadata.get("model_provider")
        context = {**self._context, **_context_of(metadata.get("usage")), **_context_of(metadata)}
        details: Mapping[str, Any] = message.usage_metadata or {}
        for kinds in (details.get("input_token_details"), details.get("output_token_details")):
            tiers = [tier for tier in ("flex", "priority") if tier in (kinds or {})]
            context |= {"service_tier": tiers[0]} if tiers else {}
        return self._listed(name, Usage.of(message), provider=provider, context=context)

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:
        """Dollars at the most expensive model that may answer.

        Raises:
            UnpricedUsageError: It is not known which model is called, or one of them has no price.
        """
        declared = [self._declared(name) for name in self._models] or list(self.prices.values())
        if not declared:
            raise UnpricedUsageError(
                "a model does not name itself, so the most that a call can cost is unknown; "
                "declare its price: PriceMeter(prompt=..., completion=...)"
            )
        meters = [
            ListedPrice(*_place(name, None), context=self._context) if meter is None else meter
            for name, meter in zip(self._models or self.prices, declared, strict=True)
        ]
        return max(meter.worst_cost(messages, max_tokens) for meter in meters)

    def _declared(self, name: str) -> Meter | None:
        if not self.prices:
            return None
        try:
            return PriceTable(self.prices).of(name)
        except UnpricedUsageError:
            return None

    @staticmethod
    def _listed(name: str, usage: Usage, *, provider: Any, context: Mapping[str, str]) -> float:
        model, seller = _place(name, provider if isinstance(provider, str) else None)
        return listed_dollars(model, seller, usage, context)


def meter_of(meter: Meter | type[Meter] | str | None) -> Meter | None:
    """A meter as it is given; `"usd"` is a `DollarMeter`.

    Raises:
        TypeError: It is another name, or a class.

    Example:
        >>> meter_of("usd").cost_unit
        'usd'
    """
    if meter == "usd":
        return DollarMeter()
    if isinstance(meter, str | type):
        given = f"the class {meter.__name__}" if isinstance(meter, type) else repr(meter)
        raise TypeError(
            f'a meter is "usd", or an object such as TokenMeter() or PriceMeter(...), not {given}'
        )
    return meter


def check_budgets(cost_unit: str, **budgets: float | None) -> None:
    """Refuse a budget of less than one token, which is meant in dollars.

    Raises:
        ValueError: There is one.

    Example:
        >>> check_budgets("tokens", run_budget=0.05)
        Traceback (most recent call last):
        ValueError: run_budget of 0.05 is less than one token; for dollars give meter="usd"
    """
    for name, budget in budgets.items():
        if cost_unit == "tokens" and budget is not None and 0 < budget < 1:
            raise ValueError(
                f'{name} of {written(budget)} is less than one token; for dollars give meter="usd"'
            )


def for_models(meter: Meter, models: Iterable[str], settings: Mapping[str, Any]) -> Meter:
    """A meter as it prices a call of some models; the meter itself where that makes no difference."""
    return meter.for_models(models, settings) if isinstance(meter, PricedByModel) else meter


def reported_cost(message: AIMessage) -> float | None:
    """The dollars that a provider or gateway reports with a reply; None where it reports none.

    Example:
        >>> reported_cost(AIMessage("7", response_metadata={"usage": {"cost": 0.0021}}))
        0.0021
    """
    metadata = message.response_metadata
    for usage in (metadata.get("token_usage"), metadata.get("usage")):
        if isinstance(usage, Mapping) and (cost := _dollars(usage.get("cost"))) is not None:
            own_key = (
                usage.get("cost_details") if usage.get("is_byok") else None
            )  # then the provider bills as well
            upstream = own_key.get("upstream_inference_cost") if isinstance(own_key, Mapping) else None
            return cost + (_dollars(upstream) or 0.0)
    places = (metadata, message.additional_kwargs)
    found = [place.get(name) for name in ("cost", "response_cost") for place in places]
    for place in places:
        hidden = (place.get(name) for name in ("_hidden_params", "hidden_params"))
        found += [each.get("response_cost") for each in hidden if isinstance(each, Mapping)]
    headers = metadata.get("headers")
    if isinstance(headers, Mapping):
        found.append(headers.get("x-litellm-response-cost"))
    return next((cost for each in found if (cost := _dollars(each)) is not None), None)


def _dollars(value: Any) -> float | None:
    """A number of dollars, which a header gives as text; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not is_amount(value) or not isfinite(value):
        return None
    return float(value)


def _context_of(context: Any) -> dict[str, str]:
    """What a price may depend on besides tokens, as settings or a reply tell it."""
    if not isinstance(context, Mapping):
        return {}
    return {name: context[name] for name in _CONTEXT if isinstance(context.get(name), str)}


def _place(name: str, provider: str | None) -> tuple[str, str | None]:
    """A model and who sells it, as genai-prices names them."""
    maker, _, rest = name.partition(":")
    if rest and maker in (*_PROVIDERS, "openai", "anthropic", "groq", "deepseek"):
        name, provider = rest, provider or maker
    if provider is not None:
        provider = (
            "openrouter" if provider == "openai" and "/" in name else _PROVIDERS.get(provider, provider)
        )
    return name, provider
