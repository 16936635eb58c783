"""A router beside a real ledger: it reads what was published, and names who saw something else."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

from clients.demo.free_ports import free_port
from protocol.parties import TreeHead
from protocol.trail.records import RecordType
from tests.integration.exchange import Exchange
from tests.integration.ledgers import Ledgers
from tests.waiting import GENEROUS, until_async


async def test_a_unit_that_saw_another_ledger_is_named_and_its_mail_goes_on(exchange: Exchange) -> None:
    """Heads as they were published are the same; another root is an alarm at the router, which delivers all."""
    ledgers, port = Ledgers(exchange), free_port()
    exchange.start_router(http_port=port, ledger_policy=str(ledgers.directory / "policy"))
    try:
        ledgers.start()
        await exchange.submit("fr", *[exchange.world.compose("fr", ["it"]) for _ in range(5)])
        statements = exchange.world.directory.head.size
        # Nothing more is to come: the log stands still.
        whole = {
            RecordType.ACCEPTED: 5,
            RecordType.DELIVERED: 5,
            RecordType.SOFTWARE_START: 2,
            RecordType.DIRECTORY_STATEMENT: statements,
        }
        await ledgers.until(lambda: ledgers.types() == whole, what=f"the log to hold {whole}")
        state = ledgers.audit()
        await until_ready(
            port, lambda ledger: ledger["entries"] == state.size, what="the whole log to be read"
        )
        seen, forged = TreeHead(state.size, state.root), TreeHead(state.size, bytes(32))
        await exchange.submit("fr", exchange.world.compose("fr", ["it"], ledger_head=seen))
        await exchange.submit("de", exchange.world.compose("de", ["it"], ledger_head=forged))
        await until_ready(port, lambda ledger: ledger["accused"] == ["de"], what="the accusation")
    finally:
        ledgers.stop()

    assert len(await exchange.deliveries("it", 7)) == 7
    said = (exchange.directory / "router-0.log").read_text().splitlines()
    (line,) = [found for found in map(json.loads, said) if found["event"] == "ledger_gossip"]
    assert (line["code"], line["sender"], line["size"]) == ("E_GOSSIP_LOG", "de", state.size)


def ready(port: int) -> dict[str, Any]:
    """The checks of a router that is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=GENEROUS) as answer:
            return json.load(answer)["checks"]
    except OSError:
        return {"ledger": {"entries": -1, "accused": []}}  # not ready yet


async def until_ready(port: int, good: Callable[[dict[str, Any]], object], *, what: str) -> None:
    """Wait for what the router says of the ledger."""
    await until_async(lambda: ready(port)["ledger"], good, what=what)
