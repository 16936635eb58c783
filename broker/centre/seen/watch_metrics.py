"""Every metric that the centre's watch has, named once: what the centre alone can see of everybody.

Labels are bounded by what was signed: units, keys and certificates of the directory, codes of a closed list.
A unit that left has no series any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from broker.centre.seen.alarm_book import STATES, AlarmBook
from protocol.limits import CLOCK_OFF, SECOND
from runtime.process.metrics import MetricSet


@dataclass(frozen=True, slots=True)
class WatchMetrics:
    """The metrics in a registry of their own."""

    registry: CollectorRegistry
    looked_at: Gauge
    look_seconds: Gauge
    kafka_up: Gauge
    outbox_lag: Gauge
    inbox_lag: Gauge
    heard_at: Gauge
    quarantined: Gauge
    quarantined_unseen: Gauge
    key_left: Gauge
    certificate_left: Gauge
    clock_off: Gauge
    disk_free: Gauge
    troubles: Gauge
    alarms: Gauge

    @classmethod
    def create(cls) -> WatchMetrics:
        """Nothing was looked at yet."""
        made = MetricSet("contrada_centre")
        gauge = made.gauge
        return cls(
            made.registry,
            gauge("looked_timestamp_seconds", "When the centre looked at everything last, to the end."),
            gauge("look_seconds", "How long that took."),
            gauge("kafka_up", "1 while Kafka answers the centre."),
            gauge("outbox_lag_records", "Offsets of a unit's outbox that routers have not decided.", "unit"),
            gauge("inbox_lag_records", "Offsets of a unit's inbox that it has not read.", "unit"),
            gauge("unit_heard_timestamp_seconds", "When a unit was heard last; 0: never.", "unit"),
            gauge("quarantine_records", "Records in quarantine, the newest five hundred at the least."),
            gauge("quarantine_unseen_records", "Those of them that nobody has looked at."),
            gauge("key_left_seconds", "Until a party's last key ends.", "kind", "party"),
            gauge("certificate_left_seconds", "Until a certificate ends of which that is near.", "party"),
            gauge("clock_off_seconds", "By how much Kafka contradicts this clock; 0 within what clocks may."),
            gauge("disk_free_ratio", "Part of the disk that is free on which the centre's home lies."),
            gauge("troubles", "Things that are wrong now, by code.", "code"),
            gauge("alarms", "Alarms that are kept, by code.", "code", "state"),
        )

    def show(self, status: Mapping[str, Any]) -> None:
        """What a look has found. What was not found any more is not shown any more."""
        for several in (self.outbox_lag, self.inbox_lag, self.heard_at, self.key_left, self.certificate_left):
            several.clear()
        self.troubles.clear()
        codes = [row["code"] for row in status["troubles"]]
        for code in sorted(set(codes)):
            self.troubles.labels(code).set(codes.count(code))
        self.kafka_up.set(bool(status["kafka"]["reachable"]))
        if status["kafka"]["reachable"]:
            self._show_units(status)
            self._show_rest(status)

    def _show_units(self, status: Mapping[str, Any]) -> None:
        for row in status["units"]:
            unit = row["unit"]
            if row["outbox_lag"] is not None:
                self.outbox_lag.labels(unit).set(row["outbox_lag"])
            if not row["suspended"]:
                self.inbox_lag.labels(unit).set(row["inbox_lag"])
                self.heard_at.labels(unit).set((row["heard"] or 0) / SECOND)

    def _show_rest(self, status: Mapping[str, Any]) -> None:
        for row in status["ends"]:
            self.key_left.labels(row["kind"], row["name"]).set(row["left"] / SECOND)
        for row in status["certificates"]:
            left = (row["until"] - status["moment"]) / SECOND
            self.certificate_left.labels(" ".join(filter(None, (row["party"], row["place"])))).set(left)
        self.quarantined.set(status["quarantine"]["depth"])
        self.quarantined_unseen.set(status["quarantine"]["unseen"])
        ahead = status["clock"]["ahead"]
        self.clock_off.set(0 if ahead is None or abs(ahead) <= CLOCK_OFF else round(ahead / SECOND))
        self.disk_free.set(status["disk"]["free"] / max(1, status["disk"]["of"]))

    def show_alarms(self, book: AlarmBook) -> None:
        """The alarms by code and state; a code that has any is shown in all states."""
        self.alarms.clear()
        counted = book.counted()
        for code in sorted({code for code, _ in counted}):
            for state in STATES:
                self.alarms.labels(code, state).set(counted.get((code, state), 0))
