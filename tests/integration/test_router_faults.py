"""The router under faults, on a real Kafka: whatever fails, each message is delivered once and in order."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.kafka import ports
from deploy.kafka.standing import wait_still
from keys.statement_types import Revocation, StatusChange
from keys.statements import issue
from protocol import topics
from protocol.content.parts import Part
from protocol.errors import Rejected
from protocol.identifiers import UnitId
from protocol.limits import MAX_CIPHERTEXT, MAX_RECORD
from protocol.trail.batches import Record, RecordType, verify_decisions
from runtime.errors import Unavailable
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.client import connection_settings
from tests.integration.adapter import ended_at
from tests.integration.exchange import Exchange, present
from tests.integration.failing_router import POINTS
from tests.sim.world import World
from tests.waiting import GENEROUS, ended, until_async

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SESSION_S = 6.0
"""The routers' session timeout: whoever is silent for longer has lost its partitions."""

DEADLY = ("after send", "before EndTxn", "after EndTxn")
"""Where a death is another thing than an error; each costs a session timeout."""

FEW_BYTES = 8_000
"""Five messages together are large then, and one is not."""

IT, FR = UnitId("it"), UnitId("fr")


@pytest.fixture
def exchanges(tmp_path: Path):
    """A factory of exchanges whose routers end with the test."""
    made: list[Exchange] = []

    async def found(bootstrap: str, *, replicated: bool = False) -> Exchange:
        exchange = Exchange(World(now=present()), bootstrap, tmp_path / f"centre-{len(made)}")
        made.append(exchange)
        if replicated:
            wanted = topics.all_topics(UnitId(unit) for unit in exchange.world.parties)
            await KafkaTopicAdmin(bootstrap).apply(wanted)
        await exchange.found()
        return exchange

    yield found
    for exchange in made:
        exchange.stop()


@pytest.fixture
async def exchange(empty_kafka, exchanges) -> Exchange:
    """An exchange on a single broker."""
    return await exchanges(empty_kafka.bootstrap)


async def backlog(exchange: Exchange, count: int) -> list[int]:
    """That many messages of FR to IT, one conversation; their numbers in order."""
    world = exchange.world
    await exchange.submit("fr", *(world.compose("fr", ["it"]) for _ in range(count)))
    return list(range(world.parties["fr"].seq))


async def delivered(exchange: Exchange, count: int) -> list[int]:
    """The numbers of FR's messages in the order in which IT got them."""
    found = await exchange.deliveries("it", count)
    return [exchange.world.open("it", delivery).delivery.header.core.position.seq for delivery in found]


async def decisions(exchange: Exchange, count: int) -> list[Record]:
    """Every decision of the audit trail, once there are as many."""

    async def look() -> list[Record]:
        batches = await exchange.decisions(1)
        return [r for b in batches for r in verify_decisions(b, parties=exchange.world.directory).records]

    return await until_async(look, lambda found: len(found) >= count, what=f"{count} decisions")


