"""A simulated exchange: founded by the commands that found a real one, on a model of Kafka, in memory.

    <place>/centre          the centre's home, with ledger/
    <place>/<unit>          a unit's home
    <place>/<witness>       a witness's home

Owns who takes part and where everything lies, and the world around them: loop, clocks, network, Kafka.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import structlog

from broker.centre.enrolments import enrol_units, read_request
from broker.centre.founding import found_centre
from broker.ledger.admin.ledger_founding import LedgerPlan, found_ledger, witnesses_in
from broker.ledger.settings import LedgerSettings
from broker.router import lanes
from broker.router.settings import RouterSettings
from clients.cli.witness_setup import make_witness
from clients.daemon.home import make_unit_home
from clients.witness.home import witness_home
from protocol.identifiers import UnitId
from protocol.tlog.policy import Policy, parse_policy
from runtime.cli.command import Invocation
from runtime.process.clock import now
from runtime.process.homes import CentreHome, UnitHome
from tests.chaos.history import Message
from tests.years.clocks import Clocks, virtual_world
from tests.years.disks import Disk, Disks
from tests.years.harvest import Harvest
from tests.years.kafka.cluster import KafkaModel
from tests.years.kafka.connection import installed
from tests.years.lives import Life
from tests.years.loop import VirtualLoop
from tests.years.losses import Losses
from tests.years.network import Network, connected
from tests.years.parties import Centre, Ledger, Party, Router, Unit, Witness
from tests.years.verifying import verified_once

NAME: Final = "contrada.example"
UNIT_NAMES: Final = (
    "at",
    "be",
    "de",
    "es",
    "fr",
    "gr",
    "hr",
    "ie",
    "it",
    "nl",
    "pl",
    "pt",
    "ro",
    "se",
    "si",
    "sk",
)
FIRST_PORT: Final = 9490
PATIENCE: Final = 20.0
"""Seconds for which a broker holds an empty fetch and a heartbeat: fewer of them, and nothing else is different."""

SETTLED_AFTER: Final = 10.0
"""Seconds after the founding until everybody has started."""

IN_MEMORY: Final = Path("/dev/shm")

NARROW_BYTES: Final = 6_000
"""What is large for routers where the seed is even: so both lanes of their transactions are used all the time."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many there are of each."""

    units: int = 4
    routers: int = 2
    witnesses: int = 3
    quorum: int = 2
    brokers: int = 3


@dataclass
class Exchange:
    """Everything of one simulation."""

    seed: int
    size: Size = field(default_factory=Size)
    begin: int | None = None
    """When it is founded, Unix milliseconds."""

    loop: VirtualLoop = field(init=False)
    clocks: Clocks = field(init=False)
    model: KafkaModel = field(init=False)
    network: Network = field(init=False)
    chance: random.Random = field(init=False)
    """What people need of chance."""

    disks: Disks = field(init=False)
    place: Path = field(init=False)
    centre: Centre = field(init=False)
    ledger: Ledger = field(init=False)
    second: Ledger = field(init=False)
    """A ledger on the same directory, which nobody should ever start."""

    routers: list[Router] = field(default_factory=list)
    units: dict[str, Unit] = field(default_factory=dict)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    graves: list[Life] = field(default_factory=list)
    """Lives that have ended. They are kept: what is collected runs its `finally`, and the dead must not."""

    wrong: Counter[str] = field(default_factory=Counter)
    """How many faults make each of Kafka's answers wrong now."""

    agreed: asyncio.Lock = field(default_factory=asyncio.Lock)
    """People change one policy file after the other."""

    office: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One operator at the centre at a time."""

    forged: set[tuple[str, int]] = field(default_factory=set)
    """Topic and offset of what somebody wrote who should not: it is in Kafka, and of no party."""

    forgotten: list[Message] = field(default_factory=list)
    """What daemons sent by themselves and do not know any more, since their disk was put back."""

    losses: Losses = field(default_factory=Losses)
    """What Kafka had and lost."""

    harvest: Harvest = field(init=False)
    """What was seen of Kafka."""

    copied: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One copy of Kafka's disks at a time: two would mix two pasts."""

    seen: list[tuple[str, str]] = field(default_factory=list)
    """What a fault saw that must not be: kind of finding, and what."""

    notes: list[tuple[float, str]] = field(default_factory=list)
    """What happened, and when: for whoever looks at a seed."""

    def __post_init__(self) -> None:
        self.harvest = Harvest(self)

    def note(self, text: str) -> None:
        """Something happened."""
        self.notes.append((self.loop.time(), text))

    @property
    def invocation(self) -> Invocation:
        """How the centre's operator calls commands."""
        return Invocation(home=self.place / "centre", kafka=self.model.bootstrap, kafka_security="plain")

    @property
    def home(self) -> CentreHome:
        """The centre's home."""
        return CentreHome(self.place / "centre")

    @property
    def policy(self) -> Policy:
        """The policy file of the ledger as it is now."""
        return parse_policy((self.home.path / "ledger" / "policy").read_bytes())

    def parties(self) -> list[Party]:
        """Everybody."""
        return [self.centre, self.ledger, *self.routers, *self.units.values(), *self.witnesses.values()]

    def processes(self) -> list[Party]:
        """All that run without end."""
        return [party for party in self.parties() if party is not self.centre]

    async def found(self) -> None:
        """Found it and start everything."""
        self.centre = Centre("centre", self)
        self.centre.start()
        await self.centre.command(found_centre(self.invocation, secret_file=None, router_port=0))
        for _ in range(self.size.witnesses):
            self.add_witness()
        await self.centre.command(self._found_ledger())
        names = UNIT_NAMES[: self.size.units]
        for name in names:
            self._make_unit(name)
        await self.enrol(*names)
        settings = LedgerSettings.load(self.home.ledger_settings).model_copy(update={"nice": 0})
        self.ledger = Ledger("ledger", self, settings=settings)
        self.second = Ledger("ledger-1", self, settings=settings)
        for number in range(self.size.routers):
            self.routers.append(Router(f"router-{number}", self, settings=self._router_settings(number)))
        for party in self.processes():
            # What is there now is on the disk.
            self.disk_of(party)
        for party in self.processes():
            party.start()
        await asyncio.sleep(SETTLED_AFTER)

    def disk_of(self, party: Party) -> Disk | None:
        """The disk of a party that keeps anything: a unit, a witness, the ledger."""
        match party:
            case Unit():
                return self.disks.add(party.home.path)
            case Witness():
                return self.disks.add(party.path)
            case Ledger():
                return self.disks.add(self.home.path / "ledger")
            case _:
                return None

    def add_witness(self) -> Witness:
        """One more, with a home and a name that no other had; it does not run yet."""
        number = len(list(self.place.glob("witness-*")))
        name = f"witness-{number}"
        path = self.place / name
        make_witness(path, {"name": f"{name}.example/witness", "port": FIRST_PORT + number}, policy=None)
        made = self.witnesses[name] = Witness(name, self, path=path)
        return made

    async def _found_ledger(self) -> None:
        homes = [witness_home(witness.path) for witness in self.witnesses.values()]
        plan = LedgerPlan(
            home=self.home.path,
            origin=NAME,
            kafka=self.model.bootstrap,
            http_port=0,
            witnesses=[witnesses_in(home.public)[0] for home in homes],
            quorum=self.size.quorum,
        )
        found_ledger(plan, now=now())
        for home in homes:
            shutil.copyfile(self.home.path / "ledger" / "policy", home.policy)

    def _make_unit(self, name: str) -> None:
        made = make_unit_home(
            self.place / name,
            unit=UnitId(name),
            bootstrap=self.model.bootstrap,
            root=self.home.root.read_bytes(),
        )
        shutil.copyfile(self.home.path / "ledger" / "policy", made.ledger_policy)
        self.units[name] = Unit(name, self, home=UnitHome(made.path))

    async def enrol(self, *names: str) -> None:
        """`centre enrol` for the requests of these units."""
        requests = [read_request(self.units[name].home.enrolment) for name in names]
        await self.centre.command(enrol_units(self.invocation, requests, {}))

    def _router_settings(self, number: int) -> RouterSettings:
        return RouterSettings.load(self.home.router_settings).model_copy(
            update={
                "name": f"router-{number}",
                "http_port": 0,
                "ledger_policy": self.home.path / "ledger" / "policy",
                "verified": self.home.path / f"router-{number}.verified",
            }
        )


