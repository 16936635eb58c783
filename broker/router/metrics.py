"""Every metric of the router, named once.

Labels are bounded: outcomes and reject codes, never ids; and units, of which only those are shown for whom
something waits now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from protocol.identifiers import Millis, UnitId
from protocol.limits import SECOND
from protocol.trail.batches import Reason, RecordType
from runtime.process.metrics import MetricSet


class QueueAge(Collector):
    """Since when each outbox waits to be decided, by Kafka's time of the oldest record, and how many wait.

    A unit for whom nothing waits has no series, so thousands of silent ones cost nothing.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[UnitId, int], tuple[Millis, int]] = {}

    @classmethod
    def within(cls, registry: CollectorRegistry) -> QueueAge:
        """One that this registry asks."""
        made = cls()
        registry.register(made)
        return made

    def waits(self, owner: UnitId, partition: int, since: Millis | None, *, lag: int = 1) -> None:
        """The oldest record that is not decided, and how many are not; None: nothing waits."""
        if since is None:
            self._waiting.pop((owner, partition), None)
        else:
            self._waiting[owner, partition] = since, lag

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The series of now."""
        family = GaugeMetricFamily(
            "contrada_router_queue_oldest_timestamp_seconds",
            "When Kafka took the oldest record that is read and not decided, by unit.",
            labels=["unit"],
        )
        records = GaugeMetricFamily(
            "contrada_router_queue_records",
            "Records of the outbox that are not decided, by unit.",
            labels=["unit"],
        )
        oldest: dict[UnitId, Millis] = {}
        waiting: dict[UnitId, int] = {}
        for (unit, _), (since, lag) in self._waiting.items():
            oldest[unit] = min(since, oldest.get(unit, since))
            waiting[unit] = waiting.get(unit, 0) + lag
        for unit, since in sorted(oldest.items()):
            family.add_metric([unit], since / SECOND)
            records.add_metric([unit], waiting[unit])
        yield family
        yield records


@dataclass(frozen=True, slots=True)
class RouterMetrics:
    """The router's metrics in a registry of their own."""

    registry: CollectorRegistry
    messages: Counter
    refusals: Counter
    over_quota: Counter
    paused: Gauge
    queue: QueueAge
    batches: Counter
    batch_seconds: Histogram
    claims: Gauge
    directory_size: Gauge
    statements_refused: Gauge
    heads_compared: Counter
    publications_refused: Counter
    ledger_entries: Gauge
    key_left: Gauge
    clock_off: Gauge
    certificate_left: Gauge
    broker_certificate_left: Gauge
    _by_type: dict[RecordType, Counter] = field(default_factory=dict)

    @classmethod
    def create(cls) -> RouterMetrics:
        """Metrics at zero."""
        made = MetricSet("contrada")
        return cls(
            made.registry,
            made.counter("messages_routed", "Submissions decided, by outcome.", "outcome"),
            made.counter("messages_refused", "Reasons of refusals, by reject code.", "reason"),
            made.counter(
                "messages_over_quota", "Messages refused as over a unit's quota, by limit.", "limit"
            ),
            made.gauge("router_paused_outboxes", "Partitions left alone, as too much of them was refused."),
            QueueAge.within(made.registry),
            made.counter("router_transactions", "Transactions committed."),
            made.histogram("route_duration_seconds", "Time to decide and commit one batch."),
            made.gauge("router_claims", "Input partitions that this router holds."),
            made.gauge("directory_statements", "Statements in this router's replica."),
            made.gauge("directory_refused_statements", "Statements that did not verify."),
            made.counter(
                "router_ledger_heads_compared", "Heads of the ledger that senders saw, by outcome.", "outcome"
            ),
            made.counter(
                "router_publications_refused",
                "Heads of the ledger that were not believed, by reject code.",
                "reason",
            ),
            made.gauge("router_ledger_entries", "Entries of the newest head believed."),
            made.gauge("router_key_left_seconds", "Until the last key ends that this router signs with."),
            made.gauge(
                "router_clock_off_seconds",
                "By how much most others contradict this clock: + ahead, - behind.",
            ),
            *made.certificates("router_"),
        )

    def follow(
        self,
        *,
        claims: Callable[[], int],
        statements: Callable[[], int],
        refused: Callable[[], int],
        entries: Callable[[], int],
        key_left: Callable[[], float],
        clock_off: Callable[[], int],
    ) -> None:
        """Let the gauges compute their values when the page is read."""
        self.claims.set_function(claims)
        self.directory_size.set_function(statements)
        self.statements_refused.set_function(refused)
        self.ledger_entries.set_function(entries)
        self.key_left.set_function(key_left)
        self.clock_off.set_function(clock_off)

    def decided(self, kind: RecordType, reasons: Sequence[Reason]) -> None:
        """Count one decision with its reasons."""
        outcome = self._by_type.get(kind)
        if outcome is None:
            outcome = self._by_type[kind] = self.messages.labels(kind.name.lower())
        outcome.inc()
        for reason in reasons:
            self.refusals.labels(reason.code.value).inc()
