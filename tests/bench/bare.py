"""What no hub over Kafka can do without: exactly-once copies of records, verified by nobody or by one signature.

The floors of the hub's figures. The copy is the client library's own, without our code: one consumer, one
producer with transactions, positions committed with the records. `SignedRecords` are records that a copy can
check: 64 bytes of Ed25519, and what they sign.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import OffsetAndMetadata
from nacl.signing import SigningKey

READS = {"enable_auto_commit": False, "max_partition_fetch_bytes": 4_000_000, "fetch_max_wait_ms": 500}


@dataclass
class Copy:
    """A copy of partition 0 of one topic into another, with what it has used."""

    bootstrap: str
    source: str
    target: str
    check: Callable[[bytes], object] = len
    """Is called with each record; what it raises ends the copy."""

    copied: int = 0
    seconds: float = 0.0
    """Taken so far, without the start of the clients."""

    thread_seconds: float = 0.0
    """CPU of the thread that copies; Kafka's own is read from its process."""

    async def run(self, most: int | None = None) -> None:
        """Copy `most` records from the first on, or for ever, until cancelled."""
        name = f"bare-{time.monotonic_ns()}"
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=name, **READS)
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, transactional_id=name, acks="all", max_batch_size=262_144
        )
        place = TopicPartition(self.source, 0)
        await consumer.start()
        await producer.start()
        try:
            consumer.assign([place])
            consumer.seek(place, 0)
            began, used = time.monotonic(), time.thread_time()
            while most is None or self.copied < most:
                records = (await consumer.getmany(place, timeout_ms=1000, max_records=500)).get(place, [])
                if records:
                    for one in records:
                        self.check(one.value)
                    async with producer.transaction():
                        sent = [await producer.send(self.target, one.value, partition=0) for one in records]
                        await asyncio.gather(*sent)
                        position = OffsetAndMetadata(records[-1].offset + 1, "")
                        await producer.send_offsets_to_transaction({place: position}, name)
                    self.copied += len(records)
                self.seconds = time.monotonic() - began
                self.thread_seconds = time.thread_time() - used
        finally:
            await consumer.stop()
            await producer.stop()

    @contextlib.contextmanager
    def in_thread(self):
        """Copy for ever, in a thread with an event loop of its own."""
        loop = asyncio.new_event_loop()
        task = loop.create_task(self.run())

        def work() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(task)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(task.cancel)
            thread.join(30)


class SignedRecords:
    """Records of one signer, and the check of them: one verification over the whole record."""

    def __init__(self, count: int, size: int) -> None:
        key = SigningKey.generate()
        self.verify = key.verify_key.verify
        self.values = [
            bytes(key.sign(number.to_bytes(8, "big").ljust(size - 64, b"\0"))) for number in range(count)
        ]


async def make_topics(bootstrap: str, *names: str) -> None:
    """Topics of one partition, as many as are named."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1) for name in names])
    finally:
        await admin.close()


@dataclass
class Relay:
    """A bare way from a sender to an addressee: append, copy exactly once, read what is committed."""

    producer: AIOKafkaProducer
    source: str
    arrived: dict[bytes, float]
    changed: asyncio.Event

    async def send(self, number: int, size: int) -> bytes:
        """Append one record of so many bytes; returns its name."""
        name = number.to_bytes(8, "big")
        await self.producer.send_and_wait(self.source, name.ljust(size, b"\0"), partition=0)
        return name

    async def all_of(self, names: Sequence[bytes], *, within: float) -> None:
        """Wait until every one has arrived."""
        async with asyncio.timeout(within):
            while not all(name in self.arrived for name in names):
                self.changed.clear()
                await self.changed.wait()

    async def one_by_one(self, count: int, size: int, *, pause: float) -> list[float]:
        """Latencies in milliseconds of records of which one is under way at a time."""
        found = []
        for number in range(count):
            began = time.perf_counter()
            name = await self.send(time.monotonic_ns() + number, size)
            await self.all_of([name], within=30)
            found.append((self.arrived[name] - began) * 1000)
            await asyncio.sleep(pause)
        return found


@contextlib.asynccontextmanager
async def relay(bootstrap: str) -> AsyncIterator[Relay]:
    """A relay over topics of its own."""
    stamp = time.monotonic_ns()
    source, target = f"bare-in-{stamp}", f"bare-out-{stamp}"
    await make_topics(bootstrap, source, target)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", **READS)
    made = Relay(producer, source, {}, asyncio.Event())

    async def read() -> None:
        place = TopicPartition(target, 0)
        reader.assign([place])
        reader.seek(place, 0)
        while True:
            for record in (await reader.getmany(place, timeout_ms=1000)).get(place, []):
                made.arrived[record.value[:8]] = time.perf_counter()
            made.changed.set()

    await producer.start()
    await reader.start()
    tasks = [asyncio.create_task(Copy(bootstrap, source, target).run()), asyncio.create_task(read())]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await producer.stop()
        await reader.stop()