@contextmanager
def simulated(seed: int, size: Size | None = None, *, begin: int | None = None) -> Iterator[Exchange]:
    """An exchange that is not founded yet, in its world; everything of it is gone afterwards."""
    exchange = Exchange(seed, size or Size())
    exchange.loop = VirtualLoop(seed)
    exchange.clocks = Clocks(exchange.loop) if begin is None else Clocks(exchange.loop, begin=begin)
    exchange.model = KafkaModel(
        random.Random(f"kafka {seed}"), clock=exchange.clocks.millis, brokers=exchange.size.brokers
    )
    exchange.model.patience = PATIENCE
    exchange.chance = random.Random(f"people {seed}")
    exchange.disks = Disks(random.Random(f"disks {seed}"))
    exchange.network = Network(random.Random(f"network {seed}"))
    where = IN_MEMORY if IN_MEMORY.is_dir() else None
    with ExitStack() as stack:
        exchange.place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="years-", dir=where)))
        stack.enter_context(_silent())
        stack.callback(_bury, exchange)
        stack.enter_context(virtual_world(exchange.clocks, seed=seed))
        stack.enter_context(verified_once())
        if not seed % 2:
            stack.enter_context(patch.object(lanes, "WIDE_BYTES", NARROW_BYTES))
        stack.enter_context(connected(exchange.network))
        stack.enter_context(installed(exchange.model))
        stack.enter_context(exchange.disks.watched())
        asyncio.set_event_loop(exchange.loop)
        yield exchange


def run(exchange: Exchange, work: Any) -> Any:
    """Run this on the exchange's loop to its end."""
    return exchange.loop.run_until_complete(work)


def _bury(exchange: Exchange) -> None:
    """End what still runs; nothing of it is heard."""
    loop = exchange.loop
    for party in [*getattr(exchange, "routers", ()), *exchange.units.values(), *exchange.witnesses.values()]:
        party.kill()
    for name in ("centre", "ledger", "second"):
        party = getattr(exchange, name, None)
        if party is not None:
            party.kill()
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(None)
    loop._ready.clear()
    loop._scheduled.clear()
    loop.close()
    # Now the dead may be collected; what they still say is nobody's concern.
    heard, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            exchange.graves.clear()
            gc.collect()
    finally:
        sys.unraisablehook = heard


@contextmanager
def _silent() -> Iterator[None]:
    """What the programs log is nobody's to read here: thousands of processes write it."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)
