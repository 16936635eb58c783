"""The router as a process on a real Kafka."""

from __future__ import annotations

import signal
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from protocol import topics
from protocol.envelope.wire import parse_submission
from protocol.identifiers import UnitId
from protocol.trail.batches import RecordType, verify_decisions
from runtime.kafka.client import connection_settings
from tests.integration.exchange import Exchange, present
from tests.sim.world import World
from tests.waiting import ended


async def test_a_message_arrives_with_its_receipt_and_its_record(exchange: Exchange) -> None:
    """A submission is delivered to each addressee, decided to the sender and recorded, once."""
    world = exchange.world
    exchange.start_router()
    await exchange.submit("fr", world.compose("fr", ["it", "centre"]))

    for unit in ("it", "centre"):
        (delivery,) = await exchange.deliveries(unit, 1)
        assert world.open(unit, delivery).content.parts[0].content == b"content"
    (receipt,) = await exchange.read(topics.receipts(UnitId("fr")), 1)
    (audited,) = await exchange.decisions(1)
    assert receipt == audited
    (record,) = verify_decisions(receipt, parties=world.directory).records
    assert record.type is RecordType.ACCEPTED


async def test_a_record_that_cannot_be_read_blocks_nobody(exchange: Exchange) -> None:
    """Garbage ends in quarantine with its coordinates; what stands behind it is delivered."""
    world = exchange.world
    exchange.start_router()
    await exchange.submit("fr", b"garbage", b"", world.compose("fr", ["it"]))

    assert len(await exchange.deliveries("it", 1)) == 1
    assert len(await exchange.read(topics.QUARANTINE, 2)) == 2


async def test_a_refusal_comes_back_signed(exchange: Exchange) -> None:
    """Personal data to a party without a legal basis is delivered to nobody, and the sender learns why."""
    world = exchange.world
    exchange.start_router()
    await exchange.submit("fr", world.compose("fr", ["nz", "it"]))

    (receipt,) = await exchange.read(topics.receipts(UnitId("fr")), 1)
    (record,) = verify_decisions(receipt, parties=world.directory).records
    assert record.type is RecordType.REJECTED
    assert ("E_DATA_BASIS", "nz") in {(reason.code.value, reason.unit) for reason in record.reasons}
    assert await exchange.deliveries("it", 0) == [], "the receipt is of the same transaction as a delivery"


async def test_a_killed_router_loses_and_doubles_nothing(exchange: Exchange) -> None:
    """kill -9 in the middle of a backlog: another router finishes it, each message exactly once, in order."""
    world = exchange.world
    submissions = [world.compose("fr", ["it"]) for _ in range(300)]
    await exchange.submit("fr", *submissions)
    first = exchange.start_router()
    await exchange.deliveries("it", 1)
    first.kill()
    exchange.start_router()

    opened = [world.open("it", delivery) for delivery in await exchange.deliveries("it", 300)]
    assert [o.delivery.header.core.position.seq for o in opened] == list(range(300))


async def test_sigterm_ends_in_good_order(exchange: Exchange) -> None:
    """SIGTERM finishes the batch and leaves with 0."""
    router = exchange.start_router()
    await exchange.submit("fr", exchange.world.compose("fr", ["it"]))
    await exchange.deliveries("it", 1)
    router.send_signal(signal.SIGTERM)

    assert ended(router) == 0


async def test_a_claim_knows_how_many_partitions_its_outbox_has(empty_kafka, tmp_path: Path) -> None:
    """In an outbox of three partitions, a message in its conversation's one is delivered, a copy elsewhere not.

    An operator who adds a fourth in Kafka moves no conversation: three are signed.
    """
    exchange = Exchange(World(now=present()), empty_kafka.bootstrap, tmp_path / "centre")
    await exchange.found(outbox_partitions=3)
    admin = AIOKafkaAdminClient(**connection_settings(empty_kafka.bootstrap))
    await admin.start()
    await admin.create_partitions({topics.outbox(UnitId("fr")): NewPartitions(4)})
    await admin.close()
    try:
        exchange.start_router()
        submission = exchange.world.compose("fr", ["it"])
        home = topics.partition_of(parse_submission(submission).header.core.thread, 3)
        for partition in range(3):
            await exchange.produce(topics.outbox(UnitId("fr")), submission, partition=partition)

        assert len(await exchange.deliveries("it", 1)) == 1
        rows = [row for batch in await exchange.decisions(3)
                for row in verify_decisions(batch, parties=exchange.world.directory).records]  # fmt: skip
        decided = {row.source.partition: [reason.code.value for reason in row.reasons] for row in rows}
        assert decided == {p: [] if p == home else ["E_PARTITION"] for p in range(3)}
    finally:
        exchange.stop()
