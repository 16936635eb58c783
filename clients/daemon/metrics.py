"""Every metric of the daemon, named once. Labels are bounded: outcomes and codes, never ids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.process.metrics import SECONDS_TO_DAYS, MetricSet


@dataclass(frozen=True, slots=True)
class UnitMetrics:
    """The daemon's metrics in a registry of their own."""

    registry: CollectorRegistry
    submitted: Counter
    sealed: Counter
    appended: Counter
    append_failures: Counter
    decisions: Counter
    refusals: Counter
    received: Counter
    rejected: Counter
    duplicates: Counter
    acknowledgements: Counter
    acknowledged_after: Histogram
    alarms: Counter
    alarms_kept: Gauge
    statements_refused: Counter
    leaves_proved: Counter
    heads_compared: Counter
    store_failures: Counter
    store_up: Gauge
    kafka_up: Gauge
    directory_size: Gauge
    undecided: Gauge
    oldest_undecided: Gauge
    unacknowledged: Gauge
    feeds_rewound: Counter
    requests_open: Gauge
    requests_urgent: Gauge
    requests_near: Gauge
    requests_overdue: Gauge
    next_deadline: Gauge
    queued: Gauge
    waiting_for_clock: Gauge
    clock_off: Gauge
    last_decision: Gauge
    key_left: Gauge
    certificate_left: Gauge
    broker_certificate_left: Gauge
    ledger_size: Gauge
    ledger_wrong: Gauge
    promises_open: Gauge
    promises_late: Gauge
    job_seconds: Histogram

    @classmethod
    def create(cls) -> UnitMetrics:
        """Metrics at zero."""
        made = MetricSet("contrada_unit")
        counter, gauge, lasting = made.counter, made.gauge, partial(made.histogram, buckets=SECONDS_TO_DAYS)
        return cls(
            registry=made.registry,
            submitted=counter("messages_submitted", "Messages taken in for sending, by kind.", "kind"),
            sealed=counter("messages_sealed", "Times that a message was sealed."),
            appended=counter("records_appended", "Records that Kafka acknowledged, repeats included."),
            append_failures=counter("append_failures", "Batches that Kafka did not acknowledge."),
            decisions=counter("decisions", "Decisions of routers on our messages, by outcome.", "outcome"),
            refusals=counter("messages_refused", "Reasons of final refusals, by reject code.", "reason"),
            received=counter("messages_received", "Messages received and verified, by kind.", "kind"),
            rejected=counter("deliveries_rejected", "Deliveries that did not verify, by code.", "reason"),
            duplicates=counter("deliveries_doubled", "Deliveries of messages that were there already."),
            acknowledgements=counter("acknowledgements", "Of our messages, by stage.", "stage"),
            acknowledged_after=lasting(
                "acknowledgement_duration_seconds", "From handing in to being delivered."
            ),
            alarms=counter("alarms", "Things that an officer must look at, by code.", "code"),
            alarms_kept=gauge("alarms_kept", "Alarms, open and acknowledged, by code.", "code", "state"),
            statements_refused=counter("statements_refused", "Directory statements that did not verify."),
            leaves_proved=counter("ledger_leaves_proved", "Promised leaves of the ledger that were proved."),
            heads_compared=counter("ledger_heads_compared", "Heads that others saw, by outcome.", "outcome"),
            directory_size=gauge("directory_statements", "Statements in this unit's replica."),
            undecided=gauge("messages_undecided", "Sealed messages without a decision."),
            oldest_undecided=gauge(
                "oldest_undecided_timestamp_seconds", "When it was handed in; 0: there is none."
            ),
            unacknowledged=gauge("messages_unacknowledged", "Accepted, and not acknowledged in time."),
            feeds_rewound=counter("feeds_rewound", "Topics that were others than had been read."),
            queued=gauge("messages_queued", "Messages that wait to be sealed."),
            waiting_for_clock=gauge("messages_waiting_for_clock", "Messages that a wrong clock holds up."),
            last_decision=gauge("last_decision_timestamp_seconds", "Time of the newest decision seen."),
            key_left=gauge("key_left_seconds", "Until the last identity ends that this unit signs with."),
            **_of_requests(made),
            **_of_the_ledger(made),
            **_of_the_machine(made),
        )


def _of_requests(made: MetricSet) -> dict[str, Any]:
    gauge = made.gauge
    return {
        "requests_open": gauge("requests_open", "Requests that this unit has not answered for good."),
        "requests_urgent": gauge("requests_urgent", "Those of them that are urgent."),
        "requests_near": gauge("requests_near", "Those of whose term less than a quarter is left."),
        "requests_overdue": gauge("requests_overdue", "Those whose deadline has passed."),
        "next_deadline": gauge(
            "next_deadline_timestamp_seconds", "The next deadline that has not passed; 0: there is none."
        ),
    }


def _of_the_ledger(made: MetricSet) -> dict[str, Any]:
    gauge = made.gauge
    return {
        "ledger_size": gauge("ledger_leaves", "Leaves of the newest audit log, as far as it is trusted."),
        "ledger_wrong": gauge("ledger_wrong", "Things that are wrong with the ledger now."),
        "promises_open": gauge("ledger_promises_open", "Messages whose leaves are not proved yet."),
        "promises_late": gauge("ledger_promises_late", "Messages whose leaves are missing for too long."),
    }


def _of_the_machine(made: MetricSet) -> dict[str, Any]:
    own, brokers = made.certificates()
    return {
        "certificate_left": own,
        "broker_certificate_left": brokers,
        "store_failures": made.counter("store_failures", "Uses of the database that failed."),
        "store_up": made.gauge("store_up", "1 while the database can be written."),
        "kafka_up": made.gauge("kafka_up", "1 while Kafka has answered lately."),
        "job_seconds": made.histogram(
            "job_duration_seconds", "Time in the worker's thread, by work.", "work"
        ),
        "clock_off": made.gauge("clock_off_seconds", "By how much most others say: + ahead, - behind."),
    }
