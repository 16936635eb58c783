"""A router beside a real ledger: it reads what was published, and names who saw something else."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from clients.demo.exchange import free_port
from protocol.identifiers import Millis
from protocol.parties import TreeHead
from tests.integration.exchange import Exchange
from tests.integration.ledgers import Ledgers
from tests.sim.world import World


@pytest.fixture
async def exchange(new_cluster, tmp_path: Path) -> AsyncIterator[Exchange]:
    """A world on a broker of its own, since topics have fixed names."""
    world = World(now=Millis(time.time_ns() // 1_000_000))
    made = Exchange(world, new_cluster().bootstrap, tmp_path / "centre")
    await made.found()
    try:
        yield made
    finally:
        made.stop()


async def test_a_unit_that_saw_another_ledger_is_named_and_its_mail_goes_on(exchange: Exchange) -> None:
    """Heads as they were published are the same; another root is an alarm at the router, which delivers all."""
    ledgers, port = Ledgers(exchange), free_port()
    exchange.start_router(http_port=port, ledger_policy=str(ledgers.directory / "policy"))
    try:
        ledgers.start()
        await exchange.submit("fr", *[exchange.world.compose("fr", ["it"]) for _ in range(5)])
        # Each decision is at least one leaf: the log stands still when all of them are there.
        await until(lambda: ready(port)["ledger"]["entries"] >= 5 and still(ledgers))
        state = ledgers.audit()
        await until(lambda: ready(port)["ledger"]["entries"] == state.size)
        seen, forged = TreeHead(state.size, state.root), TreeHead(state.size, bytes(32))
        await exchange.submit("fr", exchange.world.compose("fr", ["it"], ledger_head=seen))
        await exchange.submit("de", exchange.world.compose("de", ["it"], ledger_head=forged))
        await until(lambda: ready(port)["ledger"]["accused"] == ["de"])
    finally:
        ledgers.stop()

    assert len(await exchange.deliveries("it", 7)) == 7
    said = (exchange.directory / "router-0.log").read_text().splitlines()
    (line,) = [found for found in map(json.loads, said) if found["event"] == "ledger_gossip"]
    assert (line["code"], line["sender"], line["size"]) == ("E_GOSSIP_LOG", "de", state.size)


def ready(port: int) -> dict[str, Any]:
    """The checks of a router that is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return json.load(answer)["checks"]
    except OSError:
        return {"ledger": {"entries": -1, "accused": []}}  # not ready yet


def still(ledgers: Ledgers) -> bool:
    """Whether the log does not grow for a second."""
    before = ledgers.audit().size
    time.sleep(1)
    return ledgers.audit().size == before


async def until(good: Callable[[], bool], *, within: float = 90) -> None:
    """Wait until this holds."""
    end = time.monotonic() + within
    while not good():
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
