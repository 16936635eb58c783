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

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from deploy.kafka.settings import REQUIRED
from runtime.kafka.ports import OutputRecord
from runtime.kafka.record_batches import batch_of
from tests.years.kafka.faults import Faults
from tests.years.kafka.group_state import Group, Place
from tests.years.kafka.groups import GroupCoordinator
from tests.years.kafka.log import PartitionLog
from tests.years.kafka.nodes import Brokers, Topic
from tests.years.kafka.seen import Seen, committed_in
from tests.years.kafka.transactions import Transactional, TransactionCoordinator

if TYPE_CHECKING:
    from tests.years.kafka.connection import ModelConnection

HOST: Final = "127.0.0.1"
LOOKED_EVERY_MS: Final = 300_000
"""log.retention.check.interval.ms."""

MUTANTS: Final = frozenset(
    {
        "stable_ignored",
        "fencing_ignored",
        "generation_ignored",
        "unstable_ignored",
        "aborts_forgotten",
        "last_end_holds",
    }
)
"""Rules that a test of the contract suite takes away, to see that the suite notices."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of all that the brokers have on their disks."""

    topics: dict[str, Topic]
    groups: dict[str, Group]
    ids: dict[str, Transactional]
    last_producer: int


class KafkaModel(Brokers):
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
        super().__init__(chance, brokers=brokers, host=host)
        self.clock = clock
        self.groups = GroupCoordinator(self)
        self.transactions = TransactionCoordinator(self)
        self.faults = Faults()
        self.patience = 0.0
        """Seconds for which a fetch that finds nothing, and a heartbeat, are held; 0 is as Kafka does."""

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

        self._mutants = frozenset(mutants)
        assert self._mutants <= MUTANTS, self._mutants - MUTANTS

    # Topics, without a client.

    def create(self, name: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> None:
        """Make a topic, if it is not there."""
        if name not in self.topics:
            shared = dict(config or {})
            self.topics[name] = Topic(shared, [PartitionLog(shared) for _ in range(partitions)])
            for number, log in enumerate(self.topics[name].logs):
                log.leader = self.leader_for((name, number))

    def delete_topic(self, name: str) -> None:
        """A topic is gone, with the positions in it."""
        topic = self.topics.pop(name, None)
        if topic is not None:
            for group in self.groups.groups.values():
                for place in [place for place in group.positions if place[0] == name]:
                    group.forget(place)
            for log in topic.logs:
                log.wake()

    def delete_records(self, name: str, partition: int, before: int) -> None:
        """An operator deletes what is before this offset."""
        self.topics[name].logs[partition].delete_before(before)

    def write(self, name: str, value: bytes, *, partition: int = 0, key: bytes = b"") -> int:
        """Somebody outside appends a record, in no transaction and stamped by the brokers' clock; its offset."""
        now = self.clock()
        batch, _ = batch_of([OutputRecord(name, key, value)], now=now)
        return self.topics[name].logs[partition].append(batch, now=now)

    def expire(self) -> None:
        """Retention, now and everywhere."""
        now = self.clock()
        for topic in self.topics.values():
            for log in topic.logs:
                log.looked = now
                log.expire(now)

    def drop_positions(self, group: str) -> None:
        """A group's positions are gone, as after offsets.retention.minutes."""
        one = self.groups.group(group)
        for place in list(one.positions):
            one.forget(place)

    # Looking, past all faults.

    def log_at(self, place: Place) -> PartitionLog | None:
        """The log of a partition."""
        topic = self.topics.get(place[0])
        return topic.logs[place[1]] if topic is not None and 0 <= place[1] < len(topic.logs) else None

    def records(self, name: str, partition: int = 0, *, start: int = 0) -> list[Seen]:
        """The committed records that are kept, from an offset on."""
        return committed_in(self.topics[name].logs[partition], start=start)

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
            self.end_life(node)
        self.topics = _copied(copy.topics)
        self.groups.groups = {name: group.copy() for name, group in copy.groups.items()}
        self.transactions.restored(copy.ids, copy.last_producer)
        for name, topic in self.topics.items():
            for number, log in enumerate(topic.logs):
                self.lead(log, self.leader_for((name, number)))
        for topic in before.values():
            for log in topic.logs:
                log.wake()

    # For the model's own parts.

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

    def _connections_of(self, party: str) -> list[ModelConnection]:
        return [one for node in self.nodes for one in node.connections if one.party == party]


def _copied(topics: dict[str, Topic]) -> dict[str, Topic]:
    copied: dict[str, Topic] = {}
    for name, topic in topics.items():
        config = dict(topic.config)
        copied[name] = Topic(config, [log.copy(config) for log in topic.logs])
    return copied