def readiness(port: int) -> dict[str, dict]:
    """The checks behind /readyz; empty while nobody answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=GENEROUS) as answer:
            return json.load(answer)["checks"]
    except HTTPError as error:
        return json.load(error)["checks"]
    except (URLError, OSError):
        return {}


async def publish(exchange: Exchange, body: object, port: int) -> None:
    """Have the registrar state something, and wait until the router at this port knows."""
    directory = exchange.world.directory
    statement = issue(body, signer=exchange.world.registrar, issued=present())
    directory.apply(statement)
    await exchange.produce(topics.DIRECTORY, statement)
    await until_ready(
        port,
        lambda checks: checks.get("directory", {}).get("statements") == directory.head.size,
        what="the router to know the statement",
    )


async def until_ready(port: int, good: Callable[[dict[str, dict]], object], *, what: str) -> None:
    """Wait for what a router says of itself."""
    await until_async(lambda: asyncio.to_thread(readiness, port), good, what=what)


async def test_a_zombie_commits_nothing(exchange: Exchange) -> None:
    """A router that stands still in the middle of a transaction until another has its work doubles nothing."""
    exchange.write_settings(0)
    numbers = await backlog(exchange, 300)
    marker = exchange.directory / "stopped"
    zombie = _start_failing(exchange, "before EndTxn", "stop", marker)
    await until_async(marker.exists, what="the router to stop itself")
    assert wait_still(zombie.pid)
    before = claims_in(exchange.directory / "failing.log")
    exchange.start_router()
    assert await delivered(exchange, len(numbers)) == numbers
    zombie.send_signal(signal.SIGCONT)
    # It does its worst, learns that it is out of the group, and is given a share again.
    await until_async(
        lambda: claims_in(exchange.directory / "failing.log"),
        lambda claims: claims > before,
        what="the zombie to be given a share again",
    )
    numbers = await backlog(exchange, 50)

    assert await delivered(exchange, len(numbers)) == numbers
    records = await decisions(exchange, len(numbers))
    assert Counter(r.type for r in records) == {RecordType.ACCEPTED: len(numbers)}
    assert zombie.poll() is None, "the zombie did not live on as a router"


def claims_in(log: Path) -> int:
    """How often a router was given a share, by its own words."""
    return sum('"assigned"' in line for line in log.read_text().splitlines())


async def test_adding_a_router_needs_no_configuration(exchange: Exchange) -> None:
    """A second router gets its share of the outboxes by being started, and the first gets it back at its end."""
    first, second = ports.free(2)
    outboxes = len(exchange.world.parties)

    async def claims(*of: int) -> list[int]:
        return [(await asyncio.to_thread(readiness, port)).get("group", {}).get("claims", 0) for port in of]

    exchange.start_router(http_port=first)
    await until_async(lambda: claims(first), lambda held: held == [outboxes], what="all claims")
    second_router = exchange.start_router(http_port=second)
    await until_async(
        lambda: claims(first, second),
        lambda held: all(held) and sum(held) == outboxes,
        what="each outbox to be claimed by one of the two",
    )
    numbers = await backlog(exchange, 100)
    await exchange.submit("de", exchange.world.compose("de", ["centre"]))
    assert await delivered(exchange, len(numbers)) == numbers
    assert len(await exchange.deliveries("centre", 1)) == 1

    second_router.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(ended, second_router) == 0
    await until_async(lambda: claims(first), lambda held: held == [outboxes], what="all claims again")
    assert await delivered(exchange, len(numbers)) == numbers


@pytest.mark.parametrize("brokers", [1, 3])
async def test_a_killed_broker_costs_time_alone(new_cluster, exchanges, brokers: int) -> None:
    """kill -9 of a broker while the router works on a backlog: all of it arrives once and in order."""
    cluster = new_cluster(brokers=brokers)
    exchange = await exchanges(cluster.bootstrap, replicated=True)
    numbers = await backlog(exchange, 1500)
    exchange.start_router()
    await exchange.deliveries("it", 1)
    cluster.kill(0)
    await asyncio.to_thread(cluster.restart, 0)
    # Where it was the only one, Kafka may have forgotten a transaction that it had acknowledged (docs/adr/0033).
    await until_async(
        lambda: ended_at(cluster.bootstrap, [topics.AUDIT, topics.inbox("it"), topics.receipts("fr")]),
        lambda left: left == (),
        what="nothing to hang",
        despite=(Unavailable,),
    )

    assert await delivered(exchange, len(numbers)) == numbers
    assert len(await decisions(exchange, len(numbers))) == len(numbers)


async def test_a_router_waits_for_the_directory(exchange: Exchange) -> None:
    """Without the directory's topic, or with one that is empty, a router decides nothing and says so; then it works.

    An empty one is no exchange without units: whoever decided by it would refuse every message.
    """
    (port,) = ports.free(1)
    admin = AIOKafkaAdminClient(**connection_settings(exchange.bootstrap))
    await admin.start()
    await admin.delete_topics([topics.DIRECTORY])
    await admin.close()
    numbers = await backlog(exchange, 3)
    router = exchange.start_router(http_port=port)
    await until_ready(port, lambda checks: "directory" in checks, what="the router to answer")
    assert readiness(port)["directory"] == {"ok": False, "age_seconds": None, "statements": 0}

    await KafkaTopicAdmin(exchange.bootstrap).apply(
        [t for t in topics.shared() if t.name == topics.DIRECTORY]
    )
    await until_ready(port, lambda checks: checks["directory"]["ok"], what="the empty directory to be read")
    assert readiness(port)["appointed"] == {"ok": False, "code": "E_KEY_UNKNOWN"}
    assert readiness(port)["group"] == {"ok": False, "claims": 0}
    assert await delivered(exchange, 0) == []
    assert await exchange.decisions(0) == []

    await exchange.produce(topics.DIRECTORY, *exchange.world.directory.snapshot())
    assert await delivered(exchange, len(numbers)) == numbers
    assert all(check["ok"] for check in readiness(port).values())
    assert router.poll() is None


async def test_a_router_waits_for_the_topic_of_the_shards(exchange: Exchange) -> None:
    """Without it there is nothing to share out: the router says so, and works once it is there."""
    (port,) = ports.free(1)
    admin = AIOKafkaAdminClient(**connection_settings(exchange.bootstrap))
    await admin.start()
    await admin.delete_topics([topics.SHARDS])
    await admin.close()
    numbers = await backlog(exchange, 3)
    exchange.start_router(http_port=port)
    await until_ready(port, lambda checks: checks.get("directory", {}).get("ok"), what="the directory")
    assert readiness(port)["group"] == {"ok": False, "claims": 0}

    await KafkaTopicAdmin(exchange.bootstrap).apply([t for t in topics.shared() if t.name == topics.SHARDS])
    assert await delivered(exchange, len(numbers)) == numbers
    assert readiness(port)["group"]["ok"]


async def test_a_suspended_unit_neither_sends_nor_receives(exchange: Exchange) -> None:
    """Suspension takes effect on messages in flight, for sender and addressee, and ends with it."""
    world = exchange.world
    (port,) = ports.free(1)
    exchange.start_router(http_port=port)

    early = [world.compose("fr", ["it"]) for _ in range(6)]
    back = world.compose("it", ["fr", "de"])
    await exchange.submit("fr", *early[:3])
    assert await delivered(exchange, 3) == [0, 1, 2]
    await publish(exchange, StatusChange(FR, suspended=True, reason="test"), port)
    await exchange.submit("fr", *early[3:])
    await exchange.submit("it", back)
    records = await decisions(exchange, 7)
    await publish(exchange, StatusChange(FR, suspended=False, reason="test"), port)
    await exchange.submit("fr", world.compose("fr", ["it"]))

    assert await delivered(exchange, 4) == [0, 1, 2, 6]
    accepted = [r.type is RecordType.ACCEPTED for r in records if r.source.unit == "fr"]
    assert accepted == [True] * 3 + [False] * 3
    reasons = {reason.code.value for record in records[3:] for reason in record.reasons}
    assert reasons == {"E_SENDER_SUSPENDED", "E_RCPT_SUSPENDED"}
    assert await exchange.deliveries("de", 0) == []


async def test_a_revoked_key_sends_nothing_more(exchange: Exchange) -> None:
    """What a revoked key has signed is refused from the statement on, also what was sealed before it."""
    world = exchange.world
    (port,) = ports.free(1)
    exchange.start_router(http_port=port)
    before, after = world.compose("fr", ["it"]), world.compose("fr", ["it"])
    await exchange.submit("fr", before)
    assert await delivered(exchange, 1) == [0]
    kid = world.parties["fr"].identity.public.kid
    await publish(exchange, Revocation(FR, kid, reason="test", compromised_since=present()), port)
    await exchange.submit("fr", after)

    records = await decisions(exchange, 2)
    assert [r.type for r in records] == [RecordType.ACCEPTED, RecordType.REJECTED]
    assert {reason.code.value for reason in records[1].reasons} == {"E_KEY_REVOKED"}
    assert await delivered(exchange, 1) == [0]


def largest(world: World) -> bytes:
    """A submission with as much content as the protocol takes."""
    core = world.core("fr", ["it"])
    for size in range(MAX_CIPHERTEXT, 0, -256):
        try:
            return world.seal(core, Part(0, bytes(size))).submission
        except Rejected:
            continue
    raise AssertionError("nothing can be sealed")


async def test_the_largest_records_block_nobody(exchange: Exchange) -> None:
    """A message as large as can be is delivered, and the largest garbage that a topic takes is quarantined."""
    world = exchange.world
    limit = int(topics.of_unit(FR)[0].config["max.message.bytes"])
    await exchange.submit("fr", bytes(limit - 200), largest(world), b"\xff" * MAX_RECORD)
    await exchange.submit("fr", world.compose("fr", ["it"]))
    exchange.start_router()

    assert await delivered(exchange, 2) == [0, 1]
    assert len(await exchange.read(topics.QUARANTINE, 2)) == 2


@pytest.mark.parametrize(
    ("how", "large"),
    [("raise", ()), ("die", ()), ("die", (str(FEW_BYTES),))],
    ids=["raise", "die", "die in the other lane"],
)
async def test_a_router_may_fail_at_any_point_of_a_transaction(
    exchange: Exchange, how: str, large: tuple[str, ...]
) -> None:
    """An error or a kill -9 before or after any step of a transaction: once each, in order, all recorded."""
    exchange.write_settings(0)
    numbers: list[int] = []
    for point in POINTS if how == "raise" else DEADLY:
        marker = exchange.directory / f"{point} {how}"
        await backlog(exchange, 5)
        failing = _start_failing(exchange, point, how, marker, *large)
        if how == "die":
            assert await asyncio.to_thread(ended, failing) == -signal.SIGKILL
            failing = _start_failing(exchange, point, how, marker, *large)
        await until_async(marker.exists, what=f"the failure {point}")
        numbers = await backlog(exchange, 1)
        assert await delivered(exchange, len(numbers)) == numbers, point
        failing.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(ended, failing) == 0
    records = await decisions(exchange, len(numbers))
    assert sorted(r.source.offset for r in records) == numbers
    assert Counter(r.type for r in records) == {RecordType.ACCEPTED: len(numbers)}


def _start_failing(
    exchange: Exchange, point: str, how: str, marker: Path, *large: str
) -> subprocess.Popen[bytes]:
    """A router that fails at this point, unless another one did so before."""
    config = exchange.directory / "router-0.toml"
    given = [str(config), point, how, str(marker), *large]
    command = [sys.executable, "-m", "tests.integration.failing_router", *given]
    with (exchange.directory / "failing.log").open("ab") as log:
        failing = subprocess.Popen(command, stderr=log, stdout=log, cwd=Path(__file__).parents[2])
    exchange.routers.append(failing)
    return failing


async def test_a_unit_cannot_hand_the_router_a_bomb(exchange: Exchange) -> None:
    """A small compressed batch that unpacks to more than a record may have is refused by the broker."""
    producer = AIOKafkaProducer(
        **connection_settings(exchange.bootstrap), compression_type="gzip", max_request_size=50_000_000
    )
    await producer.start()
    try:
        with pytest.raises(KafkaError):
            await producer.send_and_wait(topics.outbox(UnitId("fr")), bytes(20_000_000), partition=0)
    finally:
        await producer.stop()
