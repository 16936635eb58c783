"""Daemons over a modelled Kafka that is put back to an older copy while they run: all that a start and a rewind touch."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from clients.daemon.daemon import Daemon
from clients.daemon.sending.kafka_outbox import KafkaOutbox
from protocol import topics
from protocol.identifiers import UnitId, read_id
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.marks import KafkaMarks
from runtime.kafka.partition_log import KafkaDirectory, KafkaTopics
from runtime.kafka.ports import OutputRecord
from runtime.process.clock import now
from runtime.process.worker import Worker
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, wish
from tests.waiting import until_async
from tests.years.kafka.cluster import KafkaModel
from tests.years.kafka.connection import installed

UNITS = ("es", "pt")


class Site:
    """Two daemons, a router of the simulated world, and a modelled Kafka between them."""

    def __init__(self, path: Path) -> None:
        self.world = World(now=now())
        self.model = KafkaModel(random.Random(1), clock=now, brokers=1)
        self.path = path
        self.written: dict[str, int] = {}
        self.daemons: dict[str, Daemon] = {}
        self.units: dict[str, UnitFixture] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        for topic in topics.shared():
            self.model.create(topic.name, partitions=topic.partitions)
        for name in UNITS:
            for topic in topics.of_unit(UnitId(name), outbox_partitions=1):
                self.model.create(topic.name, partitions=1)
            self.units[name] = UnitFixture(self.world, UnitId(name), self.path / name)
        await KafkaDirectory(self.model.bootstrap).publish(self.world.directory.snapshot())
        self.tasks.append(asyncio.create_task(self._route()))
        for name, unit in self.units.items():
            self.begin(name, unit)

    def begin(self, name: str, unit: UnitFixture) -> None:
        address = self.model.bootstrap
        made = self.daemons[name] = Daemon(
            unit.context, Worker(), log_=KafkaOutbox(address, UnitId(name)), feeds=KafkaFeeds(address),
            directory=KafkaDirectory(address), marks=KafkaMarks(address),
        )  # fmt: skip
        self.tasks.append(asyncio.create_task(made.run()))

    async def _route(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            with suppress(Exception):  # a Kafka that is away; what was not written is written then
                async with KafkaTopics(self.model.bootstrap).writing() as writer:
                    while True:
                        await asyncio.sleep(0.01)
                        await writer.write(self._decided())
                        self.unwritten = []

    unwritten: list[OutputRecord] = []  # noqa: RUF012

    def _decided(self) -> list[OutputRecord]:
        for name in UNITS:
            values = [seen.value for seen in self.model.records(topics.outbox(UnitId(name)))]
            if self.world.routed[name] > len(values):
                self.world.routed[name] = 0  # as a router whose place the log does not have any more
            self.world.outboxes[name] = values
            if self.world.routed[name] < len(values):
                self.unwritten = [*self.unwritten, *self.world.route(name).outputs]
        return self.unwritten

    async def send(self, count: int) -> list[str]:
        return [(await self.daemons["es"].intake.submit(wish("pt"))).id for _ in range(count)]

    def state(self, message_id: str) -> str:
        return self.units["es"].state(message_id)

    async def accepted(self, ids: list[str]) -> None:
        await until_async(
            lambda: {self.state(one) for one in ids}, lambda seen: seen == {"accepted"}, what="accepted"
        )

    def arrived(self) -> list[bytes]:
        return [mid for (mid,) in self.units["pt"].rows("SELECT mid FROM inbox WHERE kind <> 5")]

    async def there(self, ids: list[str]) -> None:
        wanted = {read_id(one) for one in ids}
        await until_async(
            lambda: set(self.arrived()), lambda seen: seen >= wanted, what="the messages", alive=self.lives
        )

    def lives(self) -> None:
        for task in self.tasks:
            assert not task.done(), task.exception()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for daemon in self.daemons.values():
            daemon.disk.close()
            daemon.worker.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    with installed(made.model):
        await made.start()
        try:
            yield made
        finally:
            await made.close()


async def test_what_is_written_over_the_lost_part_arrives(site: Site) -> None:
    """The addressee is cut off while Kafka goes back and grows past the place up to which it had read."""
    first = await site.send(5)
    await site.there(first)
    copy = site.model.copy()
    between = await site.send(4)
    await site.there(between)
    site.tasks[2].cancel()
    await asyncio.wait({site.tasks.pop(2)})
    site.model.restore(copy)
    after = await site.send(9)
    await site.accepted(after)
    site.begin("pt", site.units["pt"])
    await site.there([*first, *between, *after])
    assert len(site.arrived()) == len(set(site.arrived())) == 18
    codes = {code for (code,) in site.units["pt"].rows("SELECT code FROM alarms")}
    assert codes == {"feed_rewound"}
