"""The daemon's status: /v1/status, /readyz and the gauges behind /metrics."""

from __future__ import annotations

from typing import Any, Final

from clients.daemon.api.alarm_views import newest_alarms
from clients.daemon.api.ledger_views import ledger_status
from clients.daemon.daemon import Daemon
from clients.daemon.errors import StoreUnavailable
from clients.daemon.receiving.position_marks import TELL_EVERY
from clients.daemon.sending.clock_waits import clock_state
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.alarms import alarms_by_code
from protocol.limits import SECOND
from runtime.process.contact import recent_contact
from runtime.process.health import Checks

KAFKA_RECENT: Final = 3 * TELL_EVERY
"""Seconds: an idle daemon speaks to Kafka that often by itself, and may fail once."""

_COUNTS = {
    "queued": "SELECT count(*) AS n FROM outbox WHERE state = 'queued'",
    "undecided": "SELECT count(*) AS n FROM sealings WHERE verdict IS NULL",
    "new": "SELECT count(*) AS n FROM inbox WHERE state = 'new' AND kind <> 5",
    "rejected": "SELECT count(*) AS n FROM rejected",
    "alarms": "SELECT count(*) AS n FROM alarms",
    "open_alarms": """SELECT count(*) AS n FROM alarms
        WHERE id NOT IN (SELECT alarm FROM alarm_acknowledgements)""",
}


async def readiness_checks(daemon: Daemon) -> Checks:
    """Each thing that must hold before the unit can work, with whatever explains it."""
    context = daemon.context
    try:
        counts = await daemon.worker.do(lambda: count_waiting(context))
        writable = await daemon.worker.do(lambda: _writable(context))
    except StoreUnavailable:
        counts, writable = {}, False
    enrolled = await daemon.worker.do(lambda: is_enrolled(context))
    clock: dict[str, object] = {"ok": True}
    if writable:
        clock = await daemon.worker.do(lambda: _clock_check(context))
    return {
        "store": {"ok": writable, **counts},
        "directory": {"ok": daemon.directory_read.is_set(), "statements": context.directory.head.size},
        "kafka": recent_contact(daemon.kafka.age, within=KAFKA_RECENT),
        "enrolled": {"ok": enrolled},
        "clock": clock,
    }


async def daemon_status(daemon: Daemon) -> dict[str, Any]:
    """Everything at a glance, with the newest alarms."""
    found = await readiness_checks(daemon)
    context = daemon.context
    alarms = await daemon.worker.do(lambda: newest_alarms(context))
    read = daemon.ledger.read.is_set()
    ledger = await daemon.worker.do(lambda: ledger_status(context, read=read))
    return {
        "unit": context.unit,
        "ready": all(check["ok"] for check in found.values()),
        "checks": found,
        "stream": context.stream.id.hex(),
        "directory": {"size": context.directory.head.size, "root": context.directory.head.root.hex()},
        "ledger": ledger,
        "open_alarms": found["store"].get("open_alarms", 0),
        "alarms": alarms,
    }


async def refresh_gauges(daemon: Daemon) -> None:
    """Bring the gauges up to date before they are read."""
    try:
        counts = await daemon.worker.do(lambda: count_waiting(daemon.context))
        alarms = await daemon.worker.do(lambda: alarms_by_code(daemon.context.store))
        waiting = await daemon.worker.do(lambda: clock_state(daemon.context).waiting)
    except StoreUnavailable:
        return
    for code, (still_open, done) in alarms.items():
        daemon.context.metrics.alarms_kept.labels(code, "open").set(still_open)
        daemon.context.metrics.alarms_kept.labels(code, "acknowledged").set(done)
    daemon.context.metrics.queued.set(counts["queued"])
    daemon.context.metrics.waiting_for_clock.set(waiting)
    daemon.context.metrics.undecided.set(counts["undecided"])
    daemon.context.metrics.directory_size.set(daemon.context.directory.head.size)
    ledger = daemon.context.ledger
    if ledger is not None:
        daemon.context.metrics.ledger_size.set(ledger.head.size)
        daemon.context.metrics.ledger_wrong.set(len(ledger.wrong))
        daemon.context.metrics.promises_open.set(len(ledger.book.promises))
        daemon.context.metrics.promises_late.set(ledger.book.late)


def _clock_check(context: UnitContext) -> dict[str, object]:
    state = clock_state(context)
    if state.is_right:
        return {"ok": True}
    return {
        "ok": False,
        "waiting": state.waiting,
        "ahead_seconds": None if state.ahead is None else state.ahead // SECOND,
        "behind_seconds": None if state.behind is None else state.behind // SECOND,
        "hint": state.advice(),
    }


def count_waiting(context: UnitContext) -> dict[str, int]:
    """How much of everything there is."""
    rows = {name: context.store.row(sql) for name, sql in _COUNTS.items()}
    return {name: 0 if row is None else int(row["n"]) for name, row in rows.items()}


def is_enrolled(context: UnitContext) -> bool:
    """Whether the directory has the identity that this unit signs with."""
    known = context.directory.identity(context.unit, context.keys.signer.public.kid)
    return known is not None and not known.revoked


def _writable(context: UnitContext) -> bool:
    with context.transaction():
        context.store.write("INSERT OR REPLACE INTO meta VALUES ('checked', ?)", str(context.clock()))
    return True
