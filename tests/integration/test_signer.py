"""A router whose key another process holds, on a real Kafka."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from clients.demo.free_ports import free_port
from keys.errors import SignerAway
from protocol import topics
from protocol.identifiers import UnitId
from protocol.trail.batches import RecordType, verify_decisions
from tests.integration.exchange import Exchange
from tests.integration.signing import SignerProcess, until_checks


@pytest.fixture
def signer(exchange: Exchange) -> Iterator[SignerProcess]:
    """The signer of an exchange, running."""
    made = SignerProcess(exchange)
    made.start()
    yield made
    made.kill()


@pytest.mark.parametrize("how", ["killed", "hangs"])
async def test_a_signer_that_is_killed_costs_time_and_no_message(
    exchange: Exchange, signer: SignerProcess, how: str
) -> None:
    """The signer is killed, or hangs, while mail flows: the router waits, is not ready, and goes on; each message once."""
    world, port = exchange.world, free_port()
    submissions = [world.compose("fr", ["it"]) for _ in range(300)]
    exchange.start_router(key=signer.uri, http_port=port)
    await exchange.submit("fr", *submissions[:100])
    await exchange.deliveries("it", 1)
    signer.kill() if how == "killed" else signer.process.send_signal(signal.SIGSTOP)
    away = await until_checks(
        port, lambda found: found["signer"]["ok"] is False, what="the router is not ready"
    )
    assert away["signer"]["code"] == SignerAway.code
    await exchange.submit("fr", *submissions[100:])
    signer.start() if how == "killed" else signer.process.send_signal(signal.SIGCONT)

    opened = [world.open("it", delivery) for delivery in await exchange.deliveries("it", 300)]
    assert [o.delivery.header.core.position.seq for o in opened] == list(range(300))
    receipts = await exchange.all(topics.receipts(UnitId("fr")))
    decided = [row for each in receipts for row in verify_decisions(each, parties=world.directory).records]
    assert [row.type for row in decided] == [RecordType.ACCEPTED] * 300
    await until_checks(
        port, lambda found: all(each["ok"] for each in found.values()), what="the router is ready again"
    )
    assert exchange.routers[0].poll() is None
