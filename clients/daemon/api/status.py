"""The daemon's status: /v1/status, /readyz and the gauges behind /metrics."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from clients.daemon.api.alarm_views import newest_alarms
from clients.daemon.api.ledger_views import ledger_status
from clients.daemon.daemon import Daemon
from clients.daemon.directory.key_end import key_end
from clients.daemon.errors import StoreDamaged, StoreUnavailable
from clients.daemon.receiving.position_marks import TELL_EVERY
from clients.daemon.sending.clock_waits import clock_state
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.alarms import alarms_by_code
from clients.daemon.store.received_requests import OpenRequests, open_requests
from keys.errors import KeyStoreError
from protocol.identifiers import Millis
from protocol.limits import DAY, SECOND
from runtime.process.contact import recent_contact
from runtime.process.health import Checks, policy_lasts

KAFKA_RECENT: Final = 3 * TELL_EVERY
"""Seconds: an idle daemon speaks to Kafka that often by itself, and may fail once."""

_COUNTS = {
    "queued": "SELECT count(*) AS n FROM outbox WHERE state = 'queued'",
    "undecided": "SELECT count(*) AS n FROM sealings WHERE verdict IS NULL",
    "unacknowledged": """SELECT count(DISTINCT u.message) AS n FROM unacknowledged u
        JOIN outbox o ON o.id = u.message WHERE u.told = 1 AND o.state = 'accepted'""",
    "new": "SELECT count(*) AS n FROM inbox WHERE state = 'new' AND kind <> 5",
    "rejected": "SELECT count(*) AS n FROM rejected",
    "alarms": "SELECT count(*) AS n FROM alarms",
    "open_alarms": """SELECT count(*) AS n FROM alarms
        WHERE id NOT IN (SELECT alarm FROM alarm_acknowledgements)""",
}


_OLDEST_UNDECIDED = """SELECT min(created) AS t FROM outbox WHERE id IN (
    (SELECT min(message) FROM sealings WHERE verdict IS NULL),
    (SELECT min(id) FROM outbox WHERE state = 'queued'))"""


async def readiness_checks(daemon: Daemon) -> Checks:
    """Each thing that must hold before the unit can work, with whatever explains it."""
    return _checks(daemon, await daemon.worker.do(lambda: _look(daemon.context)))


async def daemon_status(daemon: Daemon) -> dict[str, Any]:
    """Everything at a glance, with the newest alarms; all of the store as it is at one moment."""
    context, read = daemon.context, daemon.ledger.read.is_set()

    def glance() -> tuple[_Seen, list[dict[str, Any]], dict[str, Any], OpenRequests]:
        requests = open_requests(context.store, author=context.unit, now=context.clock())
        return _look(context), newest_alarms(context), ledger_status(context, read=read), requests

    seen, alarms, ledger, requests = await daemon.worker.do(glance)
    found = _checks(daemon, seen)
    return {
        "unit": context.unit,
        "ready": all(check["ok"] for check in found.values()),
        "checks": found,
        "stream": context.stream.id.hex(),
        "directory": {"size": context.directory.head.size, "root": context.directory.head.root.hex()},
        "ledger": ledger,
        "requests": asdict(requests),
        "open_alarms": found["store"].get("open_alarms", 0),
        "alarms": alarms,
    }


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one job sees of the store."""

    store: dict[str, object]
    enrolled: bool
    clock: dict[str, object]
    key: dict[str, object]


def _look(context: UnitContext) -> _Seen:
    store: dict[str, object]
    clock: dict[str, object] = {"ok": True}
    try:
        store = {"ok": _writable(context), **count_waiting(context)}
        clock = _clock_check(context)
    except StoreDamaged as damaged:
        store = {"ok": False, "code": damaged.code, "hint": f"{damaged}; {damaged.hint}"}
    except StoreUnavailable:
        store = {"ok": False}
    return _Seen(store, is_enrolled(context), clock, _key_check(context))


