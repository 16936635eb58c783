"""What goes wrong: a table of faults, each with whom it hits, how long it may last, and what it may make somebody say.

    FAULTS      those that every campaign draws from
    GAPS        those that the program does not stand yet, with the reason; drawn only where they are asked for

A fault is a coroutine (outages.py, disk_faults.py, old_copies.py, acts.py, thefts.py) that strikes, waits and heals. Its dice are its own, so that dropping one
fault from a plan changes nothing about the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from protocol import topics
from tests.years.acts import (
    audit_deleted,
    garbage,
    hostile,
    lost_epochs,
    of_any,
    of_topic,
    policy_ended,
    policy_stated,
    renewed_early,
    rotated,
    seen_before,
    stated_later,
    suspended,
    witness_exchanged,
)
from tests.years.disk_faults import (
    bit_flipped,
    disk,
    power_cut,
    power_cut_in_a_step,
    restored,
    witness_damaged,
)
from tests.years.old_copies import older_copy
from tests.years.outages import (
    all_routers,
    answers,
    broker,
    cut,
    doubled,
    everybody,
    frozen_broker,
    kill,
    leaders,
    no_kafka,
    pause,
    stop,
    very_wrong_clock,
    wall_clock,
)
from tests.years.strike import Strike
from tests.years.thefts import registrar_key_stolen, router_key_lost

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault."""

    name: str
    strike: Callable[[Strike], Awaitable[None]]
    weight: int
    seconds: tuple[float, float]
    """Between what bounds it lasts."""

    alarms: frozenset[str] = frozenset()
    """What units may say of it. Anything that no fault of a run accounts for is an accusation."""

    must: frozenset[str] = frozenset()
    """What some unit must say of it."""

    together: frozenset[str] = frozenset()
    """What units may say where two faults that name it strike in one run: each alone takes no quorum away."""


OUTBOXES, INBOXES, RECEIPTS = topics.OUTBOX_PREFIX, topics.INBOX_PREFIX, topics.RECEIPTS_PREFIX

_SHORT, _LONG = (0.2, 15.0), (15.0, 1.5 * MINUTE)
_LATE = frozenset({"ledger_leaf_missing", "ledger_unlogged"})
"""What is said where the ledger was away or cut off for longer than a minute while mail went on."""

_RESTORED = frozenset(
    {
        "submission_unknown",
        "acknowledgement_unknown",
        "acknowledgement_missing",
        "own_epoch_foreign",
        "own_key_revoked",
    }
)
"""What a unit says whose disk does not know what it did since."""

_PUT_BACK = frozenset({"feed_rewound", "acknowledgement_missing", "decision_lost", "kafka_put_back"}) | _LATE
"""What is said of a Kafka that came back from an older copy. The last: it lost a message that waited for its decision,
and the unit sealed another before it knew."""

_ALONE = frozenset({"ledger_untrusted"})
"""What is said where the ledger reached Kafka before it reached a quorum of its witnesses; or another one asks them too."""

_FORGOTTEN = frozenset({"own_identity_foreign"})
"""What a unit says that was restored to before its rotation, and does not know the next key."""

_LIED_ABOUT = frozenset({"own_facts_changed", "own_status_changed"})
"""What a unit says of which a thief of the registrar's key stated something."""

_AWAY = frozenset({"acknowledgement_missing"})
"""What senders say of whoever is away for more than an hour."""

