"""What the daemon says of itself: /v1/status, /readyz and the gauges behind /metrics."""

from __future__ import annotations

from typing import Any

from clients.daemon.api.ledger_views import ledger_status
from clients.daemon.daemon import Daemon
from clients.daemon.errors import StoreUnavailable
from clients.daemon.state.unit_context import Office

Checks = dict[str, dict[str, object]]

_COUNTS = {
    "queued": "SELECT count(*) AS n FROM outbox WHERE state = 'queued'",
    "undecided": "SELECT count(*) AS n FROM sealings WHERE verdict IS NULL",
    "new": "SELECT count(*) AS n FROM inbox WHERE state = 'new' AND kind <> 5",
    "rejected": "SELECT count(*) AS n FROM rejected",
    "alarms": "SELECT count(*) AS n FROM alarms",
}


async def checks(daemon: Daemon) -> Checks:
    """Each thing that must hold before the unit can work, with whatever explains it."""
    office = daemon.office
    try:
        counts = await daemon.worker.do(lambda: count(office))
        writable = await daemon.worker.do(lambda: _writable(office))
    except StoreUnavailable:
        counts, writable = {}, False
    enrolled = await daemon.worker.do(lambda: is_enrolled(office))
    return {
        "store": {"ok": writable, **counts},
        "directory": {"ok": daemon.directory_read.is_set(), "statements": office.directory.head.size},
        "kafka": {"ok": daemon.lanes.kafka_up},
        "enrolled": {"ok": enrolled},
    }


async def status(daemon: Daemon) -> dict[str, Any]:
    """Everything at a glance, with the newest alarms."""
    found = await checks(daemon)
    office = daemon.office
    alarms = await daemon.worker.do(
        lambda: [
            {"raised": row["raised"], "code": row["code"], "detail": row["detail"]}
            for row in office.store.rows("SELECT * FROM alarms ORDER BY id DESC LIMIT 20")
        ]
    )
    read = daemon.ledger.read.is_set()
    ledger = await daemon.worker.do(lambda: ledger_status(office, read=read))
    return {
        "unit": office.unit,
        "ready": all(check["ok"] for check in found.values()),
        "checks": found,
        "stream": office.stream.id.hex(),
        "directory": {"size": office.directory.head.size, "root": office.directory.head.root.hex()},
        "ledger": ledger,
        "alarms": alarms,
    }


async def refresh_gauges(daemon: Daemon) -> None:
    """Bring the gauges up to date before they are read."""
    try:
        counts = await daemon.worker.do(lambda: count(daemon.office))
    except StoreUnavailable:
        return
    daemon.office.metrics.queued.set(counts["queued"])
    daemon.office.metrics.undecided.set(counts["undecided"])
    daemon.office.metrics.directory_size.set(daemon.office.directory.head.size)
    ledger = daemon.office.ledger
    if ledger is not None:
        daemon.office.metrics.ledger_size.set(ledger.head.size)
        daemon.office.metrics.ledger_wrong.set(len(ledger.wrong))
        daemon.office.metrics.promises_open.set(len(ledger.book.promises))
        daemon.office.metrics.promises_late.set(ledger.book.late)


def count(office: Office) -> dict[str, int]:
    """How much of everything there is."""
    rows = {name: office.store.row(sql) for name, sql in _COUNTS.items()}
    return {name: 0 if row is None else int(row["n"]) for name, row in rows.items()}


def is_enrolled(office: Office) -> bool:
    """Whether the directory has the identity that we sign with."""
    known = office.directory.identity(office.unit, office.keys.signer.public.kid)
    return known is not None and not known.revoked


def _writable(office: Office) -> bool:
    with office.transaction():
        office.store.write("INSERT OR REPLACE INTO meta VALUES ('checked', ?)", str(office.clock()))
    return True
