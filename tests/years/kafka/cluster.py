"""A model of a Kafka cluster, for simulations in virtual time: one object, no thread, no socket, no wall clock.

    model = KafkaModel(random.Random(seed), clock=lambda: millis)
    with installed(model): ...          clients of `model.bootstrap` are its clients (tests/years/kafka/connection.py)

Owns the cluster: its brokers, topics, who leads and who coordinates, and what is done to it by command. Deterministic:
chance is the given `random.Random`, waiting is the running loop's, and the time of stamps and retention is `clock`.

What it does not model: replicas that differ (a record that was acknowledged is kept, unless an older copy is restored),
compaction, quotas, TLS and ACLs, compressed batches, the old protocol of transactions, and log segments of a leader
that differ from its followers'. Where it differs from Kafka otherwise, it is wrong: test_contract.py runs against both.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from zlib import crc32

from aiokafka.record.memory_records import MemoryRecords

from deploy.kafka.settings import REQUIRED
from tests.years.kafka.codes import Refusal
from tests.years.kafka.faults import Faults
from tests.years.kafka.groups import Group, GroupCoordinator
from tests.years.kafka.log import PartitionLog
from tests.years.kafka.transactions import Transactional, TransactionCoordinator

if TYPE_CHECKING:
    from tests.years.kafka.connection import ModelConnection
    from tests.years.kafka.fetching import Session

Place = tuple[str, int]

HOST: Final = "model"
FIRST_PORT: Final = 9_092
LOOKED_EVERY_MS: Final = 300_000
"""log.retention.check.interval.ms."""

MUTANTS: Final = frozenset(
    {"stable_ignored", "fencing_ignored", "generation_ignored", "unstable_ignored", "aborts_forgotten"}
)
"""Rules that a test of the contract suite takes away, to see that the suite notices."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A record, as the checker sees it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Topic:
    """One topic. Its logs share its settings."""

    config: dict[str, str]
    logs: list[PartitionLog]


