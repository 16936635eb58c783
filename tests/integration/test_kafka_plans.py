"""Kafka for several machines, as deploy/kafka/plans has it: real brokers from those very files, on this one's loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from deploy.kafka import archive, fetch, java, plans, ports, wire
from deploy.kafka.plans import Layout, Machine, Names
from deploy.kafka.process import Broker
from deploy.kafka.settings import Node, Plan
from runtime.errors import Unavailable
from runtime.kafka.client import connection_settings
from runtime.kafka.ports import OutputRecord
from runtime.kafka.transactions import Transactions
from tests.guarded import CENTRE, PartyAccess, certificates
from tests.integration import adapter
from tests.integration.adapter import committed
from tests.integration.test_leaders import create
from tests.waiting import GENEROUS, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

no_late_tracebacks = adapter.no_late_tracebacks

PLANS = Path(plans.__file__).resolve().parent / "plans"


@dataclass
class Site:
    """The nodes of a layout, each a process, with ports of this machine in place of the machines' own."""

    layout: Layout
    names: Names
    brokers: dict[int, Broker]

    @property
    def access(self) -> PartyAccess:
        """The centre's way to all that carry topics."""
        servers = ",".join(f"{each.host}:{each.clients}" for each in self.layout.machines if each.carries)
        return PartyAccess(servers, certificates().of(CENTRE))

    def start(self) -> None:
        """Format each and start it."""
        for machine in self.layout.machines:
            self._formatted(machine)
        for broker in self.brokers.values():
            broker.start()

    def _formatted(self, machine: Machine) -> None:
        broker = self.brokers[machine.id]
        broker.directory.mkdir(parents=True)
        settings = broker.directory / "server.properties"
        settings.write_text(self.layout.properties(machine))
        process = broker.storage_tool(*self.names.formatting(self.layout, machine))
        assert process.wait(GENEROUS) == 0, broker.log.read_text()

    def serves(self, *away: int) -> None:
        """Return when every broker but those that are away says that it serves."""
        for machine in self.layout.machines:
            if machine.carries and machine.id not in away:
                at = wire.Address(machine.host, machine.clients, certificates().broker)
                until(
                    lambda at=at, machine=machine: _answers(at, self.brokers[machine.id]),
                    what=f"node {machine.id} to serve",
                )

    async def places(self, topic: str) -> list[set[str]]:
        """Where each partition's copies are."""
        place = {each.id: each.place for each in self.layout.machines}
        client = AIOKafkaClient(**connection_settings(self.access))
        await client.bootstrap()
        try:
            await client.set_topics([topic])
            await client.force_metadata_update()
            found = client.cluster._partitions[topic].values()
            return [{place[node] for node in each.replicas} for each in found]
        finally:
            await client.close()


def _answers(at: wire.Address, broker: Broker) -> bool:
    broker.check()
    try:
        wire.metadata(at)
    except wire.NotServing:
        return False
    return True


@pytest.fixture(params=["three-brokers", "three-sites"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Of the larger plan one broker at each site beside its controllers: enough for a copy in each."""
    layout = Layout.parse((PLANS / f"{request.param}.toml").read_text())
    carriers = {each.place: each for each in reversed(layout.machines) if each.carries}
    layout = here([each for each in layout.machines if each.votes or each in carriers.values()], tmp_path)
    fetch.ensure()
    runtime = java.find()
    archive.ensure(runtime)
    command = java.command(runtime, "test")
    names = Names.fresh(layout)
    made = Site(layout, names, {})
    with ExitStack() as ending:
        for machine in layout.machines:
            node = Node(
                machine.id, machine.clients, machine.controller, names.directories.get(machine.id, "")
            )
            broker = Broker(
                Plan(names.cluster, (node,)), node, directory=tmp_path / f"node-{machine.id}", java=command
            )
            made.brokers[machine.id] = broker
            ending.callback(broker.kill)
        made.start()
        made.serves()
        yield made


def here(machines: list[Machine], directory: Path) -> Layout:
    """The same machines on this one: loopback, free ports, their disks in a folder."""
    free = iter(ports.free(3 * len(machines)))
    moved = tuple(
        replace(
            each, host=ports.HOST, clients=next(free), brokers=next(free), controller=next(free),
            data=str(directory / f"node-{each.id}" / "data"), tls=str(certificates().broker),
        )
        for each in machines
    )  # fmt: skip
    layout = Layout(moved)
    layout.check()
    return layout


async def test_a_place_may_be_away(site: Site, unique) -> None:
    """Every partition has a copy in each place; with one killed what is written is committed, and it comes back whole."""
    topic = unique("placed")
    await create(site.access, topic, replicas=plans.COPIES)
    places = {each.place for each in site.layout.machines}
    assert await site.places(topic) == [places]
    owner = unique("id")
    await commit(site, owner, topic, b"before")
    gone = [each.id for each in site.layout.machines if each.place == sorted(places)[-1]]
    for node in gone:
        site.brokers[node].kill()
    await commit(site, owner, topic, b"without one place")
    for node in gone:
        site.brokers[node].start()
    site.serves()
    await commit(site, owner, topic, b"after")
    assert await committed(site.access, topic) == [b"before", b"without one place", b"after"]


async def commit(site: Site, owner: str, topic: str, value: bytes) -> None:
    """Commit it, as a router does: who loses a broker within a transaction begins anew, which aborts what was begun."""
    end = time.monotonic() + GENEROUS
    while True:
        transactions = Transactions(site.access, owner)
        try:
            await transactions.open()
            if value not in await committed(site.access, topic):
                await transactions.commit({(topic, 0): [OutputRecord(topic, b"", value)]})
        except (KafkaError, Unavailable):
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.5)
        else:
            return
        finally:
            await transactions.close()
