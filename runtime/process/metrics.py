"""How a process names its metrics: one registry, one prefix. Which there are is each process's own module."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

MILLISECONDS_ON = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of a histogram's buckets, in seconds."""


class MetricSet:
    """Makes metrics, each at zero, in a registry of its own."""

    def __init__(self, prefix: str) -> None:
        """`prefix` comes before each name: `contrada_unit`."""
        self.registry = CollectorRegistry()
        self._prefix = prefix

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A count that only grows; the library adds `_total` to its name."""
        return Counter(f"{self._prefix}_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A value that goes up and down."""
        return Gauge(f"{self._prefix}_{name}", text, labels, registry=self.registry)

    def certificates(self, process: str = "") -> tuple[Gauge, Gauge]:
        """How long the certificates count with which a process and its brokers know each other."""
        return (
            self.gauge(f"{process}certificate_left_seconds", "Until the own certificate for Kafka ends."),
            self.gauge(f"{process}broker_certificate_left_seconds", "Until a broker's ends, as last shown."),
        )

    def histogram(
        self, name: str, text: str, *labels: str, buckets: Sequence[float] = MILLISECONDS_ON
    ) -> Histogram:
        """How often something took how long, in seconds."""
        return Histogram(f"{self._prefix}_{name}", text, labels, registry=self.registry, buckets=buckets)
