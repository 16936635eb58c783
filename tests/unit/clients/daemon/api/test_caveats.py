"""What is said of a message's fields at both ends: that a zone was not checked, that a number is a placeholder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from clients.daemon.api import views
from clients.daemon.api.routes import LocalApi, application
from clients.daemon.daemon import Daemon
from protocol.identifiers import UnitId, read_id
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, draft, pump

DOCUMENT = {
    "type": "identity_document",
    "purposes": ["operational"],
    "data_class": "personal",
    "status": "lost",
    "category": "other",
    "country": "UTO",
    "number": "0000000",
    "mrz": ["QX1234567890123", "ABC<<DEF"],
}
TOLD = {("items[0].number", "placeholder"), ("items[0].mrz", "mrz_not_checked")}


def rules(shown: dict) -> set[tuple[str, str]]:
    return {(caveat["field"], caveat["rule"]) for caveat in shown["caveats"]}


async def test_the_sender_is_told_with_the_id(daemon: Daemon) -> None:
    """And told the same again under the same key; of a message in order nothing."""
    daemon.directory_read.set()
    intake = asyncio.create_task(daemon.intake.run())
    transport = httpx.ASGITransport(app=application(LocalApi(daemon, None)))
    message = {"kind": "information", "to": ["it"], "draft": draft(items=[DOCUMENT])}
    async with httpx.AsyncClient(transport=transport, base_url="http://es") as http:
        answers = [
            await http.post("/v1/messages", json=message, headers={"Idempotency-Key": '"k"'})
            for _ in range(2)
        ]
        plain = await http.post("/v1/messages", json=message | {"draft": draft()})
    intake.cancel()
    await asyncio.wait([intake])

    assert answers[0].status_code == 202
    assert rules(answers[0].json()) == TOLD
    assert answers[0].content == answers[1].content
    assert plain.json()["caveats"] == []


def test_the_addressee_is_told_with_the_content(tmp_path: Path) -> None:
    """It is made anew there, so that a sender who says nothing of it hides nothing."""
    world = World()
    es, pt = (UnitFixture(world, UnitId(name), tmp_path / name) for name in ("es", "pt"))
    es.learn()
    pt.learn()
    sent = es.submit("pt", draft=draft(items=[DOCUMENT]))
    pump(world, es, pt)
    shown = views.open_inbox_item(pt.context, read_id(sent.id), None)

    assert rules(shown) == TOLD
    assert "mrz_as_printed" not in shown["body"]["items"][0]
    assert shown["body"]["items"][0]["status"] == "lost"
