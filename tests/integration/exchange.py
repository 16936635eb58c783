"""A world (tests/sim) on a real Kafka with real router processes: what integration tests drive.

The units are the simulator's, so that a test can also submit what no honest daemon would.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from keys.ceremony import write_pin
from keys.key_files import write_identity
from keys.store import write_private
from keys.unlock import Credential
from protocol import topics
from protocol.identifiers import Millis, UnitId, digest
from protocol.trail.stated_acts import is_acts
from runtime.kafka.client import connection_settings
from runtime.kafka.security.access import KafkaAddress
from tests.guarded import grant, lines_as
from tests.sim.world import World, facts
from tests.waiting import until_async


def present() -> Millis:
    """This machine's time."""
    return Millis(time.time_ns() // 1_000_000)


class Exchange:
    """Topics, directory and routers of one world."""

    def __init__(self, world: World, bootstrap: KafkaAddress, directory: Path) -> None:
        self.world = world
        self.bootstrap = bootstrap
        self.directory = directory
        self.routers: list[subprocess.Popen[bytes]] = []

    async def found(
        self,
        *,
        outbox_partitions: int = 1,
        topics_exist: bool = False,
        publish: bool = True,
        rights: bool = True,
    ) -> None:
        """Create the topics of all units, publish the directory, write the router's key."""
        if outbox_partitions > 1:
            for unit in self.world.parties:
                signed = facts(unit, version=2, outbox_partitions=outbox_partitions)
                self.world.publish(signed, by=self.world.registrar)
        if not topics_exist:
            await self._create_topics(outbox_partitions)
        if rights:
            await grant(self.bootstrap, *self.world.parties)
        if publish:
            await self.produce(topics.DIRECTORY, *self.world.directory.snapshot())
        secret = os.urandom(32)
        self.directory.mkdir(mode=0o700, exist_ok=True)
        write_private(self.directory / "router.secret", secret, entropy=os.urandom)
        write_pin(self.directory / "root.pin", self.world.directory.root, entropy=os.urandom)
        write_identity(
            self.directory / "router.key", self.world.router, secret=Credential(secret), entropy=os.urandom
        )

    async def _create_topics(self, outbox_partitions: int) -> None:
        admin = AIOKafkaAdminClient(**connection_settings(self.bootstrap))
        await admin.start()
        try:
            wanted = list(topics.shared())
            for unit in self.world.parties:
                wanted += topics.of_unit(UnitId(unit), outbox_partitions=outbox_partitions)
            await admin.create_topics(
                [NewTopic(t.name, t.partitions, 1, topic_configs=t.config) for t in wanted]
            )
        finally:
            await admin.close()

    def start_router(self, **settings: object) -> subprocess.Popen[bytes]:
        """One more router process."""
        config = self.write_settings(len(self.routers), **settings)
        log = (self.directory / f"router-{len(self.routers)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "broker.router", str(config)], stderr=log, stdout=log, cwd=Path.cwd()
        )
        self.routers.append(process)
        return process

    def write_settings(self, number: int, **settings: object) -> Path:
        """The settings file of a router."""
        config = self.directory / f"router-{number}.toml"
        values = {
            **lines_as(self.bootstrap, "router"),
            "name": f"router-{number}",
            "root": str(self.directory / "root.pin"),
            "key": f"file:{self.directory}/router.key",
            "secret": str(self.directory / "router.secret"),
            **settings,
        }
        config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
        return config

    def stop(self) -> None:
        """End every router that still runs."""
        for process in self.routers:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()

    async def produce(self, topic: str, *values: bytes, partition: int = 0) -> None:
        """Write records as the topic's writer would."""
        producer = AIOKafkaProducer(
            **connection_settings(self.bootstrap), acks="all", max_request_size=4_000_000
        )
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(topic, value, key=digest(value), partition=partition)
        finally:
            await producer.stop()

    async def submit(self, owner: str, *submissions: bytes) -> None:
        """Put records into a unit's outbox."""
        await self.produce(topics.outbox(UnitId(owner)), *submissions)

    async def read(
        self, topic: str, count: int, *, keep: Callable[[bytes], bool] = lambda _: True
    ) -> list[bytes]:
        """The committed records of a topic's partition 0 that `keep` holds, once there are `count`.

        It goes on to the topic's end: a doubled record would stand there.
        """
        source, values = TopicPartition(topic, 0), []
        async with _reading(self.bootstrap, source) as consumer:

            async def behind() -> int:
                """How many are still missing, counting one for a topic that is not read to its end."""
                found = await consumer.getmany(source, timeout_ms=200)
                values.extend(record.value for record in found.get(source, ()) if keep(record.value))
                end = (await consumer.end_offsets([source]))[source]
                return max(count - len(values), int(await consumer.position(source) < end))

            what = f"{count} records in {topic}"
            await until_async(behind, lambda missing: missing == 0, what=what, pause=0)
        return values

    async def all(self, topic: str) -> list[bytes]:
        """What is committed in a topic now."""
        return await self.read(topic, 0)

    async def decisions(self, count: int) -> list[bytes]:
        """The routers' batches in the audit topic, once there are `count`; acts of the centre left out."""
        return await self.read(topics.AUDIT, count, keep=lambda value: not is_acts(value))

    async def deliveries(self, unit: str, count: int) -> list[bytes]:
        """What was delivered to a unit, once there are `count`."""
        return await self.read(topics.inbox(UnitId(unit)), count)


@asynccontextmanager
async def _reading(bootstrap: KafkaAddress, source: TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader that stands at the beginning of a partition."""
    consumer = AIOKafkaConsumer(**connection_settings(bootstrap), isolation_level="read_committed")
    await consumer.start()
    try:
        consumer.assign([source])
        await consumer.seek_to_beginning(source)
        yield consumer
    finally:
        await consumer.stop()
