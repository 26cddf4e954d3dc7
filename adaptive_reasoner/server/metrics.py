"""Metrics of a server for Prometheus: requests, answers, costs, and the state of its ledger."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from adaptive_reasoner.ledger.base import Ledger, Snapshot, UnreachableLedgerError
from adaptive_reasoner.server.bill import Bill
from adaptive_reasoner.server.limits import Gate

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_TOLD = ("average", "target", "price", "spent", "reserved", "held", "questions", "credit", "hard_cap")

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one application.

    Args:
        gate: Counts the requests in flight.
        cost_unit: The unit of the costs.
    """

    def __init__(self, gate: Gate, cost_unit: str) -> None:
        self._registry, self._unit = CollectorRegistry(), cost_unit
        self._requests = Counter(
            *("adaptive_reasoner_requests", "Requests by path and status.", ["path", "status"]),
            registry=self._registry,
        )
        self._seconds = Histogram(
            *("adaptive_reasoner_request_seconds", "From a request to the end of its answer.", ["path"]),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._answers = Counter(
            *("adaptive_reasoner_answers", "Answers by action.", ["action", "reason"]),
            registry=self._registry,
        )
        self._cost = Counter(
            *("adaptive_reasoner_cost", "What answers cost, also those that failed.", ["action", "unit"]),
            registry=self._registry,
        )
        in_flight = Gauge("adaptive_reasoner_in_flight", "Requests in flight.", registry=self._registry)
        in_flight.set_function(lambda: gate.in_flight)
        self._ledger = _LedgerMetrics()
        self._registry.register(self._ledger)

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def bill(self, bill: Bill) -> None:
        """Count the answers to a request."""
        for decision in bill.decisions.values():
            self._answers.labels(decision["action"], decision["reason"]).inc()
            self._cost.labels(decision["action"], self._unit).inc(decision.get("cost", 0.0))

    async def text(self, ledger: Ledger) -> bytes:
        """All of them, with the state of the ledger now; without it where its database does not answer."""
        try:
            self._ledger.seen = await ledger.asnapshot()
        except UnreachableLedgerError:
            self._ledger.seen = None
        return generate_latest(self._registry)


class _LedgerMetrics(Collector):
    """The latest snapshot of a ledger."""

    def __init__(self) -> None:
        self.seen: Snapshot | None = None

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = float(self.seen is not None)
        yield GaugeMetricFamily("adaptive_reasoner_ledger_up", "Whether the ledger answers.", value=up)
        if self.seen is None:
            return
        for name in _TOLD:
            value = getattr(self.seen, name)
            if value is not None:
                told = f"The ledger's {name.replace('_', ' ')}."
                yield GaugeMetricFamily(f"adaptive_reasoner_ledger_{name}", told, value=value)
