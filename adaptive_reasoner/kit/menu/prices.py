"""The `[prices]` of a menu: what a call to each source costs."""

from collections.abc import Mapping
from math import inf

from adaptive_reasoner.errors import MenuError, UnpricedUsageError
from adaptive_reasoner.kit.menu.toml_entries import NUMBER, Entries, entries_of
from adaptive_reasoner.models.listed_prices import ListedPrice
from adaptive_reasoner.models.metering import Meter, PriceMeter, SampleMeter, SecondsMeter, TokenMeter
from adaptive_reasoner.models.source import Source

_UNITS = "usd, tokens, samples, calls, seconds"
_PER_MILLION = dict.fromkeys(("prompt", "completion", "cached", "written", "written_hourly"), NUMBER)


def meters_of(entries: Entries, sources: Mapping[str, Source]) -> Meter | dict[str, Meter]:
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
            entries_of(entries, "prices", unit=str)
            return SampleMeter(unit)
        case "seconds":
            entries_of(entries, "prices", unit=str)
            return {name: _seconds(name, source) for name, source in sources.items()}
        case "tokens":
            counts = entries_of(entries, "prices", unit=str, counts=str).get("counts", "completion")
            if counts not in ("completion", "total"):
                raise MenuError(f"[prices] counts is {counts!r}; known are completion, total")
            return TokenMeter(counts=counts)
        case "usd":
            return _dollars(entries, sources)
        case unit:
            raise MenuError(f"[prices] there is no unit {unit!r}; known are {_UNITS}")


def _seconds(name: str, source: Source) -> Meter:
    if source.timeout == inf:
        raise MenuError(f"[sources.{name}] needs a timeout: in seconds, that is what a lost call costs")
    return SecondsMeter(most=source.timeout)


def _dollars(entries: Entries, sources: Mapping[str, Source]) -> dict[str, Meter]:
    given = entries_of(entries, "prices", unit=str, sources=dict, models=dict, listed=bool, **_PER_MILLION)
    own, models = given.pop("sources", {}), given.pop("models", {})
    for name in own:
        if name not in sources:
            raise MenuError(
                f"[prices.sources.{name}] there is no such source; known are {', '.join(sources)}"
            )
    meters: dict[str, Meter] = {}
    for name, source in sources.items():
        model = str(getattr(source.model, "model", ""))
        named = next((known for known in (model, model.partition(":")[2]) if known in models), None)
        if name in own:
            meters[name] = _price(own[name], f"prices.sources.{name}", name)
        elif named is not None:
            meters[name] = _price(models[named], f"prices.models.{named}", name)
        elif "prompt" not in given and given.get("listed"):
            meters[name] = _listed(model, name)
        else:
            shared = {key: value for key, value in given.items() if key in _PER_MILLION}
            meters[name] = _price(shared, "prices", name)
    return meters


def _price(entries: Entries, where: str, source: str) -> PriceMeter:
    price = entries_of(entries, where, **_PER_MILLION)
    if not {"prompt", "completion"} <= set(price):
        raise MenuError(f"[{where}] needs a price for prompt and for completion, for source {source!r}")
    try:
        return PriceMeter(**price)
    except ValueError as error:
        raise MenuError(f"[{where}] {error}") from error


def _listed(model: str, source: str) -> ListedPrice:
    try:
        return ListedPrice(model)
    except UnpricedUsageError as error:
        raise MenuError(f"[prices] source {source!r}: {error}") from error
