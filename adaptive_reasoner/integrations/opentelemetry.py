"""Decisions and bills as OpenTelemetry spans and metrics, through the API package alone."""

import threading
import time
from math import isfinite
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from typing_extensions import override

from adaptive_reasoner.reasoner.events import EVENT

try:
    from opentelemetry import metrics, trace
    from opentelemetry.context import Context, attach, get_current
    from opentelemetry.trace import Span, Status, StatusCode
except ModuleNotFoundError as error:
    raise ImportError('telemetry needs OpenTelemetry: pip install "adaptive-reasoner[otel]"') from error

_NAME = "adaptive_reasoner"
_ATTRIBUTES = (
    *("action", "reason", "policy_id", "price", "expected_cost", "expected_accuracy", "worst_cost"),
    *("cost", "cost_unit", "samples", "agreement", "estimated", "run_id", "average", "target"),
    *("budget", "share", "spent", "wanted", "left", "ends_with", "propensity"),
    *("series", "direction", "before", "now", "seen", "since", "taken_over"),
)


_COSTS = tuple(digit * 10.0**power for power in range(-6, 6) for digit in (1.0, 2.0, 5.0))
"""Bucket boundaries for costs, from a millionth of a dollar to hundreds of thousands of tokens."""

_TOKENS = tuple(4.0**power for power in range(14))
"""Bucket boundaries for tokens, as the conventions have them."""

_CONVERSATION = ("thread_id", "conversation_id", "session_id")


