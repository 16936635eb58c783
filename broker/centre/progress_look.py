"""Where the readers of the exchange stand, asked of Kafka: ends of topics, positions, marks.

Owns which places there are and whose they are. What is made of it is broker/centre/progress.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from broker.centre.progress import Reader
from broker.centre.registry import Registry
from protocol import topics
from protocol.identifiers import UnitId
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.marks import KafkaMarks
from runtime.kafka.ports import Place, ReadingMark

ROUTERS = "routers"
LEDGER = "the ledger"


@dataclass(frozen=True, slots=True)
class ProgressLook:
    """The places that somebody reads, and the questions about them."""

    names: Mapping[Place, str]
    _feeds: KafkaFeeds
    _marks: KafkaMarks = field(repr=False)

    @classmethod
    @asynccontextmanager
    async def at(cls, registry: Registry, there: set[str]) -> AsyncIterator[ProgressLook]:
        """Everything that is read in this exchange, of the topics that are there."""
        marks = KafkaMarks(registry.kafka)
        try:
            yield cls(dict(_places(registry, there)), KafkaFeeds(registry.kafka), marks)
        finally:
            await marks.close()

    async def readers(self, places: Iterable[Place] | None = None) -> Mapping[Place, Reader]:
        """The readers of these places, or of all, as they are now."""
        wanted = list(self.names if places is None else places)
        ends = await self._feeds.ends(wanted)
        routed = [place for place in wanted if self.names[place] == ROUTERS]
        told = [place for place in wanted if self.names[place] != ROUTERS]
        decided = await self._marks.positions(topics.ROUTER_GROUP, routed)
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
        of_all = await self._marks.read(places)
        own: dict[str, list[Place]] = {}
        for place in places:
            if place[0] != topics.AUDIT:
                own.setdefault(topics.readers_group(_reader_of(place[0])), []).append(place)
        found = await self._marks.read_groups(own)
        return {place: _newer(of_all[place], found.get(place)) for place in places}


def _newer(one: ReadingMark | None, other: ReadingMark | None) -> ReadingMark | None:
    if one is None or other is None:
        return one or other
    return one if one.told > other.told else other


def _reader_of(topic: str) -> UnitId:
    """Whose inbox or receipts these are."""
    return UnitId(topic.partition(".")[2])


def _places(registry: Registry, there: set[str]) -> Iterable[tuple[Place, str]]:
    for unit in registry.directory.units():
        facts = registry.directory.facts(unit.unit)
        if facts is None:
            continue
        read = {topics.inbox(unit.unit): facts.inbox_partitions, topics.receipts(unit.unit): 1}
        if (outbox := topics.outbox(unit.unit)) in there:
            yield from (((outbox, number), ROUTERS) for number in range(facts.outbox_partitions))
        if unit.suspended:
            continue  # it may be switched off, and nothing is delivered to it
        for topic, partitions in read.items():
            if topic in there:
                yield from (((topic, number), f"unit {unit.unit}") for number in range(partitions))
    if topics.AUDIT in there and registry.home.ledger_settings.exists():
        yield (topics.AUDIT, 0), LEDGER
