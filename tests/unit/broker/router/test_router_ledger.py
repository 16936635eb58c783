"""The router's loop beside the ledger: heads are compared behind the mail, and never in its way."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from broker.replica import Replica
from broker.router import app
from broker.router.settings import RouterSettings
from protocol import topics
from protocol.identifiers import UnitId
from protocol.parties import TreeHead
from runtime.errors import Misconfigured
from runtime.process.health import health_pages
from tests.sim.one_log import policy_of
from tests.sim.world import World
from tests.unit.broker.files import write_router
from tests.unit.broker.router.claims import Exhausted, ScriptedClaim, router_of
from tests.unit.broker.router.published import Ledger, alarms, forked

FR, IT = UnitId("fr"), UnitId("it")


@pytest.fixture
def ledger() -> Ledger:
    """A ledger of which the router has read one head."""
    made = Ledger()
    made.grow(300)
    return made


@pytest.fixture
def world(ledger: Ledger) -> World:
    """That ledger's."""
    return ledger.world


async def route(ledger: Ledger, replica: Replica, *records: bytes) -> ScriptedClaim:
    """Route the records, all at once."""
    claim = ScriptedClaim(FR, [list(records)])
    with pytest.raises(Exhausted):
        await router_of(ledger.world, replica, ledger=ledger.feed).work(claim)
    return claim


def delivered(claim: ScriptedClaim) -> int:
    """How many deliveries were committed."""
    return sum(len(commit.to(topics.inbox(IT))) for commit in claim.commits)


async def test_a_message_whose_sender_saw_another_ledger_is_delivered(
    ledger: Ledger, replica: Replica
) -> None:
    """The alarm is the centre's business; the message goes where it is to go, as every other one."""
    heads = [forked(300), forked(299), forked(301), ledger.log]
    messages = [ledger.world.compose("fr", ["it"], ledger_head=each.checkpoint().head) for each in heads]
    with alarms() as said:
        claim = await route(ledger, replica, *messages)
    assert delivered(claim) == 4
    assert [line["code"] for line in said] == ["E_GOSSIP_LOG"]
    assert ledger.outcomes() == {"different": 1, "unknown": 1, "ahead": 1, "same": 1}


async def test_a_message_that_was_not_committed_is_not_compared(ledger: Ledger, replica: Replica) -> None:
    """The comparison comes behind the transaction: it cannot make it wait, nor count twice what is decided again."""
    raw = ledger.world.compose("fr", ["it"], ledger_head=forked(300).checkpoint().head)
    claim = ScriptedClaim(FR, [[raw]], failing=ConnectionError("gone"))
    with pytest.raises(ConnectionError):
        await router_of(ledger.world, replica, ledger=ledger.feed).work(claim)
    assert ledger.outcomes() == {}


async def test_nobody_is_accused_by_a_header_that_he_did_not_sign(ledger: Ledger, replica: Replica) -> None:
    """What somebody else wrote into a unit's outbox under its name is refused, and says nothing about its head."""
    core = ledger.world.core("fr", ["it"], ledger_head=forked(300).checkpoint().head)
    with alarms() as said:
        claim = await route(ledger, replica, ledger.world.seal(core, by="de").submission)
    assert (delivered(claim), said, ledger.outcomes()) == (0, [], {})


async def test_what_is_refused_is_compared_too(ledger: Ledger, replica: Replica) -> None:
    """Who is shown another directory is refused, and may have been shown another ledger as well."""
    head = forked(300).checkpoint().head
    raw = ledger.world.compose("fr", ["it"], ledger_head=head, directory_head=TreeHead(3, bytes(32)))
    with alarms() as said:
        claim = await route(ledger, replica, raw)
    assert delivered(claim) == 0
    assert [line["sender"] for line in said] == ["fr"]


async def test_every_piece_of_a_batch_is_compared_once(ledger: Ledger, replica: Replica) -> None:
    """Nothing between the records that cannot be read shifts whose head is whose."""
    good = [ledger.world.compose("fr", ["it"], ledger_head=ledger.log.checkpoint().head) for _ in range(3)]
    await route(ledger, replica, b"", good[0], b"rubbish", good[1], good[2], good[0])
    assert ledger.outcomes() == {"same": 4}


async def test_who_saw_another_ledger_is_shown_and_the_router_stays_ready(
    tmp_path: Path, ledger: Ledger
) -> None:
    """/readyz names the units for the centre; a router that is taken out of service would stop the mail."""
    policy = tmp_path / "policy"
    policy.write_text(policy_of())
    settings = RouterSettings.load(write_router(tmp_path / "router"))
    router, outboxes = app.build_router(settings.model_copy(update={"ledger_policy": policy}))
    assert router.ledger is not None
    for value in ledger.bus.records[topics.LEDGER]:
        router.ledger.take(value)
    router.ledger.gossip.compare(ledger.core("fr", forked(300).checkpoint().head))

    pages = health_pages(router.metrics.registry, lambda: app.readiness(router, outboxes))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=pages), base_url="http://router"
    ) as client:
        shown = json.loads((await client.get("/readyz")).content)["checks"]["ledger"]
        metrics = (await client.get("/metrics")).text
    assert shown == {"ok": True, "entries": 300, "accused": ["fr"]}
    assert 'contrada_router_ledger_heads_compared_total{outcome="different"} 1.0' in metrics
    assert "contrada_router_ledger_entries 300.0" in metrics


def test_without_a_policy_nothing_is_followed(tmp_path: Path) -> None:
    """A router of before goes on as it was: it reads no ledger, and says so by saying nothing."""
    router, outboxes = app.build_router(RouterSettings.load(write_router(tmp_path / "router")))
    assert router.ledger is None
    assert "ledger" not in app.readiness(router, outboxes)


@pytest.mark.parametrize("text", [None, "log nonsense\n"])
def test_a_policy_that_cannot_be_read_is_told_at_the_start(tmp_path: Path, text: str | None) -> None:
    """Nobody believes that heads are compared when they are not."""
    policy = tmp_path / "policy"
    if text is not None:
        policy.write_text(text)
    settings = RouterSettings.load(write_router(tmp_path / "router"))
    with pytest.raises(Misconfigured, match="policy"):
        app.build_router(settings.model_copy(update={"ledger_policy": policy}))
