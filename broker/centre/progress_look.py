"""Where the readers of the exchange stand, asked of Kafka: ends of topics, positions, marks.

Owns which places there are and whose they are. What is made of it is broker/centre/progress.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from broker.centre.progress import Reader
from broker.centre.registry import Registry
from keys.directory import Directory
from protocol import topics
from protocol.identifiers import UnitId
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.marks import KafkaMarks
from runtime.kafka.ports import Place, ReadingMark
from runtime.kafka.security.access import KafkaAddress

ROUTERS = "routers"
LEDGER = "the ledger"


@dataclass(frozen=True, slots=True)
class ProgressLook:
    """The places that somebody reads, and the questions about them."""

    names: Mapping[Place, str]
    feeds: KafkaFeeds
    marks: KafkaMarks = field(repr=False)

    @classmethod
    @asynccontextmanager
    async def at(cls, registry: Registry, there: set[str]) -> AsyncIterator[ProgressLook]:
        """Everything that is read in this exchange, of the topics that are there."""
        names = read_places(registry.directory, there, ledger=registry.home.ledger_settings.exists())
        async with cls.over(registry.kafka, KafkaFeeds(registry.kafka), names) as look:
            yield look

    @classmethod
    @asynccontextmanager
    async def over(
        cls, kafka: KafkaAddress, feeds: KafkaFeeds, names: Mapping[Place, str]
    ) -> AsyncIterator[ProgressLook]:
        """These places, for as many looks as are wanted."""
        marks = KafkaMarks(kafka)
        try:
            yield cls(names, feeds, marks)
        finally:
            await marks.close()

    async def readers(self, places: Iterable[Place] | None = None) -> Mapping[Place, Reader]:
        """The readers of these places, or of all, as they are now."""
        wanted = list(self.names if places is None else places)
        ends = await self.feeds.ends(wanted)
        routed = [place for place in wanted if self.names[place] == ROUTERS]
        told = [place for place in wanted if self.names[place] != ROUTERS]
        decided = await self.marks.positions(topics.ROUTER_GROUP, routed)
        marks = await self._told(told)
        found: dict[Place, Reader] = {}
        for place in routed:
            position = decided[place]
            at = 0 if position is None else position[0]
            found[place] = Reader(ROUTERS, place, ends[place], at)
        for place in told:
            mark = marks[place]
            at_mark = None if mark is None else mark.position
            found[place] = Reader(self.names[place], place, ends[place], at_mark, mark)
        return found

    async def _told(self, places: Sequence[Place]) -> Mapping[Place, ReadingMark | None]:
        """The newest mark of each place: a unit of release 0.9.0 tells it in the group of all."""
        of_all = await self.marks.read(places)
        own: dict[str, list[Place]] = {}
        for place in places:
            if place[0] != topics.AUDIT:
                own.setdefault(topics.readers_group(_reader_of(place[0])), []).append(place)
        found = await self.marks.read_groups(own)
        return {place: _newer(of_all[place], found.get(place)) for place in places}


def _newer(one: ReadingMark | None, other: ReadingMark | None) -> ReadingMark | None:
    if one is None or other is None:
        return one or other
    return one if one.told > other.told else other


def _reader_of(topic: str) -> UnitId:
    """Whose inbox or receipts these are."""
    return UnitId(topic.partition(".")[2])


def read_places(directory: Directory, there: Collection[str], *, ledger: bool) -> dict[Place, str]:
    """Every place that somebody reads, of the topics that are there; `ledger`: whether there is one."""
    found: dict[Place, str] = {}
    for unit in directory.units():
        facts = directory.facts(unit.unit)
        if facts is None:
            continue
        read = {topics.inbox(unit.unit): facts.inbox_partitions, topics.receipts(unit.unit): 1}
        if (outbox := topics.outbox(unit.unit)) in there:
            found |= dict.fromkeys(((outbox, number) for number in range(facts.outbox_partitions)), ROUTERS)
        if unit.suspended:
            continue  # it may be switched off, and nothing is delivered to it
        for topic, partitions in read.items():
            if topic in there:
                found |= dict.fromkeys(((topic, number) for number in range(partitions)), f"unit {unit.unit}")
    if ledger and topics.AUDIT in there:
        found[topics.AUDIT, 0] = LEDGER
    return found