def _checks(daemon: Daemon, seen: _Seen) -> Checks:
    return {
        "store": seen.store,
        "directory": {"ok": daemon.directory_read.is_set(), "statements": daemon.context.directory.head.size},
        "kafka": recent_contact(daemon.kafka.age, within=KAFKA_RECENT, hint=daemon.kafka.hint),
        "enrolled": {"ok": seen.enrolled},
        "key": seen.key,
        **_policy_check(daemon.context),
        **({} if daemon.context.certificates is None else daemon.context.certificates.checks()),
        "clock": seen.clock,
    }


async def refresh_gauges(daemon: Daemon) -> None:
    """Bring the gauges up to date before they are read."""
    context = daemon.context

    def glance() -> tuple[dict[str, int], dict[str, tuple[int, int]], int, Millis | None, OpenRequests]:
        (oldest,) = context.store.rows(_OLDEST_UNDECIDED)
        waiting = clock_state(context).waiting
        requests = open_requests(context.store, author=context.unit, now=context.clock())
        return count_waiting(context), alarms_by_code(context.store), waiting, oldest["t"], requests

    context.metrics.kafka_up.set(recent_contact(daemon.kafka.age, within=KAFKA_RECENT)["ok"] is True)
    try:
        counts, alarms, waiting, oldest, requests = await daemon.worker.do(glance)
    except StoreUnavailable:
        return
    for code, (still_open, done) in alarms.items():
        daemon.context.metrics.alarms_kept.labels(code, "open").set(still_open)
        daemon.context.metrics.alarms_kept.labels(code, "acknowledged").set(done)
    _show_requests(context, requests)
    daemon.context.metrics.queued.set(counts["queued"])
    daemon.context.metrics.oldest_undecided.set((oldest or 0) / SECOND)
    daemon.context.metrics.waiting_for_clock.set(waiting)
    if context.times is not None:
        context.metrics.clock_off.set(context.times.check.ahead_seconds)
    daemon.context.metrics.undecided.set(counts["undecided"])
    daemon.context.metrics.unacknowledged.set(counts["unacknowledged"])
    daemon.context.metrics.directory_size.set(daemon.context.directory.head.size)
    end = key_end(context)
    daemon.context.metrics.key_left.set(0 if end is None else max(0, end.left / SECOND))
    ledger = daemon.context.ledger
    if ledger is not None:
        daemon.context.metrics.ledger_size.set(ledger.head.size)
        daemon.context.metrics.ledger_wrong.set(len(ledger.wrong))
        daemon.context.metrics.promises_open.set(len(ledger.book.promises))
        daemon.context.metrics.promises_late.set(ledger.book.late)


def _show_requests(context: UnitContext, requests: OpenRequests) -> None:
    metrics = context.metrics
    metrics.requests_open.set(requests.waiting)
    metrics.requests_urgent.set(requests.urgent)
    metrics.requests_near.set(requests.near)
    metrics.requests_overdue.set(requests.overdue)
    metrics.next_deadline.set((requests.next_due or 0) / SECOND)


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


def _key_check(context: UnitContext) -> dict[str, object]:
    """Not ok only once it has ended, or is away: a unit whose identity ends in weeks can work."""
    try:
        context.keys.reach()
    except KeyStoreError as error:
        return {"ok": False, "code": error.code, "hint": error.hint}
    end, rests = key_end(context), context.rests_until
    if rests is not None:
        return {"ok": False, "rests_until": rests, "hint": "the root asks for a cooling-off time"}
    if end is None:
        return {"ok": True}
    found: dict[str, object] = {"ok": end.left >= 0, "until": end.until, "days_left": max(0, end.left // DAY)}
    return found | ({"hint": end.advice()} if end.is_near else {})


def _policy_check(context: UnitContext) -> Checks:
    if context.ledger is None:
        return {}
    return {"policy": {"ok": True, **policy_lasts(context.ledger.policy, context.clock())}}


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
