"""Statuses of an exchange, well but for what a test changes."""

from __future__ import annotations

from typing import Any

from protocol.limits import DAY

NOW = 1_796_140_000_000


def well(**more: Any) -> dict[str, Any]:
    """Two units, a router, a ledger with one witness; all is well."""
    return {
        "moment": NOW,
        "kafka": {"bootstrap": "k:1", "reachable": True},
        "topics": {"declared": 9, "missing": [], "hanging": [], "hanging_error": None},
        "routers": [process("http://127.0.0.1:9470")],
        "ledgers": [process("http://127.0.0.1:9480", witnesses={"ok": True, "failing": []})],
        "units": [unit("fr"), unit("it")],
        "standing": [],
        "keys": [],
        "certificates": [],
        "ends": [{"kind": "unit", "name": "fr", "until": NOW + 300 * DAY, "left": 300 * DAY}],
        "quarantine": {
            "depth": 0,
            "more": False,
            "newest": None,
            "newest_t": None,
            "unseen": 0,
            "since": None,
        },
        "clock": {"ahead": 3, "error": None},
        "disk": {"free": 60, "of": 100},
        "troubles": [],
        "alarms": [],
    } | more


def process(url: str, *, ready: bool = True, **checks: Any) -> dict[str, Any]:
    return {"url": url, "ready": ready, "checks": checks}


def unit(name: str, **more: Any) -> dict[str, Any]:
    lags = {"outbox_lag": 0, "inbox_lag": 0, "receipts_lag": 0}
    return {"unit": name, "suspended": False, "heard": NOW - 5_000, **lags} | more


def standing(topic: str, name: str, *, lag: int = 3, why: str = "it stands") -> dict[str, Any]:
    return {
        "name": name, "topic": topic, "partition": 0, "end": 7, "position": 7 - lag, "lag": lag,
        "heard": NOW - 90_000, "moved": NOW - 120_000, "why": why,
    }  # fmt: skip


HELD = {"depth": 4, "more": False, "newest": 17, "newest_t": NOW, "unseen": 2, "since": NOW - 1000}
