"""A router whose clock is wrong, on a real Kafka: it steps aside, the other one does its work, and it comes back."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from broker.centre.clock import check_clock
from deploy.kafka import ports
from protocol import topics
from protocol.identifiers import Millis, UnitId
from protocol.limits import CLOCK_OFF, DAY, HOUR, MINUTE
from protocol.trail.batches import RecordType, verify_decisions
from runtime.errors import Unavailable
from runtime.kafka.broker_time import KafkaTime
from tests.integration.exchange import Exchange, present
from tests.integration.ledgers import Ledgers
from tests.integration.test_router_faults import until_ready
from tests.integration.units import ROOT, UnitProcess, eventually, found


def start_off(exchange: Exchange, off: Path) -> int:
    """A router with the clock of this file; its port."""
    port = ports.free(1)[0]
    config = exchange.write_settings(len(exchange.routers), http_port=port)
    log = (exchange.directory / f"router-{len(exchange.routers)}.log").open("wb")
    command = [sys.executable, "-m", "tests.integration.off_clock", str(off), "broker.router", str(config)]
    process = subprocess.Popen(command, stderr=log, stdout=log, cwd=Path(__file__).parents[2])
    exchange.routers.append(process)
    return port


async def test_kafka_tells_its_time(kafka) -> None:
    """The one request by which a process compares its clock: this Kafka answers it with its own."""
    source = KafkaTime(kafka.bootstrap)
    try:
        before = present()
        told = await source.ask()
        assert before - MINUTE <= told <= present() + MINUTE
    finally:
        await source.close()


@pytest.mark.parametrize("off", [3 * HOUR, -40 * DAY, 200 * DAY])
async def test_a_router_with_a_wrong_clock_steps_aside_and_comes_back(
    exchange: Exchange, off: int, tmp_path: Path
) -> None:
    """Its key is valid at that time, and Kafka refuses its writes or not: nobody waits for it, and nothing is undecided."""
    clock = tmp_path / "off"
    clock.write_text(str(off))
    port = start_off(exchange, clock)
    wrong = await until_ready_of(port, lambda checks: not checks.get("clock", {"ok": True})["ok"])
    assert abs(wrong["clock"]["ahead_seconds"] * 1000 - off) < CLOCK_OFF
    assert wrong["group"]["ok"] is False

    world = exchange.world
    exchange.start_router()
    await exchange.submit("fr", *(world.compose("fr", ["it"]) for _ in range(20)))
    assert len(await exchange.deliveries("it", 20)) == 20

    # Set right, it takes part again by itself; then the other one's clock does not matter any more.
    clock.write_text("0")
    await until_ready_of(port, lambda checks: checks["clock"]["ok"] and checks["group"]["ok"])
    exchange.routers[1].kill()
    exchange.routers[1].wait()
    await exchange.submit("fr", *(world.compose("fr", ["it"]) for _ in range(20)))
    assert len(await exchange.deliveries("it", 40)) == 40
    batches = await exchange.decisions(1)
    records = [r for b in batches for r in verify_decisions(b, parties=world.directory).records]
    assert [r.type for r in records] == [RecordType.ACCEPTED] * 40
    assert all(abs(r.t - present()) < HOUR for r in records)


async def test_a_clock_that_jumps_takes_nobody_along(exchange: Exchange, tmp_path: Path) -> None:
    """Twice, to and fro, under the hands of the only router: what was not decided meanwhile is decided once, in order."""
    clock, world = tmp_path / "off", exchange.world
    clock.write_text("0")
    port = start_off(exchange, clock)
    sent = 0
    for off in (32 * DAY, -300 * DAY):
        await exchange.submit("fr", *(world.compose("fr", ["it"]) for _ in range(10)))
        sent += 10
        await exchange.deliveries("it", sent)
        clock.write_text(str(off))
        await until_ready_of(port, lambda checks: not checks.get("clock", {"ok": True})["ok"])
        await exchange.submit("fr", *(world.compose("fr", ["it"]) for _ in range(10)))
        sent += 10
        clock.write_text("0")
        await exchange.deliveries("it", sent)
    numbers = [
        world.open("it", one).delivery.header.core.position.seq
        for one in await exchange.deliveries("it", sent)
    ]
    assert numbers == list(range(sent))
    refused = [
        record
        for value in await exchange.read(topics.receipts(UnitId("fr")), 1)
        for record in verify_decisions(value, parties=world.directory).records
        if record.type is not RecordType.ACCEPTED
    ]
    assert refused == []


async def test_a_ledger_with_a_wrong_clock_signs_nothing_and_goes_on(
    exchange: Exchange, tmp_path: Path
) -> None:
    """A year ahead it would close the half-year. Nor is anything stated at a centre with that clock. Set right, both go on."""
    clock, (port,) = tmp_path / "off", ports.free(1)
    clock.write_text(str(370 * DAY))
    ledgers = Ledgers(exchange)
    try:
        before = ledgers.states()
        ledgers.start(off=clock, http_port=port)
        exchange.start_router()
        await exchange.submit("fr", exchange.world.compose("fr", ["it"]))
        await exchange.deliveries("it", 1)
        await until_ready_of(port, lambda checks: checks["clock"]["ok"] is False)
        with pytest.raises(Unavailable, match="ahead of Kafka's"):
            await check_clock(exchange.bootstrap, wall=lambda: Millis(present() + 370 * DAY))
        assert ledgers.states() == before
        clock.write_text("0")
        await check_clock(exchange.bootstrap)
        await ledgers.until(lambda: ledgers.types()[RecordType.DELIVERED] == 1)
        assert {origin for origin, state in ledgers.states().items() if state.next is None} == set(before)
    finally:
        ledgers.stop()


async def test_a_unit_whose_clock_is_behind_sends_all_the_same(empty_kafka, tmp_path: Path) -> None:
    """Half an hour, which routers do not take: Kafka and a router tell it the time, and its messages bear that."""
    clock = tmp_path / "off"
    clock.write_text("0")
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        site = await found(Path(directory), empty_kafka.bootstrap, "fr", "it")
        try:
            site.start_router()
            fr, it = site.units["fr"], site.units["it"]
            it.start()
            start_off_unit(fr, clock)
            known = fr.send("it")
            eventually(
                lambda: fr.sent(known)["state"],
                lambda state: state == "accepted",
                what="the router to decide",
            )
            clock.write_text(str(-30 * MINUTE))
            eventually(
                lambda: fr.get("/v1/status")["checks"]["clock"],
                lambda check: check.get("behind_seconds", 0) > 1700,
                what="the unit to notice",
            )
            late = fr.send("it")
            eventually(
                lambda: fr.sent(late)["state"], lambda state: state == "accepted", what="the router to decide"
            )
            there = eventually(
                it.inbox, lambda rows: {known, late} <= {row["id"] for row in rows}, what="both"
            )
            assert len(there) == 2
        finally:
            site.close()


def start_off_unit(unit: UnitProcess, off: Path) -> None:
    """The unit's daemon with the clock of this file."""
    log = (unit.home.path / "log").open("ab")
    command = [
        sys.executable,
        "-m",
        "tests.integration.off_clock",
        str(off),
        "clients.daemon",
        str(unit.home.path),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    unit.process = subprocess.Popen(command, stderr=log, stdout=log, cwd=ROOT, env=environment)
    unit.answers()


async def until_ready_of(port: int, good) -> dict[str, dict]:
    """What the router says of itself, once that is good."""
    seen: dict[str, dict] = {}

    def look(checks: dict[str, dict]) -> object:
        seen.clear()
        seen.update(checks)
        return checks and good(checks)

    await until_ready(port, look, what="the router to notice")
    return seen
