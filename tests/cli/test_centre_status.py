"""`centre status`: when the exchange is well, and what is shown where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from broker.centre.commands.watch import _show_status
from broker.centre.status import exchange_is_well


def status(ledger: object, *, ready: bool = True) -> dict[str, Any]:
    """An exchange with one router, which says this of the ledger."""
    checks = {"directory": {"ok": True}} | ({} if ledger is None else {"ledger": ledger})
    return {
        "kafka": {"bootstrap": "kafka:9092", "reachable": True},
        "topics": {"declared": 4, "missing": []},
        "directory": {"size": 7, "root": "", "refused": 0},
        "routers": [{"url": "http://router:9470", "ready": ready, "checks": checks}],
        "backlog": [],
    }


@pytest.mark.parametrize("ledger", [None, {"ok": True, "entries": 4, "accused": []}, {"accused": "rubbish"}])
def test_nobody_saw_another_ledger(ledger: object, capsys: pytest.CaptureFixture[str]) -> None:
    """A router that compares nothing, or found nothing, is well; so is one whose answer says nothing clear."""
    assert exchange_is_well(status(ledger))
    assert not exchange_is_well(status(ledger, ready=False))
    _show_status(status(ledger))
    assert "another ledger" not in capsys.readouterr().out


def test_a_unit_that_saw_another_ledger_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The router is ready, and the exchange is not well: the command names the unit and ends in 3."""
    found = status({"ok": True, "entries": 4, "accused": ["fr", "it"]})
    assert not exchange_is_well(found)
    _show_status(found)
    assert "saw another ledger: fr, it" in capsys.readouterr().out
