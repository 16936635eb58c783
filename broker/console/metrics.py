"""Every metric of the console, named once. Labels are bounded: why a request was refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from broker.console.seeing.look import Look
from runtime.process.metrics import MILLISECONDS_ON, MetricSet

REASONS = ("host", "link", "session", "origin", "form_token", "role", "form")


@dataclass(frozen=True, slots=True)
class ConsoleMetrics:
    """The console's metrics in a registry of their own."""

    registry: CollectorRegistry
    looks: Counter
    look_seconds: Histogram
    look_age: Gauge
    sessions: Gauge
    streams: Gauge
    refusals: Counter
    certificate_left: Gauge
    broker_certificate_left: Gauge

    @classmethod
    def create(cls) -> ConsoleMetrics:
        """Metrics at zero."""
        made = MetricSet("contrada_console")
        found = cls(
            made.registry,
            made.counter("looks", "Looks at the exchange."),
            made.histogram("look_duration_seconds", "Time that a look took.", buckets=MILLISECONDS_ON),
            made.gauge("look_age_seconds", "Since the newest look that Kafka answered; below 0 before one."),
            made.gauge("sessions", "Browsers that are signed in."),
            made.gauge("streams", "Pages that are open and told of each look."),
            made.counter("requests_refused", "Requests that were refused, by reason.", "reason"),
            *made.certificates(),
        )
        for reason in REASONS:
            found.refusals.labels(reason)
        return found

    def follow(
        self, *, look_age: Callable[[], float], sessions: Callable[[], int], streams: Callable[[], int]
    ) -> None:
        """Let the gauges compute their values when the page is read."""
        self.look_age.set_function(look_age)
        self.sessions.set_function(sessions)
        self.streams.set_function(streams)

    def looked(self, look: Look) -> None:
        """Count one look."""
        self.looks.inc()
        self.look_seconds.observe(look.took)

    def refused(self, reason: str) -> None:
        """Count one request that was refused."""
        self.refusals.labels(reason).inc()
