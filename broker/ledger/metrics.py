"""Every metric of the ledger, named once.

Labels are bounded: record types, which of the two logs, the witnesses that the policy names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from protocol.trail.records import RecordType
from runtime.process.metrics import MetricSet

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(frozen=True, slots=True)
class WitnessSeries:
    """What each witness of the policy answers, by its name."""

    cosigned_at: Gauge
    failures: Counter
    failing: Gauge

    @classmethod
    def create(cls, made: MetricSet) -> WitnessSeries:
        """Nobody was asked yet."""
        return cls(
            made.gauge("ledger_cosigned_timestamp_seconds", "Time of the newest cosignature.", "witness"),
            made.counter("ledger_witness_failures", "Requests that brought no cosignature.", "witness"),
            made.gauge("ledger_failing_witnesses", "Witnesses that did not cosign when asked."),
        )

    def show(self, names: Iterable[str]) -> None:
        """Show these from the start, also one that never answers."""
        for name in names:
            self.cosigned_at.labels(name).set(0)
            self.failures.labels(name)

    def answered(self, name: str, signed_at: int | None) -> None:
        """Count an answer: when the witness signed, in Unix seconds; None where it did not."""
        if signed_at is None:
            self.failures.labels(name).inc()
        else:
            self.cosigned_at.labels(name).set(signed_at)


@dataclass(frozen=True, slots=True)
class LedgerMetrics:
    """The ledger's metrics in a registry of their own."""

    registry: CollectorRegistry
    leaves: Counter
    unverified: Counter
    erased: Counter
    moved: Counter
    rewound: Counter
    batch_seconds: Histogram
    size: Gauge
    published_size: Gauge
    cosignatures: Gauge
    behind: Gauge
    directory_size: Gauge
    checkpoint_at: Gauge
    witnesses: WitnessSeries
    key_left: Gauge
    clock_off: Gauge
    certificate_left: Gauge
    broker_certificate_left: Gauge

    @classmethod
    def create(cls) -> LedgerMetrics:
        """Metrics at zero."""
        made = MetricSet("contrada")
        return cls(
            made.registry,
            made.counter("ledger_leaves", "Leaves added to the audit log, by type.", "type"),
            made.counter(
                "ledger_unverified_records", "Records of the audit topic that did not verify. Alarm on any."
            ),
            made.counter("ledger_erased_records", "Records deleted as a sequenced act ordered."),
            made.counter("ledger_lost_races", "Steps that another writer of the log came before."),
            made.counter(
                "ledger_audit_rewinds",
                "How often the audit topic was another one than was read. Alarm on any.",
            ),
            made.histogram(
                "ledger_step_duration_seconds",
                "Time to sequence, commit and store one step.",
                buckets=_BUCKETS,
            ),
            made.gauge("ledger_entries", "Entries committed, by log.", "log"),
            made.gauge("ledger_published_entries", "Entries published, by log.", "log"),
            made.gauge(
                "ledger_checkpoint_signatures",
                "Signatures under the published checkpoint, the log's own included.",
                "log",
            ),
            made.gauge("ledger_backlog_records", "Records of the audit topic not sequenced yet."),
            made.gauge("directory_statements", "Statements in the ledger's replica."),
            made.gauge(
                "ledger_checkpoint_timestamp_seconds", "When the log's head was published last.", "log"
            ),
            WitnessSeries.create(made),
            made.gauge("ledger_key_left_seconds", "Until the last key ends that this ledger states with."),
            made.gauge(
                "ledger_clock_off_seconds",
                "By how much most others contradict this clock: + ahead, - behind.",
            ),
            *made.certificates("ledger_"),
        )

    def follow(
        self,
        *,
        behind: Callable[[], int],
        statements: Callable[[], int],
        failing: Callable[[], int],
        key_left: Callable[[], float],
        clock_off: Callable[[], int],
    ) -> None:
        """Where the gauges look whenever the page is asked for."""
        self.behind.set_function(behind)
        self.directory_size.set_function(statements)
        self.witnesses.failing.set_function(failing)
        self.key_left.set_function(key_left)
        self.clock_off.set_function(clock_off)

    def sequenced(self, origin: str, size: int, types: Iterable[int], *, leaves: int) -> None:
        """Count one step."""
        self.size.labels(short(origin)).set(size)
        rest = leaves
        for kind in types:
            self.leaves.labels(RecordType(kind).name.lower()).inc()
            rest -= 1
        if rest > 0:
            self.leaves.labels(RecordType.DELIVERED.name.lower()).inc(rest)

    def published(self, origin: str, size: int, signatures: int) -> None:
        """Show one publication, made just now."""
        self.checkpoint_at.labels(short(origin)).set_to_current_time()
        self.published_size.labels(short(origin)).set(size)
        self.cosignatures.labels(short(origin)).set(signatures)


def short(origin: str) -> str:
    """`audit` or `directory`: shards come and go, and their names are no label."""
    return "directory" if origin.endswith("/directory") else "audit"
