"""OTLP as JSON: its spans, and the events that are logged beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adaptive_reasoner.kit.importing.base import READ_AS_TABLE, those_in

_SPANS = ("resourceSpans", "resource_spans", "batches")  # the last one in Grafana Tempo's answers
_LOGS = ("resourceLogs", "resource_logs")


@dataclass(frozen=True)
class Span:
    """A span, in whichever form it was written.

    Attributes:
        span_id: Of its trace and of itself.
        attributes: By name.
        events: Name and attributes of each.
        error: What its status says went wrong.
        seconds: From begin to end.
    """

    span_id: str
    attributes: Mapping[str, Any]
    events: Sequence[tuple[str, Mapping[str, Any]]]
    error: str | None
    seconds: float | None


def spans_in(value: Mapping[str, Any]) -> Iterator[Span]:
    """The spans in a value of OTLP's JSON, a trace of Grafana Tempo included, or the one that it is.

    Raises:
        ValueError: It is neither.
    """
    whole = value.get("trace")
    resources = _first(whole if isinstance(whole, Mapping) else value, *_SPANS)
    if resources is not None:
        for scope in _each(resources, ("scopeSpans", "scope_spans", "instrumentationLibrarySpans")):
            for span in _listed(scope.get("spans")):
                yield _span(span)
    elif isinstance(data := value.get("data"), Mapping) and "spans" in data:  # a trace of MLflow
        for span in _listed(data["spans"]):
            yield _span(span)
    elif any(name.startswith("attributes.") for name in value):  # a row of a table of spans
        yield _span(_nested(value))
    elif "attributes" in value and ("context" in value or _first(value, "spanId", "span_id") is not None):
        yield _span(value)
    else:
        raise ValueError(
            f"there is no resourceSpans: not an export of OpenTelemetry; there are {those_in(value)}; "
            f"{READ_AS_TABLE}"
        )


def events_in(value: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The logged events in a value: the id of the span of each, its name and its attributes."""
    for scope in _each(_first(value, *_LOGS), ("scopeLogs", "scope_logs", "instrumentationLibraryLogs")):
        for record in _listed(_first(scope, "logRecords", "log_records")):
            attributes = _attributes(record.get("attributes"))
            name = _first(record, "eventName", "event_name") or attributes.get("event.name")
            body = _value(record.get("body"))
            if name:
                told = {**attributes, **(body if isinstance(body, Mapping) else {"body": body})}
                yield _span_id(record), str(name), told


def is_beside_spans(value: Mapping[str, Any]) -> bool:
    """Whether it holds logs or metrics."""
    return _first(value, *_LOGS, "resourceMetrics", "resource_metrics") is not None


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A span whose attributes and context are columns of their own."""
    span: dict[str, Any] = {"attributes": {}, "context": {}}
    for name, value in row.items():
        into, _, rest = name.partition(".")
        if rest and into in span and isinstance(span[into], dict):
            span[into][rest] = value
        elif name not in span:
            span[name] = value
    return span


def _flat(attributes: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, Any]]:
    """Attributes with those inside of them by their paths, as conventions name them."""
    for name, value in attributes.items():
        path = f"{under}{name}"
        yield path, value
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            for at, each in enumerate(value):
                yield from _flat(each, f"{path}.{at}.")


def _span(span: Mapping[str, Any]) -> Span:
    attributes = dict(_flat(_attributes(span.get("attributes"))))
    events = [
        (str(event.get("name")), _attributes(event.get("attributes")))
        for event in _listed(span.get("events"))
    ]
    status = span.get("status") if isinstance(span.get("status"), Mapping) else {}
    if not status and "status_code" in span:  # beside the span, as Phoenix has it
        status = {"code": span["status_code"], "message": span.get("status_message")}
    code = (status or {}).get("code", (status or {}).get("status_code"))
    said = (status or {}).get("message") or (status or {}).get("description")
    failed = code in (2, "2", "ERROR", "STATUS_CODE_ERROR")
    kind = attributes.get("error.type")
    words = [str(each) for each in (kind, said) if each]
    return Span(
        _span_id(span),
        attributes,
        events,
        (": ".join(words) or "the call failed") if failed else None,
        _took(span),
    )


def _span_id(record: Mapping[str, Any]) -> str:
    context = record.get("context") if isinstance(record.get("context"), Mapping) else record
    ids = (_first(context or {}, f"{kind}Id", f"{kind}_id") for kind in ("trace", "span"))
    return "-".join(str(each).removeprefix("0x") for each in ids if each)


def _took(span: Mapping[str, Any]) -> float | None:
    begin, end = (_first(span, f"{edge}TimeUnixNano", f"{edge}_time_unix_nano") for edge in ("start", "end"))
    try:
        if begin is not None and end is not None:
            return max(0.0, (int(end) - int(begin)) / 1e9)
        begin, end = (
            datetime.fromisoformat(str(span[f"{edge}_time"]).replace("Z", "+00:00"))
            for edge in ("start", "end")
        )
        return max(0.0, (end - begin).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _each(resources: Any, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for resource in _listed(resources):
        for name in names:
            yield from _listed(resource.get(name))


def _listed(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _first(value: Mapping[str, Any], *names: str) -> Any:
    return next((value[name] for name in names if name in value), None)


def _attributes(value: Any) -> dict[str, Any]:
    """Attributes by name: a list of keys with values, as OTLP has them, or a dict."""
    if isinstance(value, Mapping):
        return dict(value)
    pairs = value if isinstance(value, list) else []
    return {
        str(pair["key"]): _value(pair.get("value"))
        for pair in pairs
        if isinstance(pair, Mapping) and "key" in pair
    }


def _value(value: Any) -> Any:
    """A value of OTLP's JSON, as plain data."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    ((kind, inner),) = value.items()
    match kind.replace("_", "").lower():
        case "intvalue":
            return (
                int(inner) if isinstance(inner, str | int) and str(inner).lstrip("-").isdecimal() else inner
            )
        case "arrayvalue":
            return [_value(each) for each in _values_of(inner)]
        case "kvlistvalue":
            return _attributes(_values_of(inner))
        case "stringvalue" | "boolvalue" | "doublevalue" | "bytesvalue":
            return inner
        case _:
            return value


def _values_of(inner: Any) -> list[Any]:
    values = inner.get("values") if isinstance(inner, Mapping) else None
    return values if isinstance(values, list) else []
