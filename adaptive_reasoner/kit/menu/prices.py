"""The `[prices]` of a menu: what a call to each source costs."""

from collections.abc import Mapping
from math import inf
from typing import Any, Literal

from adaptive_reasoner.errors import MenuError, UnpricedUsageError
from adaptive_reasoner.kit.menu.toml_tables import Amount, Entries, MenuTable
from adaptive_reasoner.models.listed_prices import ListedPrice
from adaptive_reasoner.models.metering import Meter, PriceMeter, SampleMeter, SecondsMeter, TokenMeter
from adaptive_reasoner.models.source import Source

_UNITS = "usd, tokens, samples, calls, seconds"


class _Prices(MenuTable):
    unit: str


class _TokenPrices(_Prices):
    counts: Literal["completion", "total"] = "completion"


class _ModelPrice(MenuTable):
    prompt: Amount | None = None
    completion: Amount | None = None
    cached: Amount | None = None
    written: Amount | None = None
    written_hourly: Amount | None = None


class _DollarPrices(_ModelPrice, _Prices):
    sources: Entries
    models: Entries
    listed: bool = False


def meters_of(entries: Any, sources: Mapping[str, Source]) -> Meter | dict[str, Meter]:
    """The meter of all sources, or of each by name.

    Raises:
        MenuError: An entry is unknown or wrong, or a source has no price.
        ImportError: Listed prices are asked for, and genai-prices is not installed.
    """
    if "unit" not in entries:
        if entries:
            raise MenuError(f"[prices] names no unit; known are {_UNITS}")
        return TokenMeter()
    match entries["unit"]:
        case "samples" | "calls" as unit:
            _Prices.read(entries, "prices")
            return SampleMeter(unit)
        case "seconds":
            _Prices.read(entries, "prices")
            return {name: _seconds(name, source) for name, source in sources.items()}
        case "tokens":
            return TokenMeter(counts=_TokenPrices.read(entries, "prices").counts)
        case "usd":
            return _dollars(entries, sources)
        case unit:
            raise MenuError(f"[prices] there is no unit {unit!r}; known are {_UNITS}")


def _seconds(name: str, source: Source) -> Meter:
    if source.timeout == inf:
        raise MenuError(f"[sources.{name}] needs a timeout: in seconds, that is what a lost call costs")
    return SecondsMeter(most=source.timeout)


def _dollars(entries: Any, sources: Mapping[str, Source]) -> dict[str, Meter]:
    table = _DollarPrices.read(entries, "prices")
    for name in table.sources:
        if name not in sources:
            raise MenuError(
                f"[prices.sources.{name}] there is no such source; known are {', '.join(sources)}"
            )
    shared = {name: price for name, price in entries.items() if name in _ModelPrice.model_fields}
    meters: dict[str, Meter] = {}
    for name, source in sources.items():
        model = str(getattr(source.model, "model", ""))
        named = next((known for known in (model, model.partition(":")[2]) if known in table.models), None)
        if name in table.sources:
            meters[name] = _price(table.sources[name], f"prices.sources.{name}", name)
        elif named is not None:
            meters[name] = _price(table.models[named], f"prices.models.{named}", name)
        elif table.listed and table.prompt is None:
            meters[name] = _listed(model, name)
        else:
            meters[name] = _price(shared, "prices", name)
    return meters


def _price(entries: Any, where: str, source: str) -> PriceMeter:
    table = _ModelPrice.read(entries, where)
    if table.prompt is None or table.completion is None:
        listed = "; listed = true takes the public price of its model" if where == "prices" else ""
        raise MenuError(
            f"[{where}] needs a price for prompt and for completion, for source {source!r}{listed}"
        )
    return PriceMeter(**table.model_dump())


def _listed(model: str, source: str) -> ListedPrice:
    try:
        return ListedPrice(model)
    except UnpricedUsageError as error:
        raise MenuError(f"[prices] source {source!r}: {error}") from error
