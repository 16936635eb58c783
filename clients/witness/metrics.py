"""Every metric of the witness, named once. Labels are bounded: outcomes, kinds, the logs of its policy."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from runtime.process.metrics import MetricSet


@dataclass(frozen=True, slots=True)
class WitnessMetrics:
    """The witness's metrics in a registry of their own."""

    registry: CollectorRegistry
    requests: Counter
    alarms: Counter
    evidence: Gauge
    size: Gauge
    cosigned_at: Gauge
    mirrored: Gauge
    clock_behind: Gauge

    @classmethod
    def create(cls) -> WitnessMetrics:
        """Metrics at zero."""
        made = MetricSet("contrada_witness")
        counter, gauge = made.counter, made.gauge
        return cls(
            registry=made.registry,
            requests=counter("requests", "Requests for a cosignature, by outcome.", "outcome"),
            alarms=counter("alarms", "Things that an officer must look at, by kind.", "kind"),
            evidence=gauge("evidence", "Pieces of evidence against logs that are kept, by kind.", "kind"),
            size=gauge("checkpoint_leaves", "Size of the newest checkpoint signed, by log.", "log"),
            cosigned_at=gauge("cosigned_timestamp_seconds", "Time of the newest cosignature, by log.", "log"),
            mirrored=gauge("mirrored_leaves", "Leaves of the copy that is kept, by log.", "log"),
            clock_behind=gauge("clock_behind_seconds", "By how much a log signed ahead of this clock."),
        )
