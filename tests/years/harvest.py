"""What was seen of a simulation: every committed record, and what stands in homes, as a history to be judged.

Kafka forgets by its retention, and so its records are taken while they are there: `take` is called at least once a day.
The history has the form of the campaign with real processes (tests/chaos/history.py), and the same checker judges both.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clients.daemon.api.status import daemon_status
from clients.daemon.store.positions import position
from clients.witness.home import witness_home
from keys.ceremony import read_pin
from keys.directory import Directory
from protocol import topics
from protocol.envelope.wire import parse_delivery
from protocol.errors import Rejected
from protocol.identifiers import UnitId
from tests.chaos.evidence import connect, inbox_rows, own_messages, states, unfinished
from tests.chaos.history import Arrival, History, Message, Source, Watch
from tests.chaos.ledger_evidence import collect_ledger, trail_of
from tests.chaos.ledger_site import LedgerSite

if TYPE_CHECKING:
    from tests.years.exchange import Exchange
    from tests.years.kafka.cluster import Copy
    from tests.years.parties import Unit


@dataclass
class Harvest:
    """All records that were ever committed, by topic."""

    exchange: Exchange
    records: dict[str, list[Any]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    """Where Kafka had forgotten something before it was taken."""

    _next: dict[tuple[str, int], int] = field(default_factory=dict)

    def take(self) -> None:
        """Take what is new."""
        model = self.exchange.model
        for name, topic in model.topics.items():
            for partition in range(len(topic.logs)):
                place, known = (name, partition), self._next.get((name, partition), 0)
                begin, end = model.beginning(*place), model.end(*place)
                if end <= known:
                    continue
                if begin > known and known:
                    self.missed.append(f"{name}/{partition}: {known} to {begin}")
                found = model.records(*place, start=known)
                self.records.setdefault(name, []).extend(found)
                self._next[place] = end

    def set_back(self, copy: Copy) -> dict[str, list[Any]]:
        """Kafka goes back to this copy: what was committed since is none of its any more. It is returned."""
        self.take()
        undone: dict[str, list[Any]] = {}
        for name, records in self.records.items():
            log = copy.topics[name].logs[0] if name in copy.topics else None
            stable = 0 if log is None else log.stable
            undone[name] = [record for record in records if record.offset >= stable]
            self.records[name] = [record for record in records if record.offset < stable]
            self._next[name, 0] = min(self._next[name, 0], stable)
        self.exchange.forged = {
            (name, offset)
            for name, offset in self.exchange.forged
            if name in copy.topics and offset < copy.topics[name].logs[0].end
        }
        return undone

    def of(self, topic: str) -> list[Any]:
        """What was committed in a topic."""
        return self.records.get(topic, [])

    def own(self, topic: str) -> list[Any]:
        """What was committed there by whoever may."""
        forged = self.exchange.forged
        return [record for record in self.of(topic) if (topic, record.offset) not in forged]

    def directory(self) -> Directory:
        """The directory as everybody can compute it."""
        made = Directory(read_pin(self.exchange.home.root))
        for record in self.of(topics.DIRECTORY):
            try:
                made.apply(record.value)
            except Rejected:
                continue
        return made


@dataclass(frozen=True, slots=True)
class Homes:
    """The units' homes, as the other campaign's evidence wants them."""

    exchange: Exchange

    @property
    def units(self) -> Mapping[str, object]:
        """The units."""
        return self.exchange.units

    def home(self, unit: str) -> Any:
        """The home of one."""
        return self.exchange.units[unit].home


EXPLAINED: Final = frozenset({"E_RCPT_SUSPENDED", "E_SENDER_SUSPENDED"})
"""Why a message may be refused in a run in which units are suspended: its sender is told so, and nobody gets it."""


def refused(exchange: Exchange) -> set[tuple[str, bytes]]:
    """The messages that are refused for good, for a reason that the run has."""
    found = set()
    for name, unit in exchange.units.items():
        with connect(unit.home.database) as rows:
            for row in rows.execute("SELECT mid, reasons FROM outbox WHERE state = 'refused'"):
                codes = {reason[0] for reason in json.loads(row["reasons"])}
                if codes and codes <= EXPLAINED:
                    found.add((name, row["mid"]))
    return found


def explained(messages: Iterable[Message], names: Container[tuple[str, bytes]]) -> list[Message]:
    """The same messages; those of these names were rightly refused."""
    return [
        replace(message, denied=True) if (message.sender, message.message_id) in names else message
        for message in messages
    ]


def waiting(exchange: Exchange, messages: list[Message], *, proofs: bool = True) -> dict[str, int]:
    """What is still on its way, by unit."""
    found = unfinished(Homes(exchange), explained(messages, refused(exchange)), proofs=proofs)
    if proofs:
        found.subtract({unit: exchange.losses.unkept(exchange, unit)[0] for unit in exchange.units})
    return dict(+found)


def undecided(exchange: Exchange) -> list[str]:
    """The units whose outboxes hold what no router has decided."""
    model, found = exchange.model, []
    for unit in exchange.units:
        topic = topics.outbox(UnitId(unit))
        if topic not in model.topics:
            continue
        position, _ = model.position(topics.ROUTER_GROUP, topic) or (0, "")
        if max(position, model.beginning(topic)) < model.end(topic):
            found.append(unit)
    return found


def has_logged_directory(unit: Unit) -> bool:
    """Whether the ledger has logged, and the unit has seen, all of the directory that the unit knows."""
    if unit.daemon is None:
        return True
    context = unit.daemon.context
    log = None if context.ledger is None else context.ledger.directory
    return log is None or log.follower.head.size >= context.directory.head.size


def has_read(exchange: Exchange, unit: Unit) -> bool:
    """Whether a daemon has read what everybody reads: a feed that stands still for half a minute would for weeks."""
    if unit.daemon is None:
        return True
    context = unit.daemon.context
    held = () if context.ledger is None else context.ledger.logs.values()
    # What waits for its witnesses is read again from its place, and that is where the position stays.
    waits = any(log.waits_from is not None for log in held)
    read = (topics.DIRECTORY,) if waits or context.ledger is None else (topics.DIRECTORY, topics.LEDGER)
    if any(exchange.model.records(name, start=position(context.store, name, 0)) for name in read):
        return False
    return not any(
        _has_markers_alone(exchange, name, start=position(context.store, name, 0))
        for name in (topics.inbox(context.unit), topics.receipts(context.unit))
    )


def _has_markers_alone(exchange: Exchange, name: str, *, start: int) -> bool:
    """Whether markers alone are unread: nobody waits for them, and in some weeks they would be records that were lost."""
    log = exchange.model.log_at((name, 0))
    assert log is not None
    return start < exchange.model.bound(log) and not exchange.model.records(name, start=start)


def ledger_site(exchange: Exchange) -> LedgerSite:
    """The ledger's directory, as the other campaign's evidence wants it."""
    place = exchange.home.path
    if not (place / "root.pin").exists():
        shutil.copyfile(exchange.home.root, place / "root.pin")
    site = LedgerSite(place, "")
    site.policy = exchange.policy
    site.homes = {name: witness_home(witness.path) for name, witness in exchange.witnesses.items()}
    return site


async def watches(exchange: Exchange) -> dict[str, Watch]:
    """What each daemon says of the ledger now."""
    found = {}
    for name, unit in exchange.units.items():
        shown = await unit.call(lambda unit=unit: daemon_status(unit.daemon))
        ledger = shown["ledger"]
        unkept, told = exchange.losses.unkept(exchange, name)
        found[name] = Watch(
            promised=ledger["promised"] - unkept,
            late=ledger["late"] - told,
            wrong=[f"{each['code']} {each['about']}: {each['detail']}" for each in ledger["wrong"]],
            sizes={log["origin"]: log["size"] for log in ledger["logs"]},
            accused=[],  # alarms are judged with their causes (judge.py)
        )
    return found


def alarms(exchange: Exchange) -> Iterator[tuple[str, str, str, int]]:
    """Every alarm that a daemon has kept: unit, code, detail, and when by its own clock."""
    for name, unit in exchange.units.items():
        with connect(unit.home.database) as rows:
            for row in rows.execute("SELECT * FROM alarms"):
                yield name, row["code"], row["detail"], row["raised"]


async def history_of(exchange: Exchange, harvest: Harvest, messages: list[Message]) -> History:
    """The history, when everything has drained; everybody still runs."""
    units = exchange.units
    said = await watches(exchange)
    directory = harvest.directory()
    told = [*messages, *exchange.forgotten]
    known = {(message.sender, message.message_id) for message in told}
    received: list[Arrival] = []
    outcomes: dict[tuple[str, bytes], str] = {}
    for name, unit in units.items():
        database: Path = unit.home.database
        told += [m for m in own_messages(name, database) if (m.sender, m.message_id) not in known]
        received += inbox_rows(name, database)
        outcomes.update(states(name, database))
    audit, deleted = harvest.of(topics.AUDIT), exchange.losses.deleted
    trail = trail_of(audit, directory)
    expired = exchange.losses.expired - {each.source for each in trail.decisions}
    logged = trail_of((record for record in audit if record.offset not in deleted), directory)
    ledger = await collect_ledger(
        ledger_site(exchange), published=harvest.of(topics.LEDGER), trail=logged, watches=said
    )
    # A statement of a gap has its leaf at the gap, and may be deleted afterwards, before its own place is read.
    acted = [act for act in trail.acts if act not in logged.acts and act in ledger.leaves]
    ledger = replace(ledger, acts=[*ledger.acts, *acted])
    return History(
        messages=explained(told, refused(exchange)),
        inputs=[
            source
            for name in units
            for record in harvest.of(topics.outbox(UnitId(name)))
            if (source := Source(name, 0, record.offset)) not in expired
        ],
        delivered=[
            arrival
            for name in units
            for record in harvest.own(topics.inbox(UnitId(name)))
            if (arrival := _delivered(name, record)) is not None
        ],
        received=received,
        audit=trail.decisions,
        receipts={
            name: trail_of(harvest.own(topics.receipts(UnitId(name))), directory).decisions for name in units
        },
        outcomes=outcomes,
        loss=exchange.losses.excused(
            ((each.unit, each.sender, each.message_id) for each in received), directory
        ),
        ledger=ledger,
    )


def _delivered(unit: str, record: Any) -> Arrival | None:
    """What was delivered; None for what is no delivery, whoever has written it."""
    try:
        core = parse_delivery(record.value).header.core
    except Rejected:
        return None
    return Arrival(unit, core.sender, core.message_id, core.thread)
