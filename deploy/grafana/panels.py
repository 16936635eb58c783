"""What Grafana's boards show: which panels there are, and what each asks Prometheus.

Owns the contents alone; the form that Grafana reads is made in boards.py. A title says what is good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NOW: Final = "time() - "
OF_UNIT: Final = '{unit=~"$unit"}'
"""Of the unit that was chosen at the top of the board."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: its title, questions with their legends, a unit of Grafana's."""

    title: str
    asks: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    wide: int = 12
    """Of 24 columns."""

    bad_above: float | None = None
    """From here on it is red."""


@dataclass(frozen=True, slots=True)
class Board:
    """One page."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    by_unit: bool = False
    """Whether a unit is chosen at the top."""


def stat(title: str, ask: str, *, unit: str = "short", bad_above: float | None = None) -> Panel:
    """One number."""
    return Panel(title, ((ask, ""),), unit, "stat", 4, bad_above)


def rate_of(name: str, *, by: str, where: str = "") -> str:
    """How fast a counter of ours grows, in so many series."""
    return f"sum by ({by}) (rate(contrada_{name}_total{where}[5m]))"


def anywhere(name: str) -> str:
    """What routers, ledgers and units each have under their own name."""
    return f'{{__name__=~"contrada_(router|ledger|unit)_{name}"}}'


BOARDS: Final = (
    Board(
        "contrada-overview",
        "Contrada: overview",
        (
            stat("Processes down (0)", 'count(up{job=~"contrada-.*"} == 0) or vector(0)', bad_above=1),
            stat(
                "Oldest undecided (seconds)",
                "max(contrada:queue_age_seconds:max) or vector(0)",
                unit="s",
                bad_above=300,
            ),
            stat(
                "Unpublished entries (0)",
                "sum(contrada_ledger_entries - contrada_ledger_published_entries)",
                bad_above=1,
            ),
            stat("Witnesses that fail (0)", "max(contrada_ledger_failing_witnesses)", bad_above=1),
            stat("Next key ends in", "min(contrada_centre_key_left_seconds)", unit="s"),
            stat("Clocks off (0)", f"count({anywhere('clock_off_seconds')} != 0) or vector(0)", bad_above=1),
            Panel("Decided, by outcome", (("contrada:messages_routed:rate5m", "{{outcome}}"),), "ops"),
            Panel(
                "Refused, by reason (nothing here is good)",
                (("contrada:messages_refused:rate10m or vector(0)", "{{reason}}"),),
                "ops",
            ),
            Panel(
                "Time to decide and commit", (("contrada:route_duration_seconds:p99_5m", "99 of 100"),), "s"
            ),
            Panel(
                "Age of each unit's queue",
                (("contrada:queue_age_seconds:max or vector(0)", "{{unit}}"),),
                "s",
            ),
            Panel(
                "Records of each unit that are not decided",
                (("contrada:queue_records:sum or vector(0)", "{{unit}}"),),
            ),
            Panel(
                "Records in each inbox that nobody has read",
                (("contrada_centre_inbox_lag_records", "{{unit}}"),),
            ),
            Panel(
                "Since when each unit was not heard",
                (("contrada:unit_silence_seconds:max", "{{unit}}"),),
                "s",
            ),
            Panel(
                "Days until keys end",
                (("contrada_centre_key_left_seconds / 86400", "{{kind}} {{party}}"),),
            ),
            Panel("What is wrong, by code", (("contrada_centre_troubles or vector(0)", "{{code}}"),)),
            Panel(
                "Quarantine",
                (
                    ("contrada_centre_quarantine_records", "records"),
                    ("contrada_centre_quarantine_unseen_records", "that nobody has looked at"),
                ),
            ),
            Panel(
                "Alarms of the centre that are not closed",
                (
                    (
                        'sum by (state) (contrada_centre_alarms{state!="closed"}) or vector(0)',
                        "{{state}}",
                    ),
                ),
            ),
            Panel("Free on the centre's disk", (("contrada_centre_disk_free_ratio", ""),), "percentunit"),
            Panel(
                "Statements of the directory, by replica",
                (("contrada_directory_statements", "{{instance}}"),),
            ),
            Panel("What runs", (("count by (version) (contrada_build_info)", "{{version}}"),)),
        ),
    ),
    Board(
        "contrada-unit",
        "Contrada: a unit",
        (
            stat("Kafka answers (1)", f"contrada_unit_kafka_up{OF_UNIT}"),
            stat("Database writable (1)", f"contrada_unit_store_up{OF_UNIT}"),
            stat(
                "Alarms open (0)",
                'sum(contrada_unit_alarms_kept{unit=~"$unit", state="open"}) or vector(0)',
                bad_above=1,
            ),
            stat("Own key ends in", f"contrada_unit_key_left_seconds{OF_UNIT}", unit="s"),
            stat("Not acknowledged (0)", f"contrada_unit_messages_unacknowledged{OF_UNIT}", bad_above=1),
            stat("Wrong with the ledger (0)", f"contrada_unit_ledger_wrong{OF_UNIT}", bad_above=1),
            stat("Requests to answer", f"contrada_unit_requests_open{OF_UNIT}"),
            stat("Of them urgent", f"contrada_unit_requests_urgent{OF_UNIT}"),
            stat("Deadline near (0)", f"contrada_unit_requests_near{OF_UNIT}", bad_above=1),
            stat("Overdue (0)", f"contrada_unit_requests_overdue{OF_UNIT}", bad_above=1),
            stat(
                "Next deadline in",
                f"(contrada_unit_next_deadline_timestamp_seconds{OF_UNIT} > 0) - time() or vector(0)",
                unit="s",
            ),
            stat("Up (1)", 'up{job="contrada-unit", unit=~"$unit"}'),
            Panel(
                "Sent, by kind",
                ((rate_of("unit_messages_submitted", by="kind", where=OF_UNIT), "{{kind}}"),),
                "ops",
            ),
            Panel(
                "Received, by kind",
                ((rate_of("unit_messages_received", by="kind", where=OF_UNIT), "{{kind}}"),),
                "ops",
            ),
            Panel(
                "Waiting",
                (
                    (f"contrada_unit_messages_queued{OF_UNIT}", "to be sealed"),
                    (f"contrada_unit_messages_undecided{OF_UNIT}", "for a decision"),
                    (f"contrada_unit_messages_waiting_for_clock{OF_UNIT}", "for a right clock"),
                ),
            ),
            Panel(
                "From handing in to acknowledgement, nine of ten",
                (("contrada:unit_acknowledgement_duration_seconds:p90_15m", "{{instance}}"),),
                "s",
            ),
            Panel(
                "Decisions, by outcome",
                ((rate_of("unit_decisions", by="outcome", where=OF_UNIT), "{{outcome}}"),),
                "ops",
            ),
            Panel(
                "Time in the worker, by work",
                (
                    (
                        'sum by (work) (rate(contrada_unit_job_duration_seconds_sum{unit=~"$unit"}[5m]))',
                        "{{work}}",
                    ),
                ),
                "percentunit",
            ),
        ),
        by_unit=True,
    ),
    Board(
        "contrada-ledger",
        "Contrada: ledger and witnesses",
        (
            stat("Entries", 'contrada_ledger_entries{log="audit"}'),
            stat(
                "Published since",
                f'{NOW}contrada_ledger_checkpoint_timestamp_seconds{{log="audit"}}',
                unit="s",
            ),
            stat("Signatures under the checkpoint", 'contrada_ledger_checkpoint_signatures{log="audit"}'),
            stat("Audit records that wait (0)", "contrada_ledger_backlog_records", bad_above=100),
            stat("Records that did not verify (0)", "contrada_ledger_unverified_records_total", bad_above=1),
            stat("Evidence at witnesses (0)", "sum(contrada_witness_evidence) or vector(0)", bad_above=1),
            Panel("Leaves, by type", (("contrada:ledger_leaves:rate5m", "{{type}}"),), "ops"),
            Panel(
                "Age of each witness's cosignature",
                ((f"{NOW}contrada_ledger_cosigned_timestamp_seconds", "{{witness}}"),),
                "s",
            ),
            Panel(
                "Failures, by witness",
                (("rate(contrada_ledger_witness_failures_total[5m])", "{{witness}}"),),
                "ops",
            ),
            Panel(
                "Requests at the witnesses, by outcome",
                ((rate_of("witness_requests", by="outcome"), "{{outcome}}"),),
                "ops",
            ),
            Panel(
                "Heads that were compared, at routers",
                ((rate_of("router_ledger_heads_compared", by="outcome"), "{{outcome}}"),),
                "ops",
            ),
            Panel(
                "Promises of leaves that are open, at units",
                (("contrada_unit_ledger_promises_open", "{{unit}}"),),
            ),
        ),
    ),
    Board(
        "contrada-kafka",
        "Contrada: Kafka, as our processes see it",
        (
            stat("Daemons without Kafka (0)", "count(contrada_unit_kafka_up == 0) or vector(0)", bad_above=1),
            stat("Outbox partitions claimed", "sum(contrada_router_claims)"),
            stat("Outboxes left alone (0)", "sum(contrada_router_paused_outboxes)", bad_above=1),
            stat("Audit topic was another one (0)", "sum(contrada_ledger_audit_rewinds_total)", bad_above=1),
            stat("Feeds that were others (0)", "sum(contrada_unit_feeds_rewound_total)", bad_above=1),
            stat("Kafka answers the centre (1)", "contrada_centre_kafka_up"),
            Panel(
                "Transactions of the routers",
                ((rate_of("router_transactions", by="instance"), "{{instance}}"),),
                "ops",
            ),
            Panel(
                "Records appended, by unit",
                ((rate_of("unit_records_appended", by="unit"), "{{unit}}"),),
                "ops",
            ),
            Panel(
                "Batches that Kafka did not take",
                ((rate_of("unit_append_failures", by="unit"), "{{unit}}"),),
                "ops",
            ),
            Panel(
                "CPU of each process",
                (("rate(process_cpu_seconds_total[5m])", "{{job}} {{instance}}"),),
                "percentunit",
            ),
            Panel(
                "Memory of each process",
                (("process_resident_memory_bytes", "{{job}} {{instance}}"),),
                "bytes",
            ),
            Panel("Open files of each process", (("process_open_fds", "{{job}} {{instance}}"),)),
        ),
    ),
)