class Telemetry(BaseCallbackHandler):
    """A callback handler that reports every question of a graph, an agent, a chain or a chat model.

    Give it where callbacks go: `graph.invoke(state, {"callbacks": [Telemetry()]})`. A question is a span
    `adaptive_reasoner.question` from its decision to its settlement, with price, expected and real cost. It
    is the current span while its calls run, so that what traces those has it as their parent. It also carries
    OpenTelemetry's names for generative models: `gen_ai.operation.name`, `gen_ai.provider.name`,
    `gen_ai.request.model`, `gen_ai.response.model`, `gen_ai.usage.input_tokens` and `.output_tokens` of all
    calls, `gen_ai.conversation.id` (the thread), and `error.type`.

    The metrics are the counter `adaptive_reasoner.questions` by action, whose ratios are the action shares,
    the histograms `adaptive_reasoner.cost` and `gen_ai.client.token.usage`, the gauges
    `adaptive_reasoner.average`, `.target` and `.price`, and the counters `adaptive_reasoner.budget_events` of
    runs whose budget is nearly or all used up, and `adaptive_reasoner.alarms` of outcomes that have changed.
    Where they go is up to the OpenTelemetry SDK of the application; without one nothing is recorded.

    Args:
        tracer_provider: Takes the place of the global one.
        meter_provider: Takes the place of the global one.
    """

    run_inline = True  # in the context of the calls, where the span becomes the current one

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
        self._questions = meter.create_counter(
            f"{_NAME}.questions", "{question}", description="Answers settled, by action"
        )
        self._cost = meter.create_histogram(
            f"{_NAME}.cost",
            "{cost}",
            description="Real cost of an answer, in the unit that cost_unit names",
            explicit_bucket_boundaries_advisory=_COSTS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            description="Tokens used by the calls of an answer",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._budgets = meter.create_counter(
            f"{_NAME}.budget_events", "{event}", description="Runs whose budget is nearly, or all, used up"
        )
        self._alarms = meter.create_counter(
            f"{_NAME}.alarms", "{alarm}", description="Outcomes that have changed, by series"
        )
        gauges = {
            "average": ("average", "{cost}", "Mean cost per question so far"),
            "target": ("target", "{cost}", "Allowed mean cost per question"),
            "next_price": ("price", "1/{cost}", "Accuracy a unit of cost must bring"),
        }
        self._gauges = {
            field: meter.create_gauge(f"{_NAME}.{name}", unit, description=says)
            for field, (name, unit, says) in gauges.items()
        }
        self._open: dict[str, tuple[Span, Context]] = {}  # by key, with what was current before
        self._called: dict[UUID, dict[str, str]] = {}  # models that were called outside of a question
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
            self._begin(data, {**self._called.get(run_id, {}), **_asked_of(metadata)})
        elif data["event"] in ("settled", "failed"):
            self._end(data)
            self._count(data)
        else:
            if data["event"] == "alarm":
                self._alarms.add(1, {name: data[name] for name in ("series", "direction", "policy_id")})
            elif data["event"] != "quality":
                self._budgets.add(1, {"event": data["event"], "cost_unit": data["cost_unit"]})
            trace.get_current_span().add_event(f"{_NAME}.{data['event']}", _attributes(data))

    @override
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """The model of the question whose span is current here; of a chat model of ours, it comes before."""
        span = trace.get_current_span()
        with self._lock:
            ours = any(span is open_span for open_span, _ in self._open.values())
        if ours:
            span.set_attributes(_asked_of(metadata))
        else:
            self._called[run_id] = _asked_of(metadata)

    @override
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """A call has ended."""
        self._called.pop(run_id, None)

    @override
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A call has failed."""
        self._called.pop(run_id, None)

    def _begin(self, data: dict[str, Any], asked: dict[str, str]) -> None:
        attributes = {**_attributes(data), "gen_ai.operation.name": "chat", **asked}
        span, before = self._tracer.start_span(f"{_NAME}.question", attributes=attributes), get_current()
        with self._lock:
            self._open[data["key"]] = span, before
        attach(trace.set_span_in_context(span))

    def _end(self, data: dict[str, Any]) -> None:
        usage = data.get("usage") or {}
        used = {kind: usage[f"{kind}_tokens"] for kind in ("input", "output") if f"{kind}_tokens" in usage}
        for kind, tokens in used.items():
            self._tokens.record(tokens, {"gen_ai.operation.name": "chat", "gen_ai.token.type": kind})
        with self._lock:
            span, before = self._open.pop(data["key"], (None, None))
        if span is None or before is None:
            return
        # A stream may end in another context than it began in, where there is nothing to take back.
        if trace.get_current_span() is span:
            attach(before)
        span.set_attributes({f"gen_ai.usage.{kind}_tokens": tokens for kind, tokens in used.items()})
        if data.get("model"):
            span.set_attribute("gen_ai.response.model", data["model"])
        span.set_attributes(_attributes(data))
        if data["event"] == "failed":
            span.set_attribute("error.type", data.get("error_type") or "_OTHER")
            span.set_status(Status(StatusCode.ERROR, "no usable reply"))
        span.end(time.time_ns())

    def _count(self, data: dict[str, Any]) -> None:
        of = {"action": data["action"], "cost_unit": data["cost_unit"], "outcome": data["event"]}
        self._questions.add(1, of)
        self._cost.record(data["cost"], of)
        for name, gauge in self._gauges.items():
            if data.get(name) is not None:
                gauge.set(data[name], {"cost_unit": data["cost_unit"]})


def _asked_of(metadata: dict[str, Any] | None) -> dict[str, str]:
    """What of a run's metadata the conventions have a name for."""
    known = metadata or {}
    named: dict[str, tuple[str, ...]] = {
        "gen_ai.provider.name": ("ls_provider",),
        "gen_ai.request.model": ("ls_model_name",),
        "gen_ai.conversation.id": _CONVERSATION,
    }
    found = {name: next((known[key] for key in keys if known.get(key)), None) for name, keys in named.items()}
    return {name: str(value) for name, value in found.items() if value is not None}


def _attributes(data: dict[str, Any]) -> dict[str, Any]:
    """What of an event a span can carry: no empty and no infinite values."""
    return {
        f"{_NAME}.{name}": data[name]
        for name in _ATTRIBUTES
        if data.get(name) is not None and not (isinstance(data[name], float) and not isfinite(data[name]))
    }
