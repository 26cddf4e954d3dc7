"""Decisions and bills as OpenTelemetry spans and metrics, through the API package alone."""

import threading
import time
from math import isfinite
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from typing_extensions import override

from adaptive_reasoner.reasoner.events import EVENT

try:
    from opentelemetry import metrics, trace
    from opentelemetry.trace import Span, Status, StatusCode
except ModuleNotFoundError as error:
    raise ImportError('telemetry needs OpenTelemetry: pip install "adaptive-reasoner[otel]"') from error

_NAME = "adaptive_reasoner"
_ATTRIBUTES = (
    *("action", "reason", "policy_id", "price", "expected_cost", "expected_accuracy", "worst_cost"),
    *("cost", "cost_unit", "samples", "agreement", "estimated", "run_id", "average", "target"),
)


class Telemetry(BaseCallbackHandler):
    """A callback handler that reports every question of a graph, an agent, a chain or a chat model.

    Give it where callbacks go: `graph.invoke(state, {"callbacks": [Telemetry()]})`. A question is a span
    `adaptive_reasoner.question` from its decision to its settlement, with price, expected and real cost. The
    metrics are the counter `adaptive_reasoner.questions` by action, whose ratios are the action shares, the
    histogram `adaptive_reasoner.cost`, and the gauges `adaptive_reasoner.average`, `.target` and `.price`.
    Where they go is up to the OpenTelemetry SDK of the application; without one nothing is recorded.

    Args:
        tracer_provider: Takes the place of the global one.
        meter_provider: Takes the place of the global one.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
        self._questions = meter.create_counter(f"{_NAME}.questions", description="Answers settled, by action")
        self._cost = meter.create_histogram(f"{_NAME}.cost", description="Real cost of an answer")
        self._gauges = {
            "average": meter.create_gauge(f"{_NAME}.average", description="Mean cost a question so far"),
            "target": meter.create_gauge(f"{_NAME}.target", description="Allowed mean cost a question"),
            "next_price": meter.create_gauge(
                f"{_NAME}.price", description="Accuracy a unit of cost must bring"
            ),
        }
        self._spans: dict[str, Span] = {}
        self._lock = threading.Lock()

    @override
    def on_custom_event(
        self,
        name: str,
        data: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a span at a decision; end it, and count, at the settlement or the failure."""
        if name != EVENT:
            return
        if data["event"] == "decision":
            span = self._tracer.start_span(f"{_NAME}.question", attributes=_attributes(data))
            with self._lock:
                self._spans[data["key"]] = span
            return
        with self._lock:
            ended = self._spans.pop(data["key"], None)
        if ended is not None:
            ended.set_attributes(_attributes(data))
            if data["event"] == "failed":
                ended.set_status(Status(StatusCode.ERROR, "no usable reply"))
            ended.end(time.time_ns())
        self._count(data)

    def _count(self, data: dict[str, Any]) -> None:
        of = {"action": data["action"], "cost_unit": data["cost_unit"], "outcome": data["event"]}
        self._questions.add(1, of)
        self._cost.record(data["cost"], of)
        for name, gauge in self._gauges.items():
            if data.get(name) is not None:
                gauge.set(data[name], {"cost_unit": data["cost_unit"]})


def _attributes(data: dict[str, Any]) -> dict[str, Any]:
    """What of an event a span can carry: no empty and no infinite values."""
    return {
        f"{_NAME}.{name}": data[name]
        for name in _ATTRIBUTES
        if data.get(name) is not None and not (isinstance(data[name], float) and not isfinite(data[name]))
    }