@dataclass(slots=True, eq=False)
class Node:
    """One broker."""

    number: int
    host: str
    port: int
    up: bool = True
    frozen: bool = False
    seen_up: bool = True
    """Whether the controller believes that it lives."""

    connections: dict[ModelConnection, None] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    backlog: list[ModelConnection] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of all that the brokers have on their disks."""

    topics: dict[str, Topic]
    groups: dict[str, Group]
    ids: dict[str, Transactional]
    last_producer: int


class KafkaModel:
    """The cluster."""

    def __init__(
        self,
        chance: random.Random,
        *,
        clock: Callable[[], int],
        brokers: int = 3,
        host: str = HOST,
        mutants: Iterable[str] = (),
    ) -> None:
        """`clock` is the brokers' own, Unix ms. Two models in one loop need two hosts."""
        self.random = chance
        self.clock = clock
        self.nodes = [Node(number, host, FIRST_PORT + number) for number in range(brokers)]
        self.hosts = frozenset({host})
        self.topics: dict[str, Topic] = {}
        self.groups = GroupCoordinator(self)
        self.transactions = TransactionCoordinator(self)
        self.faults = Faults()
        self.patience = 0.0
        """Seconds for which a fetch that finds nothing, and a heartbeat, are held; 0 is as Kafka does."""

        self.failover = 1.0
        """Seconds until others lead what a broker led that is gone."""

        self.marker_delay = (0.0005, 0.003)
        self.first_rebalance_delay = int(REQUIRED["group.initial.rebalance.delay.ms"]) / 1000
        self.looking_after_transactions = (
            int(REQUIRED["transaction.abort.timed.out.transaction.cleanup.interval.ms"]) / 1000
        )
        self.positions_kept_ms = int(REQUIRED["offsets.retention.minutes"]) * 60_000
        self.metadata_bytes = int(REQUIRED["offset.metadata.max.bytes"])
        self.cut_off: set[str] = set()
        self.silent: set[str] = set()
        self.paused: set[str] = set()
        self.requests: Counter[int] = Counter()
        self.on_written: Callable[[str, Place, int], None] | None = None
        """Called with party, place and offset of each batch that a client has appended."""

        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.Context()
        self._mutants = frozenset(mutants)
        assert self._mutants <= MUTANTS, self._mutants - MUTANTS

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop in which it was first used: its time is the cluster's for all that waits."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    @property
    def bootstrap(self) -> str:
        """What clients are told as the address."""
        return ",".join(f"{node.host}:{node.port}" for node in self.nodes)

    # Topics, without a client.

    def create(self, name: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> None:
        """Make a topic, if it is not there."""
        if name not in self.topics:
            shared = dict(config or {})
            self.topics[name] = Topic(shared, [PartitionLog(shared) for _ in range(partitions)])
            for number, log in enumerate(self.topics[name].logs):
                log.leader = self._leader_for((name, number))

    def delete_topic(self, name: str) -> None:
        """A topic is gone, with the positions in it."""
        topic = self.topics.pop(name, None)
        if topic is not None:
            for group in self.groups.groups.values():
                for place in [place for place in group.positions if place[0] == name]:
                    del group.positions[place]
            for log in topic.logs:
                log.wake()

    def delete_records(self, name: str, partition: int, before: int) -> None:
        """An operator deletes what is before this offset."""
        self.topics[name].logs[partition].delete_before(before)

    def expire(self) -> None:
        """Retention, now and everywhere."""
        now = self.clock()
        for topic in self.topics.values():
            for log in topic.logs:
                log.looked = now
                log.expire(now)

    def drop_positions(self, group: str) -> None:
        """A group's positions are gone, as after offsets.retention.minutes."""
        self.groups.group(group).positions.clear()

    # Looking, past all faults.

    def log_at(self, place: Place) -> PartitionLog | None:
        """The log of a partition."""
        topic = self.topics.get(place[0])
        return topic.logs[place[1]] if topic is not None and 0 <= place[1] < len(topic.logs) else None

    def records(self, name: str, partition: int = 0, *, start: int = 0) -> list[Seen]:
        """The committed records that are kept, from an offset on."""
        log = self.topics[name].logs[partition]
        aborted = [(producer, first, last) for producer, first, last in log.aborted]
        found: list[Seen] = []
        for batch in log.batches:
            if batch.base >= log.stable:
                break
            if batch.is_control or batch.last < max(start, log.begin):
                continue
            if batch.is_transactional and any(
                producer == batch.producer and first <= batch.base < last for producer, first, last in aborted
            ):
                continue
            inside = MemoryRecords(batch.data).next_batch()
            assert inside is not None
            found += [
                Seen(one.offset, one.timestamp, one.key, one.value)
                for one in inside
                if one.offset >= max(start, log.begin)
            ]
        return found

    def beginning(self, name: str, partition: int = 0) -> int:
        """Where the kept records begin."""
        return self.topics[name].logs[partition].begin

    def end(self, name: str, partition: int = 0) -> int:
        """The last stable offset."""
        return self.topics[name].logs[partition].stable

    def position(self, group: str, name: str, partition: int = 0) -> tuple[int, str] | None:
        """A group's committed position, with its metadata."""
        found = self.groups.group(group).positions.get((name, partition))
        return None if found is None else (found[0], found[1])

    def members(self, group: str) -> dict[str, str]:
        """The members of a group: name and party."""
        return {one.name: one.party for one in self.groups.group(group).members.values()}

    def generation(self, group: str) -> int:
        """The generation of a group."""
        return self.groups.group(group).generation

    # Brokers.

    def stop_broker(self, number: int) -> None:
        """A broker is killed: its connections break, and others lead after `failover` seconds."""
        node = self.nodes[number]
        if not node.up:
            return
        node.up, node.frozen = False, False
        node.sessions.clear()
        node.backlog.clear()
        self._break(node)
        self.later(self.failover, self._lose, node)

    def start_broker(self, number: int) -> None:
        """It comes back, and leads what nobody leads."""
        node = self.nodes[number]
        node.up = node.seen_up = True
        self._fill_vacancies()

    def freeze(self, number: int) -> None:
        """A broker stands still: it takes requests and answers none. Others lead after a while."""
        node = self.nodes[number]
        if node.up and not node.frozen:
            node.frozen = True
            self.later(self.failover, self._lose, node)

    def thaw(self, number: int) -> None:
        """It goes on: what came in meanwhile is done now, as far as it may still do it."""
        node = self.nodes[number]
        if not node.frozen:
            return
        node.frozen, node.seen_up = False, True
        self._fill_vacancies()
        backlog, node.backlog = node.backlog, []
        for connection in [*backlog, *node.connections]:
            connection.go_on()

    def stop(self) -> None:
        """The whole cluster is off."""
        for node in self.nodes:
            self.stop_broker(node.number)

    def start(self) -> None:
        """The whole cluster is back."""
        for node in self.nodes:
            node.up = node.seen_up = True
        self._fill_vacancies()

    def move_leader(self, name: str, partition: int = 0, *, to: int | None = None) -> int:
        """Another broker leads a partition; its number."""
        log = self.topics[name].logs[partition]
        alive = [one.number for one in self.nodes if one.up and not one.frozen]
        others = [number for number in alive if number != log.leader] or alive
        self._lead(log, to if to is not None else self.random.choice(others))
        return log.leader

    # Parties.

    def cut(self, party: str, *, silent: bool = False) -> None:
        """No broker can be reached by this party: connections break, or, `silent`, nothing answers any more."""
        (self.silent if silent else self.cut_off).add(party)
        for connection in self._connections_of(party):
            connection.swallow() if silent else connection.break_off()

    def heal(self, party: str) -> None:
        """It reaches them again."""
        self.cut_off.discard(party)
        self.silent.discard(party)

    def kill(self, party: str) -> None:
        """The party's process is gone without a word: its connections end, its place in groups does not."""
        self.paused.discard(party)
        for connection in self._connections_of(party):
            connection.close()

    def pause(self, party: str) -> None:
        """The party's process stands still; the answers to it wait."""
        self.paused.add(party)
        for connection in self._connections_of(party):
            connection.stand_still()

    def resume(self, party: str) -> None:
        """It goes on, and does not know that it stood still."""
        self.paused.discard(party)
        for connection in self._connections_of(party):
            connection.go_on()

    def leap(self, seconds: float) -> None:
        """The loop's time has leapt, the brokers' with it: nobody's session and no transaction has run out by that."""
        self.groups.push_out(seconds)
        for one in self.transactions.ids.values():
            one.began += seconds

    # Copies.

    def copy(self) -> Copy:
        """All that is on the disks, now."""
        return Copy(
            _copied(self.topics),
            {name: group.copy() for name, group in self.groups.groups.items()},
            {name: one.copy() for name, one in self.transactions.ids.items()},
            self.transactions.last_producer,
        )

    def restore(self, copy: Copy) -> None:
        """The disks are those of the copy again: what was written since is gone, and all connections break."""
        before = self.topics
        for node in self.nodes:
            node.sessions.clear()
            node.backlog.clear()
            self._break(node)
        self.topics = _copied(copy.topics)
        self.groups.groups = {name: group.copy() for name, group in copy.groups.items()}
        self.transactions.restored(copy.ids, copy.last_producer)
        for name, topic in self.topics.items():
            for number, log in enumerate(topic.logs):
                self._lead(log, self._leader_for((name, number)))
        for topic in before.values():
            for log in topic.logs:
                log.wake()

    # For the model's own parts.

    def soon(self, do: Callable[..., object], *given: object) -> None:
        """Do something next. What the brokers do is nobody's who asked: it is in no party's context."""
        self.loop.call_soon(do, *given, context=self._context)

    def later(self, seconds: float, do: Callable[..., object], *given: object) -> asyncio.TimerHandle:
        """Do something after so many seconds."""
        return self.loop.call_later(seconds, do, *given, context=self._context)

    def at(self, moment: float, do: Callable[..., object], *given: object) -> asyncio.TimerHandle:
        """Do something at this time of the loop."""
        return self.loop.call_at(moment, do, *given, context=self._context)

    def mutant(self, name: str) -> bool:
        """Whether this rule is taken away."""
        return name in self._mutants

    def bound(self, log: PartitionLog) -> int:
        """Where readers of committed records end."""
        return log.end if "stable_ignored" in self._mutants else log.stable

    def delay(self) -> float:
        """Seconds that a request, or an answer, is under way."""
        low, high = self.faults.latency
        return self.random.uniform(low, high) if high else 0.0

    def expire_if_due(self, log: PartitionLog, now: int) -> None:
        """Retention of this log, if it was not looked for some minutes."""
        if not 0 <= now - log.looked < LOOKED_EVERY_MS:
            log.looked = now
            log.expire(now)

    def written(self, party: str, place: Place, offset: int) -> None:
        """A client has appended."""
        if self.on_written is not None:
            self.on_written(party, place, offset)

    def node_at(self, _host: str, port: int) -> Node | None:
        """The broker that listens there."""
        number = port - FIRST_PORT
        return self.nodes[number] if 0 <= number < len(self.nodes) else None

    def coordinator(self, key: str) -> Node | None:
        """The broker that speaks for a group or a transactional id; None while nobody does."""
        return self._chosen(crc32(key.encode()))

    def coordinating(self, node: Node, key: str) -> Refusal:
        """Whether this broker speaks for the key."""
        return Refusal.NONE if self.coordinator(key) is node else Refusal.NOT_COORDINATOR

    def _chosen(self, number: int) -> Node | None:
        # The one of its own number while it is believed to live, and the next one that is, otherwise.
        for turn in range(len(self.nodes)):
            node = self.nodes[(number + turn) % len(self.nodes)]
            if node.seen_up:
                return node if node.up else None
        return None

    def _leader_for(self, place: Place) -> int:
        node = self._chosen(crc32(f"{place[0]}/{place[1]}".encode()))
        return -1 if node is None else node.number

    def _lose(self, node: Node) -> None:
        """The controller takes the broker for dead."""
        if node.up and not node.frozen:
            return
        node.seen_up = False
        for name, topic in self.topics.items():
            for number, log in enumerate(topic.logs):
                if log.leader == node.number:
                    self._lead(log, self._leader_for((name, number)))

    def _fill_vacancies(self) -> None:
        for name, topic in self.topics.items():
            for number, log in enumerate(topic.logs):
                if log.leader < 0:
                    self._lead(log, self._leader_for((name, number)))

    @staticmethod
    def _lead(log: PartitionLog, number: int) -> None:
        log.leader = number
        log.leader_epoch += 1
        log.wake()

    def _connections_of(self, party: str) -> list[ModelConnection]:
        return [one for node in self.nodes for one in node.connections if one.party == party]

    @staticmethod
    def _break(node: Node) -> None:
        for connection in list(node.connections):
            connection.break_off()


def _copied(topics: dict[str, Topic]) -> dict[str, Topic]:
    copied: dict[str, Topic] = {}
    for name, topic in topics.items():
        config = dict(topic.config)
        copied[name] = Topic(config, [log.copy(config) for log in topic.logs])
    return copied
