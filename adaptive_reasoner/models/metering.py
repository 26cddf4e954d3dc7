"""What a call costs: read its usage, put it in the declared unit, never guess 0."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, ClassVar, Literal, Protocol

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata

from adaptive_reasoner.amounts import given
from adaptive_reasoner.errors import ImpossibleUsageError, UnpricedUsageError
from adaptive_reasoner.lazy_pattern import pattern
from adaptive_reasoner.models.finish_reasons import without_repeats
from adaptive_reasoner.models.prompt_bound import most_prompt_tokens
from adaptive_reasoner.models.usage import Usage, model_of

UNDECLARED_MAX_TOKENS = 4096
"""What a lost call is billed at when neither its source nor the model's profile bounds the reply."""

_DATE = pattern(r"(?:-\d{4}-\d{2}-\d{2}|-\d{8}|-\d{4}|-latest)$")


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

    def __post_init__(self) -> None:
        if self.counts not in ("completion", "total"):
            raise ValueError(f'a TokenMeter counts "completion" or "total" tokens, not {self.counts!r}')

    @property
    def counts_prompt(self) -> bool:
        """Whether the tokens of the prompt count."""
        return self.counts == "total"

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
        cached: Price of input tokens read from the provider's cache; by default `prompt`.
        written: Price of input tokens written to it; by default `prompt`.
        written_hourly: Price of those that are kept for an hour; by default `written`.

    Example:
        >>> usage = {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200}
        >>> PriceMeter(prompt=0.5, completion=2.0).cost(AIMessage("7", usage_metadata=usage), seconds=0.1)
        0.0009
    """

    prompt: float
    completion: float
    cached: float | None = None
    written: float | None = None
    written_hourly: float | None = None
    cost_unit: str = "usd"

    def __post_init__(self) -> None:
        for price in (self.prompt, self.completion, self.cached, self.written, self.written_hourly):
            if price is not None and not (math.isfinite(price) and price >= 0):
                raise ValueError(
                    f"a price per million tokens is a finite number of at least 0, not {given(price)}"
                )

    def cost(self, message: AIMessage, seconds: float) -> float:  # noqa: ARG002
        """Dollars of the reply."""
        usage = Usage.of(message)
        cached = self.prompt if self.cached is None else self.cached
        micro_dollars = (
            (usage.prompt_tokens - usage.cached_tokens - usage.written_tokens) * self.prompt
            + usage.cached_tokens * cached
            + (usage.written_tokens - usage.written_hourly_tokens) * self._written
            + usage.written_hourly_tokens * self._written_hourly
            + usage.completion_tokens * self.completion
        )
        return micro_dollars / 1e6

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:
        """Dollars for one prompt token per byte, at the highest price, and `max_tokens` output tokens."""
        highest = max(self.prompt, self.cached or 0.0, self._written, self._written_hourly)
        prompt = most_prompt_tokens(messages) * highest if highest else 0.0  # a prompt may have no bound
        return (prompt + max_tokens * self.completion) / 1e6

    @property
    def _written(self) -> float:
        return self.prompt if self.written is None else self.written

    @property
    def _written_hourly(self) -> float:
        return self._written if self.written_hourly is None else self.written_hourly


@dataclass(frozen=True)
class PriceTable:
    """Counts dollars by the model that answered, for menus and flows over several models.

    A dated name (`gpt-5-mini-2025-08-07`) has the price of the undated one.

    Args:
        prices: The price of each model, by name.

    Example:
        >>> table = PriceTable({"small": PriceMeter(0.5, 2.0), "large": PriceMeter(5.0, 20.0)})
        >>> usage = {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200}
        >>> reply = AIMessage("7", usage_metadata=usage, response_metadata={"model_name": "large-2026-01-31"})
        >>> table.cost(reply, seconds=0.1)
        0.009
    """

    prices: Mapping[str, "Meter"]
    cost_unit: str = "usd"

    def __post_init__(self) -> None:
        if not self.prices:
            raise ValueError("a price table needs at least one model")
        for name, meter in self.prices.items():
            if not hasattr(meter, "cost_unit"):
                raise TypeError(
                    f"the price of model {name!r} is a meter such as "
                    f"PriceMeter(prompt=0.25, completion=2.0), in dollars per million tokens, not {meter!r}"
                )
            if meter.cost_unit != self.cost_unit:
                raise ValueError(f"model {name!r} is priced in {meter.cost_unit!r}, not {self.cost_unit!r}")

    def cost(self, message: AIMessage, seconds: float) -> float:
        """Dollars of the reply.

        Raises:
            UnpricedUsageError: It does not say which model wrote it, or that model has no price.
        """
        return self.of(model_of(message)).cost(message, seconds)

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:
        """Dollars at the most expensive model."""
        return max(meter.worst_cost(messages, max_tokens) for meter in self.prices.values())

    def of(self, model: str | None) -> "Meter":
        """The price of a model.

        Raises:
            UnpricedUsageError: It has none.
        """
        if model is None:
            raise UnpricedUsageError(
                "a reply does not name its model, so its price is unknown; meter it alone"
            )
        once = without_repeats(model)
        undated = _DATE.sub("", once)
        for known in (model, _DATE.sub("", model), once, undated):
            if known in self.prices:
                return self.prices[known]
        raise UnpricedUsageError(
            f"model {once!r} has no price; known are {', '.join(self.prices)}. "
            f"Declare it: [prices.models.{undated!r}] with prompt and completion"
        )


@dataclass(frozen=True)
class SecondsMeter:
    """Counts the seconds that calls take.

    Args:
        most: What a lost call counts: the timeout of the calls.

    Example:
        >>> SecondsMeter(most=60).cost(AIMessage("7"), seconds=0.8)
        0.8
    """

    most: float
    cost_unit: str = "seconds"
    counts_prompt: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.most < math.inf:
            raise ValueError(f"a call takes at most a finite number of seconds above 0, not {self.most}")

    def cost(self, message: AIMessage, seconds: float) -> float:  # noqa: ARG002
        """Seconds from request to reply, at most `most`."""
        return min(seconds, self.most)

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:  # noqa: ARG002
        """`most`."""
        return self.most


@dataclass(frozen=True)
class SampleMeter:
    """Counts calls, each 1: for models that report no usage, or where calls are what is paid for.

    The unit is `samples`; say `calls` where retries, judges and cascades make it more than samples.
    """

    cost_unit: str = "samples"
    counts_prompt: ClassVar[bool] = False

    def cost(self, message: AIMessage, seconds: float) -> float:  # noqa: ARG002
        """1."""
        return 1.0

    def worst_cost(self, messages: Sequence[BaseMessage], max_tokens: int) -> float:  # noqa: ARG002
        """1."""
        return 1.0


def counts_prompt(meter: Meter) -> bool:
    """Whether the prompt of a call adds to its cost; so it is taken to be, unless a meter says it does not.

    Example:
        >>> counts_prompt(TokenMeter()), counts_prompt(TokenMeter(counts="total"))
        (False, True)
    """
    return bool(getattr(meter, "counts_prompt", True))


def cost_or_worst(
    meter: Meter, message: AIMessage, seconds: float, worst: Callable[[], float]
) -> tuple[float, bool]:
    """What a reply cost, and whether that is the worst case of its call, since its usage cannot be.

    Args:
        meter: What calls cost.
        message: The reply.
        seconds: How long it took.
        worst: Works out the worst case, where it is needed.

    Raises:
        UnpricedUsageError: The reply has no usage, or its model no price, or the meter failed.

    Example:
        >>> usage = {"input_tokens": 10, "output_tokens": -5, "total_tokens": 5}
        >>> cost_or_worst(TokenMeter(), AIMessage("7", usage_metadata=usage), 0.1, lambda: 50.0)
        (50.0, True)
    """
    try:
        cost: Any = meter.cost(message, seconds)
    except ImpossibleUsageError:
        return worst(), True
    except UnpricedUsageError:
        raise
    except Exception as error:
        failed = f"{type(error).__name__}: {error}"
        raise UnpricedUsageError(f"{type(meter).__name__} cannot price a reply: {failed}") from error
    if isinstance(cost, Decimal):
        cost = float(cost)
    return (cost, False) if is_amount(cost) and math.isfinite(cost) else (worst(), True)


def prompt_cost(meter: Meter, message: AIMessage, seconds: float) -> float:
    """The part of a call's cost that its prompt made: what further samples of the same request do not pay.

    Example:
        >>> usage = {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200}
        >>> reply = AIMessage("7", usage_metadata=usage)
        >>> prompt_cost(PriceMeter(prompt=0.5, completion=2.0), reply, seconds=0.1)
        0.0005
        >>> prompt_cost(TokenMeter(), reply, seconds=0.1), prompt_cost(SampleMeter(), reply, seconds=0.1)
        (0.0, 0.0)
    """
    usage = Usage.known(message)
    if usage is None or not usage.completion_tokens:
        return 0.0
    reply_alone = UsageMetadata(
        input_tokens=0,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.completion_tokens,
        output_token_details={"reasoning": usage.reasoning_tokens},
    )
    without = message.model_copy(update={"usage_metadata": reply_alone})
    return max(0.0, meter.cost(message, seconds) - meter.cost(without, seconds))


def is_amount(value: Any) -> bool:
    """Whether something is a number of at least 0; numpy's numbers count.

    Example:
        >>> is_amount(0.5), is_amount("cheap"), is_amount(-1), is_amount(float("nan"))
        (True, False, False, False)
    """
    return isinstance(value, Real) and float(value) >= 0
