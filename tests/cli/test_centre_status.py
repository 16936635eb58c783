"""`centre status`: when the exchange is well, and what is shown where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from broker.centre.commands.status_lines import show_status_of_all
from broker.centre.status import exchange_is_well


def status(ledger: object, *, ready: bool = True) -> dict[str, Any]:
    """An exchange with one router, which says this of the ledger."""
    checks = {"directory": {"ok": True}} | ({} if ledger is None else {"ledger": ledger})
    return {
        "kafka": {"bootstrap": "kafka:9092", "reachable": True},
        "topics": {"declared": 4, "missing": [], "hanging": [], "hanging_error": None},
        "directory": {"size": 7, "root": "", "refused": 0, "waiting": 0},
        "routers": [{"url": "http://router:9470", "ready": ready, "checks": checks}],
        "ledgers": [],
        "keys": [],
        "certificates": [],
        "backlog": [],
        "readers": [],
        "standing": [],
    }


@pytest.mark.parametrize("ledger", [None, {"ok": True, "entries": 4, "accused": []}, {"accused": "rubbish"}])
def test_nobody_saw_another_ledger(ledger: object, capsys: pytest.CaptureFixture[str]) -> None:
    """A router that compares nothing, or found nothing, is well; so is one whose answer says nothing clear."""
    assert exchange_is_well(status(ledger))
    assert not exchange_is_well(status(ledger, ready=False))
    show_status_of_all(status(ledger))
    assert "another ledger" not in capsys.readouterr().out


def test_a_unit_that_saw_another_ledger_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The router is ready, and the exchange is not well: the command names the unit and ends in 3."""
    found = status({"ok": True, "entries": 4, "accused": ["fr", "it"]})
    assert not exchange_is_well(found)
    show_status_of_all(found)
    assert "saw another ledger: fr, it" in capsys.readouterr().out


STANDING = {
    "name": "unit it", "topic": "inbox.it", "partition": 0, "end": 7, "position": 4, "lag": 3,
    "heard": 1_795_000_000_000, "moved": 1_795_000_000_000,
    "why": "3 records of inbox.it wait, and it was not heard for 90 s",
}  # fmt: skip


def test_what_stands_still_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything else is well, and the exchange is not."""
    found = status(None) | {"standing": [STANDING], "readers": [STANDING]}
    assert not exchange_is_well(found)
    show_status_of_all(found)
    shown = capsys.readouterr().out
    assert "STANDS     unit it: 3 records of inbox.it wait, and it was not heard for 90 s" in shown


def test_a_ledger_that_is_asked_and_not_ready_is_not_well(capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown as a router is, with the checks that fail."""
    ledger = {"url": "http://ledger:9480", "ready": False, "checks": {"stores": {"ok": False}}}
    found = status(None) | {"ledgers": [ledger]}
    assert not exchange_is_well(found)
    show_status_of_all(found)
    assert "ledger     http://ledger:9480 not ready (stores)" in capsys.readouterr().out


def test_of_thousands_those_are_shown_in_which_something_waits(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody looks through five thousand rows that say nothing; of a few each is shown."""
    rows = [
        {"unit": f"u{number:04}", "partition": 0, "suspended": False, "end": 9, "position": 9, "lag": 0}
        for number in range(5_000)
    ]
    rows[7] |= {"position": 4, "lag": 5}
    rows[9] |= {"position": None, "lag": None}
    show_status_of_all(status(None) | {"backlog": rows})
    shown = capsys.readouterr().out
    assert "5000 outboxes; in 2 of them something waits" in shown
    assert [f"u{number:04}" in shown for number in range(6, 11)] == [False, True, False, True, False]
    show_status_of_all(status(None) | {"backlog": rows[:3]})
    assert "u0002" in capsys.readouterr().out


def test_a_transaction_that_hangs_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody reads past it, and no reader is behind: no other line would tell."""
    found = status(None)
    found["topics"]["hanging"] = [
        {"topic": "inbox.fr", "partition": 2, "offset": 40, "t": 1, "decided": "committed"}
    ]
    assert not exchange_is_well(found)
    show_status_of_all(found)
    assert "HANGS      inbox.fr 2 from 40 on: see centre topics hanging" in capsys.readouterr().out


def test_what_kafka_does_not_tell_is_not_told_as_none(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever may not ask does not know."""
    found = status(None)
    found["topics"] |= {"hanging": None, "hanging_error": "no right"}
    assert not exchange_is_well(found)
    show_status_of_all(found)
    assert "not told whether a transaction hangs: no right" in capsys.readouterr().out
