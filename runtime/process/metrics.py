"""How a process names its metrics: one registry, one prefix. Which there are is each process's own module.

Owns what every page tells of the process itself: its version, and what the operating system knows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

disable_created_metrics()  # type: ignore[no-untyped-call]

MILLISECONDS_ON = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of a histogram's buckets, in seconds."""

SECONDS_TO_DAYS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 28_800.0, 86_400.0)
"""The same where somebody may be away for the night."""


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


@cache
def process_registry() -> CollectorRegistry:
    """What each page has besides: `contrada_build_info`, and CPU, memory, files and start of the process."""
    registry = CollectorRegistry()
    build = Gauge("contrada_build_info", "1; its label is what runs.", ("version",), registry=registry)
    build.labels(version("contrada")).set(1)
    ProcessCollector(registry=registry)
    return registry