FAULTS: Final[dict[str, Fault]] = {
    fault.name: fault
    for fault in (
        Fault("router_killed", kill("router"), 6, _SHORT),
        Fault("router_stopped", stop("router"), 3, _SHORT),
        Fault("router_paused", pause("router"), 4, (3.0, 30.0)),
        Fault("router_cut_off", cut("router", silent=False), 2, _LONG),
        Fault("router_cut_in_silence", cut("router", silent=True), 2, _LONG),
        Fault("all_routers_killed", all_routers, 1, _LONG),
        Fault("unit_killed", kill("unit"), 6, _SHORT),
        Fault("unit_stopped", stop("unit"), 3, _LONG),
        Fault("unit_paused", pause("unit"), 3, _LONG),
        Fault("unit_cut_off", cut("unit", silent=False), 2, _LONG),
        Fault("unit_cut_in_silence", cut("unit", silent=True), 2, _LONG),
        Fault("unit_away_for_days", stop("unit"), 1, (1 * DAY, 6 * DAY), _AWAY),
        Fault("unit_away_for_weeks", stop("unit"), 1, (8 * DAY, 25 * DAY), _AWAY),
        Fault("unit_power_cut", power_cut("unit"), 4, _SHORT),
        Fault("unit_power_cut_in_a_step", power_cut_in_a_step("unit"), 3, _LONG),
        Fault("unit_disk_full", disk("unit", full=True), 2, _LONG),
        Fault("unit_disk_read_only", disk("unit", full=False), 1, _LONG),
        Fault("ledger_killed", kill("ledger"), 4, _SHORT, _LATE),
        Fault("ledger_paused", pause("ledger"), 2, _LONG, _LATE),
        Fault("ledger_cut_off", cut("ledger", silent=False), 2, _LONG, _LATE | _ALONE),
        Fault("ledger_power_cut", power_cut("ledger"), 3, _SHORT, _LATE),
        Fault("ledger_power_cut_in_a_step", power_cut_in_a_step("ledger"), 2, _LONG, _LATE),
        Fault("ledger_disk_full", disk("ledger", full=True), 1, _LONG, _LATE),
        Fault("ledger_doubled", doubled, 2, (5.0, 30.0), _LATE | _ALONE),
        Fault("witness_killed", kill("witness"), 2, _LONG, together=_ALONE),
        Fault("witness_power_cut", power_cut("witness"), 2, _SHORT, together=_ALONE),
        Fault("witness_disk_full", disk("witness", full=True), 1, _LONG, together=_ALONE),
        Fault("witness_bit_flipped", witness_damaged(torn=False), 1, _SHORT, _ALONE | _LATE),
        Fault("witness_write_torn", witness_damaged(torn=True), 1, _SHORT, _ALONE | _LATE),
        Fault("witness_paused", pause("witness"), 2, _LONG, together=_ALONE),
        Fault("witness_away_for_days", kill("witness"), 1, (1 * DAY, 10 * DAY), together=_ALONE),
        Fault("everybody_killed", everybody, 1, _LONG, _LATE | _ALONE),
        Fault("broker_killed", broker, 3, _LONG),
        Fault("broker_frozen", frozen_broker, 2, _LONG),
        Fault("kafka_stopped", no_kafka, 1, _LONG, _LATE),
        Fault("leaders_moving", leaders, 2, _LONG),
        Fault("kafka_from_an_older_copy", older_copy, 2, (5.0, 3 * MINUTE), _PUT_BACK),
        Fault("kafka_from_a_copy_of_hours", older_copy, 1, (1.1 * HOUR, 9 * HOUR), _PUT_BACK),
        Fault("audit_records_deleted", audit_deleted, 1, (20.0, 5 * MINUTE), _LATE | {"ledger_audit_gap"}),
        Fault("slow_answers", answers(latency=(0.2, 2.0)), 2, _LONG),
        Fault("lost_answers", answers(lose_answer=0.05), 2, _LONG, _LATE),
        Fault("lost_requests", answers(lose_request=0.05), 2, _LONG, _LATE),
        Fault("late_answers", answers(late_answer=(0.1, 1.0, 20.0)), 2, _LONG, _LATE),
        Fault("late_requests", answers(late_request=(0.1, 1.0, 60.0)), 2, _LONG, _LATE),
        Fault("answers_told_twice", answers(answer_twice=0.1), 2, _LONG),
        Fault("connections_breaking", answers(break_before=0.03, break_after=0.03), 3, _LONG, _LATE),
        Fault("markers_apart", answers(spread_markers=0.5), 1, _LONG),
        Fault("refused_requests", answers(refuse=0.1), 2, _LONG, _LATE),
        Fault("clock_a_little_wrong", wall_clock, 3, _LONG, frozenset({"clock_ahead", "clock_behind"})),
        Fault("clock_very_wrong", very_wrong_clock, 2, _LONG, frozenset({"clock_ahead", "clock_behind"}) | _LATE),
        Fault("unit_restored", restored, 1, (1 * DAY, 6 * DAY), _RESTORED, together=_FORGOTTEN),
        Fault("unit_bit_flipped", bit_flipped, 1, (0.5 * DAY, 4 * DAY), _RESTORED, together=_FORGOTTEN),
        Fault("keys_renewed_early", renewed_early, 1, _SHORT),
        Fault("statements_of_later_types", stated_later, 1, _SHORT),
        Fault("policies", policy_stated, 1, _SHORT),
        Fault("policy_ended", policy_ended, 1, (20 * DAY, 50 * DAY), _ALONE | _LATE | _AWAY),
        Fault("router_key_lost", router_key_lost, 1, _LONG),
        Fault("registrar_key_stolen", registrar_key_stolen, 1, _LONG, must=_LIED_ABOUT),
        Fault("witness_exchanged", witness_exchanged, 1, _SHORT, _ALONE | _LATE),
        Fault("unit_suspended", suspended, 1, _LONG, must=frozenset({"own_status_changed"})),
        Fault("identity_rotated", rotated, 1, _SHORT, together=_FORGOTTEN),
        Fault("garbage_in_outboxes", hostile(garbage, OUTBOXES), 1, _SHORT, frozenset({"submission_unknown"})),
        Fault("replays_in_outboxes", hostile(seen_before, OUTBOXES), 2, _SHORT, frozenset({"submission_unknown"})),
        Fault("garbage_in_audit", hostile(garbage, topics.AUDIT), 1, _SHORT),
        Fault("garbage_in_directory", hostile(garbage, topics.DIRECTORY), 1, _SHORT),
        Fault("floods_in_outboxes", hostile(garbage, OUTBOXES, pause=(0.0, 0.1)), 1, _SHORT, frozenset({"submission_unknown"})),
        Fault("submissions_of_others", hostile(of_any(OUTBOXES), OUTBOXES), 1, _SHORT, frozenset({"submission_unknown"})),
        Fault("deliveries_to_others", hostile(of_any(INBOXES), INBOXES), 1, _SHORT),
        Fault("receipts_of_others", hostile(of_any(RECEIPTS), RECEIPTS), 1, _SHORT, frozenset({"decision_unverified"})),
        Fault("old_publications", hostile(of_topic(topics.LEDGER), topics.LEDGER), 1, _SHORT),
        Fault("garbage_in_ledger", hostile(garbage, topics.LEDGER), 1, _SHORT, frozenset({"ledger_damaged"})),
        Fault("garbage_in_inboxes", hostile(garbage, INBOXES), 1, _SHORT),
        Fault("garbage_in_receipts", hostile(garbage, RECEIPTS), 1, _SHORT, frozenset({"decision_unverified"})),
    )
}  # fmt: skip

GAPS: Final[dict[str, tuple[Fault, str]]] = {
    fault.name: (fault, why)
    for fault, why in (
        (Fault("epoch_keys_lost", lost_epochs, 1, _LONG), "what is sealed to a lost key is lost by design"),
    )
}
