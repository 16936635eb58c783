"""What fires each alert, and a near miss that does not: series as promtool writes them, one value every 15 seconds.

Owns the cases alone. Time begins at 1970, so `1+15x40` is a timestamp that is always now.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

Series = dict[str, str]

NOW: Final = "0+15x"
"""The beginning of a timestamp that keeps up with the clock."""


@dataclass(frozen=True)
class AlertCase:
    """One alert."""

    alert: str
    fires: Series
    misses: Series
    at: str
    """When both are looked at."""

    labels: dict[str, str]
    summary: str
    background: Series = field(default_factory=dict)
    """What there is in either case."""


def _page(**labels: str) -> dict[str, str]:
    return {"severity": "page"} | labels


def _ticket(**labels: str) -> dict[str, str]:
    return {"severity": "ticket"} | labels


def _down(alert: str, job: str, summary: str, **labels: str) -> AlertCase:
    up = (
        f'up{{job="{job}", instance="a", unit="fr"}}'
        if "unit" in labels
        else f'up{{job="{job}", instance="a"}}'
    )
    return AlertCase(
        alert, {up: "1x8 0x100"}, {up: "1x8 0x1 1x100"}, "20m",
        {"job": job, "instance": "a"} | labels, summary,
    )  # fmt: skip


CASES: Final = (
    _down("RouterDown", "contrada-router", "the router at a does not answer", severity="page"),
    AlertCase(
        "NoRouter",
        {'up{job="contrada-router", instance="a"}': "1x4 0x40"},
        {'up{job="contrada-router", instance="a"}': "1x4 0x40", 'up{job="contrada-router", instance="b"}': "1x44"},
        "5m", _page(), "no router answers: nothing is decided",
    ),
    AlertCase(
        "QueueOld",
        {'contrada_router_queue_oldest_timestamp_seconds{unit="fr", instance="a"}': "0x8 _ 0x40"},
        {'contrada_router_queue_oldest_timestamp_seconds{unit="fr", instance="a"}': f"{NOW}60"},
        "8m", _page(unit="fr"), "what fr sent waits for a decision since 8m 0s",
    ),
    AlertCase(
        "RoutingSlow",
        {'contrada_route_duration_seconds_bucket{le="1"}': "0+1x100",
         'contrada_route_duration_seconds_bucket{le="2"}': "0+2x100",
         'contrada_route_duration_seconds_bucket{le="+Inf"}': "0+2x100"},
        {'contrada_route_duration_seconds_bucket{le="1"}': "0+2x100",
         'contrada_route_duration_seconds_bucket{le="2"}': "0+2x100",
         'contrada_route_duration_seconds_bucket{le="+Inf"}': "0+2x100"},
        "20m", _ticket(), "one decision of a hundred takes 1.98s",
    ),
    AlertCase(
        "RefusalsRise",
        {'contrada_messages_refused_total{reason="E_H3_LIMIT"}': "_x5800 0+30x300"},
        {'contrada_messages_refused_total{reason="E_H3_LIMIT"}': "0+30x6100"},
        "1500m", _ticket(reason="E_H3_LIMIT"), "ten times as many refusals by E_H3_LIMIT as on the day before",
    ),
    AlertCase(
        "OverQuota",
        {'contrada_messages_over_quota_total{limit="bytes"}': "0x8 1x40"},
        {'contrada_messages_over_quota_total{limit="bytes"}': "7x48"},
        "5m", _ticket(limit="bytes"), "a unit sends more bytes than its quota allows",
    ),
    AlertCase(
        "OutboxPaused",
        {"contrada_router_paused_outboxes": "2x20"}, {"contrada_router_paused_outboxes": "2x2 0x20"},
        "3m", _ticket(), "2 outbox partitions are left alone: too much of them was refused",
    ),
    AlertCase(
        "DirectoryDiffers",
        {'contrada_directory_statements{instance="a"}': "50x40", 'contrada_directory_statements{instance="b"}': "48x40"},
        {'contrada_directory_statements{instance="a"}': "50x40", 'contrada_directory_statements{instance="b"}': "48x2 50x40"},
        "5m", _ticket(), "replicas of the directory differ by 2 statements",
    ),
    AlertCase(
        "StatementsRefused",
        {"contrada_directory_refused_statements": "3x8 4x40"}, {"contrada_directory_refused_statements": "3x48"},
        "5m", _ticket(), "a statement of the directory did not verify",
    ),
    _down("LedgerDown", "contrada-ledger", "the ledger at a does not answer", severity="page"),
    AlertCase(
        "LedgerStale",
        {'contrada_ledger_published_entries{log="audit", instance="a"}': "7x80"},
        {'contrada_ledger_published_entries{log="audit", instance="a"}': "9x80"},
        "10m", _page(log="audit", instance="a"), "the log audit has entries that are not published since 10m 0s",
        {'contrada_ledger_checkpoint_timestamp_seconds{log="audit", instance="a"}': "0x80",
         'contrada_ledger_entries{log="audit", instance="a"}': "9x80"},
    ),
    AlertCase(
        "LedgerBehind",
        {'contrada_ledger_backlog_records{instance="a"}': "5x80"},
        {'contrada_ledger_backlog_records{instance="a"}': "5x3 0 5x3 0 5x3 0 5x3 0 5x3 0 5x3 0 5x3 0 5x3 0 5x3 0 5x3 0 5x3 0"},
        "12m", _ticket(instance="a"), "5 records of the audit topic wait for the ledger",
    ),
    AlertCase(
        "LedgerForked",
        {'contrada_router_ledger_heads_compared_total{outcome="different"}': "0x8 1x40"},
        {'contrada_router_ledger_heads_compared_total{outcome="same"}': "0+5x48",
         'contrada_router_publications_refused_total{reason="E_CHECKPOINT"}': "0x8 1x40"},
        "5m", _page(), "somebody was shown another ledger than the one that is published",
    ),
    AlertCase(
        "AuditRecordUnverified",
        {"contrada_ledger_unverified_records_total": "0x8 1x40"}, {"contrada_ledger_unverified_records_total": "4x48"},
        "5m", _page(), "something that no operator signed stands in the audit topic",
    ),
    AlertCase(
        "KafkaPutBack",
        {"contrada_ledger_audit_rewinds_total": "0x8 1x40"}, {"contrada_ledger_audit_rewinds_total": "1x48"},
        "5m", _page(), "the audit topic is another one than the ledger has read",
    ),
    AlertCase(
        "WitnessSilent",
        {'contrada_ledger_cosigned_timestamp_seconds{witness="w1", instance="a"}': "0x100",
         'contrada_ledger_witness_failures_total{witness="w1", instance="a"}': "0+1x100"},
        # The log does not grow, so nobody is asked.
        {'contrada_ledger_cosigned_timestamp_seconds{witness="w1", instance="a"}': "0x100",
         'contrada_ledger_witness_failures_total{witness="w1", instance="a"}': "3x100"},
        "20m", _ticket(witness="w1", instance="a"), "the witness w1 does not cosign",
    ),
    AlertCase(
        "WitnessFoundEvidence",
        {'contrada_witness_evidence{kind="fork", instance="w"}': "0x4 1x20"},
        {'contrada_witness_evidence{kind="fork", instance="w"}': "0x24"},
        "3m", _page(kind="fork", instance="w"), "a witness keeps evidence against a log: fork",
    ),
    _down("WatchDown", "contrada-centre", "the centre's watch at a does not answer", severity="ticket"),
    AlertCase(
        "CentreBlind",
        {'contrada_centre_looked_timestamp_seconds{instance="a"}': "60x60"},
        {'contrada_centre_looked_timestamp_seconds{instance="a"}': f"{NOW}60"},
        "13m", _page(instance="a"), "the centre has not seen the exchange since 12m 0s",
    ),
    AlertCase(
        "UnitUnheard",
        {'contrada_centre_unit_heard_timestamp_seconds{unit="it", instance="a"}': "60x100"},
        # One that was never heard says nothing here; one that was heard just now is well.
        {'contrada_centre_unit_heard_timestamp_seconds{unit="nz", instance="a"}': "0x100",
         'contrada_centre_unit_heard_timestamp_seconds{unit="it", instance="a"}': f"{NOW}100"},
        "22m", _ticket(unit="it"), "it was not heard for 21m 0s",
    ),
    AlertCase(
        "InboxUnread",
        {'contrada_centre_inbox_lag_records{unit="it", instance="a"}': "4x200"},
        {'contrada_centre_inbox_lag_records{unit="it", instance="a"}': "4x100 0 4x99"},
        "35m", _ticket(unit="it"), "it has not read all of its inbox for half an hour",
    ),
    AlertCase(
        "QuarantineUnseen",
        {"contrada_centre_quarantine_unseen_records": "0x4 3x20"},
        {"contrada_centre_quarantine_unseen_records": "0x24", "contrada_centre_quarantine_records": "3x24"},
        "3m", _ticket(), "3 records came into quarantine, and nobody has looked at them",
    ),
    AlertCase(
        "PartyKeyEnding",
        {'contrada_centre_key_left_seconds{kind="unit", party="it"}': "5100000x60"},
        {'contrada_centre_key_left_seconds{kind="unit", party="it"}': "5200000x60"},
        "10m", _ticket(kind="unit", party="it"), "the last key of the unit it ends in 59d 0h 40m 0s",
    ),
    AlertCase(
        "CentreAlarmOpen",
        {'contrada_centre_alarms{code="witness_fails", state="open"}': "1x100"},
        {'contrada_centre_alarms{code="witness_fails", state="open"}': "0x100",
         'contrada_centre_alarms{code="witness_fails", state="acknowledged"}': "1x100"},
        "20m", _ticket(code="witness_fails"), "nobody at the centre has acknowledged witness_fails",
    ),
    AlertCase(
        "CentreDiskFull",
        {'contrada_centre_disk_free_ratio{instance="a"}': "0.04x20"},
        {'contrada_centre_disk_free_ratio{instance="a"}': "0.06x20"},
        "3m", _page(instance="a"), "the disk of the centre's home is full but for 4%",
    ),
    AlertCase(
        "KeyEnding",
        {'contrada_ledger_key_left_seconds{instance="a"}': "5100000x60"},
        {'contrada_ledger_key_left_seconds{instance="a"}': "5200000x60",
         'contrada_router_key_left_seconds{instance="b"}': "31536000x60"},
        "10m", _ticket(instance="a"), "the last key of a ends in 59d 0h 40m 0s",
    ),
    AlertCase(
        "CertificateEnding",
        {'contrada_router_certificate_left_seconds{instance="a"}': "400000x60"},
        {
            'contrada_router_certificate_left_seconds{instance="a"}': "410000x60",
            'contrada_unit_certificate_left_seconds{instance="b"}': "9e18x60",
        },
        "10m",
        _page(instance="a"),
        "the certificate of a for Kafka ends in 4d 15h 6m 40s",
    ),
    AlertCase(
        "BrokerCertificateEnding",
        {'contrada_unit_broker_certificate_left_seconds{instance="a"}': "400000x60"},
        {'contrada_unit_broker_certificate_left_seconds{instance="a"}': "410000x60"},
        "10m",
        _page(instance="a"),
        "a broker's certificate ends in 4d 15h 6m 40s, and with it everybody's Kafka",
    ),
    AlertCase(
        "ClockOff",
        {'contrada_router_clock_off_seconds{instance="a"}': "0x4 -3600x20"},
        {'contrada_router_clock_off_seconds{instance="a"}': "0x24", 'contrada_unit_clock_off_seconds{instance="b"}': "0x24"},
        "3m", _page(instance="a"), "the clock of a is off by -3600 seconds, as most others say",
    ),
    _down("UnitSilent", "contrada-unit", "the daemon of fr does not answer", severity="ticket", unit="fr"),
    AlertCase(
        "UnitWithoutKafka",
        {'contrada_unit_kafka_up{instance="a"}': "0x60"}, {'contrada_unit_kafka_up{instance="a"}': "0x15 1 0x60"},
        "7m", _page(instance="a"), "the daemon at a does not reach Kafka",
    ),
    AlertCase(
        "UnitStoreDown",
        {'contrada_unit_store_up{instance="a"}': "0x20"}, {'contrada_unit_store_up{instance="a"}': "1x20"},
        "3m", _page(instance="a"), "the daemon at a cannot write its database",
    ),
    AlertCase(
        "MessagesUndecided",
        {'contrada_unit_oldest_undecided_timestamp_seconds{instance="a"}': "60x60"},
        {'contrada_unit_oldest_undecided_timestamp_seconds{instance="a"}': "0x60",
         'contrada_unit_oldest_undecided_timestamp_seconds{instance="b"}': f"{NOW}60"},
        "10m", _page(instance="a"), "a message at a waits for its decision",
    ),
    AlertCase(
        "MessagesUnacknowledged",
        {'contrada_unit_messages_unacknowledged{instance="a"}': "2x6000"},
        {'contrada_unit_messages_unacknowledged{instance="a"}': "2x3000 0 2x3000"},
        "1470m", _ticket(instance="a"), "2 messages from a are not acknowledged since a day",
    ),
    AlertCase(
        "DeadlineNear",
        {'contrada_unit_requests_near{instance="a"}': "0x4 1x20"},
        {'contrada_unit_requests_near{instance="a"}': "0x24", 'contrada_unit_requests_open{instance="a"}': "7x24"},
        "3m", _ticket(instance="a"), "1 requests at a are to be answered soon",
    ),
    AlertCase(
        "DeadlineMissed",
        {'contrada_unit_requests_overdue{instance="a"}': "0x4 2x20"},
        {'contrada_unit_requests_overdue{instance="a"}': "0x24", 'contrada_unit_requests_near{instance="a"}': "2x24"},
        "3m", _page(instance="a"), "2 requests at a are not answered, and their time is over",
    ),
    AlertCase(
        "UnitAlarmOpen",
        {'contrada_unit_alarms_kept{code="feed_lost", state="open", instance="a"}': "1x20"},
        {'contrada_unit_alarms_kept{code="feed_lost", state="open", instance="a"}': "0x20",
         'contrada_unit_alarms_kept{code="feed_lost", state="acknowledged", instance="a"}': "1x20"},
        "3m", _ticket(code="feed_lost", instance="a"), "nobody at a has acknowledged feed_lost",
    ),
    AlertCase(
        "UnitDoubtsLedger",
        {'contrada_unit_ledger_promises_late{instance="a"}': "1x20"},
        {'contrada_unit_ledger_promises_late{instance="a"}': "0x20", 'contrada_unit_ledger_wrong{instance="a"}': "0x20"},
        "3m", _page(instance="a"), "a unit finds something wrong with the ledger",
    ),
)  # fmt: skip
